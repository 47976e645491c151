// SPDX-License-Identifier: BSD-3-Clause
/*
 * cut.c - a row of changes that a power cut ends, and what is there afterwards.
 *
 *   kmod-cut NODE write FROM       change after change, from number FROM on, until the end;
 *                                  "did N" after each
 *   kmod-cut NODE check DID        all up to DID were done; says "next N"
 *
 * Change N makes the file c/N, writes it whole in one call, every third time moves it to
 * d/N, every fifth time removes the file of change N - 2; and overwrites a block of the file
 * "over". What is done is durable and whole (mode atomic). So after a cut the changes before
 * some X are there, and of X, which may be the one that was cut, each step whole or not at
 * all. `check` takes a change X away that is there in part, to be done again.
 *
 * The file "still" is made before the first change. It is large enough for page tables to be
 * hung in where it is mapped, and is looked at by read() and mapped.
 */
#include <grp.h>

#include "kmod_test.h"

#define BLOCKS 64
#define BLOCK 4096u
#define BYTES_MAX (300u << 10)
#define STILL_BYTES (4u << 20)

int pool, checks, failures;
static char *want, *have;

static unsigned bytes_of(unsigned n)
{
	return 1 + n * 7919u % BYTES_MAX;
}

static void fill(char *p, unsigned bytes, unsigned n)
{
	unsigned i;

	for (i = 0; i < bytes; i++)
		p[i] = (char)(n + i * 31 + (i >> 8));
}

static void name_of(char *to, char dir, unsigned n)
{
	sprintf(to, "%c/%06u", dir, n);
}

static char place_of(unsigned n)
{
	return n % 3 ? 'c' : 'd';
}

/* ---- the changes ---- */

static void must(int ret, const char *what)
{
	if (ret >= 0)
		return;
	printf("failed: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void change(unsigned n, int over)
{
	char from[32], to[32];
	int fd;

	name_of(from, 'c', n);
	name_of(to, 'd', n);
	fd = k_open(from, O_WRONLY | O_CREAT | O_EXCL, 0600);
	must(fd, from);
	fill(want, bytes_of(n), n);
	must(write(fd, want, bytes_of(n)) == (ssize_t)bytes_of(n) ? 0 : -1, "write");
	close(fd);
	if (n % 3 == 0)
		must(k_rename(from, to, 0), "rename");
	if (n % 5 == 0 && n > 2) {
		name_of(from, place_of(n - 2), n - 2);
		if (k_unlink(from, 0) && errno != ENOENT)
			must(-1, "unlink");
	}
	memset(want, (int)(n & 0xff), BLOCK);
	memcpy(want, &n, sizeof(n));
	must(pwrite(over, want, BLOCK, (off_t)(n % BLOCKS) * BLOCK) == BLOCK ? 0 : -1, "over");
}

static void make_still(void)
{
	int fd = k_open("still", O_WRONLY | O_CREAT | O_EXCL, 0600);

	if (fd < 0 && errno == EEXIST)
		return;
	must(fd, "still");
	fill(want, STILL_BYTES, 0);
	must(write(fd, want, STILL_BYTES) == STILL_BYTES ? 0 : -1, "still");
	close(fd);
}

static _Noreturn void do_write(unsigned n)
{
	int over;

	make_still();
	k_mkdir("c", 0700);
	k_mkdir("d", 0700);
	over = k_open("over", O_RDWR | O_CREAT, 0600);
	must(over, "over");
	for (;; n++) {
		change(n, over);
		printf("did %u\n", n);
		fflush(stdout);
	}
}

/* ---- what is there ---- */

enum state { ABSENT, EMPTY, WHOLE, WRONG };

static enum state look(char dir, unsigned n)
{
	unsigned bytes = bytes_of(n);
	char path[32];
	ssize_t got;
	int fd;

	name_of(path, dir, n);
	fd = k_open(path, O_RDONLY, 0);
	if (fd < 0)
		return errno == ENOENT ? ABSENT : WRONG;
	got = read(fd, have, BYTES_MAX + 1);
	close(fd);
	fill(want, bytes, n);
	if (got == 0)
		return EMPTY;
	return got == (ssize_t)bytes && !memcmp(want, have, bytes) ? WHOLE : WRONG;
}

/* Change n < x was done, all of it. */
static void check_done(unsigned n, unsigned x, unsigned did)
{
	char other = place_of(n) == 'c' ? 'd' : 'c';
	enum state s = look(place_of(n), n);
	bool removed = (n + 2) % 5 == 0 && n + 2 <= x;

	CHECK(look(other, n) == ABSENT);
	if (removed && (n + 2 < x || n + 2 <= did))
		CHECK(s == ABSENT);
	else
		CHECK(s == WHOLE || (removed && s == ABSENT));
}

/* Each block of "over" is whole, and of the last change that had it. */
static void check_over(unsigned x, unsigned did)
{
	int fd = k_open("over", O_RDONLY, 0);
	unsigned i, k, n;

	CHECK(fd >= 0);
	for (i = 0; i < BLOCKS && x > 2 * BLOCKS; i++) {
		unsigned last = x - (x + BLOCKS - i) % BLOCKS; /* the latest up to x */

		CHECK(pread(fd, have, BLOCK, (off_t)i * BLOCK) == BLOCK);
		memcpy(&n, have, sizeof(n));
		CHECK(n == last || (last == x && x > did && n == x - BLOCKS));
		for (k = sizeof(n); k < BLOCK && have[k] == (char)(n & 0xff); k++)
			;
		CHECK(k == BLOCK);
	}
	close(fd);
}

static void check_still(void)
{
	int fd = k_open("still", O_RDWR, 0);
	char *at = mmap(NULL, STILL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	fill(want, STILL_BYTES, 0);
	CHECK(read(fd, have, STILL_BYTES) == STILL_BYTES && !memcmp(have, want, STILL_BYTES));
	CHECK(at != MAP_FAILED && !memcmp(at, want, STILL_BYTES));
	close(fd);
}

static int do_check(unsigned did)
{
	unsigned n, x = did, next = did + 1;
	char path[32];
	enum state c, d;

	for (n = did + 1; n < did + 1000; n++)
		if (look('c', n) != ABSENT || look('d', n) != ABSENT)
			x = n;
	for (n = 1; n < x; n++)
		check_done(n, x, did);
	c = look('c', x);
	d = look('d', x);
	CHECK(x == 0 || (c == ABSENT) != (d == ABSENT));
	CHECK(c != WRONG && d != WRONG && d != EMPTY && (d == ABSENT || place_of(x) == 'd'));
	CHECK(x > did || x == 0 || look(place_of(x), x) == WHOLE);
	check_over(x, did);
	check_still();
	if (x > did) {
		name_of(path, c != ABSENT ? 'c' : 'd', x);
		CHECK(k_unlink(path, 0) == 0);
		next = x;
	}
	printf("%d checks, %d failed; told of %u, found %u\nnext %u\n", checks, failures, did, x,
	       next);
	return failures ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	pool = open(argv[1], O_RDONLY | O_CLOEXEC);
	want = malloc(STILL_BYTES);
	have = malloc(STILL_BYTES);
	if (pool < 0 || !want || !have) {
		perror(argv[1]);
		return 1;
	}
	if (!strcmp(argv[2], "write"))
		do_write((unsigned)atoi(argv[3]));
	return do_check((unsigned)atoi(argv[3]));
}
