// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_libc.c - what libc does on its own: streams, walks over trees, processes
 * that it makes. Runs only where libc's entries are redirected.
 */
#include <aio.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <spawn.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <utime.h>
#include <wchar.h>
#include <wordexp.h>

#include "shim_test.h"

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_ok(fclose(f));
}

static void assert_text(const char *path, const char *want)
{
	char buf[4096];
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(buf, 1, sizeof(buf) - 1, f);
	buf[n] = 0;
	assert_string_equal(buf, want);
	assert_ok(fclose(f));
}

static void streams_of_each_mode(void **state)
{
	char line[64];
	FILE *f;

	(void)state;
	write_text(at("s"), "one\ntwo\nthree\n");
	f = fopen(at("s"), "r+");
	assert_non_null(f);
	assert_string_equal(fgets(line, sizeof(line), f), "one\n");
	assert_int_equal(ftell(f), 4);
	assert_ok(fseek(f, 0, SEEK_CUR));
	assert_true(fputs("TWO", f) >= 0);
	assert_ok(fflush(f));
	rewind(f);
	assert_string_equal(fgets(line, sizeof(line), f), "one\n");
	assert_string_equal(fgets(line, sizeof(line), f), "TWO\n");
	assert_int_equal(ungetc('x', f), 'x');
	assert_int_equal(getc(f), 'x');
	assert_ok(fclose(f));
	f = fopen(at("s"), "a");
	assert_non_null(f);
	assert_true(fprintf(f, "%d\n", 4) > 0);
	assert_ok(fclose(f));
	assert_text(at("s"), "one\nTWO\nthree\n4\n");
	assert_null(fopen(at("s"), "wx"));
	assert_int_equal(errno, EEXIST);
	assert_null(fopen(at("no/such"), "r"));
	assert_int_equal(errno, ENOENT);
	assert_ok(unlink(at("s")));
}

static void large_stream(void **state)
{
	char *line = NULL;
	size_t room = 0;
	long sum = 0;
	FILE *f = fopen(at("big"), "w+");

	(void)state;
	assert_non_null(f);
	for (int i = 0; i < 200000; i++)
		assert_true(fprintf(f, "%d\n", i) > 0);
	rewind(f);
	while (getline(&line, &room, f) > 0)
		sum += atol(line);
	assert_int_equal(sum, 200000L * 199999 / 2);
	free(line);
	assert_ok(fclose(f));
	assert_ok(unlink(at("big")));
}

static void streams_from_descriptors(void **state)
{
	int fd = open(at("d"), O_RDWR | O_CREAT, 0644);
	FILE *f = fdopen(fd, "w+");

	(void)state;
	assert_non_null(f);
	assert_true(fputws(L"wide\n", f) >= 0);
	assert_ok(fflush(f));
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 5);
	assert_ok(fclose(f));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	f = freopen(at("d"), "r", fopen(at("e"), "w"));
	assert_non_null(f);
	assert_int_equal(fgetc(f), 'w');
	assert_ok(fclose(f));
	assert_ok(unlink(at("d")));
	assert_ok(unlink(at("e")));
}

static int counted;

static int count_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path;
	(void)st;
	(void)type;
	(void)ftw;
	counted++;
	return 0;
}

