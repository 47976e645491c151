// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_mmap.c - mappings of files: private, shared, between processes, and that
 * a page which somebody has mapped never becomes a page of another file.
 */
#include "shim_test.h"

#include <linux/falloc.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)

static char *map(int fd, size_t n, int prot, int flags, off_t off)
{
	char *p = mmap(NULL, n, prot, flags, fd, off);

	if (p == MAP_FAILED)
		fail_msg("mmap of %zu bytes: %s", n, strerror(errno));
	return p;
}

/* A file of `pages` pages, page i full of 'a' + i % 26. */
static int make_pages(const char *name, size_t pages)
{
	int fd = open(at(name), O_RDWR | O_CREAT | O_TRUNC, 0644);
	char page[PAGE];
	size_t i;

	assert_true(fd >= 0);
	for (i = 0; i < pages; i++) {
		memset(page, 'a' + (int)(i % 26), PAGE);
		assert_int_equal(pwrite(fd, page, PAGE, (off_t)(i * PAGE)), PAGE);
	}
	return fd;
}

static bool all(const char *p, char c, size_t n)
{
	size_t i;

	for (i = 0; i < n && p[i] == c; i++)
		;
	return i == n;
}

static bool file_is(int fd, off_t off, char c, size_t n)
{
	char buf[PAGE];

	for (; n; n -= n < PAGE ? n : PAGE, off += PAGE) {
		size_t part = n < PAGE ? n : PAGE;

		if (pread(fd, buf, part, off) != (ssize_t)part || !all(buf, c, part))
			return false;
	}
	return true;
}

/* ---- faults ---- */

static sigjmp_buf jump;
static volatile sig_atomic_t fault_sig;

static void on_fault(int sig)
{
	fault_sig = sig;
	siglongjmp(jump, 1);
}

/* The signal that a touch of *p raises, or 0. */
static int touch(volatile char *p)
{
	struct sigaction act = {.sa_handler = on_fault}, bus, segv;

	fault_sig = 0;
	sigaction(SIGBUS, &act, &bus);
	sigaction(SIGSEGV, &act, &segv);
	if (!sigsetjmp(jump, 1))
		(void)*p;
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return fault_sig;
}

/* ---- what the kernel says no to ---- */

static void mmap_wrong_calls_fail(void **state)
{
	int fd = make_file("f", "0123"), ro, wo, dir, path;
	char *p;

	(void)state;
	ro = open(at("f"), O_RDONLY);
	wo = open(at("f"), O_WRONLY);
	dir = open(test_dir(), O_RDONLY | O_DIRECTORY);
	path = open(at("f"), O_PATH);
	assert_errno(mmap(NULL, 0, PROT_READ, MAP_PRIVATE, fd, 0), EINVAL);
	assert_errno(mmap(NULL, 4, PROT_READ, MAP_PRIVATE, fd, 100), EINVAL);
	assert_errno(mmap(NULL, 4, PROT_READ, 0, fd, 0), EINVAL);
	assert_errno(mmap(NULL, 4, RW, MAP_SHARED, ro, 0), EACCES);
	assert_errno(mmap(NULL, 4, PROT_READ, MAP_SHARED, wo, 0), EACCES);
	assert_errno(mmap(NULL, 4, PROT_READ, MAP_PRIVATE, wo, 0), EACCES);
	assert_errno(mmap(NULL, 4, PROT_READ, MAP_PRIVATE, dir, 0), ENODEV);
	assert_errno(mmap(NULL, 4, PROT_READ, MAP_PRIVATE, path, 0), EBADF);
	assert_errno(mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, INT64_MAX - PAGE + 1),
		     EOVERFLOW);
	assert_errno(mmap((void *)100, 4, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0), EINVAL);
	p = map(ro, 4, RW, MAP_PRIVATE, 0); /* a private one may be written */
	p[0] = 'x';
	assert_ok(munmap(p, 4));
	check_text(fd, "0123");
	p = map(ro, 2 * PAGE, PROT_READ, MAP_SHARED, 0);
	assert_errno(mprotect(p, 4, RW), EACCES);
	assert_errno(mprotect(p + PAGE, 4, RW), EACCES); /* also behind the end */
	assert_int_equal(touch(p + PAGE), SIGBUS);
	assert_ok(ftruncate(fd, 0));
	assert_int_equal(touch(p), SIGBUS);
	assert_errno(mprotect(p, 4, RW), EACCES);
	assert_ok(ftruncate(fd, 4));
	assert_int_equal(touch(p), 0);
	assert_ok(munmap(p, 2 * PAGE));
	close(ro);
	close(wo);
	close(dir);
	close(path);
	close(fd);
}

