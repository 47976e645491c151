// SPDX-License-Identifier: BSD-3-Clause
/*
 * config.c - the environment.
 *
 *   LIBUMFS_MOUNT=DIR=POOL[,DIR=POOL...]  backslash escapes , = and itself
 *   LIBUMFS_MODE=atomic|sync|posix        default atomic
 *   LIBUMFS_ATIME=relatime|noatime|strictatime  default relatime
 *   LIBUMFS_REDIRECT=1|0                  0: replace symbols only (redirect.c)
 *   LIBUMFS_REPORT=1|FILE                 exit report on stderr or appended to FILE
 *
 * Anything that can not be understood makes libumfs inactive with one line on
 * stderr: half a configuration would send some files to the wrong place.
 */
#include "path.h"

struct config umfs_config;
struct mount umfs_mounts[MOUNTS_MAX];

static const char *find(char **envp, const char *name)
{
	size_t n = strlen(name);

	for (; envp && *envp; envp++)
		if (!strncmp(*envp, name, n) && (*envp)[n] == '=')
			return *envp + n + 1;
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

static bool bad(const char *variable, const char *value, const char *why)
{
	umfs_text_say(variable, value, why, "; UMFS is off in this process");
	umfs_config.mount_count = 0;
	return false;
}

static bool take_mount(const char **p)
{
	struct mount *m = &umfs_mounts[umfs_config.mount_count];
	const char *why;

	if (umfs_config.mount_count == MOUNTS_MAX)
		return bad("LIBUMFS_MOUNT=", "...", ": too many mounts");
	if (!take_word(p, m->dir, sizeof(m->dir)) || **p != '=')
		return bad("LIBUMFS_MOUNT=", "...", ": not of the form DIR=POOL[,DIR=POOL...]");
	(*p)++;
	if (!take_word(p, m->pool_path, sizeof(m->pool_path)) || **p == '=')
		return bad("LIBUMFS_MOUNT=", "...", ": not of the form DIR=POOL[,DIR=POOL...]");
	why = clean_dir(m->dir);
	if (why)
		return bad("LIBUMFS_MOUNT: directory ", m->dir[0] ? m->dir : "/", why);
	why = absolute_pool(m->pool_path);
	if (why)
		return bad("LIBUMFS_MOUNT: pool ", m->pool_path, why);
	m->dir_len = (uint32_t)strlen(m->dir);
	for (uint32_t i = 0; i < umfs_config.mount_count; i++)
		if (!strcmp(umfs_mounts[i].dir, m->dir))
			return bad("LIBUMFS_MOUNT: directory ", m->dir, " is given twice");
	umfs_point_init(m);
	umfs_config.mount_count++;
	return true;
}

static bool take_mode(const char *value)
{
	umfs_config.mode = UMFS_MODE_ATOMIC;
	if (!value || !strcmp(value, "atomic"))
		return true;
	if (!strcmp(value, "sync"))
		umfs_config.mode = UMFS_MODE_SYNC;
	else if (!strcmp(value, "posix"))
		umfs_config.mode = UMFS_MODE_POSIX;
	else
		return bad("LIBUMFS_MODE=", value, ": not atomic, sync or posix");
	return true;
}

static bool take_atime(const char *value)
{
	umfs_config.atime = UMFS_ATIME_RELATIME;
	if (!value || !strcmp(value, "relatime"))
		return true;
	if (!strcmp(value, "noatime"))
		umfs_config.atime = UMFS_ATIME_NEVER;
	else if (!strcmp(value, "strictatime"))
		umfs_config.atime = UMFS_ATIME_ALWAYS;
	else
		return bad("LIBUMFS_ATIME=", value, ": not relatime, noatime or strictatime");
	return true;
}

static bool take_redirect(const char *value)
{
	umfs_config.redirect = !value || !strcmp(value, "1");
	if (!umfs_config.redirect && strcmp(value, "0") != 0)
		return bad("LIBUMFS_REDIRECT=", value, ": not 1 or 0");
	return true;
}

static void take_report(const char *value)
{
	if (!value || !*value || !strcmp(value, "0"))
		return;
	umfs_config.report = true;
	if (strcmp(value, "1") && strlen(value) < sizeof(umfs_config.report_path))
		memcpy(umfs_config.report_path, value, strlen(value) + 1);
}

void umfs_config_init(char **envp)
{
	const char *p = find(envp, "LIBUMFS_MOUNT");

	if (!p || !*p)
		return;
	do {
		if (!take_mount(&p))
			return;
	} while (*p == ',' && p++);
	if (take_mode(find(envp, "LIBUMFS_MODE")) && take_atime(find(envp, "LIBUMFS_ATIME")) &&
	    take_redirect(find(envp, "LIBUMFS_REDIRECT")))
		take_report(find(envp, "LIBUMFS_REPORT"));
}
