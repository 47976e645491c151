// SPDX-License-Identifier: BSD-3-Clause
/*
 * damage.c - one field of one structure of the pool changed, with the checksum that fits if
 * the record says so. Structures are found as the pool was made, so that no change hides
 * the next one's place.
 */
#include "field.h"
#include "fuzz.h"
#include "sim_internal.h"

struct object {
	const char *type; /* NULL: 512 words */
	uint8_t *at;
	uint64_t bytes;
	uint32_t ino;
};

static const struct {
	const char *type;
	uint32_t bytes;
} kinds[OBJECT_KINDS] = {
	[OBJECT_SUPER] = {"umfs_super_pm", sizeof(struct umfs_super_pm)},
	[OBJECT_BACKUP] = {"umfs_super_pm", sizeof(struct umfs_super_pm)},
	[OBJECT_RUNTIME] = {"umfs_runtime_pm", sizeof(struct umfs_runtime_pm)},
	[OBJECT_SLOT] = {"umfs_slot_pm", sizeof(struct umfs_slot_pm)},
	[OBJECT_GROUP] = {"umfs_group_pm", sizeof(struct umfs_group_pm)},
	[OBJECT_INODE] = {"umfs_inode_pm", sizeof(struct umfs_inode_pm)},
	[OBJECT_LEAF] = {"umfs_dleaf_pm", sizeof(struct umfs_dleaf_pm)},
	[OBJECT_DENTRY] = {"umfs_dentry_pm", sizeof(struct umfs_dentry_pm)},
	[OBJECT_XATTR] = {"umfs_xattr_pm", sizeof(struct umfs_xattr_pm)},
	[OBJECT_XENTRY] = {"umfs_xentry_pm", sizeof(struct umfs_xentry_pm)},
	[OBJECT_LANE] = {"umfs_lane_pm", sizeof(struct umfs_lane_pm)},
	[OBJECT_REC] = {"umfs_rec_pm", sizeof(struct umfs_rec_pm)},
	[OBJECT_ULOG] = {"umfs_ulog_pm", sizeof(struct umfs_ulog_pm)},
	[OBJECT_RESERVE] = {"umfs_ulog_pm", sizeof(struct umfs_ulog_pm)},
	[OBJECT_IREC] = {"umfs_irec_pm", sizeof(struct umfs_irec_pm)},
	[OBJECT_OFD] = {"umfs_ofd_pm", sizeof(struct umfs_ofd_pm)},
	[OBJECT_TABLE] = {NULL, UMFS_PAGE_BYTES},
	[OBJECT_BITMAP] = {NULL, UMFS_PAGE_BYTES},
	[OBJECT_PAGE] = {NULL, UMFS_PAGE_BYTES},
};

static uint8_t *page_at(uint64_t page)
{
	return image_sim()->mem + (page << UMFS_PAGE_SHIFT);
}

static uint64_t pick(const uint32_t *list, uint32_t count, uint32_t n)
{
	return count ? list[n % count] : 0;
}

/* The n-th dentry of all leaves, or of the last one's cells anything at all. */
static uint8_t *dentry_at(uint32_t n)
{
	uint8_t *leaf = page_at(pick(survey.leaves, survey.leaf_count, n));
	const struct umfs_dleaf_pm *head = (const void *)leaf;
	uint32_t skip = n / UMFS_MAX(survey.leaf_count, 1u) % 64, cell;

	for (cell = UMFS_DLEAF_HEAD_CELLS; cell < UMFS_DLEAF_CELLS; cell++)
		if ((ld64(&head->start[cell / 64]) >> cell % 64 & 1) && !skip--)
			return leaf + cell * 16;
	return leaf + UMFS_DLEAF_HEAD_CELLS * 16;
}

static uint8_t *lane_at(uint32_t n)
{
	return page_at(image_geo.lanes_page + (uint64_t)(n % 16) * UMFS_LANE_PAGES);
}

/* The n-th record that follows a lane's head. */
static uint8_t *rec_at(uint32_t n)
{
	struct umfs_lane_pm *lane = (void *)lane_at(n / 8);
	uint32_t at = 0, skip = n % 8;

	while (skip--) {
		const struct umfs_rec_pm *rec = (const void *)(lane->records + at);
		uint32_t next = at + (uint32_t)sizeof(*rec) + ((ld16(&rec->len) + 7u) & ~7u);

		if (next + sizeof(*rec) > sizeof(lane->records))
			break;
		at = next;
	}
	return (uint8_t *)lane->records + at;
}

static uint8_t *in_array(uint32_t page, uint32_t n, uint32_t bytes, uint32_t count)
{
	return page_at(page) + (uint64_t)(n % UMFS_MIN(count, 64u)) * bytes;
}

