// SPDX-License-Identifier: BSD-3-Clause
/*
 * races.c - a mounted pool while others look, ask or detach it, at the wrong moment.
 *
 *   kmod-races NODE DIRECTORY        names that one changes while another looks at them
 *   kmod-races NODE detach DEVICE    detaching, with nobody counted who uses the pool
 *
 * Without what they are for, the cases fail within a second, most of the time.
 */
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>

#include "kmod_test.h"

#define SECONDS 2

int pool, checks, failures;
static const char *top;

static pid_t begin(void (*act)(void))
{
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child)
		for (;;)
			act();
	return child;
}

static void end(pid_t child)
{
	int status;

	CHECK(waitpid(child, &status, WNOHANG) == 0); /* else `act` gave up */
	kill(child, SIGKILL);
	CHECK(waitpid(child, &status, 0) == child);
}

/* ---- names that change ---- */

static void rename_to_and_fro(void)
{
	if (rename("d", "e") || rename("e", "d"))
		_exit(1);
}

static void exchange(void)
{
	if (renameat2(AT_FDCWD, "d", AT_FDCWD, "e", RENAME_EXCHANGE))
		_exit(1);
}

static void look(void)
{
	struct stat st;

	stat("d", &st);
	stat("e", &st);
	stat("f", &st);
}

static dev_t dev_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_dev;
}

static void keeps_mount(void (*act)(void))
{
	time_t until = time(NULL) + SECONDS;
	dev_t there;
	pid_t child;

	CHECK(mkdir("d/m", 0700) == 0 && mount("none", "d/m", "tmpfs", 0, NULL) == 0);
	there = dev_of("d/m");
	child = begin(act);
	while (time(NULL) < until)
		look();
	end(child);
	CHECK(there != dev_of(".") && (dev_of("d/m") == there || dev_of("e/m") == there));
	umount2("d/m", MNT_DETACH);
	umount2("e/m", MNT_DETACH);
	CHECK(rmdir("d/m") == 0 || rmdir("e/m") == 0);
}

/* Who looks at the old name, or the new one, takes nothing out of the kernel's tree. */
static void directory_renamed_keeps_mounts_below(void)
{
	CHECK(mkdir("d", 0700) == 0);
	keeps_mount(rename_to_and_fro);
	CHECK(rmdir("d") == 0 || rmdir("e") == 0);
	CHECK(mkdir("d", 0700) == 0 && mkdir("e", 0700) == 0);
	keeps_mount(exchange);
	CHECK(rmdir("d") == 0 && rmdir("e") == 0);
}

static void file_made_has_its_name(void)
{
	time_t until = time(NULL) + SECONDS;
	char proc[64], path[PATH_MAX], want[PATH_MAX];
	unsigned long made = 0, nameless = 0;
	pid_t child = begin(look);

	snprintf(want, sizeof(want), "%s/f", top);
	while (time(NULL) < until) {
		int fd = open("f", O_RDWR | O_CREAT | O_EXCL, 0600);
		ssize_t len;

		CHECK(fd >= 0);
		snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
		len = readlink(proc, path, sizeof(path) - 1);
		path[len < 0 ? 0 : len] = 0;
		nameless += strcmp(path, want) != 0;
		made++;
		close(fd);
		CHECK(unlink("f") == 0);
	}
	end(child);
	CHECK(made > 10 && nameless == 0);
}

/* Two directories change places by ioctl, each time that somebody asks for it. */
static void exchange_when_asked(int asked, int did)
{
	unsigned seed = 1, spins;
	char c;

	while (read(asked, &c, 1) == 1) {
		for (spins = (unsigned)rand_r(&seed) % 60000; spins; spins--)
			__asm__ volatile("" ::: "memory");
		k_rename("d", "e", RENAME_EXCHANGE);
		if (write(did, &c, 1) != 1)
			break;
	}
	_exit(0);
}

