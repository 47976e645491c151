// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * path.c - from a path to an inode.
 *
 * Each component is looked up without locks. Links are followed by putting
 * their target in front of what remains, in the caller's room. A path that
 * leaves UMFS is handed back with what remains of it.
 * The directory part of a path that was walked before is not walked again (prefix.c).
 *
 * I1  A step's result is a node: the name meant that inode at a moment when it was in
 *     use under that generation. For its generation is read between two looks at the
 *     name; if it had been removed and made anew in between, then the generation that
 *     was read is an older one than the name's, and is found out when the node is used.
 */
#include "names.h"

#define LINKS_MAX 40u
#define PATH_BYTES_MAX 4096u
#define NAME_TRIES 100u

/* Put `at` (terminated, maybe already inside the room) at the room's start. Positive, or -errno. */
UMFS_RARE static int hand_back(struct umfs_walk *w, const char *at, bool above)
{
	uint32_t len = (uint32_t)strlen(at);

	if (!w->rest)
		return UMFS_WALK_NO_ROOM;
	if (len >= UMFS_WALK_ROOM)
		return -ENAMETOOLONG;
	memmove(w->rest, at, len + 1);
	w->above = above;
	return UMFS_WALK_ESCAPED;
}

/* The link's target, then what remains at *at; *at goes on from the room's start. */
UMFS_RARE static int follow(struct umfs *fs, umfs_node node, uint64_t size, struct umfs_walk *w,
		  const char **at)
{
	uint32_t rest = (uint32_t)strlen(*at);
	int64_t len;

	if (!w->rest)
		return UMFS_WALK_NO_ROOM;
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	if (!size || size >= PATH_BYTES_MAX)
		return -EUCLEAN;
	if (size + rest + 1 > UMFS_WALK_ROOM)
		return -ENAMETOOLONG;
	memmove(w->rest + size, *at, rest + 1);
	len = umfs_readlink(fs, node, w->rest, size);
	if (len < 0 || (uint64_t)len != size)
		return len < 0 ? (int)len : -EUCLEAN; /* and the room is used: no second look */
	*at = w->rest;
	return w->rest[0] == '/' ? hand_back(w, w->rest, false) : 0;
}

/*
 * May we look names up in `dir`, whose inode is *in then? No is an answer only of what it was
 * at one moment.
 */
static int check_search(struct umfs *fs, const struct umfs_cred *cred, umfs_node dir,
			struct umfs_inode_pm **in)
{
	int err = umfs_inode_check(fs, dir, in);

	if (err)
		return err;
	if (!umfs_is_dir(ld32(&(*in)->mode))) {
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		err = umfs_node_check(*in, dir);
		return err ? err : -ENOTDIR;
	}
	return umfs_may(cred, *in, 1) ? 0 : umfs_access(fs, cred, dir, 1);
}

/* The end of the component at `s`; its length in *len. */
static const char *component(const char *s, uint32_t *len)
{
	const char *end = strchrnul(s, '/');

	*len = (uint32_t)(end - s);
	return end;
}

static bool only_slashes(const char *s)
{
	while (*s == '/')
		s++;
	return !*s;
}

struct step {
	umfs_node dir; /* where we are */
	struct umfs_inode_pm *in; /* its inode, once names may be looked up there */
	uint32_t flags;
	bool plain; /* the last one was by a name of a directory in the path given */
	const char *at; /* what remains */
};

/* Removed, but open: what was its parent then, if that is still the same directory. */
UMFS_RARE static int up_removed(struct umfs *fs, struct step *s, const struct umfs_inode_pm *in)
{
	umfs_node parent = ld64(&in->parent);
	struct umfs_attr attr;
	int err = umfs_node_check(in, s->dir);

	if (err)
		return err;
	if (!(parent >> 32) || umfs_getattr(fs, parent, &attr) || !umfs_is_dir(attr.mode))
		return -ENOENT;
	s->dir = parent;
	return 0;
}

/* ".." : what hand_back() returns, 0 went up, or -errno. */
UMFS_RARE static int go_up(struct umfs *fs, struct step *s, const char *after, struct umfs_walk *w)
{
	struct umfs_inode_pm *in = umfs_inode(fs, (uint32_t)s->dir);
	struct umfs_attr attr;
	uint32_t parent;
	int err;

	while (*after == '/')
		after++;
	if ((uint32_t)s->dir == UMFS_ROOT_INO)
		return hand_back(w, after, true);
	if (!in)
		return -EUCLEAN;
	parent = (uint32_t)ld64(&in->parent);
	if (!ld32(&in->nlink))
		return up_removed(fs, s, in);
	err = umfs_getattr(fs, parent, &attr);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	/* Still below it, which therefore was no other directory in between. */
	if (!err)
		err = umfs_node_check(in, s->dir);
	if (!err && (!ld32(&in->nlink) || (uint32_t)ld64(&in->parent) != parent))
		err = -ESTALE;
	if (err)
		return err == -ENOENT ? -ESTALE : err;
	s->dir = umfs_node_of(parent, attr.generation);
	return 0;
}

/*
 * What a name means in dir, whose inode is `in`, and that one's attributes (I1). attr->ino is 0
 * when names changed meanwhile: then the attributes may be of a life of the inode in which it
 * had another.
 */
