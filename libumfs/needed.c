// SPDX-License-Identifier: BSD-3-Clause
/*
 * needed.c - what libraries and programs in a pool need.
 *
 * The dynamic linker looks for it where that library says (DT_RPATH, DT_RUNPATH, with
 * $ORIGIN) and in LD_LIBRARY_PATH, by system calls of its own: it sees no pool, and
 * takes $ORIGIN for the directory of a copy's name. So before it is given a library,
 * what that needs is looked for here in the same places and loaded, the deepest first;
 * the linker then knows it by its DT_SONAME. What has none it does not find.
 *
 * A program that lies in a pool gets them by LD_PRELOAD, as descriptors of copies that
 * are open across the exec; once it runs and they are mapped, libumfs in it closes them
 * and takes them out of the variable again.
 *
 *  E1  Nothing that is read from the file is trusted: each offset is checked against
 *      its size before use. What makes no sense is left to the linker to refuse.
 *  E2  The linker's own search decides what it can decide: a name that is loaded
 *      already is left alone, and so is what none of these places has.
 *  E3  What is loaded here stays: nobody knows who else came to need it.
 */
#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "hooks.h"
#include "needed.h"

#define DEPTH_MAX 64u
#define SEGMENTS_MAX 64u
#define SEARCH_BYTES 8192u /* of LD_LIBRARY_PATH: a longer one is not looked through */

/* A library while what it needs is looked for; who needs it: up. */
struct needer {
	const struct needer *up;
	const char *path;
	unsigned depth;
	const char *image;
	uint64_t bytes;
	const Elf64_Dyn *dynamic;
	uint64_t entries;
	const char *strings;
	uint64_t strings_bytes;
	const char *rpath, *runpath; /* NULL: none */
};

static bool within(const struct needer *n, uint64_t off, uint64_t bytes)
{
	return off <= n->bytes && bytes <= n->bytes - off;
}

/* The segments of an image that is one for this processor; NULL: it is not. */
static const Elf64_Phdr *segments(const struct needer *n, unsigned *count)
{
	const Elf64_Ehdr *e = (const void *)n->image;

	if (n->bytes < sizeof(*e) || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 ||
	    e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_machine != EM_X86_64 ||
	    e->e_phentsize != sizeof(Elf64_Phdr) || e->e_phnum > SEGMENTS_MAX ||
	    e->e_phoff % 8 || !within(n, e->e_phoff, e->e_phnum * sizeof(Elf64_Phdr)))
		return NULL;
	*count = e->e_phnum;
	return (const void *)(n->image + e->e_phoff);
}

/* Where in the file that address will be; n->bytes: nowhere. */
static uint64_t offset_of(const struct needer *n, uint64_t addr)
{
	unsigned count;
	const Elf64_Phdr *p = segments(n, &count);

	for (unsigned i = 0; p && i < count; i++)
		if (p[i].p_type == PT_LOAD && addr >= p[i].p_vaddr &&
		    addr - p[i].p_vaddr < p[i].p_filesz &&
		    p[i].p_offset <= n->bytes - (addr - p[i].p_vaddr))
			return p[i].p_offset + (addr - p[i].p_vaddr);
	return n->bytes;
}

static uint64_t entry(const struct needer *n, int64_t tag, uint64_t fallback)
{
	for (uint64_t i = 0; i < n->entries && n->dynamic[i].d_tag != DT_NULL; i++)
		if (n->dynamic[i].d_tag == tag)
			return n->dynamic[i].d_un.d_val;
	return fallback;
}

/* NULL: it does not lie within the strings, or does not end there. */
static const char *string(const struct needer *n, uint64_t off)
{
	if (off >= n->strings_bytes || !memchr(n->strings + off, '\0', n->strings_bytes - off))
		return NULL;
	return n->strings + off;
}

