// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_fault.c - a page of the pool that can not be read costs the call that wanted it, with
 * EIO, and nothing else; or, where it is not data, the pool in this process; never its life.
 *
 * As a worn medium answers a touch with SIGBUS, so does a mapping of an empty file, which
 * is put in the page's place by a system call of the test's own: no rights are needed and no
 * memory is harmed. Under libumfs only. And a program that unmaps the pool, which is the same.
 */
#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "raw.h"
#include "shim_test.h"

#define PAGE 4096
#define PAGES 64

static char pool[PATH_MAX];
static int pool_fd = -1, nothing_fd = -1; /* the kernel's: neither lies in the pool */
static char *base; /* where libumfs has the pool */

static void *raw_map(void *at, int fd, long off)
{
	register long r10 __asm__("r10") = MAP_SHARED | MAP_FIXED, r8 __asm__("r8") = fd;
	register long r9 __asm__("r9") = off;
	void *ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(SYS_mmap), "D"(at), "S"(PAGE), "d"(PROT_READ | PROT_WRITE), "r"(r10),
			   "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static void lose(long off)
{
	assert_ptr_equal(raw_map(base + off, nothing_fd, 0), base + off);
}

static void regain(long off)
{
	assert_ptr_equal(raw_map(base + off, pool_fd, off), base + off);
}

struct mapping {
	char *at;
	size_t pages;
	bool whole; /* what core works in, and not what keeps a lock */
};

/* What this process has mapped of the pool's file. */
static int mappings(struct mapping *found, int most)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[PATH_MAX + 128], perms[8], name[PATH_MAX];
	unsigned long start, end, off;
	int n = 0;

	assert_non_null(maps);
	while (n < most && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %4095s", &start, &end, perms, &off, name) != 5 ||
		    strcmp(name, pool))
			continue;
		found[n++] = (struct mapping){(char *)start /* NOLINT */, (end - start) / PAGE,
					      !strcmp(perms, "rw-s") && !off};
	}
	fclose(maps);
	return n;
}

static char *find_base(void)
{
	struct mapping m[32];
	int n = mappings(m, 32);

	for (int i = 0; i < n; i++)
		if (m[i].whole)
			return m[i].at;
	fail_msg("the pool is not mapped");
	return NULL;
}

static int setup(void **state)
{
	(void)state;
	snprintf(pool, sizeof(pool), "%s/pool", getenv("SHIM_WORK"));
	pool_fd = open(pool, O_RDWR | O_CLOEXEC);
	nothing_fd = memfd_create("nothing", MFD_CLOEXEC);
	assert_true(pool_fd >= 0 && nothing_fd >= 0);
	assert_int_equal(close(open(at("first"), O_RDWR | O_CREAT, 0600)), 0);
	base = find_base();
	return 0;
}

/* Page `index` of what fill() writes: names are used once, since freed pages keep their bytes. */
static void text_of(char *page, const char *name, int index)
{
	char line[64];

	for (int i = 0; i < PAGE; i += 32) {
		snprintf(line, sizeof(line), "%-15.15s %7d %7d", name, index, i);
		memcpy(page + i, line, 32);
	}
}

static int fill(const char *name)
{
	int fd = open(at(name), O_RDWR | O_CREAT | O_TRUNC, 0600);
	char page[PAGE];

	assert_true(fd >= 0);
	for (int i = 0; i < PAGES; i++) {
		text_of(page, name, i);
		assert_int_equal(pwrite(fd, page, PAGE, (off_t)i * PAGE), PAGE);
	}
	return fd;
}

static void holds(int fd, const char *name, int index)
{
	char page[PAGE], buf[PAGE];

	text_of(page, name, index);
	assert_int_equal(pread(fd, buf, PAGE, (off_t)index * PAGE), PAGE);
	assert_memory_equal(buf, page, PAGE);
}

/* Where the pool has these bytes: page `index` of the file, or a name. */
static long find_bytes(const char *bytes, size_t n)
{
	static char buf[1 << 20];
	long off = 0, got;

	while ((off = lseek(pool_fd, off, SEEK_DATA)) >= 0) {
		got = pread(pool_fd, buf, sizeof(buf), off);
		assert_true(got > 0);
		for (char *c = buf; (c = memchr(c, bytes[0], (size_t)(buf + got - c))); c++)
			if ((size_t)(buf + got - c) >= n && !memcmp(c, bytes, n))
				return (off + (c - buf)) & ~(PAGE - 1l);
		off += got;
	}
	fail_msg("the pool does not have %.30s", bytes);
	return 0;
}

static long find_page(const char *name, int index)
{
	char page[PAGE];

	text_of(page, name, index);
	return find_bytes(page, PAGE);
}

