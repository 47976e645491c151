// SPDX-License-Identifier: BSD-3-Clause
/*
 * hint.c - how long what is written to a file is thought to live.
 *
 * An advice to media that move data, of which a pool is none: it is kept for who asks for
 * it again, in this process and its children, for the files that were told of last.
 */
#include "internal.h"

#define HINTS 64u

struct hint {
	const struct umfs *fs; /* NULL: free */
	umfs_node node;
	uint64_t lifetime;
};

static struct hint hints[HINTS]; /* under LOCK_HINTS */
static uint32_t next_hint;

static struct hint *find(const struct umfs_file *f)
{
	for (uint32_t i = 0; i < HINTS; i++)
		if (hints[i].fs == f->fs && hints[i].node == umfs_file_node(f))
			return &hints[i];
	return NULL;
}

long umfs_hint_get(const struct umfs_file *f, long arg)
{
	uint64_t lifetime = RWH_WRITE_LIFE_NOT_SET;
	const struct hint *h;

	umfs_guard_enter();
	umfs_local_lock(LOCK_HINTS);
	h = find(f);
	if (h)
		lifetime = h->lifetime;
	umfs_local_unlock(LOCK_HINTS);
	umfs_guard_leave();
	return port_copy_out((void *)arg, &lifetime, sizeof(lifetime)) ? -EFAULT : 0;
}

long umfs_hint_set(const struct umfs_file *f, long arg)
{
	uint64_t lifetime;
	struct hint *h;

	if (port_copy_out(&lifetime, (const void *)arg, sizeof(lifetime)))
		return -EFAULT;
	if (lifetime > RWH_WRITE_LIFE_EXTREME)
		return -EINVAL;
	umfs_guard_enter();
	umfs_local_lock(LOCK_HINTS);
	h = find(f);
	if (!h)
		h = &hints[next_hint++ % HINTS];
	*h = (struct hint){f->fs, umfs_file_node(f), lifetime};
	umfs_local_unlock(LOCK_HINTS);
	umfs_guard_leave();
	return 0;
}