/* ---- private ---- */

static void private_has_the_bytes(void **state)
{
	int fd = make_pages("f", 3);
	char *p, *q;

	(void)state;
	assert_ok(ftruncate(fd, 2 * PAGE + 100));
	p = map(fd, 3 * PAGE, RW, MAP_PRIVATE, 0);
	assert_true(all(p, 'a', PAGE) && all(p + PAGE, 'b', PAGE) && all(p + 2 * PAGE, 'c', 100));
	assert_true(all(p + 2 * PAGE + 100, 0, PAGE - 100));
	q = map(fd, 5000, PROT_READ, MAP_PRIVATE | MAP_POPULATE, PAGE);
	assert_true(all(q, 'b', PAGE) && all(q + PAGE, 'c', 100));
	p[0] = 'X';
	assert_true(file_is(fd, 0, 'a', 1));
	assert_ok(close(fd));
	assert_int_equal(p[0], 'X');
	assert_true(all(p + 1, 'a', PAGE - 1));
	assert_ok(munmap(p, 3 * PAGE));
	assert_ok(munmap(q, 5000));
}

static void private_large_is_not_written_through(void **state)
{
	const size_t pages = 600;
	int fd = make_pages("f", pages);
	char *p = map(fd, pages * PAGE, RW, MAP_PRIVATE, 0);
	size_t i;

	(void)state;
	assert_ok(close(fd));
	for (i = 0; i < pages; i++) {
		assert_true(all(p + i * PAGE, (char)('a' + i % 26), PAGE));
		p[i * PAGE] = '!';
	}
	fd = open(at("f"), O_RDONLY);
	for (i = 0; i < pages; i++)
		assert_true(file_is(fd, (off_t)(i * PAGE), (char)('a' + i % 26), PAGE));
	assert_ok(munmap(p, pages * PAGE));
	assert_ok(close(fd));
}

static void private_of_holes_is_zeros(void **state)
{
	const size_t n = 2ul << 20;
	int fd = make_file("f", "x");
	char *p;

	(void)state;
	assert_ok(ftruncate(fd, (off_t)n));
	assert_int_equal(pwrite(fd, "y", 1, (off_t)n - 1), 1);
	p = map(fd, n, RW, MAP_PRIVATE, 0);
	assert_int_equal(p[0], 'x');
	assert_true(all(p + 1, 0, n - 2));
	assert_int_equal(p[n - 1], 'y');
	p[n / 2] = 'z';
	assert_ok(munmap(p, n));
	assert_ok(close(fd));
}

static void fixed_goes_where_it_is_told(void **state)
{
	int fd = make_pages("f", 4);
	char *p = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	memset(p, '.', 4 * PAGE);
	assert_ptr_equal(mmap(p + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 2 * PAGE),
			 p + PAGE);
	assert_ptr_equal(mmap(p + 2 * PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 3 * PAGE),
			 p + 2 * PAGE);
	assert_true(all(p, '.', PAGE) && all(p + PAGE, 'c', PAGE));
	assert_true(all(p + 2 * PAGE, 'd', PAGE) && all(p + 3 * PAGE, '.', PAGE));
	assert_errno(mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0), EEXIST);
	assert_ok(munmap(p, 4 * PAGE));
	assert_ok(close(fd));
}

static void code_can_be_run(void **state)
{
	static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* return 42 */
	int fd = make_file("f", ""), (*f)(void);
	void *p;

	(void)state;
	assert_int_equal(write(fd, code, sizeof(code)), sizeof(code));
	p = mmap(NULL, sizeof(code), PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED && errno == EPERM && !on_umfs()) {
		assert_ok(close(fd)); /* a tmpfs that is mounted noexec */
		return;
	}
	assert_ptr_not_equal(p, MAP_FAILED);
	memcpy(&f, &p, sizeof(f));
	assert_int_equal(f(), 42);
	assert_ok(munmap(p, sizeof(code)));
	assert_ok(close(fd));
}

/* ---- shared ---- */

