/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ops_name.c - the measured calls on names.
 *
 * They work on the files b->serial .. b->serial + n - 1 of b->dir, each named
 * by its number, after rename with an "r" in front. Making a name is part of the time
 * on every side, so the next name is the last one counted up. With b->spread they lie in
 * so many directories, those with neighbouring numbers in the same one.
 */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_DIGITS 10
#define DIR_DIGITS 4
#define NAMES_IN_ONE 1000 /* of those that are spread */

struct path {
	char text[4096];
	size_t dir_len;
	uint64_t spread;
	uint64_t number; /* of the name that `end` is the end of */
	char *end, prefix;
};

static int path_start(const struct bench *b, struct path *p)
{
	if (!b->dir)
		return EINVAL;
	p->dir_len = strlen(b->dir) + 1;
	p->spread = b->spread;
	p->end = NULL;
	if (p->dir_len + DIR_DIGITS + NAME_DIGITS + 4 > sizeof(p->text))
		return ENAMETOOLONG;
	memcpy(p->text, b->dir, p->dir_len - 1);
	p->text[p->dir_len - 1] = '/';
	return 0;
}

static char *put_number(char *at, char prefix, int digits, uint64_t number)
{
	*at++ = prefix;
	for (int i = digits - 1; i >= 0; i--, number /= 10)
		at[i] = (char)('0' + number % 10);
	return at + digits;
}

/* Is it the next number in the same directory? Then the text is that now. */
static bool count_up(struct path *p, char prefix, uint64_t number)
{
	char *digit = p->end;

	if (!digit || prefix != p->prefix || number != p->number + 1 ||
	    (p->spread && number % NAMES_IN_ONE == 0))
		return false;
	while (*--digit == '9')
		*digit = '0';
	++*digit;
	p->number = number;
	return true;
}

/* dir/PREFIXnumber; snprintf would cost as much as the calls that are measured. */
static const char *path_of(struct path *p, char prefix, uint64_t number)
{
	char *at = p->text + p->dir_len;

	if (count_up(p, prefix, number))
		return p->text;
	if (p->spread) {
		at = put_number(at, 'd', DIR_DIGITS, number / NAMES_IN_ONE % p->spread);
		*at++ = '/';
	}
	p->end = put_number(at, prefix, NAME_DIGITS, number);
	*p->end = '\0';
	p->prefix = prefix;
	p->number = number;
	return p->text;
}

int bench_spread(struct bench *b, uint64_t directories)
{
	struct path p;
	int err = path_start(b, &p);

	b->spread = directories;
	for (uint64_t i = 0; !err && i < directories; i++) {
		*put_number(p.text + p.dir_len, 'd', DIR_DIGITS, i) = '\0';
		if (mkdir(p.text, 0755) && errno != EEXIST)
			err = errno;
	}
	return err;
}

static int create_all(struct bench *b, uint64_t n, bool write_one)
{
	struct path p;
	int err = path_start(b, &p);

	for (uint64_t i = 0; !err && i < n; i++) {
		int fd = open(path_of(&p, 'f', b->serial + i), O_RDWR | O_CREAT | O_EXCL, 0644);

		if (fd < 0)
			return errno;
		if (write_one && write(fd, "x", 1) != 1)
			err = EIO;
		if (close(fd))
			err = errno;
	}
	return err;
}

int bench_create(struct bench *b, uint64_t n)
{
	return create_all(b, n, false);
}

int bench_create_write(struct bench *b, uint64_t n)
{
	return create_all(b, n, true);
}

int bench_stat(struct bench *b, uint64_t n)
{
	struct path p;
	int err = path_start(b, &p);

	for (uint64_t i = 0; !err && i < n; i++) {
		struct stat st;

		if (stat(path_of(&p, 'f', b->serial + i), &st))
			return errno;
		if (!S_ISREG(st.st_mode))
			return EIO;
	}
	return err;
}

static uint64_t drawn(struct bench *b)
{
	b->draw ^= b->draw << 13;
	b->draw ^= b->draw >> 7;
	b->draw ^= b->draw << 17;
	return b->draw % b->serial;
}

static int lookup(struct bench *b, uint64_t n, bool random)
{
	struct path p;
	int err = path_start(b, &p);
	uint64_t at;

	if (!b->serial)
		return EINVAL;
	at = drawn(b);
	for (uint64_t i = 0; !err && i < n; i++) {
		struct stat st;

		if (stat(path_of(&p, 'f', at), &st))
			return errno;
		if (!S_ISREG(st.st_mode))
			return EIO;
		at = random ? drawn(b) : (at + 1) % b->serial;
	}
	return err;
}

int bench_lookup_random(struct bench *b, uint64_t n)
{
	return lookup(b, n, true);
}

int bench_lookup_made(struct bench *b, uint64_t n)
{
	return lookup(b, n, false);
}

/* The same 200 again and again, from all over the directory: the caches get to know them. */
#define FEW 200u
int bench_lookup_few(struct bench *b, uint64_t n)
{
	uint64_t step = b->serial / FEW;
	struct path p;
	int err = path_start(b, &p);

	if (!step)
		return EINVAL;
	for (uint64_t i = 0; !err && i < n; i++) {
		struct stat st;

		if (stat(path_of(&p, 'f', i * 117 % FEW * step), &st))
			return errno;
		if (!S_ISREG(st.st_mode))
			return EIO;
	}
	return err;
}

int bench_hold(struct bench *b, uint64_t n)
{
	struct path p;
	int err = path_start(b, &p);

	for (uint64_t i = 0; !err && i < n; i++)
		if (open(path_of(&p, 'f', i % b->serial), O_RDONLY) < 0)
			return errno;
	return err;
}

int bench_open(struct bench *b, uint64_t n)
{
	struct path p;
	int err = path_start(b, &p);

	for (uint64_t i = 0; !err && i < n; i++) {
		int fd = open(path_of(&p, 'f', b->serial + i), O_RDONLY);

		if (fd < 0 || close(fd))
			return errno;
	}
	return err;
}

int bench_rename(struct bench *b, uint64_t n)
{
	struct path from, to;
	int err = path_start(b, &from);

	if (!err)
		err = path_start(b, &to);
	for (uint64_t i = 0; !err && i < n; i++)
		if (rename(path_of(&from, 'f', b->serial + i), path_of(&to, 'r', b->serial + i)))
			return errno;
	return err;
}

int bench_unlink(struct bench *b, uint64_t n)
{
	struct path p;
	int err = path_start(b, &p);
	char prefix = 'r';

	/* Files of "create_write" were not renamed. */
	if (!err && n && access(path_of(&p, 'r', b->serial), F_OK))
		prefix = 'f';
	for (uint64_t i = 0; !err && i < n; i++)
		if (unlink(path_of(&p, prefix, b->serial + i)))
			return errno;
	b->serial += n;
	return err;
}

/* Leave the files there and go on with fresh names: the directory stays that much larger. */
int bench_keep(struct bench *b, uint64_t n)
{
	b->serial += n;
	return 0;
}
