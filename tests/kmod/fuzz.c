// SPDX-License-Identifier: BSD-3-Clause
/*
 * fuzz.c - random calls and mappings, of several processes at once.
 *
 *   kmod-fuzz NODE DEVICE OTHER-DEVICE STEPS [SEED]
 *
 * Four processes of two threads each do STEPS steps: two as user 1000, one as 2000, one as
 * root. What a thread does follows from the seed; how they meet does not. Half of the steps
 * are those of fuzz_call.c. The others open, map, touch, write, cut, punch and remove the
 * files of maps/, while the sibling takes away parts of the mappings or their rights and
 * children are killed in them. What calls answer does not matter. What does:
 *
 *  - the files below safe/, which are root's, are what they were, and nobody opens them;
 *  - a word of a file of maps/ is 0 or one that was written to this very file: each says so;
 *  - the pool can be walked afterwards, and nothing of it is in use any more.
 *
 * Opening, reading and writing FIFOs may wait for ever: in each thread a timer ends that.
 */
#include <dirent.h>
#include <grp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#include "fuzz.h"

#define WORKERS 4
#define MAPPED 4 /* files of maps/ */
#define SAFE 4
#define SAFE_BYTES (3 * MIB)
#define SPAN (64 * MIB) /* of addresses of each thread's own */
#define DEPTH_MAX 40
#define WAIT_NS_MAX 50000000 /* of a call of step_call() */

int pool, control, checks, failures;
const char *device[2];
struct counts *counts;

static __thread sigjmp_buf escape;

uint64_t rnd(struct fuzzer *f)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return f->random * 0x2545f4914f6cdd1dull >> 3;
}

void is_bad(struct fuzzer *f, const char *what, unsigned file, uint64_t word)
{
	printf("FAILED step %u: %s: file %u, %llx\n", f->done, what, file,
	       (unsigned long long)word);
	fflush(stdout);
	f->bad++;
}

/* ---- words that say whose they are ---- */

static uint64_t word_of(struct fuzzer *f, unsigned file)
{
	return 0x756d667300000000ull | (uint64_t)file << 16 | (rnd(f) & 0xffff);
}

static void check_word(struct fuzzer *f, unsigned file, uint64_t word)
{
	if (word && word >> 16 != (0x756d667300000000ull | (uint64_t)file << 16) >> 16)
		is_bad(f, "a word of another file", file, word);
}

/* ---- mappings ---- */

static void escaped(int sig)
{
	(void)sig;
	siglongjmp(escape, 1);
}

static char *map_at(uint64_t map)
{
	return (char *)(uintptr_t)(map >> 20 << 12);
}

static uint64_t map_bytes(uint64_t map)
{
	return (map & 0xfffff) * PAGE;
}

static bool in_span(const struct fuzzer *f, uint64_t map)
{
	return map_at(map) >= f->span && map_at(map) < f->span + SPAN;
}

