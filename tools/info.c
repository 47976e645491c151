// SPDX-License-Identifier: BSD-3-Clause
/* info.c - `umfs info`: what a pool is and how full, for people or as JSON. */
#include "internal.h"
#include "tools.h"

#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <uuid/uuid.h>

static const char usage[] =
	"Usage: umfs info POOL [--json]\n"
	"\n"
	"Says what POOL is, how it is laid out and how full, and whether it is in use.\n"
	"Changes nothing.\n"
	"\n"
	"      --json     the same as one JSON object\n"
	"  -h, --help     this text\n"
	"  -V, --version  the version\n";

enum { OPT_JSON = 256 };

static const struct option longs[] = {
	{"json", no_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

struct info {
	const struct umfs_super_pm *sb;
	const struct umfs_geometry *geo;
	struct umfs_statfs st;
	char uuid[37], label[33];
	uint64_t backed_bytes;	  /* memory or disk behind the pool now */
	uint64_t available_bytes; /* free in the pool, and backed or to be had */
	uint32_t mode, epoch;
	uint32_t frozen_pid;
	bool in_use, clean, frozen;
};

/* The superblock that counted: the first page's, or its backup. */
static const struct umfs_super_pm *superblock(const struct umfs *fs)
{
	struct umfs_geometry geo;
	const void *first = umfs_page(fs, UMFS_SB_PAGE);

	if (!umfs_super_check(first, fs->bytes, &geo))
		return first;
	return umfs_page(fs, UMFS_SB_BACKUP_PAGE);
}

static void find_backing(const struct pool *p, struct info *in)
{
	struct stat st;

	in->available_bytes = pool_pages_available(p, &in->st) << UMFS_PAGE_SHIFT;
	in->backed_bytes = p->file_bytes;
	if (!p->is_device && !fstat(p->fd, &st))
		in->backed_bytes = (uint64_t)st.st_blocks * 512;
}

/* A copy of a frozen pool says that it is frozen, by somebody who is not there. */
static void find_freezer(struct pool *p, struct info *in)
{
	uint32_t slot;

	in->frozen = umfs_frozen_by(&p->fs, &slot) && pool_slot_alive(p, slot) == 1;
	in->frozen_pid = in->frozen ? ld32(&umfs_slot(&p->fs, slot)->pid) : 0;
}

static void gather(struct pool *p, struct info *in)
{
	const struct umfs_runtime_pm *rt = umfs_runtime(&p->fs);
	uint8_t uuid[16];
	uint32_t i;

	in->sb = superblock(&p->fs);
	in->geo = &p->fs.geo;
	umfs_statfs(&p->fs, &in->st);
	for (i = 0; i < sizeof(uuid); i++)
		uuid[i] = ld8(&in->sb->uuid[i]);
	uuid_unparse_lower(uuid, in->uuid);
	label_text(in->sb, in->label);
	in->in_use = pool_in_use(p) == 1;
	in->clean = ld64(&rt->clean) == UMFS_CLEAN;
	in->epoch = ld32(&rt->epoch);
	in->mode = in->in_use ? ld32(&rt->mode) : 0;
	find_backing(p, in);
	find_freezer(p, in);
}

static const char *state_name(const struct info *in)
{
	if (in->in_use)
		return "in use";
	return in->clean ? "clean" : "not detached cleanly; the next attachment recovers it";
}

static void print_text(const char *path, const struct info *in)
{
	const struct umfs_geometry *g = in->geo;

	printf("pool             %s\n", path);
	printf("uuid             %s\n", in->uuid);
	printf("label            %s\n", in->label[0] ? in->label : "(none)");
	printf("format version   %u\n", ld32(&in->sb->version));
	printf("features         compat %#llx, ro_compat %#llx, incompat %#llx\n",
	       (unsigned long long)ld64(&in->sb->feature_compat),
	       (unsigned long long)ld64(&in->sb->feature_ro_compat),
	       (unsigned long long)ld64(&in->sb->feature_incompat));
	if (g->look_only)
		printf("use              read-only: a feature that this version does not know\n");
	printf("made             %s\n", time_text((int64_t)ld64(&in->sb->created_ns)));
	printf("state            %s\n", state_name(in));
	if (in->frozen)
		printf("frozen           by process %u\n", in->frozen_pid);
	if (in->in_use)
		printf("mode             %s\n", mode_name(in->mode));
	printf("epoch            %u\n", in->epoch);
	printf("durability       %s\n", durability_name(g->durability));
	printf("atomic write     up to %s\n", size_text(in->st.atomic_bytes));
	printf("size             %s\n", size_text(g->pool_pages << UMFS_PAGE_SHIFT));
	printf("backed           %s\n", size_text(in->backed_bytes));
	printf("for files        %s, %s free, %s of it to be had now\n",
	       size_text(in->st.pages << UMFS_PAGE_SHIFT),
	       size_text(in->st.pages_free << UMFS_PAGE_SHIFT), size_text(in->available_bytes));
	printf("inodes           %llu, %llu free\n", (unsigned long long)in->st.inodes,
	       (unsigned long long)in->st.inodes_free);
	printf("groups           %u of %s (room for %u), %u inodes each\n", g->group_count,
	       size_text((uint64_t)UMFS_GROUP_PAGES << UMFS_PAGE_SHIFT), g->group_count_max,
	       g->inodes_per_group);
	printf("processes        at most %u at a time, %u lanes each\n", g->slot_count,
	       g->lanes_per_slot);
	printf("open files       at most %u, %u descriptions\n", g->irec_count, g->ofd_count);
	printf("reserve U-Logs   %u\n", g->reserve_count);
}

static void put_number(struct json_object *o, const char *name, uint64_t n)
{
	json_object_object_add(o, name, json_object_new_int64((int64_t)n));
}

static void put_text(struct json_object *o, const char *name, const char *text)
{
	json_object_object_add(o, name, json_object_new_string(text));
}

static void put_flag(struct json_object *o, const char *name, bool on)
{
	json_object_object_add(o, name, json_object_new_boolean(on));
}

/* Page numbers of the zones, as SPEC names them. */
static struct json_object *geometry_json(const struct umfs_geometry *g)
{
	struct json_object *o = json_object_new_object();

	put_number(o, "pool_pages", g->pool_pages);
	put_number(o, "group_count", g->group_count);
	put_number(o, "group_count_max", g->group_count_max);
	put_number(o, "inodes_per_group", g->inodes_per_group);
	put_number(o, "groups_page", g->groups_page);
	put_number(o, "gtable_page", g->gtable_page);
	put_number(o, "slot_count", g->slot_count);
	put_number(o, "lanes_per_slot", g->lanes_per_slot);
	put_number(o, "lanes_page", g->lanes_page);
	put_number(o, "irec_count", g->irec_count);
	put_number(o, "irecs_page", g->irecs_page);
	put_number(o, "ofd_count", g->ofd_count);
	put_number(o, "ofds_page", g->ofds_page);
	put_number(o, "reserve_count", g->reserve_count);
	put_number(o, "reserves_page", g->reserves_page);
	return o;
}

static void print_json(const char *path, const struct info *in)
{
	struct json_object *o = json_object_new_object();

	put_text(o, "pool", path);
	put_text(o, "uuid", in->uuid);
	put_text(o, "label", in->label);
	put_number(o, "format_version", ld32(&in->sb->version));
	put_number(o, "feature_compat", ld64(&in->sb->feature_compat));
	put_number(o, "feature_ro_compat", ld64(&in->sb->feature_ro_compat));
	put_number(o, "feature_incompat", ld64(&in->sb->feature_incompat));
	put_number(o, "created_ns", ld64(&in->sb->created_ns));
	put_flag(o, "in_use", in->in_use);
	put_flag(o, "clean", in->clean);
	put_flag(o, "frozen", in->frozen);
	if (in->frozen)
		put_number(o, "frozen_by", in->frozen_pid);
	put_flag(o, "read_only", in->geo->look_only);
	put_text(o, "mode", mode_name(in->mode));
	put_number(o, "epoch", in->epoch);
	put_text(o, "durability", durability_name(in->geo->durability));
	put_number(o, "atomic_bytes", in->st.atomic_bytes);
	put_number(o, "size_bytes", in->geo->pool_pages << UMFS_PAGE_SHIFT);
	put_number(o, "backed_bytes", in->backed_bytes);
	put_number(o, "file_bytes", in->st.pages << UMFS_PAGE_SHIFT);
	put_number(o, "free_bytes", in->st.pages_free << UMFS_PAGE_SHIFT);
	put_number(o, "available_bytes", in->available_bytes);
	put_number(o, "inodes", in->st.inodes);
	put_number(o, "inodes_free", in->st.inodes_free);
	json_object_object_add(o, "geometry", geometry_json(in->geo));
	puts(json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

int info_main(int argc, char **argv)
{
	static struct pool pool;
	struct info in;
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "hV", longs, NULL)) != -1) {
		switch (c) {
		case OPT_JSON:
			json = true;
			break;
		default:
			return common_option(c, argv[0], usage);
		}
	}
	if (argc - optind != 1)
		fail("info wants one POOL; try 'umfs info --help'");
	look_open(&pool, argv[optind]);
	gather(&pool, &in);
	(json ? print_json : print_text)(argv[optind], &in);
	pool_close(&pool);
	return 0;
}
