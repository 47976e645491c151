// SPDX-License-Identifier: BSD-3-Clause
/*
 * pass.c - the names by which the mount gives out what is not found by a path.
 *
 *   DIR/.umfs-pass-SECRET/fOFDKEYPOSSECRET   an open file description
 *   DIR/.umfs-pass-SECRET/nNODE00SECRET      an inode
 *
 * The secrets are keyed hashes with the pool's key, as the shadows' names are: only who may
 * read the pool, and so may do anything to it, can make such a name. Who is shown one (as
 * the target of /proc/self/fd/N) has what it stands for already.
 */
#include "internal.h"
#include "port_own.h"

#include <string.h>

static char *put_hex(char *to, uint64_t v)
{
	for (int shift = 60; shift >= 0; shift -= 4)
		*to++ = "0123456789abcdef"[v >> shift & 15];
	*to = '\0';
	return to;
}

static bool take_hex(const char **from, uint64_t *v)
{
	*v = 0;
	for (int i = 0; i < 16; i++, (*from)++) {
		char c = **from;

		if (c >= '0' && c <= '9')
			*v = *v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*v = *v << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	return true;
}

/* No name of a file has a slash, so no hash that readdir shows is one of these. */
static char *put_secret(const struct pool *p, char *to, char what, uint64_t a, uint64_t b)
{
	char text[20] = {'/', 'p', what, '0'};

	memcpy(text + 4, &a, sizeof(a));
	memcpy(text + 12, &b, sizeof(b));
	to = put_hex(to, umfs_name_hash(&p->fs, text, sizeof(text)));
	text[3] = '1';
	return put_hex(to, umfs_name_hash(&p->fs, text, sizeof(text)));
}

void pool_pass_dir(const struct pool *p, char *to)
{
	memcpy(to, POOL_PASS_PREFIX, sizeof(POOL_PASS_PREFIX));
	put_secret(p, to + sizeof(POOL_PASS_PREFIX) - 1, 'd', 0, 0);
}

void pool_pass_name(const struct pool *p, const struct pool_pass *what, char *to)
{
	*to = what->kind;
	to = put_hex(put_hex(put_hex(to + 1, what->a), what->b), what->pos);
	put_secret(p, to, what->kind, what->a, what->b);
}

bool pool_pass_parse(const struct pool *p, const char *name, struct pool_pass *what)
{
	char good[POOL_PASS_BYTES];
	const char *at = name + 1;

	what->kind = *name;
	if ((*name != POOL_PASS_OFD && *name != POOL_PASS_NODE) || !take_hex(&at, &what->a) ||
	    !take_hex(&at, &what->b) || !take_hex(&at, &what->pos))
		return false;
	pool_pass_name(p, what, good);
	return !strcmp(name, good);
}
