// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * prefix.c - where the directory part of a path led, kept for the next path that has it.
 *
 * A process that works in a directory says the same "a/b/c/" again and again, and each of
 * its names is a hash, a descent through a directory and an inode's checksums. Each change of
 * a directory, of its names or its rights, moves its sequence (inode.c, I3). So it is enough
 * to look at the sequences of the directories that were looked into on the way.
 *
 * I1  What is kept of a directory holds at its sequence: that sequence was even and the
 *     same before its rights and its name were looked at, and after.
 * I2  So a prefix whose sequences are all found unchanged, one after the other, leads where it
 *     led: each step is what a walk would find at that moment. The directory at its end
 *     was named by the last one, hence is in use; its own rights are looked at by the walk
 *     as those of any directory that it comes to.
 * I3  Who finds it may search all directories on the way: everybody, or the owner of those
 *     that not everybody may, and then it is kept for that user.
 * I4  A place is of one piece: `seq` is odd while it is written, by who made it odd, and the
 *     same before and after reading. Nobody waits: who comes in between goes without. A
 *     writer that never returns (its thread was not forked along) leaves a place unused.
 * I5  Only plain names are kept: no links, "." or "..".
 */
#include "internal.h"

/*
 * Bytes before the last component, the slash included; 0: there are none, or a slash ends
 * the path.
 */
static uint32_t measure(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? (uint32_t)(slash + 1 - path) : 0;
}

/* By start, length and the last bytes before the slash. */
static struct umfs_prefix *place_of(struct umfs *fs, umfs_node start, const char *path,
				    uint32_t len)
{
	uint64_t word = 0;

	if (len > 8)
		memcpy(&word, path + len - 9, 8);
	else
		word = (uint8_t)path[0] | (uint64_t)(uint8_t)path[len / 2u] << 8;
	word = (word ^ start ^ (uint64_t)len << 56) * 0x9e3779b97f4a7c15ull;
	return &fs->prefixes[word >> 60 & (UMFS_PREFIXES - 1)];
}

/* I2. */
UMFS_PEEKS static bool still_leads(const struct umfs *fs, const struct umfs_prefix *p)
{
	uint32_t i;

	for (i = 0; i < p->count && i < UMFS_PREFIX_STEPS; i++) {
		/* Of a place that is being written meanwhile the count may be there before it. */
		uint64_t at = __atomic_load_n(&p->step[i].in, __ATOMIC_RELAXED);
		const struct umfs_inode_pm *in = umfs_at(fs, at);

		if (!at || ld64(&in->seq) != p->step[i].seq)
			return false;
	}
	return true;
}

UMFS_PEEKS uint32_t umfs_prefix_find(struct umfs *fs, const struct umfs_cred *cred, umfs_node start,
			  const char *path, umfs_node *dir)
{
	uint32_t len = measure(path), seq;
	const struct umfs_prefix *p;
	umfs_node led_to;

	if (!len || len > UMFS_PREFIX_BYTES)
		return 0;
	p = place_of(fs, start, path, len);
	seq = __atomic_load_n(&p->seq, __ATOMIC_ACQUIRE);
	if ((seq & 1) || p->start != start || p->len != len ||
	    (p->uid != UMFS_PREFIX_ALL && p->uid != cred->uid) || !umfs_peek_same(p->text, path, len))
		return 0;
	led_to = p->dir;
	if (!still_leads(fs, p))
		return 0;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&p->seq, __ATOMIC_RELAXED) != seq)
		return 0;
	*dir = led_to;
	return len;
}

/* ---- keeping one ---- */

void umfs_trail_begin(struct umfs *fs, struct umfs_trail *t, umfs_node dir)
{
	const struct umfs_inode_pm *in;

	if (t->lost)
		return;
	in = umfs_inode(fs, (uint32_t)dir);
	t->seq = in ? ld64(&in->seq) : 1;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

/* The directory was looked into, and a directory found by a plain name (I1, I3, I5). */
void umfs_trail_step(struct umfs *fs, const struct umfs_cred *cred, struct umfs_trail *t,
		     umfs_node dir)
{
	const struct umfs_inode_pm *in = umfs_inode(fs, (uint32_t)dir);
	uint32_t mode = in ? ld32(&in->mode) : 0, uid = in ? ld32(&in->uid) : 0;
	bool all = (mode & 0111u) == 0111u;

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (t->count >= UMFS_PREFIX_STEPS || !in || (t->seq & 1) || ld64(&in->seq) != t->seq ||
	    (!all && (uid != cred->uid || !(mode & 0100u)))) {
		t->lost = true;
		return;
	}
	if (!all)
		t->uid = uid;
	t->step[t->count].in = umfs_off(fs, in);
	t->step[t->count++].seq = t->seq;
}

UMFS_PEEKS void umfs_prefix_keep(struct umfs *fs, umfs_node start, const char *path, uint32_t len,
		      const struct umfs_trail *t, umfs_node dir)
{
	uint32_t seq, i;
	struct umfs_prefix *p;

	if (t->lost || !t->count || len > UMFS_PREFIX_BYTES || measure(path) != len)
		return;
	p = place_of(fs, start, path, len);
	seq = __atomic_load_n(&p->seq, __ATOMIC_RELAXED);
	if ((seq & 1) || !__atomic_compare_exchange_n(&p->seq, &seq, seq + 1, false,
						      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	p->start = start;
	p->dir = dir;
	p->uid = t->uid;
	p->len = len;
	p->count = t->count;
	for (i = 0; i < t->count; i++) {
		p->step[i].seq = t->step[i].seq;
		__atomic_store_n(&p->step[i].in, t->step[i].in, __ATOMIC_RELAXED);
	}
	umfs_poke(p->text, path, len);
	__atomic_store_n(&p->seq, seq + 2, __ATOMIC_RELEASE);
}
