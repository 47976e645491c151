// SPDX-License-Identifier: BSD-3-Clause
/*
 * share.c - files of a pool that are read, and by lease written, in a mapping.
 *
 *   kmod-share node NODE        what the module says and does: UMFS_IOC_SHARE
 *   kmod-share CASE DIRECTORY   under libumfs, which reads and writes so: read, write, numbers,
 *                               threads
 */
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "kmod_test.h"

int pool, checks, failures;

#define PAGE 4096u
#define MIB (1u << 20)
#define SLOTS_BYTES (UMFS_IOC_SLOTS * sizeof(struct umfs_ioc_slot))
#define OFTEN 40 /* reads until libumfs has asked, however often it had to before */
#define ROUNDS 300

static char buf[3 * MIB], seen[3 * MIB];

/* Past libumfs. */
static long raw(long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = 0;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
}

/* ---- the module ---- */

static const volatile struct umfs_ioc_slot *slots;

static int k_share(int fd, uint64_t bytes, struct umfs_ioc_share *a)
{
	*a = (struct umfs_ioc_share){.fd = fd, .bytes = bytes};
	return ioctl(pool, UMFS_IOC_SHARE, a);
}

static int make(const char *name, int flags)
{
	int fd = k_open(name, O_RDWR | O_CREAT, 0600);

	CHECK(fd >= 0 && pwrite(fd, buf, PAGE, 0) == PAGE);
	CHECK(close(fd) == 0);
	return k_open(name, flags, 0);
}

static void area(void)
{
	struct umfs_ioc_share a;
	int fd = make("f", O_RDONLY);

	FAILS(ENXIO, k_share(fd, 0, &a));
	CHECK(mmap(NULL, SLOTS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, pool, 0) == MAP_FAILED);
	CHECK(mmap(NULL, SLOTS_BYTES, PROT_READ, MAP_PRIVATE, pool, 0) == MAP_FAILED);
	CHECK(mmap(NULL, SLOTS_BYTES, PROT_READ, MAP_SHARED, pool, PAGE) == MAP_FAILED);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, pool, 0) == MAP_FAILED);
	slots = mmap(NULL, SLOTS_BYTES, PROT_READ, MAP_SHARED, pool, 0);
	CHECK(slots != MAP_FAILED);
	FAILS(EACCES, mprotect((void *)(uintptr_t)slots, SLOTS_BYTES, PROT_READ | PROT_WRITE));
	CHECK(k_share(fd, 0, &a) == 0 && a.addr == 0);
	CHECK(slots[a.slot].stamp == a.stamp && slots[a.slot].size == PAGE &&
	      !(slots[a.slot].seq & 1));
	CHECK(close(fd) == 0 && slots[a.slot].stamp != a.stamp);
}

static void arguments(void)
{
	struct umfs_ioc_share a = {.zero0 = 1};
	int fd = make("f", O_RDONLY), dir = k_open(".", O_RDONLY | O_DIRECTORY, 0),
	    write_only = k_open("f", O_WRONLY, 0), path = k_open("f", O_PATH, 0),
	    node = open("/dev/null", O_RDONLY);

	FAILS(EINVAL, ioctl(pool, UMFS_IOC_SHARE, &a));
	a = (struct umfs_ioc_share){.zero = {0, 1}, .fd = fd};
	FAILS(EINVAL, ioctl(pool, UMFS_IOC_SHARE, &a));
	FAILS(EFAULT, ioctl(pool, UMFS_IOC_SHARE, NULL));
	FAILS(EBADF, k_share(-1, 0, &a));
	FAILS(EBADF, k_share(write_only, PAGE, &a));
	FAILS(EBADF, k_share(path, PAGE, &a));
	FAILS(EINVAL, k_share(dir, PAGE, &a));
	FAILS(EINVAL, k_share(node, PAGE, &a));
	FAILS(EINVAL, k_share(fd, 1, &a));
	FAILS(EINVAL, k_share(fd, 1ull << 62, &a));
	CHECK(k_share(fd, PAGE, &a) == 0 && !memcmp((void *)(uintptr_t)a.addr, buf, PAGE));
	FAILS(EACCES, mprotect((void *)(uintptr_t)a.addr, PAGE, PROT_READ | PROT_WRITE));
	CHECK(munmap((void *)(uintptr_t)a.addr, PAGE) == 0);
	CHECK(!close(fd) && !close(dir) && !close(write_only) && !close(path) && !close(node));
}

