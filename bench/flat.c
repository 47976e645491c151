/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flat.c - what core does to a pool, in pages touched and in time.
 *
 * For what a program under libumfs can not tell of itself: how many pages mkfs, attach,
 * recovery and calls on names touch. It uses core directly, takes one command a line on
 * stdin and answers each with "ok NUMBER..." or "error TEXT":
 *
 *   format POOL BYTES INODES  a new sparse pool: ns, pages
 *   attach POOL               ns of CPU time
 *   count-attach POOL         pages
 *   detach
 *   files DIR N               make /DIR and n files f0000000000 ... in it
 *   hold DIR N                open n of them and append to each; they stay open
 *   recover, count-recover    processes that died: ns, or pages
 *   count OP DIR NAMES N      n calls in a directory of so many names: pages of all, of the
 *                             greediest. OP: lookup (and stat), create, delete, open, write
 *                             (a page, at the end), mkdir
 *   pretend-full              all groups but the first and the last look full from now on:
 *                             the pool is good for nothing but counting calls
 *   space                     bytes: pool, front, groups' heads, one inode; pages in use
 *                             outside of those; inodes in use
 *   quit
 */
#include "pool.h"
#include "touch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct pool pool;
static bool attached;
static const struct umfs_cred root = {.umask = 022, .override = true};
static uint64_t draw = 88172645463325252u;

struct answer {
	uint64_t n[6];
	uint32_t count;
};