static void shared_is_the_file(void **state)
{
	int fd = make_pages("f", 3);
	char *p = map(fd, 3 * PAGE, RW, MAP_SHARED, 0), *q = map(fd, PAGE, PROT_READ, MAP_SHARED, PAGE);
	char page[PAGE];

	(void)state;
	p[PAGE + 5] = 'X';
	assert_int_equal(q[5], 'X');
	assert_int_equal(pread(fd, page, PAGE, PAGE), PAGE);
	assert_int_equal(page[5], 'X');
	memset(page, 'n', PAGE);
	assert_int_equal(pwrite(fd, page, PAGE, PAGE), PAGE); /* a whole page: no exchange now */
	assert_true(all(p + PAGE, 'n', PAGE) && all(q, 'n', PAGE));
	assert_int_equal(pwrite(fd, "part", 4, 10), 4);
	assert_memory_equal(p + 10, "part", 4);
	assert_ok(msync(p, 3 * PAGE, MS_SYNC));
	assert_ok(close(fd));
	p[0] = 'Z'; /* after close */
	fd = open(at("f"), O_RDWR);
	assert_true(file_is(fd, 0, 'Z', 1));
	assert_ok(munmap(p, 3 * PAGE));
	assert_int_equal(q[0], 'n');
	assert_ok(munmap(q, PAGE));
	assert_ok(close(fd));
}

static void shared_holes_can_be_stored_to(void **state)
{
	const size_t n = 3ul << 20;
	int fd = make_file("f", "");
	char *p;

	(void)state;
	assert_ok(ftruncate(fd, (off_t)n));
	p = map(fd, n, RW, MAP_SHARED, 0);
	assert_true(all(p, 0, n));
	p[1] = '1';
	p[n / 2] = '2';
	p[n - 1] = '3';
	assert_true(file_is(fd, 1, '1', 1) && file_is(fd, (off_t)n / 2, '2', 1));
	assert_true(file_is(fd, (off_t)n - 1, '3', 1) && file_is(fd, 2, 0, 100000));
	assert_ok(munmap(p, n));
	assert_ok(close(fd));
}

static void shared_last_page_is_zeros_past_the_end(void **state)
{
	int fd = make_pages("f", 2);
	char *p;

	(void)state;
	assert_ok(ftruncate(fd, PAGE + 10));
	p = map(fd, 2 * PAGE, RW, MAP_SHARED, 0);
	assert_true(all(p + PAGE + 10, 0, PAGE - 10));
	assert_int_equal(lseek(fd, 0, SEEK_END), PAGE + 10);
	assert_ok(munmap(p, 2 * PAGE));
	assert_ok(close(fd));
}

static void behind_the_end_is_sigbus(void **state)
{
	int fd = make_pages("f", 2);
	char *p = map(fd, 4 * PAGE, RW, MAP_SHARED, 0), *q = map(fd, 4 * PAGE, PROT_READ, MAP_PRIVATE, 0);

	(void)state;
	assert_int_equal(touch(p + PAGE), 0);
	assert_int_equal(touch(p + 2 * PAGE), SIGBUS);
	assert_int_equal(touch(q + 3 * PAGE), SIGBUS);
	assert_ok(ftruncate(fd, PAGE)); /* cut short */
	assert_int_equal(touch(p), 0);
	assert_int_equal(touch(p + PAGE), SIGBUS);
	assert_ok(ftruncate(fd, 3 * PAGE)); /* grown */
	assert_int_equal(touch(p + 2 * PAGE), 0);
	assert_true(all(p + PAGE, 0, 2 * PAGE));
	p[2 * PAGE] = 'g';
	assert_true(file_is(fd, 2 * PAGE, 'g', 1));
	assert_int_equal(pwrite(fd, "more", 4, 3 * PAGE), 4); /* grown by a write */
	assert_memory_equal(p + 3 * PAGE, "more", 4);
	assert_ok(munmap(p, 4 * PAGE));
	assert_ok(munmap(q, 4 * PAGE));
	assert_ok(close(fd));
}

static void pieces_can_be_unmapped(void **state)
{
	int fd = make_pages("f", 5), i;
	char *p = map(fd, 5 * PAGE, RW, MAP_SHARED, 0);

	(void)state;
	assert_ok(close(fd));
	assert_ok(munmap(p + PAGE, PAGE));
	assert_ok(munmap(p + 3 * PAGE, PAGE));
	assert_int_equal(touch(p + PAGE), SIGSEGV);
	for (i = 0; i < 5; i += 2)
		memset(p + (size_t)i * PAGE, 'A' + i, PAGE);
	assert_ok(munmap(p, PAGE));
	assert_ok(munmap(p + 4 * PAGE, PAGE));
	assert_int_equal(p[2 * PAGE], 'C');
	assert_ok(munmap(p, 5 * PAGE)); /* the rest, and what is not there */
	fd = open(at("f"), O_RDONLY);
	for (i = 0; i < 5; i++)
		assert_true(file_is(fd, i * (off_t)PAGE, (char)((i & 1 ? 'a' : 'A') + i), PAGE));
	assert_ok(close(fd));
}

