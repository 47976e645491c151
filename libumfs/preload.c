// SPDX-License-Identifier: BSD-3-Clause
/*
 * preload.c - LD_PRELOAD for a program that can not have libumfs in it.
 *
 * The loader of another libc does not start a program when it can not load all that
 * LD_PRELOAD names, where glibc's goes on without. So such a program gets an environment
 * in which libumfs is not named; other libraries there are the user's affair. What names
 * the mounts stays. What such a program starts in turn has no libumfs either: it works by
 * the mount, unless it sets LD_PRELOAD again, as `umfs run` does.
 */
#include <sys/mman.h>

#include "internal.h"

#define VARIABLE "LD_PRELOAD="
#define SEPARATORS ": "

/* The text of that entry's list of libraries, or NULL. */
static const char *list_of(const char *entry)
{
	return strncmp(entry, VARIABLE, strlen(VARIABLE)) ? NULL : entry + strlen(VARIABLE);
}

bool umfs_preload_names_us(char *const envp[])
{
	for (; *envp; envp++) {
		const char *list = list_of(*envp);

		if (list && strstr(list, "libumfs"))
			return true;
	}
	return false;
}

/* `n` bytes that name a library: the last part of its path begins with our name. */
static bool is_us(const char *name, size_t n)
{
	size_t from = n;

	while (from && name[from - 1] != '/')
		from--;
	return n - from >= 7 && !memcmp(name + from, "libumfs", 7);
}

/* What is left of a list, with the variable's name; where it ends, or NULL: nothing is left. */
static char *copy_list(char *to, const char *list)
{
	char *start = to + strlen(VARIABLE), *end = start;

	memcpy(to, VARIABLE, strlen(VARIABLE));
	for (size_t n; *list; list += n) {
		list += strspn(list, SEPARATORS);
		n = strcspn(list, SEPARATORS);
		if (!n || is_us(list, n))
			continue;
		if (end > start)
			*end++ = ':';
		memcpy(end, list, n);
		end += n;
	}
	*end = '\0';
	return end > start ? end + 1 : NULL;
}

static size_t measure(char *const envp[])
{
	size_t bytes = sizeof(char *);

	for (; *envp; envp++)
		bytes += sizeof(char *) + (list_of(*envp) ? strlen(*envp) + 1 : 0);
	return bytes;
}

long umfs_preload_without(char *const envp[], struct without *w)
{
	size_t bytes = measure(envp), vars = 0;
	long at = sys6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	char **to = (char **)at, *text, *end;

	if (at < 0 && at > -4096)
		return -ENOMEM;
	while (envp[vars])
		vars++;
	text = (char *)(to + vars + 1);
	w->envp = to;
	w->bytes = bytes;
	for (; *envp; envp++) {
		if (!list_of(*envp)) {
			*to++ = *envp;
			continue;
		}
		end = copy_list(text, list_of(*envp));
		if (end) {
			*to++ = text;
			text = end;
		}
	}
	*to = NULL;
	return 0;
}

void umfs_preload_drop(struct without *w)
{
	if (w->envp)
		sys2(SYS_munmap, w->envp, w->bytes);
	w->envp = NULL;
}
