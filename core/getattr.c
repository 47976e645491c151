// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * getattr.c - attributes, read without waiting for who is stopped inside a change.
 *
 * I1  Nearly always they are read between two looks at an even sequence: all of one
 *     moment, after one change and before the next; or, after a few misses, under the
 *     inode's lock, which is waited for 3 ms at most.
 * I2  Whose owner is dead by then is recovered. If it lives, and is in there still (it
 *     was stopped, or the machine is busy), the attributes are read beside it:
 *     mode, owner, links, pages and generation are those of one seal, since their
 *     checksum holds; the size word is checked by itself and each time is any value.
 *     So it may be that the size is the new one and mtime the old one, or
 *     the other way round, and that pages and size are of different moments. The
 *     change may still be undone, should its maker die: nobody has returned from it.
 * I3  Only between a change's first store to lines 0 and 1 and its seal the checksum
 *     does not hold. Who is stopped in there leaves each field, a word, as before or as
 *     after this one change. Type and generation are not among them: they are constant
 *     while the inode is in use. Rights are not decided by such a mixture: umfs_access
 *     then waits for the lock. They are marked: attr->seq is odd.
 */
#include "internal.h"

#define TRIES 4
#define SEALED_TRIES 100

static void fill(const struct umfs_inode_pm *in, struct umfs_attr *a)
{
	a->generation = ld32(&in->generation);
	a->mode = ld32(&in->mode);
	a->uid = ld32(&in->uid);
	a->gid = ld32(&in->gid);
	a->nlink = ld32(&in->nlink);
	a->rdev = ld64(&in->rdev);
	a->blocks_512 = ld64(&in->pages) * (UMFS_PAGE_BYTES / 512u);
	a->btime_ns = (int64_t)ld64(&in->btime_ns);
}

static void fill_hot(const struct umfs_inode_pm *in, uint32_t ino, struct umfs_attr *a)
{
	a->ino = ino;
	a->size = umfs_is_dir(a->mode) ? a->blocks_512 * 512u : umfs_inode_size(in);
	a->atime_ns = (int64_t)ld64(&in->atime_ns);
	a->mtime_ns = (int64_t)ld64(&in->mtime_ns);
	a->ctime_ns = (int64_t)ld64(&in->ctime_ns);
}

/* Without regard to writers: 0, -ENOENT, -ESTALE, -EUCLEAN. */
static int read_once(const struct umfs_inode_pm *in, umfs_node node, struct umfs_attr *a)
{
	uint32_t ino = (uint32_t)node;
	int err;

	fill(in, a);
	fill_hot(in, ino, a);
	err = umfs_node_check(in, node);
	if (err)
		return err;
	return umfs_inode_sealed(in, ino) &&
			       ld64(&in->size) == umfs_size_word(umfs_inode_size(in), ino,
								 a->generation)
		       ? 0
		       : -EUCLEAN;
}

/* -EAGAIN: a writer was inside. */
static int read_between(const struct umfs_inode_pm *in, umfs_node node, struct umfs_attr *a)
{
	uint64_t seq = ld64(&in->seq);
	int err;

	if (seq & 1)
		return -EAGAIN;
	err = read_once(in, node, a);
	a->seq = seq;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return ld64(&in->seq) == seq ? err : -EAGAIN;
}

UMFS_RARE static int read_locked(struct umfs *fs, struct umfs_inode_pm *in, umfs_node node,
				 struct umfs_attr *a)
{
	int err;

	umfs_seq_heal(in);
	err = read_once(in, node, a);
	a->seq = ld64(&in->seq);
	umfs_unlock(fs, &in->lock);
	return err;
}

/* I2, I3: beside a writer. */
UMFS_RARE static int read_beside(const struct umfs_inode_pm *in, umfs_node node,
				 struct umfs_attr *a)
{
	struct umfs_inode_pm copy;
	int tries, err;

	for (tries = 0; tries < SEALED_TRIES; tries++) {
		umfs_peek(&copy, in, UMFS_INODE_CRC_BYTES);
		if (umfs_inode_sealed(&copy, (uint32_t)node))
			break;
		port_relax();
	}
	fill(tries == SEALED_TRIES ? in : &copy, a);
	a->seq = tries == SEALED_TRIES;
	fill_hot(in, (uint32_t)node, a);
	if (!a->mode)
		return node >> 32 ? -ESTALE : -ENOENT;
	err = umfs_node_check(in, node);
	return err ? err : a->generation == ld32(&in->generation) ? 0 : -ESTALE;
}

int umfs_getattr(struct umfs *fs, umfs_node node, struct umfs_attr *a)
{
	struct umfs_inode_pm *in = umfs_inode(fs, (uint32_t)node);
	int tries, err;

	if (fs->broken)
		return -EIO;
	if (!in)
		return -EUCLEAN;
	for (tries = 0; tries < TRIES; tries++) {
		err = read_between(in, node, a);
		if (err != -EAGAIN)
			return err;
		port_relax();
	}
	err = fs->readonly ? -EAGAIN : umfs_lock_soon(fs, &in->lock);
	if (!err)
		return read_locked(fs, in, node, a);
	return err == -EAGAIN ? read_beside(in, node, a) : err;
}

static int allowed(const struct umfs_cred *cred, const struct umfs_attr *attr, uint32_t mask)
{
	return umfs_mode_allows(cred, attr->mode, attr->uid, attr->gid, mask & 7) ? 0 : -EACCES;
}

/* I3: the attributes were a mixture. */
UMFS_RARE static int access_locked(struct umfs *fs, const struct umfs_cred *cred, umfs_node node,
				   uint32_t mask)
{
	struct umfs_inode_pm *in = umfs_inode(fs, (uint32_t)node);
	struct umfs_attr attr;
	int err = in ? umfs_lock(fs, &in->lock) : -EUCLEAN;

	if (!err)
		err = read_locked(fs, in, node, &attr);
	return err ? err : allowed(cred, &attr, mask);
}

int umfs_access_known(struct umfs *fs, const struct umfs_cred *cred, umfs_node node,
		      const struct umfs_attr *attr, uint32_t mask)
{
	if ((attr->seq & 1) && !fs->readonly)
		return access_locked(fs, cred, node, mask);
	return allowed(cred, attr, mask);
}

int umfs_access(struct umfs *fs, const struct umfs_cred *cred, umfs_node node, uint32_t mask)
{
	struct umfs_attr attr;
	int err = umfs_getattr(fs, node, &attr);

	return err ? err : umfs_access_known(fs, cred, node, &attr, mask);
}