static void mremap_moves_and_resizes(void **state)
{
	int fd = make_pages("f", 6), other = make_pages("g", 6);
	char *p = map(fd, 2 * PAGE, RW, MAP_SHARED, PAGE);

	(void)state;
	p = mremap(p, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_true(all(p, 'b', PAGE) && all(p + 3 * PAGE, 'e', PAGE));
	memset(p + 3 * PAGE, 'E', PAGE);
	p = mremap(p, 4 * PAGE, PAGE, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_true(all(p, 'b', PAGE));
	assert_int_equal(touch(p + PAGE), SIGSEGV);
	assert_ok(munmap(p, PAGE));
	assert_true(file_is(fd, 4 * PAGE, 'E', PAGE));
	assert_true(file_is(other, 0, 'a', PAGE) && file_is(other, 4 * PAGE, 'e', PAGE));
	assert_ok(close(fd));
	assert_ok(close(other));
}

static void mapping_as_buffer(void **state)
{
	int fd = make_pages("f", 2), g = make_pages("g", 1);
	char *p = map(fd, 2 * PAGE, RW, MAP_SHARED, 0);

	(void)state;
	assert_int_equal(pwrite(g, p + PAGE, PAGE, 0), PAGE);
	assert_true(file_is(g, 0, 'b', PAGE));
	assert_int_equal(pread(fd, p + PAGE, PAGE, 0), PAGE);
	assert_true(file_is(fd, PAGE, 'a', PAGE));
	assert_int_equal(pwrite(fd, p, PAGE, PAGE), PAGE); /* onto itself */
	assert_true(file_is(fd, PAGE, 'a', PAGE));
	assert_ok(munmap(p, 2 * PAGE));
	assert_ok(close(fd));
	assert_ok(close(g));
}

static void unlinked_lives_as_long_as_it_is_mapped(void **state)
{
	int fd = make_pages("f", 3), g;
	char *p = map(fd, 3 * PAGE, RW, MAP_SHARED, 0);

	(void)state;
	assert_ok(unlink(at("f")));
	assert_ok(close(fd));
	g = make_pages("g", 50); /* would take the pages if they were free */
	assert_true(all(p, 'a', PAGE) && all(p + 2 * PAGE, 'c', PAGE));
	memset(p, '!', 3 * PAGE);
	for (int i = 0; i < 50; i++)
		assert_true(file_is(g, i * (off_t)PAGE, (char)('a' + i % 26), PAGE));
	assert_ok(munmap(p, 3 * PAGE));
	assert_ok(close(g));
}

/* ---- processes ---- */

struct pipes {
	int go[2], done[2];
};

static void make_pipes(struct pipes *p)
{
	assert_ok(pipe(p->go));
	assert_ok(pipe(p->done));
}

static void tell(int fd)
{
	if (write(fd, "x", 1) != 1)
		abort();
}

static bool wait_for(int fd)
{
	char c;

	return read(fd, &c, 1) == 1;
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int coherent_child(struct pipes *t)
{
	int fd = open(at("f"), O_RDWR);
	char *p, page[PAGE];

	CHILD_CHECK(fd >= 0);
	p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);
	CHILD_CHECK(p != MAP_FAILED);
	memset(p, '1', PAGE);
	tell(t->done[1]);
	CHILD_CHECK(wait_for(t->go[0])); /* the parent has stored and written */
	CHILD_CHECK(all(p, '2', PAGE) && all(p + PAGE, '3', PAGE));
	CHILD_CHECK(pread(fd, page, PAGE, 0) == PAGE && all(page, '2', PAGE));
	memset(page, '4', PAGE);
	CHILD_CHECK(pwrite(fd, page, PAGE, 0) == PAGE);
	return 0;
}

static void two_processes_see_the_same(void **state)
{
	int fd = make_pages("f", 2);
	char *p, page[PAGE];
	struct pipes t;
	pid_t pid;

	(void)state;
	make_pipes(&t);
	pid = fork();
	if (!pid)
		_exit(coherent_child(&t));
	p = map(fd, 2 * PAGE, RW, MAP_SHARED, 0);
	assert_true(wait_for(t.done[0]));
	assert_true(all(p, '1', PAGE) && file_is(fd, 0, '1', PAGE));
	memset(p, '2', PAGE);
	memset(page, '3', PAGE);
	assert_int_equal(pwrite(fd, page, PAGE, PAGE), PAGE);
	tell(t.go[1]);
	assert_int_equal(end_of(pid), 0);
	assert_true(all(p, '4', PAGE));
	assert_ok(munmap(p, 2 * PAGE));
	assert_ok(close(fd));
}

static void fork_shares_the_mapping(void **state)
{
	int fd = make_pages("f", 2);
	char *p = map(fd, 2 * PAGE, RW, MAP_SHARED, 0);
	struct pipes t;
	pid_t pid;

	(void)state;
	make_pipes(&t);
	assert_ok(close(fd));
	assert_ok(unlink(at("f")));
	pid = fork();
	if (!pid) {
		tell(t.done[1]);
		if (!wait_for(t.go[0]) || p[0] != 'P')
			_exit(1);
		memset(p, 'C', 2 * PAGE); /* the only one that has it now */
		_exit(all(p, 'C', 2 * PAGE) ? 0 : 2);
	}
	assert_true(wait_for(t.done[0]));
	p[0] = 'P';
	assert_ok(munmap(p, 2 * PAGE));
	fd = make_pages("g", 64);
	tell(t.go[1]);
	assert_int_equal(end_of(pid), 0);
	for (int i = 0; i < 64; i++)
		assert_true(file_is(fd, i * (off_t)PAGE, (char)('a' + i % 26), PAGE));
	assert_ok(close(fd));
}

/* A child that finds no slot has no say in what is freed, so it must lose the mapping. */
#define CROWD 300

static void child_without_a_slot_loses_the_mapping(void **state)
{
	int fd = make_pages("f", 2), stay[2], count = 0, lost = 0;
	char *p = map(fd, 2 * PAGE, RW, MAP_SHARED, 0), said[2];
	struct pipes t;
	pid_t pid[CROWD];

	(void)state;
	make_pipes(&t);
	assert_ok(pipe(stay));
	for (; count < CROWD && lost < 3; count++) {
		pid[count] = fork();
		assert_true(pid[count] >= 0);
		if (!pid[count]) {
			close(stay[1]);
			said[0] = (char)('0' + (open(at("f"), O_RDONLY) < 0));
			said[1] = (char)('0' + (touch(p + PAGE) == SIGBUS));
			(void)!write(t.done[1], said, 2);
			_exit(read(stay[0], said, 1) != 0);
		}
		assert_int_equal(read(t.done[0], said, 2), 2);
		assert_int_equal(said[0], said[1]);
		lost += said[0] == '1';
	}
	close(stay[1]);
	while (count--)
		assert_int_equal(end_of(pid[count]), 0);
	assert_int_equal(on_umfs() ? lost : 3, 3);
	assert_true(all(p + PAGE, 'b', PAGE));
	assert_ok(munmap(p, 2 * PAGE));
	assert_ok(close(fd));
}

/*
 * The child has the file mapped and stores its mark into every page of it, over and
 * over. Meanwhile the parent does what would move or free those pages, and makes
 * files of whatever is free. The mark must be nowhere in them.
 */
#define VICTIM_PAGES 64ul
#define MARK '\x7f'

static int marking_child(struct pipes *t)
{
	int fd = open(at("victim"), O_RDWR);
	char *p = mmap(NULL, VICTIM_PAGES * PAGE, RW, MAP_SHARED, fd, 0);
	struct pollfd stop = {.fd = t->go[0], .events = POLLIN};

	CHILD_CHECK(p != MAP_FAILED);
	CHILD_CHECK(!close(fd));
	CHILD_CHECK(!close(t->go[1])); /* so that a parent that failed ends this, too */
	alarm(60);
	tell(t->done[1]);
	signal(SIGBUS, on_fault);
	while (poll(&stop, 1, 0) == 0)
		for (volatile size_t i = 0; i < VICTIM_PAGES; i++)
			if (!sigsetjmp(jump, 1)) /* cut off: fine */
				memset(p + i * PAGE, MARK, PAGE);
	return 0;
}

static void replace_pages(int fd)
{
	static char buf[VICTIM_PAGES * PAGE];

	memset(buf, 'r', sizeof(buf));
	for (size_t i = 0; i < VICTIM_PAGES; i += 3)
		assert_int_equal(pwrite(fd, buf, PAGE, (off_t)(i * PAGE)), PAGE);
	assert_int_equal(pwrite(fd, buf, sizeof(buf), 0), sizeof(buf));
	assert_int_equal(pwrite(fd, buf, 3 * PAGE, 100), 3 * PAGE);
}

static void punch_pages(int fd)
{
	assert_ok(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, 20 * PAGE));
	assert_ok(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 30 * PAGE));
	assert_int_equal(lseek(fd, 0, SEEK_END), VICTIM_PAGES * PAGE);
}

