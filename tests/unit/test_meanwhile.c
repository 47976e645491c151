// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_meanwhile.c - what another process does between any two instructions of a call.
 *
 * The call is stepped, an instruction at a time (the processor's trap flag), and at the n-th one
 * the other process does something, for many n; or again and again, so that a call that looks
 * once more finds it changed once more. Never where the caller has a lock: there the other one
 * would wait. What the call answers must be true of before or after.
 *
 * Without a log of stores, which is no other's to add to in the middle of one.
 */
#include "unit.h"

#include "open.h"

#include <signal.h>
#include <stdio.h>
#include <ucontext.h>

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)

#define TRAP_FLAG 0x100
/* So many instructions of a call, or as UMFS_MEANWHILE_PLACES says: a step takes microseconds. */
#define PLACES 5u
#define MANY 150u /* where what must not be met is short */
#define ACTS_MAX 40u /* in one call */
#define NEVER (~0ull)

static struct {
	const struct umfs *caller;
	void (*act)(void);
	uint64_t steps, at, every, acted;
} m;

static struct unit *unit;
static struct umfs *other;

static void trap_on(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp"
			 ::: "memory", "cc");
}

static void trap_off(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; andq $~0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp"
			 ::: "memory", "cc");
}

static bool has(const le64 *word)
{
	return umfs_lock_held_by(m.caller, ld64(word), m.caller->slot);
}

/* Has the caller a lock that somebody might wait for? */
static bool is_locked(void)
{
	const struct umfs *fs = m.caller;
	uint32_t i;

	for (i = UMFS_ROOT_INO; i < fs->geo.inodes_per_group; i++)
		if (has(&umfs_inode(fs, i)->lock))
			return true;
	for (i = 0; i < fs->geo.ofd_count; i++)
		if (has(&((struct umfs_ofd_pm *)umfs_page(fs, fs->geo.ofds_page) + i)->lock))
			return true;
	return has(&umfs_runtime(fs)->rename_lock) || has(&umfs_group(fs, 0)->lock);
}

