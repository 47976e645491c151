// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_storm.c - processes at work on the same files and directories, killed
 * at random (SIGKILL) while the others go on.
 *
 * Each 4 KiB block that a worker writes holds one number over and over, so a
 * torn write shows; each name it makes it makes for itself, and looks after.
 * No survivor may stand still for long, and the pool is checked afterwards.
 *
 * usage: test_storm [SECONDS [SEED]]
 */
#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#include "shim_test.h"

#define WORKERS 6
#define FILES 4
#define BLOCKS 64
#define STILL_SECONDS 10 /* a worker that does nothing for so long hangs */

struct shared {
	volatile uint64_t steps[WORKERS];
	volatile int failed;
};
static struct shared *shared;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int failure(const char *what)
{
	fprintf(stderr, "storm: worker %d: %s: %s\n", getpid(), what, strerror(errno));
	shared->failed = 1;
	return 1;
}

static int write_block(int fd, long block)
{
	uint64_t data[512], stamp = (uint64_t)getpid() << 32 | (uint64_t)random();

	for (int i = 0; i < 512; i++)
		data[i] = stamp;
	if (pwrite(fd, data, sizeof(data), block * 4096) != sizeof(data))
		return failure("pwrite");
	return 0;
}

static int check_block(int fd, long block)
{
	uint64_t data[512];
	ssize_t n = pread(fd, data, sizeof(data), block * 4096);

	if (n < 0)
		return failure("pread");
	if (n % 4096) {
		errno = 0;
		return failure("the file ends inside a block");
	}
	for (ssize_t i = 1; i < n / 8; i++)
		if (data[i] != data[0]) {
			errno = 0;
			return failure("torn block");
		}
	return 0;
}

static int use_shared_file(void)
{
	char name[32];
	int fd, bad;

	snprintf(name, sizeof(name), "shared%ld", random() % FILES);
	fd = open(at(name), O_RDWR | O_CREAT, 0644);
	if (fd < 0)
		return failure("open of a shared file");
	bad = random() % 2 ? write_block(fd, random() % BLOCKS) :
			     check_block(fd, random() % BLOCKS);
	if (!bad && random() % 50 == 0 && ftruncate(fd, (random() % BLOCKS) * 4096))
		bad = failure("ftruncate");
	if (close(fd))
		bad = failure("close");
	return bad;
}

static int own_names(void)
{
	char a[64], b[64];
	struct stat st;
	int fd;

	snprintf(a, sizeof(a), "dir%ld/own-%d-%ld", random() % 3, getpid(), random());
	snprintf(b, sizeof(b), "dir%ld/moved-%d-%ld", random() % 3, getpid(), random());
	fd = open(at(a), O_RDWR | O_CREAT | O_EXCL, 0644);
	if (fd < 0)
		return failure("create");
	if (write(fd, "text", 4) != 4)
		return failure("write");
	if (rename(at(a), at(b)))
		return failure("rename");
	if (stat(at(a), &st) == 0 || errno != ENOENT)
		return failure("the old name is still there");
	if (stat(at(b), &st) || st.st_size != 4)
		return failure("the new name is not right");
	if (random() % 3 == 0 && (link(at(b), at(a)) || unlink(at(a))))
		return failure("link and unlink");
	if (unlink(at(b)))
		return failure("unlink");
	if (fstat(fd, &st) || st.st_nlink != 0)
		return failure("unlinked while open");
	return close(fd) ? failure("close") : 0;
}

/* Over each other's names: any of these errors is a race that somebody else won. */
static int common_names(void)
{
	char a[32], b[32];
	long what = random() % 5;
	int ret = 0, fd;

	snprintf(a, sizeof(a), "dir%ld/common%ld", random() % 3, random() % 5);
	snprintf(b, sizeof(b), "dir%ld/common%ld", random() % 3, random() % 5);
	errno = 0;
	if (what == 0)
		ret = mkdir(at(a), 0755);
	else if (what == 1)
		ret = rmdir(at(a));
	else if (what == 2)
		ret = rename(at(a), at(b));
	else if (what == 3)
		ret = unlink(at(a));
	else if ((fd = open(at(a), O_RDWR | O_CREAT, 0644)) >= 0)
		ret = write_block(fd, 0) || close(fd);
	if (ret && errno != EEXIST && errno != ENOENT && errno != ENOTDIR && errno != EISDIR &&
	    errno != ENOTEMPTY && errno != EINVAL)
		return failure("common names");
	return 0;
}