static void zero_pages(int fd)
{
	if (fallocate(fd, FALLOC_FL_ZERO_RANGE, PAGE, 20 * PAGE))
		assert_int_equal(errno, EOPNOTSUPP); /* tmpfs */
}

static void cut_pages(int fd)
{
	assert_ok(ftruncate(fd, 10 * PAGE + 1));
	assert_ok(ftruncate(fd, 0));
	assert_ok(ftruncate(fd, VICTIM_PAGES * PAGE));
	assert_ok(ftruncate(fd, PAGE));
}

static void remove_file(int fd)
{
	(void)fd;
	assert_ok(unlink(at("victim")));
}

static void rename_over(int fd)
{
	(void)fd;
	put_file("new", "new");
	assert_ok(rename(at("new"), at("victim")));
}

static void no_mark_elsewhere(void (*attack)(int fd))
{
	int fd = make_pages("victim", VICTIM_PAGES), g;
	struct pipes t;
	pid_t pid;

	make_pipes(&t);
	pid = fork();
	if (!pid)
		_exit(marking_child(&t));
	assert_true(wait_for(t.done[0]));
	for (int round = 0; round < 20; round++) {
		if (round == 0 || (attack != remove_file && attack != rename_over))
			attack(fd);
		if (attack == remove_file || attack == rename_over)
			close(fd);
		g = make_pages("bait", 3 * VICTIM_PAGES);
		usleep(2000);
		for (size_t i = 0; i < 3 * VICTIM_PAGES; i++)
			assert_true(file_is(g, (off_t)(i * PAGE), (char)('a' + i % 26), PAGE));
		assert_ok(close(g));
		assert_ok(unlink(at("bait")));
	}
	tell(t.go[1]);
	assert_int_equal(end_of(pid), 0);
	close(fd);
	unlink(at("victim"));
}

