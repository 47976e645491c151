// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * xattr.c - extended attributes: an inode's attributes are one block in a run
 * of pages of its own.
 *
 * I1  A block in use is replaced and not changed (but see I3): the new one is built
 *     in fresh pages, made durable, and then one transaction stores the inode's
 *     `xattr`, count of pages and times, and frees the old run after its commit. A crash
 *     before the commit leaves the old block and frees the new run.
 * I2  Readers take no lock. What they copied counts if the sequence and `xattr` were
 *     the same before and after: a run is freed after `xattr` stopped naming it.
 *     Behind a writer that is stopped (the sequence stays odd) a block still has
 *     its checksum, be it the old one or the new one, so it is read beside that writer,
 *     as getattr.c does and with the same limit: the change may yet be undone.
 * I3  Removing needs no space: where no run is free for a block without the
 *     attribute, its entry loses its name in place, in a transaction that saved the
 *     two heads. Only between its first store and its seal the checksum
 *     does not hold; a reader then waits for the lock.
 */
#include "internal.h"

#define TRIES 4
#define BESIDE_TRIES 100
#define LIST_MAX 65536u

enum space { USER, TRUSTED, SECURITY, ACL_ACCESS, ACL_DEFAULT, UNKNOWN };

static bool is_acl(enum space space)
{
	return space == ACL_ACCESS || space == ACL_DEFAULT;
}

static bool begins(const char *name, uint32_t len, const char *with, uint32_t n)
{
	return len >= n && !memcmp(name, with, n);
}

/* ---- whose names and who may ---- */

#define BEGINS(with) begins(name, len, with, sizeof(with) - 1)
#define IS(whole) (len == sizeof(whole) - 1 && BEGINS(whole))

static int space_of(const char *name, uint32_t len, enum space *space)
{
	if (!len || len > UMFS_NAME_MAX)
		return -ERANGE;
	if (BEGINS("user."))
		*space = USER;
	else if (BEGINS("trusted."))
		*space = TRUSTED;
	else if (BEGINS("security."))
		*space = SECURITY;
	else if (IS("system.posix_acl_access"))
		*space = ACL_ACCESS;
	else if (IS("system.posix_acl_default"))
		*space = ACL_DEFAULT;
	else if (BEGINS("system."))
		return -EOPNOTSUPP;
	else
		*space = UNKNOWN; /* the file's own rights are asked first */
	return 0;
}

/* No namespace, or no name in it; the kernel asks for rights before it says so. */
static int check_name(const char *name, uint32_t len, enum space space)
{
	if (space == UNKNOWN)
		return -EOPNOTSUPP;
	return IS("user.") || IS("trusted.") || IS("security.") ? -EINVAL : 0;
}

static bool may_have_user(uint32_t mode)
{
	return umfs_is_reg(mode) || umfs_is_dir(mode);
}

static int may_get(struct umfs *fs, const struct umfs_cred *cred, umfs_node node,
		   enum space space)
{
	struct umfs_attr a;
	int err;

	if (space == TRUSTED)
		return cred->override ? 0 : -ENODATA;
	if (space == SECURITY)
		return 0;
	err = umfs_getattr(fs, node, &a);
	if (err)
		return err;
	if (space == UNKNOWN)
		return umfs_access(fs, cred, node, 4);
	if (space == USER)
		return may_have_user(a.mode) ? umfs_access(fs, cred, node, 4) : -ENODATA;
	return umfs_is_link(a.mode) ? -EOPNOTSUPP : 0;
}

static bool is_owner(const struct umfs_cred *cred, const struct umfs_inode_pm *in)
{
	return cred->override || cred->uid == ld32(&in->uid);
}

/* Locked; not for access control lists: may_set_acl(). */
static int may_set(const struct umfs_cred *cred, const struct umfs_inode_pm *in,
		   enum space space)
{
	uint32_t mode = ld32(&in->mode);

	if (space == TRUSTED || space == SECURITY)
		return cred->override ? 0 : -EPERM;
	if (space == UNKNOWN)
		return umfs_may(cred, in, 2) ? 0 : -EACCES;
	if (!may_have_user(mode) ||
	    (umfs_is_dir(mode) && (mode & UMFS_S_ISVTX) && !is_owner(cred, in)))
		return -EPERM;
	return umfs_may(cred, in, 2) ? 0 : -EACCES;
}

/* ---- reading ---- */

