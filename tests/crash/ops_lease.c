// SPDX-License-Identifier: BSD-3-Clause
/*
 * ops_lease.c - writes by who has a lease of a file, and what core does beside them.
 *
 * Who has one writes without core, so what it stores is done here as ioctl.h has it
 * (UMFS_IOC_LEASE), in the pages that are mapped then. The reserve that leases lie in holds
 * what looks like some of another file, as the bytes of a file that were saved there may.
 */
#include "ops_lease.h"
#include "holder.h"

#define OFF 3000u /* of what is written by lease, over pages' ends */
#define LEN 9000u
#define TAKEN_MAX UMFS_LEASES

static struct holder held[TAKEN_MAX];

/* ---- bytes that look like leases ---- */

#define BYTES_LEN LEASE_BYTES_LEN /* more than a lane's log holds */
#define FALSE_LEN 50u		  /* what the false ones would put into /a */

static uint64_t word_for(struct umfs *fs, const char *path)
{
	uint32_t ino;

	need(world_ino(fs, path, &ino));
	return (uint64_t)ld32(&umfs_inode(fs, ino)->generation) << 32 | ino;
}

/* What a reserve has behind its head: all words name /a, and the first lease is active. */
static void fill_false(struct umfs *fs, uint8_t bytes[BYTES_LEN])
{
	const uint32_t lease = UMFS_PAGE_BYTES - UMFS_ULOG_HEAD_BYTES;
	uint64_t word = word_for(fs, "/a"), active[3] = {1, 10, FALSE_LEN};
	uint32_t i;

	memset(bytes, 0xee, BYTES_LEN);
	for (i = 0; i < UMFS_LEASES; i++)
		memcpy(bytes + i * sizeof(word), &word, sizeof(word));
	memcpy(bytes + lease, active, sizeof(active));
}

static struct umfs_ulog_pm *last_reserve(const struct umfs *fs)
{
	return umfs_reserve(fs, fs->geo.reserve_count - 1);
}

static void soil(struct umfs *fs)
{
	static uint8_t bytes[BYTES_LEN];
	uint8_t *room = (uint8_t *)last_reserve(fs) + UMFS_ULOG_HEAD_BYTES;
	uint32_t i;

	if (fs->geo.reserve_count < 2)
		die("the pool has no room for leases");
	fill_false(fs, bytes);
	port_copy(room, bytes, BYTES_LEN);
	umfs_flush(fs, room, BYTES_LEN);
	for (i = 1; i < UMFS_LEASES; i++) {
		uint8_t *at = room + i * UMFS_LEASE_PAGES * UMFS_PAGE_BYTES + UMFS_PAGE_BYTES -
			      UMFS_ULOG_HEAD_BYTES;

		port_copy(at, bytes + UMFS_PAGE_BYTES - UMFS_ULOG_HEAD_BYTES, UMFS_LINE_BYTES);
		umfs_flush(fs, at, UMFS_LINE_BYTES);
	}
	umfs_fence(fs);
}

/* ---- who has a lease ---- */

/* The first `n` bytes of what is written at `off`. */
static void replace(struct holder *h, uint64_t off, uint64_t n, uint32_t version)
{
	static uint8_t bytes[LEN];

	world_fill(bytes, n, off, version);
	holder_put(h, off, bytes, n);
}

static void write_by(struct holder *h, uint64_t off, uint64_t n, uint32_t version)
{
	holder_begin(h, off, n);
	replace(h, off, n, version);
	holder_end(h);
}

static void half(struct holder *h, uint64_t off, uint64_t n, uint32_t version)
{
	holder_begin(h, off, n);
	replace(h, off, n / 2, version);
}

/* ---- to begin with ---- */

static int map(struct stage *s, const char *path)
{
	uint64_t last = 64 * MIB;
	uint32_t irec;

	need(world_open(s->fs, path, O_RDWR, &s->file));
	return umfs_map_pin(&s->file, UMFS_MAP_SHARED | UMFS_MAP_WRITE, 0, &last, &irec);
}

int lease_free_prepare(struct stage *s)
{
	soil(s->fs);
	return map(s, "/m");
}

int lease_prepare(struct stage *s)
{
	need(lease_free_prepare(s));
	return holder_take(&held[0], &s->file);
}

int lease_two_prepare(struct stage *s)
{
	struct umfs_file m;

	need(lease_prepare(s));
	m = s->file;
	need(map(s, "/b"));
	need(holder_take(&held[1], &s->file));
	s->file = m;
	return 0;
}

