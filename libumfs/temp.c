// SPDX-License-Identifier: BSD-3-Clause
/*
 * temp.c - mkstemp and its kin: a fresh name, made exclusively.
 */
#include "hooks.h"
#include "internal.h"

#define TRIES 1000

static void fresh_name(char *x)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static uint64_t serial;
	uint64_t r = 0;

	if (sys3(SYS_getrandom, &r, sizeof(r), 1 /* GRND_NONBLOCK */) != sizeof(r))
		r = (uint64_t)sys0(SYS_gettid) * 0x9e3779b97f4a7c15ull +
		    __atomic_add_fetch(&serial, 0x100000001b3ull, __ATOMIC_RELAXED);
	for (int i = 0; i < 6; i++) {
		x[i] = letters[r % 62];
		r /= 62;
	}
}

/* Where the six X are, or NULL. */
static char *place_of(char *text, int suffix)
{
	size_t n = strlen(text);

	if (suffix < 0 || n < 6 + (size_t)suffix)
		return NULL;
	text += n - (size_t)suffix - 6;
	return memcmp(text, "XXXXXX", 6) ? NULL : text;
}

static long make(char *text, int suffix, int flags, bool dir)
{
	char *x = place_of(text, suffix);
	long ret = -EEXIST;

	if (!x)
		return -EINVAL;
	for (int i = 0; i < TRIES && ret == -EEXIST; i++) {
		fresh_name(x);
		if (dir)
			ret = umfs_hook_mkdir(AT_FDCWD, text, 0700);
		else
			ret = umfs_hook_open(AT_FDCWD, text,
					     (flags & ~O_ACCMODE) | O_RDWR | O_CREAT | O_EXCL,
					     0600);
	}
	return ret;
}

long umfs_hook_mkstemp(char *text, int suffix, int flags)
{
	return make(text, suffix, flags, false);
}

long umfs_hook_mkdtemp(char *text)
{
	return make(text, 0, 0, true);
}
