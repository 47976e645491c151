// SPDX-License-Identifier: BSD-3-Clause
/*
 * buffers.c - whose memory read and write copy to and from, in the guest.
 *
 *   kmod-buffers NODE
 *
 * The module copies to and from the caller's memory with locks held and page faults off. So:
 * memory that is not there yet, that ends, that somebody takes away meanwhile, that waits for
 * somebody else; that of readers, who may not see anything in between.
 */
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "kmod_test.h"

int pool, checks, failures;

#define PAGE 4096u
#define MIB (1u << 20)
#define SECONDS 0.7 /* each of those that try their luck */

static char *room(size_t bytes)
{
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	return at;
}

static bool is_all(const char *at, char c, size_t bytes)
{
	return !bytes || (at[0] == c && !memcmp(at, at + 1, bytes - 1));
}

/* Of so many bytes `c`. */
static int file_of(const char *name, char c, size_t bytes)
{
	int fd = k_open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *from = room(bytes);

	memset(from, c, bytes);
	CHECK(fd >= 0 && pwrite(fd, from, bytes, 0) == (ssize_t)bytes);
	munmap(from, bytes);
	return fd;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static void memory_that_comes_when_touched(void)
{
	size_t bytes = 5 * MIB + 123, i;
	int fd = file_of("f", 'a', bytes), memory = memfd_create("m", 0);
	char *to = room(bytes), *from;

	CHECK(pread(fd, to, bytes, 0) == (ssize_t)bytes && is_all(to, 'a', bytes));
	CHECK(madvise(to, bytes, MADV_DONTNEED) == 0);
	for (i = 0; i < bytes; i += 3 * PAGE) /* some of it is there */
		to[i] = 'x';
	CHECK(pread(fd, to, bytes, 0) == (ssize_t)bytes && is_all(to, 'a', bytes));
	memset(to, 'b', bytes);
	CHECK(write(memory, to, bytes) == (ssize_t)bytes);
	from = mmap(NULL, bytes, PROT_READ, MAP_SHARED, memory, 0);
	CHECK(pwrite(fd, from, bytes, 0) == (ssize_t)bytes);
	CHECK(pread(fd, to, bytes, 0) == (ssize_t)bytes && is_all(to, 'b', bytes));
	/* Zeros that nobody has touched; and those of a small write. */
	munmap(to, bytes);
	to = room(bytes);
	CHECK(pwrite(fd, to, bytes, 0) == (ssize_t)bytes);
	CHECK(pread(fd, to, bytes, 0) == (ssize_t)bytes && is_all(to, 0, bytes));
	munmap(from, bytes);
	from = mmap(NULL, bytes, PROT_READ, MAP_SHARED, memory, 0);
	CHECK(pwrite(fd, from + PAGE, 100, 100) == 100);
	CHECK(pread(fd, to, 300, 0) == 300 && is_all(to + 100, 'b', 100) && !to[99] && !to[200]);
	munmap(to, bytes);
	munmap(from, bytes);
	close(memory);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

/* Of `bytes` from at + off only `there` are memory: that many are written, and nothing else. */
static void write_what_is_there(int fd, const char *end, size_t bytes, size_t there, off_t off)
{
	static char was[16 * PAGE], is[16 * PAGE];
	ssize_t n;

	CHECK(pread(fd, was, sizeof(was), 0) == sizeof(was));
	errno = 0;
	n = pwrite(fd, end - there, bytes, off);
	CHECK(there ? n == (ssize_t)there : n == -1 && errno == EFAULT);
	CHECK(pread(fd, is, sizeof(is), 0) == sizeof(is));
	CHECK(!memcmp(is, was, (size_t)off) && is_all(is + off, end[-1], there) &&
	      !memcmp(is + off + there, was + off + there, sizeof(is) - (size_t)off - there));
}

static void memory_that_ends(void)
{
	int fd = file_of("f", 'a', 16 * PAGE);
	char *at = room(16 * PAGE), *end = at + 8 * PAGE;
	struct stat st;

	memset(at, 'c', 8 * PAGE);
	CHECK(mprotect(end, 8 * PAGE, PROT_NONE) == 0);
	write_what_is_there(fd, end, 200, 100, 300);		       /* within a page */
	write_what_is_there(fd, end, 200, 0, 600);
	write_what_is_there(fd, end, PAGE, 0, PAGE);		       /* a page */
	write_what_is_there(fd, end, PAGE, 1000, 2 * PAGE);
	write_what_is_there(fd, end, 8 * PAGE, 3 * PAGE, 3 * PAGE);    /* pages */
	write_what_is_there(fd, end, 4 * PAGE, PAGE + 77, 9 * PAGE + 5);
	write_what_is_there(fd, end, 4 * PAGE, 0, 12 * PAGE + 9);
	CHECK(pwrite(fd, end - 10, 5 * PAGE, 20 * PAGE) == 10);	       /* past the end */
	CHECK(fstat(fd, &st) == 0 && st.st_size == 20 * PAGE + 10);
	FAILS(EFAULT, pwrite(fd, end, 5 * PAGE, 30 * PAGE));
	CHECK(fstat(fd, &st) == 0 && st.st_size == 20 * PAGE + 10);
	/* And to read. */
	CHECK(pread(fd, end - 100, 200, PAGE) == 100 && is_all(end - 100, 'a', 100));
	CHECK(pread(fd, end - 3 * PAGE, 8 * PAGE, PAGE) == 3 * PAGE);
	FAILS(EFAULT, pread(fd, end, 10, 0));
	CHECK(pread(fd, end, 10, 30 * PAGE) == 0);
	CHECK(mprotect(at, 8 * PAGE, PROT_READ) == 0);
	FAILS(EFAULT, pread(fd, at, PAGE, 0));
	CHECK(pwrite(fd, at, 10, 0) == 10);
	munmap(at, 16 * PAGE);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

/* One call in many pieces is what it is in one. */
static void memory_in_pieces(void)
{
	char *from = room(MIB), *to = room(MIB);
	int fd = file_of("f", 'a', MIB);
	struct iovec iov[20];
	size_t n, i, bytes;

	for (i = 0; i < MIB; i++)
		from[i] = (char)(i * 131 >> 3);
	for (n = 1; n <= 20; n++) {
		for (i = bytes = 0; i < n; i++) { /* the third of each four is empty */
			iov[i].iov_base = from + bytes;
			iov[i].iov_len = i % 4 == 2 ? 0 : 100 + i * 997 % 20000;
			bytes += iov[i].iov_len;
		}
		CHECK(pwritev(fd, iov, (int)n, 4000) == (ssize_t)bytes);
		CHECK(pread(fd, to, bytes, 4000) == (ssize_t)bytes && !memcmp(to, from, bytes));
		memset(to, 0, bytes);
		for (i = 0; i < n; i++)
			iov[i].iov_base = to + ((char *)iov[i].iov_base - from);
		CHECK(preadv(fd, iov, (int)n, 4000) == (ssize_t)bytes && !memcmp(to, from, bytes));
	}
	iov[0] = (struct iovec){from, 5000};
	iov[1] = (struct iovec){(char *)8, 10};
	iov[2] = (struct iovec){from, 10};
	CHECK(pwritev(fd, iov, 3, 0) == 5000 && preadv(fd, iov, 3, 0) == 5000);
	munmap(from, MIB);
	munmap(to, MIB);
	close(fd);
	CHECK(k_unlink("f", 0) == 0);
}

/* ---- memory that somebody else has to bring ---- */

struct waiting {
	int fd;
	char *at;
	bool store;
	ssize_t done;
};

static void *call_in_thread(void *arg)
{
	struct waiting *w = arg;

	w->done = w->store ? pwrite(w->fd, w->at, 3 * PAGE, 100) : pread(w->fd, w->at, 3 * PAGE, 100);
	return NULL;
}

/* Without O_NONBLOCK poll() would not wait. */
static int watch_faults(char *at, size_t bytes)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register reg = {.range = {(uintptr_t)at, bytes},
				      .mode = UFFDIO_REGISTER_MODE_MISSING};
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	CHECK(uffd >= 0 && ioctl(uffd, UFFDIO_API, &api) == 0 &&
	      ioctl(uffd, UFFDIO_REGISTER, &reg) == 0);
	return uffd;
}

/* The next page that somebody wants becomes one of `c`. */
static void bring(int uffd, const char *page)
{
	struct pollfd p = {.fd = uffd, .events = POLLIN};
	struct uffdio_copy copy = {.src = (uintptr_t)page, .len = PAGE};
	struct uffd_msg msg;

	CHECK(poll(&p, 1, 20000) == 1 && read(uffd, &msg, sizeof(msg)) == sizeof(msg));
	copy.dst = msg.arg.pagefault.address & ~(uint64_t)(PAGE - 1);
	CHECK(ioctl(uffd, UFFDIO_COPY, &copy) == 0);
}

static void memory_that_waits(bool store)
{
	struct waiting w = {.fd = file_of("f", 'a', 5 * PAGE), .at = room(4 * PAGE), .store = store};
	int uffd = watch_faults(w.at, 4 * PAGE), i;
	struct pollfd p = {.fd = uffd, .events = POLLIN};
	char *page = room(PAGE), text[10];
	pthread_t thread;

	memset(page, 'd', PAGE);
	CHECK(pthread_create(&thread, NULL, call_in_thread, &w) == 0);
	for (i = 0; i < 3; i++) {
		/* He waits; the file is anybody's meanwhile. */
		CHECK(poll(&p, 1, 20000) == 1);
		CHECK(pwrite(w.fd, "xyz", 3, 4 * PAGE) == 3);
		CHECK(pread(w.fd, text, 3, 4 * PAGE) == 3 && !memcmp(text, "xyz", 3));
		CHECK(pread(w.fd, text, 3, 100) == 3 && !memcmp(text, "aaa", 3));
		CHECK(ftruncate(w.fd, 5 * PAGE) == 0);
		bring(uffd, page);
	}
	CHECK(pthread_join(thread, NULL) == 0 && w.done == 3 * PAGE);
	if (!store)
		CHECK(is_all(w.at, 'a', 3 * PAGE));
	else
		CHECK(pread(w.fd, w.at, 3 * PAGE, 100) == 3 * PAGE && is_all(w.at, 'd', 3 * PAGE));
	close(uffd);
	munmap(w.at, 4 * PAGE);
	munmap(page, PAGE);
	close(w.fd);
	CHECK(k_unlink("f", 0) == 0);
}

static void memory_that_waits_to_be_read(void)
{
	memory_that_waits(true);
}

static void memory_that_waits_to_be_written(void)
{
	memory_that_waits(false);
}

/* ---- what others may see ---- */

struct race {
	int fd, other;
	char *at[2];
	volatile bool over;
};

/* Memory of a file: it comes again as it was. */
static void *take_away(void *arg)
{
	struct race *r = arg;
	unsigned i = 0;

	while (!r->over) {
		i++;
		CHECK(madvise(r->at[i % 2] + i * 7919 % 3 * PAGE, PAGE, MADV_DONTNEED) == 0);
	}
	return NULL;
}

static void *write_in_turns(void *arg)
{
	struct race *r = arg;
	const size_t part[] = {3 * PAGE, 1000, PAGE};
	unsigned i;

	for (i = 0; !r->over; i++) {
		size_t bytes = part[i % 6 / 2];
		off_t off = (off_t)(i % 6 / 2) * 4 * PAGE;

		CHECK(pwrite(r->fd, r->at[i % 2] + 3 * PAGE - bytes - (bytes < PAGE ? PAGE / 2 : 0),
			     bytes, off) == (ssize_t)bytes);
	}
	return NULL;
}

static bool is_whole(int fd, size_t bytes, off_t off)
{
	static char got[3 * PAGE];

	return pread(fd, got, bytes, off) == (ssize_t)bytes && is_all(got, got[0], bytes);
}

/* A write whose memory is not there has to be begun again: nobody sees the first half. */
static void write_is_seen_whole(void)
{
	struct race r = {.fd = file_of("f", 'a', 12 * PAGE)};
	int memory[2] = {memfd_create("a", 0), memfd_create("b", 0)}, i;
	pthread_t taker, writer;
	double end = now() + SECONDS;
	unsigned halves = 0;

	for (i = 0; i < 2; i++) {
		CHECK(ftruncate(memory[i], 3 * PAGE) == 0);
		r.at[i] = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory[i], 0);
		memset(r.at[i], 'a' + i, 3 * PAGE);
	}
	CHECK(pthread_create(&taker, NULL, take_away, &r) == 0 &&
	      pthread_create(&writer, NULL, write_in_turns, &r) == 0);
	while (now() < end)
		halves += !is_whole(r.fd, 3 * PAGE, 0) || !is_whole(r.fd, 1000, 4 * PAGE) ||
			  !is_whole(r.fd, PAGE, 8 * PAGE);
	CHECK(halves == 0);
	r.over = true;
	CHECK(pthread_join(taker, NULL) == 0 && pthread_join(writer, NULL) == 0);
	for (i = 0; i < 2; i++) {
		munmap(r.at[i], 3 * PAGE);
		close(memory[i]);
	}
	close(r.fd);
	CHECK(k_unlink("f", 0) == 0);
}

/* All but 64 pages of the pool, so that what is freed is what is given out next. */
static int take_the_rest(void)
{
	int fd = k_open("rest", O_RDWR | O_CREAT, 0600);
	off_t end = 0, step;

	for (step = 64 * MIB; step >= (off_t)PAGE; step /= 2)
		while (!fallocate(fd, 0, end, step))
			end += step;
	CHECK(errno == ENOSPC && ftruncate(fd, end - 64 * (off_t)PAGE) == 0);
	return fd;
}

/* Pages of the reader's file become another's while he reads. */
static void *pass_on(void *arg)
{
	struct race *r = arg;

	while (!r->over) {
		CHECK(ftruncate(r->fd, 0) == 0);
		CHECK(pwrite(r->other, r->at[1], 2 * MIB, 0) == 2 * MIB);
		CHECK(ftruncate(r->other, 0) == 0);
		CHECK(pwrite(r->fd, r->at[0], 2 * MIB, 0) == 2 * MIB);
	}
	return NULL;
}

/* Not even in memory that the call says nothing of. */
static void nothing_of_other_files_is_seen(void)
{
	struct race r = {.fd = file_of("mine", 'm', 2 * MIB), .other = file_of("other", 's', 1)};
	int rest = take_the_rest();
	char *to = room(2 * MIB);
	pthread_t passer;
	unsigned seen = 0;
	double end;

	r.at[0] = memset(room(2 * MIB), 'm', 2 * MIB);
	r.at[1] = memset(room(2 * MIB), 's', 2 * MIB);
	CHECK(pthread_create(&passer, NULL, pass_on, &r) == 0);
	end = now() + SECONDS;
	do {
		CHECK(pread(r.fd, to, 2 * MIB, 0) >= 0);
		seen += memchr(to, 's', 2 * MIB) != NULL;
	} while (now() < end);
	CHECK(seen == 0);
	r.over = true;
	CHECK(pthread_join(passer, NULL) == 0);
	munmap(to, 2 * MIB);
	munmap(r.at[0], 2 * MIB);
	munmap(r.at[1], 2 * MIB);
	close(r.fd);
	close(r.other);
	close(rest);
	CHECK(k_unlink("mine", 0) == 0 && k_unlink("other", 0) == 0 && k_unlink("rest", 0) == 0);
}

int main(int argc, char **argv)
{
	static void (*const cases[])(void) = {
		memory_that_comes_when_touched,
		memory_that_ends,
		memory_in_pieces,
		memory_that_waits_to_be_read,
		memory_that_waits_to_be_written,
		write_is_seen_whole,
		nothing_of_other_files_is_seen,
	};

	return run_cases(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