/* False: nothing can be said of it (E1). */
static bool parse(struct needer *n)
{
	unsigned count;
	const Elf64_Phdr *p = segments(n, &count);
	uint64_t off;

	for (unsigned i = 0; p && i < count && !n->dynamic; i++)
		if (p[i].p_type == PT_DYNAMIC && !(p[i].p_offset % 8) &&
		    within(n, p[i].p_offset, p[i].p_filesz)) {
			n->dynamic = (const void *)(n->image + p[i].p_offset);
			n->entries = p[i].p_filesz / sizeof(Elf64_Dyn);
		}
	if (!n->dynamic)
		return false;
	off = offset_of(n, entry(n, DT_STRTAB, 0));
	n->strings_bytes = entry(n, DT_STRSZ, 0);
	if (!within(n, off, n->strings_bytes))
		return false;
	n->strings = n->image + off;
	n->runpath = string(n, entry(n, DT_RUNPATH, UINT64_MAX));
	n->rpath = n->runpath ? NULL : string(n, entry(n, DT_RPATH, UINT64_MAX));
	return true;
}

/* ---- where to look ---- */

/* Behind $ORIGIN or ${ORIGIN}, which s begins with; NULL: it does not. */
static const char *behind_origin(const char *s)
{
	if (!strncmp(s, "$ORIGIN", 7))
		return s + 7;
	return strncmp(s, "${ORIGIN}", 9) ? NULL : s + 9;
}

static void add_bytes(struct text *t, const char *s, size_t bytes)
{
	char one[2] = "";

	for (size_t i = 0; i < bytes; i++) {
		one[0] = s[i];
		umfs_text_add(t, one);
	}
}

/* The directory that a path names its file in. */
static void add_directory(struct text *t, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		umfs_text_add(t, ".");
	else
		add_bytes(t, path, slash == path ? 1 : (size_t)(slash - path));
}

/*
 * The first of these directories that has the name: true, and it is in path. What the
 * linker finds itself, an absolute one outside of the pools, ends the search (E2).
 */
static bool look(const char *dirs, const char *origin, const char *name, char path[PATH_MAX],
		 bool *ends)
{
	for (const char *p = dirs; p && *p && !*ends; p += *p != '\0') {
		const char *rest = origin ? behind_origin(p) : NULL;
		size_t bytes;
		struct text t;

		umfs_text_init(&t, path, PATH_MAX);
		if (rest)
			add_directory(&t, origin);
		p = rest ? rest : p;
		bytes = strcspn(p, ":;");
		if (!bytes && !rest)
			umfs_text_add(&t, ".");
		add_bytes(&t, p, bytes);
		umfs_text_add(&t, "/");
		umfs_text_add(&t, name);
		p += bytes;
		if (t.len + 1 < PATH_MAX && umfs_load_is_file(path)) {
			if (rest || umfs_hook_path_ours(path))
				return true;
			*ends = true;
		}
	}
	return false;
}

static const char *library_path(char *const envp[])
{
	for (char *const *e = envp; e && *e; e++)
		if (!strncmp(*e, "LD_LIBRARY_PATH=", 16))
			return *e + 16;
	return NULL;
}

/* As it was when this program began: the linker takes no notice of what becomes of it. */
static char at_start[SEARCH_BYTES];

/* In the linker's order: those of who needs it, and of who needs that, the environment's. */
static bool find(const struct needer *n, const char *name, const char *search,
		 char path[PATH_MAX])
{
	bool ends = false;

	for (const struct needer *i = n->runpath ? NULL : n; i; i = i->up)
		if (look(i->rpath, i->path, name, path, &ends))
			return true;
	return look(search, NULL, name, path, &ends) ||
	       look(n->runpath, n->path, name, path, &ends);
}

bool umfs_needed_find(const char *name, char path[PATH_MAX])
{
	bool ends = false;

	return look(at_start, NULL, name, path, &ends);
}

/* ---- loading ---- */

static bool is_loaded(load_fn load, const char *name)
{
	void *lib = load(name, RTLD_LAZY | RTLD_NOLOAD);

	return lib && !dlclose(lib);
}

static void load_needed_of(const char *path, const char *copy, load_fn load,
			   const struct needer *up);

static void load_one(const struct needer *n, const char *name, load_fn load)
{
	char path[PATH_MAX];
	const char *copy;

	if (is_loaded(load, name) || !find(n, name, at_start, path))
		return;
	for (const struct needer *i = n; i; i = i->up)
		if (!strcmp(i->path, path))
			return; /* they need each other */
	copy = umfs_load_copy(path);
	if (copy)
		load_needed_of(path, copy, load, n);
	load(copy ? copy : path, RTLD_LAZY);
}

