// SPDX-License-Identifier: BSD-3-Clause
/* test_path.c - working directories, canonical paths, links in and out of the directory. */
#include "shim_test.h"

char *__getcwd_chk(char *buf, size_t size, size_t room);

static char start[PATH_MAX];

static int remember(void **state)
{
	(void)state;
	return getcwd(start, sizeof(start)) ? 0 : -1;
}

static int go_back(void **state)
{
	(void)state;
	return chdir(start);
}

/* A path outside of TEST_DIR. */
static const char *outside(const char *name)
{
	static char buf[4][PATH_MAX];
	static unsigned n;
	char *p = buf[n++ % 4];

	snprintf(p, PATH_MAX, "%s/%s", getenv("SHIM_WORK"), name);
	return p;
}

static void check_cwd(const char *path)
{
	char buf[PATH_MAX], *p;

	assert_non_null(getcwd(buf, sizeof(buf)));
	assert_string_equal(buf, path);
	p = getcwd(NULL, 0);
	assert_non_null(p);
	assert_string_equal(p, path);
	free(p);
}

static void relative_paths(void **state)
{
	struct stat a, b;
	char buf[PATH_MAX];
	int fd;

	(void)state;
	assert_ok(mkdir(at("d"), 0755));
	assert_ok(mkdir(at("d/e"), 0755));
	assert_ok(chdir(at("d")));
	check_cwd(at("d"));
	put_file("d/f", "text");
	fd = open("f", O_RDONLY);
	assert_true(fd >= 0);
	check_text(fd, "text");
	assert_ok(close(fd));
	assert_ok(close(open("./e/../new", O_WRONLY | O_CREAT, 0644)));
	assert_ok(access(at("d/new"), F_OK));
	assert_ok(rename("new", "e/newer"));
	assert_ok(chdir("e"));
	check_cwd(at("d/e"));
	assert_ok(unlink("newer"));
	assert_ok(stat("../f", &a));
	assert_ok(chdir(".."));
	assert_ok(stat("f", &b));
	assert_int_equal(a.st_ino, b.st_ino);
	assert_errno(chdir("f"), ENOTDIR);
	assert_errno(chdir("none"), ENOENT);
	errno = 0;
	assert_null(getcwd(buf, 3));
	assert_int_equal(errno, ERANGE);
	assert_null(getcwd(buf, 0));
	assert_int_equal(errno, EINVAL);
	assert_non_null(__getcwd_chk(buf, sizeof(buf), sizeof(buf)));
	fd = open("e", O_RDONLY | O_DIRECTORY);
	assert_ok(fchdir(fd));
	assert_ok(close(fd));
	check_cwd(at("d/e"));
	/* Above the top and outside. */
	assert_ok(chdir("../../.."));
	check_cwd(getenv("SHIM_WORK"));
	assert_ok(stat(".", &a));
	assert_ok(chdir("/"));
	check_cwd("/");
	assert_ok(unlink(at("d/f")));
	assert_ok(rmdir(at("d/e")));
	assert_ok(rmdir(at("d")));
}

static void working_directory_moved_and_removed(void **state)
{
	char buf[PATH_MAX];

	(void)state;
	assert_ok(mkdir(at("a"), 0755));
	assert_ok(chdir(at("a")));
	assert_ok(rename(at("a"), at("b")));
	check_cwd(at("b"));
	assert_ok(rmdir(at("b")));
	errno = 0;
	assert_null(getcwd(buf, sizeof(buf)));
	assert_int_equal(errno, ENOENT);
	assert_errno(open("f", O_WRONLY | O_CREAT, 0644), ENOENT);
	assert_ok(chdir(start));
}

static void relative_from_above(void **state)
{
	const char *name = strrchr(test_dir(), '/') + 1;
	char path[PATH_MAX];
	int fd;

	(void)state;
	put_file("f", "from above");
	assert_ok(chdir(getenv("SHIM_WORK")));
	snprintf(path, sizeof(path), "%s/f", name);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	check_text(fd, "from above");
	assert_ok(close(fd));
	assert_ok(chdir(name));
	check_cwd(test_dir());
	assert_ok(close(open("f", O_RDONLY)));
	assert_ok(chdir("/"));
	/* Without the leading slash. */
	snprintf(path, sizeof(path), "%s", at("f") + 1);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_ok(close(fd));
	assert_ok(unlink(at("f")));
}

static void sloppy_text(void **state)
{
	char path[PATH_MAX];

	(void)state;
	put_file("f", "x");
	snprintf(path, sizeof(path), "/.//%s/././/f", test_dir());
	assert_ok(access(path, F_OK));
	snprintf(path, sizeof(path), "%s/none/../f", test_dir());
	assert_errno(access(path, F_OK), ENOENT);
	snprintf(path, sizeof(path), "%s/../%s/f", test_dir(), strrchr(test_dir(), '/') + 1);
	assert_ok(access(path, F_OK));
	/* A longer name that begins the same is somebody else's. */
	snprintf(path, sizeof(path), "%sx", test_dir());
	assert_errno(access(path, F_OK), ENOENT);
	assert_ok(mkdir(path, 0755));
	assert_ok(rmdir(path));
	assert_ok(unlink(at("f")));
}

