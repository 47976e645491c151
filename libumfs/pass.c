// SPDX-License-Identifier: BSD-3-Clause
/*
 * pass.c - open files for those whom libumfs does not serve.
 *
 * A static program that inherits one of our numbers, or who gets one in a message, can do
 * nothing with a placeholder. Where mount.umfs serves the pool at the same path, it
 * opens the same description once more (fuse/ops_pass.c), and the number becomes a
 * descriptor of the mount's: same file, with or without a name, same flags, and one
 * position with all others that have the description.
 *
 * Not kept: locks stay those of whoever has them, so the other program can neither give
 * them back nor pass on its own; and what it changes by F_SETFL is its own.
 *
 * Directories and descriptors that were opened with O_PATH are not passed.
 */
#include <elf.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "internal.h"

#define HEAD_BYTES 256u /* of an image: as much as the kernel reads of a script's first line */
#define IMAGE_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) /* maybe no program at all */
#define SEGMENTS_MAX 32u
#define SCRIPTS_MAX 4

/* ---- will an image load libumfs? ---- */

static bool reads(int fd, void *to, size_t n, uint64_t off)
{
	return sys4(SYS_pread64, fd, to, n, off) == (long)n;
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

/* The dynamic linker that it asks for is glibc's. */
static bool has_linker(int fd, const Elf64_Ehdr *head)
{
	Elf64_Phdr segment;
	char name[64] = {0};

	for (uint32_t i = 0; i < head->e_phnum && i < SEGMENTS_MAX; i++) {
		if (!reads(fd, &segment, sizeof(segment), head->e_phoff + i * sizeof(segment)))
			return false;
		if (segment.p_type == PT_INTERP)
			return sys4(SYS_pread64, fd, name, sizeof(name) - 1,
				    segment.p_offset) > 0 &&
			       strstr(name, "/ld-linux-x86-64.so");
	}
	return false;
}

static bool is_elf(const char *head)
{
	return !memcmp(head, ELFMAG, SELFMAG);
}

static bool elf_loads(int fd)
{
	Elf64_Ehdr head;

	return reads(fd, &head, sizeof(head), 0) && head.e_ident[EI_CLASS] == ELFCLASS64 &&
	       head.e_machine == EM_X86_64 && head.e_phentsize == sizeof(Elf64_Phdr) &&
	       has_linker(fd, &head);
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

bool umfs_pass_image_knows(int dirfd, const char *path, int flags)
{
	bool given = (flags & AT_EMPTY_PATH) && !*path, knows = true;
	char head[HEAD_BYTES] = {0};
	const char *next;
	long fd, n;

	/* In a sandbox no system call is made that libc would not make. */
	for (int i = 0; i < SCRIPTS_MAX && !port_quiet; i++) {
		fd = given ? dirfd : sys4(SYS_openat, dirfd, path, IMAGE_FLAGS, 0);
		/* What can not be read the kernel may run all the same, or say what is wrong. */
		if (fd < 0)
			return true;
		n = sys4(SYS_pread64, fd, head, sizeof(head) - 1, 0);
		head[n > 0 ? n : 0] = '\0';
		knows = n <= 0 || (!raises_rights((int)fd) &&
				   (!is_elf(head) || elf_loads((int)fd)));
		if (!given)
			sys1(SYS_close, fd);
		next = n > 2 ? interpreter(head) : NULL;
		if (!next)
			break;
		given = false;
		dirfd = AT_FDCWD;
		memmove(head, next, strlen(next) + 1);
		path = head;
	}
	return knows;
}

/* ---- one file ---- */

#define PASSED_FLAGS (O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_DIRECT)

static void add_path(struct text *t, struct mount *m, const struct pool_pass *what)
{
	char name[POOL_PASS_BYTES];

	umfs_text_add(t, m->dir);
	umfs_text_add(t, "/");
	pool_pass_dir(&m->pool, name);
	umfs_text_add(t, name);
	umfs_text_add(t, "/");
	pool_pass_name(&m->pool, what, name);
	umfs_text_add(t, name);
}

long umfs_pass_open_node(struct mount *m, umfs_node node, int flags)
{
	struct pool_pass what = {POOL_PASS_NODE, node, 0, 0};
	char path[DIR_BYTES + 2 * POOL_PASS_BYTES];
	struct text t;

	umfs_text_init(&t, path, sizeof(path));
	add_path(&t, m, &what);
	return umfs_cancel_call(SYS_openat, AT_FDCWD, SYS_ARG(path), flags | O_NOFOLLOW, 0, 0, 0);
}

/* The kernel's position is to begin where the mount expects it: both are told the same. */
static long open_same(const struct umfs_file *f, uint64_t key, bool cloexec)
{
	int64_t pos = umfs_seek(f, 0, SEEK_CUR);
	struct pool_pass what = {POOL_PASS_OFD, f->ofd, key, pos > 0 ? (uint64_t)pos : 0};
	char path[DIR_BYTES + 2 * POOL_PASS_BYTES];
	struct umfs_ofd_pm *o = umfs_ofd_of(f);
	long flags = o ? (long)(ld32(&o->flags) & PASSED_FLAGS) : 0, fd;
	struct text t;

	umfs_text_init(&t, path, sizeof(path));
	add_path(&t, umfs_mount_of(f->fs), &what);
	fd = sys4(SYS_openat, AT_FDCWD, path,
		  flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | (cloexec ? O_CLOEXEC : 0),
		  0600);
	if (fd >= 0 && pos > 0)
		sys3(SYS_lseek, fd, pos, SEEK_SET);
	return fd;
}

long umfs_pass_open_file(const struct umfs_file *f, const char *who, bool cloexec)
{
	struct umfs_ofd_pm *o;
	long passed;

	umfs_guard_enter();
	o = umfs_ofd_of(f);
	passed = o ? open_same(f, ld64(&o->key), cloexec) : -EBADF;
	umfs_guard_leave();
	if (passed >= 0 && umfs_config.report)
		umfs_report_note(REPORT_MATERIALISED, who, REPORT_OTHERS, 0);
	return passed;
}

long umfs_pass_open(int fd, const char *who)
{
	struct umfs_file f;
	long passed;

	if (umfs_uinfo_read(fd, &f) != UINFO_FILE)
		return -ENOTSUP;
	passed = umfs_pass_open_file(&f, who, true);
	return passed < 0 ? -ENOTSUP : passed;
}
