// SPDX-License-Identifier: BSD-3-Clause
/*
 * worker.c - one of the processes of a round: random calls, each written down before it begins
 * and after it has ended.
 */
#include "linear.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "umfs_port.h"
#include "view.h"

#define WINDOW_BYTES (64 * KIB) /* of the log, in one read; more than a record */
#define APPENDS_MAX 100u	/* of one worker in one round */

struct worker {
	const struct round *round;
	uint32_t number;
	uint64_t random;
	struct pool *pool;
	struct linear_files files;
	struct umfs_view view; /* of the ranges' file, kept as libumfs keeps it */
	uint64_t tail;	       /* of the log: what was read so far */
	uint32_t appends;
	uint8_t *buf;
};

uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static uint32_t upto(struct worker *w, uint32_t n)
{
	return (uint32_t)(random_next(&w->random) % n);
}

/*
 * A time that is between what this process did before and what it does after: other processes
 * see this one's stores once its store buffer is empty, and only then could it tell them that it is done.
 */
uint64_t stamp(void)
{
	uint64_t now;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	now = now_ns();
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return now;
}

/* ---- what was done, on the board ---- */

static uint32_t next_index(const struct worker *w)
{
	return board->count[w->number];
}

static struct op *op_begin(struct worker *w, uint32_t thing, enum history_kind kind, uint64_t number)
{
	uint32_t index = next_index(w);
	struct op *op = &board->ops[w->number][index];

	*op = (struct op){.end = HISTORY_NEVER, .number = number, .thing = thing, .kind = kind};
	op->start = stamp();
	__atomic_store_n(&board->count[w->number], index + 1, __ATOMIC_SEQ_CST);
	return op;
}

/* A read is written down when it is known what it saw. */
static struct op *op_saw(struct worker *w, uint32_t thing, uint64_t start, uint64_t end,
			 uint64_t number)
{
	struct op *op = op_begin(w, thing, HISTORY_READ, number);

	op->start = start;
	op->end = end;
	return op;
}

/* A wrong build need not get this far: what it does to itself on the way counts as seen, too. */
static void wants(int64_t ret, uint64_t n, const char *call)
{
	if (ret != (int64_t)n)
		found("%s of %llu bytes: %lld", call, (unsigned long long)n, (long long)ret);
}

/* ---- ranges ---- */

static void write_whole(struct worker *w, struct umfs_file *file, uint64_t off, uint64_t n,
			uint32_t thing)
{
	uint64_t number = number_of(w->round, w->number, next_index(w)), cut = upto(w, (uint32_t)n);
	struct umfs_iov iov[2] = {{w->buf, cut}, {w->buf + cut, n - cut}};
	struct op *op;
	int64_t ret;

	number_fill(w->buf, n, number);
	op = op_begin(w, thing, HISTORY_WRITE, number);
	ret = upto(w, 4) ? umfs_pwrite(file, w->buf, n, off) : umfs_pwritev(file, iov, 2, &off, false);
	op->end = stamp();
	wants(ret, n, "pwrite");
}

/* As libumfs does it. */
static int64_t read_by_view(struct worker *w, uint64_t n, uint64_t off)
{
	int64_t ret = w->view.seq ? umfs_view_pread(&w->files.ranges, &w->view, w->buf, n, off) : -EAGAIN;

	if (ret != -EAGAIN)
		return ret;
	ret = umfs_pread(&w->files.ranges, w->buf, n, off);
	umfs_view_take(&w->files.ranges, &w->view);
	return ret;
}

/* Some of them in one call: each is seen whole; that all are of one moment nobody promised. */
static void read_ranges(struct worker *w, uint32_t first, uint32_t last)
{
	uint64_t off = ranges[first].off, n = ranges[last].off + ranges[last].bytes - off;
	uint64_t start = stamp(), end, number;
	int64_t ret = upto(w, 2) ? read_by_view(w, n, off)
				 : umfs_pread(&w->files.ranges, w->buf, n, off);

	end = stamp();
	wants(ret, n, "pread");
	for (; first <= last && !board->found; first++)
		if (number_read(w->round, w->buf + (ranges[first].off - off), ranges[first].bytes,
				ranges[first].name, &number))
			op_saw(w, first, start, end, number);
}

static void do_range(struct worker *w, uint32_t thing)
{
	const struct range *r = &ranges[thing];

	if (upto(w, 2))
		write_whole(w, &w->files.ranges, r->off, r->bytes, thing);
	else if (thing < 2 || thing > 5 || upto(w, 4))
		read_ranges(w, thing, thing);
	else
		read_ranges(w, 2, 5);
}

/* ---- a size ---- */

