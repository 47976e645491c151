// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_life.c - what processes do to themselves: close everything, run into limits,
 * name their descriptors by path, load libraries, restrict themselves.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "raw.h"
#include "shim_test.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

extern int early_fd;
extern const char *early_error;
static const char *early_at_start;
static int before_all = -1;

/* Before every constructor. */
static void preinit(int argc, char **argv, char **envp)
{
	char path[4096];

	(void)argc;
	(void)argv;
	for (; *envp; envp++)
		if (!strncmp(*envp, "TEST_DIR=", 9)) {
			snprintf(path, sizeof(path), "%s/preinit", *envp + 9);
			before_all = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
		}
}

__attribute__((section(".preinit_array"), used)) static void (*const preinit_entry)(int, char **,
									     char **) = preinit;

/* All that a program wants of files, in short. 0: it works. */
static int use_files(const char *name)
{
	char buf[16];
	int fd = open(at(name), O_RDWR | O_CREAT | O_TRUNC, 0644), dup_fd;
	struct stat st;

	CHILD_CHECK(fd >= 0);
	CHILD_CHECK(write(fd, "text", 4) == 4);
	CHILD_CHECK((dup_fd = dup(fd)) >= 0);
	CHILD_CHECK(pread(dup_fd, buf, sizeof(buf), 0) == 4 && !memcmp(buf, "text", 4));
	CHILD_CHECK(close(dup_fd) == 0 && fstat(fd, &st) == 0 && st.st_size == 4);
	CHILD_CHECK(close(fd) == 0 && close(fd) == -1 && errno == EBADF);
	CHILD_CHECK(unlink(at(name)) == 0);
	return 0;
}

static int use_in_child(void *arg)
{
	return use_files(arg ? arg : "in-child");
}

/* ---- closing everything ---- */

static int close_all_by(void *arg)
{
	int how = *(int *)arg, fd = make_file("open", "kept"), err = dup(2), got;
	long max = sysconf(_SC_OPEN_MAX);

	fd = dup2(fd, 9);
	switch (how) {
	case 0:
		for (int i = 3; i < (max > 4096 ? 4096 : max); i++)
			close(i);
		break;
	case 1:
		closefrom(0);
		break;
	case 2:
		close_range(3, ~0u, 0);
		break;
	case 3:
		close_range(0, ~0u, CLOSE_RANGE_UNSHARE);
		break;
	default: /* as sandboxes do it: what /proc says is open */
	{
		DIR *d = opendir("/proc/self/fd");
		struct dirent *e;

		CHILD_CHECK(d);
		while ((e = readdir(d)))
			if (atoi(e->d_name) > 2 && atoi(e->d_name) != dirfd(d))
				close(atoi(e->d_name));
		closedir(d);
	}
	}
	(void)err;
	if (pread(fd, &got, 1, 0) != -1 || errno != EBADF)
		return 2;
	if (how != 1 && how != 3)
		return use_files("after");
	/* The lowest number is given out again. */
	if (open(at("open"), O_RDONLY) != 0 || open("/dev/null", O_RDWR) != 1 ||
	    open(at("open"), O_RDWR) != 2 || read(0, &got, 4) != 4 || memcmp(&got, "kept", 4))
		return 3;
	return use_files("after") ? 4 : in_child(use_in_child, NULL) ? 5 : 0;
}

static void everything_closed(void **state)
{
	(void)state;
	for (int how = 0; how < 5; how++)
		assert_int_equal(in_child(close_all_by, &how), 0);
	assert_ok(unlink(at("open")));
}

