// SPDX-License-Identifier: BSD-3-Clause
/*
 * compare.c - the same sequences on tmpfs and under libumfs, and what differs.
 *
 * The environment: POSIX_WORK, a directory in which `tmp` is plain tmpfs and `mnt` is
 * where the pool is; both have names of one length, so that paths are as long here as
 * there. POSIX_PRELOAD and POSIX_MOUNT are LD_PRELOAD and LIBUMFS_MOUNT of the second.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "posix.h"

#define WORKERS_MAX 16
#define SHOWN_MAX 12

static struct {
	uint64_t first, count;
	unsigned workers, steps;
	bool list; /* only one line for each sequence that differs */
	bool alike; /* what differs on purpose is not looked at */
	const char *work;
} opt = {1, 300, 3, 40, false, false, NULL};

/* ---- running ---- */

static void logs_path(char *to, size_t size, bool ours, unsigned worker)
{
	snprintf(to, size, "%s/log-%s-%u", opt.work, ours ? "umfs" : "tmpfs", worker);
}

/* In the child: standard output is the log, and libumfs comes with exec. */
static void prepare(bool ours, unsigned worker, char root[PATH_MAX])
{
	char log[PATH_MAX];
	int fd;

	snprintf(root, PATH_MAX, "%s/%s", opt.work, ours ? "mnt" : "tmp");
	logs_path(log, sizeof(log), ours, worker);
	fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
	if (fd < 0 || dup2(fd, 1) < 0 || close(fd))
		_exit(3);
	if (ours) {
		setenv("LD_PRELOAD", getenv("POSIX_PRELOAD"), 1);
		setenv("LIBUMFS_MOUNT", getenv("POSIX_MOUNT"), 1);
	}
}

static pid_t start(bool ours, unsigned worker, uint64_t from, uint64_t to, unsigned every,
		   uint64_t skip)
{
	char root[PATH_MAX], name[16], num[5][24];
	pid_t pid = fork();

	if (pid)
		return pid;
	prepare(ours, worker, root);
	snprintf(name, sizeof(name), "p%u", worker);
	snprintf(num[0], sizeof(num[0]), "%llu", (unsigned long long)from);
	snprintf(num[1], sizeof(num[1]), "%llu", (unsigned long long)to);
	snprintf(num[2], sizeof(num[2]), "%u", every);
	snprintf(num[3], sizeof(num[3]), "%u", opt.steps);
	snprintf(num[4], sizeof(num[4]), "%llx", (unsigned long long)skip);
	execl("/proc/self/exe", "posix", "run", root, name, num[0], num[1], num[2], num[3], num[4],
	      NULL);
	_exit(3);
}

static void wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "posix run: status %#x\n", status);
		exit(1);
	}
}

static char *read_log(bool ours, unsigned worker)
{
	char path[PATH_MAX], *text = NULL;
	size_t len = 0;
	FILE *f;

	logs_path(path, sizeof(path), ours, worker);
	f = fopen(path, "r");
	if (!f || getdelim(&text, &len, '\0', f) < 0) {
		fprintf(stderr, "%s: no log\n", path);
		exit(1);
	}
	fclose(f);
	return text;
}

/* ---- comparing ---- */

/* The next line of *p, ended by NUL; NULL at the end. */
static char *next_line(char **p)
{
	char *line = *p, *end;

	if (!*line)
		return NULL;
	end = strchr(line, '\n');
	*p = end ? end + 1 : line + strlen(line);
	if (end)
		*end = '\0';
	return line;
}

struct difference {
	uint64_t seed;
	char call[700], tmpfs[700], umfs[700];
};

/* Read both logs from one sequence to the next: true when they differ. */
static bool differ(char **a, char **b, struct difference *d)
{
	bool found = false;
	char *la, *lb = NULL;

	*d->call = '\0';
	while ((la = next_line(a)) && strcmp(la, "end")) {
		if (!strncmp(la, "seed ", 5))
			d->seed = strtoull(la + 5, NULL, 10);
		if (!found)
			lb = next_line(b);
		if (!found && strspn(la, " ") < 2 && la[strspn(la, " ")] >= '0' &&
		    la[strspn(la, " ")] <= '9')
			snprintf(d->call, sizeof(d->call), "%s", la);
		/* Two that die alike are no better than one. */
		if (!found && (!lb || strcmp(la, lb) || !strncmp(la, "status", 6))) {
			found = true;
			snprintf(d->tmpfs, sizeof(d->tmpfs), "%s", la);
			snprintf(d->umfs, sizeof(d->umfs), "%s", lb ? lb : "(nothing)");
		}
	}
	while (lb && (lb = next_line(b)) && strcmp(lb, "end"))
		if (!found) {
			found = true;
			strcpy(d->tmpfs, "(end)");
			snprintf(d->umfs, sizeof(d->umfs), "%s", lb);
		}
	return found;
}

