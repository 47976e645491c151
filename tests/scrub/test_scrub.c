// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_scrub.c - scrub_run() on pages that can not be read, and on a pool in use.
 *
 * A page is made unreadable as a worn medium makes it: in its place an empty file is mapped,
 * so that touching it is SIGBUS. That needs no rights and harms no memory.
 *
 *	test_scrub FSCK [CASE]
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "real.h"
#include "scrub.h"
#include "world.h"

#define WORKERS 3
#define ROUNDS 12

static const char *fsck;
static char path[256];
static struct pool *pool;
static char *text; /* what the last run said */

static int make(void **state)
{
	(void)state;
	real_make(path, "scrub", 24 * MIB, UMFS_DURABLE_NONE, 512);
	pool = real_attach(path, UMFS_MODE_ATOMIC);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	pool_close(pool);
	free(pool);
	free(text);
	text = NULL;
	assert_int_equal(real_fsck(fsck, path), 0);
	unlink(path);
	return 0;
}

/* Findings of a run. */
static uint64_t run(void)
{
	static struct scrub s;
	size_t bytes;
	int err;

	free(text);
	memset(&s, 0, sizeof(s));
	s.pool = pool;
	s.out = open_memstream(&text, &bytes);
	assert_non_null(s.out);
	scrub_catch_faults(pool); /* here, since cmocka takes them for each case */
	err = scrub_run(&s);
	fclose(s.out);
	if (err && err != -EIO)
		fail_msg("scrub_run: %d: %s", err, text);
	return s.findings;
}

static void finds(const char *what)
{
	uint64_t n = run();

	if (n != 1 || !strstr(text, what))
		fail_msg("%llu findings, not the one with \"%s\": %s", (unsigned long long)n, what,
			 text);
}

static void finds_nothing(void)
{
	if (run())
		fail_msg("findings: %s", text);
}

/* ---- a page that can not be read ---- */

static void *page_at(uint64_t page)
{
	return umfs_page(&pool->fs, page);
}

static void lose(uint64_t page)
{
	int fd = memfd_create("nothing", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_ptr_equal(mmap(page_at(page), UMFS_PAGE_BYTES, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_FIXED, fd, 0), page_at(page));
	close(fd);
}

static void regain(uint64_t page)
{
	assert_ptr_equal(mmap(page_at(page), UMFS_PAGE_BYTES, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_FIXED, pool->fd,
			      (off_t)(page * UMFS_PAGE_BYTES)), page_at(page));
}

static void loses(uint64_t page, const char *what)
{
	lose(page);
	finds(what);
	regain(page);
	finds_nothing();
}

static struct umfs_inode_pm *inode_of(const char *name)
{
	uint32_t ino;

	need(world_ino(&pool->fs, name, &ino));
	return umfs_inode(&pool->fs, ino);
}

static uint64_t data_page(const char *name, uint64_t index)
{
	uint64_t entry = umfs_fpt_get(&pool->fs, ld64(&inode_of(name)->root), index);

	assert_int_not_equal(entry, 0);
	return umfs_pte_page(entry);
}

static void sound_pool_gives_nothing(void **state)
{
	struct umfs_file file;

	(void)state;
	finds_nothing();
	need(world_put(&pool->fs, "/file", 0, 3 * MIB, 1));
	need(world_put(&pool->fs, "/far", 300 * GIB, 5000, 2));
	need(world_truncate(&pool->fs, "/far", 400 * GIB));
	need(world_symlink(&pool->fs, "file", "/link"));
	need(world_open(&pool->fs, "/file", O_RDWR, &file));
	need(world_unlink(&pool->fs, "/file"));
	finds_nothing(); /* open without a name */
	world_close(&file);
}

static void data_lost_is_found(void **state)
{
	(void)state;
	need(world_mkdir(&pool->fs, "/dir"));
	need(world_put(&pool->fs, "/dir/page", 0, 4000, 1));
	need(world_put(&pool->fs, "/dir/file", 0, 3 * MIB, 2));
	need(world_put(&pool->fs, "/far", 300 * GIB, 5000, 3));
	need(world_symlink(&pool->fs, "somewhere", "/dir/link"));
	loses(data_page("/dir/page", 0), "/dir/page: bytes 0 to 4095 can not be read");
	loses(data_page("/dir/file", 1), "/dir/file: bytes 4096 to 8191 can not be read");
	loses(data_page("/dir/file", 767), "/dir/file: bytes 3141632 to 3145727 can not be read");
	loses(data_page("/far", 300 * GIB / UMFS_PAGE_BYTES + 1),
	      "/far: bytes 322122551296 to 322122555391 can not be read");
	loses(data_page("/dir/link", 0), "/dir/link: bytes 0 to 4095 can not be read");
}

static void data_without_name_is_found(void **state)
{
	struct umfs_file file;
	uint64_t page;

	(void)state;
	need(world_put(&pool->fs, "/file", 0, 100000, 1));
	need(world_open(&pool->fs, "/file", O_RDWR, &file));
	page = data_page("/file", 3);
	need(world_unlink(&pool->fs, "/file"));
	loses(page, "inode 2: bytes 12288 to 16383 can not be read");
	world_close(&file);
}

static void table_lost_is_found(void **state)
{
	uint64_t root, table;

	(void)state;
	need(world_put(&pool->fs, "/file", 0, 3 * MIB, 1));
	root = umfs_pte_page(ld64(&inode_of("/file")->root));
	table = umfs_pte_page(ld64((const le64 *)page_at(root) + 1));
	loses(root, "/file: the page table of bytes 0 to 1073741823 can not be read");
	loses(table, "/file: the page table of bytes 2097152 to 4194303 can not be read");
}

static void names_lost_are_found(void **state)
{
	char name[64];
	uint64_t node, leaf;
	int i;

	(void)state;
	need(world_mkdir(&pool->fs, "/dir"));
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "/dir/a-name-of-some-length-%d", i);
		need(world_creat(&pool->fs, name, 0600));
	}
	node = (ld64(&inode_of("/dir")->root) & UMFS_DREF_ADDR) >> UMFS_PAGE_SHIFT;
	assert_int_equal(ld64(&inode_of("/dir")->root) & UMFS_DREF_LEAF, 0);
	leaf = (ld64((const le64 *)page_at(node)) & UMFS_DREF_ADDR) >> UMFS_PAGE_SHIFT;
	loses(node, " /dir: names can not be read");
	loses(leaf, " /dir: names can not be read");
}

