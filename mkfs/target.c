// SPDX-License-Identifier: BSD-3-Clause
/*
 * target.c - the file or device that becomes a pool: made, refused or emptied.
 *
 * Locks on all slot bytes and the attach byte are held from target_open to the
 * end of the program, so that nobody attaches to a pool half made.
 */
#include "mkfs.h"

#include <blkid/blkid.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HUGETLBFS_MAGIC 0x958458f6
#define TMPFS_MAGIC 0x01021994
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* Of all character devices only devdax states its size in sysfs. */
static bool device_size(dev_t dev, uint64_t *bytes)
{
	unsigned long long n;
	char path[64];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/size", major(dev), minor(dev));
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fscanf(f, "%llu", &n) == 1;
	fclose(f);
	*bytes = n;
	return ok;
}

/* A number that the kernel states of a block device or of the one that it is a part of. */
static bool block_number(dev_t dev, const char *name, int *n)
{
	static const char *const ups[] = {"", "../"};
	char path[96];
	bool ok = false;
	FILE *f;
	int i;

	for (i = 0; i < 2 && !ok; i++) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s%s", major(dev), minor(dev),
			 ups[i], name);
		f = fopen(path, "re");
		if (!f)
			continue;
		ok = fscanf(f, "%d", n) == 1;
		fclose(f);
	}
	return ok;
}

/* Held for us alone until the end of the program: no mount, no attached pool. */
static void look_at_block(struct target *t, dev_t dev)
{
	int dax = 0, fd = open(t->path, O_RDWR | O_EXCL | O_CLOEXEC);

	if (fd < 0)
		fail(t->path, "%s", errno == EBUSY ? "is in use" : strerror(errno));
	close(t->fd);
	t->fd = fd;
	t->is_block = true;
	t->file_bytes = (uint64_t)lseek(fd, 0, SEEK_END);
	if (!block_number(dev, "queue/dax", &dax) || !dax)
		fail(t->path, "has no memory that programs could map (of an NVDIMM, only a namespace "
			      "of mode fsdax has)");
}

int target_block_durability(const struct target *t)
{
	struct stat st;
	int cache = 1;

	if (!fstat(t->fd, &st))
		(void)block_number(st.st_rdev, "dax/write_cache", &cache);
	return cache ? UMFS_DURABLE_FLUSH : UMFS_DURABLE_EADR;
}

static void look_at(struct target *t)
{
	struct statfs sfs;
	struct stat st;

	if (fstat(t->fd, &st))
		fail(t->path, "%s", strerror(errno));
	t->block_bytes = UMFS_PAGE_BYTES;
	if (S_ISCHR(st.st_mode) && device_size(st.st_rdev, &t->file_bytes)) {
		t->is_device = true;
		return;
	}
	if (S_ISBLK(st.st_mode)) {
		look_at_block(t, st.st_rdev);
		return;
	}
	if (!S_ISREG(st.st_mode))
		fail(t->path, "neither a regular file nor a device of memory");
	t->file_bytes = (uint64_t)st.st_size;
	if (!fstatfs(t->fd, &sfs) && (uint64_t)sfs.f_type == HUGETLBFS_MAGIC)
		t->block_bytes = (uint64_t)sfs.f_bsize;
}

static void choose_size(struct target *t, const struct options *o)
{
	t->bytes = o->size_bytes ? o->size_bytes : t->file_bytes;
	t->bytes -= t->bytes % UMFS_PAGE_BYTES;
	if (!t->bytes && !o->size_bytes)
		fail(t->path, "is empty; --size is needed");
	if ((t->is_device || t->is_block) && t->bytes > t->file_bytes)
		fail(t->path, "has only %llu bytes", (unsigned long long)t->file_bytes);
	if (t->bytes % t->block_bytes)
		fail(t->path, "the size must be a multiple of %llu KiB on hugetlbfs",
		     (unsigned long long)t->block_bytes >> 10);
}

/* The locks that every user of a pool holds one of. */
static void exclude_users(const struct target *t)
{
	struct flock fl = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)UMFS_LOCK_ATTACH,
		.l_len = 1 + UMFS_SLOTS_MAX,
	};

	if (!fcntl(t->fd, F_OFD_SETLK, &fl))
		return;
	if (errno == EAGAIN || errno == EACCES)
		fail(t->path, "is in use");
	fail(t->path, "can not be locked: %s", strerror(errno));
}

static bool has_magic(const struct target *t, uint64_t page)
{
	le64 magic;
	void *at;

	if (!t->is_device)
		return pread(t->fd, &magic, sizeof(magic), (off_t)(page << UMFS_PAGE_SHIFT)) ==
			       sizeof(magic) &&
		       ld64(&magic) == UMFS_MAGIC;
	if (t->file_bytes < UMFS_UNIT_BYTES)
		return false;
	/* devdax can only be mapped, and only in its own large pages. */
	at = mmap(NULL, t->file_bytes, PROT_READ, MAP_SHARED, t->fd, 0);
	if (at == MAP_FAILED)
		fail(t->path, "can not be mapped: %s", strerror(errno));
	magic = *(const le64 *)((const char *)at + (page << UMFS_PAGE_SHIFT));
	munmap(at, t->file_bytes);
	return ld64(&magic) == UMFS_MAGIC;
}