/* The stamp is another one after the descriptor's `act`, whatever the number is then. */
#define ANOTHER(act)                                                                     \
	do {                                                                             \
		CHECK(k_share(fd, 0, &a) == 0 && slots[a.slot].stamp == a.stamp);        \
		act;                                                                     \
		CHECK(slots[a.slot].stamp != a.stamp);                                   \
	} while (0)

static void stamps(void)
{
	int fd = make("f", O_RDONLY), other = make("g", O_RDONLY), copy;
	struct umfs_ioc_share a;
	pid_t child;

	ANOTHER(CHECK((copy = dup(fd)) >= 0 && close(copy) == 0));
	ANOTHER(CHECK(dup2(fd, 100) == 100 && dup2(other, 100) == 100));
	CHECK(dup2(fd, 100) == 100);
	ANOTHER(CHECK(raw(SYS_close_range, 100, 100, 0, 0) == 0));
	ANOTHER(child = fork(); if (!child) _exit(0); waitpid(child, NULL, 0));
	CHECK(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
	ANOTHER(child = vfork(); if (!child) { execl("/bin/true", "true", NULL); _exit(0); }
		waitpid(child, NULL, 0));
	ANOTHER(CHECK(dup2(other, fd) == fd));
	CHECK(close(fd) == 0 && close(other) == 0);
	CHECK(k_unlink("g", 0) == 0);
}

#define CHANGES(act, bytes)                                                              \
	do {                                                                             \
		uint64_t before_ = slot->seq;                                            \
		CHECK(act);                                                              \
		CHECK(slot->seq != before_ && !(slot->seq & 1) && slot->size == (bytes)); \
	} while (0)

static void sequences(void)
{
	int fd = make("f", O_RDWR), again;
	const volatile struct umfs_ioc_slot *slot;
	struct umfs_ioc_share a;

	CHECK(k_share(fd, 0, &a) == 0);
	slot = &slots[a.slot];
	CHANGES(pwrite(fd, "x", 1, 10) == 1, PAGE);
	CHANGES(pwrite(fd, "x", 1, PAGE) == 1, PAGE + 1);
	CHANGES(ftruncate(fd, 5) == 0, 5);
	CHANGES(fallocate(fd, 0, 0, 2 * PAGE) == 0, 2 * PAGE);
	CHANGES((again = k_open("f", O_RDWR | O_TRUNC, 0)) >= 0, 0);
	CHANGES(pwrite(again, "x", 1, 0) == 1, 1);
	CHECK(slot->stamp == a.stamp);
	CHECK(close(fd) == 0 && close(again) == 0);
}

static void *apart(void *arg)
{
	CHECK(unshare(CLONE_FILES) == 0);
	*(int *)arg = 1;
	while (__atomic_load_n((int *)arg, __ATOMIC_ACQUIRE) == 1)
		sched_yield();
	return NULL;
}

/* Threads with descriptors of their own: nobody can know what a number is. */
static void tables(void)
{
	int fd = make("f", O_RDONLY), step = 0;
	struct umfs_ioc_share a;
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, apart, &step) == 0);
	while (!__atomic_load_n(&step, __ATOMIC_ACQUIRE))
		sched_yield();
	FAILS(EPERM, k_share(fd, 0, &a));
	__atomic_store_n(&step, 2, __ATOMIC_RELEASE);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(close(fd) == 0);
}

/* As many as there are slots, and again when they are closed. */
static void many(void)
{
	const struct rlimit enough = {2 * UMFS_IOC_SLOTS, 2 * UMFS_IOC_SLOTS};
	int fd[UMFS_IOC_SLOTS + 1], round;
	struct umfs_ioc_share a;
	unsigned i;

	CHECK(setrlimit(RLIMIT_NOFILE, &enough) == 0);
	for (round = 0; round < 2; round++) {
		for (i = 0; i <= UMFS_IOC_SLOTS; i++)
			fd[i] = k_open("f", O_RDONLY, 0);
		for (i = 0; i < UMFS_IOC_SLOTS; i++)
			CHECK(k_share(fd[i], 0, &a) == 0);
		FAILS(ENFILE, k_share(fd[i], 0, &a));
		CHECK(pwrite(fd[0], buf, 1, 0) == -1);
		for (i = 0; i <= UMFS_IOC_SLOTS; i++)
			CHECK(close(fd[i]) == 0);
	}
}