static int plain_name(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void walks_over_trees(void **state)
{
	char *roots[] = {(char *)(uintptr_t)at("tree"), NULL};
	struct dirent **list;
	glob_t g;
	FTS *fts;
	FTSENT *e;

	(void)state;
	assert_ok(mkdir(at("tree"), 0755));
	assert_ok(mkdir(at("tree/sub"), 0755));
	write_text(at("tree/b"), "b");
	write_text(at("tree/a"), "a");
	write_text(at("tree/sub/c"), "c");
	counted = 0;
	assert_ok(nftw(at("tree"), count_one, 8, FTW_PHYS));
	assert_int_equal(counted, 5);
	fts = fts_open(roots, FTS_PHYSICAL, NULL);
	assert_non_null(fts);
	for (counted = 0; (e = fts_read(fts));)
		counted += e->fts_info == FTS_F;
	assert_int_equal(counted, 3);
	assert_ok(fts_close(fts));
	assert_ok(glob(at("tree/*"), 0, NULL, &g));
	assert_int_equal(g.gl_pathc, 3);
	assert_string_equal(g.gl_pathv[0], at("tree/a"));
	globfree(&g);
	assert_int_equal(scandir(at("tree"), &list, plain_name, alphasort), 3);
	assert_string_equal(list[2]->d_name, "sub");
	for (int i = 0; i < 3; i++)
		free(list[i]);
	free(list);
	assert_ok(remove(at("tree/sub/c")));
	assert_ok(remove(at("tree/sub")));
	assert_ok(remove(at("tree/a")));
	assert_ok(remove(at("tree/b")));
	assert_ok(remove(at("tree")));
}

/* What libc's child does to its descriptors is done in our memory. */
static void processes_made_by_libc_leave_ours_alone(void **state)
{
	posix_spawn_file_actions_t acts;
	char *argv[] = {(char *)(uintptr_t)"true", NULL};
	int fd = open(at("keep"), O_RDWR | O_CREAT | O_CLOEXEC, 0644), status;
	char line[32];
	FILE *f;
	pid_t pid;

	(void)state;
	assert_int_equal(write(fd, "kept", 4), 4);
	assert_ok(posix_spawn_file_actions_init(&acts));
	assert_ok(posix_spawn_file_actions_addclose(&acts, fd));
	assert_ok(posix_spawn_file_actions_adddup2(&acts, 2, 57));
	assert_ok(posix_spawn_file_actions_addchdir_np(&acts, "/"));
	assert_ok(posix_spawnp(&pid, "true", &acts, NULL, argv, environ));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	posix_spawn_file_actions_destroy(&acts);
	/* A child that can not be: it ends with _exit, in our memory. */
	assert_int_equal(posix_spawn(&pid, "/no/such/program", NULL, NULL, argv, environ),
			 ENOENT);
	assert_int_equal(WEXITSTATUS(system("exit 7")), 7);
	f = popen("echo hello", "r");
	assert_non_null(f);
	assert_string_equal(fgets(line, sizeof(line), f), "hello\n");
	assert_ok(pclose(f));
	assert_int_equal(pread(fd, line, sizeof(line), 0), 4);
	assert_memory_equal(line, "kept", 4);
	assert_ok(close(fd));
	assert_ok(unlink(at("keep")));
}

static void calls_by_number(void **state)
{
	long fd = syscall(SYS_openat, AT_FDCWD, at("n"), O_RDWR | O_CREAT, 0640);
	struct statx stx;
	char buf[8];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(syscall(SYS_write, fd, "number", 6L), 6);
	assert_int_equal(syscall(SYS_pread64, fd, buf, 3L, 2L), 3);
	assert_memory_equal(buf, "mbe", 3);
	assert_int_equal(syscall(SYS_statx, AT_FDCWD, at("n"), 0, STATX_SIZE, &stx), 0);
	assert_int_equal(stx.stx_size, 6);
	assert_int_equal(syscall(SYS_renameat2, AT_FDCWD, at("n"), AT_FDCWD, at("m"), 0), 0);
	assert_int_equal(syscall(SYS_close, fd), 0);
	assert_errno(syscall(SYS_read, fd, buf, 1L), EBADF);
	assert_int_equal(syscall(SYS_unlinkat, AT_FDCWD, at("m"), 0), 0);
	assert_errno(syscall(SYS_unlinkat, AT_FDCWD, at("m"), 0), ENOENT);
	assert_int_equal(syscall(SYS_getpid), getpid());
}

static void calls_by_old_numbers(void **state)
{
	struct timeval tv[2] = {{1000, 5}, {2000, 7}}, bad[2] = {{1, 0}, {1, 1000000}};
	struct utimbuf times = {3000, 4000};
	struct statfs fs;
	struct stat st;
	long mask, fd;

	(void)state;
	assert_ok(syscall(SYS_mknod, at("old"), S_IFREG | 0600, 0L));
	assert_ok(syscall(SYS_utime, at("old"), &times));
	assert_ok(stat(at("old"), &st));
	assert_int_equal(st.st_atim.tv_sec, 3000);
	assert_int_equal(st.st_mtim.tv_sec, 4000);
	assert_ok(syscall(SYS_utimes, at("old"), tv));
	assert_ok(stat(at("old"), &st));
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(st.st_mtim.tv_nsec, 7000);
	assert_errno(syscall(SYS_utimes, at("old"), bad), EINVAL);
	fd = open(at("."), O_RDONLY | O_DIRECTORY);
	assert_ok(syscall(SYS_futimesat, fd, "old", NULL));
	assert_ok(stat(at("old"), &st));
	assert_true(st.st_mtim.tv_sec > 4000);
	assert_ok(syscall(SYS_fstatfs, fd, &fs));
	assert_ok(syscall(SYS_statfs, at("old"), &fs));
	assert_true(fs.f_blocks > 0);
	assert_errno(syscall(SYS_statfs, at("none"), &fs), ENOENT);
	assert_ok(close((int)fd));
	fd = open(at("old"), O_RDWR);
	assert_ok(syscall(SYS_fadvise64, fd, 0L, 0L, (long)POSIX_FADV_WILLNEED));
	assert_ok(syscall(SYS_readahead, fd, 0L, 4096L));
	assert_ok(syscall(SYS_sync_file_range, fd, 0L, 0L, 0L));
	assert_ok(close((int)fd));
	assert_ok(unlink(at("old")));
	mask = syscall(SYS_umask, 077L);
	assert_true(mask >= 0);
	fd = open(at("old"), O_RDWR | O_CREAT, 0666);
	assert_ok(fstat((int)fd, &st));
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(syscall(SYS_umask, mask), 077);
	assert_ok(close((int)fd));
	assert_ok(unlink(at("old")));
}

static void symbols_found_at_run_time(void **state)
{
	ssize_t (*real_write)(int, const void *, size_t) =
		(ssize_t(*)(int, const void *, size_t))(uintptr_t)dlsym(RTLD_NEXT, "write");
	int fd = open(at("f"), O_RDWR | O_CREAT, 0644);

	(void)state;
	assert_non_null(real_write);
	assert_int_equal(real_write(fd, "abc", 3), 3);
	assert_ok(close(fd));
	assert_text(at("f"), "abc");
	assert_ok(unlink(at("f")));
}

static void streams_opened_again(void **state)
{
	FILE *f = fopen(at("a"), "w");
	char line[16];

	(void)state;
	assert_true(fputs("first\n", f) >= 0);
	f = freopen(at("b"), "w", f);
	assert_non_null(f);
	assert_true(fputs("second\n", f) >= 0);
	f = freopen(at("a"), "r", f);
	assert_non_null(f);
	assert_string_equal(fgets(line, sizeof(line), f), "first\n");
	assert_ok(fclose(f));
	assert_text(at("b"), "second\n");
	assert_ok(unlink(at("a")));
	assert_ok(unlink(at("b")));
}

static ssize_t finish_aio(struct aiocb *cb)
{
	const struct aiocb *list[] = {cb};

	while (aio_error(cb) == EINPROGRESS)
		assert_ok(aio_suspend(list, 1, NULL));
	assert_int_equal(aio_error(cb), 0);
	return aio_return(cb);
}

static void asynchronous_calls(void **state)
{
	int fd = make_file("aio", "0123456789");
	char buf[8] = "";
	struct aiocb r = {.aio_fildes = fd, .aio_buf = buf, .aio_nbytes = 4, .aio_offset = 3};
	struct aiocb w = {.aio_fildes = fd, .aio_buf = (void *)(uintptr_t)"xyz", .aio_nbytes = 3,
			  .aio_offset = 8};
	struct aiocb s = {.aio_fildes = fd};

	(void)state;
	assert_ok(aio_read(&r));
	assert_int_equal(finish_aio(&r), 4);
	assert_string_equal(buf, "3456");
	assert_ok(aio_write(&w));
	assert_int_equal(finish_aio(&w), 3);
	assert_ok(aio_fsync(O_SYNC, &s));
	assert_int_equal(finish_aio(&s), 0);
	check_text(fd, "01234567xyz");
	assert_ok(close(fd));
	assert_ok(unlink(at("aio")));
}

/*
 * wordexp makes a process by itself, whose standard output becomes a pipe: ours
 * must be as before. Its shell gets descriptors of ours as those of system do.
 */
static void words_expanded_by_a_shell(void **state)
{
	char cwd[PATH_MAX];
	int out = dup(1), fd;
	wordexp_t w;

	(void)state;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	put_file("w1", "some words\n");
	assert_ok(chdir(test_dir()));
	fd = open("out", O_RDWR | O_CREAT, 0644);
	fflush(stdout);
	assert_ok(dup2(fd, 1));
	assert_int_equal(write(1, "before ", 7), 7);
	assert_int_equal(wordexp("$(cat w1; cat w1) w[0-9]", &w, 0), 0);
	assert_int_equal(write(1, "after", 5), 5);
	assert_ok(dup2(out, 1));
	assert_int_equal(w.we_wordc, 5);
	assert_string_equal(w.we_wordv[1], "words");
	assert_string_equal(w.we_wordv[3], "words");
	assert_string_equal(w.we_wordv[4], "w1");
	wordfree(&w);
	check_text(fd, "before after");
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 12);
	assert_ok(close(fd));
	assert_ok(close(out));
	assert_ok(unlink("out"));
	assert_ok(unlink("w1"));
	assert_ok(chdir(cwd));
}