static void replaced_under_a_mapping(void **state)
{
	(void)state;
	no_mark_elsewhere(replace_pages);
}

static void punched_under_a_mapping(void **state)
{
	(void)state;
	no_mark_elsewhere(punch_pages);
}

static void zeroed_under_a_mapping(void **state)
{
	(void)state;
	no_mark_elsewhere(zero_pages);
}

static void cut_under_a_mapping(void **state)
{
	(void)state;
	no_mark_elsewhere(cut_pages);
}

static void removed_under_a_mapping(void **state)
{
	(void)state;
	no_mark_elsewhere(remove_file);
}

static void renamed_over_under_a_mapping(void **state)
{
	(void)state;
	no_mark_elsewhere(rename_over);
}

static void punched_reads_as_zeros_in_the_mapping(void **state)
{
	int fd = make_pages("f", 8);
	char *p = map(fd, 8 * PAGE, RW, MAP_SHARED, 0);

	(void)state;
	assert_ok(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, 3 * PAGE));
	assert_true(all(p, 'a', PAGE) && all(p + PAGE, 0, 3 * PAGE) && all(p + 4 * PAGE, 'e', PAGE));
	p[PAGE] = 'X';
	assert_true(file_is(fd, PAGE, 'X', 1) && file_is(fd, PAGE + 1, 0, PAGE));
	assert_ok(munmap(p, 8 * PAGE));
	assert_ok(close(fd));
}

/* The touch that finds the new pages maps no more than what is still mapped then. */
#define PART (64 * PAGE)

struct tail {
	pthread_barrier_t start;
	char *at;
	bool kept;
};

