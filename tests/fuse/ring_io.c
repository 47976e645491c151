// SPDX-License-Identifier: BSD-3-Clause
/*
 * ring_io.c - a program that works with files by io_uring, and by everything else besides.
 *
 * usage: ring_io probe | run | dirs | threads | locks | held FD | exec | exec-dir | passed FD |
 *        inherited FD | beside PID PROGRAM
 *
 * It works in the directory that it is started in and prints what each call answered. The
 * rings are made and entered by system calls, without liburing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

struct ring {
	int fd;
	unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static void *map(int fd, size_t n, off_t what)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);

	if (p == MAP_FAILED) {
		perror("mmap of the ring");
		exit(2);
	}
	return p;
}

static void ring_map(struct ring *r, int fd, const struct io_uring_params *p)
{
	char *sq, *cq;

	r->fd = fd;
	sq = map(fd, p->sq_off.array + p->sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
	cq = map(fd, p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe),
		 IORING_OFF_CQ_RING);
	r->sqes = map(fd, p->sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	r->sq_tail = (void *)(sq + p->sq_off.tail);
	r->sq_mask = (void *)(sq + p->sq_off.ring_mask);
	r->sq_array = (void *)(sq + p->sq_off.array);
	r->cq_head = (void *)(cq + p->cq_off.head);
	r->cq_tail = (void *)(cq + p->cq_off.tail);
	r->cq_mask = (void *)(cq + p->cq_off.ring_mask);
	r->cqes = (void *)(cq + p->cq_off.cqes);
}

/* 0 or -errno */
static int ring_make_with(struct ring *r, struct io_uring_params *p)
{
	int fd = (int)syscall(SYS_io_uring_setup, 8, p);

	if (fd < 0)
		return -errno;
	ring_map(r, fd, p);
	return 0;
}

static int ring_make(struct ring *r)
{
	struct io_uring_params p = {0};

	return ring_make_with(r, &p);
}

/* One request, and its result. */
static int ask(struct ring *r, const struct io_uring_sqe *what)
{
	unsigned tail = *r->sq_tail, at = tail & *r->sq_mask, head = *r->cq_head;
	int res;

	r->sqes[at] = *what;
	r->sq_array[at] = at;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, r->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return -10000 - errno;
	while (__atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE) == head)
		;
	res = r->cqes[head & *r->cq_mask].res;
	__atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
	return res;
}

static int rw(struct ring *r, int op, int fd, const void *buf, unsigned n, off_t off)
{
	struct io_uring_sqe s = {.opcode = (uint8_t)op, .fd = fd, .addr = (uintptr_t)buf, .len = n,
				 .off = (uint64_t)off};

	return ask(r, &s);
}

static int on_fd(struct ring *r, int op, int fd)
{
	struct io_uring_sqe s = {.opcode = (uint8_t)op, .fd = fd};

	return ask(r, &s);
}

static int open_by(struct ring *r, const char *path, unsigned flags)
{
	struct io_uring_sqe s = {.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD,
				 .addr = (uintptr_t)path, .open_flags = flags, .len = 0600};

	return ask(r, &s);
}

static void say(const char *what, long answer)
{
	printf("%s: %ld%s%s\n", what, answer, answer < 0 ? " " : "",
	       answer < 0 ? strerror(answer < -10000 ? (int)(-answer - 10000) : (int)-answer) : "");
	fflush(stdout);
}

/* What `call` answered, as -errno. */
#define ANSWER(call)                                                                      \
	({                                                                                \
		long answer_ = (call);                                                    \
		answer_ < 0 ? -errno : answer_;                                           \
	})

static void show(const char *what, int fd)
{
	char text[100] = "";

	say(what, ANSWER(pread(fd, text, sizeof(text) - 1, 0)));
	printf("  \"%s\"\n", text);
}

/*
 * Files that were open before there was a ring: numbers, flags, position, what is shared. (Requests
 * at the position itself do not move it on FUSE: the kernel has it so.)
 */
