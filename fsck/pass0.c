// SPDX-License-Identifier: BSD-3-Clause
/*
 * pass0.c - the superblock and its copy.
 *
 * Each of both is good or bad by itself: signature, checksum, version, features
 * and geometry. The primary rules where it is good; the copy must then have the
 * same bytes. A bad primary is restored from a good copy. Of two bad ones -y takes that
 * of which one bit is wrong.
 */
#include <stdio.h>
#include <string.h>

#include "fsck.h"

#define FEATURES_INCOMPAT 0ull /* those that this fsck understands */
#define FEATURES_RO_COMPAT 0ull

enum verdict { SB_GOOD, SB_BAD, SB_LATER };

struct region {
	const char *name;
	uint64_t first, pages;
};

static uint64_t pages_of(uint64_t count, uint64_t bytes)
{
	return (count * bytes + UMFS_PAGE_MASK) / UMFS_PAGE_BYTES;
}

static bool crc_good(const struct umfs_super_pm *sb)
{
	struct umfs_super_pm copy;

	memcpy(&copy, sb, sizeof(copy));
	copy.crc = (le32){ 0 };
	return ld32(&sb->crc) == sum_crc32c(0, &copy, UMFS_SUPER_CRC_BYTES);
}

static bool counts_good(const struct umfs_super_pm *sb, const char **why)
{
	uint64_t ipg = ld32(&sb->inodes_per_group);
	uint32_t per_page = UMFS_PAGE_BYTES / UMFS_INODE_BYTES;

	*why = "pool_pages";
	if (ld64(&sb->pool_pages) < UMFS_POOL_PAGES_MIN ||
	    ld64(&sb->pool_pages) > UMFS_POOL_PAGES_MAX)
		return false;
	*why = "slot_count";
	if (!ld32(&sb->slot_count) || ld32(&sb->slot_count) > UMFS_SLOTS_MAX)
		return false;
	*why = "lanes_per_slot";
	if (!ld32(&sb->lanes_per_slot) || ld32(&sb->lanes_per_slot) > UMFS_LANES_MAX)
		return false;
	*why = "reserve_count";
	if (!ld32(&sb->reserve_count) || ld32(&sb->reserve_count) > UMFS_RESERVES_MAX)
		return false;
	*why = "irec_count";
	if (!ld32(&sb->irec_count) || ld32(&sb->irec_count) > UMFS_OPENS_MAX)
		return false;
	*why = "ofd_count";
	if (!ld32(&sb->ofd_count) || ld32(&sb->ofd_count) > UMFS_OPENS_MAX)
		return false;
	*why = "inodes_per_group";
	if (ipg < 64 || ipg % 64 || ipg > UMFS_GROUP_PAGES ||
	    UMFS_GROUP_HEAD_PAGES + (ipg + per_page - 1) / per_page >= UMFS_GROUP_PAGES)
		return false;
	*why = "durability";
	if (ld32(&sb->durability) > UMFS_DURABLE_EADR)
		return false;
	*why = "flags";
	return !(ld32(&sb->flags) & ~UMFS_SB_BACKED);
}

static bool groups_good(const struct umfs_super_pm *sb, const char **why)
{
	uint64_t pages = ld64(&sb->pool_pages), first = ld32(&sb->groups_page);
	uint64_t count = ld32(&sb->group_count), most = ld32(&sb->group_count_max);
	uint64_t head = UMFS_GROUP_HEAD_PAGES +
			pages_of(ld32(&sb->inodes_per_group), UMFS_INODE_BYTES);

	*why = "groups_page";
	if (first <= UMFS_SB_BACKUP_PAGE || first % UMFS_UNIT_PAGES || first >= pages)
		return false;
	*why = "group_count";
	if (!count || (count - 1) * UMFS_GROUP_PAGES >= pages - first ||
	    count * ld32(&sb->inodes_per_group) > UINT32_MAX ||
	    pages - first - (count - 1) * UMFS_GROUP_PAGES <= head)
		return false;
	*why = "pool_pages";
	if ((pages - first) / UMFS_GROUP_PAGES > count)
		return false;
	*why = "group_count_max";
	return most >= count && most <= UMFS_POOL_PAGES_MAX / UMFS_GROUP_PAGES;
}