/* The image by that descriptor is mapped; false: it is not, or nothing can be said of it. */
static bool map(struct needer *n, int fd)
{
	struct stat st;
	long at = sys2(SYS_fstat, fd, &st);

	if (!at)
		at = sys6(SYS_mmap, 0, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at < 0 && at > -4096)
		return false;
	n->image = (const char *)at;
	n->bytes = (uint64_t)st.st_size;
	return parse(n);
}

static void unmap(struct needer *n)
{
	if (n->image)
		sys2(SYS_munmap, n->image, n->bytes);
	n->image = NULL;
}

/* The name in that entry, if it is one of what is needed, and not a path. */
static const char *needed_name(const struct needer *n, uint64_t i)
{
	const char *name = n->dynamic[i].d_tag == DT_NEEDED ?
				   string(n, n->dynamic[i].d_un.d_val) :
				   NULL;

	return name && *name && !strchr(name, '/') ? name : NULL;
}

static void load_needed_of(const char *path, const char *copy, load_fn load,
			   const struct needer *up)
{
	struct needer n = {.up = up, .path = path, .depth = up ? up->depth + 1 : 0};
	long fd = n.depth < DEPTH_MAX ? sys3(SYS_open, copy, O_RDONLY | O_CLOEXEC, 0) : -1;
	bool good;

	if (fd < 0)
		return;
	good = map(&n, (int)fd);
	sys1(SYS_close, fd);
	for (uint64_t i = 0; good && i < n.entries && n.dynamic[i].d_tag != DT_NULL; i++) {
		const char *name = needed_name(&n, i);

		if (name)
			load_one(&n, name, load);
	}
	unmap(&n);
}

void umfs_needed_load(const char *path, const char *copy, load_fn load)
{
	load_needed_of(path, copy, load, NULL);
}

/* ---- of a program ---- */

#define LIBRARIES_MAX 64u
#define LINKS_MAX 40u
#define ENTRY_BYTES 32u /* of LD_PRELOAD, for a library */
#define PRELOAD "LD_PRELOAD="
#define BY_FD "/proc/self/fd/"

/* All that a program needs: in memory of its own, since a child's stack may be small. */
struct needs {
	uint32_t count; /* the first is the program */
	struct needer lib[LIBRARIES_MAX];
	int fd[LIBRARIES_MAX];
	char path[LIBRARIES_MAX][PATH_MAX];
	char program[2][PATH_MAX], link[PATH_MAX];
};

/* Where the program lies that the path leads to: the linker takes that for $ORIGIN. */
static const char *follow(struct needs *s, const char *path)
{
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		long n = umfs_hook_readlink(AT_FDCWD, path, s->link, PATH_MAX - 1);
		struct text t;

		if (n <= 0)
			return path;
		s->link[n] = '\0';
		umfs_text_init(&t, s->program[i % 2], PATH_MAX);
		if (s->link[0] != '/') {
			add_directory(&t, path);
			umfs_text_add(&t, "/");
		}
		umfs_text_add(&t, s->link);
		path = s->program[i % 2];
	}
	return path;
}

static bool is_known(const struct needs *s, const char *name)
{
	for (uint32_t i = 1; i < s->count; i++)
		if (!strcmp(strrchr(s->path[i], '/') + 1, name))
			return true;
	return false;
}

static void add_needed_of(struct needs *s, const struct needer *n, const char *search)
{
	for (uint64_t i = 0; i < n->entries && n->dynamic[i].d_tag != DT_NULL; i++) {
		const char *name = needed_name(n, i);
		struct needer *next = &s->lib[s->count];
		char *path = s->path[s->count];
		long fd;

		if (!name || s->count == LIBRARIES_MAX || is_known(s, name) ||
		    !find(n, name, search, path))
			continue;
		fd = umfs_load_open(path);
		if (fd < 0)
			continue;
		*next = (struct needer){.up = n, .path = path};
		s->fd[s->count++] = (int)fd;
	}
}

