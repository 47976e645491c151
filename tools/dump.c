// SPDX-License-Identifier: BSD-3-Clause
/*
 * dump.c - `umfs dump`: the structures of a pool as they lie, through a private
 * mapping. Nothing is locked and nothing recovered: of a pool in use it shows
 * what was there when it looked.
 *
 * What is zero is left out, and holes are not touched (see pool_has_data).
 */
#include "internal.h"
#include "tools.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <uuid/uuid.h>

static const char usage[] =
	"Usage: umfs dump POOL [PATH | inode N]\n"
	"\n"
	"Shows the structures of POOL as they lie: superblock, groups, slots, lanes, records\n"
	"of open inodes and open file descriptions. With PATH (from the pool's root) or the\n"
	"number of an inode: that inode with its file page table, directory or link.\n"
	"Changes nothing.\n"
	"\n"
	"  -h, --help     this text\n"
	"  -V, --version  the version\n";

typedef unsigned long long ull;

static void print_field(const char *name, uint64_t value)
{
	printf("  %-20s %llu\n", name, (ull)value);
}

static void print_hex(const char *name, uint64_t value)
{
	printf("  %-20s %#llx\n", name, (ull)value);
}

/* ---- superblock ---- */

static void dump_super(const struct umfs *fs, uint64_t page)
{
	const struct umfs_super_pm *sb = umfs_page(fs, page);
	struct umfs_geometry geo;
	char text[37], label[33];
	uint8_t uuid[16];
	unsigned i;
	int err = umfs_super_check(sb, fs->bytes, &geo);

	if (!err && geo.look_only)
		err = -ENOTSUP;
	printf("superblock in page %llu: %s\n", (ull)page, err ? pool_strerror(err) : "good");
	if (err == -EINVAL)
		return;
	for (i = 0; i < sizeof(uuid); i++)
		uuid[i] = ld8(&sb->uuid[i]);
	uuid_unparse_lower(uuid, text);
	label_text(sb, label);
	print_field("version", ld32(&sb->version));
	print_hex("crc", ld32(&sb->crc));
	print_hex("feature_compat", ld64(&sb->feature_compat));
	print_hex("feature_ro_compat", ld64(&sb->feature_ro_compat));
	print_hex("feature_incompat", ld64(&sb->feature_incompat));
	printf("  %-20s %s\n  %-20s \"%s\"\n", "uuid", text, "label", label);
	print_field("pool_pages", ld64(&sb->pool_pages));
	printf("  %-20s %s\n", "created_ns", time_text((int64_t)ld64(&sb->created_ns)));
	printf("  %-20s %s\n", "durability", durability_name(ld32(&sb->durability)));
	print_hex("flags", ld32(&sb->flags));
	print_field("group_count", ld32(&sb->group_count));
	print_field("group_count_max", ld32(&sb->group_count_max));
	print_field("inodes_per_group", ld32(&sb->inodes_per_group));
	print_field("groups_page", ld32(&sb->groups_page));
	print_field("gtable_page", ld32(&sb->gtable_page));
	print_field("slot_count", ld32(&sb->slot_count));
	print_field("lanes_per_slot", ld32(&sb->lanes_per_slot));
	print_field("lanes_page", ld32(&sb->lanes_page));
	print_field("irec_count", ld32(&sb->irec_count));
	print_field("irecs_page", ld32(&sb->irecs_page));
	print_field("ofd_count", ld32(&sb->ofd_count));
	print_field("ofds_page", ld32(&sb->ofds_page));
	print_field("reserve_count", ld32(&sb->reserve_count));
	print_field("reserves_page", ld32(&sb->reserves_page));
}

/* ---- runtime zone ---- */

/* The slot that holds a lock word, for people. */
static void print_lock(const struct umfs *fs, const char *name, uint64_t word)
{
	if (!word)
		return;
	printf("  %s %s by slot %u thread %llu incarnation %llu%s\n", name,
	       umfs_lock_free(fs, word) ? "was held" : "held", (uint32_t)(word >> 24) & 0xff,
	       (ull)(word >> 1 & UMFS_LOCK_THREAD_MASK), (ull)(word >> 32),
	       word & UMFS_LOCK_WAITERS ? ", waited for" : "");
}

static void dump_runtime(const struct umfs *fs)
{
	const struct umfs_runtime_pm *rt = umfs_runtime(fs);

	printf("runtime\n");
	printf("  %-20s %s\n", "clean", ld64(&rt->clean) == UMFS_CLEAN ? "yes" : "no");
	print_field("epoch", ld32(&rt->epoch));
	printf("  %-20s %s\n", "mode", mode_name(ld32(&rt->mode)));
	print_field("ofd_serial", ld64(&rt->ofd_serial));
	print_lock(fs, "rename_lock", ld64(&rt->rename_lock));
}

