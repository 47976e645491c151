/* SPDX-License-Identifier: BSD-3-Clause */
/* field.h - every field of every structure of core/format.h, and what seals a structure. */
#ifndef UMFS_TESTS_FIELD_H
#define UMFS_TESTS_FIELD_H

#include <stddef.h>

#include "format.h"

struct field {
	const char *type, *name;
	size_t off, size, each; /* bytes; `each`: of an element of an array */
};

extern const struct field fields[];
extern const size_t field_count;

/*
 * Make the checksums of a structure fit what it now says; `ino` is an inode's own number.
 * At most `room` bytes from `at` on may be read. False: it has none, or would need more.
 */
bool field_seal(const char *type, void *at, uint32_t ino, uint64_t room);

#endif