static void daemons(void **state)
{
	int status, p[2];
	char c = 'x';
	pid_t pid;

	(void)state;
	assert_ok(pipe(p));
	pid = fork();
	if (!pid) {
		if (dup2(p[1], 99) != 99 || daemon(0, 0))
			_exit(1);
		closefrom(100);
		c = use_files("by-daemon") ? 'n' : 'y';
		_exit(write(99, &c, 1) != 1);
	}
	close(p[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read(p[0], &c, 1), 1);
	assert_int_equal(c, 'y');
	close(p[0]);
}

/* By instructions that nobody sees, a program that closes what is not its own. */
static int close_ours(void *arg)
{
	int fds[20], n = 0;

	(void)arg;
	CHILD_CHECK(use_files("before") == 0);
	raw(SYS_close_range, 3, ~0u, 0);
	/* What was theirs is somebody else's now. */
	while (n < 20 && (fds[n] = open("/dev/null", O_RDWR)) >= 0)
		n++;
	CHILD_CHECK(n == 20);
	for (int i = 0; i < 3; i++) {
		CHILD_CHECK(use_files("after") == 0);
		CHILD_CHECK(in_child(use_in_child, NULL) == 0);
	}
	for (int i = 0; i < 20; i++)
		CHILD_CHECK(write(fds[i], "x", 1) == 1);
	return 0;
}

/* Their numbers are the kernel's again when it gives them out. */
static int close_file_of_ours(void *arg)
{
	int fd = make_file("f", "text"), other, copy;

	(void)arg;
	raw(SYS_close, fd, 0, 0);
	other = open("/dev/null", O_RDWR);
	CHILD_CHECK(other == fd && write(fd, "x", 1) == 1 && lseek(fd, 0, SEEK_END) == 0);
	copy = dup(fd);
	raw(SYS_close, copy, 0, 0);
	CHILD_CHECK(close(make_file("f", "text")) == 0);
	CHILD_CHECK(dup(other) == copy && write(copy, "x", 1) == 1);
	check_file("f", "text");
	return unlink(at("f"));
}

static int fill_and_close_ours(void *arg)
{
	struct rlimit lim;

	/* So that the numbers are low and are given to others. */
	CHILD_CHECK(getrlimit(RLIMIT_NOFILE, &lim) == 0);
	lim.rlim_cur = 64;
	CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &lim) == 0);
	return close_ours(arg);
}

static void private_descriptors_closed(void **state)
{
	(void)state;
	assert_int_equal(in_child(close_file_of_ours, NULL), 0);
	assert_int_equal(in_child(close_ours, NULL), 0);
	assert_int_equal(in_child(fill_and_close_ours, NULL), 0);
}

/* ---- limits ---- */

static int many_files(void *arg)
{
	static int fds[3000];
	struct rlimit lim;
	char name[20];
	int n = 0;

	(void)arg;
	CHILD_CHECK(getrlimit(RLIMIT_NOFILE, &lim) == 0);
	if (lim.rlim_max < 4096)
		return 77;
	lim.rlim_cur = 100;
	CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &lim) == 0);
	while ((fds[n] = open(at("f"), O_RDWR | O_CREAT, 0644)) >= 0)
		n++;
	CHILD_CHECK(errno == EMFILE && n > 60 && n < 100);
	CHILD_CHECK(dup(fds[0]) == -1 && errno == EMFILE);
	CHILD_CHECK(open("/dev/null", O_RDONLY) == -1 && errno == EMFILE);
	CHILD_CHECK(!fopen(at("f"), "r") && (errno == EMFILE || errno == ENOTSUP));
	CHILD_CHECK(!opendir(test_dir()) && errno == EMFILE);
	/* What needs no number works. */
	CHILD_CHECK(mkdir(at("d"), 0755) == 0 && rmdir(at("d")) == 0);
	CHILD_CHECK(pwrite(fds[0], "x", 1, 0) == 1 && rename(at("f"), at("g")) == 0);
	CHILD_CHECK(in_child(use_in_child, NULL) != 0); /* no number there either */
	CHILD_CHECK(close(fds[--n]) == 0 && close(fds[--n]) == 0);
	CHILD_CHECK(use_files("h") == 0);
	/* Raised later, past what a descriptor set of select holds. */
	lim.rlim_cur = 4096;
	CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &lim) == 0);
	for (; n < 2000; n++) {
		snprintf(name, sizeof(name), "f%d", n % 50);
		fds[n] = open(at(name), O_RDWR | O_CREAT, 0644);
		CHILD_CHECK(fds[n] >= 0);
	}
	CHILD_CHECK(fds[n - 1] > 1024 && fcntl(fds[n - 1], F_DUPFD, 4000) >= 4000);
	CHILD_CHECK(write(4000, "high", 4) == 4 && lseek(fds[n - 1], 0, SEEK_CUR) == 4);
	CHILD_CHECK(use_files("h") == 0);
	while (n)
		CHILD_CHECK(close(fds[--n]) == 0);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		CHILD_CHECK(unlink(at(name)) == 0);
	}
	return unlink(at("g"));
}