static void attributes_lost_are_found(void **state)
{
	uint64_t word;

	(void)state;
	need(world_creat(&pool->fs, "/file", 0600));
	need(world_setxattr(&pool->fs, "/file", "user.one", 6000, 1));
	word = ld64(&inode_of("/file")->xattr);
	loses(word >> UMFS_PAGE_SHIFT, "/file: the attributes can not be read");
	loses((word >> UMFS_PAGE_SHIFT) + 1, "/file: the attributes can not be read");
}

/* Sixteen inodes in a page, the root not among those of the second one. */
static void inodes_lost_are_found(void **state)
{
	char name[16];
	uint64_t page;
	int i;

	(void)state;
	for (i = 2; i < 20; i++) {
		snprintf(name, sizeof(name), "/file-%d", i);
		need(world_creat(&pool->fs, name, 0600));
	}
	page = umfs_group_page(&pool->fs, 0) + UMFS_GROUP_HEAD_PAGES + 1;
	lose(page);
	assert_int_equal(run(), 1 + 4); /* the page, and inodes 16 to 19 */
	assert_non_null(strstr(text, "/file-17: the inode can not be read"));
	regain(page);
	finds_nothing();
}

/* What core can not do without ends the run, with a finding. */
static void front_lost_is_found(void **state)
{
	(void)state;
	loses(umfs_group_page(&pool->fs, 0), "bitmaps");
	loses(pool->fs.geo.gtable_page, "what all processes share");
	loses(UMFS_SB_BACKUP_PAGE, "what all processes share");
}

/* ---- in use ---- */

static void work(uint32_t seed)
{
	struct pool *p;
	char name[32], other[32];
	uint32_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	p = real_attach(path, UMFS_MODE_ATOMIC);
	for (n = 0;; n++) {
		seed = seed * 1103515245 + 12345;
		snprintf(name, sizeof(name), "/%u", seed >> 16 & 15);
		snprintf(other, sizeof(other), "/d/%u", seed >> 20 & 15);
		switch (seed >> 24 & 7) {
		case 0:
			(void)world_unlink(&p->fs, name);
			break;
		case 1:
			(void)world_rename(&p->fs, name, other);
			break;
		case 2:
			(void)world_rename(&p->fs, other, name);
			break;
		case 3:
			(void)world_truncate(&p->fs, name, seed >> 8 & 0x3ffff);
			break;
		case 4:
			(void)world_setxattr(&p->fs, name, "user.one", seed >> 8 & 0xfff, n);
			break;
		default:
			(void)world_put(&p->fs, name, seed >> 8 & 0x1ffff, 9000, n);
		}
	}
}

static void pool_in_use_gives_nothing(void **state)
{
	pid_t pid[WORKERS];
	int i, round;

	(void)state;
	need(world_mkdir(&pool->fs, "/d"));
	for (i = 0; i < WORKERS; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (!pid[i])
			work(1000u + (uint32_t)i);
	}
	for (round = 0; round < ROUNDS; round++) {
		usleep(50000);
		if (round == ROUNDS / 2) /* one of them dies meanwhile */
			kill(pid[0], SIGKILL);
		if (run())
			break;
	}
	for (i = 0; i < WORKERS; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	if (round < ROUNDS)
		fail_msg("round %d: %s", round, text);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(sound_pool_gives_nothing), CASE(data_lost_is_found),
		CASE(data_without_name_is_found), CASE(table_lost_is_found),
		CASE(names_lost_are_found), CASE(attributes_lost_are_found),
		CASE(inodes_lost_are_found), CASE(front_lost_is_found),
		CASE(pool_in_use_gives_nothing),
	};

	if (argc < 2)
		die("usage: test_scrub FSCK [CASE]");
	fsck = argv[1];
	if (argc > 2)
		cmocka_set_test_filter(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