struct reading {
	const char *name; /* NULL: the list of names */
	uint32_t len;
	bool trusted; /* list those too */
	bool acl;     /* the list of access, which the mode is a part of */
	void *out;
	uint64_t size;
};

static int64_t copy_value(const struct umfs_xblock *b, const struct reading *r, uint32_t mode)
{
	struct umfs_xentry e;
	int err = umfs_xblock_find(b, r->name, r->len, &e);

	if (err)
		return err;
	if (r->size && r->size < e.value_bytes)
		return -ERANGE;
	if (r->size && r->acl)
		err = umfs_acl_copy_out(r->out, (const uint8_t *)umfs_xentry_value(&e),
					e.value_bytes, mode);
	else if (r->size)
		err = port_copy_out(r->out, umfs_xentry_value(&e), e.value_bytes);
	return err ? err : (int64_t)e.value_bytes;
}

static int copy_name(const struct umfs_xentry *e, const struct reading *r, uint64_t done)
{
	char *to = (char *)r->out + done;
	int err = port_copy_out(to, umfs_xentry_name(e), e->name_bytes);

	return err ? err : port_copy_out(to + e->name_bytes, "", 1);
}

static int64_t copy_list(const struct umfs_xblock *b, const struct reading *r)
{
	uint32_t at = sizeof(struct umfs_xattr_pm);
	struct umfs_xentry e;
	uint64_t done = 0;
	int more, err;

	while ((more = umfs_xblock_next(b, &at, &e)) > 0) {
		if (!e.name_bytes ||
		    (!r->trusted && begins(umfs_xentry_name(&e), e.name_bytes, "trusted.", 8)))
			continue;
		if (r->size && done + e.name_bytes + 1 > r->size)
			return r->size >= LIST_MAX ? -E2BIG : -ERANGE;
		err = r->size ? copy_name(&e, r, done) : 0;
		if (err)
			return err;
		done += e.name_bytes + 1;
	}
	return more ? more : (int64_t)done;
}

static int64_t read_once(struct umfs *fs, const struct umfs_inode_pm *in, umfs_node node,
			 const struct reading *r, uint64_t word)
{
	struct umfs_xblock b;
	int err = umfs_node_check(in, node);

	if (!err)
		err = umfs_xblock_load(fs, word, (uint32_t)node, &b);
	if (err)
		return err;
	return r->name ? copy_value(&b, r, ld32(&in->mode)) : copy_list(&b, r);
}

/* I2. False: it moved meanwhile, or (!beside) a writer is inside. */
static bool read_settled(struct umfs *fs, const struct umfs_inode_pm *in, umfs_node node,
			 const struct reading *r, bool beside, int64_t *ret)
{
	uint64_t seq = ld64(&in->seq), word = ld64(&in->xattr);

	if ((seq & 1) && !beside)
		return false;
	*ret = read_once(fs, in, node, r, word);
	if (beside && *ret == -EUCLEAN)
		return false; /* I3 */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return ld64(&in->xattr) == word && ld64(&in->seq) == seq;
}

static int64_t read_locked(struct umfs *fs, struct umfs_inode_pm *in, umfs_node node,
			   const struct reading *r)
{
	int64_t ret;

	umfs_seq_heal(in);
	ret = read_once(fs, in, node, r, ld64(&in->xattr));
	umfs_unlock(fs, &in->lock);
	return ret;
}

static int64_t read_xattr(struct umfs *fs, umfs_node node, const struct reading *r)
{
	struct umfs_inode_pm *in = umfs_inode(fs, (uint32_t)node);
	int64_t ret;
	int tries;

	if (fs->broken)
		return -EIO;
	if (!in)
		return -EUCLEAN;
	if (fs->readonly) /* nobody else changes this copy */
		return read_once(fs, in, node, r, ld64(&in->xattr));
	for (tries = 0; tries < TRIES; tries++) {
		if (read_settled(fs, in, node, r, false, &ret))
			return ret;
		port_relax();
	}
	ret = umfs_lock_soon(fs, &in->lock);
	for (tries = 0; ret == -EAGAIN && tries < BESIDE_TRIES; tries++) {
		int64_t beside;

		if (read_settled(fs, in, node, r, true, &beside))
			return beside;
		port_relax();
	}
	if (ret == -EAGAIN)
		ret = umfs_lock(fs, &in->lock);
	return ret ? ret : read_locked(fs, in, node, r);
}