static void opened_before(struct ring *r, int fd, int dup_fd, int append, int readonly)
{
	char text[20] = "";
	struct stat a, b;

	say("write by the ring", rw(r, IORING_OP_WRITE, fd, "ring", 4, 2));
	say("at the position", rw(r, IORING_OP_READ, fd, text, 3, -1));
	printf("  \"%.3s\"\n", text);
	say("a seek", ANSWER(lseek(dup_fd, 7, SEEK_SET)));
	say("the position", ANSWER(lseek(fd, 0, SEEK_CUR)));
	say("of the duplicate", ANSWER(lseek(dup_fd, 0, SEEK_CUR)));
	say("read by the ring", rw(r, IORING_OP_READ, dup_fd, text, 8, 0));
	printf("  \"%s\"\n", text);
	say("write() besides", ANSWER(write(fd, "w", 1)));
	say("appended", rw(r, IORING_OP_WRITE, append, "end", 3, 0));
	say("for reading only", rw(r, IORING_OP_WRITE, readonly, "x", 1, 0));
	say("fsync", on_fd(r, IORING_OP_FSYNC, fd));
	show("all", fd);
	say("flags of one", fcntl(append, F_GETFL) & (O_ACCMODE | O_APPEND));
	say("close on exec", fcntl(dup_fd, F_GETFD));
	say("fstat", ANSWER(fstat(fd, &a)));
	say("stat", ANSWER(stat("f", &b)));
	say("the same", a.st_ino == b.st_ino && a.st_dev == b.st_dev && a.st_size == b.st_size);
}

static void opened_later(struct ring *r)
{
	char one[4] = "", two[8] = "";
	struct iovec iov[] = {{one, 3}, {two, 5}};
	int low = dup(0), fd;
	FILE *stream;

	close(low);
	fd = open("later", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	say("the lowest number", fd == low);
	say("close on exec", fcntl(fd, F_GETFD));
	say("write by the ring", rw(r, IORING_OP_WRITE, fd, "01234567", 8, 0));
	say("readv by the ring", rw(r, IORING_OP_READV, fd, iov, 2, 0));
	printf("  \"%s\" \"%s\"\n", one, two);
	say("registered", ANSWER(syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_FILES, &fd, 1)));
	say("fixed", ({
		    struct io_uring_sqe s = {.opcode = IORING_OP_WRITE, .flags = IOSQE_FIXED_FILE,
					     .addr = (uintptr_t)"fixed", .len = 5, .off = 8};
		    ask(r, &s);
	    }));
	say("unregistered", ANSWER(syscall(SYS_io_uring_register, r->fd, IORING_UNREGISTER_FILES,
					   NULL, 0)));
	say("allocated", ({
		    struct io_uring_sqe s = {.opcode = IORING_OP_FALLOCATE, .fd = fd, .addr = 9000};
		    ask(r, &s);
	    }));
	say("cut", ANSWER(ftruncate(fd, 11)));
	show("all", fd);
	say("closed by the ring", on_fd(r, IORING_OP_CLOSE, fd));
	say("it is closed", ANSWER(read(fd, one, 1)));
	say("opened again at that number", open("later", O_RDONLY) == fd);
	say("and read by the ring", rw(r, IORING_OP_READ, fd, two, 3, 8));
	say("closed", ANSWER(close(fd)));
	stream = fopen("later", "a");
	say("a stream", stream && fprintf(stream, "stream") == 6 && !fflush(stream));
	say("read through the ring", stream ? rw(r, IORING_OP_WRITE, fileno(stream), "!", 1, 0) : -1);
	say("closed", stream ? fclose(stream) : -1);
}

/* By a path that a ring is given, which the mount serves. */
static void opened_by_ring(struct ring *r)
{
	char path[4096], text[100] = "";
	int fd;

	if (!getcwd(path, sizeof(path) - 10))
		exit(2);
	strcat(path, "/by-ring");
	fd = open_by(r, path, O_RDWR | O_CREAT | O_EXCL);
	say("opened by the ring", fd >= 0 ? 0 : fd);
	say("write", ANSWER(write(fd, "text", 4)));
	say("read by the ring", rw(r, IORING_OP_READ, fd, text, 10, 0));
	say("closed by the ring", on_fd(r, IORING_OP_CLOSE, fd));
	fd = open("by-ring", O_RDONLY);
	show("and opened", fd);
	close(fd);
}