/* The parts of the front lie between the slots and the groups and apart from one another. */
static bool front_good(const struct umfs_super_pm *sb, const char **why)
{
	uint64_t lanes = (uint64_t)ld32(&sb->slot_count) * ld32(&sb->lanes_per_slot);
	const struct region r[] = {
		{ "slots", UMFS_SLOTS_PAGE, pages_of(UMFS_SLOTS_MAX, sizeof(struct umfs_slot_pm)) },
		{ "gtable_page", ld32(&sb->gtable_page),
		  pages_of(ld32(&sb->group_count_max), sizeof(struct umfs_group_pm)) },
		{ "lanes_page", ld32(&sb->lanes_page), lanes * UMFS_LANE_PAGES },
		{ "irecs_page", ld32(&sb->irecs_page),
		  pages_of(ld32(&sb->irec_count), sizeof(struct umfs_irec_pm)) },
		{ "ofds_page", ld32(&sb->ofds_page),
		  pages_of(ld32(&sb->ofd_count), sizeof(struct umfs_ofd_pm)) },
		{ "reserves_page", ld32(&sb->reserves_page),
		  (uint64_t)ld32(&sb->reserve_count) * UMFS_RESERVE_PAGES },
		{ "backup", UMFS_SB_BACKUP_PAGE, 1 },
	};

	for (unsigned int i = 0; i < UMFS_ARRAY_LEN(r); i++) {
		*why = r[i].name;
		if (r[i].first < UMFS_SLOTS_PAGE ||
		    r[i].first + r[i].pages > ld32(&sb->groups_page))
			return false;
		for (unsigned int j = 0; j < i; j++)
			if (r[i].first < r[j].first + r[j].pages &&
			    r[j].first < r[i].first + r[i].pages)
				return false;
	}
	return true;
}

static enum verdict judge(const struct umfs_super_pm *sb, const char **why)
{
	*why = "magic";
	if (ld64(&sb->magic) != UMFS_MAGIC)
		return SB_BAD;
	*why = "crc";
	if (!crc_good(sb))
		return SB_BAD;
	*why = "version";
	if (ld32(&sb->version) > UMFS_VERSION)
		return SB_LATER;
	if (ld32(&sb->version) != UMFS_VERSION)
		return SB_BAD;
	*why = "feature_incompat";
	if (ld64(&sb->feature_incompat) & ~FEATURES_INCOMPAT)
		return SB_LATER;
	if (!counts_good(sb, why) || !groups_good(sb, why) || !front_good(sb, why))
		return SB_BAD;
	return SB_GOOD;
}

static void geo_fill(struct geo *g, const struct umfs_super_pm *sb)
{
	*g = (struct geo){
		.pool_pages = ld64(&sb->pool_pages),
		.group_count = ld32(&sb->group_count),
		.inodes_per_group = ld32(&sb->inodes_per_group),
		.groups_page = ld32(&sb->groups_page),
		.gtable_page = ld32(&sb->gtable_page),
		.slot_count = ld32(&sb->slot_count),
		.lanes_per_slot = ld32(&sb->lanes_per_slot),
		.lanes_page = ld32(&sb->lanes_page),
		.irec_count = ld32(&sb->irec_count),
		.irecs_page = ld32(&sb->irecs_page),
		.ofd_count = ld32(&sb->ofd_count),
		.ofds_page = ld32(&sb->ofds_page),
		.reserve_count = ld32(&sb->reserve_count),
		.reserves_page = ld32(&sb->reserves_page),
		.flags = ld32(&sb->flags),
		.durability = ld32(&sb->durability),
		.hash_key = { ld64(&sb->hash_key[0]), ld64(&sb->hash_key[1]) },
	};
	g->itable_pages = (uint32_t)pages_of(g->inodes_per_group, UMFS_INODE_BYTES);
}

static void copy_super(struct fsck *c, struct umfs_super_pm *to, const struct umfs_super_pm *from)
{
	port_copy(to, from, sizeof(*to));
	media_sync(c, to, sizeof(*to));
}

static int refuse(struct fsck *c, const char *why)
{
	snprintf(c->error, sizeof(c->error), "the pool has a later format (%s)", why);
	return EXIT_ERROR;
}

static int check_features(struct fsck *c, const struct umfs_super_pm *sb)
{
	uint64_t unknown = ld64(&sb->feature_ro_compat) & ~FEATURES_RO_COMPAT;

	if (!unknown)
		return 0;
	if (c->mode != FSCK_CHECK)
		return refuse(c, "feature_ro_compat; it can be checked with -n only");
	problem(c, PR_SB_COMPAT, object("superblock", OBJECT_ALONE), "feature_ro_compat 0x%llx",
		(unsigned long long)unknown);
	return 0;
}

static bool signed_as_pool(const struct umfs_super_pm *sb)
{
	return ld64(&sb->magic) == UMFS_MAGIC;
}

/*
 * Both are those of a pool that was being made larger when all who used it died: but
 * for what that changes they are the same. Recovery makes them so.
 */
static bool growth_cut_short(const struct fsck *c)
{
	struct umfs_super_pm first, backup;

	if (ld64(&runtime_at(c)->clean) == UMFS_CLEAN)
		return false;
	memcpy(&first, page_at(c, UMFS_SB_PAGE), sizeof(first));
	memcpy(&backup, page_at(c, UMFS_SB_BACKUP_PAGE), sizeof(backup));
	if (ld64(&backup.pool_pages) < ld64(&first.pool_pages))
		return false;
	first.pool_pages = backup.pool_pages;
	first.group_count = backup.group_count;
	first.crc = backup.crc;
	return memcmp(&first, &backup, sizeof(first)) == 0;
}