int64_t umfs_getxattr(struct umfs *fs, const struct umfs_cred *cred, umfs_node node,
		      const char *name, uint32_t len, void *value, uint64_t size)
{
	struct reading r = {.name = name, .len = len, .out = value, .size = size};
	enum space space;
	int err = space_of(name, len, &space);

	if (!err)
		err = may_get(fs, cred, node, space);
	if (!err)
		err = check_name(name, len, space);
	r.acl = !err && space == ACL_ACCESS;
	return err ? err : read_xattr(fs, node, &r);
}

int64_t umfs_listxattr(struct umfs *fs, const struct umfs_cred *cred, umfs_node node, char *list,
		       uint64_t size)
{
	struct reading r = {.trusted = cred->override, .out = list, .size = size};

	return read_xattr(fs, node, &r);
}

/* ---- changing ---- */

struct edit {
	struct umfs_tx tx;
	struct umfs_inode_pm *in;
	const struct umfs_cred *cred;
	const char *name;
	const void *value;
	uint32_t len, size, flags, ino;
	enum space space;
	bool remove;
	bool set_mode; /* an access control list sets the permission bits */
	struct umfs_acl acl;
	/* What is there, and what will be. */
	struct umfs_xblock old;
	struct umfs_xentry entry; /* of the name, in `old` */
	bool found;
	uint32_t count, bytes, pages;
	uint64_t page;
};