static void lost_data_costs_one_call(void **state)
{
	int fd = fill("read"), other = fill("other");
	long off = find_page("read", 7);
	char buf[PAGE], first[16];
	struct iovec iov[2] = {{first, sizeof(first)}, {buf, sizeof(buf)}};

	(void)state;
	lose(off);
	for (int i = 0; i < 3; i++) {
		assert_errno(pread(fd, buf, PAGE, 7 * PAGE), EIO);
		assert_errno(pread(fd, buf, 1, 7 * PAGE + 99), EIO);
		assert_errno(preadv(fd, iov, 2, 8 * PAGE - 100), EIO);
		holds(fd, "read", 6);
		holds(fd, "read", 8);
		holds(other, "other", 7);
	}
	assert_int_equal(pread(fd, buf, PAGE, 9 * PAGE), PAGE);
	assert_int_equal(mkdir(at("made"), 0700), 0);
	assert_int_equal(rmdir(at("made")), 0);
	regain(off);
	holds(fd, "read", 7);
	close(fd);
	close(other);
}

/* The new bytes go elsewhere. */
static void lost_data_is_replaced_by_a_whole_page(void **state)
{
	int fd = fill("replaced");
	long off = find_page("replaced", 7);
	char page[PAGE];

	(void)state;
	lose(off);
	text_of(page, "new", 7);
	assert_int_equal(pwrite(fd, page, PAGE, 7 * PAGE), PAGE);
	holds(fd, "new", 7);
	holds(fd, "replaced", 8);
	close(fd);
	assert_int_equal(unlink(at("replaced")), 0);
	regain(off);
}

static void lost_data_can_be_removed(void **state)
{
	int fd = fill("removed");
	long off = find_page("removed", 7);

	(void)state;
	lose(off);
	close(fd);
	assert_int_equal(unlink(at("removed")), 0);
	regain(off);
}

static volatile sig_atomic_t faults;

static void on_bus(int sig)
{
	(void)sig;
	faults++;
}

/* The host's handler is for its own faults. */
static void handler_is_not_called(void **state)
{
	int fd = fill("handler");
	long off = find_page("handler", 7);
	char buf[PAGE];

	(void)state;
	signal(SIGBUS, on_bus);
	lose(off);
	assert_errno(pread(fd, buf, PAGE, 7 * PAGE), EIO);
	regain(off);
	signal(SIGBUS, SIG_DFL);
	assert_int_equal(faults, 0);
	close(fd);
}

/*
 * Names that can not be read: this process has no pool any more, says so with EIO, and
 * lives; another one goes on, and cleans up after it.
 */
static void lost_names_cost_the_pool(void **state)
{
	int fd = fill("other"), status;
	pid_t pid;

	(void)state;
	assert_int_equal(mkdir(at("dir"), 0700), 0);
	assert_int_equal(close(open(at("dir/a-name-of-its-own"), O_RDWR | O_CREAT, 0600)), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct stat st;

		/* The child has the pool mapped where the parent has. */
		if (find_base() != base)
			_exit(1);
		lose(find_bytes("a-name-of-its-own", 17));
		errno = 0;
		if (stat(at("dir/a-name-of-its-own"), &st) != -1 || errno != EIO)
			_exit(2);
		errno = 0;
		if (stat(at("other"), &st) != -1 || errno != EIO)
			_exit(3);
		if (stat("/", &st))
			_exit(4);
		exit(0); /* all that a process does at its end */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	holds(fd, "other", 7);
	assert_int_equal(unlink(at("dir/a-name-of-its-own")), 0);
	assert_int_equal(rmdir(at("dir")), 0);
	close(fd);
}

/* A name that is damaged is not listed, and its directory says so after the others. */
static void damaged_name_listed_last(void **state)
{
	static const char name[] = "a-name-to-be-damaged";
	char path[64], *page, *type;
	struct dirent *d;
	int names = 0;
	DIR *dir;

	(void)state;
	assert_int_equal(mkdir(at("dir"), 0700), 0);
	for (int i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "dir/%d", i);
		if (!i)
			snprintf(path, sizeof(path), "dir/%s", name);
		assert_int_equal(close(open(at(path), O_RDWR | O_CREAT, 0600)), 0);
	}
	page = base + find_bytes(name, sizeof(name) - 1);
	type = (char *)memmem(page, PAGE, name, sizeof(name) - 1) - 4;
	*type ^= 1;
	dir = opendir(at("dir"));
	assert_non_null(dir);
	for (errno = 0; (d = readdir(dir)); names++)
		assert_true(strcmp(d->d_name, name));
	assert_int_equal(errno, EUCLEAN);
	assert_int_equal(names, 11);
	closedir(dir);
	*type ^= 1;
	for (int i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "dir/%d", i);
		if (!i)
			snprintf(path, sizeof(path), "dir/%s", name);
		assert_int_equal(unlink(at(path)), 0);
	}
	assert_int_equal(rmdir(at("dir")), 0);
}

/*
 * A write into a part of a lost page needs the old bytes, for undo: the same, and it does not
 * say that it was done.
 */