static void on_node(const char *node)
{
	pool = open(node, O_RDONLY | O_CLOEXEC);
	CHECK(pool >= 0);
	area();
	arguments();
	stamps();
	sequences();
	tables();
	many();
	CHECK(k_unlink("f", 0) == 0);
}

/* ---- under libumfs ---- */

static char names[3][256];

static void fill(const char *name, char with, size_t n)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	memset(buf, with, sizeof(buf));
	CHECK(fd >= 0 && pwrite(fd, buf, n, 0) == (ssize_t)n && close(fd) == 0);
}

static void warm(int fd)
{
	int i;

	for (i = 0; i < OFTEN; i++)
		CHECK(pread(fd, seen, 64, 0) == 64);
}

/* From here on pread() and pwrite() of the kernel's are EPERM: what is done now is done in a mapping. */
static bool forbid(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwrite64, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pread64, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};

	return !raw(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0) &&
	       !raw(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (long)&filter, 0);
}

static bool reads(int fd, size_t n, off_t off, ssize_t wanted)
{
	memset(seen, 0, n);
	return pread(fd, seen, n, off) == wanted &&
	       (wanted <= 0 || !memcmp(seen, buf + off, (size_t)wanted));
}

static void child_reads(int fd)
{
	void *nowhere = (void *)(uintptr_t)strtoul("8", NULL, 10);
	size_t n;

	CHECK(forbid());
	CHECK(raw(SYS_pread64, fd, (long)seen, 64, 0) == -EPERM);
	for (n = 1; n <= 2 * MIB; n = n * 3 + 1) {
		CHECK(reads(fd, n, 0, (ssize_t)n));
		CHECK(reads(fd, n, 4000, (ssize_t)n));
	}
	CHECK(reads(fd, PAGE, sizeof(buf) - 10, 10));
	CHECK(reads(fd, PAGE, sizeof(buf), 0));
	CHECK(reads(fd, PAGE, 2 * (off_t)sizeof(buf), 0));
	FAILS(EPERM, (int)pread(fd, nowhere, 64, 0));
	FAILS(EPERM, (int)pread(fd, seen, 64, -1));
}

#define CHILD(what)                                                                      \
	do {                                                                             \
		pid_t child_;                                                            \
		int status_ = -1;                                                        \
                                                                                         \
		fflush(stdout);                                                          \
		child_ = fork();                                                         \
		if (!child_) {                                                           \
			failures = 0;                                                    \
			what;                                                            \
			fflush(stdout);                                                  \
			_exit(failures ? 1 : 0);                                         \
		}                                                                        \
		waitpid(child_, &status_, 0);                                            \
		CHECK(status_ == 0);                                                     \
	} while (0)

/* What others change is seen at once. */
static void changes(int fd, int writer)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		CHECK(raw(SYS_pwrite64, writer, (long)&i, sizeof(i), 100) == sizeof(i));
		CHECK(pread(fd, seen, sizeof(i), 100) == sizeof(i) && !memcmp(seen, &i, sizeof(i)));
		CHECK(pread(fd, seen, sizeof(i), 100) == sizeof(i) && !memcmp(seen, &i, sizeof(i)));
	}
	CHECK(raw(SYS_ftruncate, writer, 120, 0, 0) == 0);
	for (i = 0; i < 3; i++)
		CHECK(pread(fd, seen, PAGE, 100) == 20 && pread(fd, seen, PAGE, PAGE) == 0);
	for (i = 0; i < 6; i++) { /* past what was mapped */
		CHECK(raw(SYS_pwrite64, writer, (long)buf, MIB, (long)i * MIB) == MIB);
		warm(fd);
		CHECK(pread(fd, seen, PAGE, (off_t)i * MIB) == PAGE && !memcmp(seen, buf, PAGE));
		CHECK(pread(fd, seen, PAGE, (off_t)(i + 1) * MIB - 5) == 5);
	}
	CHECK(raw(SYS_ftruncate, writer, 0, 0, 0) == 0);
	CHECK(pread(fd, seen, PAGE, 0) == 0);
}