static void numbers_run_out(void **state)
{
	int status = in_child(many_files, NULL);

	(void)state;
	if (status == 77)
		SKIP("fewer than 4096 descriptors are allowed");
	assert_int_equal(status, 0);
}

/* A stream finds out when it writes what it has kept; then there is room again. */
static void full_in_the_middle_of_a_flush(void **state)
{
	static char buf[1 << 20];
	int hog, n = 0;
	FILE *f;

	(void)state;
	if (!on_umfs())
		return; /* this tmpfs is everybody's */
	hog = make_file("hog", "");
	while (write(hog, buf, sizeof(buf)) > 0)
		n++;
	assert_int_equal(errno, ENOSPC);
	assert_true(n > 10);
	while (write(hog, buf, 512) > 0)
		;
	f = fopen(at("f"), "w");
	if (!f) {
		assert_int_equal(errno, ENOTSUP);
		assert_ok(close(hog));
		assert_ok(unlink(at("hog")));
		SKIP("libc's entries are not redirected: no streams");
	}
	for (n = 0; n < 100000 && fputs("some text of a line\n", f) >= 0; n++)
		;
	assert_true(n < 100000 || fflush(f) == EOF);
	assert_int_equal(errno, ENOSPC);
	assert_true(ferror(f));
	assert_ok(close(hog));
	assert_ok(unlink(at("hog")));
	clearerr(f);
	assert_true(fputs("again\n", f) >= 0);
	assert_ok(fflush(f));
	assert_ok(fclose(f));
	assert_ok(unlink(at("f")));
	assert_int_equal(use_files("after"), 0);
}

/* ---- by path ---- */

static void descriptors_by_path(void **state)
{
	char path[64], text[16] = "";
	int fd = make_file("f", "text"), by, dir = open(test_dir(), O_RDONLY), kept = dup(0);
	struct stat st, same;

	(void)state;
	assert_ok(fstat(fd, &st));
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), i ? "/dev/fd/%d" : "/proc/self/fd/%d", fd);
		by = open(path, O_RDONLY);
		assert_true(by >= 0);
		assert_int_equal(read(by, text, sizeof(text)), 4); /* a position of its own */
		assert_int_equal(lseek(fd, 0, SEEK_CUR), 4);
		assert_ok(close(by));
		assert_ok(stat(path, &same));
		assert_int_equal(same.st_ino, st.st_ino);
		assert_int_equal(same.st_size, 4);
		assert_ok(access(path, R_OK));
		assert_ok(truncate(path, 4));
		assert_ok(lstat(path, &same)); /* the link, which says what it is open for */
		assert_int_equal(same.st_mode, S_IFLNK | 0700);
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d/f", dir);
	check_text(by = open(path, O_RDONLY), "text");
	close(by);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	assert_ok(lstat(path, &same));
	assert_int_equal(same.st_mode, S_IFLNK | 0500);
	assert_int_equal(dup2(fd, 0), 0);
	for (int i = 0; i < 2; i++) {
		by = open(i ? "/dev/stdin" : "/proc/self/fd/0", O_RDONLY);
		assert_true(by >= 0);
		check_text(by, "text");
		close(by);
	}
	assert_int_equal(dup2(kept, 0), 0);
	close(kept);
	close(dir);
	close(fd);
	assert_ok(unlink(at("f")));
}

/* ---- libraries ---- */

static void constructors_of_others(void **state)
{
	(void)state;
	if (early_at_start)
		fail_msg("the constructor of a library: %s", early_at_start);
#ifndef __SANITIZE_ADDRESS__ /* its runtime is first then, and not libumfs */
	assert_int_equal(write(before_all, "pre", 3), 3);
	check_file("preinit", "pre");
#endif
	assert_true(early_fd >= 0);
	assert_int_equal(write(early_fd, "more", 4), 4);
	assert_int_equal(lseek(early_fd, 0, SEEK_CUR), lseek(early_fd, 0, SEEK_END));
}