static void answer(struct answer *a, uint64_t n)
{
	a->n[a->count++] = n;
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- whole pools ---- */

static int make_file(const char *path, uint64_t bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int err = fd < 0 || ftruncate(fd, (off_t)bytes) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

static int format(const char *path, uint64_t bytes, uint64_t inodes, struct answer *a)
{
	struct umfs_format f = {.pool_pages = bytes >> UMFS_PAGE_SHIFT,
				.inode_count = inodes,
				.hash_key = {1, 2},
				.root_mode = 0755,
				.now_ns = 1700000000000000000u};
	uint64_t start;
	int err = make_file(path, bytes);

	if (!err)
		err = pool_map(&pool, path, 0);
	if (err)
		return err;
	err = -touch_start(pool.fs.base, pool.map_bytes);
	if (!err)
		err = umfs_format_write(&pool.fs, &f);
	answer(a, touch_stop());
	pool_close(&pool);
	if (err || (err = make_file(path, bytes)) || (err = pool_map(&pool, path, 0)))
		return err;
	start = cpu_ns();
	err = umfs_format_write(&pool.fs, &f);
	answer(a, cpu_ns() - start);
	pool_close(&pool);
	return err;
}

static int attach(const char *path, struct answer *a)
{
	uint64_t start = cpu_ns();
	int err = pool_attach(&pool, path, UMFS_MODE_ATOMIC);

	answer(a, cpu_ns() - start);
	attached = !err;
	return err;
}

/* As pool_attach, with the pages watched from the first look on. */
static int count_attach(const char *path, struct answer *a)
{
	bool from_backup;
	int err = pool_map(&pool, path, 0);

	if (err)
		return err;
	err = -touch_start(pool.fs.base, pool.map_bytes);
	if (!err)
		err = umfs_super_load(&pool.fs, &from_backup);
	if (!err) {
		pool.fs.irec_refs = calloc(pool.fs.geo.irec_count, sizeof(uint32_t));
		pool.fs.ofd_refs = calloc(pool.fs.geo.ofd_count, sizeof(uint32_t));
		err = pool.fs.irec_refs && pool.fs.ofd_refs ? 0 : -ENOMEM;
	}
	if (!err)
		err = umfs_attach(&pool.fs, UMFS_MODE_ATOMIC);
	answer(a, touch_stop());
	attached = !err;
	return err;
}

static int detach(void)
{
	uint32_t *irecs = pool.tables ? NULL : pool.fs.irec_refs;
	uint32_t *ofds = pool.tables ? NULL : pool.fs.ofd_refs;

	pool_close(&pool);
	free(irecs);
	free(ofds);
	attached = false;
	return 0;
}

/* ---- files ---- */

#define NAME_ROOM 24

static uint32_t name_of(char name[NAME_ROOM], uint64_t number)
{
	return (uint32_t)sprintf(name, "f%010llu", (unsigned long long)number);
}

static int dir_of(const char *dir, uint32_t *ino)
{
	return umfs_lookup(&pool.fs, UMFS_ROOT_INO, dir, (uint32_t)strlen(dir), ino);
}

static int files(const char *dir, uint64_t n)
{
	umfs_node node, at;
	char name[NAME_ROOM];
	uint64_t i;
	int err = umfs_mkdir(&pool.fs, &root, UMFS_ROOT_INO, dir, (uint32_t)strlen(dir), 0755,
			     &at);

	for (i = 0; !err && i < n; i++)
		err = umfs_create(&pool.fs, &root, at, name, name_of(name, i), 0100644, 0, &node);
	return err;
}

static int hold_one(uint32_t dir, uint64_t number)
{
	struct umfs_file file;
	uint32_t ino, ofd;
	uint64_t off = 0;
	char name[NAME_ROOM];
	struct umfs_iov iov = {name, 11};
	int err = umfs_lookup(&pool.fs, dir, name, name_of(name, number), &ino);

	if (!err)
		err = umfs_open(&pool.fs, ino, O_RDWR, &ofd);
	if (!err)
		err = umfs_file_init(&pool.fs, ofd, &file);
	if (!err && umfs_pwritev(&file, &iov, 1, &off, true) != 11)
		err = -EIO;
	return err;
}

static int hold(const char *name, uint64_t n)
{
	uint32_t dir;
	uint64_t i;
	int err = dir_of(name, &dir);

	for (i = 0; !err && i < n; i++)
		err = hold_one(dir, i);
	return err;
}

/* What a process does that meets the locks of dead ones; their open files are settled with
 * the next call that opens one. */
static int recover(void)
{
	uint32_t i, ofd;
	int err;

	for (i = 0; i < pool.fs.geo.slot_count; i++)
		if (i != pool.fs.slot)
			(void)umfs_slot_recover(&pool.fs, i);
	err = umfs_open(&pool.fs, UMFS_ROOT_INO, O_RDONLY, &ofd);
	if (!err)
		umfs_ofd_put(&pool.fs, ofd);
	return err;
}

static int timed_recover(struct answer *a)
{
	uint64_t start = cpu_ns();
	int err = recover();

	answer(a, cpu_ns() - start);
	return err;
}

static int count_recover(struct answer *a)
{
	int err = -touch_start(pool.fs.base, pool.map_bytes);

	if (!err)
		err = recover();
	answer(a, touch_stop());
	return err;
}

static int pretend_full(void)
{
	const struct umfs_geometry *geo = &pool.fs.geo;
	uint64_t off = (uint64_t)geo->gtable_page << UMFS_PAGE_SHIFT;
	struct umfs_group_pm *grp = (struct umfs_group_pm *)(void *)(pool.fs.base + off);
	uint32_t g;

	for (g = 1, grp++; g + 1 < geo->group_count; g++, grp++) {
		st32(&grp->flags, UMFS_GROUP_INIT);
		st32(&grp->pages, UMFS_GROUP_PAGES);
		st32(&grp->free_pages, 0);
		st32(&grp->free_inodes, 0);
	}
	return 0;
}

/* ---- single calls ---- */

static int write_page(uint32_t ino)
{
	static uint8_t bytes[UMFS_PAGE_BYTES];
	struct umfs_iov iov = {bytes, sizeof(bytes)};
	struct umfs_file file;
	uint64_t off = 0;
	uint32_t ofd;
	int err = umfs_open(&pool.fs, ino, O_RDWR, &ofd);

	if (err)
		return err;
	err = umfs_file_init(&pool.fs, ofd, &file);
	if (!err && umfs_pwritev(&file, &iov, 1, &off, true) != sizeof(bytes))
		err = -EIO;
	umfs_ofd_put(&pool.fs, ofd);
	return err;
}

static int call(const char *op, uint32_t dir, const char *name, uint32_t len)
{
	struct umfs_attr attr;
	uint32_t ino, ofd;
	umfs_node node;
	int err;

	if (!strcmp(op, "create"))
		return umfs_create(&pool.fs, &root, dir, name, len, 0100644, 0, &node);
	if (!strcmp(op, "mkdir"))
		return umfs_mkdir(&pool.fs, &root, dir, name, len, 0755, &node);
	if (!strcmp(op, "delete"))
		return umfs_unlink(&pool.fs, &root, dir, name, len);
	err = umfs_lookup(&pool.fs, dir, name, len, &ino);
	if (!err && !strcmp(op, "lookup"))
		return umfs_getattr(&pool.fs, ino, &attr);
	if (!err && !strcmp(op, "write"))
		return write_page(ino);
	if (!err && !strcmp(op, "open"))
		err = umfs_open(&pool.fs, ino, O_RDONLY, &ofd);
	else if (!err)
		err = -EINVAL;
	if (!err)
		umfs_ofd_put(&pool.fs, ofd);
	return err;
}

/* New names come behind those there are; deleting takes the same again. */
static uint64_t number_for(const char *op, uint64_t names, uint64_t i)
{
	if (!strcmp(op, "create") || !strcmp(op, "delete") || !strcmp(op, "mkdir"))
		return names + i;
	draw ^= draw << 13;
	draw ^= draw >> 7;
	draw ^= draw << 17;
	return draw % names;
}

static int count(const char *op, const char *in, uint64_t names, uint64_t n, struct answer *a)
{
	uint64_t i, sum = 0, most = 0;
	uint32_t dir;
	int err = dir_of(in, &dir);

	for (i = 0; !err && i < n; i++) {
		char name[NAME_ROOM];
		uint32_t len = name_of(name, number_for(op, names, i));
		uint64_t pages;

		err = -touch_start(pool.fs.base, pool.map_bytes);
		if (!err)
			err = call(op, dir, name, len);
		pages = touch_stop();
		sum += pages;
		most = UMFS_MAX(most, pages);
	}
	answer(a, sum);
	answer(a, most);
	return err;
}

static int space(struct answer *a)
{
	const struct umfs_geometry *geo = &pool.fs.geo;
	uint64_t head = (uint64_t)(UMFS_GROUP_HEAD_PAGES + geo->itable_pages) << UMFS_PAGE_SHIFT;
	struct umfs_statfs st;

	umfs_statfs(&pool.fs, &st);
	answer(a, geo->pool_pages << UMFS_PAGE_SHIFT);
	answer(a, (uint64_t)geo->groups_page << UMFS_PAGE_SHIFT);
	answer(a, head * geo->group_count);
	answer(a, UMFS_INODE_BYTES);
	answer(a, st.pages - st.pages_free);
	answer(a, st.inodes - st.inodes_free);
	return 0;
}

/* ---- commands ---- */

static uint64_t number(const char *text)
{
	return text ? strtoull(text, NULL, 10) : 0;
}

static int run_attached(const char *verb, char *const word[4], struct answer *a)
{
	if (!strcmp(verb, "detach"))
		return detach();
	if (!strcmp(verb, "files") && word[1])
		return files(word[0], number(word[1]));
	if (!strcmp(verb, "hold") && word[1])
		return hold(word[0], number(word[1]));
	if (!strcmp(verb, "recover"))
		return timed_recover(a);
	if (!strcmp(verb, "count-recover"))
		return count_recover(a);
	if (!strcmp(verb, "count") && word[3])
		return count(word[0], word[1], number(word[2]), number(word[3]), a);
	if (!strcmp(verb, "pretend-full"))
		return pretend_full();
	if (!strcmp(verb, "space"))
		return space(a);
	return -EINVAL;
}

static int run_command(char *line, struct answer *a)
{
	char *save = NULL, *word[4] = {NULL, NULL, NULL, NULL};
	const char *verb = strtok_r(line, " \n", &save);
	int i;

	if (!verb)
		return -EINVAL;
	for (i = 0; i < 4; i++)
		word[i] = strtok_r(NULL, " \n", &save);
	if (attached)
		return run_attached(verb, word, a);
	if (!strcmp(verb, "format") && word[2])
		return format(word[0], number(word[1]), number(word[2]), a);
	if (!strcmp(verb, "attach") && word[0])
		return attach(word[0], a);
	if (!strcmp(verb, "count-attach") && word[0])
		return count_attach(word[0], a);
	return -EINVAL;
}

int main(void)
{
	char line[8192];

	while (fgets(line, sizeof(line), stdin) && strcmp(line, "quit\n") != 0) {
		struct answer a = {.count = 0};
		int err = run_command(line, &a);
		uint32_t i;

		if (err) {
			printf("error %s\n", strerror(-err));
		} else {
			printf("ok");
			for (i = 0; i < a.count; i++)
				printf(" %llu", (unsigned long long)a.n[i]);
			printf("%s\n", a.count ? "" : " 0");
		}
		fflush(stdout);
	}
	if (attached)
		detach();
	return 0;
}