static void reading(void)
{
	int fd, writer;
	size_t i;

	fill(names[0], 'a', sizeof(buf));
	for (i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7 + i / PAGE);
	writer = open(names[0], O_RDWR);
	CHECK(pwrite(writer, buf, sizeof(buf), 0) == sizeof(buf));
	fd = open(names[0], O_RDONLY);
	warm(fd);
	CHILD(child_reads(fd));
	warm(fd);
	changes(fd, writer);
	CHECK(close(fd) == 0);
	FAILS(EBADF, (int)pread(fd, seen, 64, 0));
	fd = open(names[0], O_WRONLY);
	FAILS(EBADF, (int)pread(fd, seen, 64, 0));
	CHECK(close(fd) == 0 && close(writer) == 0);
}

/* ---- writing ---- */

#define LEASED (256u << 10)
#define ROOM UMFS_IOC_LOG_ROOM

static void warm_write(int fd)
{
	int i;

	for (i = 0; i < OFTEN; i++)
		CHECK(pwrite(fd, buf, 64, 0) == 64);
}

static bool writes(int fd, size_t n, off_t off, int with)
{
	memset(buf + off, with, n);
	return pwrite(fd, buf + off, n, off) == (ssize_t)n && reads(fd, n, off, (ssize_t)n);
}

/* What the file is then is in `buf`. */
static void child_writes(void)
{
	void *nowhere = (void *)(uintptr_t)strtoul("8", NULL, 10);
	int fd = open(names[0], O_RDWR);
	size_t n;

	warm_write(fd);
	CHECK(forbid());
	CHECK(raw(SYS_pwrite64, fd, (long)buf, 64, 0) == -EPERM);
	for (n = 1; n <= ROOM; n = n * 2 + 1) {
		CHECK(writes(fd, n, 0, 'a' + (int)(n % 7)));
		CHECK(writes(fd, n, 4090, 'h' + (int)(n % 7)));
		CHECK(writes(fd, n, (off_t)(LEASED - n), 'o' + (int)(n % 7)));
	}
	CHECK(writes(fd, ROOM, PAGE, 'z'));
	FAILS(EPERM, (int)pwrite(fd, nowhere, PAGE, 0)); /* and what was there is there */
	CHECK(reads(fd, PAGE, 0, PAGE));
	FAILS(EPERM, (int)pwrite(fd, buf, ROOM + 1, 0));
	FAILS(EPERM, (int)pwrite(fd, buf, 2, LEASED - 1));
	FAILS(EPERM, (int)pwrite(fd, buf, 2, -1));
	CHECK(reads(fd, PAGE, LEASED - 5, 5));
	CHECK(fcntl(fd, F_SETFL, O_APPEND) == 0);
	FAILS(EPERM, (int)pwrite(fd, buf, 64, 0));
	n = (size_t)raw(SYS_lseek, fd, 0, SEEK_SET, 0);
	CHECK(n == 0 && raw(SYS_read, fd, (long)seen, LEASED, 0) == LEASED &&
	      !memcmp(seen, buf, LEASED));
}

static void *write_page(void *page)
{
	int fd = open(names[0], O_RDWR);

	warm_write(fd);
	CHECK(forbid());
	CHECK(pwrite(fd, page, PAGE, 0) == PAGE && close(fd) == 0);
	return page;
}

/* A thread whose buffer has to be brought waits for nobody but those of its own file. */
static void child_beside_waiting(void)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register reg = {.range = {(uintptr_t)page, PAGE},
				      .mode = UFFDIO_REGISTER_MODE_MISSING};
	struct uffdio_copy copy = {.dst = (uintptr_t)page, .src = (uintptr_t)buf, .len = PAGE};
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), fd = open(names[1], O_RDWR);
	struct pollfd p = {.fd = uffd, .events = POLLIN};
	pthread_t thread;

	CHECK(uffd >= 0 && !ioctl(uffd, UFFDIO_API, &api) && !ioctl(uffd, UFFDIO_REGISTER, &reg));
	warm_write(fd);
	CHECK(pthread_create(&thread, NULL, write_page, page) == 0);
	CHECK(poll(&p, 1, 20000) == 1);
	CHECK(forbid());
	CHECK(writes(fd, 100, PAGE, 'w'));
	CHECK(ioctl(uffd, UFFDIO_COPY, &copy) == 0);
	CHECK(pthread_join(thread, NULL) == 0 && close(fd) == 0 && close(uffd) == 0);
}