static void loaded_and_let_go(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		void *lib = dlopen(EARLY_MODULE, RTLD_NOW | RTLD_LOCAL);
		const char **error;
		int *fd;

		if (!lib)
			fail_msg("%s", dlerror());
		error = dlsym(lib, "early_error");
		fd = dlsym(lib, "early_fd");
		assert_null(*error);
		assert_true(*fd >= 0 && *fd != early_fd);
		assert_int_equal(write(*fd, "x", 1), 1);
		assert_int_equal(dlclose(lib), 0);
		{
			int text = open(at("loaded"), O_RDONLY);
			char buf[64] = "";

			assert_true(read(text, buf, sizeof(buf) - 1) > 0);
			assert_string_equal(buf + strlen(buf) - 8, "textxend");
			close(text);
		}
	}
	assert_ok(unlink(at("loaded")));
}

/* From where the tests' own files are. */
static void loaded_from_there(void **state)
{
	void *lib, *again;
	const char **error;

	(void)state;
	copy_file(EARLY_MODULE, at("lib.so"));
	lib = dlopen(at("lib.so"), RTLD_NOW);
	if (!lib)
		fail_msg("%s", dlerror());
	error = dlsym(lib, "early_error");
	assert_non_null(error);
	assert_null(*error);
	/* It is one, by whatever name. */
	assert_ok(symlink("lib.so", at("link.so")));
	again = dlopen(at("link.so"), RTLD_NOW | RTLD_NOLOAD);
	assert_ptr_equal(again, lib);
	assert_int_equal(dlclose(again), 0);
	assert_int_equal(dlclose(lib), 0);
	/* What is there by then is loaded, and not what was. */
	put_file("lib.so", "no library");
	assert_null(dlopen(at("lib.so"), RTLD_NOW));
	assert_ok(unlink(at("lib.so")));
	copy_file(EARLY_MODULE, at("lib.so"));
	again = dlopen(at("lib.so"), RTLD_NOW);
	assert_non_null(again);
	assert_int_equal(dlclose(again), 0);
	assert_null(dlopen(at("none.so"), RTLD_NOW));
	assert_non_null(strstr(dlerror(), strerror(ENOENT)));
	put_file("text.so", "no library");
	assert_null(dlopen(at("text.so"), RTLD_NOW));
	assert_non_null(dlerror());
	assert_null(dlopen(test_dir(), RTLD_NOW));
	assert_non_null(dlopen(NULL, RTLD_NOW));
	assert_ok(unlink(at("text.so")));
	assert_ok(unlink(at("link.so")));
	assert_ok(unlink(at("lib.so")));
	assert_ok(unlink(at("loaded")));
}

/* ---- restrictions ---- */

static int no_new_code(void *arg)
{
	char *const argv[] = {(char *)(uintptr_t)"sh", (char *)(uintptr_t)"-c",
			      (char *)(uintptr_t)"cd \"$TEST_DIR\" && echo text >m && cat m && rm m",
			      NULL};

	(void)arg;
	if (prctl(PR_SET_MDWE, 1, 0, 0, 0))
		return errno == EINVAL ? 77 : 1;
	CHILD_CHECK(use_files("mdwe") == 0);
	execv("/bin/sh", argv); /* it is inherited: libc's entries are redirected under it */
	return 1;
}

static void writable_code_denied(void **state)
{
	int status = in_child(no_new_code, NULL);

	(void)state;
	if (status == 77)
		SKIP("Linux before 6.3: writable code can not be denied");
	assert_int_equal(status, 0);
}

/* ---- sandboxes: a system call that is not on the list ends the process ---- */