static void spawned_by_a_name_without_slash(void **state)
{
	char *argv[] = {(char *)(uintptr_t)"prog", NULL};
	char cwd[PATH_MAX];
	int status;
	pid_t pid;

	(void)state;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_ok(chdir("/bin"));
	assert_int_equal(posix_spawn(&pid, "true", NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_ok(chdir("/"));
	assert_int_equal(posix_spawn(&pid, "true", NULL, NULL, argv, environ), ENOENT);
	assert_int_equal(posix_spawn(&pid, "", NULL, NULL, argv, environ), ENOENT);
	assert_ok(chdir(cwd));
}

/* A libc that is not known: then streams are refused, and that is all there is to see. */
/* ---- programs that lie there, made into processes by libc ---- */

static int spawned(const char *path, bool search, posix_spawn_file_actions_t *actions)
{
	char *argv[] = {(char *)(uintptr_t)"zero", (char *)(uintptr_t)"one", NULL};
	int status, err;
	pid_t pid;

	err = search ? posix_spawnp(&pid, path, actions, NULL, argv, environ) :
		       posix_spawn(&pid, path, actions, NULL, argv, environ);
	if (err)
		return -err;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void put_script(const char *name, const char *text, mode_t mode)
{
	put_file(name, text);
	assert_ok(chmod(at(name), mode));
}

static void programs_there_are_spawned(void **state)
{
	char text[PATH_MAX + 40], old[PATH_MAX], *path = strdup(getenv("PATH"));
	posix_spawn_file_actions_t actions;
	int fd = make_file("out", "before ");

	(void)state;
	snprintf(text, sizeof(text), "cp /bin/true %s", at("elf"));
	assert_int_equal(system(text), 0);
	put_script("sh", "#!/bin/sh\necho \"$0 $1 $#\"\nexit 7\n", 0755);
	snprintf(text, sizeof(text), "#!%s\n", at("sh"));
	put_script("nested", text, 0755);
	put_script("no", "#!/bin/sh\n", 0644);
	put_script("text", "exit 3\n", 0755);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, 1);
	assert_int_equal(spawned(at("elf"), false, NULL), 0);
	assert_int_equal(spawned(at("elf"), true, NULL), 0);
	assert_int_equal(spawned(at("sh"), false, &actions), 7);
	snprintf(text, sizeof(text), "before %s one 1\n", at("sh"));
	check_text(fd, text);
	assert_int_equal(spawned(at("nested"), false, &actions), 7);
	assert_int_equal(spawned(at("no"), false, NULL), -EACCES);
	assert_int_equal(spawned(at("gone"), false, NULL), -ENOENT);
	assert_int_equal(spawned(at("text"), false, NULL), -ENOEXEC);
	assert_int_equal(spawned("/bin/true", false, NULL), 0);
	/* Found on the way that PATH says, and from where we are. */
	setenv("PATH", test_dir(), 1);
	assert_int_equal(spawned("elf", true, NULL), 0);
	assert_int_equal(spawned("gone", true, NULL), -ENOENT);
	setenv("PATH", path, 1);
	assert_non_null(getcwd(old, sizeof(old)));
	assert_ok(chdir(test_dir()));
	assert_int_equal(spawned("./elf", false, NULL), 0);
	assert_int_equal(spawned("sh", false, &actions), 7);
	assert_int_equal(spawned("gone", false, NULL), -ENOENT);
	/* It goes elsewhere first. */
	posix_spawn_file_actions_addchdir_np(&actions, "/bin");
	assert_int_equal(spawned("./true", false, &actions), 0);
	assert_int_equal(spawned("./elf", false, &actions), -ENOENT);
	assert_int_equal(spawned(at("elf"), false, &actions), 0);
	assert_ok(chdir(old));
	posix_spawn_file_actions_destroy(&actions);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), lseek(fd, 0, SEEK_END));
	close(fd);
	free(path);
}