/* Two processes, of one block each time. */
static void beside(void)
{
	int fd = open(names[0], O_RDWR), status, i;
	pid_t child = fork();

	if (!child) {
		failures = 0;
		for (i = 0; i < ROUNDS * 8; i++) {
			memset(buf, 'a' + i % 20, PAGE);
			CHECK(pwrite(fd, buf, PAGE, 100) == PAGE);
		}
		fflush(stdout);
		_exit(failures ? 1 : 0);
	}
	for (i = 0; waitpid(child, &status, WNOHANG) == 0; i++) {
		CHECK(pread(fd, seen, PAGE, 100) == PAGE);
		CHECK(seen[0] == seen[PAGE - 1] && !memcmp(seen, seen + 1, PAGE - 1));
		if (i % 64 == 0)
			usleep(1000);
		if (i % 50 == 0)
			CHECK(pwrite(fd, seen, PAGE, 100) == PAGE);
	}
	CHECK(status == 0 && close(fd) == 0);
}

static void writing(void)
{
	int fd, i;

	fill(names[0], 'a', LEASED);
	memset(buf, 'a', LEASED);
	CHILD(child_writes());
	fill(names[1], 'a', LEASED);
	CHILD(child_beside_waiting());
	fill(names[0], 'a', LEASED);
	beside();
	fd = open(names[0], O_RDWR);
	warm_write(fd);
	CHILD(CHECK(pwrite(fd, "c", 1, 3) == 1 && pread(fd, seen, 1, 3) == 1 && seen[0] == 'c'));
	CHECK(pread(fd, seen, 1, 3) == 1 && seen[0] == 'c');
	for (i = 0; i < 20; i++) { /* what others change in between */
		warm_write(fd);
		CHECK(raw(SYS_pwrite64, fd, (long)"x", 1, 5) == 1);
		CHECK(pread(fd, seen, 1, 5) == 1 && seen[0] == 'x');
		CHECK(pwrite(fd, "y", 1, 5) == 1 && pread(fd, seen, 1, 5) == 1 && seen[0] == 'y');
		CHECK(raw(SYS_ftruncate, fd, i % 2 ? LEASED : 6, 0, 0) == 0);
		CHECK(pwrite(fd, "z", 1, 7) == 1);
		CHECK(pread(fd, seen, 3, 5) == 3 && seen[0] == 'y' && seen[2] == 'z');
	}
	CHECK(close(fd) == 0);
	FAILS(EBADF, (int)pwrite(fd, buf, 64, 0));
	fd = open(names[0], O_WRONLY);
	warm_write(fd);
	CHECK(close(fd) == 0);
	fd = open(names[0], O_RDONLY);
	FAILS(EBADF, (int)pwrite(fd, buf, 64, 0));
	CHECK(close(fd) == 0);
}

static char first_of(int fd)
{
	char c = 0;

	CHECK(pread(fd, &c, 1, 0) == 1);
	return c;
}

/* The number becomes another file, past libumfs, by each way that there is. */
static void numbers(void)
{
	int a, b, fd, i;
	pid_t child;

	fill(names[0], 'a', PAGE);
	fill(names[1], 'b', PAGE);
	b = open(names[1], O_RDONLY);
	for (i = 0; i < 12; i++) {
		a = open(names[0], O_RDONLY);
		fd = i % 2 ? dup(a) : a;
		warm(fd);
		CHECK(first_of(fd) == 'a');
		switch (i / 2) {
		case 0:
			CHECK(raw(SYS_dup2, b, fd, 0, 0) == fd);
			break;
		case 1:
			CHECK(raw(SYS_close, fd, 0, 0, 0) == 0 && raw(SYS_fcntl, b, F_DUPFD, fd, 0) == fd);
			break;
		case 2:
			CHECK(raw(SYS_close_range, fd, fd, 0, 0) == 0 &&
			      raw(SYS_fcntl, b, F_DUPFD, fd, 0) == fd);
			break;
		case 3:
			CHECK(dup2(b, fd) == fd);
			break;
		case 4:
			CHECK(close(fd) == 0 && fcntl(b, F_DUPFD, fd) == fd);
			break;
		case 5: /* and what a child does is its own */
			child = fork();
			if (!child)
				_exit(raw(SYS_dup2, b, fd, 0, 0) == fd && first_of(fd) == 'b' ? 0 : 1);
			CHECK(waitpid(child, &a, 0) == child && a == 0);
			CHECK(first_of(fd) == 'a');
			CHECK(raw(SYS_dup2, b, fd, 0, 0) == fd);
		}
		CHECK(first_of(fd) == 'b');
		warm(fd);
		CHECK(first_of(fd) == 'b');
		CHECK(close(fd) == 0);
		FAILS(EBADF, (int)pread(fd, seen, 1, 0));
	}
	CHECK(close(b) == 0);
}