int lease_full_prepare(struct stage *s)
{
	uint32_t i;

	need(lease_prepare(s));
	for (i = 1; i + 1 < UMFS_LEASES; i++)
		need(holder_take(&held[i], &s->file));
	return 0;
}

int lease_setid_prepare(struct stage *s)
{
	need(lease_free_prepare(s));
	return umfs_chmod(s->fs, &world_root, s->file.ino, 06755);
}

/* The other reserve is in use, so the next one is the one that leases lie in. */
static void busy_others(struct umfs *fs)
{
	uint32_t i;

	for (i = 0; i + 1 < fs->geo.reserve_count; i++)
		st64(&umfs_reserve(fs, i)->lock, umfs_lock_value(fs, fs->slot));
}

/* /b becomes a file whose bytes, once they are saved in a reserve, look like leases. */
static void put_false_file(struct stage *s)
{
	static uint8_t bytes[BYTES_LEN];
	struct umfs_file file;

	fill_false(s->fs, bytes);
	need(world_open(s->fs, "/b", O_RDWR, &file));
	if (umfs_pwrite(&file, bytes, BYTES_LEN, 0) != BYTES_LEN)
		die("/b can not be written");
	need(umfs_fsync(&file));
	world_close(&file);
}

int lease_bytes_prepare(struct stage *s)
{
	need(lease_prepare(s));
	put_false_file(s);
	need(map(s, "/b"));
	busy_others(s->fs);
	return 0;
}

/* ---- what is done ---- */

int lease_take_run(struct stage *s)
{
	return holder_take(&held[0], &s->file);
}

int lease_setid_run(struct stage *s)
{
	return holder_take(&held[0], &s->file);
}

/* From the first to the last of it. */
int lease_write_run(struct stage *s)
{
	int err = holder_take(&held[0], &s->file);

	if (err)
		return err;
	write_by(&held[0], OFF, LEN, 2);
	holder_take_back(&held[0]);
	return 0;
}

int lease_held_run(struct stage *s)
{
	(void)s;
	write_by(&held[0], OFF, LEN, 2);
	return 0;
}

/* The second one is not brought to an end. */
int lease_write_twice_run(struct stage *s)
{
	(void)s;
	write_by(&held[0], OFF, LEN, 2);
	half(&held[0], OFF + LEN, 100, 2);
	return 0;
}

/* The holder is stopped, or dead. */
int lease_cut_run(struct stage *s)
{
	(void)s;
	half(&held[0], OFF, LEN, 2);
	return 0;
}

int lease_cut_several_run(struct stage *s)
{
	(void)s;
	half(&held[1], 100, 4500, 2);
	write_by(&held[0], OFF, LEN, 2);
	half(&held[0], OFF, LEN, 3);
	return 0;
}

int lease_back_run(struct stage *s)
{
	lease_cut_run(s);
	holder_take_back(&held[0]);
	return 0;
}

/* What is written since is nobody's to undo. */
int lease_back_write_run(struct stage *s)
{
	lease_back_run(s);
	return world_write(&s->file, LEASE_AFTER_OFF, LEASE_AFTER_LEN, 3);
}

/* The other one stays. */
int lease_back_write_two_run(struct stage *s)
{
	half(&held[1], 100, 4500, 2);
	return lease_back_write_run(s);
}

int lease_back_punch_run(struct stage *s)
{
	lease_back_run(s);
	return umfs_fallocate(&s->file, UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE,
			      LEASE_PUNCH_OFF, LEASE_PUNCH_LEN);
}

int lease_back_truncate_run(struct stage *s)
{
	lease_back_run(s);
	return world_truncate(s->fs, "/m", OFF + 50);
}

int lease_back_unlink_run(struct stage *s)
{
	lease_cut_run(s);
	return world_unlink(s->fs, "/m");
}

/* The last one that there is, and no more. */
int lease_last_run(struct stage *s)
{
	struct holder *h = &held[UMFS_LEASES - 1], more;
	int err = holder_take(h, &s->file);

	if (err)
		return err;
	err = holder_take(&more, &s->file);
	if (err != -ENOSPC && err != -EIO)
		die("more leases than there are");
	write_by(h, OFF, LEN, 2);
	holder_take_back(h);
	return 0;
}

/* The reserve is a log again. */
int lease_then_reserve_run(struct stage *s)
{
	holder_take_back(&held[0]);
	return world_write(&s->file, 0, BYTES_LEN, 3);
}
