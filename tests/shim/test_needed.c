// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_needed.c - libraries that need others which lie beside them, found by $ORIGIN and
 * by LD_LIBRARY_PATH: loaded by a program, and needed by programs that lie there too.
 */
#include <dlfcn.h>
#include <spawn.h>
#include <sys/mman.h>

#include "shim_test.h"

extern char **environ;

/* Where they are built, by the name that they are needed by. */
static void copy_library(const char *name, const char *to)
{
	char from[PATH_MAX];

	snprintf(from, sizeof(from), "%s/%s", NEEDED_DIR, name);
	copy_file(from, at(to));
}

static int set_up(void **state)
{
	(void)state;
	assert_ok(mkdir(at("lib"), 0755));
	assert_ok(mkdir(at("other"), 0755));
	copy_library("libneeded-deep.so", "lib/libneeded-deep.so");
	copy_library("libneeded.so", "lib/libneeded.so");
	copy_library("libneeding.so", "lib/libneeding.so");
	copy_library("needing-program", "lib/program");
	copy_library("needing-program", "other/program");
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"lib/libneeded-deep.so", "lib/libneeded.so",
					    "lib/libneeding.so", "lib/program", "other/program"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_ok(unlink(at(names[i])));
	assert_ok(rmdir(at("lib")));
	assert_ok(rmdir(at("other")));
	return 0;
}

static int load(void *arg)
{
	void *lib = dlopen(arg, RTLD_NOW | RTLD_LOCAL), *value;

	if (!lib)
		return 1;
	value = dlsym(lib, "needing_value");
	return value ? ((int (*)(void))(uintptr_t)value)() : 2;
}

static int load_from_there(void *arg)
{
	CHILD_CHECK(chdir(test_dir()) == 0);
	return load(arg);
}

/* A library's damaged copy is refused, whatever is found in it. */
static int load_damaged(void *arg)
{
	int fd = open(at("lib/libneeding.so"), O_RDWR);
	struct stat st;
	char *p;

	(void)arg;
	CHILD_CHECK(fd >= 0 && fstat(fd, &st) == 0);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHILD_CHECK(p != MAP_FAILED);
	memset(p + 32, 0xff, 8); /* where its segments are described */
	return load((void *)(uintptr_t)at("lib/libneeding.so"));
}

static void library_needs_another(void **state)
{
	(void)state;
	assert_int_equal(in_child(load, (void *)(uintptr_t)at("lib/libneeding.so")), 42);
	assert_int_equal(in_child(load_from_there, (void *)(uintptr_t)"lib/libneeding.so"), 42);
	assert_int_equal(in_child(load, (void *)(uintptr_t)"libneeding.so"), 1);
	assert_ok(rename(at("lib/libneeded-deep.so"), at("other/libneeded-deep.so")));
	assert_int_equal(in_child(load, (void *)(uintptr_t)at("lib/libneeding.so")), 1);
	assert_ok(rename(at("other/libneeded-deep.so"), at("lib/libneeded-deep.so")));
	assert_int_equal(in_child(load_damaged, NULL), 1);
	copy_library("libneeding.so", "lib/libneeding.so");
}

static int run(void *arg)
{
	char *const *argv = arg;

	execv(argv[0], argv);
	return 126;
}

static int spawn(char *const argv[])
{
	pid_t pid;
	int status;

	assert_int_equal(posix_spawn(&pid, argv[0], NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

static void program_needs_libraries(void **state)
{
	char *argv[] = {(char *)(uintptr_t)at("lib/program"), NULL, NULL};

	(void)state;
	assert_int_equal(in_child(run, argv), 42);
	assert_int_equal(spawn(argv), 42);
	argv[1] = (char *)(uintptr_t)at("lib/libneeding.so");
	assert_int_equal(in_child(run, argv), 42);
	argv[1] = NULL;
	argv[0] = (char *)(uintptr_t)at("link"); /* $ORIGIN is where it leads to */
	assert_ok(symlink("lib/program", at("link")));
	assert_int_equal(in_child(run, argv), 42);
	assert_ok(unlink(at("link")));
	argv[0] = (char *)(uintptr_t)at("other/program");
	assert_int_equal(in_child(run, argv), 127);
}

static void environment_says_where(void **state)
{
	char *argv[] = {(char *)(uintptr_t)at("other/program"), NULL, NULL};
	char list[PATH_MAX + 32];

	(void)state;
	snprintf(list, sizeof(list), "/nonexistent:%s", at("lib"));
	assert_ok(setenv("LD_LIBRARY_PATH", list, 1));
	assert_int_equal(in_child(run, argv), 42);
	assert_int_equal(spawn(argv), 42);
	argv[1] = (char *)(uintptr_t)"libneeding.so";
	assert_int_equal(in_child(run, argv), 42);
	argv[1] = (char *)(uintptr_t)"libnone.so";
	assert_int_equal(in_child(run, argv), 2);
	assert_ok(unsetenv("LD_LIBRARY_PATH"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(library_needs_another),
		cmocka_unit_test(program_needs_libraries),
		cmocka_unit_test(environment_says_where),
	};

	(void)argc;
	/* What the linker read of it at the start it keeps. */
	if (getenv("LD_LIBRARY_PATH") && !unsetenv("LD_LIBRARY_PATH"))
		execv("/proc/self/exe", argv);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