static int list(void)
{
	char name[16];
	struct dirent *e;
	int dots = 0;
	DIR *d;

	snprintf(name, sizeof(name), "dir%ld", random() % 3);
	d = opendir(at(name));
	if (!d)
		return failure("opendir");
	while ((errno = 0, e = readdir(d)))
		dots += !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	if (errno || dots != 2)
		return failure("readdir");
	return closedir(d) ? failure("closedir") : 0;
}

static int append(void)
{
	int fd = open(at("log"), O_WRONLY | O_APPEND | O_CREAT, 0644), bad = 0;

	if (fd < 0)
		return failure("open of the log");
	if (write(fd, "0123456789abcde\n", 16) != 16)
		bad = failure("append");
	close(fd);
	return bad;
}

/* One of us replaces it, another opens it: there is always one. */
static int replace(void)
{
	char mine[32];
	int fd;

	if (random() % 2) {
		fd = open(at("replaced"), O_RDWR);
		return fd < 0 ? failure("open of a file that is replaced by rename") : close(fd);
	}
	snprintf(mine, sizeof(mine), "new-%d", getpid());
	fd = open(at(mine), O_RDWR | O_CREAT, 0644);
	if (fd < 0 || close(fd))
		return failure("create");
	return rename(at(mine), at("replaced")) ? failure("rename over a file") : 0;
}

static int work(int me, volatile int *stop)
{
	int bad = 0;

	srandom((unsigned)getpid() ^ (unsigned)(now() * 1e6));
	while (!bad && !*stop) {
		switch (random() % 10) {
		case 0:
			bad = own_names();
			break;
		case 1:
			bad = common_names();
			break;
		case 2:
			bad = random() % 8 ? 0 : list();
			break;
		case 3:
			bad = append();
			break;
		case 4:
		case 5:
			bad = replace();
			break;
		default:
			bad = use_shared_file();
		}
		shared->steps[me]++;
	}
	return bad;
}

static volatile int enough;

static void on_term(int sig)
{
	(void)sig;
	enough = 1;
}

static pid_t start(int me)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (!pid)
		_exit(work(me, &enough));
	return pid;
}

/* Whole records only: an append is there or not. */
static int check_log(void)
{
	char buf[16];
	int fd = open(at("log"), O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0 : failure("log");
	while ((n = read(fd, buf, 16)) == 16)
		if (memcmp(buf, "0123456789abcde\n", 16))
			return failure("a torn record in the log");
	return n ? failure("half a record in the log") : close(fd);
}

int main(int argc, char **argv)
{
	double end = now() + (argc > 1 ? atof(argv[1]) : 5), moved[WORKERS];
	uint64_t seen[WORKERS] = {0}, steps = 0;
	int kills = 0, status, bad = 0;
	pid_t pids[WORKERS];

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	/* Before the first worker, which may be asked to end before it runs at all. */
	signal(SIGTERM, on_term);
	srandom(argc > 2 ? (unsigned)atoi(argv[2]) : (unsigned)time(NULL));
	for (int i = 0; i < 3; i++) {
		char name[16];

		snprintf(name, sizeof(name), "dir%d", i);
		if (mkdir(at(name), 0755)) {
			perror(name);
			return 1;
		}
	}
	if (close(open(at("replaced"), O_RDWR | O_CREAT, 0644))) {
		perror("replaced");
		return 1;
	}
	for (int i = 0; i < WORKERS; i++) {
		pids[i] = start(i);
		moved[i] = now();
	}
	while (now() < end && !shared->failed && !bad && !enough) {
		int victim = (int)(random() % WORKERS);

		usleep((useconds_t)(random() % 20000));
		for (int i = 0; i < WORKERS; i++) {
			if (shared->steps[i] != seen[i])
				moved[i] = now();
			seen[i] = shared->steps[i];
			if (now() - moved[i] > STILL_SECONDS) {
				fprintf(stderr, "storm: worker %d stands still\n", pids[i]);
				bad = 1;
			}
		}
		kill(pids[victim], SIGKILL);
		if (waitpid(pids[victim], &status, 0) < 0 || WIFEXITED(status))
			bad = 1;
		kills++;
		pids[victim] = start(victim);
		moved[victim] = now();
	}
	for (int i = 0; i < WORKERS; i++) {
		kill(pids[i], bad ? SIGKILL : SIGTERM);
		if (waitpid(pids[i], &status, 0) < 0 || status)
			bad = 1;
		steps += shared->steps[i];
	}
	bad |= shared->failed | check_log();
	printf("storm: %d killed, %llu steps%s\n", kills, (unsigned long long)steps,
	       bad ? ", FAILED" : "");
	return bad;
}