static void unmap(struct fuzzer *f, unsigned i)
{
	uint64_t map = f->map[i];

	f->map[i] = 0;
	if (map && in_span(f, map))
		mmap(map_at(map), map_bytes(map), PROT_NONE,
		     MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	else if (map)
		munmap(map_at(map), map_bytes(map));
}

/* Of parts of 2 MiB, of a few pages, of both; at a place of the kernel's choice or of ours. */
static void new_map(struct fuzzer *f)
{
	static const uint64_t sizes[] = {PAGE, 16 * PAGE, 2 * MIB, 4 * MIB, 6 * MIB + 5 * PAGE,
					 8 * MIB, 1024 * MIB};
	static const uint64_t offs[] = {0, 0, 0, 2 * MIB, 4 * MIB, PAGE, 511 * PAGE};
	unsigned i = below(f, MAPS), j = below(f, OPEN), size = below(f, 7);
	bool ours = size != 6 && one_in(f, 3), write = !one_in(f, 3);
	uint64_t bytes = sizes[size], off = offs[below(f, 7)];
	char *at = ours ? f->span + below(f, 24) * 2 * MIB + (one_in(f, 4) ? 3 * PAGE : off % (2 * MIB))
			: NULL;

	unmap(f, i);
	if (f->file[j] < 0)
		return;
	/* Two of ours may overlap: then a slot would have words of another file. */
	if (ours)
		for (i = 0; i < MAPS; i++)
			if (in_span(f, f->map[i]))
				unmap(f, i);
	i = below(f, MAPS);
	unmap(f, i);
	at = mmap(at, bytes, write ? PROT_READ | PROT_WRITE : PROT_READ,
		  (one_in(f, 10) ? MAP_PRIVATE : MAP_SHARED) | (ours ? MAP_FIXED : 0) |
			  (one_in(f, 20) ? MAP_POPULATE : 0),
		  f->file[j], (off_t)off);
	if (at == MAP_FAILED)
		return;
	count(&counts->mapped);
	f->map_of[i] = f->file_of[j];
	f->map_writable[i] = write;
	f->map[i] = (uint64_t)(uintptr_t)at >> 12 << 20 | bytes / PAGE;
}

static void touch_map(struct fuzzer *f, unsigned i, volatile unsigned times)
{
	uint64_t map = f->map[i];

	if (!map)
		return;
	if (sigsetjmp(escape, 0))
		count(&counts->faulted);
	while (times) {
		uint64_t page = rnd(f) % (one_in(f, 2) ? 64 : 2048) % (map & 0xfffff);
		volatile uint64_t *word = (volatile uint64_t *)(map_at(map) + page * PAGE +
								8 * below(f, 512));

		times--; /* before it may fault */
		check_word(f, f->map_of[i], *word);
		if (f->map_writable[i] && one_in(f, 2))
			*word = word_of(f, f->map_of[i]);
		count(&counts->touched);
	}
}

/* Ours, or the sibling's, who may have let it go meanwhile: nobody else has addresses there. */
static void harm_map(struct fuzzer *f, struct fuzzer *whose)
{
	uint64_t map = whose->map[below(f, MAPS)], page, n;
	char *at;

	if (!map)
		return;
	page = rnd(f) % (map & 0xfffff);
	n = 1 + rnd(f) % ((map & 0xfffff) - page);
	at = map_at(map) + page * PAGE;
	switch (below(f, 5)) {
	case 0:
		/* No hole that something else could come to lie in. */
		mmap(at, n * PAGE, PROT_NONE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		break;
	case 1:
		mprotect(at, n * PAGE, one_in(f, 2) ? PROT_READ : PROT_NONE);
		break;
	case 2:
		madvise(at, n * PAGE, (int)below(f, 26));
		break;
	case 3:
		msync(at, n * PAGE, MS_SYNC);
		break;
	default:
		mlock(at, n * PAGE < MIB ? n * PAGE : MIB);
	}
}

/* A child that lives in what it inherits, and dies in it. */
static void live_and_die(struct fuzzer *f)
{
	pid_t child = fork();
	unsigned i;

	if (!child) {
		for (i = 0; i < 8; i++)
			touch_map(f, below(f, MAPS), 4);
		kill(getpid(), one_in(f, 2) ? SIGKILL : SIGTERM);
		_exit(0);
	}
	if (child > 0 && waitpid(child, NULL, 0) == child)
		count(&counts->died);
}

/* ---- files that are mapped ---- */

static void open_file(struct fuzzer *f)
{
	unsigned i = below(f, OPEN), n = below(f, MAPPED);
	char name[32];

	if (f->file[i] >= 0)
		close(f->file[i]);
	snprintf(name, sizeof(name), "maps/%u", n);
	f->file[i] = k_open(name, one_in(f, 4) ? O_RDONLY : O_RDWR | O_CREAT, 0666);
	f->file_of[i] = n;
}

/* Only whole words are written and cut. */
static void change_file(struct fuzzer *f)
{
	static __thread uint64_t buf[32 * PAGE / 8];
	unsigned i = below(f, OPEN), n = 1 + below(f, sizeof(buf) / 8), at;
	off_t off = (off_t)(rnd(f) % (MIB / (one_in(f, 2) ? 16 : 1)) * 8);
	char name[32];
	ssize_t got;

	switch (below(f, 8)) {
	case 0: case 1: case 2:
		for (at = 0; at < n; at++)
			buf[at] = word_of(f, f->file_of[i]);
		(void)!pwrite(f->file[i], buf, n * 8, off);
		break;
	case 3: case 4:
		got = pread(f->file[i], buf, n * 8, off);
		for (at = 0; got > 0 && at < (size_t)got / 8; at++)
			check_word(f, f->file_of[i], buf[at]);
		break;
	case 5:
		(void)!ftruncate(f->file[i], one_in(f, 20) ? (off_t)(1024 * MIB + 8) : off);
		break;
	case 6:
		(void)!fallocate(f->file[i], one_in(f, 2) ? 3 : 0, off, (off_t)n * 64);
		break;
	default:
		snprintf(name, sizeof(name), "maps/%u", below(f, MAPPED));
		k_unlink(name, 0);
	}
}

static void step_map(struct fuzzer *f)
{
	switch (below(f, 16)) {
	case 0: case 1:
		open_file(f);
		break;
	case 2: case 3: case 4:
		new_map(f);
		break;
	case 5: case 6: case 7:
		change_file(f);
		break;
	case 8:
		harm_map(f, one_in(f, 2) ? f : f->sibling);
		break;
	case 9:
		unmap(f, below(f, MAPS));
		break;
	case 10:
		if (one_in(f, 8))
			live_and_die(f);
		break;
	default:
		touch_map(f, below(f, MAPS), 1 + below(f, 64));
	}
}

/* ---- threads and processes ---- */

static void interrupted(int n)
{
	(void)n;
}

static void start_timer(void)
{
	struct itimerspec t = {{0, WAIT_NS_MAX}, {0, WAIT_NS_MAX}};
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
	struct sigaction sa = {.sa_handler = interrupted};
	timer_t timer;

	ev._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (sigaction(SIGALRM, &sa, NULL) || timer_create(CLOCK_MONOTONIC, &ev, &timer) ||
	    timer_settime(timer, 0, &t, NULL))
		exit(1);
}

static void *live(void *arg)
{
	struct fuzzer *f = arg;
	sigset_t alarms;

	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarms, NULL);
	start_timer();
	for (f->done = 0; f->done < f->steps && !f->bad; f->done++) {
		if (one_in(f, 2)) {
			pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
			step_call(f);
			pthread_sigmask(SIG_BLOCK, &alarms, NULL);
		} else {
			step_map(f);
		}
	}
	return NULL;
}

static void prepare_thread(struct fuzzer *f, uint64_t seed, unsigned steps)
{
	unsigned i;

	f->random = (seed + 1) * 0x9e3779b97f4a7c15ull;
	f->steps = steps;
	f->root = getuid() == 0;
	for (i = 0; i < FILES; i++)
		f->fd[i] = -1;
	for (i = 0; i < OPEN; i++)
		f->file[i] = -1;
	f->span = mmap(NULL, SPAN + 2 * MIB, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	f->span = (char *)(((uintptr_t)f->span + 2 * MIB - 1) & ~(2 * MIB - 1));
	f->arg = mmap(NULL, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	f->text = f->arg + 2 * PAGE;
	f->room = f->arg + 4 * PAGE;
	if (mprotect(f->arg, PAGE, PROT_READ | PROT_WRITE) ||
	    mprotect(f->text, PAGE, PROT_READ | PROT_WRITE) ||
	    mprotect(f->room, UMFS_IOC_REST_BYTES, PROT_READ | PROT_WRITE))
		exit(1);
}

static void work(unsigned worker, uint64_t seed, unsigned steps, uid_t uid)
{
	struct sigaction sa = {.sa_handler = escaped, .sa_flags = SA_NODEFER};
	static struct fuzzer f[2];
	pthread_t thread;

	if (uid && (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
		exit(1);
	umask(0);
	prepare_thread(&f[0], seed * 64 + 2 * worker, steps);
	prepare_thread(&f[1], seed * 64 + 2 * worker + 1, steps);
	f[0].sibling = &f[1];
	f[1].sibling = &f[0];
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (pthread_create(&thread, NULL, live, &f[1]))
		exit(1);
	live(&f[0]);
	pthread_join(thread, NULL);
	printf("worker %u: %u and %u steps\n", worker, f[0].done, f[1].done);
	fflush(stdout);
	_exit(f[0].bad || f[1].bad);
}

/* ---- before and after ---- */

static uint64_t safe_word(unsigned file, uint64_t i)
{
	return (file + 1) * 0x9e3779b97f4a7c15ull ^ i * 0x2545f4914f6cdd1dull;
}

static void make_safe(unsigned file, const char *name)
{
	static uint64_t buf[SAFE_BYTES / 8];
	int fd = k_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	uint64_t i;

	for (i = 0; i < SAFE_BYTES / 8; i++)
		buf[i] = safe_word(file, i);
	CHECK(fd >= 0 && write(fd, buf, SAFE_BYTES) == (ssize_t)SAFE_BYTES);
	close(fd);
}

/* Once as a file, once as a mapping. */
static void check_safe(unsigned file, const char *name)
{
	static uint64_t buf[SAFE_BYTES / 8];
	int fd = k_open(name, O_RDONLY, 0);
	uint64_t i, wrong = 0, *at = mmap(NULL, SAFE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	struct umfs_ioc_attr a;

	CHECK(k_stat(name, 0, &a) == 0 && a.size == SAFE_BYTES && a.uid == 0 &&
	      a.mode == (S_IFREG | 0600));
	CHECK(fd >= 0 && at != MAP_FAILED && read(fd, buf, SAFE_BYTES) == (ssize_t)SAFE_BYTES);
	for (i = 0; i < SAFE_BYTES / 8; i++)
		wrong += at[i] != safe_word(file, i) || buf[i] != safe_word(file, i);
	CHECK(wrong == 0);
	munmap(at, SAFE_BYTES);
	close(fd);
}

static void all_safe(void (*act)(unsigned file, const char *name))
{
	char name[32];
	unsigned i;

	for (i = 0; i < SAFE; i++) {
		snprintf(name, sizeof(name), "safe/%u", i);
		act(i, name);
	}
}

/* All pages but those of some units are taken, so that one that was let go is soon another's. */
static void take_room(void)
{
	unsigned n, spare = 4;
	char name[32];
	int fd;

	CHECK(k_mkdir("taken", 0700) == 0);
	for (n = 0;; n++) {
		snprintf(name, sizeof(name), "taken/%u", n);
		fd = k_open(name, O_RDWR | O_CREAT, 0600);
		if (fallocate(fd, 0, 0, 4 * MIB))
			break;
		close(fd);
	}
	CHECK(errno == ENOSPC && n > spare);
	close(fd);
	CHECK(k_unlink(name, 0) == 0);
	while (n-- > 0 && spare-- > 0) {
		snprintf(name, sizeof(name), "taken/%u", n);
		CHECK(k_unlink(name, 0) == 0);
	}
}

static void prepare(void)
{
	umask(0);
	CHECK(k_mkdir("safe", 0711) == 0 && k_mkdir("play", 0777) == 0 &&
	      k_mkdir("root", 0755) == 0 && k_mkdir("maps", 0777) == 0);
	all_safe(make_safe);
	take_room();
}

/* What a 32-bit program is told is what any other is told. */
static void check_32(void)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct umfs_ioc_stat *a = (void *)page;
	struct umfs_ioc_attr attr;

	strcpy(page + sizeof(*a), "safe/1");
	a->path = path_of(page + sizeof(*a));
	CHECK(k_stat("safe/1", 0, &attr) == 0);
	CHECK(ioctl_32(pool, UMFS_IOC_STAT, (uintptr_t)a) == 0 &&
	      !memcmp(&attr, &a->attr, sizeof(attr)));
	FAILS(ENOTTY, ioctl_32(pool, UMFS_IOC_DETACH, (uintptr_t)a));
	munmap(page, PAGE);
}

/* All that is left, whatever it is, can be looked at. */
static void walk(int dir, const char *name, unsigned depth)
{
	struct umfs_ioc_open o = {.path = in_dir(dir, name), .flags = O_RDONLY | O_DIRECTORY};
	struct dirent *e;
	DIR *d;

	CHECK(ioctl(pool, UMFS_IOC_OPEN, &o) == 0);
	d = fdopendir(o.fd);
	while (d && (e = readdir(d))) {
		struct umfs_ioc_stat a = {.path = in_dir(o.fd, e->d_name),
					  .flags = UMFS_IOC_NOFOLLOW};
		struct umfs_ioc_open file = {.path = a.path};

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		CHECK(ioctl(pool, UMFS_IOC_STAT, &a) == 0);
		if (S_ISDIR(a.attr.mode) && depth < DEPTH_MAX)
			walk(o.fd, e->d_name, depth + 1);
		if (!S_ISREG(a.attr.mode))
			continue;
		CHECK(ioctl(pool, UMFS_IOC_OPEN, &file) == 0);
		CHECK(read(file.fd, o.zero, sizeof(o.zero)) >= 0);
		close(file.fd);
	}
	if (d)
		closedir(d);
}

/* That there was something to go wrong. */
static void check_counts(unsigned steps)
{
	printf("%u calls asked, %u served, %u of them as of 32 bits; %u maps, %u words touched, "
	       "%u faults, %u children died\n", counts->asked, counts->served, counts->as_32,
	       counts->mapped, counts->touched, counts->faulted, counts->died);
	CHECK(counts->served > steps / 8 && counts->as_32 > steps / 32);
	CHECK(counts->mapped > steps / 8 && counts->touched > steps);
}

int main(int argc, char **argv)
{
	void *slots; /* for UMFS_IOC_SHARE */
	static const uid_t uid[WORKERS] = {1000, 1000, 2000, 0};
	struct umfs_ioc_detach d = {.name = "fuzz2"};
	pid_t worker[WORKERS];
	unsigned i, steps;
	uint64_t seed;
	int status;

	if (argc < 5)
		return 2;
	pool = open(argv[1], O_RDONLY | O_CLOEXEC);
	control = open(UMFS_CONTROL_NODE, O_RDONLY | O_CLOEXEC);
	device[0] = argv[2];
	device[1] = argv[3];
	counts = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	steps = (unsigned)atoi(argv[4]);
	seed = argc > 5 ? strtoull(argv[5], NULL, 0) : 1;
	slots = mmap(NULL, UMFS_IOC_SLOTS * sizeof(struct umfs_ioc_slot), PROT_READ, MAP_SHARED, pool,
		     0);
	if (slots == MAP_FAILED || pool < 0 || control < 0)
		return 1;
	printf("seed %llu, %u steps\n", (unsigned long long)seed, steps);
	prepare();
	check_32();
	fflush(stdout);
	for (i = 0; i < WORKERS; i++) {
		worker[i] = fork();
		if (!worker[i])
			work(i, seed, steps, uid[i]);
	}
	for (i = 0; i < WORKERS; i++) {
		status = -1;
		waitpid(worker[i], &status, 0);
		CHECK(status == 0);
	}
	all_safe(check_safe);
	walk(UMFS_IOC_ROOT, "/", 0);
	ioctl(control, UMFS_IOC_DETACH, &d);
	check_counts(steps);
	printf("%d checks, %d failed\n", checks, failures);
	return failures ? 1 : 0;
}