static void dump_slots(const struct umfs *fs)
{
	uint32_t i;

	printf("slots in use, of %u\n", fs->geo.slot_count);
	for (i = 0; i < fs->geo.slot_count; i++) {
		const struct umfs_slot_pm *s = umfs_slot(fs, i);

		if (ld32(&s->state) == UMFS_SLOT_FREE)
			continue;
		printf("  slot %u: state %u, incarnation %u, pid %u, flags %#x, unused %#llx\n", i,
		       ld32(&s->state), ld32(&s->incarnation), ld32(&s->pid), ld32(&s->flags),
		       (unsigned long long)ld64(&s->unused));
	}
}

static void print_bits(const le64 bits[4])
{
	uint32_t i;

	for (i = 0; i < 256; i++)
		if (ld64(&bits[i / 64]) >> (i % 64) & 1)
			printf(" %u", i);
	putchar('\n');
}

/* Records of another epoch are free, whatever they hold. */
static bool is_current(const struct umfs *fs, uint64_t key)
{
	return (uint32_t)key && key >> 32 == ld32(&umfs_runtime(fs)->epoch);
}

/* Skips holes: [first, first + per) of an array of `bytes` each may be looked at. */
static bool has_data(const struct umfs *fs, const void *at, uint64_t bytes)
{
	const struct pool *p = fs->port;

	return pool_has_data(p, umfs_off(fs, at), bytes);
}

static void dump_irecs(const struct umfs *fs)
{
	const uint32_t per_page = UMFS_PAGE_BYTES / sizeof(struct umfs_irec_pm);
	uint32_t i;

	printf("open inodes\n");
	for (i = 0; i < fs->geo.irec_count; i++) {
		const struct umfs_irec_pm *r = umfs_irec(fs, i);

		if (i % per_page == 0 && !has_data(fs, r, UMFS_PAGE_BYTES)) {
			i += per_page - 1;
			continue;
		}
		if (!is_current(fs, ld64(&r->key)))
			continue;
		printf("  record %u: inode %u generation %u%s%s%s%s, dirty [%llu, %llu), open in slots",
		       i, (uint32_t)ld64(&r->key), ld32(&r->generation),
		       ld32(&r->flags) & UMFS_IREC_ORPHAN ? ", orphan" : "",
		       ld32(&r->flags) & UMFS_IREC_TRIM ? ", to be trimmed" : "",
		       ld32(&r->flags) & UMFS_IREC_LINKABLE ? ", linkable" : "",
		       ld32(&r->flags) & UMFS_IREC_MAPPED ? ", mapped" : "",
		       (ull)ld64(&r->dirty_lo), (ull)ld64(&r->dirty_hi));
		print_bits(r->opens);
	}
}

static void dump_ofds(const struct umfs *fs)
{
	const uint32_t per_page = UMFS_PAGE_BYTES / sizeof(struct umfs_ofd_pm);
	const struct umfs_ofd_pm *ofds = umfs_page(fs, fs->geo.ofds_page);
	uint32_t i;

	printf("open file descriptions\n");
	for (i = 0; i < fs->geo.ofd_count; i++) {
		const struct umfs_ofd_pm *o = &ofds[i];

		if (i % per_page == 0 && !has_data(fs, o, UMFS_PAGE_BYTES)) {
			i += per_page - 1;
			continue;
		}
		if (!is_current(fs, ld64(&o->key)))
			continue;
		printf("  description %u: inode %u generation %u record %u, flags %#o, "
		       "position %llu, held by slots",
		       i, ld32(&o->ino), ld32(&o->generation), ld32(&o->irec), ld32(&o->flags),
		       (ull)ld64(&o->pos));
		print_bits(o->slots);
		print_lock(fs, "  lock", ld64(&o->lock));
	}
}

/* ---- lanes and logs ---- */

static void dump_ulog(const struct umfs_ulog_pm *log)
{
	uint64_t state = ld64(&log->state);

	if (!(state & 1))
		return;
	printf("    U-Log active, serial %llu: inode %u generation %u, bytes [%llu, +%llu), "
	       "size %llu\n",
	       (ull)(state >> 1), ld32(&log->ino), ld32(&log->generation), (ull)ld64(&log->off),
	       (ull)ld64(&log->len), (ull)ld64(&log->size));
}

static void dump_records(const struct umfs_lane_pm *lane, uint64_t txid)
{
	static const char *const names[] = {"?", "bytes", "pages alloc", "pages free",
					    "inode alloc", "inode free", "fpt"};
	uint32_t at = 0;

	while (at + sizeof(struct umfs_rec_pm) <= sizeof(lane->records)) {
		const struct umfs_rec_pm *r =
			(const struct umfs_rec_pm *)(const void *)(lane->records + at);
		uint32_t type = ld16(&r->type), len = ld16(&r->len);

		if (ld64(&r->txid) != txid || !type)
			return;
		printf("    %s at %#llx, count %llu, %u bytes\n",
		       names[type < UMFS_ARRAY_LEN(names) ? type : 0], (ull)ld64(&r->where),
		       (ull)ld64(&r->count), len);
		at += (uint32_t)sizeof(*r) + ((len + 7u) & ~7u);
	}
}