/* At least one of both is good. */
static void mend_supers(struct fsck *c, enum verdict v, enum verdict vb, const char *why)
{
	struct umfs_super_pm *main_sb = page_at(c, UMFS_SB_PAGE);
	struct umfs_super_pm *backup = page_at(c, UMFS_SB_BACKUP_PAGE);

	if (v == SB_BAD) {
		if (problem(c, PR_SB_PRIMARY, object("superblock", OBJECT_ALONE), "%s", why))
			copy_super(c, main_sb, backup);
	} else if (vb != SB_GOOD) {
		if (problem(c, PR_SB_BACKUP, object("page", UMFS_SB_BACKUP_PAGE), "%s", why))
			copy_super(c, backup, main_sb);
	} else if (memcmp(main_sb, backup, sizeof(*backup)) != 0) {
		if (problem(c, PR_SB_BACKUP, object("page", UMFS_SB_BACKUP_PAGE),
			    "it differs from the superblock"))
			copy_super(c, backup, main_sb);
	}
}

/* The only superblock that one bit turned makes of it. */
static bool super_guess(const struct umfs_super_pm *sb, struct umfs_super_pm *want)
{
	uint8_t *bytes = (uint8_t *)want;
	uint32_t fits = 0, found = 0;
	const char *why;

	memcpy(want, sb, sizeof(*want));
	for (uint32_t bit = 0; bit < 8 * UMFS_SUPER_CRC_BYTES; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (judge(want, &why) == SB_GOOD) {
			found = bit;
			fits++;
		}
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	bytes[found / 8] ^= (uint8_t)(1u << found % 8);
	return fits == 1;
}

/* With -y, when neither is good: the first of which only a bit is wrong. */
static bool super_revive(struct fsck *c, bool backup_too)
{
	const uint32_t pages[] = {UMFS_SB_PAGE, UMFS_SB_BACKUP_PAGE};
	static const enum problem_code codes[] = {PR_SB_PRIMARY, PR_SB_BACKUP};
	struct umfs_super_pm want;

	for (uint32_t i = 0; c->mode == FSCK_YES && i < 1u + backup_too; i++)
		if (super_guess(page_at(c, pages[i]), &want) &&
		    problem(c, codes[i], object("page", pages[i]), "one bit is wrong")) {
			copy_super(c, page_at(c, pages[i]), &want);
			return true;
		}
	return false;
}

int pass0_super(struct fsck *c)
{
	static const struct umfs_super_pm none;
	struct umfs_super_pm *main_sb = page_at(c, UMFS_SB_PAGE);
	struct umfs_super_pm *backup = page_at(c, UMFS_SB_BACKUP_PAGE);
	uint64_t pages = c->pool.fs.bytes >> UMFS_PAGE_SHIFT;
	bool tiny = pages <= UMFS_SB_BACKUP_PAGE;
	const char *why, *why_backup;
	enum verdict v = judge(main_sb, &why), vb = judge(tiny ? &none : backup, &why_backup);

	if (!signed_as_pool(main_sb) && (tiny || !signed_as_pool(backup))) {
		snprintf(c->error, sizeof(c->error), "not a UMFS pool");
		return EXIT_ERROR;
	}
	if (v == SB_LATER || (v == SB_BAD && vb == SB_LATER))
		return refuse(c, v == SB_LATER ? why : why_backup);
	if (v == SB_BAD && vb == SB_BAD && super_revive(c, !tiny)) {
		v = judge(main_sb, &why);
		vb = judge(tiny ? &none : backup, &why_backup);
	}
	if (v == SB_BAD && vb != SB_GOOD) {
		problem(c, PR_SB_BOTH, object("superblock", OBJECT_ALONE), "%s; backup: %s", why,
			why_backup);
		return EXIT_LEFT;
	}
	/* A size that only one of both has, and the medium has not, is damage. */
	if (v == SB_GOOD && vb == SB_GOOD && ld64(&main_sb->pool_pages) > pages &&
	    ld64(&backup->pool_pages) <= pages) {
		v = SB_BAD;
		why = "pool_pages";
	}
	geo_fill(&c->geo, v == SB_GOOD ? main_sb : backup);
	if (c->geo.pool_pages > pages) {
		problem(c, PR_SB_SHORT, object("superblock", OBJECT_ALONE), "%llu pages of %llu",
			(unsigned long long)pages, (unsigned long long)c->geo.pool_pages);
		return EXIT_LEFT;
	}
	if (check_features(c, v == SB_GOOD ? main_sb : backup))
		return EXIT_ERROR;
	if (!growth_cut_short(c))
		mend_supers(c, v, vb, v == SB_BAD ? why : why_backup);
	return 0;
}
