// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * lease.c - writes by who has a file's pages and an undo log mapped, and does not call core.
 *
 * The log is like a U-Log (ulog.c), but all of it is written by a process that is trusted with
 * no more than that one file. Which file that is stands in a word that the process can not
 * write, so that the log, whatever it contains, can harm no other.
 *
 * The last reserve is divided into such logs while there are any, so others may have it, but
 * nobody waits for it. It is held by the port's slot, whose recovery finds it.
 *
 * I1  The file's word is durable before the process gets the log, and goes after the
 *     log is at rest: what was written by lease is undone in that file or nowhere.
 * I2  The process stores old bytes, `off` and `len`, durably, before `state` 1, that durably
 *     before the first new byte, and the new bytes durably before `state` 0, the commit point.
 *     If it does not it harms the content of the file that it may write.
 * I3  While a lease lasts the file's size and pages change for nobody: but a hole may become a
 *     page. So what is put back goes where it came from.
 * I4  Who has the reserve whole finds it not divided: the first to attach forgets what a pool
 *     says that was on this medium before. Else, if he dies with its lock, that would be believed.
 * I5  Whoever undoes has made sure that nobody writes the log or the file by lease any
 *     more. Each word is loaded once, checked, then used.
 */
#include "write.h"

static struct umfs_ulog_pm *divided(const struct umfs *fs)
{
	return umfs_reserve(fs, fs->geo.reserve_count - 1);
}

static le64 *word_of(struct umfs_ulog_pm *reserve, uint32_t lease)
{
	return (le64 *)((uint8_t *)reserve + UMFS_ULOG_HEAD_BYTES) + lease;
}

static struct umfs_lease_pm *lease_of(struct umfs_ulog_pm *reserve, uint32_t lease)
{
	return (struct umfs_lease_pm *)((uint8_t *)reserve +
					(1 + lease * UMFS_LEASE_PAGES) * UMFS_PAGE_BYTES);
}

/* ---- undo ---- */

/* I5; of a file that nobody writes meanwhile. */
static void undo(struct umfs *fs, struct umfs_lease_pm *lease, const struct umfs_inode_pm *inode)
{
	const uint8_t *bytes = (const uint8_t *)lease + UMFS_PAGE_BYTES;
	uint64_t state = ld64(&lease->state), off = ld64(&lease->off), len = ld64(&lease->len);
	uint64_t size = umfs_inode_size(inode);

	if (!(state & 1))
		return;
	if (len <= UMFS_LEASE_BYTES && off <= size && len <= size - off)
		umfs_ulog_put_back(fs, ld64(&inode->root), bytes, off, len);
	if (fs->broken)
		return;
	umfs_fence(fs); /* before the word goes by which this would be done again */
	st64(&lease->state, 0); /* it may be: so this need not be durable */
}

/* The file of the word, if it still is one, and whole: its pages are where the bytes go. */
static struct umfs_inode_pm *file_of(const struct umfs *fs, uint64_t word)
{
	struct umfs_inode_pm *inode = umfs_inode(fs, (uint32_t)word);

	if (!inode || ld32(&inode->generation) != (uint32_t)(word >> 32) ||
	    !umfs_is_reg(ld32(&inode->mode)) || !umfs_inode_sealed(inode, (uint32_t)word))
		return NULL;
	return inode;
}

void umfs_lease_undo(const struct umfs_file *f, uint32_t lease)
{
	struct umfs *fs = f->fs;
	struct umfs_inode_pm *inode = f->inode;

	if (umfs_lock(fs, &inode->lock))
		return;
	if (file_of(fs, ld64(word_of(divided(fs), lease))) == inode) {
		umfs_seq_begin(inode);
		undo(fs, lease_of(divided(fs), lease), inode);
		umfs_seq_end(fs, inode);
	}
	umfs_unlock(fs, &inode->lock);
}

void umfs_lease_recover(struct umfs *fs, struct umfs_ulog_pm *reserve)
{
	uint32_t i;

	/* The last reserve or none, and one or the other: an active log means the room is its own. */
	if (fs->geo.reserve_count < 2 || reserve != divided(fs) || ld64(&reserve->leases) != 1 ||
	    (ld64(&reserve->state) & 1))
		return;
	for (i = 0; i < UMFS_LEASES; i++) {
		uint64_t word = ld64(word_of(reserve, i));
		struct umfs_inode_pm *inode = word ? file_of(fs, word) : NULL;

		if (inode)
			undo(fs, lease_of(reserve, i), inode);
	}
	if (fs->broken) /* who comes next looks again */
		return;
	/* Durable before the slot is free and the lock with it, as the lanes' rest (leave_slot). */
	st64(&reserve->leases, 0); /* commit point: the words mean nothing any more */
	umfs_flush(fs, &reserve->leases, sizeof(reserve->leases));
}