/* ---- the least sequence ---- */

static bool differs_without(uint64_t seed, uint64_t skip, struct difference *d)
{
	pid_t a = start(false, 99, seed, seed + 1, 1, skip);
	pid_t b = start(true, 99, seed, seed + 1, 1, skip);
	char *ta, *tb, *pa, *pb;
	bool found;

	wait_for(a);
	wait_for(b);
	pa = ta = read_log(false, 99);
	pb = tb = read_log(true, 99);
	found = differ(&pa, &pb, d);
	free(ta);
	free(tb);
	return found;
}

static void show_log(const char *what, bool ours)
{
	char *text = read_log(ours, 99);

	printf("  %s:\n%s", what, text);
	free(text);
}

static void minimise(uint64_t seed)
{
	struct difference d;
	uint64_t skip = 0;

	if (!differs_without(seed, 0, &d)) {
		printf("  it does not differ when it is alone\n");
		return;
	}
	for (int i = (int)opt.steps - 1; i >= 0; i--)
		if (differs_without(seed, skip | 1ull << i, &d))
			skip |= 1ull << i;
	differs_without(seed, skip, &d);
	printf("  the least sequence of seed %llu (skip %llx):\n", (unsigned long long)seed,
	       (unsigned long long)skip);
	show_log("on tmpfs", false);
	show_log("under libumfs", true);
}

/* ---- all of them ---- */

static unsigned compare_worker(unsigned worker, unsigned before)
{
	char *ta = read_log(false, worker), *tb = read_log(true, worker), *pa = ta, *pb = tb;
	unsigned found = 0;
	struct difference d = {0};

	while (*pa) {
		if (!differ(&pa, &pb, &d))
			continue;
		if (before + found++ >= SHOWN_MAX && !opt.list)
			continue;
		printf("seed %llu: %s\n  tmpfs: %s\n  umfs:  %s\n", (unsigned long long)d.seed,
		       d.call, d.tmpfs, d.umfs);
		if (!before && found == 1 && !opt.list)
			minimise(d.seed);
	}
	free(ta);
	free(tb);
	return found;
}

static unsigned compare_all(void)
{
	pid_t pids[2 * WORKERS_MAX];
	unsigned found = 0;

	for (unsigned w = 0; w < 2 * opt.workers; w++)
		pids[w] = start(w % 2, w / 2, opt.first + w / 2, opt.first + opt.count, opt.workers, 0);
	for (unsigned w = 0; w < 2 * opt.workers; w++)
		wait_for(pids[w]);
	for (unsigned w = 0; w < opt.workers; w++)
		found += compare_worker(w, found);
	return found;
}

/* ---- what differs on purpose ---- */

static pid_t start_excuses(bool ours)
{
	char root[PATH_MAX];
	pid_t pid = fork();

	if (pid)
		return pid;
	prepare(ours, 99, root);
	strcat(root, "/x");
	execl("/proc/self/exe", "posix", "excuses", root, NULL);
	_exit(3);
}

static unsigned compare_excuses(void)
{
	pid_t a = start_excuses(false), b = start_excuses(true);
	char *ta, *tb, *pa, *pb, *la, *lb;
	unsigned wrong = 0;

	wait_for(a);
	wait_for(b);
	pa = ta = read_log(false, 99);
	pb = tb = read_log(true, 99);
	for (unsigned i = 0; i < excuse_count(); i++) {
		la = next_line(&pa);
		lb = next_line(&pb);
		wrong += !excuse_holds(i, la ? la : "(nothing)", lb ? lb : "(nothing)");
	}
	free(ta);
	free(tb);
	return wrong;
}

int compare_main(int argc, char **argv)
{
	unsigned found;
	int c;

	while ((c = getopt(argc, argv, "s:n:w:l:ix")) != -1) {
		switch (c) {
		case 's': opt.first = strtoull(optarg, NULL, 10); break;
		case 'n': opt.count = strtoull(optarg, NULL, 10); break;
		case 'w': opt.workers = (unsigned)atoi(optarg); break;
		case 'l': opt.steps = (unsigned)atoi(optarg); break;
		case 'i': opt.list = true; break;
		case 'x': opt.alike = true; break;
		default: return 2;
		}
	}
	opt.work = getenv("POSIX_WORK");
	if (!opt.work || !opt.workers || opt.workers > WORKERS_MAX || opt.steps > STEPS_MAX)
		return 2;
	if (opt.workers > opt.count)
		opt.workers = (unsigned)opt.count;
	setvbuf(stdout, NULL, _IOLBF, 0);
	found = compare_all();
	printf("seeds %llu to %llu, %u steps each: %u differ\n", (unsigned long long)opt.first,
	       (unsigned long long)(opt.first + opt.count - 1), opt.steps, found);
	if (!opt.alike)
		found += compare_excuses();
	return found ? 1 : 0;
}
