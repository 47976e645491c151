// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * runs.c - what this process remembers of the free runs in a group's bitmap.
 *
 * In a group full of gaps a search for a whole run looks at each of them in vain, and the next
 * one again. So of some groups it is kept in one word how long the longest run with memory
 * was that a search saw, and which run was freed last.
 *
 * R1  All of it is a hint. A freed run is looked at in the bitmap, under the group's lock,
 *     before it is taken. A group is passed over only where whole runs are looked for, so
 *     before any run will do, PASSES times at most, and not once this process has freed a run so
 *     long, or given it memory.
 * R2  The word is stored whole; threads may lose each other's.
 */
#include "bits.h"
#include "group.h"

#define PASSES 63u
#define LONGEST_UNKNOWN 1023u
#define GROUPS_MAX (1u << 22)

/* group + 1: 22 bits, first: 15, count: 11, longest: 10, passed: 6 */
struct note {
	uint32_t first, count; /* freed */
	uint32_t longest;      /* seen by a search, or LONGEST_UNKNOWN */
	uint32_t passed;       /* so many searches since were spared */
};

static uint64_t *word_of(struct umfs *fs, uint32_t group)
{
	return &fs->runs[group % UMFS_RUNS];
}

static struct note note_get(struct umfs *fs, uint32_t group)
{
	uint64_t v = __atomic_load_n(word_of(fs, group), __ATOMIC_RELAXED);

	if (v >> 42 != group + 1)
		return (struct note){.longest = LONGEST_UNKNOWN};
	return (struct note){(uint32_t)(v >> 27) & 0x7fffu, (uint32_t)(v >> 16) & 0x7ffu,
			     (uint32_t)(v >> 6) & 0x3ffu, (uint32_t)v & 0x3fu};
}

static void note_put(struct umfs *fs, uint32_t group, const struct note *n)
{
	uint64_t v = (uint64_t)(group + 1) << 42 | (uint64_t)n->first << 27 |
		     (uint64_t)n->count << 16 | (uint64_t)n->longest << 6 | n->passed;

	if (group + 1 < GROUPS_MAX)
		__atomic_store_n(word_of(fs, group), v, __ATOMIC_RELAXED);
}

void umfs_runs_freed(struct umfs *fs, uint32_t group, uint32_t first, uint32_t count)
{
	struct note n = note_get(fs, group);
	bool longer;

	count = UMFS_MIN(count, UMFS_UNIT_PAGES);
	longer = count > n.longest;
	if (count == 1 || (count < n.count && !longer)) /* single pages are found without this */
		return;
	if (longer)
		n.longest = count;
	if (count >= n.count) {
		n.first = first;
		n.count = count;
	}
	note_put(fs, group, &n);
}

bool umfs_runs_take(struct umfs *fs, uint32_t group, const struct umfs_search *s, uint32_t head,
		    uint32_t want, uint32_t *first)
{
	struct note n = note_get(fs, group);
	uint32_t align = umfs_run_align(want);
	uint32_t from = (n.first + align - 1) & ~(align - 1), to = from + want;
	bool there;

	if (n.count < want || from < head || to > UMFS_MIN(n.first + n.count, s->end))
		return false;
	there = umfs_bits_next(s, from, to, true) == to;
	*first = from;
	n.count = there ? n.first + n.count - to : 0;
	n.first = there ? to & 0x7fffu : 0;
	note_put(fs, group, &n);
	return there;
}

void umfs_runs_searched(struct umfs *fs, uint32_t group, uint32_t longest)
{
	struct note n = note_get(fs, group);

	n.longest = longest;
	n.passed = 0;
	note_put(fs, group, &n);
}

uint32_t umfs_runs_longest(struct umfs *fs, uint32_t group)
{
	struct note n = note_get(fs, group);

	return n.longest == LONGEST_UNKNOWN ? UMFS_UNIT_PAGES : n.longest;
}

bool umfs_runs_pass(struct umfs *fs, uint32_t group, uint32_t want)
{
	struct note n = note_get(fs, group);

	if (want <= n.longest)
		return false;
	if (n.passed == PASSES)
		n.longest = LONGEST_UNKNOWN;
	else
		n.passed++;
	note_put(fs, group, &n);
	return n.longest != LONGEST_UNKNOWN;
}
