// SPDX-License-Identifier: BSD-3-Clause
/* tree.c - see tree.h. */
#include "tree.h"

#include <stdio.h>
#include <stdlib.h>

#define WHOLE_BYTES (4 * MIB) /* of longer files only both ends are read */
#define END_BYTES (64 * KIB)
#define WHY 256

#define fail(...) (snprintf(why, WHY, __VA_ARGS__), -1)

void tree_free(struct tree *t)
{
	size_t i;

	for (i = 0; i < t->count; i++) {
		free(t->nodes[i].path);
		free(t->nodes[i].data);
		free(t->nodes[i].xattrs);
	}
	free(t->nodes);
	memset(t, 0, sizeof(*t));
}

static struct node *node_new(struct tree *t, const char *dir, const char *name, uint32_t len)
{
	struct node *node;

	if (t->count == t->room) {
		t->room = t->room ? 2 * t->room : 32;
		t->nodes = realloc(t->nodes, t->room * sizeof(*t->nodes));
		if (!t->nodes)
			die("out of memory");
	}
	node = &t->nodes[t->count++];
	memset(node, 0, sizeof(*node));
	node->path = malloc(strlen(dir) + len + 2);
	if (!node->path)
		die("out of memory");
	sprintf(node->path, "%s/%.*s", strcmp(dir, "/") ? dir : "", (int)len, name);
	return node;
}

/* ---- reading ---- */

struct listing {
	struct tree *t;
	char *dir;
	uint32_t entries, subdirs;
};

static int list_one(void *arg, const char *name, uint32_t len, uint32_t ino, uint32_t type,
		    uint64_t cookie)
{
	struct listing *l = arg;
	struct node *node = node_new(l->t, l->dir, name, len);

	(void)cookie;
	node->attr.ino = ino;
	node->attr.mode = type << 12; /* until its attributes are read */
	l->entries++;
	l->subdirs += type == 4;
	return 0;
}

static int read_at(const struct umfs_file *file, uint8_t *buf, uint64_t n, uint64_t off)
{
	int64_t got = umfs_pread(file, buf, n, off);

	return got == (int64_t)n ? 0 : got < 0 ? (int)got : -EIO;
}

static int read_bytes(struct umfs *fs, struct node *node)
{
	uint64_t size = node->attr.size;
	struct umfs_file file;
	uint32_t ofd;
	int err;

	node->data_bytes = size <= WHOLE_BYTES ? size : 2 * END_BYTES;
	node->data = malloc(node->data_bytes + 1);
	if (!node->data)
		die("out of memory");
	err = umfs_open(fs, node->attr.ino, O_RDONLY, &ofd);
	if (err)
		return err;
	err = umfs_file_init(fs, ofd, &file);
	if (!err && size <= WHOLE_BYTES) {
		err = read_at(&file, node->data, size, 0);
	} else if (!err) {
		err = read_at(&file, node->data, END_BYTES, 0);
		if (!err)
			err = read_at(&file, node->data + END_BYTES, END_BYTES, size - END_BYTES);
	}
	umfs_ofd_put(fs, ofd);
	return err;
}

static int read_target(struct umfs *fs, struct node *node)
{
	int64_t got;

	node->data = malloc(UMFS_PAGE_BYTES);
	if (!node->data)
		die("out of memory");
	got = umfs_readlink(fs, node->attr.ino, (char *)node->data, UMFS_PAGE_BYTES);
	if (got < 0)
		return (int)got;
	node->data_bytes = (uint64_t)got;
	return node->data_bytes == node->attr.size ? 0 : -EIO;
}

static int read_dir(struct umfs *fs, struct tree *t, size_t at, char *why)
{
	struct listing l = {.t = t, .dir = t->nodes[at].path};
	int err = umfs_readdir(fs, t->nodes[at].attr.ino, 0, list_one, &l);
	uint32_t nlink = t->nodes[at].attr.nlink;

	if (err < 0)
		return fail("readdir of %s: %s", l.dir, strerror(-err));
	if (nlink != l.subdirs + 2)
		return fail("%s has %u directories in it and link count %u", l.dir, l.subdirs,
			    nlink);
	return 0;
}