/* That environment, with those libraries in LD_PRELOAD, which is there: in `memory`. */
static char **add_to_environment(const struct needs *s, char *const envp[], char *memory,
				 size_t bytes)
{
	char **to = (char **)memory;
	size_t vars = 0;
	struct text t;

	while (envp[vars])
		vars++;
	memcpy(to, envp, (vars + 1) * sizeof(*to));
	memory += (vars + 1) * sizeof(*to);
	umfs_text_init(&t, memory, bytes - (vars + 1) * sizeof(*to));
	while (*to && strncmp(*to, PRELOAD, strlen(PRELOAD)) != 0)
		to++;
	umfs_text_add(&t, *to ? *to : PRELOAD);
	if (*to)
		*to = memory;
	for (uint32_t i = 1; i < s->count; i++) {
		umfs_text_add(&t, ":" BY_FD);
		umfs_text_dec(&t, (uint64_t)s->fd[i]);
		sys3(SYS_fcntl, s->fd[i], F_SETFD, 0);
	}
	return (char **)(memory - (vars + 1) * sizeof(*to));
}

static size_t environment_bytes(char *const envp[])
{
	size_t bytes = sizeof(char *) + LIBRARIES_MAX * ENTRY_BYTES;

	for (; *envp; envp++)
		bytes += sizeof(char *) +
			 (strncmp(*envp, PRELOAD, strlen(PRELOAD)) ? 0 : strlen(*envp) + 1);
	return bytes;
}

void umfs_needed_pass(struct passing *p, const char *path, int fd, char *const envp[])
{
	size_t bytes = environment_bytes(envp);
	const char *search = library_path(envp);
	struct needer program = {.path = path};
	struct needs *s;
	long at;

	memset(p, 0, sizeof(*p));
	if (!map(&program, fd) || !(program.rpath || program.runpath || search))
		return unmap(&program);
	bytes += sizeof(*s);
	at = sys6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		  -1, 0);
	if (at < 0 && at > -4096)
		return unmap(&program);
	s = p->needs = (struct needs *)at;
	p->bytes = bytes;
	p->pid = sys0(SYS_getpid);
	s->lib[0] = program;
	s->lib[0].path = follow(s, path);
	s->count = 1;
	add_needed_of(s, &s->lib[0], search);
	for (uint32_t i = 1; i < s->count; i++)
		if (map(&s->lib[i], s->fd[i]))
			add_needed_of(s, &s->lib[i], search);
	for (uint32_t i = 0; i < s->count; i++)
		unmap(&s->lib[i]);
	if (s->count > 1)
		p->envp = add_to_environment(s, envp, (char *)(s + 1), bytes - sizeof(*s));
}

void umfs_needed_drop(struct passing *p)
{
	if (!p->needs)
		return;
	for (uint32_t i = 1; i < p->needs->count && p->pid == sys0(SYS_getpid); i++)
		sys1(SYS_close, p->needs->fd[i]);
	sys2(SYS_munmap, p->needs, p->bytes);
	memset(p, 0, sizeof(*p));
}

/* `n` bytes of LD_PRELOAD that name a memory file of ours: its descriptor, or -1. */
static int passed_fd(const char *name, size_t n)
{
	const char *p = name + strlen(BY_FD);
	char by[ENTRY_BYTES] = "", is[sizeof("/memfd:umfs") - 1];
	uint64_t fd;

	if (n >= sizeof(by) || strncmp(name, BY_FD, strlen(BY_FD)) != 0 ||
	    !umfs_text_number(&p, 10, &fd) || p != name + n || fd > INT_MAX)
		return -1;
	memcpy(by, name, n);
	if (sys3(SYS_readlink, by, is, sizeof(is)) != sizeof(is) ||
	    memcmp(is, "/memfd:umfs", sizeof(is)) != 0)
		return -1;
	return (int)fd;
}

void umfs_needed_init(char **envp)
{
	const char *search = library_path(envp);

	if (search && strlen(search) < sizeof(at_start))
		memcpy(at_start, search, strlen(search) + 1);
	while (*envp && strncmp(*envp, PRELOAD, strlen(PRELOAD)) != 0)
		envp++;
	for (char *at = *envp ? *envp + strlen(PRELOAD) : NULL; at && *at;) {
		size_t n = strcspn(at, ": ");
		int fd = passed_fd(at, n);

		if (fd < 0) {
			at += n + (at[n] != '\0');
			continue;
		}
		sys1(SYS_close, fd); /* it is mapped by now */
		n += at[n] != '\0';
		memmove(at, at + n, strlen(at + n) + 1);
		if (!*at && at[-1] == ':')
			at[-1] = '\0';
	}
}
