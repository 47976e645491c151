// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/* attr.c - changing attributes; rights, link targets, where a directory is, statfs. */
#include "internal.h"

bool umfs_in_group(const struct umfs_cred *cred, uint32_t gid)
{
	uint32_t i;

	if (cred->gid == gid)
		return true;
	for (i = 0; i < cred->group_count; i++)
		if (cred->groups[i] == gid)
			return true;
	return false;
}

bool umfs_mode_allows(const struct umfs_cred *cred, uint32_t mode, uint32_t uid, uint32_t gid,
		      uint32_t mask)
{
	if (cred->override) /* as root: execution needs an x bit somewhere, but on directories */
		return !(mask & 1) || umfs_is_dir(mode) || (mode & 0111u);
	if (cred->uid == uid)
		mode >>= 6;
	else if (umfs_in_group(cred, gid))
		mode >>= 3;
	return (mode & mask) == mask;
}

bool umfs_may(const struct umfs_cred *cred, const struct umfs_inode_pm *inode, uint32_t mask)
{
	return umfs_mode_allows(cred, ld32(&inode->mode), ld32(&inode->uid), ld32(&inode->gid),
				mask);
}

/* ---- changes: one inode, one transaction ---- */

struct change {
	struct umfs_inode_pm *in;
	struct umfs_tx tx;
	uint32_t ino;
};

/* Lane and lock taken, inode in use as the node says. */
static int change_begin(struct umfs *fs, umfs_node node, struct change *c)
{
	int err;

	c->ino = (uint32_t)node;
	err = umfs_enter(fs, &c->tx, &c->ino, 1);
	if (err)
		return err;
	c->in = umfs_inode_known(fs, c->ino);
	err = umfs_node_check(c->in, node);
	if (err) {
		umfs_leave(&c->tx, &c->ino, 1);
		return err;
	}
	umfs_seq_begin(c->in);
	return 0;
}

static void change_end(struct change *c)
{
	umfs_seq_end(c->tx.fs, c->in);
	umfs_leave(&c->tx, &c->ino, 1);
}

/* Save what a change of attributes touches: lines 0 and 1, and the times. */
static int change_save(struct change *c)
{
	int err;

	umfs_tx_begin(&c->tx);
	err = umfs_inode_save(&c->tx, c->in, c->ino);
	if (!err)
		err = umfs_tx_save(&c->tx, &c->in->mtime_ns, 24);
	if (err)
		umfs_tx_abort(&c->tx);
	else
		umfs_tx_fence(&c->tx);
	return err;
}

static void change_commit(struct change *c)
{
	umfs_inode_touch_ctime(c->in);
	umfs_inode_seal(c->in, c->ino);
	umfs_tx_commit(&c->tx); /* commit point */
}

static bool owns(const struct umfs_cred *cred, const struct umfs_inode_pm *in)
{
	return cred->override || cred->uid == ld32(&in->uid);
}

int umfs_chmod(struct umfs *fs, const struct umfs_cred *cred, umfs_node node, uint32_t mode)
{
	struct change c;
	int err = change_begin(fs, node, &c);

	if (err)
		return err;
	if (!owns(cred, c.in))
		err = -EPERM;
	if (!err)
		err = change_save(&c);
	if (!err) {
		mode &= 07777u;
		if (!cred->override && !umfs_in_group(cred, ld32(&c.in->gid)))
			mode &= ~UMFS_S_ISGID;
		st32(&c.in->mode, (ld32(&c.in->mode) & ~07777u) | mode);
		change_commit(&c);
	}
	change_end(&c);
	return err;
}

static bool may_chown(const struct umfs_cred *cred, const struct umfs_inode_pm *in, uint32_t uid,
		      uint32_t gid)
{
	if (cred->override)
		return true;
	return cred->uid == ld32(&in->uid) && (uid == ~0u || uid == cred->uid) &&
	       (gid == ~0u || gid == ld32(&in->gid) || umfs_in_group(cred, gid));
}

/* It is no longer to be trusted with its owner's rights, whoever gave it away. */
static uint32_t chown_drops(const struct umfs_cred *cred, const struct umfs_inode_pm *in)
{
	uint32_t mode = ld32(&in->mode), bits = umfs_setid_bits(mode);

	if (!umfs_is_dir(mode) && !cred->override && !umfs_in_group(cred, ld32(&in->gid)))
		bits |= UMFS_S_ISGID;
	return bits;
}

int umfs_chown(struct umfs *fs, const struct umfs_cred *cred, umfs_node node, uint32_t uid,
	       uint32_t gid)
{
	struct change c;
	int err = change_begin(fs, node, &c);
	uint32_t mode;

	if (err)
		return err;
	if (!may_chown(cred, c.in, uid, gid))
		err = -EPERM;
	if (!err)
		err = change_save(&c);
	if (!err) {
		mode = ld32(&c.in->mode) & ~chown_drops(cred, c.in);
		if (uid != ~0u)
			st32(&c.in->uid, uid);
		if (gid != ~0u)
			st32(&c.in->gid, gid);
		st32(&c.in->mode, mode);
		change_commit(&c);
	}
	change_end(&c);
	return err;
}

