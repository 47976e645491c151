// SPDX-License-Identifier: BSD-3-Clause
/*
 * report.c - what libumfs did in this process, at its end (LIBUMFS_REPORT).
 */
#include "internal.h"

uint64_t umfs_report_counts[REPORT_KINDS];
int umfs_report_fd = -1;
static uint32_t written;

static const char *const labels[REPORT_KINDS] = {
	[REPORT_SERVED] = "calls served",
	[REPORT_PASSED] = "path calls passed on",
	[REPORT_NO_LOCK] = "unsupported: file lock",
	[REPORT_NO_MMAP] = "unsupported: mmap",
	[REPORT_NO_EXEC] = "unsupported: exec",
	[REPORT_NO_SPECIAL] = "unsupported: opening a FIFO, socket or device, binding a socket",
	[REPORT_NO_FALLOCATE] = "unsupported: fallocate",
	[REPORT_NO_COPY] = "unsupported: clone",
	[REPORT_NO_RING] = "unsupported: io_uring",
	[REPORT_NO_STDIO] = "unsupported: stdio stream",
	[REPORT_NO_WHITEOUT] = "unsupported: RENAME_WHITEOUT",
	[REPORT_NO_PASS] = "unsupported: descriptor in a message",
	[REPORT_NO_WATCH] = "unsupported: inotify watch",
	[REPORT_NO_OTHER] = "unsupported: other",
};

/*
 * Programs close stderr before they are done: keep another way to it. A file is
 * opened now as well, so that who asked hears of it when that does not work.
 */
void umfs_report_init(void)
{
	long fd = 2;

	if (!umfs_config.report)
		return;
	if (umfs_config.report_path[0])
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

/* A child counts its own. */
void umfs_report_forked(void)
{
	for (int i = 0; i < REPORT_KINDS; i++)
		umfs_report_counts[i] = 0;
	written = 0;
}

/* Counts of zero are left out, but for the first two. */
void umfs_report_write(void)
{
	char line[2048], pid[24];
	struct text t;

	if (umfs_report_fd < 0 || __atomic_exchange_n(&written, 1, __ATOMIC_ACQ_REL))
		return;
	umfs_text_init(&t, pid, sizeof(pid));
	umfs_text_dec(&t, (uint64_t)sys0(SYS_getpid));
	umfs_text_init(&t, line, sizeof(line));
	umfs_text_add(&t, "libumfs[");
	umfs_text_add(&t, pid);
	umfs_text_add(&t, "]: interception: ");
	umfs_text_add(&t, umfs_redirected() ? "libc's entries" : "symbols only, ");
	umfs_text_add(&t, umfs_redirected() ? "" : umfs_redirect_refusal);
	umfs_text_add(&t, "\n");
	for (int i = 0; i < REPORT_KINDS; i++) {
		uint64_t n = LOAD_RELAXED(&umfs_report_counts[i]);

		if (!n && i > REPORT_PASSED)
			continue;
		umfs_text_add(&t, "libumfs[");
		umfs_text_add(&t, pid);
		umfs_text_add(&t, "]: ");
		umfs_text_add(&t, labels[i]);
		umfs_text_add(&t, ": ");
		umfs_text_dec(&t, n);
		umfs_text_add(&t, "\n");
	}
	sys3(SYS_write, umfs_report_fd, line, t.len);
}
