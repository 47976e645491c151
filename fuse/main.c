// SPDX-License-Identifier: BSD-3-Clause
/*
 * main.c - mount.umfs: the files of a pool in a directory, by FUSE.
 *
 * The process that was started looks whether all is well, and ends when the
 * directory is mounted; a child of it, which alone attaches the pool, stays and
 * answers. Where an earlier one was killed, its dead mount is taken away first.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount.h"

struct pool fuse_pool;
static struct options options;
bool fuse_no_diratime;
static char pool_path[PATH_MAX], dir_path[PATH_MAX];

static void __attribute__((format(printf, 1, 2), noreturn)) quit(const char *format, ...)
{
	va_list args;

	fputs("mount.umfs: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_MOUNT);
}

/* ---- looking first ---- */

static void check_pool(void)
{
	struct pool *p = &fuse_pool;
	bool from_backup = false;
	int err;

	if (!realpath(options.pool, pool_path))
		quit("%s: %s", options.pool, strerror(errno));
	err = pool_open(p, pool_path, 0, &from_backup);
	if (err)
		quit("%s: %s", options.pool, pool_strerror(err));
	pool_close(p);
}

/* A directory whose daemon has died can not even be looked at: its parent can. */
static void find_dir(void)
{
	char parent[PATH_MAX], resolved[PATH_MAX];
	const char *name;
	char *slash;

	if (realpath(options.dir, dir_path))
		return;
	if (errno != ENOTCONN || strlen(options.dir) >= sizeof(parent))
		quit("%s: %s", options.dir, strerror(errno));
	strcpy(parent, options.dir);
	while ((slash = strrchr(parent, '/')) && !slash[1] && slash != parent)
		*slash = '\0';
	name = slash ? slash + 1 : parent;
	if (slash)
		*slash = '\0';
	if (!realpath(!slash ? "." : *parent ? parent : "/", resolved) ||
	    (size_t)snprintf(dir_path, sizeof(dir_path), "%s/%s", resolved[1] ? resolved : "",
			     name) >= sizeof(dir_path))
		quit("%s: %s", options.dir, strerror(errno));
}

static void run_quietly(char *const argv[])
{
	pid_t pid = fork();

	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 2);
		execvp(argv[0], argv);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void take_away_dead(void)
{
	char *const argv[] = {"fusermount3", "-u", "-q", "-z", "--", dir_path, NULL};

	if (umount2(dir_path, MNT_DETACH))
		run_quietly(argv);
}

static void check_dir(void)
{
	struct stat st;

	find_dir();
	for (int i = 0; i < 16 && stat(dir_path, &st); i++) {
		if (errno != ENOTCONN)
			quit("%s: %s", options.dir, strerror(errno));
		take_away_dead();
	}
	if (stat(dir_path, &st))
		quit("%s: a dead mount is there that can not be taken away", options.dir);
	if (!S_ISDIR(st.st_mode))
		quit("%s: is not a directory", options.dir);
	if (access("/dev/fuse", R_OK | W_OK))
		quit("/dev/fuse: %s", strerror(errno));
}

/* ---- the daemon ---- */

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	const unsigned wanted = FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS |
				FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_ASYNC_READ |
				FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS |
				FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_ASYNC_DIO |
				FUSE_CAP_HANDLE_KILLPRIV;

	(void)userdata;
	conn->want = wanted & conn->capable;
	conn->max_background = 64;
	conn->congestion_threshold = 48;
}

static struct fuse_session *make_session(void)
{
	static struct fuse_lowlevel_ops ops = {.init = op_init};
	char text[sizeof(options.kernel) + 2 * PATH_MAX + 128], *to;
	char *argv[] = {"mount.umfs", "-o", text, options.debug ? "-d" : NULL, NULL};
	struct fuse_args args = {.argc = options.debug ? 4 : 3, .argv = argv};

	to = stpcpy(text, "default_permissions,subtype=umfs,");
	to = stpcpy(to, options.read_only ? "ro" : "rw");
	to = stpcpy(to, options.kernel);
	to = stpcpy(to, ",fsname=");
	for (const char *p = pool_path; *p; p++) {
		if (*p == ',' || *p == '\\')
			*to++ = '\\';
		*to++ = *p;
	}
	*to = '\0';
	ops_name_add(&ops);
	ops_attr_add(&ops);
	ops_xattr_add(&ops);
	ops_dir_add(&ops);
	ops_file_add(&ops);
	ops_data_add(&ops);
	ops_lock_add(&ops);
	return fuse_session_new(&args, &ops, sizeof(ops), NULL);
}

static void attach(void)
{
	int err = pool_attach(&fuse_pool, pool_path, options.mode);

	if (err)
		quit("%s: %s", options.pool, pool_strerror(err));
	if (umfs_mode(fuse_fs()) != options.mode)
		fprintf(stderr, "mount.umfs: %s: is in use and stays in mode %s\n", options.pool,
			umfs_mode(fuse_fs()) == UMFS_MODE_ATOMIC ? "atomic" : "sync");
	fuse_no_diratime = options.no_diratime;
	umfs_atime_set(fuse_fs(), options.read_only ? UMFS_ATIME_NEVER : options.atime);
}

/* Signals that end it are read; workers have them blocked. */
static int signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* A shadow for each file that is locked takes a descriptor. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void let_go_of_terminal(void)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

/* `ready`: is told when the directory is mounted; -1: nobody waits. */
static int serve(int ready)
{
	struct fuse_session *se;
	int stop = signals();

	umask(0);
	raise_limit();
	fault_install();
	attach();
	se = make_session();
	if (!se || fuse_session_mount(se, dir_path)) {
		pool_close(&fuse_pool);
		quit("%s: can not be mounted", options.dir);
	}
	if (ready >= 0) {
		(void)!chdir("/");
		let_go_of_terminal();
		(void)!write(ready, "", 1);
		close(ready);
	}
	locks_start();
	loop_run(se, stop);
	/* Where one still waits for somebody who is stopped, this process leaves like the dead. */
	if (loop_close())
		pool_close(&fuse_pool);
	_exit(0);
}

/* The child has said what was wrong, or that all is well. */
static int await(pid_t pid, int fd)
{
	int status = 0;
	ssize_t n;
	char c;

	do {
		n = read(fd, &c, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		return 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status))
		quit("%s: the daemon was killed by signal %d", options.dir, WTERMSIG(status));
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	int code, ends[2];
	pid_t pid;

	if (options_parse(&options, argc, argv, &code))
		return code;
	if (kernel_has(options.pool))
		return kernel_mount(&options);
	if (options.remount)
		quit("%s: a mount by FUSE is not changed: unmount it first", options.dir);
	check_pool();
	check_dir();
	if (options.fake)
		return 0;
	if (options.foreground)
		return serve(-1);
	if (pipe2(ends, O_CLOEXEC))
		quit("%s", strerror(errno));
	pid = fork();
	if (pid < 0)
		quit("%s", strerror(errno));
	if (pid) {
		close(ends[1]);
		return await(pid, ends[0]);
	}
	close(ends[0]);
	setsid();
	return serve(ends[1]);
}