static bool lives(int dir)
{
	char buf[512];

	return lseek(dir, 0, SEEK_SET) == 0 && syscall(SYS_getdents64, dir, buf, sizeof(buf)) > 0;
}

/* What the kernel takes for removed is what was removed: the other one can be read, and mounted on. */
static void directory_removed_is_the_one_looked_at(void)
{
	time_t until = time(NULL) + 4 * SECONDS;
	unsigned long removed = 0, dead = 0;
	const char *left;
	struct stat st;
	int asked[2], did[2];
	pid_t child;

	CHECK(pipe2(asked, O_CLOEXEC) == 0 && pipe2(did, O_CLOEXEC) == 0);
	fflush(stdout);
	child = fork();
	if (!child)
		exchange_when_asked(asked[0], did[1]);
	while (time(NULL) < until) {
		bool a_lives, b_lives;
		int a, b, err;
		char c = 0;
		ino_t ino;

		CHECK(mkdir("d", 0700) == 0 && mkdir("e", 0700) == 0);
		a = open("d", O_RDONLY | O_DIRECTORY);
		b = open("e", O_RDONLY | O_DIRECTORY);
		ino = fstat(a, &st) ? 0 : st.st_ino;
		CHECK(write(asked[1], &c, 1) == 1);
		err = removed % 4 == 3 ? rename("e", "d") : rmdir("d");
		a_lives = lives(a);
		b_lives = lives(b);
		CHECK(read(did[0], &c, 1) == 1);
		if (!err) {
			removed++;
			left = stat("d", &st) == 0 ? "d" : "e";
			CHECK(stat(left, &st) == 0);
			dead += st.st_ino == ino ? !a_lives : !b_lives;
			dead += mount("none", left, "tmpfs", 0, NULL) || umount(left);
		}
		close(a);
		close(b);
		rmdir("d");
		rmdir("e");
	}
	kill(child, SIGKILL);
	CHECK(waitpid(child, NULL, 0) == child);
	CHECK(removed > 10 && dead == 0);
}

/* ---- who asks whether a file may be opened ---- */

static int asked_on(const char *path)
{
	int fan = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_LARGEFILE);

	CHECK(fan >= 0);
	CHECK(fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN_PERM, AT_FDCWD,
			    path) == 0);
	return fan;
}

/* He has the file open himself, and closes it, before it is. */
static bool let(int fan)
{
	struct fanotify_event_metadata e;
	struct fanotify_response r = {.response = FAN_ALLOW};
	struct pollfd p = {.fd = fan, .events = POLLIN};

	if (poll(&p, 1, 10000) != 1 || read(fan, &e, sizeof(e)) != sizeof(e))
		return false;
	r.fd = e.fd;
	close(e.fd);
	return write(fan, &r, sizeof(r)) == sizeof(r);
}

static bool writable(int fd)
{
	bool is = fd >= 0 && write(fd, "x", 1) == 1;

	close(fd);
	return is;
}

static void made_files_are_opened_by_their_makers(void)
{
	int fan = asked_on("."), status, i;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		failures = 0;
		close(fan);
		CHECK(writable(open(".", O_RDWR | O_TMPFILE, 0600)));
		CHECK(writable(k_open("/", O_RDWR | O_TMPFILE, 0600)));
		CHECK(writable(k_open("f", O_RDWR | O_CREAT | O_EXCL, 0600)));
		CHECK(writable(open("f", O_RDWR)));
		fflush(stdout);
		_exit(failures ? 1 : 0);
	}
	for (i = 0; i < 4; i++)
		CHECK(let(fan));
	close(fan); /* lets all others */
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(unlink("f") == 0);
}

/* ---- detaching ---- */

static int attach(const char *device)
{
	struct umfs_ioc_attach a = {.name = "a", .mode = 3};
	int fd = open(UMFS_CONTROL_NODE, O_RDONLY | O_CLOEXEC), ret;

	strncpy(a.device, device, sizeof(a.device) - 1);
	ret = ioctl(fd, UMFS_IOC_ATTACH, &a);
	close(fd);
	return ret;
}

