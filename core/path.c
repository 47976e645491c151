// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * path.c - from a path to an inode.
 *
 * Each component is looked up without locks. Links are followed by putting
 * their target in front of what remains, in the caller's room. A path that
 * leaves UMFS is handed back with what remains of it.
 */
#include "internal.h"

#define LINKS_MAX 40u
#define PATH_BYTES_MAX 4096u
#define NAME_TRIES 100u

static uint32_t text_len(const char *s)
{
	uint32_t n = 0;

	while (s[n])
		n++;
	return n;
}

/* Put `at` (terminated, maybe already inside the room) at the room's start. */
static int hand_back(struct umfs_walk *w, const char *at, bool above)
{
	uint32_t len = text_len(at);

	if (len >= UMFS_WALK_ROOM)
		return -ENAMETOOLONG;
	memmove(w->rest, at, len + 1);
	w->above = above;
	return UMFS_WALK_ESCAPED;
}

/* The link's target, then what remains at *at; *at goes on from the room's start. */
static int follow(struct umfs *fs, uint32_t ino, struct umfs_walk *w, const char **at)
{
	uint32_t rest = text_len(*at);
	struct umfs_attr attr;
	int64_t len;
	int err;

	if (++w->links > LINKS_MAX)
		return -ELOOP;
	err = umfs_getattr(fs, ino, &attr);
	if (err)
		return err;
	if (!attr.size || attr.size >= PATH_BYTES_MAX)
		return -EUCLEAN;
	if (attr.size + rest + 1 > UMFS_WALK_ROOM)
		return -ENAMETOOLONG;
	memmove(w->rest + attr.size, *at, rest + 1);
	len = umfs_readlink(fs, ino, w->rest, attr.size);
	if (len < 0 || (uint64_t)len != attr.size)
		return -ESTALE; /* removed just now, and the room is used: no second look */
	*at = w->rest;
	return w->rest[0] == '/' ? hand_back(w, w->rest, false) : 0;
}

/* May we look names up in `dir`? */
static int check_search(struct umfs *fs, const struct umfs_cred *cred, uint32_t dir)
{
	struct umfs_inode_pm *in;
	int err = umfs_inode_check(fs, dir, &in);

	if (err)
		return err;
	if (!umfs_is_dir(ld32(&in->mode)))
		return -ENOTDIR;
	return umfs_may(cred, in, 1) ? 0 : -EACCES;
}

/* The end of the component at `s`; its length in *len. */
static const char *component(const char *s, uint32_t *len)
{
	const char *end = s;

	while (*end && *end != '/')
		end++;
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
	uint32_t dir; /* where we are */
	uint32_t flags;
	const char *at; /* what remains */
};

/* ".." : 1 escaped, 0 went up, or -errno. */
static int go_up(struct umfs *fs, struct step *s, const char *after, struct umfs_walk *w)
{
	struct umfs_inode_pm *in = umfs_inode(fs, s->dir);

	while (*after == '/')
		after++;
	if (s->dir == UMFS_ROOT_INO)
		return hand_back(w, after, true);
	if (!in)
		return -EUCLEAN;
	s->dir = (uint32_t)ld64(&in->parent);
	return 0;
}

/* Look `name` up as a middle or last component. 0: go on; UMFS_WALK_DONE: result in *w. */
#define WALK_DONE 2
static int take_name(struct umfs *fs, struct step *s, const char *name, uint32_t len,
		     const char *after, struct umfs_walk *w)
{
	bool last = only_slashes(after), slash = last && *after;
	struct umfs_attr attr;
	uint32_t ino = 0, tries = 0;
	int err;

	/* The name may be given to another inode between two looks at it. */
	do {
		const char *at = after;

		err = umfs_lookup(fs, s->dir, name, len, &ino);
		if (last && err == -ENOENT && (s->flags & UMFS_WALK_PARENT)) {
			ino = 0;
			err = 0;
			break;
		}
		if (!err)
			err = umfs_getattr(fs, ino, &attr);
		else
			break;
		if (!err && umfs_is_link(attr.mode) &&
		    (!last || slash || !(s->flags & UMFS_WALK_NOFOLLOW))) {
			err = follow(fs, ino, w, &at);
			if (!err)
				s->at = at;
			if (err != -ENOENT)
				return err == -ESTALE ? -ENOENT : err;
			w->links--;
		}
	} while (err == -ENOENT && ++tries < NAME_TRIES);
	if (err)
		return err;
	if (last) {
		w->parent = s->dir;
		w->ino = ino;
		w->name = name;
		w->name_len = len;
		w->must_be_dir = slash;
		return ino && slash && !umfs_is_dir(attr.mode) ? -ENOTDIR : WALK_DONE;
	}
	s->dir = ino;
	s->at = after;
	return 0;
}

static int take_component(struct umfs *fs, const struct umfs_cred *cred, struct step *s,
			  struct umfs_walk *w)
{
	const char *name = s->at, *after;
	uint32_t len;
	int err;

	after = component(name, &len);
	err = check_search(fs, cred, s->dir);
	if (err)
		return err;
	if (len > UMFS_NAME_MAX)
		return -ENAMETOOLONG;
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

int umfs_walk(struct umfs *fs, const struct umfs_cred *cred, uint32_t start, const char *path,
	      uint32_t flags, struct umfs_walk *w)
{
	struct step s = {start, flags, path};
	int ret;

	w->above = false;
	w->must_be_dir = false;
	w->name = path;
	w->name_len = 0;
	for (;;) {
		while (*s.at == '/')
			s.at++;
		if (!*s.at)
			break;
		ret = take_component(fs, cred, &s, w);
		if (ret)
			return ret == WALK_DONE ? 0 : ret;
	}
	/* Ended in ".", ".." or nothing: a directory without a name of its own here. */
	w->parent = s.dir;
	w->ino = s.dir;
	w->name_len = 0;
	w->must_be_dir = true;
	return 0;
}