static int names_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The value of each name is put behind it. */
static int read_values(struct umfs *fs, struct node *node, char *list, uint64_t bytes)
{
	uint64_t room = bytes + UMFS_XATTR_PAGES_MAX * UMFS_PAGE_BYTES, at = 0;
	char *names[1000], *name;
	size_t count = 0, i;

	node->xattrs = malloc(room);
	if (!node->xattrs)
		die("out of memory");
	for (name = list; name < list + bytes && count < 1000; name += strlen(name) + 1)
		names[count++] = name;
	qsort(names, count, sizeof(*names), names_order);
	for (i = 0; i < count; i++) {
		uint32_t len = (uint32_t)strlen(names[i]);
		int64_t got;

		memcpy(node->xattrs + at, names[i], len + 1);
		at += len + 1;
		got = umfs_getxattr(fs, &world_root, node->attr.ino, names[i], len,
				    node->xattrs + at, room - at);
		if (got < 0)
			return (int)got;
		at += (uint64_t)got;
	}
	node->xattr_bytes = at;
	return 0;
}

static int read_xattrs(struct umfs *fs, struct node *node)
{
	char *list = malloc(UMFS_XATTR_VALUE_MAX);
	int64_t bytes;
	int err = 0;

	if (!list)
		die("out of memory");
	bytes = umfs_listxattr(fs, &world_root, node->attr.ino, list, UMFS_XATTR_VALUE_MAX);
	if (bytes > 0)
		err = read_values(fs, node, list, (uint64_t)bytes);
	free(list);
	return bytes < 0 ? (int)bytes : err;
}

static int read_node(struct umfs *fs, struct tree *t, size_t at, char *why)
{
	struct node *node = &t->nodes[at];
	uint32_t type = node->attr.mode & 0170000, found;
	int err = umfs_getattr(fs, node->attr.ino, &node->attr);

	if (err)
		return fail("attributes of %s: %s", node->path, strerror(-err));
	if ((node->attr.mode & 0170000) != type)
		return fail("type of %s: %o, its name says %o", node->path, node->attr.mode, type);
	err = world_ino(fs, node->path, &found);
	if (err || found != node->attr.ino)
		return fail("looking %s up: %s, inode %u for %u", node->path, strerror(-err), found,
			    node->attr.ino);
	err = read_xattrs(fs, node);
	if (err)
		return fail("extended attributes of %s: %s", node->path, strerror(-err));
	if (type == 0040000)
		return read_dir(fs, t, at, why);
	if (type == 0120000)
		err = read_target(fs, node);
	else if (type == 0100000)
		err = read_bytes(fs, node);
	if (err)
		return fail("content of %s (%llu bytes): %s", node->path,
			    (unsigned long long)node->attr.size, strerror(-err));
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct node *)a)->path, ((const struct node *)b)->path);
}

/* Each file has as many names as its link count says. */
static int check_links(const struct tree *t, char *why)
{
	size_t i, k;

	for (i = 0; i < t->count; i++) {
		const struct node *node = &t->nodes[i];
		uint32_t names = 0;

		if (i && !strcmp(node->path, t->nodes[i - 1].path))
			return fail("%s is there twice", node->path);
		if ((node->attr.mode & 0170000) == 0040000)
			continue;
		for (k = 0; k < t->count; k++)
			names += t->nodes[k].attr.ino == node->attr.ino;
		if (names != node->attr.nlink)
			return fail("%s has %u names and link count %u", node->path, names,
				    node->attr.nlink);
	}
	return 0;
}

int tree_read(struct umfs *fs, struct tree *t, char why[WHY])
{
	size_t i;

	memset(t, 0, sizeof(*t));
	node_new(t, "/", "", 0)->attr.ino = UMFS_ROOT_INO;
	t->nodes[0].attr.mode = 0040000;
	for (i = 0; i < t->count; i++)
		if (read_node(fs, t, i, why))
			return -1;
	qsort(t->nodes, t->count, sizeof(*t->nodes), by_path);
	return check_links(t, why);
}

const struct node *tree_find(const struct tree *t, const char *path)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		if (!strcmp(t->nodes[i].path, path))
			return &t->nodes[i];
	return NULL;
}

/* ---- comparing ---- */

static int attr_differ(const struct node *a, const struct node *b, bool times, char *why)
{
	const struct umfs_attr *x = &a->attr, *y = &b->attr;

#define SAME(field)                                                                                \
	do {                                                                                       \
		if (x->field != y->field)                                                          \
			return fail("%s: " #field " %lld, not %lld", a->path, (long long)x->field, \
				    (long long)y->field);                                          \
	} while (0)
	SAME(ino);
	SAME(generation);
	SAME(mode);
	SAME(uid);
	SAME(gid);
	SAME(nlink);
	SAME(rdev);
	if ((x->mode & 0170000) != 0040000)
		SAME(size);
	if (a->xattr_bytes != b->xattr_bytes ||
	    (a->xattr_bytes && memcmp(a->xattrs, b->xattrs, a->xattr_bytes)))
		return fail("%s: extended attributes differ", a->path);
	if (times) {
		SAME(atime_ns);
		SAME(mtime_ns);
	}
#undef SAME
	return 0;
}

