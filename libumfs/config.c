// SPDX-License-Identifier: BSD-3-Clause
/*
 * config.c - the environment.
 *
 *   LIBUMFS_MOUNT=DIR=POOL[,DIR=POOL...]  backslash escapes , = and itself; without it,
 *                                         what mount.umfs has mounted (table.c). A POOL
 *                                         below /dev/umfs, or that leads there, is the kernel
 *                                         module's (module.c)
 *   LIBUMFS_MODE=atomic|sync|posix        default atomic
 *   LIBUMFS_ATIME=relatime|noatime|strictatime  default relatime
 *   LIBUMFS_REDIRECT=1|0                  0: replace symbols only (redirect.c)
 *   LIBUMFS_PMEM=0|1                      1: any pool counts as persistent memory
 *   LIBUMFS_NT=1|0                        0: no non-temporal stores
 *   LIBUMFS_REPORT=1|FILE                 exit report on stderr or appended to FILE
 *   LIBUMFS_REPORT_FORM=text|json         of the report
 *
 * An empty value means the default. What can not be understood must not let a
 * program write beneath a mount what was meant for the pool; with one line on
 * stderr,
 *  - a bad LIBUMFS_MOUNT ends the process (127, as the loader ends one that
 *    misses a library): which directories were meant is not known, so nothing
 *    less keeps it from writing there;
 *  - any other bad variable makes every path below the mounts fail with EIO
 *    (mount.c).
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "module.h"

#define MISC_MAJOR 10u

struct config umfs_config PORT_START;
struct mount umfs_mounts[MOUNTS_MAX], umfs_kernel_mounts[MOUNTS_MAX];

static const char *find(char **envp, const char *name)
{
	for (; envp && *envp; envp++) {
		const char *value = umfs_text_after(*envp, name);

		if (value && *value == '=')
			return value + 1;
	}
	return NULL;
}

/* Take one escaped word up to an unescaped `,` or `=` or the end; false: too long or cut short. */
static bool take_word(const char **p, char *out, size_t size)
{
	const char *s = *p;
	size_t n = 0;

	for (; *s && *s != ',' && *s != '='; s++) {
		if (*s == '\\') {
			if (s[1] != ',' && s[1] != '=' && s[1] != '\\')
				return false;
			s++;
		}
		if (n + 1 >= size)
			return false;
		out[n++] = *s;
	}
	out[n] = '\0';
	*p = s;
	return n > 0;
}

/* Drop "//", "/./" and a trailing "/" in place. Wants an absolute path without ".." and not "/". */
static const char *clean_dir(char *dir)
{
	char *out = dir;
	const char *in = dir;

	if (*in != '/')
		return " is not absolute";
	while (*in) {
		while (*in == '/')
			in++;
		if (in[0] == '.' && (in[1] == '/' || !in[1])) {
			in++;
			continue;
		}
		if (in[0] == '.' && in[1] == '.' && (in[2] == '/' || !in[2]))
			return " contains \"..\"";
		if (!*in)
			break;
		*out++ = '/';
		while (*in && *in != '/')
			*out++ = *in++;
	}
	*out = '\0';
	return out == dir ? " is the root directory" : NULL;
}

/* A relative pool path means the directory the program was started in. */
static const char *absolute_pool(char *path)
{
	char cwd[DIR_BYTES];
	size_t n = strlen(path);
	long len;

	if (path[0] == '/')
		return NULL;
	len = sys2(SYS_getcwd, cwd, sizeof(cwd));
	if (len <= 0 || cwd[0] != '/')
		return " is relative and there is no working directory";
	if ((size_t)len + n + 1 > DIR_BYTES)
		return " is too long";
	memmove(path + len, path, n + 1);
	memcpy(path, cwd, (size_t)len - 1);
	path[len - 1] = '/';
	return NULL;
}

/* "//" and "/./" of an absolute path in place: what begins it is compared. */
static void clean_pool(char *path)
{
	char *out = path;

	for (const char *in = path; *in;) {
		if (in[0] == '/' && (in[1] == '/' || (in[1] == '.' && (in[2] == '/' || !in[2]))))
			in += in[1] == '/' ? 1 : 2;
		else
			*out++ = *in++;
	}
	*out = '\0';
}

/* By its name, whether it is there or not, or by what it is: a node of the kernel's misc devices. */
static bool is_module(char *pool)
{
	struct stat st;

	clean_pool(pool);
	return !strncmp(pool, UMFS_NODES, strlen(UMFS_NODES)) ||
	       (!sys2(SYS_stat, pool, &st) && S_ISCHR(st.st_mode) && major(st.st_rdev) == MISC_MAJOR);
}

static void __attribute__((noreturn)) refuse(const char *what, const char *value, const char *why)
{
	umfs_text_say(what, value, why, "; the program is not started");
	for (;;)
		sys1(SYS_exit_group, 127);
}

