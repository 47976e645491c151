// SPDX-License-Identifier: BSD-3-Clause
/*
 * sound.c - the first part of pass 1, by several threads: inodes with which nothing is wrong.
 *
 * An inode is looked at twice, by whoever takes its group: first a finding only says that it
 * is not sound, and nothing is noted; then, if it is, the pages that it owns are claimed.
 * What is not sound pass 1 looks at afterwards, one after the other, reports it and mends it.
 *
 * I1  What is sound by itself does not depend on who looks when. Only where two sound inodes
 *     use one page it matters who was first: then nothing of all this counts, and pass 1
 *     looks at all inodes itself. So the report is the same for any number of threads.
 * I2  A thread works with a copy of struct fsck, and changes of what all share: bits of
 *     `used`, atomically, and inodes of the group that it has taken. Nothing of the pool.
 * I3  A first look follows no more pages than the inode says it has, and a second no page
 *     twice; after the first page that two use nobody looks on. So all is bounded.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "fsck.h"

#define THREADS_MAX 64u
#define GROUPS_EACH 8u /* of a pool that is worth another thread */

struct work {
	struct fsck *c;
	pthread_mutex_t mutex;
	uint32_t next, done; /* groups; under the mutex */
	bool stop;	     /* a page is used twice */
	uint64_t inodes, pages; /* found in use; under the mutex */
};

/* Nothing is wrong with it, by itself. */
static bool is_sound(struct fsck *t, uint32_t ino, struct inode_info *info)
{
	t->dry_found = 0;
	t->hold = true;
	t->hold_left = ld64(&inode_at(t, ino)->pages);
	inode_check(t, ino);
	t->hold = false;
	return !t->dry_found && !(info->flags & (INFO_BAD | INFO_SIZE));
}

/* False: somebody else has one of its pages. */
static bool claim(struct fsck *t, uint32_t ino)
{
	inode_attributes(t, ino);
	inode_body(t, ino);
	return !t->dry_found;
}

static bool group_do(struct work *w, struct fsck *t, uint32_t group)
{
	uint32_t first = group * t->geo.inodes_per_group;
	struct group_info *g = &w->c->groups[group];

	for (uint32_t i = 0; i < t->geo.inodes_per_group; i++) {
		const struct umfs_inode_pm *inode = inode_at(t, first + i);

		if (!inode || (!ld32(&inode->mode) && first + i != UMFS_ROOT_INO))
			continue;
		if (is_sound(t, first + i, &g->inodes[i])) {
			t->inodes_sound++;
			if (!claim(t, first + i))
				return false;
		} else {
			g->inodes[i] = (struct inode_info){0};
			g->unsound++;
		}
		if (__atomic_load_n(&w->stop, __ATOMIC_RELAXED))
			return false;
	}
	return true;
}

static bool group_next(struct work *w, uint32_t *group, bool first)
{
	bool more;

	pthread_mutex_lock(&w->mutex);
	if (!first)
		progress(w->c, 1, ++w->done, w->c->geo.group_count);
	while (w->next < w->c->geo.group_count && !group_used(w->c, w->next)) {
		w->next++;
		w->done++;
	}
	more = w->next < w->c->geo.group_count;
	*group = w->next;
	w->next += more;
	pthread_mutex_unlock(&w->mutex);
	return more;
}

static void *work_do(void *arg)
{
	struct work *w = arg;
	struct fsck t = *w->c;
	uint32_t group;

	t.dry = true;
	t.pages_used = t.inodes_sound = 0;
	for (bool first = true; group_next(w, &group, first); first = false)
		if (!group_do(w, &t, group)) {
			__atomic_store_n(&w->stop, true, __ATOMIC_RELAXED);
			break;
		}
	pthread_mutex_lock(&w->mutex);
	w->inodes += t.inodes_sound;
	w->pages += t.pages_used;
	pthread_mutex_unlock(&w->mutex);
	return NULL;
}

/* As many as there are processors for this process, where the pool is large. */
static uint32_t threads(const struct fsck *c)
{
	uint32_t used = 0, want = c->threads;
	cpu_set_t set;

	for (uint32_t g = 0; g < c->geo.group_count; g++)
		used += group_used(c, g);
	if (!want) {
		want = sched_getaffinity(0, sizeof(set), &set) ? 1 : (uint32_t)CPU_COUNT(&set);
		used /= GROUPS_EACH;
	}
	want = UMFS_MIN(want, UMFS_MIN(used, THREADS_MAX));
	return want ? want : 1;
}

/* All of it is forgotten. */
static void undo(struct fsck *c)
{
	for (uint32_t g = 0; g < c->geo.group_count; g++) {
		if (!group_used(c, g))
			continue;
		memset(c->groups[g].used, 0, UMFS_GROUP_PAGES / 8);
		memset(c->groups[g].inodes, 0,
		       c->geo.inodes_per_group * sizeof(*c->groups[g].inodes));
	}
	c->pages_used = 0;
	c->dry = true; /* it has been said */
	runtime_claim(c);
	c->dry = false;
}

bool sound_claim(struct fsck *c)
{
	struct work w = {.c = c, .mutex = PTHREAD_MUTEX_INITIALIZER};
	pthread_t others[THREADS_MAX];
	uint32_t count = threads(c) - 1, made = 0;

	while (made < count && !pthread_create(&others[made], NULL, work_do, &w))
		made++;
	work_do(&w);
	while (made)
		pthread_join(others[--made], NULL);
	if (w.stop) {
		undo(c);
		return false;
	}
	c->inodes_used += w.inodes;
	c->pages_used += w.pages;
	return true;
}