static int data_differ(const struct node *a, const struct node *b, char *why)
{
	uint64_t i = 0;

	if (a->data_bytes == b->data_bytes && !memcmp(a->data, b->data, a->data_bytes))
		return 0;
	while (i < a->data_bytes && i < b->data_bytes && a->data[i] == b->data[i])
		i++;
	return fail("%s: content differs from byte %llu on", a->path, (unsigned long long)i);
}

int tree_differ(const struct tree *a, const struct tree *b, const char *times_of, char why[WHY])
{
	size_t i;

	for (i = 0; i < a->count && i < b->count; i++) {
		const struct node *x = &a->nodes[i], *y = &b->nodes[i];
		bool times = times_of && !strcmp(times_of, x->path);

		if (strcmp(x->path, y->path))
			break;
		if (attr_differ(x, y, times, why))
			return -1;
		if (x->data && y->data && data_differ(x, y, why))
			return -1;
	}
	if (i < a->count || i < b->count)
		return fail("%s where %s was expected", i < a->count ? a->nodes[i].path : "nothing",
			    i < b->count ? b->nodes[i].path : "nothing");
	return 0;
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, uint64_t n)
{
	const uint8_t *at = bytes;

	while (n--)
		hash = (hash ^ *at++) * 0x100000001b3ull;
	return hash;
}

uint64_t tree_hash(const struct tree *t)
{
	uint64_t hash = 0xcbf29ce484222325ull;
	size_t i;

	for (i = 0; i < t->count; i++) {
		const struct node *node = &t->nodes[i];
		const struct umfs_attr *a = &node->attr;
		bool dir = (a->mode & 0170000) == 0040000;
		uint64_t words[] = {a->ino,   a->generation, a->mode, a->uid,
				    a->gid,   a->nlink,	     a->rdev, dir ? 0 : a->size};

		hash = hash_bytes(hash, node->path, strlen(node->path) + 1);
		hash = hash_bytes(hash, words, sizeof(words));
		hash = hash_bytes(hash, node->xattrs, node->xattr_bytes);
		hash = hash_bytes(hash, node->data, node->data_bytes);
	}
	return hash;
}

/* ---- between two ---- */

#define VERSIONS_MAX 256u

/* What bytes one file may have. */
struct versions {
	const struct node *of[VERSIONS_MAX];
	size_t count;
};

/* The same file there, whatever its name is; NULL: it is not. */
static const struct node *node_of(const struct tree *t, const struct node *node)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		if (t->nodes[i].attr.ino == node->attr.ino &&
		    t->nodes[i].attr.generation == node->attr.generation)
			return &t->nodes[i];
	return NULL;
}

static void version_add(struct versions *v, const struct node *node)
{
	if (node && v->count < VERSIONS_MAX)
		v->of[v->count++] = node;
}

static void versions_of(const struct node *x, const struct tree *trees, size_t last,
			const struct tree_torn *torn, struct versions *v)
{
	size_t i = last;

	v->count = 0;
	if (!torn->complete)
		version_add(v, node_of(&trees[last], x));
	else if (torn->durable && torn->durable[last] == x->attr.ino)
		return;
	do {
		i--;
		version_add(v, node_of(&trees[i], x));
	} while (i && torn->lazy && !(torn->durable && torn->durable[i] == x->attr.ino));
}

/* What lies past a version's end was zeros when the file became longer. */
static uint8_t byte_of(const struct node *node, uint64_t i)
{
	return i < node->data_bytes ? node->data[i] : 0;
}

static int bytes_differ(const struct node *x, const struct node *base, const struct versions *v,
			char *why)
{
	uint64_t i;
	size_t k;

	if (x->data_bytes != base->data_bytes)
		return data_differ(x, base, why);
	for (i = 0; i < x->data_bytes; i++) {
		if (x->data[i] == base->data[i])
			continue;
		for (k = 0; k < v->count && x->data[i] != byte_of(v->of[k], i); k++)
			;
		if (k == v->count)
			return fail("%s: byte %llu is of no version", x->path,
				    (unsigned long long)i);
	}
	return 0;
}

/* The end of a file is moved after the bytes before it are there, but for lazy ones. */
static bool may_mix(const struct node *base, const struct tree *trees, size_t last, size_t at,
		    const struct tree_torn *torn)
{
	const struct node *before;

	if (!torn->mixed || at != last || torn->lazy)
		return torn->mixed;
	before = node_of(&trees[last - 1], base);
	return before && before->attr.size >= base->attr.size;
}