void umfs_lease_forget(struct umfs *fs)
{
	struct umfs_ulog_pm *reserve = divided(fs);

	/* Durable before the lock of whoever has it next, which is in the same line. */
	if (fs->geo.reserve_count >= 2 && ld64(&reserve->leases))
		st64(&reserve->leases, 0);
}

/* ---- taking one, and giving it back ---- */

/* The last reserve is for leases, if nobody has it. */
static int divide(struct umfs *fs)
{
	struct umfs_ulog_pm *reserve = divided(fs);
	uint64_t seen = ld64(&reserve->lock);

	if (fs->geo.reserve_count < 2)
		return -ENOSPC;
	if (fs->divided) /* what the medium says may be an older pool's, or a lie */
		return 0;
	/* Not in the order of locks: it is kept, and who does not get it does not wait. */
	if (!umfs_lock_free(fs, seen) ||
	    !cas64(&reserve->lock, &seen, umfs_lock_value(fs, fs->slot)))
		return -EBUSY;
	/* Others' bytes lie there, which are no words. */
	port_zero(word_of(reserve, 0), UMFS_LEASES * sizeof(le64));
	umfs_flush(fs, word_of(reserve, 0), UMFS_LEASES * sizeof(le64));
	umfs_fence(fs);
	/* With the lock, which is in this line; fenced before there is a word (umfs_lease_take). */
	st64(&reserve->leases, 1); /* commit point */
	umfs_flush(fs, &reserve->leases, sizeof(reserve->leases));
	fs->divided = 1;
	return 0;
}

static bool any_left(struct umfs_ulog_pm *reserve)
{
	uint32_t i;

	for (i = 0; i < UMFS_LEASES; i++)
		if (ld64(word_of(reserve, i)))
			return true;
	return false;
}

static int find_free(struct umfs_ulog_pm *reserve, uint32_t *lease)
{
	for (*lease = 0; *lease < UMFS_LEASES; ++*lease)
		if (!ld64(word_of(reserve, *lease)))
			return 0;
	return -ENOSPC;
}

/* As any first write does; who has the lease does not come by again. */
static int drop_setid(const struct umfs_file *f)
{
	struct umfs_write w = {.fs = f->fs, .in = f->inode, .ino = f->ino};
	int err = umfs_enter_inode(w.fs, &w.tx, w.in);

	if (err)
		return err;
	err = umfs_write_check(&w, f->generation);
	if (!err) {
		umfs_seq_begin(w.in);
		err = umfs_setid_drop(&w.tx, w.in, w.ino);
		umfs_seq_end(w.fs, w.in);
	}
	umfs_leave_inode(&w.tx, w.in);
	return err;
}

int umfs_lease_take(const struct umfs_file *f, uint32_t *lease, uint64_t *where)
{
	struct umfs *fs = f->fs;
	struct umfs_ulog_pm *reserve = divided(fs);
	struct umfs_lease_pm *l;
	int err = drop_setid(f);

	if (!err)
		err = divide(fs);
	if (!err)
		err = find_free(reserve, lease);
	if (err)
		return err;
	/* Others' bytes lie there, which recovery is not to put into this file either. */
	l = lease_of(reserve, *lease);
	port_zero(l, UMFS_LEASE_PAGES * UMFS_PAGE_BYTES);
	umfs_flush(fs, l, UMFS_LEASE_PAGES * UMFS_PAGE_BYTES);
	umfs_fence(fs);
	umfs_persist64(fs, word_of(reserve, *lease), (uint64_t)f->generation << 32 | f->ino); /* I1 */
	*where = umfs_off(fs, l);
	return 0;
}

void umfs_lease_give(struct umfs *fs, uint32_t lease)
{
	struct umfs_ulog_pm *reserve = divided(fs);
	bool last;

	if (fs->broken) /* what may not be undone yet is recovery's */
		return;
	st64(word_of(reserve, lease), 0); /* commit point */
	umfs_flush(fs, word_of(reserve, lease), sizeof(le64));
	last = !any_left(reserve);
	if (last) { /* others may have it whole again */
		fs->divided = 0;
		st64(&reserve->leases, 0); /* commit point */
		umfs_flush(fs, &reserve->leases, sizeof(reserve->leases));
	}
	umfs_fence(fs);
	if (last)
		st64(&reserve->lock, 0);
}