/* How large the block becomes, and how many attributes it has. */
static int plan(struct edit *e)
{
	uint32_t at = sizeof(struct umfs_xattr_pm);
	struct umfs_xentry x;
	int more;

	e->count = 0;
	e->bytes = sizeof(struct umfs_xattr_pm);
	while ((more = umfs_xblock_next(&e->old, &at, &x)) > 0) {
		if (!x.name_bytes || (e->found && x.at == e->entry.at))
			continue;
		e->count++;
		e->bytes += x.bytes;
	}
	if (more)
		return more;
	if (!e->remove) {
		e->count++;
		e->bytes += umfs_xentry_bytes(e->len, e->size);
	}
	e->pages = e->count ? (e->bytes + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT : 0;
	return e->pages > UMFS_XATTR_PAGES_MAX ? -ENOSPC : 0;
}

/* Linux takes no other values for it: version 2 or 3, with 20 or 24 bytes. */
static int check_capability(const char *name, uint32_t len, const uint8_t *value, uint32_t size)
{
	static const uint8_t versions[2][4] = {{0, 0, 0, 2}, {0, 0, 0, 3}};
	uint8_t head[4];

	if (!IS("security.capability"))
		return 0;
	if (size != 20 && size != 24)
		return -EINVAL;
	memcpy(head, value, sizeof(head));
	head[0] &= 0xfeu;
	return memcmp(head, versions[size == 24], sizeof(head)) ? -EINVAL : 0;
}

/* Put the attribute at `to`, in pages that nobody sees. */
static int build_entry(struct edit *e, uint8_t *to)
{
	struct umfs_xentry_pm *entry = (struct umfs_xentry_pm *)to;
	uint8_t *name = (uint8_t *)(entry + 1);
	uint32_t bytes = umfs_xentry_bytes(e->len, e->size);
	int err;

	port_zero(to + bytes - 8u, 8);
	port_zero(entry, sizeof(*entry));
	st32(&entry->value_bytes, e->size);
	st8(&entry->name_bytes, (uint8_t)e->len);
	port_copy(name, e->name, e->len);
	err = e->size ? port_copy_in(name + e->len, e->value, e->size) : 0;
	if (!err && is_acl(e->space))
		err = umfs_acl_parse(name + e->len, e->size, &e->acl);
	else if (!err && e->space == SECURITY)
		err = check_capability(e->name, e->len, name + e->len, e->size);
	return err;
}

/* The new block; those of the old one that stay come first. */
static int build(struct edit *e)
{
	struct umfs_xattr_pm *head = umfs_page(e->tx.fs, e->page);
	uint32_t at = sizeof(*head), to = sizeof(*head), count = 0;
	struct umfs_xentry x;
	int err = 0, more;

	while ((more = umfs_xblock_next(&e->old, &at, &x)) > 0) {
		if (!x.name_bytes || (e->found && x.at == e->entry.at))
			continue;
		if (x.bytes > e->bytes - to)
			return -EUCLEAN; /* not what plan() saw */
		port_copy((uint8_t *)head + to, x.at, x.bytes);
		to += x.bytes;
		count++;
	}
	if (more)
		return more;
	if (!e->remove) {
		if (umfs_xentry_bytes(e->len, e->size) != e->bytes - to)
			return -EUCLEAN;
		err = build_entry(e, (uint8_t *)head + to);
		count++;
	}
	if (err || count != e->count)
		return err ? err : -EUCLEAN;
	umfs_xblock_seal(e->tx.fs, head, e->ino, e->bytes, count);
	return 0;
}

/* The new block, its pages noted in the transaction. */
static int make_block(struct edit *e)
{
	struct umfs *fs = e->tx.fs;
	uint64_t goal = umfs_group_page(fs, e->ino / fs->geo.inodes_per_group);
	int err = umfs_pages_alloc_whole(&e->tx, goal, e->pages, &e->page);

	return err ? err : build(e); /* fenced with the journal, before it is stored where it is */
}

static uint32_t mode_after(const struct edit *e)
{
	uint32_t mode = ld32(&e->in->mode);

	if (!e->set_mode)
		return mode;
	mode = (mode & ~0777u) | e->acl.mode;
	if (!e->cred->override && !umfs_in_group(e->cred, ld32(&e->in->gid)))
		mode &= ~UMFS_S_ISGID;
	return mode;
}

static int save_inode(struct edit *e)
{
	int err = umfs_inode_save(&e->tx, e->in, e->ino);

	return err ? err : umfs_tx_save(&e->tx, &e->in->mtime_ns, 24);
}

static void commit(struct edit *e)
{
	umfs_inode_touch_ctime(e->in);
	umfs_inode_seal(e->in, e->ino);
	umfs_tx_commit(&e->tx); /* commit point */
	umfs_seq_end(e->tx.fs, e->in);
}

/* I1. */
static int replace_block(struct edit *e)
{
	uint64_t pages = ld64(&e->in->pages);
	int err;

	umfs_tx_begin(&e->tx);
	err = save_inode(e);
	if (!err && e->pages)
		err = make_block(e);
	if (!err && e->old.head)
		err = umfs_pages_free(&e->tx, e->old.page, e->old.pages);
	if (err) {
		umfs_tx_abort(&e->tx);
		return err;
	}
	umfs_tx_fence(&e->tx);
	e->set_mode |= e->space == ACL_ACCESS && !e->remove;
	umfs_seq_begin(e->in);
	st64(&e->in->xattr, e->pages ? e->page << UMFS_PAGE_SHIFT | e->pages : 0);
	st64(&e->in->pages, pages - e->old.pages + e->pages);
	st32(&e->in->mode, mode_after(e));
	commit(e);
	return 0;
}

/* I3. The block keeps another attribute. */
static int bury(struct edit *e)
{
	struct umfs_xattr_pm *head = umfs_page(e->tx.fs, e->old.page);
	struct umfs_xentry_pm *entry = (struct umfs_xentry_pm *)(uintptr_t)e->entry.at;
	int err;

	umfs_tx_begin(&e->tx);
	err = save_inode(e);
	if (!err)
		err = umfs_tx_save(&e->tx, head, sizeof(*head));
	if (!err)
		err = umfs_tx_save(&e->tx, entry, sizeof(*entry));
	if (err) {
		umfs_tx_abort(&e->tx);
		return err;
	}
	umfs_tx_fence(&e->tx);
	umfs_seq_begin(e->in);
	/* It takes as much room as before: the value is as much longer. */
	st32(&entry->value_bytes, e->entry.bytes - (uint32_t)sizeof(*entry));
	st8(&entry->name_bytes, 0);
	st32(&head->count, e->count);
	st32(&head->crc, port_crc32c(0, &head->ino, e->old.bytes - 8u));
	st32(&e->in->mode, mode_after(e));
	commit(e);
	return 0;
}

/* The mode, if that, and the time: an access control list that is not kept, and none was. */
static int store_mode(struct edit *e)
{
	int err;

	umfs_tx_begin(&e->tx);
	err = save_inode(e);
	if (err) {
		umfs_tx_abort(&e->tx);
		return err;
	}
	umfs_tx_fence(&e->tx);
	umfs_seq_begin(e->in);
	st32(&e->in->mode, mode_after(e));
	commit(e);
	return 0;
}

static int change(struct edit *e)
{
	int err = plan(e);

	if (err)
		return err;
	if (e->remove && !e->found) /* of a list; the time of change is now, as in Linux */
		return store_mode(e);
	err = replace_block(e);
	return err == -ENOSPC && e->remove && e->pages ? bury(e) : err;
}

/* Nothing that the mode does not say already. */
static bool acl_is_dropped(const struct edit *e)
{
	return e->acl.empty || (e->acl.minimal && e->space == ACL_ACCESS);
}

/* A longer list has more than the owner's, the group's and others' entries. */
static int parse_short_acl(struct edit *e)
{
	uint8_t list[UMFS_ACL_MINIMAL_BYTES];
	int err = e->size ? port_copy_in(list, e->value, e->size) : 0;

	return err ? err : umfs_acl_parse(list, e->size, &e->acl);
}

/* A list that says no more than a mode is not kept, so that it needs no space. */
static int set_acl(struct edit *e)
{
	int err = e->size <= UMFS_ACL_MINIMAL_BYTES ? parse_short_acl(e) : 0;

	if (err)
		return err;
	if (acl_is_dropped(e)) {
		e->remove = true;
		e->set_mode = e->space == ACL_ACCESS && !e->acl.empty;
	}
	return change(e);
}

/* Only directories have default lists, and what has none may be told to have none. */
static bool has_no_default(const struct edit *e)
{
	return e->space == ACL_DEFAULT && !umfs_is_dir(ld32(&e->in->mode));
}

/* In the order in which Linux looks. */
static int may_set_acl(const struct edit *e)
{
	int err = e->remove ? 0 : umfs_acl_check_form(e->value, e->size);

	if (err)
		return err;
	if (umfs_is_link(ld32(&e->in->mode)))
		return -EOPNOTSUPP;
	if (has_no_default(e))
		return e->remove || e->size <= UMFS_ACL_EMPTY_BYTES ? 0 : -EACCES;
	return is_owner(e->cred, e->in) ? 0 : -EPERM;
}

static int edit_locked(struct edit *e, umfs_node node)
{
	struct umfs *fs = e->tx.fs;
	int err = umfs_node_check(e->in, node);

	umfs_seq_heal(e->in);
	if (!err && !umfs_inode_sealed(e->in, e->ino))
		err = -EUCLEAN;
	if (!err)
		err = is_acl(e->space) ? may_set_acl(e) : may_set(e->cred, e->in, e->space);
	if (!err)
		err = check_name(e->name, e->len, e->space);
	if (!err && has_no_default(e))
		return 0;
	if (!err)
		err = umfs_xblock_load(fs, ld64(&e->in->xattr), e->ino, &e->old);
	if (err)
		return err;
	err = umfs_xblock_find(&e->old, e->name, e->len, &e->entry);
	e->found = !err;
	if (err && err != -ENODATA)
		return err;
	if (is_acl(e->space)) /* Linux does not ask whether there was one */
		return e->remove ? change(e) : set_acl(e);
	if (e->found && (e->flags & UMFS_XATTR_CREATE))
		return -EEXIST;
	if (!e->found && (e->remove || (e->flags & UMFS_XATTR_REPLACE)))
		return -ENODATA;
	return change(e);
}

static int edit(struct umfs *fs, struct edit *e, umfs_node node)
{
	int err = space_of(e->name, e->len, &e->space);

	if (err)
		return err;
	e->ino = (uint32_t)node;
	err = umfs_enter(fs, &e->tx, &e->ino, 1);
	if (err)
		return err;
	e->in = umfs_inode_known(fs, e->ino);
	err = edit_locked(e, node);
	umfs_leave(&e->tx, &e->ino, 1);
	return err;
}

int umfs_setxattr(struct umfs *fs, const struct umfs_cred *cred, umfs_node node, const char *name,
		  uint32_t len, const void *value, uint64_t size, uint32_t flags)
{
	struct edit e = {.cred = cred, .name = name, .len = len, .value = value, .flags = flags};

	if (flags & ~(UMFS_XATTR_CREATE | UMFS_XATTR_REPLACE))
		return -EINVAL;
	if (size > UMFS_XATTR_VALUE_MAX)
		return -E2BIG;
	e.size = (uint32_t)size;
	return edit(fs, &e, node);
}

int umfs_removexattr(struct umfs *fs, const struct umfs_cred *cred, umfs_node node,
		     const char *name, uint32_t len)
{
	struct edit e = {.cred = cred, .name = name, .len = len, .remove = true};

	return edit(fs, &e, node);
}