/* A POSIX lock is the process's and stays, whatever else it opens of other files. */
static void locked(void)
{
	struct flock lk = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	int fd = open("f", O_RDWR), other;
	pid_t child;
	int status;

	say("locked", ANSWER(fcntl(fd, F_SETLK, &lk)));
	other = open("later", O_RDWR);
	child = fork();
	if (!child) {
		other = open("f", O_RDWR);
		_exit(fcntl(other, F_SETLK, &lk) ? errno : 0);
	}
	waitpid(child, &status, 0);
	say("another process", WEXITSTATUS(status) == EAGAIN || WEXITSTATUS(status) == EACCES);
	close(other);
	say("closed", ANSWER(close(fd)));
}

static void in_child(const char *self, int fd)
{
	char number[20];
	struct ring r;
	pid_t child = fork();

	if (!child) {
		say("a ring in a child", ring_make(&r));
		say("write there", rw(&r, IORING_OP_WRITE, fd, "child", 5, 0));
		snprintf(number, sizeof(number), "%d", fd);
		execl(self, self, "passed", number, NULL);
		_exit(1);
	}
	waitpid(child, NULL, 0);
	show("in the parent", fd);
}

static int run(const char *self)
{
	int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600), dup_fd, append, readonly;
	struct ring r;

	say("open", fd >= 0);
	say("write", ANSWER(write(fd, "0123456789", 10)));
	say("seek", ANSWER(lseek(fd, 5, SEEK_SET)));
	dup_fd = fcntl(fd, F_DUPFD_CLOEXEC, 50);
	append = open("f", O_WRONLY | O_APPEND);
	readonly = open("f", O_RDONLY);
	say("a ring", ring_make(&r));
	opened_before(&r, fd, dup_fd, append, readonly);
	opened_later(&r);
	opened_by_ring(&r);
	locked();
	in_child(self, fd);
	return 0;
}

/* A program that was started with that descriptor open. */
static int passed(int fd)
{
	struct ring r;

	int err = ring_make(&r);

	say("a ring", err);
	if (err)
		return 1;
	show("passed on", fd);
	say("write", rw(&r, IORING_OP_WRITE, fd, "exec", 4, 0));
	return 0;
}

/* Others read and write while the first ring is made. */
static int shared, stop;

static void *failed(const char *what)
{
	perror(what);
	return "failed";
}

static void *reader(void *arg)
{
	char text[64];

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
		if (pread(shared, text, 64, 0) != 64 || pwrite(shared, text, 64, 0) != 64)
			return failed("pread or pwrite");
	return NULL;
}

static void *opener(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		int fd = open("g", O_RDWR | O_CREAT, 0600), other;

		if (fd < 0)
			return failed("open");
		if (write(fd, "x", 1) != 1)
			return failed("write");
		other = dup(fd);
		if (other < 0 || close(other))
			return failed("dup");
		other = fcntl(fd, F_DUPFD, 20);
		if (other < 0 || close(other))
			return failed("fcntl");
		if (close(fd))
			return failed("close");
	}
	return NULL;
}

static int threads(void)
{
	pthread_t t[3];
	struct ring r;
	char text[64] = "text";
	int n;

	shared = open("f", O_RDWR | O_CREAT, 0600);
	say("write", ANSWER(write(shared, text, 64)));
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, i < 2 ? reader : opener, NULL);
	usleep(2000);
	n = ring_make(&r);
	say("a ring", n);
	for (int i = 0; !n && i < 50; i++) {
		n = rw(&r, IORING_OP_READ, shared, text, 64, 0);
		if (n != 64)
			say("read by the ring", n);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 3; i++) {
		void *why;

		pthread_join(t[i], &why);
		printf("thread %d: %s\n", i, why ? (char *)why : "did all");
	}
	return 0;
}

/* With a lock of each kind, and after it is gone. */
static int locks(void)
{
	struct flock lk = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	struct ring r;

	say("locked", ANSWER(fcntl(fd, F_OFD_SETLK, &lk)));
	say("a ring", ring_make(&r));
	lk.l_type = F_UNLCK;
	say("unlocked", ANSWER(fcntl(fd, F_OFD_SETLK, &lk)));
	say("a ring", ring_make(&r));
	say("write", rw(&r, IORING_OP_WRITE, fd, "locks", 5, 0));
	return 0;
}

/* ---- directories ---- */

#define NAMES 300

/* How many names a directory has from its position on, `some` at most. */
static int count_names(DIR *dir, int some)
{
	int n = 0;

	while (n < some && readdir(dir))
		n++;
	return n;
}