int umfs_utimens(struct umfs *fs, const struct umfs_cred *cred, umfs_node node, int64_t atime_ns,
		 int64_t mtime_ns)
{
	bool now_only = atime_ns == UMFS_TIME_NOW && mtime_ns == UMFS_TIME_NOW;
	int64_t now = port_now_ns();
	struct change c;
	int err;

	if (atime_ns == UMFS_TIME_OMIT && mtime_ns == UMFS_TIME_OMIT)
		return 0;
	err = change_begin(fs, node, &c);
	if (err)
		return err;
	if (!owns(cred, c.in) && !(now_only && umfs_may(cred, c.in, 2)))
		err = now_only ? -EACCES : -EPERM;
	if (!err)
		err = change_save(&c);
	if (!err) {
		if (atime_ns != UMFS_TIME_OMIT)
			st64(&c.in->atime_ns,
			     (uint64_t)(atime_ns == UMFS_TIME_NOW ? now : atime_ns));
		if (mtime_ns != UMFS_TIME_OMIT)
			st64(&c.in->mtime_ns,
			     (uint64_t)(mtime_ns == UMFS_TIME_NOW ? now : mtime_ns));
		change_commit(&c);
	}
	change_end(&c);
	return err;
}

/* ---- link targets ---- */

/*
 * A target never changes while the inode lives, and its page is freed after mode or
 * root were cleared: so what was copied counts if both are there afterwards. Before root
 * is, mode or nlink is: where there is no target though both are there, it is lost. An undo
 * brings them back in any order, the sequence being odd.
 */
int64_t umfs_readlink(struct umfs *fs, umfs_node node, char *buf, uint64_t size)
{
	struct umfs_inode_pm *in;
	uint64_t entry, len, root, seq;
	int err = umfs_inode_check(fs, node, &in);

	if (err)
		return err;
	seq = ld64(&in->seq);
	if (!umfs_is_link(ld32(&in->mode))) {
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		err = umfs_node_check(in, node);
		return err ? err : -EINVAL;
	}
	root = ld64(&in->root);
	entry = umfs_fpt_get(fs, root, 0);
	len = UMFS_MIN(umfs_inode_size(in), (uint64_t)UMFS_PAGE_BYTES);
	if (!umfs_pte_written(entry)) {
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		err = umfs_node_check(in, node);
		if (!err && (ld64(&in->root) != root || !ld32(&in->nlink) || (seq & 1) ||
			     ld64(&in->seq) != seq))
			err = -ESTALE;
		return err ? err : -EUCLEAN;
	}
	len = UMFS_MIN(len, size);
	err = port_copy_out(buf, umfs_page(fs, umfs_pte_page(entry)), len);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (!err)
		err = umfs_node_check(in, node);
	if (!err && ld64(&in->root) != root)
		err = -ESTALE;
	if (err)
		return err;
	umfs_inode_accessed(fs, in);
	return (int64_t)len;
}

/* ---- where a directory is ---- */

struct search {
	uint32_t ino;
	char *buf;	/* the name ends at buf + end */
	uint32_t end;
	bool found;
};

static int match(void *arg, const char *name, uint32_t len, uint32_t ino, uint32_t type,
		 uint64_t cookie)
{
	struct search *s = arg;

	(void)type;
	(void)cookie;
	if (ino != s->ino)
		return 0;
	if (len + 1 > s->end)
		return -ERANGE;
	s->end -= len;
	memcpy(s->buf + s->end, name, len);
	s->buf[--s->end] = '/';
	s->found = true;
	return 1;
}

int umfs_getpath(struct umfs *fs, uint32_t dir, char *buf, uint32_t size)
{
	struct search s = {dir, buf, size, false};
	uint32_t depth;

	if (size < 2)
		return -ERANGE;
	buf[--s.end] = '\0';
	for (depth = 0; s.ino != UMFS_ROOT_INO; depth++) {
		struct umfs_inode_pm *in = umfs_inode(fs, s.ino);
		uint32_t parent;
		int err;

		if (depth > UMFS_PAGE_BYTES / 2)
			return -ERANGE; /* longer than any path, or a circle */
		if (!in || !umfs_is_dir(ld32(&in->mode)) || !ld32(&in->nlink))
			return -ENOENT;
		parent = (uint32_t)ld64(&in->parent);
		s.found = false;
		err = umfs_readdir(fs, parent, 0, match, &s);
		if (err < 0)
			return err;
		if (!s.found)
			return s.end < UMFS_NAME_MAX + 1 ? -ERANGE : -ENOENT;
		s.ino = parent;
	}
	if (s.end == size - 1)
		buf[--s.end] = '/';
	memmove(buf, buf + s.end, size - s.end);
	return 0;
}

/* ---- statfs ---- */

void umfs_statfs(struct umfs *fs, struct umfs_statfs *st)
{
	uint32_t head = UMFS_GROUP_HEAD_PAGES + fs->geo.itable_pages, g;

	memset(st, 0, sizeof(*st));
	umfs_grow_seen(fs);
	for (g = 0; g < fs->geo.group_count; g++) {
		struct umfs_group_pm *grp = umfs_group(fs, g);
		uint32_t pages = umfs_group_pages(fs, g) - head;
		bool init = ld32(&grp->flags) & UMFS_GROUP_INIT;
		uint32_t free = init ? ld32(&grp->free_pages) : pages;
		uint32_t known = ld32(&grp->pages);

		st->pages += pages;
		st->inodes += fs->geo.inodes_per_group - (g == 0);
		st->pages_free += free;
		if (init && known < head + pages) /* since the pool grew */
			st->pages_free += head + pages - known;
		if (init || (fs->geo.flags & UMFS_SB_BACKED))
			st->pages_ready += umfs_group_ready(fs, g, free);
		st->inodes_free += init ? ld32(&grp->free_inodes)
					: fs->geo.inodes_per_group - (g == 0);
	}
	st->name_max = UMFS_NAME_MAX;
	st->atomic_bytes = UMFS_ATOMIC_BYTES;
}
