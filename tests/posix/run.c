// SPDX-License-Identifier: BSD-3-Clause
/*
 * run.c - sequences in one directory, each by a process of its own, or by three that
 * take turns, so that what one does is what the others see next.
 */
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "posix.h"

struct run run;
static char out[1 << 20];
static size_t out_len;

static const struct op *const themes[THEMES] = {
	open_ops, data_ops,  name_ops, attr_ops, fd_ops,    dir_ops,
	space_ops, xattr_ops, lock_ops, map_ops,  stdio_ops, walk_ops,
};

/* ---- what is written down ---- */

void say_flush(void)
{
	for (size_t done = 0; done < out_len;) {
		ssize_t n = write(run.log, out + done, out_len - done);

		if (n < 0)
			_exit(3);
		done += (size_t)n;
	}
	out_len = 0;
}

void say(const char *fmt, ...)
{
	va_list ap;

	if (out_len > sizeof(out) - 2 * PATH_MAX)
		say_flush();
	va_start(ap, fmt);
	out_len += (size_t)vsnprintf(out + out_len, sizeof(out) - out_len, fmt, ap);
	va_end(ap);
}

void answer(long ret)
{
	if (ret == -1)
		say(" = -1 %s", strerrorname_np(errno));
	else
		say(" = %ld", ret);
}

void answer_ok(bool ok)
{
	answer(ok ? 0 : -1);
}

void say_bytes(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t hash = 14695981039346656037ull;
	bool zero = true;

	for (size_t i = 0; i < n; i++) {
		hash = (hash ^ b[i]) * 1099511628211ull;
		zero = zero && !b[i];
	}
	if (zero)
		say(" %zu zeros", n);
	else
		say(" %zu:%08x", n, (unsigned)(hash ^ hash >> 32));
}

/* ---- one step ---- */

static const struct op *choose(enum theme favourite)
{
	enum theme theme = chance(55) ? favourite : (enum theme)pick(THEMES);
	unsigned total = 0, at;
	const struct op *op;

	for (op = themes[theme]; op->name; op++)
		total += op->weight;
	at = pick(total);
	for (op = themes[theme]; at >= op->weight; op++)
		at -= op->weight;
	return op;
}

/* Names of operations, with spaces between, that neither side does. */
static bool left_out(const char *name)
{
	const char *list = getenv("POSIX_WITHOUT"), *at = list;
	size_t len = strlen(name);

	for (; at && (at = strstr(at, name)); at += len)
		if ((at == list || at[-1] == ' ') && (!at[len] || at[len] == ' '))
			return true;
	return false;
}

static void step(uint64_t seed, unsigned n)
{
	enum theme favourite = (enum theme)(seed % THEMES);
	const struct op *op;

	run.rng = seed * 1000003 + n * 7919 + 17;
	rnd();
	if (run.timed)
		state_tick();
	if (!guard_inside()) {
		say("%2u outside\n", n);
		say_flush();
		_exit(0);
	}
	op = choose(favourite);
	if (left_out(op->name))
		return;
	say("%2u %s: ", n, op->name);
	say_flush(); /* a call that ends us can be told */
	op->run();
	say("\n");
	state_say();
	say_flush();
}

/* ---- a sequence ---- */

struct seq {
	uint64_t seed;
	unsigned steps;
	uint64_t skip; /* bit: this step is left out */
};

static void make_file(const char *name, size_t n)
{
	static uint8_t buf[1 << 16];
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0644);

	run.rng = n + 5;
	fill(buf, n);
	if (fd < 0 || write(fd, buf, n) != (ssize_t)n || close(fd)) {
		say("make %s: %s\n", name, strerrorname_np(errno));
		say_flush();
		_exit(3);
	}
}

static void age(const char *name, time_t atime, time_t mtime)
{
	struct timespec t[2] = {{atime, 111}, {mtime, 222}};

	utimensat(AT_FDCWD, name, t, AT_SYMLINK_NOFOLLOW);
}

/* The small tree that each sequence starts with; the directory is the working directory. */
static void make_tree(uint64_t seed)
{
	make_file("a", 5000);
	make_file("b", seed % 3 ? 30 : 20000);
	if (mkdir("d", 0755) || symlink(seed % 2 ? "a" : "d", "c")) {
		say("tree: %s\n", strerrorname_np(errno));
		say_flush();
		_exit(3);
	}
	make_file("d/a", 100);
	age("a", 1000000, 2000000);
	age("b", 4102444800, 3000000); /* read in the future: not again by relatime */
	age("c", 1000001, 1000001);
	age("d", 1000002, 2000002);
}

static bool as_user(uint64_t seed)
{
	return !geteuid() && seed % 2;
}

