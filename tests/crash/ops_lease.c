// SPDX-License-Identifier: BSD-3-Clause
/*
 * ops_lease.c - writes by who has a lease of a file, and what core does beside them.
 *
 * Who has one writes without core, so what it stores is done here as ioctl.h has it
 * (UMFS_IOC_LEASE), in the pages that are mapped then. The reserve that leases lie in holds
 * what looks like some of another file, as the bytes of a file that were saved there may.
 */
#include "ops_lease.h"
#include "internal.h"

#define OFF 3000u /* of what is written by lease, over pages' ends */
#define LEN 9000u
#define TAKEN_MAX UMFS_LEASES

struct holder {
	struct umfs_file file;
	struct umfs_lease_pm *log;
	uint32_t number;
};

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

static int take(struct holder *h, const struct umfs_file *file)
{
	uint64_t where;
	int err;

	h->file = *file;
	err = umfs_lease_take(&h->file, &h->number, &where);
	if (!err)
		h->log = umfs_at(file->fs, where);
	return err;
}

/* Nobody can write there any more. */
static void take_back(struct holder *h)
{
	umfs_lease_undo(&h->file, h->number);
	umfs_lease_give(h->file.fs, h->number);
}

/* Between bytes and the pages of the file, as they are mapped. */
static void move(const struct holder *h, uint64_t off, uint8_t *bytes, uint64_t n, bool in)
{
	struct umfs *fs = h->file.fs;
	uint64_t part;

	for (; n; n -= part, off += part, bytes += part) {
		uint64_t entry = umfs_fpt_get(fs, ld64(&h->file.inode->root), off >> UMFS_PAGE_SHIFT);
		uint8_t *at = (uint8_t *)umfs_page(fs, umfs_pte_page(entry)) + (off & UMFS_PAGE_MASK);

		part = UMFS_MIN(n, UMFS_PAGE_BYTES - (off & UMFS_PAGE_MASK));
		port_copy(in ? at : bytes, in ? bytes : at, part);
		umfs_flush(fs, in ? at : bytes, part);
	}
}

static void begin(struct holder *h, uint64_t off, uint64_t n)
{
	struct umfs *fs = h->file.fs;

	move(h, off, (uint8_t *)h->log + UMFS_PAGE_BYTES, n, false);
	st64(&h->log->off, off);
	st64(&h->log->len, n);
	umfs_flush(fs, h->log, UMFS_LINE_BYTES);
	umfs_fence(fs);
	umfs_persist64(fs, &h->log->state, 1);
}

/* The first `n` bytes of what is written at `off`. */
static void replace(struct holder *h, uint64_t off, uint64_t n, uint32_t version)
{
	static uint8_t bytes[LEN];

	world_fill(bytes, n, off, version);
	move(h, off, bytes, n, true);
}

static void end(struct holder *h)
{
	umfs_fence(h->file.fs);
	umfs_persist64(h->file.fs, &h->log->state, 0);
}

static void write_by(struct holder *h, uint64_t off, uint64_t n, uint32_t version)
{
	begin(h, off, n);
	replace(h, off, n, version);
	end(h);
}

static void half(struct holder *h, uint64_t off, uint64_t n, uint32_t version)
{
	begin(h, off, n);
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
	return take(&held[0], &s->file);
}

int lease_two_prepare(struct stage *s)
{
	struct umfs_file m;

	need(lease_prepare(s));
	m = s->file;
	need(map(s, "/b"));
	need(take(&held[1], &s->file));
	s->file = m;
	return 0;
}

int lease_full_prepare(struct stage *s)
{
	uint32_t i;

	need(lease_prepare(s));
	for (i = 1; i + 1 < UMFS_LEASES; i++)
		need(take(&held[i], &s->file));
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
	return take(&held[0], &s->file);
}

int lease_setid_run(struct stage *s)
{
	return take(&held[0], &s->file);
}

/* From the first to the last of it. */
int lease_write_run(struct stage *s)
{
	int err = take(&held[0], &s->file);

	if (err)
		return err;
	write_by(&held[0], OFF, LEN, 2);
	take_back(&held[0]);
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
	take_back(&held[0]);
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
	int err = take(h, &s->file);

	if (err)
		return err;
	err = take(&more, &s->file);
	if (err != -ENOSPC && err != -EIO)
		die("more leases than there are");
	write_by(h, OFF, LEN, 2);
	take_back(h);
	return 0;
}

/* The reserve is a log again. */
int lease_then_reserve_run(struct stage *s)
{
	take_back(&held[0]);
	return world_write(&s->file, 0, BYTES_LEN, 3);
}
