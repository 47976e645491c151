// SPDX-License-Identifier: BSD-3-Clause
/*
 * report_text.c - the exit report, as text or as one line of JSON (LIBUMFS_REPORT_FORM).
 *
 * It is put together in memory that nothing else uses and written at once, so that
 * those of several processes do not mix.
 */
#include "report_data.h"

#define REPORT_BYTES 32768
#define ROWS 16	   /* of the chart of bytes over time, at most */
#define BAR_LENGTH 40u

static char page[REPORT_BYTES];
static char prefix[32]; /* of each line */

static const char *const labels[REPORT_KINDS] = {
	[REPORT_SERVED] = "calls served",
	[REPORT_PASSED] = "path calls passed on",
	[REPORT_MATERIALISED] = "descriptors materialised",
	[REPORT_NO_LOCK] = "file lock",
	[REPORT_NO_MMAP] = "mmap",
	[REPORT_NO_EXEC] = "exec",
	[REPORT_NO_SPECIAL] = "opening a FIFO, socket or device, binding a socket",
	[REPORT_NO_FALLOCATE] = "fallocate",
	[REPORT_NO_COPY] = "clone",
	[REPORT_NO_RING] = "io_uring",
	[REPORT_NO_STDIO] = "stdio stream",
	[REPORT_NO_PASS] = "descriptor in a message",
	[REPORT_NO_WATCH] = "inotify watch",
	[REPORT_NO_MODULE] = "in a pool of the kernel module",
	[REPORT_NO_OTHER] = "other",
};
static const char *const classes[REPORT_CLASSES] = {"reads", "writes", "other calls"};
static const char *const class_keys[REPORT_CLASSES] = {"reads", "writes", "others"};

/* What turns ticks into time. */
struct scale {
	uint64_t ticks, ns; /* of the whole run */
};

static uint64_t to_ns(const struct scale *s, uint64_t ticks)
{
	return (uint64_t)((__uint128_t)ticks * s->ns / s->ticks);
}

static struct scale scale_now(void)
{
	struct timespec now = {0};
	struct scale s;

