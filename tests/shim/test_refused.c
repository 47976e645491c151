// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_refused.c - what README says is not there yet fails with the error that
 * it says. Under libumfs only. Each case begins with the first column of its row
 * in README's table, and tests/docs/test_readme looks for all of them here.
 */
#include <linux/fs.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "shim_test.h"

extern char **environ;
static int file;

static int open_file(void **state)
{
	(void)state;
	file = make_file("f", "text");
	return chmod(at("f"), 0755);
}

static int close_file(void **state)
{
	(void)state;
	check_text(file, "text"); /* what fails changes nothing */
	return close(file) || unlink(at("f"));
}

/* `mmap` with `MAP_SYNC` or huge pages */
static void mapping(void **state)
{
	(void)state;
	assert_errno(mmap(NULL, 4096, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, file, 0),
		     EOPNOTSUPP);
	assert_errno(mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_HUGETLB, file, 0), EINVAL);
}

/* libraries in a pool that a program outside of it needs, or that have no `DT_SONAME` and are needed by another (the dynamic linker makes its own system calls) */
static void library_in_a_pool(void **state)
{
	static const char command[] =
		"cp " NEEDED_DIR "/libneeded*.so $TEST_DIR && cp " NEEDED_DIR
		"/needing-program $SHIM_WORK && { LD_LIBRARY_PATH=$TEST_DIR $SHIM_WORK/needing-program "
		"2>/dev/null; s=$?; } && rm $TEST_DIR/libneeded*.so $SHIM_WORK/needing-program; "
		"exit $s";
	int status;

	(void)state;
	status = system(command);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 127);
}

/* As a process with another /dev/shm says it in the pool (docs/SPEC.md, 6.1). */
static int say_other_place(void)
{
	struct flock lk = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1ll << 48};
	const char *pool = strchr(getenv("LIBUMFS_MOUNT"), '=');
	int fd = open(pool + 1, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	lk.l_start = (1ll << 62) + (1ll << 40); /* one of them is this epoch's */
	assert_ok(fcntl(fd, F_OFD_SETLK, &lk));
	return fd;
}

/* file locks where `/dev/shm` is not the one that others use with the pool */
static void locks(void **state)
{
	struct flock lk = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int other = say_other_place();

	(void)state;
	assert_errno(fcntl(file, F_SETLK, &lk), ENOLCK);
	assert_errno(fcntl(file, F_OFD_SETLK, &lk), ENOLCK);
	assert_errno(lockf(file, F_TLOCK, 0), ENOLCK);
	assert_errno(flock(file, LOCK_EX), ENOLCK);
	assert_ok(close(other));
	assert_ok(flock(file, LOCK_EX));
}

/* leases: `F_SETLEASE` */
static void leases(void **state)
{
	(void)state;
	assert_errno(fcntl(file, F_SETLEASE, F_RDLCK), EINVAL);
}

/* `posix_spawn` with a file action that opens or goes to a path in a pool (`addopen`, `addchdir_np`) */
static void spawn_actions(void **state)
{
	char *argv[] = {(char *)(uintptr_t)"true", NULL};
	posix_spawn_file_actions_t acts;
	pid_t pid;

	(void)state;
	assert_ok(fcntl(file, F_SETFD, FD_CLOEXEC));
	for (int i = 0; i < 2; i++) {
		posix_spawn_file_actions_init(&acts);
		if (i)
			posix_spawn_file_actions_addchdir_np(&acts, test_dir());
		else
			posix_spawn_file_actions_addopen(&acts, 0, at("f"), O_RDONLY, 0);
		assert_int_equal(posix_spawn(&pid, "/bin/true", &acts, NULL, argv, environ), ENOENT);
		posix_spawn_file_actions_destroy(&acts);
	}
}

/* exec of an image that would not load `libumfs.so`, with a descriptor of a pool file that would stay open */
static void image_without_us(void **state)
{
	char *argv[] = {(char *)(uintptr_t)"true", NULL}, *envp[] = {NULL};

	(void)state;
	assert_errno(execve("/bin/true", argv, envp), ENOTSUP);
}

/* opening a FIFO, a socket or a device that lies in a pool (they can be made, listed, moved and removed) */
static void special_files(void **state)
{
	(void)state;
	assert_ok(mkfifo(at("fifo"), 0600));
	assert_ok(mknod(at("sock"), S_IFSOCK | 0600, 0));
	assert_errno(open(at("fifo"), O_RDWR), ENOTSUP);
	assert_errno(open(at("sock"), O_RDWR), ENXIO);
	if (!geteuid()) {
		assert_ok(mknod(at("null"), S_IFCHR | 0600, makedev(1, 3)));
		assert_errno(open(at("null"), O_RDWR), ENXIO);
		assert_ok(unlink(at("null")));
	}
	assert_ok(rename(at("fifo"), at("fifo2")));
	assert_ok(unlink(at("fifo2")));
	assert_ok(unlink(at("sock")));
}

/* `fallocate` with collapse or insert range */
static void ranges(void **state)
{
	(void)state;
	assert_errno(fallocate(file, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), EOPNOTSUPP);
	assert_errno(fallocate(file, FALLOC_FL_INSERT_RANGE, 0, 4096), EOPNOTSUPP);
}

/* reflinks (`FICLONE`, `FICLONERANGE`) */
static void reflinks(void **state)
{
	struct file_clone_range range = {.src_fd = file};
	FILE *outside = tmpfile();

	(void)state;
	assert_non_null(outside);
	assert_errno(ioctl(file, FICLONE, file), EOPNOTSUPP);
	assert_errno(ioctl(file, FICLONERANGE, &range), EOPNOTSUPP);
	assert_errno(ioctl(fileno(outside), FICLONE, file), EXDEV);
	assert_errno(ioctl(fileno(outside), FICLONERANGE, &range), EXDEV);
	fclose(outside);
}

/* `io_uring` where the pool is not mounted */
static void rings(void **state)
{
	char params[256] = "";

	(void)state;
	assert_errno(syscall(SYS_io_uring_setup, 8, params), ENOSYS);
}

/* handing a pool file's descriptor over in a message (`SCM_RIGHTS`) */
static void descriptor_in_a_message(void **state)
{
	char room[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec iov = {(void *)(uintptr_t)"x", 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room,
			     .msg_controllen = sizeof(room)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int sock[2];

	(void)state;
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &file, sizeof(file));
	assert_errno(sendmsg(sock[0], &msg, 0), ENOTSUP);
	assert_ok(close(sock[0]));
	assert_ok(close(sock[1]));
}

/* binding a socket to a name in a pool */
static void socket_by_name(void **state)
{
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	(void)state;
	assert_true(strlen(at("s")) < sizeof(a.sun_path));
	strcpy(a.sun_path, at("s"));
	assert_errno(bind(sock, (void *)&a, sizeof(a)), EOPNOTSUPP);
	assert_ok(close(sock));
}

/* `inotify` watches of a pool */
static void watch(void **state)
{
	int fd = inotify_init1(0);

	(void)state;
	assert_errno(inotify_add_watch(fd, at("f"), IN_MODIFY), ENOSPC);
	assert_ok(close(fd));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_file, close_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: who has agreed on a place once does not ask again. */
		CASE(locks),		   CASE(leases),
		CASE(mapping),		   CASE(library_in_a_pool),
		CASE(spawn_actions),	   CASE(image_without_us),
		CASE(special_files),	   CASE(ranges),
		CASE(reflinks),
		CASE(rings),
		CASE(descriptor_in_a_message),
		CASE(socket_by_name),	   CASE(watch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