/* What takes pages of no fixed place. */
static uint8_t *found(enum object_kind kind, uint32_t n)
{
	switch (kind) {
	case OBJECT_LEAF:
		return page_at(pick(survey.leaves, survey.leaf_count, n));
	case OBJECT_DENTRY:
		return dentry_at(n);
	case OBJECT_XATTR:
		return page_at(pick(survey.xattrs, survey.xattr_count, n));
	case OBJECT_XENTRY:
		return page_at(pick(survey.xattrs, survey.xattr_count, n)) +
		       sizeof(struct umfs_xattr_pm);
	case OBJECT_TABLE:
		return page_at(pick(survey.tables, survey.table_count, n));
	case OBJECT_BITMAP:
		return page_at(image_geo.groups_page + n % 2);
	default:
		return page_at(pick(survey.used, survey.used_count, n));
	}
}

static uint8_t *place(enum object_kind kind, uint32_t n)
{
	switch (kind) {
	case OBJECT_SUPER:
		return page_at(UMFS_SB_PAGE);
	case OBJECT_BACKUP:
		return page_at(UMFS_SB_BACKUP_PAGE);
	case OBJECT_RUNTIME:
		return page_at(UMFS_RUNTIME_PAGE);
	case OBJECT_SLOT:
		return in_array(UMFS_SLOTS_PAGE, n, sizeof(struct umfs_slot_pm),
				image_geo.slot_count);
	case OBJECT_GROUP:
		return page_at(image_geo.gtable_page);
	case OBJECT_INODE:
		return in_array(image_geo.groups_page + UMFS_GROUP_HEAD_PAGES, n % IMAGE_INODES,
				UMFS_INODE_BYTES, IMAGE_INODES);
	case OBJECT_LANE:
		return lane_at(n);
	case OBJECT_REC:
		return rec_at(n);
	case OBJECT_ULOG:
		return lane_at(n) + 2 * UMFS_PAGE_BYTES;
	case OBJECT_RESERVE:
		return page_at(image_geo.reserves_page);
	case OBJECT_IREC:
		return in_array(image_geo.irecs_page, n, sizeof(struct umfs_irec_pm),
				image_geo.irec_count);
	case OBJECT_OFD:
		return in_array(image_geo.ofds_page, n, sizeof(struct umfs_ofd_pm),
				image_geo.ofd_count);
	default:
		return found(kind, n);
	}
}

static struct object find(enum object_kind kind, uint32_t n)
{
	return (struct object){.type = kinds[kind].type,
			       .at = place(kind, n),
			       .bytes = kinds[kind].bytes,
			       .ino = n % IMAGE_INODES};
}

static const struct field *field_of(const char *type, uint32_t n)
{
	uint32_t first = 0, count = 0;

	while (strcmp(fields[first].type, type))
		first++;
	while (first + count < field_count && !strcmp(fields[first + count].type, type))
		count++;
	return &fields[first + n % count];
}

/* Which bytes of the object are meant. */
static uint8_t *part(const struct object *o, uint16_t field, size_t *bytes)
{
	const struct field *f;

	*bytes = 8;
	if (!o->type)
		return o->at + field % (o->bytes / 8) * 8;
	f = field_of(o->type, field & 0xff);
	*bytes = f->each;
	return o->at + f->off + (field >> 8) % (f->size / f->each) * f->each;
}

static void store(uint8_t *at, const void *from, uint64_t n)
{
	struct sim *sim = image_sim();

	memmove(at, from, n);
	sim_note_view(sim, (uint64_t)(at - sim->mem), n);
}

static void change(uint8_t *at, size_t n, unsigned int how, uint64_t value)
{
	uint64_t word = 0;

	n = UMFS_MIN(n, sizeof(word));
	memcpy(&word, at, n);
	word = how == CHANGE_XOR ? word ^ value : how == CHANGE_ADD ? word + value : value;
	store(at, &word, n);
}

void damage(const struct record *r)
{
	enum object_kind kind = (enum object_kind)(r->what % OBJECT_KINDS);
	struct object o = find(kind, r->index);
	const struct sim *sim = image_sim();
	size_t bytes;
	uint8_t *at = part(&o, r->field, &bytes);

	if ((r->how & CHANGE_HOW) == CHANGE_COPY)
		store(o.at, find(kind, (uint32_t)r->value).at, o.bytes);
	else
		change(at, bytes, r->how & CHANGE_HOW, r->value);
	if (r->how & CHANGE_SEAL && o.type)
		(void)field_seal(o.type, o.at, o.ino, (uint64_t)(sim->mem + sim->bytes - o.at));
}