/* No two of a round are the same. */
static uint64_t new_size(const struct worker *w)
{
	uint64_t k = (uint64_t)next_index(w) * WORKERS_MAX + w->number;

	return SIZE_BASE + k * 7919 % SIZE_PRIME;
}

static void do_truncate(struct worker *w)
{
	uint64_t size = new_size(w);
	struct op *op = op_begin(w, SIZE, HISTORY_WRITE, size);
	int err = umfs_truncate(&w->pool->fs, umfs_file_node(&w->files.size), size);

	op->end = stamp();
	wants(err, 0, "truncate");
}

static void read_size(struct worker *w)
{
	static const uint8_t zeros[SIZE_MAX_BYTES];
	uint64_t start = stamp(), end, number;
	int64_t ret = umfs_pread(&w->files.size, w->buf, SIZE_MAX_BYTES, 0);

	end = stamp();
	if (ret < SIZE_FIRST) {
		wants(ret, SIZE_FIRST, "pread of what has at least these bytes");
		return;
	}
	if (memcmp(w->buf + HEAD_BYTES, zeros, (uint64_t)ret - HEAD_BYTES))
		found("the size: bytes that nobody wrote");
	if (number_read(w->round, w->buf, HEAD_BYTES, "the size's head", &number))
		op_saw(w, HEAD, start, end, number);
	op_saw(w, SIZE, start, end, (uint64_t)ret);
}

/* ---- a log ---- */

static void do_append(struct worker *w)
{
	static const uint32_t lengths[] = {64, 1000, 4096, 8192, RECORD_BYTES_MAX};
	uint64_t number = number_of(w->round, w->number, next_index(w)), off = 0;
	struct umfs_iov iov = {w->buf, lengths[upto(w, UMFS_ARRAY_LEN(lengths))]};
	struct op *op;
	int64_t ret;

	w->appends++;
	record_fill(w->buf, iov.len, number);
	op = op_begin(w, LOG, HISTORY_WRITE, number);
	ret = umfs_pwritev(&w->files.log, &iov, 1, &off, true);
	op->off = off;
	op->end = stamp();
	wants(ret, iov.len, "append");
}

static void read_log(struct worker *w)
{
	uint64_t start = stamp(), end, number, at = 0;
	int64_t got = umfs_pread(&w->files.log, w->buf, WINDOW_BYTES, w->tail), n = 1;

	end = stamp();
	if (got < 0)
		wants(got, 0, "pread of the log");
	while (got > 0 && n > 0 && at < (uint64_t)got) {
		n = record_read(w->round, w->buf + at, (uint64_t)got - at, &number);
		if (n > 0)
			at += (uint64_t)n;
	}
	w->tail += at;
	if (got >= 0 && got < (int64_t)WINDOW_BYTES && n >= 0) { /* up to the end; judged with the others */
		struct op *op = op_saw(w, LOG, start, end, 0);

		op->off = w->tail - at + (uint64_t)got;
	}
}

/* ---- all of it ---- */

static uint32_t draw(struct worker *w)
{
	uint32_t dice = upto(w, 80), i;

	for (i = 0; i < RANGES; i++) {
		if (dice < ranges[i].weight)
			return i;
		dice -= ranges[i].weight;
	}
	return dice < 8 ? HEAD : dice < 18 ? SIZE : LOG;
}

static void step(struct worker *w)
{
	uint32_t thing = draw(w);

	if (thing < RANGES)
		do_range(w, thing);
	else if (thing == HEAD)
		write_whole(w, &w->files.size, 0, HEAD_BYTES, HEAD);
	else if (thing == SIZE)
		upto(w, 3) ? read_size(w) : do_truncate(w);
	else if (!upto(w, 3) && w->appends < APPENDS_MAX)
		do_append(w);
	else
		read_log(w);
}

static void wait_for_all(const struct round *r)
{
	uint64_t late = now_ns() + 30000000000ull;

	__atomic_fetch_add(&board->ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&board->ready, __ATOMIC_SEQ_CST) < r->workers) {
		sched_yield();
		if (now_ns() > late)
			die("the other workers did not come");
	}
}

_Noreturn void worker_run(const struct round *r, uint32_t worker, uint64_t random)
{
	struct worker w = {.round = r, .number = worker, .random = random};

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever ends the test */
	w.buf = malloc(RANGE_BYTES_MAX);
	if (!w.buf)
		die("out of memory");
	w.pool = real_attach(r->path, r->mode);
	files_open(&w.pool->fs, &w.files);
	wait_for_all(r);
	while (next_index(&w) + 8 < r->ops && !__atomic_load_n(&board->found, __ATOMIC_RELAXED))
		step(&w);
	files_close(&w.files);
	pool_close(w.pool);
	_exit(0);
}