static void step(int number, siginfo_t *info, void *context)
{
	ucontext_t *at = context;

	(void)number;
	(void)info;
	if (++m.steps < m.at || is_locked())
		return;
	m.acted++;
	m.act();
	m.at = m.steps + m.every;
	if (!m.every || m.acted == ACTS_MAX)
		at->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

/* Stepped; the other one acts at that instruction, and then at each so many-th. */
static void call(void (*what)(void), void (*act)(void), uint64_t at, uint64_t every)
{
	struct sigaction how = {.sa_sigaction = step, .sa_flags = SA_SIGINFO}, was;

	m.caller = unit->fs;
	m.act = act;
	m.steps = m.acted = 0;
	m.at = at;
	m.every = every;
	sigaction(SIGTRAP, &how, &was);
	trap_on();
	what();
	trap_off();
	sigaction(SIGTRAP, &was, NULL);
}

static void nothing(void)
{
}

/* At some instructions of all, and then again and again. */
static void everywhere(void (*what)(void), void (*act)(void), void (*check)(void), uint64_t places)
{
	const char *wanted = getenv("UMFS_MEANWHILE_PLACES");
	uint64_t all, at, every, acted = 0;

	if (wanted)
		places = strtoull(wanted, NULL, 0);
	call(what, nothing, NEVER, 0);
	check();
	all = m.steps;
	for (at = 1; at < all; at += all / places + 1) {
		call(what, act, at, 0);
		acted += m.acted;
		check();
	}
	for (every = all / 3 + 1; every > all / 60; every = every / 4 + 1) {
		call(what, act, every, every);
		acted += m.acted;
		check();
	}
	assert_true(acted > 0); /* not always where the caller had a lock */
}

static void begin(void **state)
{
	unit = *state;
	assert_null(unit->sim->log);
	other = &unit_attach(unit)->fs;
}

static void end(void)
{
	sim_detach((struct sim_proc *)((char *)other - offsetof(struct sim_proc, fs)));
}

/* ---- directories ---- */

#define STAY 16u

static uint8_t seen[STAY];
static uint32_t dir, turn, twice;
static int answer;

static void name_at(char *path, uint32_t size, uint32_t number)
{
	/* Long ones, so that leaves are split and packed anew. */
	snprintf(path, size, "/d/%s-%u-%0200u", number < STAY ? "stay" : "come", number, number);
}

static int note(void *arg, const char *name, uint32_t len, uint32_t ino, uint32_t type,
		uint64_t cookie)
{
	unsigned number;

	(void)arg;
	(void)len;
	(void)ino;
	(void)type;
	(void)cookie;
	if (sscanf(name, "stay-%u-", &number) == 1 && number < STAY && seen[number]++)
		twice++;
	return 0;
}

static void list(void)
{
	memset(seen, 0, sizeof(seen));
	twice = 0;
	answer = umfs_readdir(unit->fs, dir, 0, note, NULL);
}

static void listed(void)
{
	uint32_t i;

	assert_ok(answer);
	assert_int_equal(twice, 0);
	for (i = 0; i < STAY; i++)
		assert_int_equal(seen[i], 1);
}

/* Names come, and go when there are some. */
static void come_or_go(void)
{
	char path[300];

	name_at(path, sizeof(path), STAY + turn % 12);
	need(turn / 12 % 2 ? world_unlink(other, path) : world_creat(other, path, 0600));
	turn++;
}

static void make_names(void)
{
	char path[300];
	uint32_t i;

	turn = 0;
	assert_ok(world_mkdir(unit->fs, "/d"));
	assert_ok(world_ino(unit->fs, "/d", &dir));
	for (i = 0; i < STAY; i++) {
		name_at(path, sizeof(path), i);
		assert_ok(world_creat(unit->fs, path, 0600));
	}
}

static void names_that_stay_listed_once(void **state)
{
	begin(state);
	make_names();
	everywhere(list, come_or_go, listed, PLACES);
	end();
}

static void find(void)
{
	uint32_t ino;
	char path[300];

	name_at(path, sizeof(path), STAY - 1);
	answer = world_ino(unit->fs, path, &ino);
}

static void found(void)
{
	assert_ok(answer);
}

static void name_that_stays_found(void **state)
{
	begin(state);
	make_names();
	everywhere(find, come_or_go, found, PLACES);
	end();
}

/* ---- ways ---- */

static struct umfs_walk walk;
static char room[UMFS_WALK_ROOM];
static const char *way;
static umfs_node from, first;

static void go(void)
{
	walk.rest = room;
	memset(unit->fs->prefixes, 0, sizeof(unit->fs->prefixes));
	answer = umfs_walk(unit->fs, &world_root, from, way, 0, &walk);
}

/* Not an answer that there never was. */
static void went(void)
{
	struct umfs_attr attr;

	assert_true(!answer || answer == -ENOENT || answer == -ESTALE || answer == -ENOTDIR);
	if (!answer && !umfs_getattr(unit->fs, walk.ino, &attr))
		assert_true((attr.mode & 0170000) == 0100000 || (attr.mode & 0170000) == 0040000);
}

static void make_way(void)
{
	assert_ok(world_mkdir(unit->fs, "/d"));
	assert_ok(world_mkdir(unit->fs, "/d/sub"));
	assert_ok(world_mkdir(unit->fs, "/e"));
	assert_ok(world_put(unit->fs, "/d/sub/f", 0, 100, 1));
	assert_ok(world_symlink(unit->fs, "d/sub/f", "/link"));
	assert_ok(world_symlink(unit->fs, "/d", "/away"));
	assert_ok(world_node(unit->fs, "/d/sub", &first));
	turn = 0;
}

static void move_it(void)
{
	need(turn++ % 2 ? world_rename(other, "/e/sub", "/d/sub")
			: world_rename(other, "/d/sub", "/e/sub"));
}

/* Another inode by the same name, maybe of the same number. */
static void make_anew(void)
{
	need(world_unlink(other, "/d/sub/f"));
	need(turn++ % 2 ? world_creat(other, "/d/sub/f", 0600) : world_mknod(other, "/d/sub/f", 0100600, 0));
}

static void point_elsewhere(void)
{
	need(world_unlink(other, "/link"));
	need(world_symlink(other, turn++ % 2 ? "d/sub/f" : "d/sub/../sub/./f", "/link"));
}

static void directory_or_file(void)
{
	if (turn++ % 2) {
		need(world_unlink(other, "/d/sub"));
		need(world_mkdir(other, "/d/sub"));
		need(world_creat(other, "/d/sub/f", 0600));
	} else {
		need(world_unlink(other, "/d/sub/f"));
		need(world_rmdir(other, "/d/sub"));
		need(world_creat(other, "/d/sub", 0600));
	}
}

static void way_that_changes_found_or_not(void **state)
{
	static const struct {
		const char *way;
		void (*act)(void);
	} tries[] = {
		{"/d/sub/f", move_it},		   {"/d/sub/f", make_anew},
		{"/d/sub/f", directory_or_file},   {"/link", point_elsewhere},
		{"/d/sub/../sub/f", move_it},	   {"/d/sub/../sub/f", directory_or_file},
		{"/d/sub/", directory_or_file},
	};
	size_t i;

	begin(state);
	from = UMFS_ROOT_INO;
	make_way();
	for (i = 0; i < UMFS_ARRAY_LEN(tries); i++) {
		way = tries[i].way;
		everywhere(go, tries[i].act, went, PLACES);
		if (turn % 2)
			tries[i].act();
	}
	end();
}

/* From a directory that goes away. */
static void go_from(void)
{
	from = first;
	go();
}

static void gone_or_there(void)
{
	if (turn++ % 2) {
		need(world_mkdir(other, "/d/sub"));
		need(world_node(other, "/d/sub", &first));
	} else {
		need(world_rmdir(other, "/d/sub"));
	}
}

/* Its number is a file's then, in which nobody may look anything up. */
static void directory_or_file_of_its_number(void)
{
	if (turn++ % 2) {
		need(world_unlink(other, "/d/sub"));
		need(world_mkdir(other, "/d/sub"));
		need(world_node(other, "/d/sub", &first));
	} else {
		need(world_rmdir(other, "/d/sub"));
		need(world_creat(other, "/d/sub", 0600));
	}
}

static void way_from_what_becomes_a_file_found_or_not(void **state)
{
	begin(state);
	make_way();
	assert_ok(world_unlink(unit->fs, "/d/sub/f"));
	way = "x";
	everywhere(go_from, directory_or_file_of_its_number, went, 4 * MANY);
	end();
}

static void way_up_from_what_is_removed_found_or_not(void **state)
{
	static const char *const ways[] = {"..", "x", "../sub"};
	size_t i;

	begin(state);
	make_way();
	assert_ok(world_unlink(unit->fs, "/d/sub/f"));
	for (i = 0; i < UMFS_ARRAY_LEN(ways); i++) {
		way = ways[i];
		everywhere(go_from, gone_or_there, went, PLACES);
		if (turn % 2)
			gone_or_there();
	}
	end();
}

/* ---- attributes, links ---- */

static char target[64];
static int64_t got;
static struct umfs_attr attr;

static void read_link(void)
{
	umfs_node node;

	got = world_node(unit->fs, "/link", &node);
	if (!got)
		got = umfs_readlink(unit->fs, node, target, sizeof(target));
}

static void link_read(void)
{
	static const char *const both[] = {"d/sub/f", "d/sub/../sub/./f"};

	if (got < 0)
		assert_true(got == -ENOENT || got == -ESTALE);
	else
		assert_true(((size_t)got == strlen(both[0]) && !memcmp(target, both[0], (size_t)got)) ||
			    ((size_t)got == strlen(both[1]) && !memcmp(target, both[1], (size_t)got)));
}

static void link_made_anew_read_whole(void **state)
{
	begin(state);
	make_way();
	everywhere(read_link, point_elsewhere, link_read, PLACES);
	end();
}

static void stat_it(void)
{
	answer = world_stat(unit->fs, "/d/sub/f", &attr);
}

static void stat_seen(void)
{
	assert_true(!answer || answer == -ENOENT || answer == -ESTALE);
	if (!answer)
		assert_true(attr.mode == 0100600 || attr.mode == 0100644);
	if (!answer)
		assert_true(attr.size == 0 || attr.size == 100 || attr.size == 5000);
}

static void resize(void)
{
	need(world_truncate(other, "/d/sub/f", turn++ % 2 ? 100 : 5000));
}

static void attributes_are_of_one_moment(void **state)
{
	begin(state);
	make_way();
	everywhere(stat_it, make_anew, stat_seen, PLACES);
	everywhere(stat_it, resize, stat_seen, PLACES);
	turn = 0; /* how often the others had theirs depends on how long a stat is: it is there yet */
	everywhere(stat_it, move_it, stat_seen, PLACES);
	if (turn % 2)
		move_it();
	end();
}

static uint8_t value[300];

static void get_value(void)
{
	umfs_node node;

	got = world_node(unit->fs, "/d/sub/f", &node);
	if (!got)
		got = umfs_getxattr(unit->fs, &world_root, node, "user.x", 6, value, sizeof(value));
}

static void value_whole(void)
{
	uint8_t want[300];

	if (got < 0) {
		assert_true(got == -ENODATA || got == -ERANGE);
		return;
	}
	assert_true(got == 40 || got == 200);
	world_fill(want, (uint64_t)got, 0, got == 40 ? 1 : 2);
	assert_memory_equal(value, want, (size_t)got);
}

static void set_value(void)
{
	if (turn % 3 == 2)
		need(world_removexattr(other, "/d/sub/f", "user.x"));
	else
		need(world_setxattr(other, "/d/sub/f", "user.x", turn % 3 ? 200 : 40, turn % 3 ? 2 : 1));
	turn++;
}

static void list_values(void)
{
	umfs_node node;

	got = world_node(unit->fs, "/d/sub/f", &node);
	if (!got)
		got = umfs_listxattr(unit->fs, &world_root, node, target, sizeof(target));
}

static void values_listed(void)
{
	assert_true(got == 0 || (got == 7 && !memcmp(target, "user.x", 7)));
}

static void value_read_whole(void **state)
{
	begin(state);
	make_way();
	everywhere(get_value, set_value, value_whole, PLACES);
	everywhere(list_values, set_value, values_listed, PLACES);
	end();
}

/* ---- open files ---- */

static struct umfs_file ours, theirs;
static uint32_t ofd;
static bool both;

static void open_it(void)
{
	answer = umfs_open(unit->fs, first, O_RDWR, &ofd);
}

static void opened(void)
{
	if (both) {
		assert_true(answer || ofd != theirs.ofd);
		world_close(&theirs);
		both = false;
	}
	if (!answer)
		umfs_ofd_put(unit->fs, ofd);
	else
		assert_true(answer == -ESTALE || answer == -ENOENT);
	assert_ok(world_node(unit->fs, "/d/sub/f", &first));
}

/* The next description that the caller would take is taken. */
static void open_theirs(void)
{
	uint32_t i;

	if (both)
		return;
	for (i = 0; i < UMFS_RECENTS; i++) {
		other->recent[i].ofd = unit->fs->recent[i].ofd;
		other->recent[i].ofd_cursor = unit->fs->recent[i].ofd_cursor;
	}
	need(world_open(other, "/d/sub/f", O_RDWR, &theirs));
	both = true;
}

static void description_is_of_one(void **state)
{
	begin(state);
	make_way();
	assert_ok(world_node(unit->fs, "/d/sub/f", &first));
	everywhere(open_it, open_theirs, opened, MANY / 3);
	everywhere(open_it, make_anew, opened, PLACES);
	end();
}

static uint64_t key;

static void join_it(void)
{
	answer = umfs_ofd_join(unit->fs, theirs.ofd, key);
}

static void joined(void)
{
	if (!answer)
		umfs_ofd_part(unit->fs, theirs.ofd, key);
	else
		assert_err(answer, EBADF);
	if (!both)
		need(world_open(other, "/d/sub/f", O_RDWR, &theirs));
	both = true;
	key = ld64(&umfs_ofd(other, theirs.ofd)->key);
}

static void close_theirs(void)
{
	if (both)
		world_close(&theirs);
	both = false;
}

static void description_that_goes_joined_or_not(void **state)
{
	begin(state);
	make_way();
	need(world_open(other, "/d/sub/f", O_RDWR, &theirs));
	both = true;
	key = ld64(&umfs_ofd(other, theirs.ofd)->key);
	everywhere(join_it, close_theirs, joined, MANY);
	close_theirs();
	end();
}

static uint8_t bytes[3000], ones[3000], twos[3000];

static void read_it(void)
{
	got = umfs_pread(&ours, bytes, sizeof(bytes), 0);
}

static void read_whole(void)
{
	if (got == 100) {
		assert_true(!memcmp(bytes, ones, 100) || !memcmp(bytes, twos, 100));
		return;
	}
	assert_int_equal(got, sizeof(bytes));
	assert_true(!memcmp(bytes, ones, sizeof(bytes)) || !memcmp(bytes, twos, sizeof(bytes)));
}

static void write_it(void)
{
	need(world_put(other, "/d/sub/f", 0, sizeof(bytes), 1 + turn++ % 2));
}

static void cut_and_fill(void)
{
	if (turn % 2)
		need(world_truncate(other, "/d/sub/f", 100));
	else
		need(world_put(other, "/d/sub/f", 0, sizeof(bytes), 1));
	turn++;
}

static void bytes_are_of_one_moment(void **state)
{
	begin(state);
	make_way();
	world_fill(ones, sizeof(ones), 0, 1);
	world_fill(twos, sizeof(twos), 0, 2);
	write_it();
	need(world_open(unit->fs, "/d/sub/f", O_RDWR, &ours));
	everywhere(read_it, write_it, read_whole, MANY);
	need(world_put(other, "/d/sub/f", 0, sizeof(bytes), 1));
	everywhere(read_it, cut_and_fill, read_whole, MANY);
	world_close(&ours);
	end();
}

/* ---- changes ---- */

static void rename_it(void)
{
	answer = world_rename(unit->fs, "/d/sub/f", "/e/f");
	if (!answer)
		answer = world_rename(unit->fs, "/e/f", "/d/sub/f");
}

/* Wherever the directory is now: back into it, if none has come there meanwhile. */
static void renamed(void)
{
	umfs_node node;
	const char *home = world_node(unit->fs, "/d/sub", &node) ? "/e/sub/f" : "/d/sub/f";

	assert_true(!answer || answer == -ENOENT || answer == -ESTALE);
	if (world_node(unit->fs, "/e/f", &node))
		return;
	if (world_node(unit->fs, home, &node))
		need(world_rename(unit->fs, "/e/f", home));
	else
		need(world_unlink(unit->fs, "/e/f"));
}

static void make_anew_somewhere(void)
{
	umfs_node node;

	if (world_node(other, "/d/sub/f", &node))
		need(world_creat(other, "/d/sub/f", 0600));
	else
		need(world_unlink(other, "/d/sub/f"));
}

static void create_and_remove(void)
{
	answer = world_creat(unit->fs, "/d/new", 0600);
	if (!answer)
		answer = world_link(unit->fs, "/d/new", "/e/new");
	if (!answer)
		answer = world_unlink(unit->fs, "/d/new");
	if (!answer)
		answer = world_unlink(unit->fs, "/e/new");
}

static void created(void)
{
	umfs_node node;

	assert_true(!answer || answer == -ENOENT || answer == -ESTALE || answer == -EEXIST);
	if (!world_node(unit->fs, "/d/new", &node))
		need(world_unlink(unit->fs, "/d/new"));
	if (!world_node(unit->fs, "/e/new", &node))
		need(world_unlink(unit->fs, "/e/new"));
}

static void create_or_remove_the_same(void)
{
	umfs_node node;

	if (world_node(other, "/d/new", &node))
		need(world_creat(other, "/d/new", 0600));
	else
		need(world_unlink(other, "/d/new"));
}

static void names_that_two_change_are_one_s(void **state)
{
	umfs_node node;

	begin(state);
	make_way();
	everywhere(rename_it, make_anew_somewhere, renamed, PLACES);
	if (world_node(unit->fs, "/d/sub/f", &node))
		need(world_creat(unit->fs, "/d/sub/f", 0600));
	everywhere(rename_it, move_it, renamed, PLACES);
	if (turn % 2)
		move_it();
	everywhere(create_and_remove, create_or_remove_the_same, created, PLACES);
	end();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(names_that_stay_listed_once),
		CASE(name_that_stays_found),
		CASE(way_that_changes_found_or_not),
		CASE(way_from_what_becomes_a_file_found_or_not),
		CASE(way_up_from_what_is_removed_found_or_not),
		CASE(link_made_anew_read_whole),
		CASE(attributes_are_of_one_moment),
		CASE(value_read_whole),
		CASE(description_is_of_one),
		CASE(description_that_goes_joined_or_not),
		CASE(bytes_are_of_one_moment),
		CASE(names_that_two_change_are_one_s),
	};

	return unit_run(argc, argv, "meanwhile", tests, sizeof(tests) / sizeof(tests[0]));
}

#else

int main(void)
{
	puts("no trap flag is known here, or with it every step of a sanitizer's is one");
	return 77;
}

#endif