/* Open before there is a ring, with a position; O_PATH; removed; one that nobody may open again. */
static void dirs_before(struct ring *r)
{
	int low = dup(0), fd, path, gone, closed, again;
	DIR *stream;

	close(low);
	stream = opendir("many");
	fd = open("many", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	path = open("many", O_PATH);
	gone = open("gone", O_RDONLY);
	closed = open("many/..", O_RDONLY | O_DIRECTORY);
	again = dup(fd);
	rmdir("gone");
	say("some names", count_names(stream, NAMES / 2));
	say("a ring", ring_make(r));
	say("the other names", count_names(stream, 2 * NAMES));
	rewinddir(stream);
	say("all names", count_names(stream, 2 * NAMES));
	say("fsync by the ring", on_fd(r, IORING_OP_FSYNC, fd));
	say("close on exec", fcntl(fd, F_GETFD));
	say("of the duplicate", fcntl(again, F_GETFD));
	say("of O_PATH", fcntl(path, F_GETFL) & O_PATH);
	say("made in it", ({
		    struct io_uring_sqe s = {.opcode = IORING_OP_OPENAT, .fd = fd,
					     .addr = (uintptr_t)"new", .len = 0600,
					     .open_flags = O_CREAT | O_EXCL | O_RDWR};
		    int made = ask(r, &s);
		    close(made) ? made : 0;
	    }));
	say("moved out of it", ANSWER(renameat(fd, "new", closed, "moved")));
	say("and linked", ANSWER(linkat(path, "../moved", AT_FDCWD, "linked", 0)));
	say("is there", ANSWER(faccessat(closed, "linked", F_OK, 0)));
	say("in the removed one", ANSWER(openat(gone, "x", O_RDWR | O_CREAT, 0600)));
	say("closed by the ring", on_fd(r, IORING_OP_CLOSE, closed));
	say("it is closed", ANSWER(fcntl(closed, F_GETFD)));
	say("the number is free", open("moved", O_RDWR) == closed);
	say("and a file's", ANSWER(write(closed, "text", 4)));
	say("closed by the ring", on_fd(r, IORING_OP_CLOSE, path));
	say("the number is free", open("many", O_RDONLY) == path);
	say("go there", ANSWER(fchdir(again)));
	say("is there", ANSWER(access("7", F_OK)));
	say("and back", ANSWER(chdir("..")));
	say("closed", ANSWER(closedir(stream)));
}

static void dirs_later(struct ring *r)
{
	int low = dup(0), fd, made;
	DIR *stream;

	close(low);
	fd = open("many", O_RDONLY | O_DIRECTORY);
	say("the lowest number", fd == low);
	made = open_by(r, "/", O_RDONLY | O_DIRECTORY);
	say("closed", ANSWER(close(made)));
	say("closed by the ring", on_fd(r, IORING_OP_CLOSE, fd));
	say("it is closed", ANSWER(fcntl(fd, F_GETFD)));
	stream = opendir("many");
	say("names", stream ? count_names(stream, 2 * NAMES) : -1);
	say("moved out of it", ANSWER(renameat(dirfd(stream), "8", AT_FDCWD, "8")));
	say("closed", stream ? closedir(stream) : -1);
}

static int dirs(void)
{
	struct ring r;
	char name[20];

	mkdir("gone", 0700);
	mkdir("many", 0700);
	for (int i = 0; i < NAMES; i++) {
		sprintf(name, "many/%d", i);
		close(open(name, O_CREAT | O_WRONLY, 0600));
	}
	close(open("f", O_CREAT | O_WRONLY, 0600));
	dirs_before(&r);
	dirs_later(&r);
	return 0;
}

/* ---- locks of others ---- */

/* Locked and unlocked until there is something to read at 0: nobody else locks it. */
static int held(int fd)
{
	struct pollfd done = {.events = POLLIN};
	long n = 0, failed = 0;

	while (!poll(&done, 1, 0)) {
		failed += flock(fd, LOCK_EX | LOCK_NB) != 0;
		flock(fd, LOCK_UN);
		n++;
	}
	say("locked often", n > 100);
	say("failed", failed);
	return 0;
}

/* ---- a mount that does not answer ---- */

static int went_on;

/* The other thread is in exec, which waits for the mount. It goes on when that may. */
static void *go_on(void *mount)
{
	int fd = 0, other;

	usleep(200000);
	for (; fd >= 0 && went_on < 100; went_on++) {
		fd = open("g", O_RDWR | O_CREAT, 0600);
		other = dup(fd);
		if (write(other, "x", 1) != 1 || close(other) || close(fd))
			break;
	}
	printf("went on: %d\n", went_on);
	fflush(stdout);
	kill(*(pid_t *)mount, SIGCONT);
	return NULL;
}

/* All of its threads: one that still runs would answer, and exec, which it ends, leave it stopped. */
static int is_stopped(pid_t pid)
{
	char path[64], text[512], *end;
	struct dirent *e;
	int running = 0, fd;
	DIR *d;

	sprintf(path, "/proc/%d/task", pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/stat", pid, e->d_name);
		fd = e->d_name[0] == '.' ? -1 : open(path, O_RDONLY);
		if (fd < 0)
			continue;
		memset(text, 0, sizeof(text));
		end = read(fd, text, sizeof(text) - 1) > 0 ? strrchr(text, ')') : NULL;
		running += end && end[2] != 'T';
		close(fd);
	}
	if (d)
		closedir(d);
	return !running;
}

static int beside(pid_t mount, const char *program)
{
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	char number[20];
	pthread_t t;

	sprintf(number, "%d", fd);
	kill(mount, SIGSTOP);
	while (!is_stopped(mount))
		usleep(1000);
	pthread_create(&t, NULL, go_on, &mount);
	execl(program, program, "write", number, "by a static program\n", NULL);
	perror(program);
	return 2;
}

/* ---- a ring that another process made ---- */

/* What was opened before the first request, and what is opened later. */
static void use_foreign(struct ring *r, int before)
{
	int later;

	say("write", rw(r, IORING_OP_WRITE, before, "by the ring", 11, 4));
	show("open before", before);
	later = open("f", O_RDWR | O_APPEND);
	say("append", rw(r, IORING_OP_WRITE, later, " later", 6, 0));
	show("opened later", later);
}

/* The ring's numbers are told by a file. `with_dir`: something else is passed on, too. */
static int over_exec(const char *self, char *number, int with_dir)
{
	struct io_uring_params p = {0};
	struct ring r;
	int fd;

	say("a ring", ring_make_with(&r, &p));
	fcntl(r.fd, F_SETFD, 0);
	fd = open("params", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	say("told", ANSWER(write(fd, &p, sizeof(p))) == sizeof(p));
	close(fd);
	if (with_dir)
		open(".", O_RDONLY | O_DIRECTORY);
	sprintf(number, "%d", r.fd);
	execl(self, self, "inherited", number, NULL);
	return 2;
}

static int inherited(int ring)
{
	struct io_uring_params p;
	struct ring r;
	int fd = open("params", O_RDONLY);

	say("read", ANSWER(read(fd, &p, sizeof(p))) == sizeof(p));
	ring_map(&r, ring, &p);
	close(fd);
	fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
	say("write", ANSWER(write(fd, "text", 4)));
	use_foreign(&r, fd);
	return 0;
}

int main(int argc, char **argv)
{
	char number[20];
	struct ring r;
	int err;

	if (argc == 2 && !strcmp(argv[1], "probe")) {
		err = ring_make(&r);
		if (err)
			printf("%s\n", strerror(-err));
		return err ? 77 : 0;
	}
	if (argc == 2 && !strcmp(argv[1], "run"))
		return run(argv[0]);
	if (argc == 2 && !strcmp(argv[1], "dirs"))
		return dirs();
	if (argc == 3 && !strcmp(argv[1], "held"))
		return held(atoi(argv[2]));
	if (argc == 4 && !strcmp(argv[1], "beside"))
		return beside(atoi(argv[2]), argv[3]);
	if (argc == 2 && !strcmp(argv[1], "threads"))
		return threads();
	if (argc == 2 && !strcmp(argv[1], "locks"))
		return locks();
	if (argc == 2 && !strcmp(argv[1], "exec"))
		return over_exec(argv[0], number, 0);
	if (argc == 2 && !strcmp(argv[1], "exec-dir"))
		return over_exec(argv[0], number, 1);
	if (argc == 3 && !strcmp(argv[1], "passed"))
		return passed(atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "inherited"))
		return inherited(atoi(argv[2]));
	return 2;
}
