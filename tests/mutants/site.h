/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * site.h - a call of core that can be left out: see sites.py, which puts it into
 * a copy of core's sources.
 */
#ifndef UMFS_TESTS_SITE_H
#define UMFS_TESTS_SITE_H

#include <stdint.h>

struct umfs_site {
	const char *file;
	int line;
	const char *kind;
	uint64_t calls; /* so far */
};

void sim_mark(void); /* port/sim */
/* The one that is left out, or NULL. */
extern const struct umfs_site *umfs_site_off;

#define UMFS_SITE_DO(name, at_file, at_line, what, call)                                           \
	static struct umfs_site name __attribute__((section("umfs_sites"), used, aligned(8))) = {  \
		at_file, at_line, what, 0};                                                        \
	name.calls++;                                                                              \
	if (umfs_site_off == &name)                                                                \
		sim_mark();                                                                        \
	else                                                                                       \
		call

#define UMFS_SITE(file, line, kind, call)                                                          \
	__extension__({ UMFS_SITE_DO(site_, file, line, kind, call); })

#define UMFS_SITE_PERSIST(file, line, pool, where, value)                                          \
	__extension__({                                                                            \
		const struct umfs *pool_ = (pool);                                                 \
		le64 *where_ = (where);                                                            \
		uint64_t value_ = (value);                                                         \
		UMFS_SITE_DO(store_, file, line, "store", st64(where_, value_));                   \
		UMFS_SITE_DO(flush_, file, line, "flush", umfs_flush(pool_, where_, 8));           \
		UMFS_SITE_DO(fence_, file, line, "fence", umfs_fence(pool_));                      \
	})

#endif