/* `before`, "/", as many more slashes as make it `len` bytes, and `last`. */
static const char *stretched(const char *before, const char *last, size_t len)
{
	static char buf[2 * PATH_MAX];
	size_t n = strlen(at(before)), end = strlen(last);

	assert_true(n + end < len);
	memcpy(buf, at(before), n);
	memset(buf + n, '/', len - n - end);
	memcpy(buf + len - end, last, end + 1);
	return buf;
}

static void any_length(void **state)
{
	struct stat is, st;
	char text[8];

	(void)state;
	assert_ok(mkdir(at("long"), 0755));
	assert_ok(mkdir(at("long/d"), 0755));
	put_file("long/f", "text");
	assert_ok(symlink("../long/f", at("long/to-f")));
	assert_ok(stat(at("long/f"), &is));
	for (size_t len = 100; len < PATH_MAX; len += len < 400 ? 1 : 61) {
		assert_ok(stat(stretched("long", "f", len), &st));
		assert_int_equal(st.st_ino, is.st_ino);
		assert_ok(stat(stretched("long", "to-f", len), &st));
		assert_int_equal(st.st_ino, is.st_ino);
		assert_int_equal(readlink(stretched("long", "to-f", len), text, 7), 7);
		assert_memory_equal(text, "../long", 7);
		assert_errno(stat(stretched("long", "none", len), &st), ENOENT);
		assert_errno(rmdir(stretched("long/d", "..", len)), ENOTEMPTY);
		assert_errno(rmdir(stretched("long/d", ".", len)), EINVAL);
		assert_ok(rename(stretched("long", "f", len), at("long/g")));
		assert_ok(rename(at("long/g"), stretched("long", "f", len)));
	}
	assert_ok(stat(stretched("long", "f", PATH_MAX - 1), &st));
	assert_errno(stat(stretched("long", "f", PATH_MAX), &st), ENAMETOOLONG);
}

static void links_out_and_in(void **state)
{
	char buf[PATH_MAX];
	FILE *out;
	int fd;

	(void)state;
	put_file("inside", "inside");
	out = fopen(outside("outside"), "w");
	assert_non_null(out);
	fputs("outside", out);
	fclose(out);
	/* Out: absolute, and by "..". */
	assert_ok(symlink(outside("outside"), at("abs")));
	check_file("abs", "outside");
	assert_ok(symlink("../outside", at("rel")));
	check_file("rel", "outside");
	check_file("../outside", "outside");
	assert_ok(symlink(getenv("SHIM_WORK"), at("up")));
	check_file("up/outside", "outside");
	/* Created outside through a link inside. */
	assert_ok(symlink("../made", at("make")));
	assert_ok(close(open(at("make"), O_WRONLY | O_CREAT, 0644)));
	assert_ok(unlink(outside("made")));
	assert_ok(mkdir(at("up/newdir"), 0755));
	assert_ok(rmdir(outside("newdir")));
	/* In. */
	assert_ok(symlink(at("inside"), outside("in")));
	fd = open(outside("in"), O_RDONLY);
	assert_true(fd >= 0);
	check_text(fd, "inside");
	assert_ok(close(fd));
	assert_ok(symlink(test_dir(), outside("dir")));
	assert_ok(access(outside("dir/inside"), F_OK));
	assert_ok(mkdir(outside("dir/sub"), 0755));
	assert_ok(access(at("sub"), F_OK));
	assert_ok(rename(outside("dir/inside"), outside("dir/sub/renamed")));
	check_file("sub/renamed", "inside");
	assert_ok(chdir(outside("dir/sub")));
	check_cwd(at("sub"));
	assert_ok(close(open("renamed", O_RDONLY)));
	assert_ok(chdir(start));
	assert_errno(open(outside("dir/none"), O_RDONLY), ENOENT);
	/* Out and in again, and round for ever. */
	assert_ok(symlink(outside("dir/sub/renamed"), at("round")));
	check_file("round", "inside");
	assert_ok(symlink(outside("loop"), at("loop")));
	assert_ok(symlink(at("loop"), outside("loop")));
	assert_errno(open(at("loop"), O_RDONLY), ELOOP);
	assert_errno(open(outside("loop"), O_RDONLY), ELOOP);
	assert_int_equal(readlink(at("abs"), buf, sizeof(buf)), strlen(outside("outside")));
	/* A link is removed, not what it names. */
	assert_ok(unlink(outside("in")));
	assert_ok(unlink(outside("dir")));
	assert_ok(unlink(outside("loop")));
	assert_ok(unlink(at("loop")));
	assert_ok(unlink(at("abs")));
	assert_ok(unlink(at("rel")));
	assert_ok(unlink(at("up")));
	assert_ok(unlink(at("make")));
	assert_ok(unlink(at("round")));
	assert_ok(access(outside("outside"), F_OK));
	assert_ok(unlink(outside("outside")));
	assert_ok(unlink(at("sub/renamed")));
	assert_ok(rmdir(at("sub")));
}