static void write_into_lost_page_is_not_done(void **state)
{
	int fd = fill("part"), status;
	long off = find_page("part", 7);
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (!pid) {
		lose(off);
		errno = 0;
		if (pwrite(fd, "x", 1, 7 * PAGE + 50) != -1 || errno != EIO)
			_exit(2);
		exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	holds(fd, "part", 7);
	close(fd);
}

/* Bits that can not be read are not taken for free pages, which are other files'. */
static void lost_bitmap_harms_no_file(void **state)
{
	int fd = fill("kept"), status;
	uint32_t groups_page, gtable_page, hint;
	pid_t pid;

	(void)state;
	/* SPEC.md, superblock and group: where to look first is where that file lies. */
	assert_int_equal(pread(pool_fd, &groups_page, 4, 140), 4);
	assert_int_equal(pread(pool_fd, &gtable_page, 4, 144), 4);
	hint = (uint32_t)(find_page("kept", 0) / PAGE) - groups_page;
	assert_int_equal(pwrite(pool_fd, &hint, 4, gtable_page * (long)PAGE + 28), 4);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		char page[PAGE] = {'X'};
		int new = open(at("new"), O_RDWR | O_CREAT, 0600), i;

		lose(groups_page * (long)PAGE);
		for (i = 0; i < PAGES; i++)
			if (pwrite(new, page, PAGE, (off_t)i * PAGE) != PAGE)
				break;
		if (i == PAGES || errno != EIO)
			_exit(2);
		exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	for (int i = 0; i < PAGES; i++)
		holds(fd, "kept", i);
	close(fd);
}

/* ---- a program that unmaps what is not its own ---- */

static int bad_answers;

/* Done, or the pool is lost. */
static void answered(long ret, const char *what)
{
	if (ret != -1 || errno == EIO)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	bad_answers++;
}

static void use_everything(int round)
{
	char name[32], other[40], buf[3 * PAGE] = "text";
	struct stat st;
	int fd;

	snprintf(name, sizeof(name), "unmapped%d", round);
	snprintf(other, sizeof(other), "%s.new", name);
	answered(fd = open(at(name), O_RDWR | O_CREAT, 0600), "open");
	if (fd >= 0) {
		answered(pwrite(fd, buf, sizeof(buf), 100), "pwrite");
		answered(pread(fd, buf, sizeof(buf), 0), "pread");
		answered(ftruncate(fd, 5000), "ftruncate");
		answered(fstat(fd, &st), "fstat");
		close(fd);
	}
	answered(mkdir(at("unmapped-dir"), 0700), "mkdir");
	answered(rename(at(name), at(other)) && errno != ENOENT ? -1 : 0, "rename");
	answered(unlink(at(other)) && errno != ENOENT ? -1 : 0, "unlink");
	answered(rmdir(at("unmapped-dir")) && errno != ENOENT ? -1 : 0, "rmdir");
	answered(stat("/", &st), "stat /");
}

static size_t pages_mapped(void)
{
	struct mapping m[32];
	size_t pages = 0;

	for (int n = mappings(m, 32); n;)
		pages += m[--n].pages;
	return pages;
}

struct unmapping {
	unsigned seed;
	bool raw;
};

/* By instructions of its own the program has its way; by libc nothing happens. */
static void unmap_a_piece(const struct unmapping *u)
{
	struct mapping m[32];
	int n = mappings(m, 32);
	size_t first, pages;

	if (!n)
		return;
	n = rand() % n;
	first = (size_t)rand() % m[n].pages;
	pages = rand() % 2 ? m[n].pages - first : (size_t)rand() % (m[n].pages - first) + 1;
	if (u->raw)
		raw(SYS_munmap, (long)(m[n].at + first * PAGE), (long)(pages * PAGE), 0);
	else
		answered(munmap(m[n].at + first * PAGE, pages * PAGE), "munmap");
}

static int unmap_at_random(void *arg)
{
	const struct unmapping *u = arg;
	size_t before = pages_mapped();
	int fd = open(at("other"), O_RDONLY);

	srand(u->seed);
	if (fd < 0 || find_base() != base)
		return 1;
	for (int i = 0; i < 4; i++) {
		unmap_a_piece(u);
		use_everything(i);
	}
	if (!u->raw) {
		holds(fd, "other", 7);
		if (pages_mapped() != before) {
			fprintf(stderr, "%zu pages of the pool are mapped, %zu were\n", pages_mapped(), before);
			return 3;
		}
	}
	if (bad_answers)
		return 4;
	exit(0); /* all that a process does at its end */
}

static void unmapped_at_random(void **state)
{
	int fd = fill("other");

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		struct unmapping u = {i / 2, i % 2};
		int status = in_child(unmap_at_random, &u);

		if (status)
			fail_msg("seed %u, %s: %d", u.seed, u.raw ? "raw" : "by libc", status);
		holds(fd, "other", 7);
		use_everything(9);
		assert_int_equal(bad_answers, 0);
	}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost_data_costs_one_call),
		cmocka_unit_test(lost_data_is_replaced_by_a_whole_page),
		cmocka_unit_test(lost_data_can_be_removed),
		cmocka_unit_test(handler_is_not_called),
		cmocka_unit_test(lost_names_cost_the_pool),
		cmocka_unit_test(damaged_name_listed_last),
		cmocka_unit_test(write_into_lost_page_is_not_done),
		cmocka_unit_test(lost_bitmap_harms_no_file),
		cmocka_unit_test(unmapped_at_random),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
