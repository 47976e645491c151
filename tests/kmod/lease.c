// SPDX-License-Identifier: BSD-3-Clause
/*
 * lease.c - files that are written by lease: UMFS_IOC_LEASE, its holder written out.
 *
 *   kmod-lease NODE          what the module promises, whoever holds a lease
 *   kmod-lease NODE hold     half a write by lease, "held" is said, and then nothing more
 *   kmod-lease NODE check    after the power went: the half is undone
 */
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <x86intrin.h>

#include "kmod_test.h"

int pool, checks, failures;

#define PAGE 4096u
#define MIB (1u << 20)
#define SLOTS_BYTES (UMFS_IOC_SLOTS * sizeof(struct umfs_ioc_slot))
#define FILE_BYTES (64u << 10)
#define ROUNDS 60

static char buf[FILE_BYTES], seen[FILE_BYTES];
static const volatile struct umfs_ioc_slot *slots;

/* ---- a holder ---- */

struct held {
	struct umfs_ioc_lease a;
	volatile struct umfs_ioc_log *log;
	char *data, *at;
};

static sigjmp_buf caught;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(caught, 1);
}

static int ask(int fd, uint64_t bytes, struct held *h)
{
	h->a = (struct umfs_ioc_lease){.fd = fd, .bytes = bytes};
	if (ioctl(pool, UMFS_IOC_LEASE, &h->a))
		return -1;
	h->log = (void *)(uintptr_t)h->a.log;
	h->data = (char *)(uintptr_t)h->a.log + UMFS_IOC_LOG_DATA;
	h->at = (char *)(uintptr_t)h->a.addr;
	return 0;
}

static void give(struct held *h)
{
	CHECK(munmap(h->at, h->a.bytes) == 0);
	CHECK(munmap((void *)(uintptr_t)h->a.log, UMFS_IOC_LOG_BYTES) == 0);
}

/* Is anything where the lease was? */
static bool over(const struct held *h)
{
	if (sigsetjmp(caught, 1))
		return true;
	(void)*(volatile char *)h->at;
	(void)h->log->state;
	return false;
}

/* The first half of a write: the record, and `done` of the new bytes. */
static void begin(const struct held *h, uint64_t off, const void *from, uint64_t n, uint64_t done)
{
	memcpy(h->data, h->at + off, n);
	h->log->off = off;
	h->log->len = n;
	h->log->wrote = 1;
	_mm_sfence();
	h->log->state = 1;
	_mm_sfence();
	memcpy(h->at + off, from, done);
	__asm__ volatile("" ::: "memory");
}

/* All of one; false: the lease was over before it was. */
static bool put(const struct held *h, uint64_t off, const void *from, uint64_t n)
{
	if (sigsetjmp(caught, 1))
		return false;
	begin(h, off, from, n, n);
	_mm_sfence();
	h->log->state = 0;
	h->log->wrote = 1;
	return true;
}

/* ---- cases ---- */

static int make(const char *name, char with)
{
	int fd = k_open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	memset(buf, with, sizeof(buf));
	CHECK(fd >= 0 && pwrite(fd, buf, sizeof(buf), 0) == sizeof(buf));
	return fd;
}

static bool is_all(int fd, char what)
{
	size_t i;

	if (pread(fd, seen, sizeof(seen), 0) != sizeof(seen))
		return false;
	for (i = 0; i < sizeof(seen) && seen[i] == what; i++)
		;
	return i == sizeof(seen);
}

/* What can be asked for wrongly: which file, and how much of it. */
enum { OPEN, READER, WRITER, APPEND, PATH, DIRECTORY, OTHER, FILES };