/* Said when the first path below a mount is used: programs that use none are none the worse. */
static void fail_mounts(const char *variable, const char *value, const char *why)
{
	struct text t;

	umfs_text_init(&t, umfs_config.wrong, sizeof(umfs_config.wrong));
	umfs_text_add(&t, variable);
	umfs_text_add(&t, "=");
	umfs_text_add(&t, value);
	umfs_text_add(&t, why);
}

static void take_mount(const char *all, const char **p)
{
	struct mount *m = &umfs_mounts[umfs_config.mount_count];
	const char *why;
	char *pool;

	if (umfs_config.mount_count == MOUNTS_MAX)
		refuse("LIBUMFS_MOUNT=", all, ": too many mounts");
	if (!take_word(p, m->dir, DIR_BYTES) || **p != '=')
		refuse("LIBUMFS_MOUNT=", all, ": not of the form DIR=POOL[,DIR=POOL...]");
	(*p)++;
	m->pool_off = (uint32_t)strlen(m->dir) + 1;
	pool = m->dir + m->pool_off;
	if (!take_word(p, pool, DIR_BYTES) || **p == '=')
		refuse("LIBUMFS_MOUNT=", all, ": not of the form DIR=POOL[,DIR=POOL...]");
	why = clean_dir(m->dir);
	if (why)
		refuse("LIBUMFS_MOUNT: directory ", m->dir[0] ? m->dir : "/", why);
	why = absolute_pool(pool);
	if (why)
		refuse("LIBUMFS_MOUNT: pool ", pool, why);
	m->module = is_module(pool);
	umfs_config.modules |= m->module;
	m->dir_len = (uint32_t)strlen(m->dir);
	for (uint32_t i = 0; i < umfs_config.mount_count; i++)
		if (!strcmp(umfs_mounts[i].dir, m->dir))
			refuse("LIBUMFS_MOUNT: directory ", m->dir, " is given twice");
	umfs_point_init(m);
	umfs_config.mount_count++;
}

/* Which of the words a value is; the first one is the default. */
static uint32_t take_choice(char **envp, const char *variable, const char *const *words,
			    const char *why)
{
	const char *value = find(envp, variable);

	if (!value || !*value)
		return 0;
	for (uint32_t i = 0; words[i]; i++)
		if (!strcmp(value, words[i]))
			return i;
	fail_mounts(variable, value, why);
	return 0;
}

static void take_mode(char **envp)
{
	static const char *const words[] = {"atomic", "sync", "posix", NULL};
	static const enum umfs_mode modes[] = {UMFS_MODE_ATOMIC, UMFS_MODE_SYNC, UMFS_MODE_POSIX};

	if (umfs_mounts[0].mounted && !find(envp, "LIBUMFS_MODE"))
		return; /* what the pool was mounted with */
	umfs_config.mode =
		modes[take_choice(envp, "LIBUMFS_MODE", words, ": not atomic, sync or posix")];
}

static void take_atime(char **envp)
{
	static const char *const words[] = {"relatime", "noatime", "strictatime", NULL};
	static const enum umfs_atime kinds[] = {UMFS_ATIME_RELATIME, UMFS_ATIME_NEVER,
						UMFS_ATIME_ALWAYS};

	umfs_config.atime = kinds[take_choice(envp, "LIBUMFS_ATIME", words,
					      ": not relatime, noatime or strictatime")];
}

static void take_redirect(char **envp)
{
	static const char *const words[] = {"1", "0", NULL};

	umfs_config.redirect = !take_choice(envp, "LIBUMFS_REDIRECT", words, ": not 1 or 0");
}

/* For tools that watch what is stored, flushed and fenced. */
static void take_medium(char **envp)
{
	static const char *const pmem[] = {"0", "1", NULL}, *const nt[] = {"1", "0", NULL};

	if (take_choice(envp, "LIBUMFS_PMEM", pmem, ": not 0 or 1"))
		pool_all_persistent();
	if (take_choice(envp, "LIBUMFS_NT", nt, ": not 1 or 0"))
		pool_stream_never();
}

static void take_form(char **envp)
{
	static const char *const words[] = {"text", "json", NULL};

	umfs_config.report_json =
		take_choice(envp, "LIBUMFS_REPORT_FORM", words, ": not text or json");
}

static void take_report(const char *value)
{
	static char path[DIR_BYTES];

	if (!value || !*value || !strcmp(value, "0"))
		return;
	umfs_config.report = true;
	if (!strcmp(value, "1"))
		return;
	if (strlen(value) >= sizeof(path)) {
		umfs_text_say("LIBUMFS_REPORT", ": the name is too long", "", "; it goes to stderr");
		return;
	}
	memcpy(path, value, strlen(value) + 1);
	umfs_config.report_path = path;
}

void umfs_config_init(char **envp)
{
	const char *all = find(envp, "LIBUMFS_MOUNT");
	const char *p = all;

	if (p && *p) {
		do {
			take_mount(all, &p);
		} while (*p == ',' && p++);
	} else {
		umfs_table_init();
		if (!umfs_active())
			return;
	}
	take_mode(envp);
	take_atime(envp);
	take_redirect(envp);
	take_medium(envp);
	take_report(find(envp, "LIBUMFS_REPORT"));
	take_form(envp);
}