	sys2(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	s.ticks = __builtin_ia32_rdtsc() - umfs_report.begun;
	s.ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - umfs_report.begun_ns;
	s.ticks = UMFS_MAX(s.ticks, 1u);
	s.ns = UMFS_MAX(s.ns, 1u);
	umfs_report_step(s.ticks);
	return s;
}

static void dec(struct text *t, const char *before, uint64_t v, const char *after)
{
	umfs_text_add(t, before);
	umfs_text_dec(t, v);
	umfs_text_add(t, after);
}

/* v in units of `one`. */
static void fraction(struct text *t, uint64_t v, uint64_t one, unsigned digits)
{
	umfs_text_dec(t, v / one);
	umfs_text_add(t, ".");
	for (v %= one; digits; digits--) {
		v *= 10;
		umfs_text_dec(t, v / one);
		v %= one;
	}
}

static void bytes_text(struct text *t, uint64_t v)
{
	static const char *const units[] = {" KiB", " MiB", " GiB", " TiB"};
	int unit = -1;
	uint64_t one = 1;

	while (v / one >= 1024 && unit < 3) {
		one *= 1024;
		unit++;
	}
	if (unit < 0)
		umfs_text_dec(t, v);
	else
		fraction(t, v, one, 1);
	umfs_text_add(t, unit < 0 ? " B" : units[unit]);
}

static void time_text(struct text *t, uint64_t ns)
{
	if (ns < 10000)
		dec(t, "", ns, " ns");
	else if (ns < 10000000)
		dec(t, "", ns / 1000, " us");
	else
		dec(t, "", ns / 1000000, " ms");
}

/* umfs_hook_pread_ours is called pread. */
static void call_name(struct text *t, const char *name)
{
	static const char *const ends[] = {"_ours", "_with", "_pool", NULL};
	char buf[64];
	size_t n;

	if (!strncmp(name, "umfs_", 5))
		name += 5;
	if (!strncmp(name, "hook_", 5))
		name += 5;
	n = UMFS_MIN(strlen(name), sizeof(buf) - 1);
	for (int i = 0; ends[i]; i++) {
		size_t len = strlen(ends[i]);

		if (n > len && !strncmp(name + n - len, ends[i], len)) {
			n -= len;
			break;
		}
	}
	memcpy(buf, name, n);
	buf[n] = '\0';
	umfs_text_add(t, buf);
}

static void bar(struct text *t, uint64_t part, uint64_t whole, const char *mark)
{
	uint64_t n = whole ? (uint64_t)((__uint128_t)part * BAR_LENGTH / whole) : 0;

	if (part && !n)
		n = 1;
	while (n--)
		umfs_text_add(t, mark);
}

/* ---- as text ---- */

static void line(struct text *t)
{
	umfs_text_add(t, prefix);
}

/* Counts of zero are left out, but for the first two. */
static void counts_text(struct text *t)
{
	for (int i = 0; i < REPORT_KINDS; i++) {
		uint64_t n = LOAD_RELAXED(&umfs_report.counts[i]);

		if (!n && i > REPORT_PASSED)
			continue;
		line(t);
		umfs_text_add(t, i >= REPORT_UNSUPPORTED ? "unsupported: " : "");
		umfs_text_add(t, labels[i]);
		dec(t, ": ", n, "\n");
	}
}

static void calls_text(struct text *t)
{
	for (uint32_t i = 0; i < REPORT_CALLS; i++) {
		const struct report_call *c = &umfs_report.calls[i];

		if (!c->name)
			continue;
		line(t);
		umfs_text_add(t, "  ");
		call_name(t, c->name);
		if (c->served)
			dec(t, ": served ", c->served, "");
		if (c->passed)
			dec(t, c->served ? ", passed on " : ": passed on ", c->passed, "");
		if (c->materialised)
			dec(t, c->served || c->passed ? ", materialised " : ": materialised ",
			    c->materialised, "");
		if (c->bytes) {
			umfs_text_add(t, ", ");
			bytes_text(t, c->bytes);
		}
		umfs_text_add(t, "\n");
	}
}

static void latency_text(struct text *t, const struct scale *s, enum report_class class)
{
	const uint64_t *ticks = umfs_report.ticks[class];
	uint64_t sum = 0, most = 0;

	for (int i = 0; i < 64; i++) {
		sum += ticks[i];
		most = UMFS_MAX(most, ticks[i]);
	}
	if (!sum)
		return;
	line(t);
	umfs_text_add(t, "time of ");
	umfs_text_add(t, classes[class]);
	umfs_text_add(t, " served, from\n");
	for (int i = 0; i < 64; i++) {
		if (!ticks[i])
			continue;
		line(t);
		umfs_text_add(t, "  ");
		time_text(t, to_ns(s, 1ull << i));
		dec(t, ": ", ticks[i], " ");
		bar(t, ticks[i], most, "#");
		umfs_text_add(t, "\n");
	}
}

/* How many steps have begun, and how many of them make a row. */
static int steps_used(const struct scale *s)
{
	return (int)umfs_report_step(s->ticks) + 1;
}

static uint64_t row_bytes(enum report_class class, int row, int per_row)
{
	uint64_t sum = 0;

	for (int i = row * per_row; i < (row + 1) * per_row && i < REPORT_STEPS; i++)
		sum += LOAD_RELAXED(&umfs_report.steps[class][i]);
	return sum;
}

static void rate_text(struct text *t, uint64_t bytes, uint64_t ns, const char *what)
{
	bytes_text(t, (uint64_t)((__uint128_t)bytes * 1000000000u / UMFS_MAX(ns, 1u)));
	umfs_text_add(t, what);
}

static void row_text(struct text *t, const struct scale *s, int row, int per_row, uint64_t most)
{
	uint64_t read = row_bytes(REPORT_READS, row, per_row);
	uint64_t written = row_bytes(REPORT_WRITES, row, per_row);
	uint64_t begin = to_ns(s, ((uint64_t)row * (uint64_t)per_row) << umfs_report.width);
	uint64_t end = to_ns(s, ((uint64_t)(row + 1) * (uint64_t)per_row) << umfs_report.width);

	end = UMFS_MIN(end, s->ns);
	line(t);
	umfs_text_add(t, "  ");
	fraction(t, begin, 1000000000u, 3);
	umfs_text_add(t, " s: ");
	rate_text(t, read, end - begin, "/s read, ");
	rate_text(t, written, end - begin, "/s written ");
	bar(t, read, most, "r");
	bar(t, written, most, "w");
	umfs_text_add(t, "\n");
}

static void rates_text(struct text *t, const struct scale *s)
{
	int used = steps_used(s), per_row = (used + ROWS - 1) / ROWS;
	int rows = (used + per_row - 1) / per_row;
	uint64_t most = 0;

	for (int i = 0; i < rows; i++)
		most = UMFS_MAX(most, row_bytes(REPORT_READS, i, per_row) +
					      row_bytes(REPORT_WRITES, i, per_row));
	if (!most)
		return;
	line(t);
	bytes_text(t, umfs_report.bytes[REPORT_READS]);
	umfs_text_add(t, " read, ");
	bytes_text(t, umfs_report.bytes[REPORT_WRITES]);
	umfs_text_add(t, " written in ");
	fraction(t, s->ns, 1000000000u, 3);
	umfs_text_add(t, " s, from\n");
	for (int i = 0; i < rows; i++)
		row_text(t, s, i, per_row, most);
}

static void whole_text(struct text *t, const struct scale *s)
{
	line(t);
	umfs_text_add(t, "interception: ");
	umfs_text_add(t, umfs_redirected() ? "libc's entries" : "symbols only, ");
	umfs_text_add(t, umfs_redirected() ? "" : umfs_redirect_refusal);
	umfs_text_add(t, "\n");
	counts_text(t);
	calls_text(t);
	for (int class = 0; class < REPORT_CLASSES; class++)
		latency_text(t, s, (enum report_class)class);
	rates_text(t, s);
}

/* ---- as JSON: the same, with plain numbers ---- */

static void calls_json(struct text *t)
{
	const char *comma = "";

	umfs_text_add(t, ",\"calls\":{");
	for (uint32_t i = 0; i < REPORT_CALLS; i++) {
		const struct report_call *c = &umfs_report.calls[i];

		if (!c->name)
			continue;
		umfs_text_add(t, comma);
		umfs_text_add(t, "\"");
		call_name(t, c->name);
		dec(t, "\":{\"served\":", c->served, "");
		dec(t, ",\"passed\":", c->passed, "");
		if (c->materialised)
			dec(t, ",\"materialised\":", c->materialised, "");
		dec(t, ",\"bytes\":", c->bytes, "}");
		comma = ",";
	}
	umfs_text_add(t, "},\"unsupported\":{");
	comma = "\"";
	for (int i = REPORT_UNSUPPORTED; i < REPORT_KINDS; i++) {
		if (!umfs_report.counts[i])
			continue;
		umfs_text_add(t, comma);
		umfs_text_add(t, labels[i]);
		dec(t, "\":", umfs_report.counts[i], "");
		comma = ",\"";
	}
	umfs_text_add(t, "}");
}

/* Pairs of the least time in ns and how many calls took that or up to twice as much. */
static void latency_json(struct text *t, const struct scale *s)
{
	umfs_text_add(t, ",\"latency\":{");
	for (int class = 0; class < REPORT_CLASSES; class++) {
		const char *comma = "";

		umfs_text_add(t, class ? ",\"" : "\"");
		umfs_text_add(t, class_keys[class]);
		umfs_text_add(t, "\":[");
		for (int i = 0; i < 64; i++) {
			if (!umfs_report.ticks[class][i])
				continue;
			umfs_text_add(t, comma);
			dec(t, "[", to_ns(s, 1ull << i), ",");
			dec(t, "", umfs_report.ticks[class][i], "]");
			comma = ",";
		}
		umfs_text_add(t, "]");
	}
	umfs_text_add(t, "}");
}

static void steps_json(struct text *t, const struct scale *s, enum report_class class, const char *key)
{
	int used = steps_used(s);

	umfs_text_add(t, key);
	for (int i = 0; i < used; i++)
		dec(t, i ? "," : "[", row_bytes(class, i, 1), "");
	umfs_text_add(t, "]");
}

static void whole_json(struct text *t, const struct scale *s, uint64_t pid)
{
	dec(t, "{\"pid\":", pid, ",\"interception\":\"");
	umfs_text_add(t, umfs_redirected() ? "libc's entries" : umfs_redirect_refusal);
	dec(t, "\",\"served\":", umfs_report.counts[REPORT_SERVED], "");
	dec(t, ",\"passed\":", umfs_report.counts[REPORT_PASSED], "");
	dec(t, ",\"materialised\":", umfs_report.counts[REPORT_MATERIALISED], "");
	calls_json(t);
	dec(t, ",\"read_bytes\":", umfs_report.bytes[REPORT_READS], "");
	dec(t, ",\"written_bytes\":", umfs_report.bytes[REPORT_WRITES], "");
	latency_json(t, s);
	dec(t, ",\"ns\":", s->ns, "");
	dec(t, ",\"step_ns\":", to_ns(s, 1ull << umfs_report.width), "");
	steps_json(t, s, REPORT_READS, ",\"read\":");
	steps_json(t, s, REPORT_WRITES, ",\"written\":");
	umfs_text_add(t, "}\n");
}

void umfs_report_write(void)
{
	struct scale s;
	struct text t;
	uint64_t pid;

	if (umfs_report_fd < 0 ||
	    __atomic_exchange_n(&umfs_report.written, 1, __ATOMIC_ACQ_REL))
		return;
	s = scale_now();
	pid = (uint64_t)sys0(SYS_getpid);
	umfs_text_init(&t, prefix, sizeof(prefix));
	dec(&t, "libumfs[", pid, "]: ");
	umfs_text_init(&t, page, sizeof(page));
	if (umfs_config.report_json)
		whole_json(&t, &s, pid);
	else
		whole_text(&t, &s);
	sys3(SYS_write, umfs_report_fd, t.buf, t.len);
}
