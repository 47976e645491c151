// SPDX-License-Identifier: BSD-3-Clause
/*
 * main.c - mkfs.umfs: make a file or a devdax device an empty pool.
 *
 * What the content is, core decides (umfs_format_plan, umfs_format_write); here
 * is what happens around it. The superblock is written last, so a pool half
 * made is no pool.
 */
#include "durability.h"
#include "mkfs.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uuid/uuid.h>

static struct target target;
static struct pool pool;

void fail(const char *path, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "mkfs.umfs: %s: ", path);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	target_abandon(&target);
	exit(1);
}

/* The file system behind the pool had no page for it. */
static void on_sigbus(int sig)
{
	static const char text[] = "mkfs.umfs: no memory left behind the pool\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)sig;
	(void)n;
	target_abandon(&target);
	_exit(1);
}

static int find_durability(const struct options *o)
{
	int kind = o->durability;

	if (kind >= 0)
		return kind;
	/* hugetlbfs is memory, and libpmem's mapping would want all its pages reserved. */
	if (target.block_bytes > UMFS_PAGE_BYTES || target.fd < 0 ||
	    (o->dry_run && !target.file_bytes))
		return UMFS_DURABLE_NONE;
	kind = target.is_block ? target_block_durability(&target) : port_durability(target.path);
	if (kind < 0)
		fail(target.path, "can not be mapped: %s", strerror(-kind));
	return kind;
}

static void describe(struct umfs_format *f, const struct options *o)
{
	struct timespec now;

	memset(f, 0, sizeof(*f));
	f->pool_pages = target.bytes >> UMFS_PAGE_SHIFT;
	f->inode_count = o->inodes;
	memcpy(f->uuid, o->uuid, sizeof(f->uuid));
	snprintf(f->label, sizeof(f->label), "%s", o->label);
	clock_gettime(CLOCK_REALTIME, &now);
	f->now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	f->uid = getuid();
	f->gid = getgid();
	f->root_mode = 0755;
	f->flags = target.is_device || target.is_block || o->prealloc ? UMFS_SB_BACKED : 0;
	if (getrandom(f->hash_key, sizeof(f->hash_key), 0) != sizeof(f->hash_key))
		fail(target.path, "no random numbers: %s", strerror(errno));
}

static void plan(const struct umfs_format *f, struct umfs_super_pm *sb)
{
	int err;

	memset(sb, 0, sizeof(*sb));
	err = umfs_format_plan(f, sb);
	if (!err)
		return;
	if (f->pool_pages < UMFS_POOL_PAGES_MIN)
		fail(target.path, "too small: a pool has at least %u MiB",
		     UMFS_POOL_PAGES_MIN >> 8);
	if (f->pool_pages > UMFS_POOL_PAGES_MAX)
		fail(target.path, "too large: a pool has at most 16 TiB");
	fail(target.path, f->inode_count ? "so many inodes do not fit" : "this size does not work");
}

/* Where nothing can be allocated ahead, port_back() takes that for no error. */
static void take_all(void)
{
	int err = port_back(&pool.fs, 0, target.bytes);
	struct stat st;

	if (!err && (fstat(target.fd, &st) || (uint64_t)st.st_blocks * 512 < target.bytes))
		err = -EOPNOTSUPP;
	if (err == -EOPNOTSUPP)
		fail(target.path, "its file system allocates nothing ahead (--prealloc)");
	if (err)
		fail(target.path, "memory can not be had: %s", strerror(-err));
}

static void make(const struct umfs_format *f, const struct umfs_super_pm *sb)
{
	int err;

	signal(SIGBUS, on_sigbus);
	err = pool_map(&pool, target.path, POOL_BLOCK);
	if (err)
		fail(target.path, "can not be mapped: %s", strerror(-err));
	if ((f->flags & UMFS_SB_BACKED) && !target.is_device && !target.is_block)
		take_all();
	/* A device has no holes to punch (see target_clear). */
	if (target.is_device || target.is_block) {
		port_zero(pool.fs.base, umfs_format_front_bytes(sb));
		port_flush_lines(pool.fs.base, umfs_format_front_bytes(sb));
		port_fence();
	}
	err = umfs_format_write(&pool.fs, f);
	if (err)
		fail(target.path, "can not be written: %s", err == -ENOSPC ? "no space" : strerror(-err));
	if (!target.is_device && fsync(target.fd))
		fail(target.path, "can not be written: %s", strerror(errno));
	pool_close(&pool);
}

/* In the largest unit that divides it. */
static void print_size(const char *what, uint64_t bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	unsigned i = 0;

	while (i < 4 && bytes && !(bytes & 1023)) {
		bytes >>= 10;
		i++;
	}
	printf("%-12s %llu %s\n", what, (unsigned long long)bytes, units[i]);
}

static const char *durability_text(uint32_t kind)
{
	switch (kind) {
	case UMFS_DURABLE_FLUSH:
		return "flush (persistent after write-back of cache lines)";
	case UMFS_DURABLE_EADR:
		return "eadr (persistent after a fence)";
	default:
		return "none (outlives processes, not power)";
	}
}

static void report(const struct umfs_format *f, const struct umfs_super_pm *sb,
		   const struct options *o)
{
	/* Number 0 is none. */
	uint64_t inodes = (uint64_t)ld32(&sb->group_count) * ld32(&sb->inodes_per_group) - 1;
	char uuid[37];
	struct stat st;

	uuid_unparse_lower(f->uuid, uuid);
	printf("%-12s %s%s\n", "pool", target.path, o->dry_run ? " (nothing is written)" : "");
	if (target.found[0])
		printf("%-12s %s\n", o->dry_run ? "overwrites" : "overwritten", target.found);
	print_size("size", (uint64_t)f->pool_pages << UMFS_PAGE_SHIFT);
	printf("%-12s %u\n", "groups", ld32(&sb->group_count));
	printf("%-12s %llu\n", "inodes", (unsigned long long)inodes);
	printf("%-12s %s\n", "uuid", uuid);
	if (f->label[0])
		printf("%-12s %s\n", "label", f->label);
	printf("%-12s %s\n", "durability", durability_text(f->durability));
	printf("%-12s %s\n", "huge pages", huge_pages(&target));
	if (!o->dry_run && !target.is_device && !target.is_block && !fstat(target.fd, &st))
		print_size("backed", (uint64_t)st.st_blocks * 512);
}

int main(int argc, char **argv)
{
	struct umfs_super_pm sb;
	struct umfs_format f;
	struct options o;

	options_parse(argc, argv, &o);
	target_open(&target, &o);
	describe(&f, &o);
	plan(&f, &sb);
	if (o.prealloc)
		target_expect_room(&target);
	if (!o.dry_run)
		target_clear(&target);
	f.durability = (uint32_t)find_durability(&o);
	if (!o.dry_run)
		make(&f, &sb);
	if (!o.quiet)
		report(&f, &sb, &o);
	if (fflush(stdout) || ferror(stdout))
		fail(target.path, "the report can not be written");
	return 0;
}