static void *use_elsewhere(void *arg)
{
	struct tail *t = arg;
	char *q;

	pthread_barrier_wait(&t->start);
	munmap(t->at, PART);
	q = mmap(t->at, PART, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (q == t->at)
		memset(q, 'q', PART);
	pthread_barrier_wait(&t->start);
	t->kept = q == t->at && all(q, 'q', PART);
	return NULL;
}

static void grown_while_a_part_is_unmapped(void **state)
{
	struct tail t;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_barrier_init(&t.start, NULL, 2), 0);
	for (int i = 0; i < 100; i++) {
		int fd = make_file("f", "");
		char *p = map(fd, 2 * PART, RW, MAP_SHARED, 0);

		t.at = p + PART;
		assert_int_equal(pthread_create(&thread, NULL, use_elsewhere, &t), 0);
		assert_ok(ftruncate(fd, 2 * PART));
		pthread_barrier_wait(&t.start);
		p[0] = 'x';
		pthread_barrier_wait(&t.start);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_true(t.kept);
		assert_true(all(p + 1, 0, PART - 1));
		assert_ok(munmap(p, 2 * PART));
		assert_ok(close(fd));
	}
	pthread_barrier_destroy(&t.start);
}

/* What it was to replace is gone, and nothing of it is kept. */
static void failed_in_place_of_another(void **state)
{
	static char buf[1 << 20];
	const size_t n = 500 * PAGE;
	struct statvfs full;
	int fd, hog, holes;
	char *p;

	(void)state;
	if (!on_umfs())
		return; /* this tmpfs is everybody's */
	fd = make_pages("f", 500);
	p = map(fd, n, RW, MAP_SHARED, 0);
	assert_ok(close(fd));
	assert_ok(unlink(at("f")));
	holes = make_file("holes", "");
	assert_ok(ftruncate(holes, (off_t)n));
	hog = make_file("hog", "");
	for (size_t part = sizeof(buf); part >= PAGE; part /= 16)
		while (write(hog, buf, part) > 0)
			;
	assert_true(mmap(p, n, RW, MAP_SHARED | MAP_FIXED, holes, 0) == MAP_FAILED);
	assert_int_equal(errno, ENOSPC);
	assert_ok(statvfs(test_dir(), &full));
	assert_true(full.f_bfree >= 400);
	assert_ok(close(hog));
	assert_ok(unlink(at("hog")));
	assert_ok(close(holes));
}

static void space_comes_back(void **state)
{
	struct statvfs before, after;
	int fd;
	char *p;

	(void)state;
	if (!on_umfs())
		return; /* tmpfs of others is busy too */
	unlink(at("f"));
	unlink(at("g"));
	assert_ok(statvfs(test_dir(), &before));
	for (int round = 0; round < 30; round++) {
		fd = make_pages("f", 1000);
		p = map(fd, 1000 * PAGE, RW, MAP_SHARED, 0);
		assert_ok(ftruncate(fd, PAGE));
		assert_ok(unlink(at("f")));
		assert_ok(close(fd));
		assert_ok(munmap(p, 1000 * PAGE));
	}
	assert_ok(statvfs(test_dir(), &after));
	assert_true(after.f_bfree + 100 >= before.f_bfree);
}

/* ---- advice and protection ---- */

static void advice_changes_no_byte(void **state)
{
	static const int advice[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
				     MADV_DONTNEED, MADV_DONTFORK, MADV_DOFORK, MADV_DONTDUMP,
				     MADV_DODUMP, MADV_COLD, MADV_PAGEOUT};
	int fd = make_pages("f", 4);
	char *p = map(fd, 4 * PAGE, RW, MAP_SHARED, 0);
	unsigned char in[4];

	(void)state;
	for (size_t i = 0; i < sizeof(advice) / sizeof(*advice); i++) {
		p[PAGE] = (char)('A' + i);
		assert_ok(madvise(p, 4 * PAGE, advice[i]));
		assert_int_equal(p[PAGE], 'A' + (int)i);
		assert_true(file_is(fd, PAGE, (char)('A' + i), 1) && all(p + 3 * PAGE, 'd', PAGE));
	}
	assert_errno(madvise(p, PAGE, MADV_FREE), EINVAL);
	assert_errno(madvise(p + 1, PAGE, MADV_DONTNEED), EINVAL);
	assert_int_equal(posix_madvise(p, 4 * PAGE, POSIX_MADV_WILLNEED), 0);
	assert_ok(mlock(p, PAGE));
	assert_ok(mincore(p, 4 * PAGE, in));
	assert_true(in[0] & 1);
	assert_ok(munlock(p, PAGE));
	assert_ok(munmap(p, 4 * PAGE));
	assert_ok(close(fd));
}