/* As trees[at], but for what may be torn. */
static int torn_differ(const struct tree *t, const struct tree *trees, size_t last, size_t at,
		       const struct tree_torn *torn, char *why)
{
	const struct tree *base = &trees[at];
	size_t i;

	if (t->count != base->count)
		return fail("%zu names, not %zu", t->count, base->count);
	for (i = 0; i < t->count; i++) {
		const struct node *x = &t->nodes[i], *y = &base->nodes[i];
		const struct node *after = torn->modes ? node_of(&trees[last], x) : NULL;
		struct node other = *y;
		struct versions v;

		if (strcmp(x->path, y->path))
			return fail("%s where %s was expected", x->path, y->path);
		if (after && x->attr.mode == after->attr.mode)
			other.attr.mode = after->attr.mode;
		if (attr_differ(x, &other, false, why))
			return -1;
		if (!x->data || !data_differ(x, y, why))
			continue;
		if (!may_mix(y, trees, last, at, torn))
			return -1;
		versions_of(x, trees, last, torn, &v);
		if (bytes_differ(x, y, &v, why))
			return -1;
	}
	return 0;
}

/* Of a call that returned the times of change are there as well. */
static int changed_differ(const struct tree *a, const struct tree *b, char *why)
{
	size_t i;

	for (i = 0; i < a->count; i++) {
		const struct umfs_attr *x = &a->nodes[i].attr, *y = &b->nodes[i].attr;

		if (x->mtime_ns != y->mtime_ns || x->ctime_ns != y->ctime_ns)
			return fail("%s: the time of its last change is lost", a->nodes[i].path);
	}
	return 0;
}

int tree_between(const struct tree *t, const struct tree *trees, size_t last,
		 const struct tree_torn *torn, char why[WHY])
{
	bool may_tear = torn->mixed || torn->modes;
	char other[WHY];

	if (!tree_differ(t, &trees[last], torn->times_of, why) ||
	    (may_tear && !torn_differ(t, trees, last, last, torn, why)))
		return torn->complete && torn->times ? changed_differ(t, &trees[last], why) : 0;
	if (torn->complete)
		return -1;
	if (!tree_differ(t, &trees[last - 1], torn->times_of, other) ||
	    (may_tear && !torn_differ(t, trees, last, last - 1, torn, other)))
		return 0;
	return fail("neither as before (%.100s) nor as after (%.100s)", other, strdupa(why));
}

/* ---- using ---- */

static const char used_name[] = "used~after";

struct seen {
	const char *name;
	uint32_t times;
};

static int look_for(void *arg, const char *name, uint32_t len, uint32_t ino, uint32_t type,
		    uint64_t cookie)
{
	struct seen *s = arg;

	(void)ino;
	(void)type;
	(void)cookie;
	s->times += len == strlen(s->name) && !memcmp(name, s->name, len);
	return 0;
}

static int use_dir(struct umfs *fs, const struct node *dir, char *why)
{
	struct seen seen = {.name = used_name};
	uint8_t want[5000], got[5000];
	struct umfs_file file;
	char path[5000];
	int err;

	snprintf(path, sizeof(path), "%s/%s", strcmp(dir->path, "/") ? dir->path : "", seen.name);
	err = world_open(fs, path, O_RDWR | O_CREAT, &file);
	if (err)
		return fail("using it: creating %.100s: %s", path, strerror(-err));
	err = world_write(&file, 0, sizeof(want), 99);
	if (!err)
		err = read_at(&file, got, sizeof(got), 0);
	world_close(&file);
	if (err)
		return fail("using it: writing %.100s: %s", path, strerror(-err));
	world_fill(want, sizeof(want), 0, 99);
	if (memcmp(want, got, sizeof(want)))
		return fail("using it: %.100s reads other than written", path);
	err = umfs_readdir(fs, dir->attr.ino, 0, look_for, &seen);
	if (err || seen.times != 1)
		return fail("using it: %.100s listed %u times (%s)", path, seen.times,
			    strerror(-err));
	err = world_unlink(fs, path);
	if (err)
		return fail("using it: removing %.100s: %s", path, strerror(-err));
	return 0;
}

void tree_forget_use(struct tree *t)
{
	size_t i, kept = 0;

	for (i = 0; i < t->count; i++) {
		struct node *node = &t->nodes[i];

		if (strcmp(strrchr(node->path, '/') + 1, used_name)) {
			t->nodes[kept++] = *node;
			continue;
		}
		free(node->path);
		free(node->data);
		free(node->xattrs);
	}
	t->count = kept;
}

int tree_use(struct umfs *fs, const struct tree *t, char why[WHY])
{
	size_t i;

	for (i = 0; i < t->count; i++)
		if ((t->nodes[i].attr.mode & 0170000) == 0040000 && use_dir(fs, &t->nodes[i], why))
			return -1;
	return 0;
}
