/* SPDX-License-Identifier: BSD-3-Clause */
/* redirect.h - what the files that redirect libc's entries have in common; see redirect.c. */
#ifndef UMFS_REDIRECT_H
#define UMFS_REDIRECT_H

#include "internal.h"

#define JUMP_BYTES 5
#define PAGE 4096ul
#define TEXT_PAGES_MAX 1024u

#define ENTRY(name, to) ENTRY_##name,
#define HIDDEN(name, nr, n, to) ENTRY_##name,
enum {
#include "libc_entries.h"
	ENTRIES
};
#undef ENTRY
#undef HIDDEN

struct place {
	uint32_t off, size; /* from libc's load address */
};

struct build {
	char id[41];
	uint32_t crc; /* over all functions, in order */
	struct place at[ENTRIES];
};

struct libc {
	const uint8_t *base;
	const uint8_t *text; /* its executable segment */
	uint64_t text_bytes;
	char id[41];
	const uint8_t *relro; /* what the loader of libumfs wrote to and has made read-only; or NULL */
	uint64_t relro_bytes;
};

/* R1: the functions are those that `b` was made of. Calls nothing of libc. */
bool umfs_libc_unaltered(const struct libc *libc, const struct build *b);

/* The jump, for the function of libc at `from`, that leads to ours. */
void umfs_make_jump(const uint8_t *from, int entry, uint8_t jump[JUMP_BYTES]);

/* In place; REDIRECT_NOT_PERMITTED or REDIRECT_ALTERED: nothing has changed. */
enum redirected { REDIRECT_DONE, REDIRECT_NOT_PERMITTED, REDIRECT_ALTERED };
enum redirected umfs_redirect_text(const struct libc *libc, const struct build *b);

/* By pages mapped over libc's; NULL, or why not, and nothing has changed. */
const char *umfs_redirect_file(const struct libc *libc, const struct build *b);

#endif