/* In a child, that may hang: 0, the errno, or -1 when there is no answer. */
static int detach(void)
{
	struct umfs_ioc_detach d = {.name = "a"};
	int status, i;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child)
		_exit(ioctl(open(UMFS_CONTROL_NODE, O_RDONLY), UMFS_IOC_DETACH, &d) ? errno : 0);
	for (i = 0; i < 1000; i++) {
		if (waitpid(child, &status, WNOHANG) == child)
			return WEXITSTATUS(status);
		usleep(10000);
	}
	return -1;
}

/* An O_PATH descriptor, which is not counted. */
static int uncounted(const char *node, const char *path)
{
	int fd;

	pool = open(node, O_RDONLY | O_CLOEXEC);
	close(k_open("f", O_RDWR | O_CREAT, 0600));
	fd = k_open(path, O_PATH, 0);
	CHECK(fd >= 0);
	close(pool);
	return fd;
}

/* cap_net_raw=ep, as linux/capability.h has it; chown takes it, which asks the pool once more. */
static void give_and_take(int fd)
{
	static const unsigned char caps[20] = {1, 0, 0, 2, 0, 0x20};
	char proc[64];

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	while (setxattr(proc, "security.capability", caps, sizeof(caps), 0) == 0 &&
	       fchownat(fd, "", 1, 1, AT_EMPTY_PATH) == 0)
		;
	_exit(errno == EIO ? 0 : 1);
}

static bool change_does_not_meet_detach(const char *node, const char *device)
{
	int fd, got, status;
	pid_t child;

	CHECK(attach(device) == 0);
	fd = uncounted(node, "f");
	fflush(stdout);
	child = fork();
	if (!child)
		give_and_take(fd);
	usleep((unsigned)(rand() % 3000));
	got = detach();
	CHECK(got == 0);
	if (got >= 0)
		CHECK(waitpid(child, &status, 0) == child && status == 0);
	close(fd);
	return got == 0;
}

/* A file without a name is made and not opened yet, since somebody thinks about it. */
static void opening_keeps_from_detaching(const char *node, const char *device)
{
	struct pollfd opening = {.events = POLLIN};
	int fd, fan, status;
	char proc[64];
	pid_t child;

	CHECK(attach(device) == 0);
	fd = uncounted(node, "/");
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	opening.fd = fan = asked_on(proc);
	fflush(stdout);
	child = fork();
	if (!child) {
		close(fan);
		_exit(writable(openat(fd, ".", O_RDWR | O_TMPFILE, 0600)) ? 0 : 1);
	}
	CHECK(poll(&opening, 1, 10000) == 1);
	CHECK(detach() == EBUSY);
	CHECK(let(fan));
	close(fan);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	close(fd);
	CHECK(detach() == 0);
}

static int detaching(const char *node, const char *device)
{
	int i;

	opening_keeps_from_detaching(node, device);
	for (i = 0; i < 50 && change_does_not_meet_detach(node, device); i++)
		;
	printf("detached %d times, %d checks, %d failed\n", i, checks, failures);
	return failures ? 1 : 0;
}

static void (*const cases[])(void) = {
	directory_renamed_keeps_mounts_below,
	file_made_has_its_name,
	directory_removed_is_the_one_looked_at,
	made_files_are_opened_by_their_makers,
};

int main(int argc, char **argv)
{
	char *node_only[] = {argv[0], argv[1], NULL};

	if (argc == 4 && !strcmp(argv[2], "detach"))
		return detaching(argv[1], argv[3]);
	if (argc != 3 || chdir(argv[2]))
		return 2;
	top = argv[2];
	return run_cases(2, node_only, cases, sizeof(cases) / sizeof(cases[0]));
}