/* What libblkid knows the content as, into t->found. */
static void probe(struct target *t)
{
	blkid_probe pr = blkid_new_probe();
	const char *name = NULL;

	if (!pr || blkid_probe_set_device(pr, t->fd, 0, 0))
		goto out;
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_enable_partitions(pr, 1);
	/* Several at once is a signature too. */
	if (blkid_do_safeprobe(pr) == -2)
		name = "several signatures";
	else if (blkid_probe_lookup_value(pr, "TYPE", &name, NULL))
		(void)blkid_probe_lookup_value(pr, "PTTYPE", &name, NULL);
	if (name)
		snprintf(t->found, sizeof(t->found), "%s", name);
out:
	blkid_free_probe(pr);
}

static void find_signature(struct target *t)
{
	if (!t->file_bytes)
		return;
	if (has_magic(t, UMFS_SB_PAGE) || has_magic(t, UMFS_SB_BACKUP_PAGE))
		snprintf(t->found, sizeof(t->found), "a UMFS pool");
	else if (!t->is_device)
		probe(t);
}

static void create(struct target *t, const struct options *o)
{
	if (!o->size_bytes)
		fail(t->path, "does not exist; --size is needed to make it");
	if (o->dry_run) {
		t->block_bytes = UMFS_PAGE_BYTES;
		return;
	}
	t->fd = open(t->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (t->fd < 0)
		fail(t->path, "can not be made: %s", strerror(errno));
	t->created = true;
	look_at(t);
}

void target_open(struct target *t, const struct options *o)
{
	memset(t, 0, sizeof(*t));
	t->path = o->path;
	t->fd = open(t->path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (t->fd >= 0)
		look_at(t);
	else if (errno == ENOENT)
		create(t, o);
	else
		fail(t->path, "%s", strerror(errno));
	if (t->fd >= 0 && !t->created) {
		exclude_users(t);
		find_signature(t);
		if (t->found[0] && !o->force)
			fail(t->path, "contains %s; -f overwrites it", t->found);
	}
	choose_size(t, o);
}

void target_abandon(struct target *t)
{
	if (t->created)
		unlink(t->path);
	t->created = false;
}

void target_expect_room(const struct target *t)
{
	struct statfs sfs;
	struct stat st;
	uint64_t room;

	if (t->is_device || t->is_block || t->fd < 0 || fstatfs(t->fd, &sfs) || fstat(t->fd, &st) ||
	    !sfs.f_blocks) /* a tmpfs without a limit */
		return;
	room = (uint64_t)sfs.f_bavail * (uint64_t)sfs.f_bsize + (uint64_t)st.st_blocks * 512;
	if (room < t->bytes)
		fail(t->path, "memory can not be had: there are %llu MiB",
		     (unsigned long long)room >> 20);
}

/*
 * A hole reads as zeros and costs nothing. Where holes can not be punched (or
 * the size goes down anyway) the content goes with a truncation to nothing.
 */
void target_clear(struct target *t)
{
	if (t->is_device || t->is_block)
		return;
	if (t->file_bytes && t->bytes >= t->file_bytes &&
	    !fallocate(t->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		       (off_t)t->file_bytes)) {
		if (!ftruncate(t->fd, (off_t)t->bytes))
			return;
	} else if (!ftruncate(t->fd, 0) && !ftruncate(t->fd, (off_t)t->bytes)) {
		return;
	}
	fail(t->path, "can not be made %llu bytes large: %s", (unsigned long long)t->bytes,
	     strerror(errno));
}

/* tmpfs may refuse by its mount, its kernel or its settings: what counts is whether it works. */
static bool collapse_works(void)
{
	const size_t unit = UMFS_UNIT_BYTES;
	int fd = memfd_create("umfs-probe", MFD_CLOEXEC);
	uint8_t *room, *at;
	bool works = false;

	if (fd < 0)
		return false;
	room = mmap(NULL, 2 * unit, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (room == MAP_FAILED || ftruncate(fd, (off_t)unit))
		goto out;
	at = (uint8_t *)(((uintptr_t)room + unit - 1) & -(uintptr_t)unit);
	if (mmap(at, unit, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == at) {
		*(volatile uint8_t *)at = 1;
		works = !madvise(at, unit, MADV_COLLAPSE);
	}
	munmap(room, 2 * unit);
out:
	close(fd);
	return works;
}

const char *huge_pages(const struct target *t)
{
	static char text[64];
	struct statfs sfs;

	if (t->is_device || t->is_block)
		return "the device's own";
	if (t->block_bytes > UMFS_PAGE_BYTES) {
		snprintf(text, sizeof(text), "hugetlbfs, %llu KiB",
			 (unsigned long long)t->block_bytes >> 10);
		return text;
	}
	if (t->fd < 0)
		return "unknown, the file does not exist yet";
	if (fstatfs(t->fd, &sfs) || (uint64_t)sfs.f_type != TMPFS_MAGIC)
		return "up to the file system";
	return collapse_works() ? "2 MiB, as memory is taken"
				: "none, the kernel refuses them";
}
