/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz.h - one input of a fuzz target: which pool, what is damaged in it, what is called.
 *
 *   head     4 bytes: 16 bits that choose an op of tests/crash, how far it came, flags
 *   records  16 bytes each: a change of a field, or a call of core's
 *
 * What is missing at an input's end counts as zeros. A change that comes before the first
 * call is there when the pool is attached; a later one is what a hostile neighbour does, at
 * once or while the next calls are under way. Nothing in an input is a pool's bytes: the
 * pools are made by core, from the inputs' heads, so that inputs outlive changes of the
 * format; calls and objects keep their numbers, and new ones come last.
 */
#ifndef UMFS_TESTS_FUZZ_H
#define UMFS_TESTS_FUZZ_H

#include <setjmp.h>

#include "sim.h"

/* ---- the input ---- */

#define HEAD_BYTES 4u
#define RECORD_BYTES 16u
#define RECORDS_MAX 64u
#define INPUT_MAX (HEAD_BYTES + RECORDS_MAX * RECORD_BYTES)

struct head {
	uint16_t op;	/* see image_load() */
	uint8_t point;	/* of 256 */
	uint8_t flags;	/* HEAD_* */
};
#define HEAD_MODE 3u /* of the attachment */
#define HEAD_KIND 12u
#define HEAD_DEAD 4u /* the op's process died at `point` */
#define HEAD_POWER 8u /* the power went while it ran */

struct record {
	uint8_t what;  /* an object, or RECORD_CALL and a call */
	uint8_t how;   /* object: CHANGE_*; call: a name */
	uint16_t index; /* which one of the kind; call: another name, a handle */
	uint16_t field; /* low byte the field, high byte the element of an array */
	uint16_t more;
	uint64_t value;
};
#define RECORD_CALL 0x80u
#define CHANGE_HOW 3u
enum { CHANGE_SET, CHANGE_XOR, CHANGE_ADD, CHANGE_COPY }; /* COPY: all of it, from number `value` */
#define CHANGE_SEAL 4u	/* with the checksum that fits */
#define CHANGE_LATER 8u /* after so many more stores as `more` says */

struct input {
	struct head head;
	struct record records[RECORDS_MAX];
	uint32_t count;
	uint32_t random; /* of all its bytes */
};
void input_parse(struct input *in, const uint8_t *data, size_t n);
size_t input_write(const struct input *in, uint8_t *data, size_t room);

/* ---- image.c: the pools ---- */

/* The one pool, whose memory no access can leave unseen. Made at the first call. */
struct sim *image_sim(void);
/* Make it the pool that the head names, nobody attached. */
void image_load(const struct head *head);
/*
 * The same; and who attaches to it moves incarnations by what no input can know: one that says
 * which they had been before the pool was cut short would else make a lock of theirs its own.
 */
void image_load_for(const struct input *in);

/* What there is in it now, found by a look of its own. */
#define SURVEY_MAX 96u
struct survey {
	uint32_t leaves[SURVEY_MAX], leaf_count; /* pages */
	uint32_t xattrs[SURVEY_MAX], xattr_count;
	uint32_t tables[SURVEY_MAX], table_count; /* page tables and directory nodes */
	uint32_t used[SURVEY_MAX * 4], used_count; /* all pages with anything in them */
};
extern struct survey survey;
extern struct umfs_geometry image_geo; /* of the pool as it was made */
#define IMAGE_INODES 40u /* those that have a number below this are all there are at first */

/* ---- damage.c ---- */

enum object_kind {
	OBJECT_SUPER, OBJECT_BACKUP, OBJECT_RUNTIME, OBJECT_SLOT, OBJECT_GROUP, OBJECT_INODE,
	OBJECT_LEAF, OBJECT_DENTRY, OBJECT_XATTR, OBJECT_XENTRY, OBJECT_LANE, OBJECT_REC,
	OBJECT_ULOG, OBJECT_RESERVE, OBJECT_IREC, OBJECT_OFD, OBJECT_TABLE, OBJECT_BITMAP,
	OBJECT_PAGE, OBJECT_KINDS
};
void damage(const struct record *r);

/* ---- random.c ---- */

/* Numbers that a field may have: of pages, entries, inodes, sizes, states; and the edges. */
uint64_t random_value(uint64_t *state);
/* A change of any field of anything. */
void random_damage(struct record *r, uint64_t *state);
/* That, or a call. */
void random_record(struct record *r, uint64_t *state);
/* An input of some of those, of any pool; its length. */
size_t random_input(uint8_t *data, size_t room, uint64_t *state);

/* ---- calls.c ---- */

enum { CALL_COUNT = 48 };
/* By one process or two; `other` may be NULL. */
void calls_begin(struct umfs *fs, struct umfs *other);
/* One call, of the process that the record names. */
void calls_run(const struct record *r);
/* Look at every inode by all calls that change nothing. */
void calls_look(struct umfs *fs);
void calls_end(void);

/* ---- session.c: attach, the calls, detach ---- */

/*
 * Damage the pool that the input names, attach it twice, use it, leave it, and attach what is
 * left. `use`: instead of the calls of the input. The input is used up.
 */
void session_run(struct input *in, void (*use)(const struct input *in));

/* ---- target_*.c: what is done with an input; it returns unless it found something ---- */

void fuzz_one(const uint8_t *data, size_t n);

#endif
