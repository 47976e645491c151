// SPDX-License-Identifier: BSD-3-Clause
/*
 * nodes.c - what the kernel remembers of our inodes.
 *
 * The kernel says how often it has forgotten what it was given. Until it has
 * forgotten all of it, it may ask for the node by its id: a working directory, an
 * O_PATH descriptor, a file that was unlinked between lookup and open.
 *
 * N1  A name that is removed through the mount leaves an inode that the kernel
 *     knows held, until it is forgotten. What preloaded processes remove is not:
 *     whoever has it open through the mount holds it by that (handle_open), and
 *     anything else finds ESTALE, after which the kernel looks the name up again.
 * N2  A hold belongs to an entry, and an entry lives while its count is not 0.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "mount.h"

#define NO_HOLD UINT32_MAX
#define SIZE_FIRST 1024u

struct entry {
	struct entry *next;
	umfs_node node;
	uint64_t count;
	uint32_t hold; /* an open file description of ours, or NO_HOLD */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry **table;
static size_t size, used;

static struct entry **place(struct entry **in, size_t n, umfs_node node)
{
	uint64_t h = node * 0x9e3779b97f4a7c15ull;

	return &in[(h >> 32) & (n - 1)];
}

/* With no memory for a larger one the old one serves, slower. */
static void grow(void)
{
	size_t n = size ? size * 2 : SIZE_FIRST;
	struct entry **new;

	if (used < size)
		return;
	new = calloc(n, sizeof(*new));
	if (!new)
		return;
	for (size_t i = 0; i < size; i++) {
		while (table[i]) {
			struct entry *e = table[i], **to = place(new, n, e->node);

			table[i] = e->next;
			e->next = *to;
			*to = e;
		}
	}
	free(table);
	table = new;
	size = n;
}

/* The reference that leads to the entry, or to where it would be. */
static struct entry **find(umfs_node node)
{
	struct entry **e = place(table, size, node);

	while (*e && (*e)->node != node)
		e = &(*e)->next;
	return e;
}

void nodes_given(umfs_node node)
{
	struct entry **at, *e;

	pthread_mutex_lock(&lock);
	grow();
	at = size ? find(node) : NULL;
	e = at ? *at : NULL;
	if (at && !e && (e = malloc(sizeof(*e)))) {
		*e = (struct entry){.node = node, .hold = NO_HOLD};
		*at = e;
		used++;
	}
	/* Without memory it is as if it were never removed through the mount. */
	if (e)
		e->count++;
	pthread_mutex_unlock(&lock);
}

void nodes_forgotten(umfs_node node, uint64_t n)
{
	uint32_t hold = NO_HOLD;
	struct entry **at, *e;

	pthread_mutex_lock(&lock);
	at = size ? find(node) : NULL;
	e = at ? *at : NULL;
	if (e) {
		e->count -= UMFS_MIN(n, e->count);
		if (!e->count) {
			hold = e->hold;
			*at = e->next;
			free(e);
			used--;
		}
	}
	pthread_mutex_unlock(&lock);
	if (hold != NO_HOLD)
		umfs_ofd_put(fuse_fs(), hold);
}

static bool known(umfs_node node, bool held)
{
	struct entry *e;

	pthread_mutex_lock(&lock);
	e = size ? *find(node) : NULL;
	held = e && (e->hold != NO_HOLD) == held;
	pthread_mutex_unlock(&lock);
	return held;
}

/* Another hold for the entry: what it had, which the caller gives back. */
static uint32_t exchange(umfs_node node, uint32_t hold)
{
	struct entry *e;

	pthread_mutex_lock(&lock);
	e = size ? *find(node) : NULL;
	if (e) {
		uint32_t old = e->hold;

		e->hold = hold;
		hold = old;
	}
	pthread_mutex_unlock(&lock);
	return hold;
}

void nodes_hold(umfs_node node)
{
	uint32_t ofd;

	/* Nobody has it open and there is no record free: then it goes at once. */
	if (!known(node, false) || umfs_open(fuse_fs(), node, O_PATH, &ofd))
		return;
	ofd = exchange(node, ofd);
	if (ofd != NO_HOLD)
		umfs_ofd_put(fuse_fs(), ofd);
}

void nodes_settle(umfs_node node)
{
	struct umfs_attr attr;
	uint32_t ofd;

	if (!known(node, true) || (!umfs_getattr(fuse_fs(), node, &attr) && !attr.nlink))
		return;
	ofd = exchange(node, NO_HOLD);
	if (ofd != NO_HOLD)
		umfs_ofd_put(fuse_fs(), ofd);
}
