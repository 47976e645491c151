/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * micro.c - the measured program of bench/run.
 *
 * One unmodified binary for all sides: started plainly it measures tmpfs, with
 * libumfs preloaded it measures UMFS, and after "map" it does bare copies. It
 * stays alive over the whole run so that bench/run can go round the sides many
 * times; it takes one command a line on stdin and answers each with one line:
 *
 *   fill PATH BYTES     make the file that the data calls use
 *   map PATH BYTES      the same for bare copies
 *   dir PATH [SERIAL]   where the name calls work; made when missing; names go on there
 *                       from number SERIAL (0)
 *   spread N            ... and those names into N directories below
 *   time OP BLOCK N     make N calls; answer "ok CPU_NS CLOCK_NS"
 *   spawn N PROGRAM ARG|- [LIB MOUNT]
 *                       start N processes; answer "ok CPU_NS"
 *   foreign CALL PAIRS  a call on a descriptor of the kernel's, in pairs with libc's own;
 *                       answer "ok PLAIN ADDED LOW HIGH", all ps for one call
 *   quit
 *
 * An answer is "ok ..." or "error TEXT". CPU time is the thread's.
 */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

typedef int (*op_fn)(struct bench *b, uint64_t n);

struct op {
	const char *name;
	op_fn side_fn; /* tmpfs and UMFS */
	op_fn raw_fn;  /* bare copies, or NULL */
	op_fn after;   /* tidies up, outside the time taken */
	bool random;
};

static int append_after(struct bench *b, uint64_t n)
{
	(void)n;
	return bench_append_reset(b);
}

/*
 * Names: create (or create_write) makes n files, stat, open and rename go over
 * those n, unlink takes them away (or keep leaves them) and moves on to fresh
 * names. bench/run keeps that order with one n.
 */
static const struct op ops[] = {
	{ "pread_random", bench_pread, raw_read, NULL, true },
	{ "pwrite_random", bench_pwrite, raw_write, NULL, true },
	{ "pread_seq", bench_pread, raw_read, NULL, false },
	{ "pwrite_seq", bench_pwrite, raw_write, NULL, false },
	{ "append", bench_append, NULL, append_after, false },
	{ "create", bench_create, NULL, NULL, false },
	{ "create_write", bench_create_write, NULL, NULL, false },
	{ "stat", bench_stat, NULL, NULL, false },
	{ "open", bench_open, raw_number, NULL, false },
	{ "rename", bench_rename, NULL, NULL, false },
	{ "unlink", bench_unlink, NULL, NULL, false },
	{ "keep", bench_keep, NULL, NULL, false },
	{ "lookup_random", bench_lookup_random, NULL, NULL, false },
	{ "lookup_made", bench_lookup_made, NULL, NULL, false },
	{ "lookup_few", bench_lookup_few, NULL, NULL, false },
	{ "hold", bench_hold, NULL, NULL, false },
	{ "touch_mapped", bench_touch_mapped, NULL, NULL, false },
};

struct took {
	uint64_t cpu_ns, clock_ns;
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int time_op(struct bench *b, const char *name, uint64_t block, uint64_t n, struct took *took)
{
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		const struct op *op = &ops[i];
		op_fn fn = b->raw ? op->raw_fn : op->side_fn;
		uint64_t cpu, clock;
		int err;

		if (strcmp(op->name, name) != 0)
			continue;
		if (!fn || !block || block > BENCH_BUF_BYTES)
			return EINVAL;
		b->block = block;
		b->at = (struct place){
			.state = op->random ? b->draw : 0,
			.blocks = b->file_bytes / block,
			.block = block,
			.random = op->random,
		};
		clock = now_ns(CLOCK_MONOTONIC);
		cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
		err = fn(b, n);
		took->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
		took->clock_ns = now_ns(CLOCK_MONOTONIC) - clock;
		if (op->random)
			b->draw = b->at.state;
		if (!err && op->after)
			err = op->after(b, n);
		return err;
	}
	return EINVAL;
}

static int set_dir(struct bench *b, const char *path, const char *serial)
{
	free(b->dir);
	b->dir = strdup(path);
	b->serial = serial ? strtoull(serial, NULL, 10) : 0;
	b->spread = 0;
	if (!b->dir)
		return ENOMEM;
	return mkdir(path, 0755) && errno != EEXIST ? errno : 0;
}

#define WORDS_MAX 5

static int run_foreign(const char *call, const char *pairs)
{
	struct foreign took;
	int err = foreign_run(call, strtoull(pairs, NULL, 10), &took);

	if (!err)
		printf("ok %lld %lld %lld %lld\n", (long long)took.plain_ps, (long long)took.added_ps,
		       (long long)took.low_ps, (long long)took.high_ps);
	return err;
}

/* *answered: it was printed what came out. */
static int run_command(struct bench *b, char *line, struct took *took, bool *answered)
{
	char *save = NULL, *word[WORDS_MAX] = { NULL };
	const char *verb = strtok_r(line, " \n", &save);

	if (!verb)
		return EINVAL;
	for (int i = 0; i < WORDS_MAX; i++)
		word[i] = strtok_r(NULL, " \n", &save);
	if (!strcmp(verb, "fill") && word[1])
		return bench_fill(b, word[0], strtoull(word[1], NULL, 10));
	if (!strcmp(verb, "map") && word[1])
		return raw_map(b, word[0], strtoull(word[1], NULL, 10));
	if (!strcmp(verb, "dir") && word[0])
		return set_dir(b, word[0], word[1]);
	if (!strcmp(verb, "spread") && word[0])
		return bench_spread(b, strtoull(word[0], NULL, 10));
	if (!strcmp(verb, "time") && word[2])
		return time_op(b, word[0], strtoull(word[1], NULL, 10),
			       strtoull(word[2], NULL, 10), took);
	if (!strcmp(verb, "spawn") && word[2])
		return spawn_run(strtoull(word[0], NULL, 10), word[1],
				 strcmp(word[2], "-") != 0 ? word[2] : NULL, word[3], word[4],
				 &took->cpu_ns);
	if (!strcmp(verb, "foreign") && word[1]) {
		int err = run_foreign(word[0], word[1]);

		*answered = !err;
		return err;
	}
	return EINVAL;
}

int main(void)
{
	struct bench b = { .fd = -1, .append_fd = -1, .draw = 88172645463325252u };
	char line[8192];

	b.buf = mmap(NULL, BENCH_BUF_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	if (b.buf == MAP_FAILED) {
		fputs("error no memory\n", stderr);
		return 1;
	}
	memset(b.buf, 0x5a, BENCH_BUF_BYTES);
	while (fgets(line, sizeof(line), stdin) && strcmp(line, "quit\n") != 0) {
		struct took took = { 0, 0 };
		bool answered = false;
		int err = run_command(&b, line, &took, &answered);

		if (err)
			printf("error %s\n", strerror(err));
		else if (!answered)
			printf("ok %llu %llu\n", (unsigned long long)took.cpu_ns,
			       (unsigned long long)took.clock_ns);
		fflush(stdout);
	}
	return 0;
}