static int lookup_in(struct umfs *fs, struct umfs_inode_pm *in, umfs_node dir, const char *name,
		     uint32_t len, umfs_node *node, struct umfs_attr *attr)
{
	uint32_t ino, again, tries;
	int err;

	for (tries = 0; tries < NAME_TRIES; tries++) {
		uint64_t seq = ld64(&in->seq);

		err = umfs_lookup_in(fs, in, dir, name, len, &ino);
		if (err)
			return err;
		err = umfs_getattr(fs, ino, attr);
		if (err == -ENOENT)
			continue;
		if (err)
			return err;
		*node = umfs_node_of(ino, attr->generation);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(seq & 1) && ld64(&in->seq) == seq)
			return 0;
		err = umfs_lookup_in(fs, in, dir, name, len, &again);
		attr->ino = 0;
		if (!err && again == ino)
			return 0;
	}
	return -ESTALE;
}

int umfs_lookup_node(struct umfs *fs, umfs_node dir, const char *name, uint32_t len,
		     umfs_node *node, struct umfs_attr *attr)
{
	struct umfs_inode_pm *in = umfs_inode(fs, (uint32_t)dir);

	return in ? lookup_in(fs, in, dir, name, len, node, attr) : -EUCLEAN;
}

/* Look `name` up as a middle or last component. 0: go on; WALK_DONE: result in *w. */
#define WALK_DONE 2
static int take_name(struct umfs *fs, struct step *s, const char *name, uint32_t len,
		     const char *after, struct umfs_walk *w)
{
	bool last = only_slashes(after), slash = last && *after;
	bool named = last && (s->flags & UMFS_WALK_PARENT);
	bool itself = named && (s->flags & UMFS_WALK_NOFOLLOW);
	bool unseen = itself && !slash && (s->flags & UMFS_WALK_NAME);
	umfs_node node = 0;
	int err;

	w->attr.ino = 0;
	err = unseen ? 0 : lookup_in(fs, s->in, s->dir, name, len, &node, &w->attr);

	if (err == -ENOENT && named) {
		node = 0;
		err = 0;
	}
	if (err)
		return err;
	if (node && umfs_is_link(w->attr.mode) &&
	    (!last || (slash && !itself) || !(s->flags & UMFS_WALK_NOFOLLOW))) {
		s->at = after;
		return follow(fs, node, w->attr.size, w, &s->at);
	}
	if (last) {
		w->parent = s->dir;
		w->ino = node;
		w->name = name;
		w->name_len = len;
		w->must_be_dir = slash;
		return node && slash && !named && !umfs_is_dir(w->attr.mode) ? -ENOTDIR : WALK_DONE;
	}
	s->dir = node;
	s->at = after;
	s->plain = true;
	return 0;
}

/* A last name that is too long for any is the call's to refuse, as one that is missing. */
UMFS_RARE static int take_long(const struct step *s, const char *name, uint32_t len, const char *after,
		     struct umfs_walk *w)
{
	if (!only_slashes(after) || !(s->flags & UMFS_WALK_PARENT))
		return -ENAMETOOLONG;
	w->parent = s->dir;
	w->ino = 0;
	w->name = name;
	w->name_len = len;
	w->must_be_dir = *after;
	return WALK_DONE;
}

static int take_component(struct umfs *fs, const struct umfs_cred *cred, struct step *s,
			  struct umfs_walk *w)
{
	const char *name = s->at, *after;
	uint32_t len;
	int err;

	after = component(name, &len);
	err = check_search(fs, cred, s->dir, &s->in);
	if (err)
		return err;
	if (len > UMFS_NAME_MAX)
		return take_long(s, name, len, after, w);
	if (len == 2 && name[0] == '.' && name[1] == '.') {
		s->at = after;
		return go_up(fs, s, after, w);
	}
	if (len == 1 && name[0] == '.') {
		s->at = after;
		return 0;
	}
	return take_name(fs, s, name, len, after, w);
}

/* Step by step, to the last component (WALK_DONE) or the path's end (0). */
static int take_all(struct umfs *fs, const struct umfs_cred *cred, struct step *s,
		    struct umfs_trail *t, struct umfs_walk *w)
{
	for (;;) {
		umfs_node from = s->dir;
		int ret;

		while (*s->at == '/')
			s->at++;
		if (!*s->at)
			return 0;
		s->plain = false;
		umfs_trail_begin(fs, t, from);
		ret = take_component(fs, cred, s, w);
		if (ret)
			return ret;
		if (s->plain && !t->lost)
			umfs_trail_step(fs, cred, t, from);
		else
			t->lost = true;
	}
}

int umfs_walk(struct umfs *fs, const struct umfs_cred *cred, umfs_node start, const char *path,
	      uint32_t flags, struct umfs_walk *w)
{
	struct step s = {.dir = start, .flags = flags, .at = path};
	struct umfs_trail t;
	int ret;

	w->above = false;
	w->must_be_dir = false;
	w->name = path;
	w->name_len = 0;
	t.count = 0;
	t.uid = UMFS_PREFIX_ALL;
	s.at += umfs_prefix_find(fs, cred, start, path, &s.dir);
	t.lost = s.at != path;
	ret = take_all(fs, cred, &s, &t, w);
	if (ret == WALK_DONE) {
		umfs_prefix_keep(fs, start, path, (uint32_t)(w->name - path), &t, s.dir);
		return 0;
	}
	if (ret)
		return ret;
	/* Ended in ".", ".." or nothing: a directory without a name of its own here. */
	w->parent = s.dir;
	w->ino = s.dir;
	w->attr.ino = 0;
	w->name_len = 0;
	w->must_be_dir = true;
	return 0;
}
