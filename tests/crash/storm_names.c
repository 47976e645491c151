// SPDX-License-Identifier: BSD-3-Clause
/*
 * storm_names.c - a storm of changes of names, in the same and in different
 * directories, both ways at once.
 *
 * Tokens, files and directories among them, are made before and never removed:
 * they move between the names n0, n1, ... of the token directories, the root
 * included, by renames that may not replace and by exchanges, of a file with a
 * directory too. So at the end each is there exactly once: one that is not was
 * lost, or lies in a circle of directories; one that is there twice was doubled.
 * Beside them junk (j0, k0, ...) is made, linked, moved over other junk, and removed,
 * some of it with names so long (l0xxx...) that directories grow.
 */
#include "storm.h"

#include <stdio.h>

#define DIRS 8	 /* tokens that are directories */
#define FILES 16 /* and that are files */
#define TOKENS (DIRS + FILES)
#define NAMES 8
#define JUNK 6
#define CROWD 30 /* long names */
#define LONG 230

struct place {
	umfs_node dir;
	char name[256];
	uint32_t len;
};

/* A name in any token directory or the root. */
static struct place place(struct worker *w, char kind, uint32_t names)
{
	uint32_t d = storm_upto(w, DIRS + 1);
	struct place p = {.dir = d == DIRS ? UMFS_ROOT_INO : storm_board->ino[d]};

	p.len = (uint32_t)sprintf(p.name, "%c%u", kind, storm_upto(w, names));
	return p;
}

/* One so long that a directory needs more than a page for all of its kind. */
static struct place long_place(struct worker *w)
{
	struct place p = place(w, 'l', 1);

	memset(p.name + 2, 'x', LONG - 2);
	p.name[1] = (char)('0' + storm_upto(w, CROWD));
	p.len = LONG;
	return p;
}

static int rename_to(struct worker *w, const struct place *a, const struct place *b, uint32_t flags)
{
	return umfs_rename(w->fs, &world_root, a->dir, a->name, a->len, b->dir, b->name, b->len,
			   flags);
}

static void move_token(struct worker *w)
{
	struct place a = place(w, 'n', NAMES), b = place(w, 'n', NAMES);
	uint32_t flags = storm_upto(w, 2) ? UMFS_RENAME_NOREPLACE : UMFS_RENAME_EXCHANGE;

	if (storm_upto(w, 4) == 0)
		b.dir = a.dir;
	storm_allow(w, rename_to(w, &a, &b, flags), "rename of a token");
}

static void move_junk(struct worker *w)
{
	char kind = storm_upto(w, 2) ? 'j' : 'k';
	struct place a = place(w, kind, JUNK), b = place(w, kind, JUNK);

	storm_allow(w, rename_to(w, &a, &b, storm_upto(w, 3)), "rename of junk");
}

static void make_junk(struct worker *w)
{
	struct place p = place(w, 'j', JUNK), d = place(w, 'k', JUNK);
	umfs_node node;

	storm_allow(w, umfs_create(w->fs, &world_root, p.dir, p.name, p.len, 0100644, 0, &node),
		    "create");
	storm_allow(w, umfs_mkdir(w->fs, &world_root, d.dir, d.name, d.len, 0755, &node), "mkdir");
}

static void remove_junk(struct worker *w)
{
	struct place p = place(w, 'j', JUNK), d = place(w, 'k', JUNK);

	storm_allow(w, umfs_unlink(w->fs, &world_root, p.dir, p.name, p.len), "unlink");
	storm_allow(w, umfs_rmdir(w->fs, &world_root, d.dir, d.name, d.len), "rmdir");
}