#define ALLOW(nr) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), \
		  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static bool restrict_calls(bool by_number)
{
	/* What libc makes for the calls below, and no more. */
	static struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_read), ALLOW(SYS_write), ALLOW(SYS_pread64), ALLOW(SYS_pwrite64),
		ALLOW(SYS_lseek), ALLOW(SYS_close), ALLOW(SYS_fstat), ALLOW(SYS_newfstatat),
		ALLOW(SYS_openat), ALLOW(SYS_dup), ALLOW(SYS_ftruncate), ALLOW(SYS_fsync),
		ALLOW(SYS_unlink), ALLOW(SYS_mkdir), ALLOW(SYS_rmdir), ALLOW(SYS_rename),
		ALLOW(SYS_brk), ALLOW(SYS_mmap), ALLOW(SYS_munmap), ALLOW(SYS_exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog prog = {sizeof(filter) / sizeof(*filter), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return false;
	if (by_number)
		return !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
	return !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

static int work_in_a_sandbox(void *arg)
{
	static char buf[6 << 20];
	char name[PATH_MAX], other[PATH_MAX], text[8] = "";
	int fd = make_file("f", "text"), copy;
	FILE *f;

	snprintf(name, sizeof(name), "%s", at("new"));
	snprintf(other, sizeof(other), "%s", at("other"));
	if (!restrict_calls(*(int *)arg))
		return 77;
	CHILD_CHECK(pread(fd, text, 4, 0) == 4 && !strcmp(text, "text"));
	CHILD_CHECK(pwrite(fd, "T", 1, 0) == 1 && fsync(fd) == 0);
	CHILD_CHECK(pwrite(fd, buf, sizeof(buf), 4096) == sizeof(buf));
	CHILD_CHECK(lseek(fd, 0, SEEK_END) == 4096 + sizeof(buf));
	CHILD_CHECK(ftruncate(fd, 4) == 0 && close(fd) == 0);
	for (int i = 0; i < 3; i++) {
		fd = open(name, O_RDWR | O_CREAT, 0644);
		CHILD_CHECK(fd >= 0 && write(fd, buf, 100000) == 100000);
		CHILD_CHECK((copy = dup(fd)) >= 0 && close(fd) == 0);
		CHILD_CHECK(pread(copy, text, 1, 99999) == 1 && close(copy) == 0);
		CHILD_CHECK(rename(name, other) == 0 && unlink(other) == 0);
	}
	f = fopen(name, "w");
	CHILD_CHECK(f || errno == ENOTSUP); /* no streams by symbols alone */
	CHILD_CHECK(!f || (fputs("stream", f) >= 0 && fclose(f) == 0 && unlink(name) == 0));
	CHILD_CHECK(mkdir(name, 0755) == 0 && rmdir(name) == 0);
	return 0;
}

/* Reading, writing and going: there is nothing else. */
static int work_strictly(void *arg)
{
	static char buf[3 << 20], small[16];
	int fd = make_file("f", "text");

	(void)arg;
	lseek(fd, 0, SEEK_SET);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0))
		return 77;
	if (read(fd, small, 2) != 2 || memcmp(small, "te", 2) ||
	    write(fd, buf, sizeof(buf)) != sizeof(buf))
		syscall(SYS_exit, 1);
	syscall(SYS_exit, 0);
	return 2;
}

static void sandboxes(void **state)
{
	int status = 0;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	SKIP("the address sanitizer makes system calls of its own");
#endif
	for (int i = 0; i < 2 && status != 77; i++) {
		status = in_child(work_in_a_sandbox, &i);
		assert_true(!status || status == 77);
		check_file("f", "Text");
	}
	if (status != 77)
		status = in_child(work_strictly, NULL);
	put_file("f", "after");
	assert_ok(unlink(at("f")));
	if (status == 77)
		SKIP("the kernel has no filters of system calls, or none may be set");
	assert_int_equal(status, 0);
}

static void vfork_and_exec_in_vain(void **state)
{
	char *const argv[] = {(char *)(uintptr_t)"none", NULL};
	int fd = make_file("f", ""), status;

	(void)state;
	for (int i = 0; i < 20; i++) {
		pid_t pid = vfork();

		assert_true(pid >= 0);
		if (!pid) {
			execv(i % 2 ? at("f") : "/nonexistent/none", argv);
			_exit(errno == (i % 2 ? EACCES : ENOENT) ? 42 : 43);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(WEXITSTATUS(status), 42);
		assert_int_equal(write(fd, "x", 1), 1);
	}
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 20);
	close(fd);
	assert_ok(unlink(at("f")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constructors_of_others),
		cmocka_unit_test(everything_closed),
		cmocka_unit_test(daemons),
		cmocka_unit_test(private_descriptors_closed),
		cmocka_unit_test(numbers_run_out),
		cmocka_unit_test(full_in_the_middle_of_a_flush),
		cmocka_unit_test(descriptors_by_path),
		cmocka_unit_test(loaded_and_let_go),
		cmocka_unit_test(loaded_from_there),
		cmocka_unit_test(writable_code_denied),
		cmocka_unit_test(sandboxes),
		cmocka_unit_test(vfork_and_exec_in_vain),
	};

	early_at_start = early_error;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