static void become(uid_t uid, gid_t gid)
{
	gid_t groups[] = {gid, 3000};

	if (setgroups(2, groups) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		_exit(3);
	/* /proc/self belongs to root else; the kernel's paths through it are refused. */
	prctl(PR_SET_DUMPABLE, 1);
}

static void guard_page(void)
{
	run.page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(run.page + 4096, 4096, PROT_NONE);
}

static bool takes_turns(uint64_t seed)
{
	return seed % 8 == 3;
}

static void begin(const struct seq *s)
{
	struct rlimit fds = {1024, 4096};
	bool user = as_user(s->seed);
	uid_t owner = user ? 2001 : geteuid();

	setrlimit(RLIMIT_NOFILE, &fds);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	guard_page();
	run.seed = s->seed;
	run.timed = s->seed % 16 == 5;
	run.mapped = run.acl = run.locked = false;
	run.allocated = 0;
	run.turns = takes_turns(s->seed);
	run.plain = user || geteuid();
	for (int i = 0; i < SLOTS; i++)
		run.slot[i] = -1;
	umask(022);
	if (mkdir(run.base, 0755) ||
	    (user && chown(run.base, owner, 2001)) || chdir(run.base)) {
		say("begin: %s\n", strerrorname_np(errno));
		say_flush();
		_exit(3);
	}
	if (user)
		become(owner, 2001);
	make_tree(s->seed);
	state_reset();
	state_say();
}

static void end_of_process(void)
{
	if (run.dir)
		closedir(run.dir);
	if (run.stream)
		fclose(run.stream);
	for (int i = 0; i < SLOTS; i++)
		if (run.slot[i] >= 0)
			close(run.slot[i]);
}

static void finish(void)
{
	end_of_process();
	for (int i = 0; i < SLOTS; i++)
		run.slot[i] = -1;
	run.mapped = true; /* blocks were compared step by step */
	state_say_whole();
	say_flush();
	_exit(0);
}

static bool skipped(const struct seq *s, unsigned n)
{
	return s->skip >> n & 1;
}

static void alone(const struct seq *s)
{
	begin(s);
	for (unsigned i = 0; i < s->steps; i++)
		if (!skipped(s, i))
			step(s->seed, i);
	finish();
}

/* ---- three that take turns ---- */

#define TURNS 3

struct player {
	pid_t pid;
	int go, done; /* pipes: a step's number, then a byte */
};

static void play(const struct seq *s, unsigned who, int go, int done)
{
	uint8_t n;

	if (who == 2 && !geteuid())
		become(2002, 2002);
	while (read(go, &n, 1) == 1) {
		say("   [%u]\n", who);
		step(s->seed, n);
		if (write(done, &n, 1) != 1)
			_exit(3);
	}
	end_of_process();
	_exit(0);
}

static int high(int fd)
{
	int to = fcntl(fd, F_DUPFD_CLOEXEC, FAR_FD + 1);

	close(fd);
	return to;
}

static void start_player(const struct seq *s, struct player *p, unsigned who)
{
	int go[2], done[2];

	if (pipe(go) || pipe(done))
		_exit(3);
	for (int i = 0; i < 2; i++)
		go[i] = high(go[i]), done[i] = high(done[i]);
	say_flush();
	p->pid = fork();
	if (!p->pid) {
		close(go[1]);
		close(done[0]);
		for (unsigned i = 0; i < who; i++)
			close((p - who + i)->go); /* else it would never see the end */
		play(s, who, go[0], done[1]);
	}
	close(go[0]);
	close(done[1]);
	p->go = go[1];
	p->done = done[0];
}

static void in_turns(const struct seq *s)
{
	struct player p[TURNS];
	uint8_t n;

	begin(s);
	for (unsigned i = 0; i < TURNS; i++)
		start_player(s, &p[i], i);
	for (unsigned i = 0; i < s->steps; i++) {
		unsigned who = (unsigned)((s->seed >> 3) * 31 + i * 7 + i * i / 3) % TURNS;

		n = (uint8_t)i;
		if (!skipped(s, i) && (write(p[who].go, &n, 1) != 1 || read(p[who].done, &n, 1) != 1))
			say("process %u is gone\n", who);
	}
	for (unsigned i = 0; i < TURNS; i++) {
		int status;

		close(p[i].go);
		close(p[i].done);
		if (waitpid(p[i].pid, &status, 0) != p[i].pid || status)
			say("process %u: status %#x\n", i, status);
	}
	finish();
}

/* ---- sequences ---- */

static void sequence(const struct seq *s, const char *dir)
{
	int status;
	pid_t pid;

	say("seed %llu\n", (unsigned long long)s->seed);
	say_flush();
	umask(022);
	state_clear(dir);
	guard_make(dir);
	pid = fork();
	if (!pid) {
		alarm(120);
		if (takes_turns(s->seed))
			in_turns(s);
		alone(s);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		say("\nstatus %#x\n", status);
	say("end\n");
	say_flush();
}

/* run ROOT NAME FROM TO EVERY STEPS SKIP: sequences in ROOT/NAME; the log is standard output. */
int run_main(int argc, char **argv)
{
	struct stat before, now;
	char dir[256];
	struct seq s;

	if (argc != 8)
		return 2;
	run.log = fcntl(1, F_DUPFD_CLOEXEC, FAR_FD + 100);
	snprintf(run.root, sizeof(run.root), "%s", argv[1]);
	snprintf(dir, sizeof(dir), "%s/%s", argv[1], argv[2]);
	s.steps = (unsigned)atoi(argv[6]);
	s.skip = strtoull(argv[7], NULL, 16);
	if (run.log < 0 || s.steps > STEPS_MAX || (mkdir(dir, 0755) && errno != EEXIST) ||
	    stat(dir, &before))
		return 3;
	for (s.seed = strtoull(argv[3], NULL, 10); s.seed < strtoull(argv[4], NULL, 10);
	     s.seed += strtoull(argv[5], NULL, 10))
		sequence(&s, dir);
	state_clear(dir);
	/* P3, seen from outside: all that could be climbed to lies above this one first. */
	if (stat(dir, &now) || now.st_mode != before.st_mode || now.st_uid != before.st_uid ||
	    now.st_gid != before.st_gid) {
		fprintf(stderr, "posix: a sequence has touched %s\n", dir);
		return 4;
	}
	rmdir(dir);
	return 0;
}