/* A file without a name that gets one, or a second name for one that has. */
static void link_junk(struct worker *w)
{
	struct place a = place(w, 'j', JUNK), b = place(w, 'j', JUNK);
	struct umfs_file file;
	uint32_t ino;
	int err;

	if (storm_upto(w, 2)) {
		err = world_tmpfile(w->fs, "/", true, &file);
		storm_allow(w, err, "tmpfile");
		if (err)
			return;
		storm_allow(w, umfs_link(w->fs, &world_root, file.ino, b.dir, b.name, b.len),
			    "naming a tmpfile");
		world_close(&file);
		return;
	}
	err = umfs_lookup(w->fs, a.dir, a.name, a.len, &ino);
	storm_allow(w, err, "lookup");
	if (!err) /* by then that may be another file, or a directory */
		storm_allow(w, umfs_link(w->fs, &world_root, ino, b.dir, b.name, b.len), "link");
}

/* Directories get leaves and lose them, also beneath a lookup. */
static void crowd(struct worker *w)
{
	struct place a = long_place(w), b = long_place(w);
	umfs_node node;

	if (storm_upto(w, 2))
		b.dir = a.dir;
	switch (storm_upto(w, 4)) {
	case 0:
		storm_allow(w, umfs_unlink(w->fs, &world_root, a.dir, a.name, a.len), "unlink");
		break;
	case 1:
		storm_allow(w, rename_to(w, &a, &b, storm_upto(w, 3)), "rename");
		break;
	default:
		storm_allow(w, umfs_create(w->fs, &world_root, a.dir, a.name, a.len, 0100644, 0,
					   &node), "create");
	}
}

struct seen {
	struct worker *w;
	uint32_t names[256]; /* bits, by letter */
};

static int see(void *arg, const char *name, uint32_t len, uint32_t ino, uint32_t type,
	       uint64_t cookie)
{
	struct seen *s = arg;
	uint32_t number = len > 1 ? (uint32_t)(name[1] - '0') : 0;

	(void)ino;
	(void)type;
	(void)cookie;
	if (s->names[(uint8_t)name[0]] >> number & 1)
		die("worker %u: %.*s listed twice", s->w->number, (int)len, name);
	s->names[(uint8_t)name[0]] |= 1u << number;
	return 0;
}

static void list(struct worker *w)
{
	struct place p = place(w, 'n', NAMES);
	struct seen s = {.w = w};

	storm_allow(w, umfs_readdir(w->fs, p.dir, 0, see, &s), "readdir");
}

static void step(struct worker *w)
{
	static const struct storm_step steps[] = {
		{"moving a token", move_token, 8}, {"moving junk", move_junk, 3},
		{"making junk", make_junk, 2},	   {"removing junk", remove_junk, 2},
		{"linking junk", link_junk, 1},	   {"listing", list, 1},
		{"long names", crowd, 4},
	};

	storm_draw(w, steps, UMFS_ARRAY_LEN(steps));
}

/* Token i is at first name i % NAMES of the root or of an earlier directory. */
static void prepare(struct umfs *fs)
{
	umfs_node node;
	char name[8];
	uint32_t i;

	for (i = 0; i < TOKENS; i++) {
		umfs_node dir = i < NAMES ? UMFS_ROOT_INO : storm_board->ino[i % DIRS];
		uint32_t len = (uint32_t)sprintf(name, "n%u", i / DIRS);

		if (i < NAMES)
			len = (uint32_t)sprintf(name, "n%u", i);
		if (i < DIRS)
			need(umfs_mkdir(fs, &world_root, dir, name, len, 0755, &node));
		else
			need(umfs_create(fs, &world_root, dir, name, len, 0100644, 0, &node));
		storm_board->ino[i] = (uint32_t)node;
	}
}

static int check(const struct tree *t, char why[256])
{
	uint32_t i;
	size_t k;

	for (i = 0; i < TOKENS; i++) {
		uint32_t type = i < DIRS ? 0040000 : 0100000, times = 0;

		for (k = 0; k < t->count; k++)
			times += t->nodes[k].attr.ino == storm_board->ino[i] &&
				 (t->nodes[k].attr.mode & 0170000) == type;
		if (times != 1) {
			snprintf(why, 256, "token %u (inode %u) is there %u times", i,
				 storm_board->ino[i], times);
			return -1;
		}
	}
	return 0;
}

const struct storm_kind storm_names = {"names", prepare, NULL, step, check, NULL};