static void dump_lane(uint32_t slot, uint32_t index, struct umfs_lane_pm *lane)
{
	static const char *const states[] = {"idle", "active", "committed", "?"};
	uint64_t state = ld64(&lane->state);
	const struct umfs_ulog_pm *log = umfs_lane_ulog(lane);
	bool swapping = ld64(&lane->swap_entry) != 0;

	if (!(state & 3) && !swapping && !ld64(&lane->spare) && !(ld64(&log->state) & 1))
		return;
	printf("  slot %u lane %u: %s, transaction %llu, spare page %llu\n", slot, index,
	       states[state & 3], (ull)(state >> 2), (ull)ld64(&lane->spare));
	if (swapping)
		printf("    swap of entry at %#llx: %#llx to %#llx\n", (ull)ld64(&lane->swap_entry),
		       (ull)ld64(&lane->swap_old), (ull)ld64(&lane->swap_new));
	if (state & 3)
		dump_records(lane, state >> 2);
	dump_ulog(log);
}

static void dump_lanes(const struct umfs *fs)
{
	uint32_t slot, i;

	printf("lanes not at rest or with a spare page\n");
	for (slot = 0; slot < fs->geo.slot_count; slot++)
		for (i = 0; i < fs->geo.lanes_per_slot; i++) {
			struct umfs_lane_pm *lane = umfs_lane(fs, slot, i);

			if (has_data(fs, lane, (uint64_t)UMFS_LANE_PAGES << UMFS_PAGE_SHIFT))
				dump_lane(slot, i, lane);
		}
	printf("reserve U-Logs in use, of %u\n", fs->geo.reserve_count);
	for (i = 0; i < fs->geo.reserve_count; i++) {
		const struct umfs_ulog_pm *log = umfs_reserve(fs, i);

		if (!has_data(fs, log, UMFS_PAGE_BYTES))
			continue;
		if (ld64(&log->state) & 1 || ld64(&log->lock))
			printf("  reserve %u\n", i);
		dump_ulog(log);
		print_lock(fs, "  lock", ld64(&log->lock));
	}
}

/* ---- groups ---- */

static void dump_groups(const struct umfs *fs)
{
	const uint32_t per_page = UMFS_PAGE_BYTES / sizeof(struct umfs_group_pm);
	uint32_t i;

	printf("groups used so far, of %u\n", fs->geo.group_count);
	for (i = 0; i < fs->geo.group_count; i++) {
		const struct umfs_group_pm *g = umfs_group(fs, i);

		if (i % per_page == 0 && !has_data(fs, g, UMFS_PAGE_BYTES)) {
			i += per_page - 1;
			continue;
		}
		if (!(ld32(&g->flags) & UMFS_GROUP_INIT))
			continue;
		printf("  group %u from page %llu: %u of %u pages free, %u known, %u of %u inodes free, "
		       "flags %#x, backed %#018llx\n",
		       i, (ull)umfs_group_page(fs, i), ld32(&g->free_pages),
		       umfs_group_pages(fs, i), ld32(&g->pages), ld32(&g->free_inodes), fs->geo.inodes_per_group,
		       ld32(&g->flags), (ull)ld64(&g->backed));
		print_lock(fs, "  lock", ld64(&g->lock));
	}
}

static void dump_all(const struct umfs *fs)
{
	dump_super(fs, UMFS_SB_PAGE);
	dump_super(fs, UMFS_SB_BACKUP_PAGE);
	dump_runtime(fs);
	dump_groups(fs);
	dump_slots(fs);
	dump_lanes(fs);
	dump_irecs(fs);
	dump_ofds(fs);
}

/* ---- arguments ---- */

static uint32_t parse_ino(const char *text)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end || end == text || !n || n > UINT32_MAX)
		fail("%s: not the number of an inode", text);
	return (uint32_t)n;
}

static uint32_t find_path(struct umfs *fs, const char *path)
{
	static char room[UMFS_WALK_ROOM];
	struct umfs_cred cred = {.override = true};
	struct umfs_walk w = {.rest = room};
	int err = umfs_walk(fs, &cred, UMFS_ROOT_INO, path, UMFS_WALK_NOFOLLOW, &w);

	if (err == UMFS_WALK_ESCAPED)
		fail("%s: leads out of the pool", path);
	if (err)
		fail("%s: %s", path, strerror(-err));
	return w.ino;
}

int dump_main(int argc, char **argv)
{
	static struct pool pool;
	struct umfs *fs = &pool.fs;
	int c, args;

	c = getopt_long(argc, argv, "hV", common_options, NULL);
	if (c != -1)
		return common_option(c, argv[0], usage);
	args = argc - optind;
	argv += optind;
	if (args < 1 || args > 3 || (args == 3 && strcmp(argv[1], "inode")))
		fail("dump wants POOL and perhaps PATH or 'inode N'; try 'umfs dump --help'");
	look_open(&pool, argv[0]);
	if (args == 1)
		dump_all(fs);
	else
		dump_inode(fs, args == 3 ? parse_ino(argv[2]) : find_path(fs, argv[1]));
	pool_close(&pool);
	return 0;
}
