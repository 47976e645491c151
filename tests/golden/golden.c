// SPDX-License-Identifier: BSD-3-Clause
/*
 * golden.c - what golden.py needs to make and to read the golden images.
 *
 *	golden fill POOL   everything that there can be, into a new pool
 *	golden die POOL    a process that dies inside, with a file unlinked while open
 *	golden list POOL   attach (and recover), print the whole tree
 *
 * Times are set, so that a listing can be compared; that of access is not printed,
 * since listing reads.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kill.h"
#include "pool.h"
#include "tree.h"

#define TIME_NS 1700000000123456789ll
#define NAMES 300
#define DIE_AT_STORE 16 /* inside the overwrite of several pages */

static struct pool *attach(const char *path)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p)
		die("out of memory");
	need(pool_attach(p, path, UMFS_MODE_ATOMIC));
	return p;
}

/* Text, which can be compressed, and is different everywhere. */
static void text_fill(char *buf, uint64_t n, uint64_t off)
{
	char line[32];
	uint64_t i;

	for (i = 0; i < n; i++) {
		if (!i || (off + i) % 16 == 0)
			snprintf(line, sizeof(line), "line %09llu\n\n",
				 (unsigned long long)((off + i) / 16));
		buf[i] = line[(off + i) % 16];
	}
}

static void put(struct umfs *fs, const char *path, uint64_t off, uint64_t n)
{
	struct umfs_file file;
	char *buf = malloc(n + 1);

	if (!buf)
		die("out of memory");
	text_fill(buf, n, off);
	need(world_open(fs, path, O_RDWR | O_CREAT, &file));
	if (umfs_pwrite(&file, buf, n, off) != (int64_t)n)
		die("%s: short write", path);
	world_close(&file);
	free(buf);
}

static void fill_names(struct umfs *fs)
{
	char path[300];
	int i;

	need(world_mkdir(fs, "/names"));
	for (i = 0; i < NAMES; i++) {
		snprintf(path, sizeof(path), "/names/name-%03d", i);
		need(world_creat(fs, path, 0600));
	}
	for (i = 0; i < NAMES; i += 3) { /* holes in the leaves */
		snprintf(path, sizeof(path), "/names/name-%03d", i);
		need(world_unlink(fs, path));
	}
	memset(path, 'n', 256);
	path[0] = '/';
	path[256] = '\0';
	need(world_creat(fs, path, 0644));
}

static void set_times(struct umfs *fs)
{
	struct tree t;
	char why[256];
	size_t i;

	if (tree_read(fs, &t, why))
		die("%s", why);
	for (i = 0; i < t.count; i++)
		need(umfs_utimens(fs, &world_root, t.nodes[i].attr.ino, TIME_NS,
				  TIME_NS + (int64_t)i * 1000000007));
	tree_free(&t);
}

static void fill(const char *pool)
{
	struct pool *p = attach(pool);
	struct umfs *fs = &p->fs;
	uint32_t ino;

	need(world_creat(fs, "/empty", 0640));
	put(fs, "/page", 0, 1000);		 /* height 0 */
	put(fs, "/table", 0, 100000);		 /* height 1 */
	put(fs, "/middle", 3 * MIB, 5000);	 /* height 2, a hole in front */
	put(fs, "/far", 300 * GIB + 4000, 5000); /* height 3 */
	put(fs, "/page", 500, 100);		 /* overwritten: by undo, and by exchange */
	put(fs, "/table", 8192, 4096);
	need(world_truncate(fs, "/middle", 4 * MIB)); /* ends in a hole */
	need(world_mkdir(fs, "/dir"));
	need(world_mkdir(fs, "/dir/sub"));
	need(world_symlink(fs, "../page", "/dir/link"));
	need(world_link(fs, "/table", "/dir/sub/second-name"));
	need(world_mknod(fs, "/dir/fifo", 0010600, 0));
	need(world_mknod(fs, "/dir/device", 0020666, 0x103));
	need(world_ino(fs, "/page", &ino));
	need(umfs_chown(fs, &world_root, ino, 1000, 2000));
	need(umfs_chmod(fs, &world_root, ino, 04751));
	need(world_setxattr(fs, "/page", "user.first", 20, 1));
	need(world_setxattr(fs, "/page", "user.second", 5000, 1));
	need(world_setxattr(fs, "/dir", "trusted.on-directory", 300, 1));
	need(world_setxattr(fs, "/dir/link", "security.on-link", 0, 1));
	fill_names(fs);
	set_times(fs);
	pool_close(p);
	free(p);
}

/* The child dies; what it did before is there, what it was at is there or not. */
static void die_inside(const char *pool)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("fork");
	if (!pid) {
		struct pool *p = attach(pool);
		static char buf[20000];
		struct umfs_file gone, file;

		need(world_open(&p->fs, "/unlinked", O_RDWR | O_CREAT, &gone));
		text_fill(buf, sizeof(buf), 0);
		if (umfs_pwrite(&gone, buf, sizeof(buf), 2 * MIB) != sizeof(buf))
			die("short write");
		need(world_unlink(&p->fs, "/unlinked"));
		need(world_open(&p->fs, "/table", O_RDWR, &file));
		memset(buf, 'x', sizeof(buf));
		port_kill_arm(DIE_AT_STORE);
		(void)umfs_pwrite(&file, buf, sizeof(buf), 5000);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		die("the process that was to die inside a write did not: %x", status);
}

static void list(const char *pool)
{
	struct pool *p = attach(pool);
	struct tree t;
	char why[256];
	size_t i;

	if (tree_read(&p->fs, &t, why))
		die("%s", why);
	for (i = 0; i < t.count; i++) {
		const struct node *n = &t.nodes[i];
		const struct umfs_attr *a = &n->attr;

		printf("%s mode %o owner %u:%u links %u size %llu device %llx mtime %lld crc %08x",
		       n->path, a->mode, a->uid, a->gid, a->nlink,
		       (a->mode & 0170000) == 0040000 ? 0ull : (unsigned long long)a->size,
		       (unsigned long long)a->rdev, (long long)a->mtime_ns,
		       port_crc32c(0, n->data, n->data_bytes));
		if (n->xattr_bytes)
			printf(" attributes %llu crc %08x", (unsigned long long)n->xattr_bytes,
			       port_crc32c(0, n->xattrs, n->xattr_bytes));
		putchar('\n');
	}
	tree_free(&t);
	pool_close(p);
	free(p);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "fill"))
		fill(argv[2]);
	else if (argc == 3 && !strcmp(argv[1], "die"))
		die_inside(argv[2]);
	else if (argc == 3 && !strcmp(argv[1], "list"))
		list(argv[2]);
	else
		die("usage: golden fill|die|list POOL");
	return 0;
}