static void removed_by_advice_is_a_hole(void **state)
{
	int fd = make_pages("f", 600), other = make_pages("g", 2), ro = open(at("f"), O_RDONLY);
	char *p = map(fd, 600 * PAGE, RW, MAP_SHARED, 0), *q = map(ro, PAGE, PROT_READ, MAP_SHARED, 0);

	(void)state;
	assert_ok(madvise(p + PAGE, 2 * PAGE, MADV_REMOVE));
	assert_ok(madvise(p + 5 * PAGE, 512 * PAGE, MADV_REMOVE));
	assert_true(all(p, 'a', PAGE) && all(p + PAGE, 0, 2 * PAGE) && all(p + 3 * PAGE, 'd', PAGE));
	assert_true(all(p + 5 * PAGE, 0, 512 * PAGE) && all(p + 517 * PAGE, 'a' + 517 % 26, PAGE));
	assert_true(file_is(fd, PAGE, 0, 2 * PAGE) && file_is(fd, 0, 'a', PAGE));
	assert_int_equal(lseek(fd, 0, SEEK_END), 600 * (off_t)PAGE);
	memset(p + PAGE, 'n', PAGE);
	assert_true(file_is(fd, PAGE, 'n', PAGE) && file_is(fd, 2 * PAGE, 0, PAGE));
	assert_true(file_is(other, 0, 'a', PAGE) && file_is(other, PAGE, 'b', PAGE));
	assert_errno(madvise(q, PAGE, MADV_REMOVE), EACCES);
	assert_true(all(q, 'a', PAGE));
	assert_ok(munmap(q, PAGE));
	q = map(fd, 600 * PAGE, RW, MAP_PRIVATE, 0);
	assert_errno(madvise(q, PAGE, MADV_REMOVE), EACCES);
	assert_ok(munmap(q, 600 * PAGE));
	assert_ok(munmap(p, 600 * PAGE));
	assert_ok(close(ro));
	assert_ok(close(fd));
	assert_ok(close(other));
}

static void protection_changes(void **state)
{
	int fd = make_pages("f", 3);
	char *p = map(fd, 3 * PAGE, PROT_READ, MAP_SHARED, 0);

	(void)state;
	assert_ok(mprotect(p, PAGE, PROT_NONE));
	assert_int_equal(touch(p), SIGSEGV);
	assert_int_equal(touch(p + PAGE), 0);
	assert_true(file_is(fd, 0, 'a', PAGE)); /* the file is as readable as ever */
	assert_int_equal(pwrite(fd, "X", 1, 0), 1);
	assert_ok(mprotect(p, 2 * PAGE, RW));
	assert_int_equal(p[0], 'X');
	p[PAGE] = 'Y';
	assert_true(file_is(fd, PAGE, 'Y', 1));
	assert_ok(mprotect(p, 3 * PAGE, PROT_READ));
	assert_ok(munmap(p, 3 * PAGE));
	assert_ok(close(fd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mmap_wrong_calls_fail),
		cmocka_unit_test(private_has_the_bytes),
		cmocka_unit_test(private_large_is_not_written_through),
		cmocka_unit_test(private_of_holes_is_zeros),
		cmocka_unit_test(fixed_goes_where_it_is_told),
		cmocka_unit_test(code_can_be_run),
		cmocka_unit_test(shared_is_the_file),
		cmocka_unit_test(shared_holes_can_be_stored_to),
		cmocka_unit_test(shared_last_page_is_zeros_past_the_end),
		cmocka_unit_test(behind_the_end_is_sigbus),
		cmocka_unit_test(pieces_can_be_unmapped),
		cmocka_unit_test(mremap_moves_and_resizes),
		cmocka_unit_test(mapping_as_buffer),
		cmocka_unit_test(unlinked_lives_as_long_as_it_is_mapped),
		cmocka_unit_test(two_processes_see_the_same),
		cmocka_unit_test(fork_shares_the_mapping),
		cmocka_unit_test(child_without_a_slot_loses_the_mapping),
		cmocka_unit_test(replaced_under_a_mapping),
		cmocka_unit_test(punched_under_a_mapping),
		cmocka_unit_test(zeroed_under_a_mapping),
		cmocka_unit_test(cut_under_a_mapping),
		cmocka_unit_test(removed_under_a_mapping),
		cmocka_unit_test(renamed_over_under_a_mapping),
		cmocka_unit_test(punched_reads_as_zeros_in_the_mapping),
		cmocka_unit_test(grown_while_a_part_is_unmapped),
		cmocka_unit_test(failed_in_place_of_another),
		cmocka_unit_test(space_comes_back),
		cmocka_unit_test(advice_changes_no_byte),
		cmocka_unit_test(removed_by_advice_is_a_hole),
		cmocka_unit_test(protection_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
