// SPDX-License-Identifier: BSD-3-Clause
/*
 * image.c - will a program load what LD_PRELOAD names?
 *
 * Its ELF header, the loader that it asks for and its rights say so. Loaders are told
 * apart by their names, as distributions that keep several do: glibc's begins with
 * "ld-linux" on each machine. Programs of Go load it and use it for what is not Go, but
 * make their own system calls, so what they are given must be the kernel's.
 */
#include "image.h"

#include "sys.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define HEAD_BYTES 1024u /* of an image: segments and the loader's name are mostly in it */
#define LINE_BYTES 256u	 /* and of a script's first line as much as the kernel reads */
#define IMAGE_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) /* maybe no program at all */
#define SEGMENTS_MAX 32u
#define NOTES_MAX 8
#define LOADER_BYTES 256u
#define SCRIPTS_MAX 4

/* An open program, and its first bytes: exec is slowed down by each system call here. */
struct program {
	int fd;
	const char *path;
	size_t have;
	char head[HEAD_BYTES];
};

static bool reads(const struct program *p, void *to, size_t n, uint64_t off)
{
	if (off > p->have || n > p->have - off)
		return sys4(SYS_pread64, p->fd, to, n, off) == (long)n;
	memcpy(to, p->head + off, n);
	return true;
}

/* Set-id images, and those with rights of their own, load nothing that the environment names. */
static bool raises_rights(int fd)
{
	uid_t uid = (uid_t)sys0(SYS_getuid), euid = (uid_t)sys0(SYS_geteuid);
	gid_t gid = (gid_t)sys0(SYS_getgid), egid = (gid_t)sys0(SYS_getegid);
	struct stat st;

	if (sys2(SYS_fstat, fd, &st))
		return false;
	if ((st.st_mode & S_ISUID) && st.st_uid != uid)
		return true;
	if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != gid)
		return true;
	if (uid != euid || gid != egid)
		return true;
	return uid && sys4(SYS_fgetxattr, fd, "security.capability", NULL, 0) > 0;
}

/* The name of the loader that a 64-bit or 32-bit image asks for; false: it is linked statically. */
#define LOADER_NAME(bits)                                                                 \
	static bool loader_name_##bits(const struct program *p, char *name)               \
	{                                                                                 \
		Elf##bits##_Ehdr head;                                                    \
		Elf##bits##_Phdr s;                                                       \
                                                                                          \
		if (!reads(p, &head, sizeof(head), 0) || head.e_phentsize != sizeof(s))   \
			return false;                                                     \
		for (uint32_t i = 0; i < head.e_phnum && i < SEGMENTS_MAX; i++) {         \
			if (!reads(p, &s, sizeof(s), head.e_phoff + i * sizeof(s)))       \
				return false;                                             \
			if (s.p_type == PT_INTERP)                                        \
				return s.p_filesz < LOADER_BYTES &&                       \
				       reads(p, name, s.p_filesz, s.p_offset);            \
		}                                                                         \
		return false;                                                             \
	}
LOADER_NAME(64)
LOADER_NAME(32)

/* Do the notes of [off, end) have Go's, which its linker puts into each program? */
static bool notes_of_go(const struct program *p, uint64_t off, uint64_t end, uint64_t align)
{
	Elf64_Nhdr note;
	char name[4];

	if (align != 8)
		align = 4;
	for (int i = 0; i < NOTES_MAX && off < end; i++) {
		if (!reads(p, &note, sizeof(note), off))
			return false;
		off += sizeof(note);
		if (note.n_namesz == sizeof(name) && reads(p, name, sizeof(name), off) &&
		    !memcmp(name, "Go\0", sizeof(name)))
			return true;
		off += (note.n_namesz + align - 1) & -align;
		off += (note.n_descsz + align - 1) & -align;
	}
	return false;
}

static bool is_go(const struct program *p)
{
	Elf64_Ehdr head;
	Elf64_Phdr s;

	if (!reads(p, &head, sizeof(head), 0))
		return false;
	for (uint32_t i = 0; i < head.e_phnum && i < SEGMENTS_MAX; i++) {
		if (!reads(p, &s, sizeof(s), head.e_phoff + i * sizeof(s)))
			return false;
		if (s.p_type == PT_NOTE &&
		    notes_of_go(p, s.p_offset, s.p_offset + s.p_filesz, s.p_align))
			return true;
	}
	return false;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static enum image_kind elf_look(const struct program *p)
{
	char name[LOADER_BYTES] = {0};
	bool wide = p->head[EI_CLASS] == ELFCLASS64;

	if (!(wide ? loader_name_64(p, name) : loader_name_32(p, name))) /* or is that loader */
		return strncmp(last_part(p->path), "ld-musl-", 8) ? IMAGE_WITHOUT : IMAGE_BREAKS;
	if (strncmp(last_part(name), "ld-linux", 8))
		return IMAGE_BREAKS;
	if (!wide || strcmp(last_part(name), "ld-linux-x86-64.so.2"))
		return IMAGE_WITHOUT;
	return is_go(p) ? IMAGE_WITHOUT : IMAGE_LOADS;
}

static enum image_kind program_look(const struct program *p, bool rights)
{
	enum image_kind what = IMAGE_LOADS;

	if (p->have > EI_CLASS && !memcmp(p->head, ELFMAG, SELFMAG))
		what = elf_look(p);
	if (what == IMAGE_WITHOUT || !p->have || (what == IMAGE_LOADS && !rights))
		return what;
	return raises_rights(p->fd) ? IMAGE_WITHOUT : what;
}

/* "#! NAME ..." in place; NULL: no script. */
static const char *interpreter(char *line)
{
	char *name = line + 2;

	if (line[0] != '#' || line[1] != '!')
		return NULL;
	name += strspn(name, " \t");
	name[strcspn(name, " \t\n")] = '\0';
	return *name ? name : NULL;
}

static void read_head(struct program *p)
{
	long n = sys4(SYS_pread64, p->fd, p->head, sizeof(p->head) - 1, 0);

	p->have = n > 0 ? (size_t)n : 0;
	p->head[p->have] = '\0';
}

enum image_kind image_look(int dirfd, const char *path, int flags, bool rights)
{
	bool given = (flags & AT_EMPTY_PATH) && !*path;
	enum image_kind what = IMAGE_LOADS;
	char line[LINE_BYTES];
	struct program p;
	const char *next;

	for (int i = 0; i < SCRIPTS_MAX; i++) {
		p.path = path;
		p.fd = given ? dirfd : (int)sys4(SYS_openat, dirfd, path, IMAGE_FLAGS, 0);
		/* What can not be read the kernel may run all the same, or say what is wrong. */
		if (p.fd < 0)
			return IMAGE_LOADS;
		read_head(&p);
		what = program_look(&p, rights);
		if (!given)
			sys1(SYS_close, p.fd);
		p.head[LINE_BYTES - 1] = '\0';
		next = p.have > 2 ? interpreter(p.head) : NULL;
		if (!next)
			break;
		given = false;
		dirfd = AT_FDCWD;
		memcpy(line, next, strlen(next) + 1);
		path = line;
	}
	return what;
}
