/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * report.h - counting for the exit report: internal.h continued.
 *
 * Without LIBUMFS_REPORT nothing may be paid for it where it matters. So U-Info then
 * says of no descriptor that the quick ways may be taken (may_of in uinfo.c), and what is
 * noted of the hot calls is noted on the slow ways, which they take with a report only.
 */
#ifndef UMFS_LIBUMFS_REPORT_H
#define UMFS_LIBUMFS_REPORT_H

enum report_kind {
	REPORT_SERVED,
	REPORT_PASSED,
	REPORT_MATERIALISED, /* descriptors: see pass.c */
	REPORT_UNSUPPORTED, /* this and those behind it: what is not there */
	REPORT_NO_LOCK = REPORT_UNSUPPORTED,
	REPORT_NO_MMAP,
	REPORT_NO_EXEC,
	REPORT_NO_SPECIAL,
	REPORT_NO_FALLOCATE,
	REPORT_NO_COPY,
	REPORT_NO_RING,
	REPORT_NO_STDIO,
	REPORT_NO_PASS,
	REPORT_NO_WATCH,
	REPORT_NO_MODULE,
	REPORT_NO_OTHER,
	REPORT_KINDS
};

/* What a call is: its bytes and times are summed up by these. */
enum report_class { REPORT_READS, REPORT_WRITES, REPORT_OTHERS, REPORT_CLASSES };

/*
 * A call begins; `who` is __func__ of its hook. The note of the same hook takes the time
 * from here; one without a beginning has no time.
 */
void umfs_report_begin_slow(const char *who);
/* A call ended, with `bytes` moved, if any. who NULL: the call that began last. */
void umfs_report_note(enum report_kind kind, const char *who, enum report_class class, long bytes);

#define umfs_report_begin()                                                               \
	do {                                                                              \
		if (unlikely(umfs_config.report))                                         \
			umfs_report_begin_slow(__func__);                                 \
	} while (0)
#define umfs_report_bytes(who, class, bytes)                                              \
	do {                                                                              \
		if (unlikely(umfs_config.report))                                         \
			umfs_report_note(REPORT_SERVED, who, class, bytes);               \
	} while (0)
#define umfs_report_count(kind)                                                           \
	do {                                                                              \
		if (unlikely(umfs_config.report))                                         \
			umfs_report_note(kind, __func__, REPORT_OTHERS, 0);               \
	} while (0)
/* For the call that umfs_report_begin() was for, from a function below it. */
#define umfs_report_count_begun(kind)                                                     \
	do {                                                                              \
		if (unlikely(umfs_config.report))                                         \
			umfs_report_note(kind, NULL, REPORT_OTHERS, 0);                   \
	} while (0)
/* Count and return the error: for what is not there yet. */
#define umfs_refuse(kind, err)                                                            \
	({                                                                                \
		umfs_report_count(kind);                                                  \
		-(long)(err);                                                             \
	})

extern PORT_HIDDEN int umfs_report_fd; /* where to, kept open; -1: no report */
void umfs_report_init(void);
void umfs_report_forked(void);
void umfs_report_write(void);

#endif