static void refused(const int fds[FILES])
{
	static const struct {
		int error, file;
		uint64_t bytes;
	} asked[] = {{EBADF, FILES, FILE_BYTES},   {EBADF, READER, FILE_BYTES},
		     {EBADF, WRITER, FILE_BYTES},  {EBADF, APPEND, FILE_BYTES},
		     {EBADF, PATH, FILE_BYTES},	   {EINVAL, DIRECTORY, FILE_BYTES},
		     {EINVAL, OTHER, FILE_BYTES},  {EINVAL, OPEN, 0},
		     {EINVAL, OPEN, 1},		   {EINVAL, OPEN, 1ull << 62},
		     {EFBIG, OPEN, PAGE}};
	struct held h;
	size_t i;

	for (i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
		FAILS(asked[i].error, ask(asked[i].file == FILES ? -1 : fds[asked[i].file],
					  asked[i].bytes, &h));
}

static void refused_by_limit(int fd)
{
	const struct rlimit small = {PAGE, RLIM_INFINITY};
	pid_t child = fork();
	struct held h;
	int status;

	if (!child) {
		CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
		FAILS(EFBIG, ask(fd, FILE_BYTES, &h));
		fflush(stdout);
		_exit(failures ? 1 : 0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void arguments(void)
{
	const int fds[FILES] = {[OPEN] = make("f", 'a'),
				[READER] = k_open("f", O_RDONLY, 0),
				[WRITER] = k_open("f", O_WRONLY, 0),
				[APPEND] = k_open("f", O_RDWR | O_APPEND, 0),
				[PATH] = k_open("f", O_PATH, 0),
				[DIRECTORY] = k_open(".", O_RDONLY | O_DIRECTORY, 0),
				[OTHER] = open("/dev/null", O_RDWR)};
	struct umfs_ioc_lease zeros = {.fd = fds[OPEN], .bytes = FILE_BYTES, .zero = {0, 1}};
	struct held h;
	int i;

	FAILS(ENXIO, ask(fds[OPEN], FILE_BYTES, &h));
	slots = mmap(NULL, SLOTS_BYTES, PROT_READ, MAP_SHARED, pool, 0);
	CHECK(slots != MAP_FAILED);
	FAILS(EINVAL, ioctl(pool, UMFS_IOC_LEASE, &zeros));
	FAILS(EFAULT, ioctl(pool, UMFS_IOC_LEASE, NULL));
	refused(fds);
	refused_by_limit(fds[OPEN]);
	for (i = 0; i < FILES; i++)
		CHECK(close(fds[i]) == 0);
}

static void writing(uint64_t bytes)
{
	int fd = make("f", 'a'), other = k_open("f", O_RDWR, 0);
	struct umfs_ioc_share share = {.fd = other};
	struct held h, again;
	size_t n;

	CHECK(ask(fd, bytes, &h) == 0 && h.a.size == FILE_BYTES);
	CHECK(slots[h.a.slot].stamp == h.a.stamp && slots[h.a.slot].seq & 1);
	CHECK(ioctl(pool, UMFS_IOC_SHARE, &share) == 0 && slots[share.slot].seq & 1);
	FAILS(EBUSY, ask(other, bytes, &again));
	FAILS(EBUSY, ask(fd, bytes, &again));
	for (n = 1; n <= FILE_BYTES; n = n * 3 + 1) {
		memset(buf, (int)('a' + n % 20), n);
		CHECK(put(&h, FILE_BYTES - n, buf, n));
		CHECK(!memcmp(h.at + FILE_BYTES - n, buf, n));
	}
	memset(buf, 'b', FILE_BYTES);
	CHECK(put(&h, 0, buf, FILE_BYTES));
	CHECK(!over(&h));
	CHECK(is_all(other, 'b'));
	CHECK(over(&h) && !put(&h, 0, "x", 1));
	CHECK(!(slots[h.a.slot].seq & 1) && !(slots[share.slot].seq & 1));
	CHECK(is_all(fd, 'b'));
	CHECK(ask(fd, bytes, &again) == 0); /* beside mappings of one that is over */
	CHECK(put(&again, 5, "x", 1) && over(&h));
	give(&h);
	CHECK(put(&again, 6, "y", 1));
	CHECK(close(fd) == 0 && slots[again.a.slot].stamp != again.a.stamp);
	give(&again);
	CHECK(pread(other, seen, 4, 4) == 4 && !memcmp(seen, "bxyb", 4));
	CHECK(close(other) == 0);
}

static void written(void)
{
	writing(FILE_BYTES); /* page by page */
	writing(4 * MIB);    /* spliced */
}

/* Each call that sees the content, or that a write would have something to do with. */
static bool by_call(int what, int fd, struct held *h)
{
	const struct timespec times[2] = {{1, 0}, {1, 0}};
	int again, end[2];

	switch (what) {
	case 0:
		return pread(fd, seen, 1, 0) == 1;
	case 1:
		return lseek(fd, 0, SEEK_SET) == 0 && read(fd, seen, 1) == 1;
	case 2:
		return pwrite(fd, "a", 1, 0) == 1;
	case 3:
		return ftruncate(fd, FILE_BYTES) == 0;
	case 4:
		return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * PAGE, 1) == 0;
	case 5:
		again = k_open("f", O_RDWR | O_TRUNC, 0);
		return again >= 0 && pwrite(again, buf, FILE_BYTES, 0) == FILE_BYTES && !close(again);
	case 6:
		return fchmod(fd, 0600) == 0;
	case 7:
		return fchown(fd, 0, 0) == 0;
	case 8:
		return futimens(fd, times) == 0;
	case 9:
		return pipe(end) == 0 && sendfile(end[1], fd, &(off_t){0}, 10) == 10 &&
		       !close(end[0]) && !close(end[1]);
	case 10:
		return munmap(h->at, h->a.bytes) == 0 &&
		       munmap((void *)(uintptr_t)h->a.log, UMFS_IOC_LOG_BYTES) == 0;
	}
	return false;
}

/* A holder stops halfway: whatever ends his lease, nobody sees the half. */
static void undone(void)
{
	struct held h;
	int what, fd;

	for (what = 0; what <= 10; what++) {
		fd = make("f", 'a');
		CHECK(ask(fd, 2 * MIB, &h) == 0);
		memset(buf, 'b', sizeof(buf));
		begin(&h, 3, buf, FILE_BYTES - 5, (FILE_BYTES - 5) / (unsigned)(what % 3 + 1));
		memset(buf, 'a', sizeof(buf));
		CHECK(by_call(what, fd, &h));
		if (what != 4)
			CHECK(is_all(fd, 'a'));
		else
			CHECK(pread(fd, seen, 4, 2 * PAGE - 1) == 4 && !memcmp(seen, "a\0aa", 4));
		if (what != 10) {
			CHECK(over(&h));
			give(&h);
		}
		CHECK(close(fd) == 0);
	}
}

static void dead(void)
{
	int fd = make("f", 'a'), status;
	struct held h;
	pid_t child = fork();

	if (!child) {
		memset(buf, 'b', sizeof(buf));
		if (ask(fd, 2 * MIB, &h))
			_exit(9);
		begin(&h, 0, buf, FILE_BYTES, FILE_BYTES / 2);
		kill(getpid(), SIGKILL);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	CHECK(is_all(fd, 'a'));
	/* Of a child only the parent's. */
	CHECK(ask(fd, 2 * MIB, &h) == 0);
	signal(SIGBUS, SIG_DFL);
	CHECK(touch(h.at, true) == SIGBUS && touch((void *)(uintptr_t)h.a.log, true) == SIGBUS);
	signal(SIGBUS, on_fault);
	CHECK(put(&h, 0, "b", 1));
	child = fork();
	if (!child) { /* another image */
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(put(&h, 0, "a", 1));
	CHECK(is_all(fd, 'a') && over(&h));
	give(&h);
	CHECK(close(fd) == 0);
}

/* A child that the holder leaves behind has nothing of it: the slot says that it is over. */
static void outlived(void)
{
	static const uint64_t bytes[] = {FILE_BYTES, 2 * MIB}; /* page by page, and spliced */
	int fd = make("f", 'a'), end[2];
	struct umfs_ioc_share share = {.fd = fd};
	struct held h;
	int status;
	pid_t child;
	size_t i;

	CHECK(ioctl(pool, UMFS_IOC_SHARE, &share) == 0 && !(slots[share.slot].seq & 1));
	for (i = 0; i < 2; i++) {
		CHECK(pipe(end) == 0);
		child = fork();
		if (!child) {
			if (ask(fd, bytes[i], &h) || !put(&h, 0, "b", 1))
				_exit(1);
			if (!fork()) { /* until the other end is closed */
				close(end[1]);
				_exit(read(end[0], seen, 1) < 0);
			}
			_exit(!(slots[share.slot].seq & 1));
		}
		CHECK(waitpid(child, &status, 0) == child && status == 0);
		CHECK(!(slots[share.slot].seq & 1));
		CHECK(!close(end[0]) && !close(end[1]));
	}
	/* Of several mappings any. */
	CHECK(ask(fd, FILE_BYTES, &h) == 0 && slots[share.slot].seq & 1);
	CHECK(munmap((void *)(uintptr_t)h.a.log, UMFS_IOC_LOG_BYTES) == 0);
	CHECK(!(slots[share.slot].seq & 1));
	CHECK(munmap(h.at, h.a.bytes) == 0 && close(fd) == 0);
}

/* Whatever the log says: nothing but this file's content. */
static void hostile(void)
{
	static const struct {
		uint64_t state, off, len;
	} said[] = {{1, FILE_BYTES, 1}, {1, 0, FILE_BYTES + 1}, {1, ~0ull, 2},	{1, 1, ~0ull},
		    {1, 1ull << 39, 9}, {~0ull, 5, 0},		{~0ull, ~0ull, ~0ull}, {3, 1, FILE_BYTES},
		    {1, FILE_BYTES - 1, 2}};
	int fd = make("f", 'a'), other = make("g", 'o');
	struct held h;
	size_t i;

	for (i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		CHECK(ask(fd, 2 * MIB, &h) == 0);
		memset((void *)(uintptr_t)h.a.log, 0xff, UMFS_IOC_LOG_BYTES);
		h.log->off = said[i].off;
		h.log->len = said[i].len;
		h.log->state = said[i].state;
		CHECK(is_all(fd, 'a') && is_all(other, 'o'));
		give(&h);
	}
	CHECK(k_unlink("g", 0) == 0 && close(fd) == 0 && close(other) == 0);
}

/* What others left in the log is not shown. */
static void zeros(void)
{
	int fd = make("f", 'a');
	struct held h;
	size_t i;

	CHECK(ask(fd, 2 * MIB, &h) == 0);
	memset(h.data, 's', UMFS_IOC_LOG_ROOM);
	give(&h);
	CHECK(ask(fd, 2 * MIB, &h) == 0);
	for (i = 0; i < UMFS_IOC_LOG_BYTES && !((char *)(uintptr_t)h.a.log)[i]; i++)
		;
	CHECK(i == UMFS_IOC_LOG_BYTES);
	give(&h);
	CHECK(close(fd) == 0);
}

static int64_t changed_at(void)
{
	struct umfs_ioc_attr attr;

	CHECK(k_stat("f", 0, &attr) == 0 && attr.ctime_ns == attr.mtime_ns);
	return attr.mtime_ns;
}

static void times(void)
{
	int fd = make("f", 'a');
	int64_t before = changed_at();
	struct held h;
	struct stat st;

	usleep(20000);
	CHECK(ask(fd, FILE_BYTES, &h) == 0 && changed_at() == before); /* page by page */
	give(&h);
	CHECK(ask(fd, 2 * MIB, &h) == 0); /* spliced */
	CHECK(!over(&h) && changed_at() == before);
	CHECK(put(&h, 0, "a", 1));
	CHECK(changed_at() > before);
	before = changed_at();
	usleep(20000);
	CHECK(put(&h, 0, "a", 1) && fstat(fd, &st) == 0);
	CHECK(st.st_mtim.tv_sec * 1000000000ll + st.st_mtim.tv_nsec > before && !over(&h));
	before = changed_at();
	usleep(20000);
	CHECK(put(&h, 0, "a", 1));
	give(&h);
	CHECK(changed_at() > before);
	CHECK(close(fd) == 0);
}

/* Of somebody who may not keep them. */
static void set_id(void)
{
	struct held h;
	struct stat st;
	int fd = make("f", 'a'), status;
	pid_t child;

	CHECK(fchown(fd, 1000, 1000) == 0 && fchmod(fd, 06775) == 0 && close(fd) == 0);
	child = fork();
	if (!child) {
		CHECK(setgroups(0, NULL) == 0 && setresgid(1000, 1000, 1000) == 0 &&
		      setresuid(1000, 1000, 1000) == 0);
		fd = k_open("f", O_RDWR, 0);
		CHECK(ask(fd, 2 * MIB, &h) == 0);
		CHECK(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0775);
		CHECK(fchmod(fd, 04775) == 0 && over(&h));
		CHECK(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 04775);
		fflush(stdout);
		_exit(failures ? 1 : 0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(k_unlink("f", 0) == 0);
}

/* Holes become pages, by stores and by being undone. */
static void holes(void)
{
	int fd = k_open("h", O_RDWR | O_CREAT, 0600);
	struct held h;

	CHECK(ftruncate(fd, FILE_BYTES) == 0);
	CHECK(ask(fd, 2 * MIB, &h) == 0);
	memset(buf, 'b', sizeof(buf));
	CHECK(put(&h, 10, buf, 3 * PAGE));
	begin(&h, 5 * PAGE, buf, 2 * PAGE, PAGE + 5);
	CHECK(pread(fd, seen, FILE_BYTES, 0) == FILE_BYTES);
	CHECK(!memcmp(seen + 10, buf, 3 * PAGE) && !seen[9] && !seen[3 * PAGE + 10]);
	memset(buf, 0, 2 * PAGE);
	CHECK(!memcmp(seen + 5 * PAGE, buf, 2 * PAGE));
	give(&h);
	CHECK(close(fd) == 0 && k_unlink("h", 0) == 0);
}

/* Used up, and there again. */
static void many(void)
{
	static struct held h[64];
	int fd[64], n, i, round;
	char name[16];

	for (round = 0; round < 2; round++) {
		for (n = 0; n < 64; n++) {
			snprintf(name, sizeof(name), "m%d", n);
			fd[n] = make(name, 'a');
			if (ask(fd[n], 2 * MIB, &h[n]))
				break;
			memset(buf, 'b', FILE_BYTES);
			begin(&h[n], 0, buf, FILE_BYTES, 5);
		}
		CHECK(n > 20 && n < 64 && errno == ENOSPC);
		for (i = 0; i <= n; i++) {
			CHECK(is_all(fd[i], 'a') && close(fd[i]) == 0);
			snprintf(name, sizeof(name), "m%d", i);
			CHECK(k_unlink(name, 0) == 0);
			if (i < n)
				give(&h[i]);
		}
	}
}

/* Reads until it is *enough. */
static _Noreturn void look_for_halves(int fd, const volatile bool *enough)
{
	while (!*enough) {
		CHECK(pread(fd, seen, FILE_BYTES, 0) == FILE_BYTES);
		for (size_t at = 1; at < FILE_BYTES; at++)
			if (seen[at] != seen[0]) {
				CHECK(!"a half");
				break;
			}
	}
	fflush(stdout);
	_exit(failures ? 1 : 0);
}

/* A block is of one write, whoever reads it. */
static void beside(void)
{
	volatile bool *enough = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = make("f", 'a'), i, status, leases = 0;
	struct held h;
	pid_t child[2];
	bool have = false;

	CHECK(enough != MAP_FAILED);
	for (i = 0; i < 2; i++) {
		child[i] = fork();
		if (!child[i])
			look_for_halves(fd, enough);
	}
	alarm(120);
	for (i = 0; i < ROUNDS || leases < 3; i++) { /* readers take them all but at once */
		memset(buf, 'a' + i % 20, FILE_BYTES);
		if (!have) {
			have = ask(fd, 2 * MIB, &h) == 0;
			leases += have;
		}
		if (have && !put(&h, 0, buf, FILE_BYTES)) {
			give(&h);
			have = false;
		}
		if (!have)
			CHECK(pwrite(fd, buf, FILE_BYTES, 0) == FILE_BYTES);
	}
	alarm(0);
	*enough = true;
	for (i = 0; i < 2; i++)
		CHECK(waitpid(child[i], &status, 0) == child[i] && status == 0);
	CHECK(is_all(fd, buf[0]));
	if (have)
		give(&h);
	CHECK(munmap((void *)enough, PAGE) == 0);
	CHECK(close(fd) == 0 && k_unlink("f", 0) == 0);
}

/* Who takes leases again and again keeps nobody out who reads by the kernel's buffer, as sendfile does. */
static void greedy(void)
{
	int fd = make("f", 'a'), end[2], status, i;
	struct held h;
	pid_t child;

	CHECK(ftruncate(fd, MIB) == 0 && pipe2(end, O_NONBLOCK) == 0 && fcntl(end[1], F_SETPIPE_SZ, MIB) == MIB);
	child = fork();
	if (!child)
		for (;;)
			if (!ask(fd, MIB, &h))
				give(&h);
	alarm(60);
	for (i = 0; i < 20; i++) {
		CHECK(sendfile(end[1], fd, &(off_t){0}, MIB) > 0);
		while (read(end[0], seen, sizeof(seen)) > 0) /* until it is empty */
			;
	}
	alarm(0);
	CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
	CHECK(!close(end[0]) && !close(end[1]) && close(fd) == 0 && k_unlink("f", 0) == 0);
}

/* ---- the power goes ---- */

static int hold(void)
{
	int fd = make("leased", 'a');
	struct held h;

	slots = mmap(NULL, SLOTS_BYTES, PROT_READ, MAP_SHARED, pool, 0);
	if (ask(fd, 2 * MIB, &h))
		return 1;
	memset(buf, 'b', sizeof(buf));
	if (!put(&h, 0, buf, PAGE))
		return 1;
	begin(&h, 100, buf, FILE_BYTES - 100, FILE_BYTES / 2);
	puts("held");
	fflush(stdout);
	for (;;)
		pause();
}

static int check_held(void)
{
	int fd = k_open("leased", O_RDONLY, 0);
	size_t i;

	CHECK(fd >= 0 && pread(fd, seen, FILE_BYTES, 0) == FILE_BYTES);
	for (i = 0; i < FILE_BYTES && seen[i] == (i < PAGE ? 'b' : 'a'); i++)
		;
	CHECK(i == FILE_BYTES);
	CHECK(close(fd) == 0 && k_unlink("leased", 0) == 0);
	return failures ? 1 : 0;
}

int main(int argc, char **argv)
{
	static void (*const cases[])(void) = {arguments, written, undone, dead, outlived, hostile, zeros,
					      times, set_id, holes, many, beside, greedy};
	const struct sigaction act = {.sa_handler = on_fault};

	CHECK(sigaction(SIGBUS, &act, NULL) == 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 3)
		return run_cases(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
	pool = open(argv[1], O_RDONLY | O_CLOEXEC);
	return strcmp(argv[2], "hold") ? check_held() : hold();
}