static void canonical_paths(void **state)
{
	char buf[PATH_MAX], *p;

	(void)state;
	assert_ok(mkdir(at("d"), 0755));
	put_file("d/f", "x");
	assert_ok(symlink("d", at("l")));
	assert_ok(symlink("../d/f", at("d/back")));
	p = realpath(at("l/../l/./back"), buf);
	assert_non_null(p);
	assert_string_equal(buf, at("d/f"));
	p = realpath(at("d/../.."), NULL);
	assert_non_null(p);
	assert_string_equal(p, getenv("SHIM_WORK"));
	free(p);
	p = canonicalize_file_name(at("l"));
	assert_string_equal(p, at("d"));
	free(p);
	assert_ok(chdir(at("d")));
	assert_non_null(realpath("f", buf));
	assert_string_equal(buf, at("d/f"));
	assert_non_null(realpath(".", buf));
	assert_string_equal(buf, at("d"));
	p = get_current_dir_name();
	assert_string_equal(p, at("d"));
	free(p);
	errno = 0;
	assert_null(realpath(at("d/none"), buf));
	assert_int_equal(errno, ENOENT);
	assert_null(realpath(at("d/f/"), buf));
	assert_int_equal(errno, ENOTDIR);
	assert_null(realpath(at("d/f/.."), buf));
	assert_int_equal(errno, ENOTDIR);
	assert_null(realpath("", buf));
	assert_int_equal(errno, ENOENT);
	assert_non_null(realpath("/usr/../usr/bin/.", buf));
	assert_string_equal(buf, "/usr/bin");
	assert_non_null(realpath("/", buf));
	assert_string_equal(buf, "/");
	assert_ok(chdir(start));
	unlink(at("d/back"));
	unlink(at("d/f"));
	unlink(at("l"));
	rmdir(at("d"));
}

static void deep_tree(void **state)
{
	char path[PATH_MAX];
	int depth;

	(void)state;
	assert_ok(chdir(test_dir()));
	for (depth = 0; depth < 100; depth++) {
		assert_ok(mkdir("a-name-of-some-length", 0755));
		assert_ok(chdir("a-name-of-some-length"));
	}
	assert_non_null(getcwd(path, sizeof(path)));
	assert_int_equal(strlen(path), strlen(test_dir()) + 100 * 22);
	assert_ok(access(path, F_OK));
	while (depth--) {
		assert_ok(chdir(".."));
		assert_ok(rmdir("a-name-of-some-length"));
	}
	check_cwd(test_dir());
	assert_ok(chdir(start));
}

static void tree_deeper_than_any_path(void **state)
{
	char name[201], *path, buf[2 * PATH_MAX];
	int depth;

	(void)state;
	memset(name, 'n', 200);
	name[200] = '\0';
	assert_ok(chdir(test_dir()));
	for (depth = 0; depth < 100; depth++) {
		assert_ok(mkdir(name, 0755));
		assert_ok(chdir(name));
	}
	path = getcwd(NULL, 0);
	assert_non_null(path);
	assert_int_equal(strlen(path), strlen(test_dir()) + 100 * 201);
	assert_memory_equal(path, test_dir(), strlen(test_dir()));
	free(path);
	path = getcwd(NULL, 40000);
	assert_non_null(path);
	assert_int_equal(strlen(path), strlen(test_dir()) + 100 * 201);
	free(path);
	errno = 0;
	assert_null(getcwd(NULL, 20000));
	assert_int_equal(errno, ERANGE);
	assert_null(getcwd(buf, sizeof(buf)));
	assert_int_equal(errno, ERANGE);
	while (depth--) {
		assert_ok(chdir(".."));
		assert_ok(rmdir(name));
	}
	check_cwd(test_dir());
	assert_ok(chdir(start));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(relative_paths, go_back),
		cmocka_unit_test_teardown(working_directory_moved_and_removed, go_back),
		cmocka_unit_test_teardown(relative_from_above, go_back),
		cmocka_unit_test_teardown(sloppy_text, go_back),
		cmocka_unit_test(any_length),
		cmocka_unit_test_teardown(links_out_and_in, go_back),
		cmocka_unit_test_teardown(canonical_paths, go_back),
		cmocka_unit_test_teardown(deep_tree, go_back),
		cmocka_unit_test_teardown(tree_deeper_than_any_path, go_back),
	};

	return cmocka_run_group_tests(tests, remember, NULL);
}
