// SPDX-License-Identifier: BSD-3-Clause
/* judge.c - what the workers of a round wrote down, as histories. */
#include "linear.h"

#include <stdlib.h>

#define ALL_OPS (WORKERS_MAX * OPS_MAX)

static const char *thing_name(uint32_t thing)
{
	return thing < RANGES ? ranges[thing].name : thing == HEAD ? "the size's head" : "the size";
}

/* ---- registers ---- */

static size_t gather(uint32_t thing, struct history_event *events)
{
	uint32_t worker, i;
	size_t n = 0;

	for (worker = 0; worker < WORKERS_MAX; worker++) {
		for (i = 0; i < board->count[worker]; i++) {
			const struct op *op = &board->ops[worker][i];

			if (op->thing == thing && (op->kind == HISTORY_WRITE || op->end != HISTORY_NEVER))
				events[n++] = (struct history_event){op->start, op->end, op->number,
								     worker, op->kind};
		}
	}
	return n;
}

/* What is there in the end, once no worker is left. */
static bool last_read(const struct round *r, struct linear_files *files, uint32_t thing,
		      struct history_event *e)
{
	uint64_t n = thing < RANGES ? ranges[thing].bytes : HEAD_BYTES;
	uint64_t off = thing < RANGES ? ranges[thing].off : 0;
	struct umfs_file *file = thing < RANGES ? &files->ranges : &files->size;
	static uint8_t buf[RANGE_BYTES_MAX];

	*e = (struct history_event){.start = stamp(), .worker = WORKERS_MAX, .kind = HISTORY_READ};
	if (thing == SIZE)
		e->number = (uint64_t)need(umfs_pread(file, buf, sizeof(buf), 0));
	else if (umfs_pread(file, buf, n, off) != (int64_t)n)
		die("%s: short in the end", thing_name(thing));
	e->end = stamp();
	return thing == SIZE || number_read(r, buf, n, thing_name(thing), &e->number);
}

static bool judge_register(const struct round *r, struct linear_files *files, uint32_t thing,
			   struct history_event *events)
{
	size_t n = gather(thing, events);
	char why[WHY];

	if (!last_read(r, files, thing, &events[n]))
		return false;
	if (!history_register(events, n + 1, thing == SIZE ? SIZE_FIRST : number_initial(r), why))
		return true;
	found("%s: %s", thing_name(thing), why);
	return false;
}

/* ---- the log ---- */

/* The append that wrote this record; NULL, and it is said, when there is none, or it was there before. */
static const struct op *appended(const struct round *r, uint64_t number, uint64_t at, bool *seen)
{
	uint32_t worker = (uint32_t)(number >> 40 & 15) - 1, index = (uint32_t)number - 1;
	const struct op *op = NULL;

	if (worker < WORKERS_MAX && index < board->count[worker] &&
	    number == number_of(r, worker, index))
		op = &board->ops[worker][index];
	if (!op || op->thing != LOG || op->kind != HISTORY_WRITE) {
		found("the log: %llx, which nobody appended", (unsigned long long)number);
		return NULL;
	}
	if (seen[worker * OPS_MAX + index] || (op->end != HISTORY_NEVER && op->off != at)) {
		found("the log: %llx at %llu, and it went to %llu", (unsigned long long)number,
		      (unsigned long long)at, (unsigned long long)op->off);
		return NULL;
	}
	seen[worker * OPS_MAX + index] = true;
	return op;
}

static bool log_records(const struct round *r, const uint8_t *log, uint64_t bytes,
			struct history_record *records, size_t *count, bool *seen)
{
	uint64_t at = 0, number;

	for (*count = 0; at < bytes; ++*count) {
		int64_t n = record_read(r, log + at, bytes - at, &number);
		const struct op *op = n > 0 ? appended(r, number, at, seen) : NULL;

		if (!op) {
			found("the log ends inside of a record, at %llu", (unsigned long long)at);
			return false;
		}
		at += (uint64_t)n;
		records[*count] = (struct history_record){op->start, op->end, at};
	}
	return true;
}

static size_t log_looks(struct history_look *looks, const bool *seen)
{
	uint32_t worker, i;
	size_t n = 0;

	for (worker = 0; worker < WORKERS_MAX; worker++) {
		for (i = 0; i < board->count[worker]; i++) {
			const struct op *op = &board->ops[worker][i];

			if (op->thing != LOG || op->end == HISTORY_NEVER)
				continue;
			if (op->kind == HISTORY_READ)
				looks[n++] = (struct history_look){op->start, op->end, op->off};
			else if (!seen[worker * OPS_MAX + i])
				found("the log: %llx is not there",
				      (unsigned long long)op->number);
		}
	}
	return n;
}

static bool judge_log(const struct round *r, struct linear_files *files)
{
	struct umfs_attr attr;
	bool *seen = calloc(ALL_OPS, sizeof(*seen));
	struct history_record *records = calloc(ALL_OPS, sizeof(*records));
	struct history_look *looks = calloc(ALL_OPS, sizeof(*looks));
	uint8_t *log;
	char why[WHY];
	size_t count = 0;

	need(umfs_getattr(files->log.fs, umfs_file_node(&files->log), &attr));
	log = malloc(attr.size + 1);
	if (!seen || !records || !looks || !log)
		die("out of memory");
	if (umfs_pread(&files->log, log, attr.size, 0) != (int64_t)attr.size)
		die("the log is short");
	if (log_records(r, log, attr.size, records, &count, seen) &&
	    history_log(records, count, looks, log_looks(looks, seen), why))
		found("the log: %s", why);
	free(log);
	free(looks);
	free(records);
	free(seen);
	return !board->found;
}

bool judge(const struct round *r)
{
	struct history_event *events = calloc(ALL_OPS + 1, sizeof(*events));
	struct pool *pool = real_attach(r->path, r->mode);
	struct linear_files files;
	uint32_t thing;
	bool good = true;

	if (!events)
		die("out of memory");
	files_open(&pool->fs, &files);
	for (thing = 0; good && thing < LOG; thing++)
		good = judge_register(r, &files, thing, events);
	good = good && judge_log(r, &files);
	files_close(&files);
	pool_close(pool);
	free(pool);
	free(events);
	return good;
}