static volatile int stop, number, last;

static void *write_blocks(void *arg)
{
	int fd = open(names[0], O_RDWR), i;
	char *block = buf;

	for (i = 0; i < ROUNDS * 4; i++) {
		memset(block, 'a' + i % 20, PAGE);
		CHECK(pwrite(fd, block, PAGE, 0) == PAGE);
		if (i % 16 == 0)
			CHECK(ftruncate(fd, PAGE + (i % 32 ? 1 : 0)) == 0);
	}
	CHECK(close(fd) == 0);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	return arg;
}

/* A block is one write's, whole. */
static void *read_blocks(void *arg)
{
	int fd = open(names[0], O_RDONLY), i;
	char block[PAGE];

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		CHECK(pread(fd, block, PAGE, 0) == PAGE);
		for (i = 1; i < (int)PAGE && block[i] == block[0]; i++)
			;
		CHECK(i == PAGE);
	}
	CHECK(close(fd) == 0);
	return arg;
}

/* The number is one file after another; what is said of it is said when it is so. */
static void *move_number(void *arg)
{
	int a = open(names[1], O_RDONLY), b = open(names[2], O_RDONLY), i;

	for (i = 1; !__atomic_load_n(&stop, __ATOMIC_ACQUIRE); i++) {
		__atomic_store_n(&last, 0, __ATOMIC_SEQ_CST);
		CHECK(raw(SYS_dup2, i % 2 ? a : b, number, 0, 0) == number);
		__atomic_store_n(&last, i, __ATOMIC_SEQ_CST);
		usleep(300);
	}
	CHECK(close(a) == 0 && close(b) == 0);
	return arg;
}

static void *read_number(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		int before = __atomic_load_n(&last, __ATOMIC_SEQ_CST);
		char c = first_of(number);

		CHECK(c == 'a' || c == 'b');
		if (before && before == __atomic_load_n(&last, __ATOMIC_SEQ_CST))
			CHECK(c == (before % 2 ? 'a' : 'b'));
	}
	return arg;
}

static void threads(void)
{
	void *(*const run[])(void *) = {write_blocks, read_blocks, move_number, read_number};
	pthread_t thread[4];
	int i;

	fill(names[0], 'a', PAGE);
	fill(names[1], 'a', PAGE);
	fill(names[2], 'b', PAGE);
	number = open(names[1], O_RDONLY);
	for (i = 0; i < 4; i++)
		CHECK(pthread_create(&thread[i], NULL, run[i], NULL) == 0);
	for (i = 0; i < 4; i++)
		CHECK(pthread_join(thread[i], NULL) == 0);
	CHECK(close(number) == 0);
}

int main(int argc, char **argv)
{
	int i;

	if (argc != 3)
		return 2;
	for (i = 0; i < 3; i++)
		snprintf(names[i], sizeof(names[i]), "%s/share%d", argv[2], i);
	if (!strcmp(argv[1], "node"))
		on_node(argv[2]);
	else if (!strcmp(argv[1], "read"))
		reading();
	else if (!strcmp(argv[1], "write"))
		writing();
	else if (!strcmp(argv[1], "numbers"))
		numbers();
	else if (!strcmp(argv[1], "threads"))
		threads();
	for (i = 0; i < 3; i++)
		unlink(names[i]);
	if (!checks)
		return 2;
	return failures ? 1 : 0;
}
