// SPDX-License-Identifier: BSD-3-Clause
/*
 * report.c - what libumfs did in this process (LIBUMFS_REPORT): the counting.
 * report_text.c writes it down at the end.
 *
 * Everything is in counters that only grow, so that threads and signal handlers need no
 * lock: a call's row is found by the address of its name, and time is the processor's
 * counter, which costs no system call; the clock says at the end how long a tick is.
 *
 *  R1  A row is taken once, by its name, and never given back.
 *  R2  Bytes over time lie in a fixed number of steps. When the run gets longer than
 *      they reach, two steps become one. Who adds at that moment may come into a
 *      neighbour's step; no byte is lost.
 */
#include "report_data.h"

struct report umfs_report;
int umfs_report_fd = -1;

static __thread const char *begun_by __attribute__((tls_model("initial-exec")));
static __thread uint64_t begun_at __attribute__((tls_model("initial-exec")));

static void add(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

void umfs_report_begin_slow(const char *who)
{
	begun_by = who;
	begun_at = __builtin_ia32_rdtsc();
}

static struct report_call *call_of(const char *who)
{
	uint32_t at = (uint32_t)((uintptr_t)who * 2654435761u >> 8);

	for (uint32_t i = 0; i < REPORT_CALLS; i++) {
		struct report_call *c = &umfs_report.calls[(at + i) % REPORT_CALLS];
		const char *none = NULL;

		if (LOAD_RELAXED(&c->name) == who ||
		    __atomic_compare_exchange_n(&c->name, &none, who, false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE) ||
		    none == who)
			return c;
	}
	return NULL;
}

/* Two steps become one, by one thread; see R2. */
static void widen(struct report *r, uint32_t width)
{
	if (!__atomic_compare_exchange_n(&r->width, &width, width + 1, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return;
	for (int class = 0; class < REPORT_OTHERS; class++) {
		uint64_t *steps = r->steps[class];

		for (int i = 0; i < REPORT_STEPS; i++) {
			uint64_t n = __atomic_exchange_n(&steps[i], 0, __ATOMIC_RELAXED);

			add(&steps[i / 2], n);
		}
	}
}

uint64_t umfs_report_step(uint64_t since)
{
	uint32_t width;

	while (since >> (width = LOAD_RELAXED(&umfs_report.width)) >= REPORT_STEPS)
		widen(&umfs_report, width);
	return since >> width;
}

static void add_bytes(struct report *r, uint64_t now, enum report_class class, uint64_t bytes)
{
	add(&r->steps[class][umfs_report_step(now - r->begun)], bytes);
	add(&r->bytes[class], bytes);
}

static uint64_t *count_of(struct report_call *c, enum report_kind kind)
{
	if (kind == REPORT_MATERIALISED)
		return &c->materialised;
	return kind == REPORT_SERVED ? &c->served : &c->passed;
}

void umfs_report_note(enum report_kind kind, const char *who, enum report_class class, long bytes)
{
	struct report *r = &umfs_report;
	uint64_t now = __builtin_ia32_rdtsc(), took;
	struct report_call *c;

	add(&r->counts[kind], 1);
	if (kind >= REPORT_UNSUPPORTED)
		return;
	c = call_of(who ? who : begun_by);
	if (c)
		add(count_of(c, kind), 1);
	if (kind == REPORT_MATERIALISED)
		return;
	if (class != REPORT_OTHERS && bytes > 0) {
		add_bytes(r, now, class, (uint64_t)bytes);
		if (c)
			add(&c->bytes, (uint64_t)bytes);
	}
	if (!begun_by || (who && who != begun_by))
		return;
	took = now - begun_at;
	begun_by = NULL;
	if (kind == REPORT_SERVED)
		add(&r->ticks[class][took ? 63 - __builtin_clzll(took) : 0], 1);
}

static void start(void)
{
	struct timespec now = {0};

	sys2(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	umfs_report.begun = __builtin_ia32_rdtsc();
	umfs_report.begun_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	umfs_report.width = REPORT_WIDTH_MIN;
}

/*
 * Programs close stderr before they are done: keep another way to it. A file is
 * opened now as well, so that who asked hears of it when that does not work.
 */
void umfs_report_init(void)
{
	long fd = 2;

	if (!umfs_config.report)
		return;
	start();
	if (umfs_config.report_path)
		fd = sys4(SYS_openat, AT_FDCWD, umfs_config.report_path,
			  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		umfs_text_say("LIBUMFS_REPORT=", umfs_config.report_path, ": ",
			      pool_strerror((int)fd));
	else
		umfs_report_fd = umfs_place_high((int)fd);
	if (fd > 2)
		sys1(SYS_close, fd);
}

/* A child counts its own. It has no other threads yet. */
void umfs_report_forked(void)
{
	if (!umfs_config.report)
		return;
	memset(&umfs_report, 0, sizeof(umfs_report));
	begun_by = NULL;
	start();
}