/* What the child's file actions make of its descriptors is what the new image gets. */
static void descriptors_moved_for_the_child(void **state)
{
	static const char script[] = "echo one; echo two >&2; echo three >&7; "
				     "{ echo four >&8; } 2>/dev/null || exit 5";
	char *argv[] = {(char *)(uintptr_t)"sh", (char *)(uintptr_t)"-c",
			(char *)(uintptr_t)script, NULL};
	char *bare[] = {NULL};
	int a = open(at("a"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int b = open(at("b"), O_RDWR | O_CREAT | O_TRUNC, 0644);
	int c = open(at("c"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), status;
	posix_spawn_file_actions_t acts;
	pid_t pid;

	(void)state;
	assert_int_equal(dup2(b, 8), 8);
	assert_ok(posix_spawn_file_actions_init(&acts));
	/* Two change places, one that would not pass does, one that would does not. */
	assert_ok(posix_spawn_file_actions_adddup2(&acts, a, 7));
	assert_ok(posix_spawn_file_actions_adddup2(&acts, b, 1));
	assert_ok(posix_spawn_file_actions_adddup2(&acts, 7, 2));
	assert_ok(posix_spawn_file_actions_adddup2(&acts, c, 7));
	assert_ok(posix_spawn_file_actions_addclose(&acts, 8));
	assert_ok(posix_spawn_file_actions_addopen(&acts, b, "/dev/null", O_RDONLY, 0));
	for (int i = 0; i < 20; i++) { /* each spawn gives back what it took */
		assert_int_equal(posix_spawnp(&pid, "sh", &acts, NULL, argv, environ), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(WEXITSTATUS(status), 5);
		if (!i) {
			check_text(a, "two\n");
			check_text(b, "one\n");
			check_text(c, "three\n");
		}
	}
	assert_int_equal(lseek(c, 0, SEEK_CUR), 120);
	/* An image that would not know us: only where something of ours would pass. */
	if (on_umfs())
		assert_int_equal(posix_spawn(&pid, "/bin/true", &acts, NULL, argv, bare), ENOTSUP);
	posix_spawn_file_actions_destroy(&acts);
	assert_ok(posix_spawn_file_actions_init(&acts));
	assert_ok(posix_spawn_file_actions_addclose(&acts, b));
	assert_ok(posix_spawn_file_actions_addclose(&acts, 8));
	assert_int_equal(posix_spawn(&pid, "/bin/true", &acts, NULL, argv, bare), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	posix_spawn_file_actions_destroy(&acts);
	close(a);
	close(b);
	close(c);
	close(8);
}

static bool streams_refused(void)
{
	FILE *f = fopen(at("probe"), "w");

	if (!f)
		return errno == ENOTSUP;
	fclose(f);
	unlink(at("probe"));
	return false;
}

int main(void)
{
	if (streams_refused()) {
		puts("libc's entries are not redirected here");
		return 77;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_of_each_mode),
		cmocka_unit_test(large_stream),
		cmocka_unit_test(streams_from_descriptors),
		cmocka_unit_test(walks_over_trees),
		cmocka_unit_test(processes_made_by_libc_leave_ours_alone),
		cmocka_unit_test(streams_opened_again),
		cmocka_unit_test(asynchronous_calls),
		cmocka_unit_test(words_expanded_by_a_shell),
		cmocka_unit_test(spawned_by_a_name_without_slash),
		cmocka_unit_test(programs_there_are_spawned),
		cmocka_unit_test(descriptors_moved_for_the_child),
		cmocka_unit_test(calls_by_number),
		cmocka_unit_test(calls_by_old_numbers),
		cmocka_unit_test(symbols_found_at_run_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
