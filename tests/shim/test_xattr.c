// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_xattr.c - extended attributes.
 *
 * tmpfs knows user. attributes since Linux 6.6, and others only where the kernel was
 * built with them: what it does not know is not asked of it.
 */
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "shim_test.h"

static bool user_known, trusted_known, acl_known;

static bool known(const char *name, const void *value, size_t n)
{
	bool is = setxattr(at("probe"), name, value, n, 0) == 0;

	if (!is && on_umfs())
		fail_msg("%s: %s", name, strerror(errno));
	return is;
}

#define ACL_ANY 0xff, 0xff, 0xff, 0xff
static const unsigned char acl[] = {2, 0, 0, 0, 1, 0, 7, 0, ACL_ANY, 2, 0, 6, 0, 9, 0, 0, 0,
				    4, 0, 1, 0, ACL_ANY, 16, 0, 5, 0, ACL_ANY,
				    32, 0, 4, 0, ACL_ANY};
static const unsigned char acl_minimal[] = {2, 0, 0, 0, 1, 0, 6, 0, ACL_ANY,
					    4, 0, 4, 0, ACL_ANY, 32, 0, 0, 0, ACL_ANY};
#define ACCESS "system.posix_acl_access"

static int probe(void **state)
{
	(void)state;
	put_file("probe", "");
	user_known = known("user.probe", "x", 1);
	trusted_known = geteuid() == 0 && known("trusted.probe", "x", 1);
	acl_known = known(ACCESS, acl, sizeof(acl));
	printf("%s: user. %s, trusted. %s, lists %s\n", on_umfs() ? "UMFS" : "tmpfs",
	       user_known ? "yes" : "no", trusted_known ? "yes" : "no", acl_known ? "yes" : "no");
	return unlink(at("probe"));
}

/* A file without attributes of an earlier case. */
static int fresh_file(const char *name)
{
	(void)unlink(at(name));
	return make_file(name, "text");
}

/* A tmpfs knows them or not; UMFS has them all, where the caller may use them. */
#define NEEDS(what)                                                                       \
	do {                                                                              \
		(void)state;                                                              \
		if (!(what) && (on_umfs() || on_mount()))                                 \
			SKIP("not to be had: " #what);                                     \
		if (!(what))                                                              \
			return;                                                           \
	} while (0)

static void by_path_and_descriptor_the_same(void **state)
{
	char v[8];
	int fd;

	NEEDS(user_known);
	fd = fresh_file("f");
	assert_errno(getxattr(at("f"), "user.a", v, 8), ENODATA);
	assert_ok(setxattr(at("f"), "user.a", "1", 1, 0));
	assert_int_equal(fgetxattr(fd, "user.a", v, 8), 1);
	assert_int_equal(v[0], '1');
	assert_ok(fsetxattr(fd, "user.a", "two", 3, XATTR_REPLACE));
	assert_int_equal(getxattr(at("f"), "user.a", v, 8), 3);
	assert_memory_equal(v, "two", 3);
	assert_int_equal(lgetxattr(at("f"), "user.a", NULL, 0), 3);
	assert_errno(getxattr(at("f"), "user.a", v, 2), ERANGE);
	assert_errno(fsetxattr(fd, "user.a", "x", 1, XATTR_CREATE), EEXIST);
	assert_errno(fsetxattr(fd, "user.b", "x", 1, XATTR_REPLACE), ENODATA);
	assert_errno(fsetxattr(fd, "user.b", "x", 1, 8), EINVAL);
	assert_int_equal(listxattr(at("f"), NULL, 0), 7);
	assert_int_equal(flistxattr(fd, v, 8), 7);
	assert_memory_equal(v, "user.a", 7);
	assert_errno(flistxattr(fd, v, 6), ERANGE);
	check_file("f", "text");
	assert_ok(fremovexattr(fd, "user.a"));
	assert_errno(removexattr(at("f"), "user.a"), ENODATA);
	assert_int_equal(llistxattr(at("f"), v, 8), 0);
	assert_ok(close(fd));
}

static void wrong_arguments_refused(void **state)
{
	static char large[65537];
	char name[300] = "user.", v[8];
	char *volatile nowhere = (char *)16; /* the compiler knows better */
	int fd = fresh_file("f"), path;

	NEEDS(user_known);
	memset(name + 5, 'n', 251);
	assert_errno(setxattr(at("f"), name, "x", 1, 0), ERANGE);
	name[255] = '\0';
	assert_ok(setxattr(at("f"), name, "x", 1, 0));
	assert_int_equal(getxattr(at("f"), name, v, 8), 1);
	assert_errno(setxattr(at("f"), "", "x", 1, 0), ERANGE);
	assert_errno(setxattr(at("f"), "user.", "x", 1, 0), EINVAL);
	assert_errno(setxattr(at("f"), "mine.a", "x", 1, 0), ENOTSUP);
	assert_errno(setxattr(at("f"), "user.large", large, 65537, 0), E2BIG);
	assert_errno(setxattr(at("f"), nowhere, "x", 1, 0), EFAULT);
	assert_errno(setxattr(at("f"), "user.a", nowhere, 10, 0), EFAULT);
	assert_errno(getxattr(at("f"), name, nowhere, 10), EFAULT);
	assert_errno(listxattr(at("f"), nowhere, 1000), EFAULT);
	assert_errno(getxattr(at("none"), "user.a", v, 8), ENOENT);
	assert_errno(getxattr(at("f/"), name, v, 8), ENOTDIR);
	assert_errno(getxattr(at("f/x"), name, v, 8), ENOTDIR);
	path = open(at("f"), O_PATH);
	assert_true(path >= 0);
	assert_errno(fgetxattr(path, name, v, 8), EBADF);
	assert_ok(close(path));
	assert_ok(close(fd));
	assert_errno(fgetxattr(fd, name, v, 8), EBADF);
}

static void large_value_is_whole(void **state)
{
	static char want[65536], got[65536];
	struct stat before, after;
	int fd;

	NEEDS(user_known);
	fd = fresh_file("f");
	memset(want, 'w', sizeof(want));
	assert_ok(fstat(fd, &before));
	assert_ok(fsetxattr(fd, "user.large", want, sizeof(want), 0));
	assert_int_equal(fgetxattr(fd, "user.large", got, sizeof(got)), sizeof(got));
	assert_memory_equal(want, got, sizeof(got));
	assert_ok(fstat(fd, &after));
	assert_int_equal(before.st_size, after.st_size);
	if (on_umfs())
		assert_int_equal(after.st_blocks, before.st_blocks + 17 * 8);
	assert_ok(close(fd));
}

static void links_are_followed_or_not(void **state)
{
	char v[8];

	NEEDS(user_known);
	assert_ok(close(fresh_file("f")));
	(void)unlink(at("l"));
	assert_ok(symlink("f", at("l")));
	assert_ok(setxattr(at("l"), "user.a", "f", 1, 0));
	assert_int_equal(getxattr(at("f"), "user.a", v, 8), 1);
	assert_errno(lgetxattr(at("l"), "user.a", v, 8), ENODATA);
	assert_errno(lsetxattr(at("l"), "user.a", "l", 1, 0), EPERM);
	assert_int_equal(llistxattr(at("l"), v, 8), 0);
	if (trusted_known) {
		assert_ok(lsetxattr(at("l"), "trusted.a", "l", 1, 0));
		assert_int_equal(lgetxattr(at("l"), "trusted.a", v, 8), 1);
		assert_errno(getxattr(at("l"), "trusted.a", v, 8), ENODATA);
		assert_ok(lremovexattr(at("l"), "trusted.a"));
	}
	assert_ok(unlink(at("l")));
}

static void names_of_one_file_share(void **state)
{
	char v[8], proc[64];
	int fd;

	NEEDS(user_known);
	(void)unlink(at("g"));
	fd = fresh_file("f");
	assert_ok(link(at("f"), at("g")));
	assert_ok(setxattr(at("f"), "user.shared", "1", 1, 0));
	assert_int_equal(getxattr(at("g"), "user.shared", v, 8), 1);
	assert_ok(unlink(at("f")));
	assert_ok(unlink(at("g")));
	assert_int_equal(fgetxattr(fd, "user.shared", v, 8), 1);
	assert_ok(close(fd));
	fd = open(test_dir(), O_TMPFILE | O_RDWR, 0644);
	assert_true(fd >= 0);
	assert_ok(fsetxattr(fd, "user.tmp", "1", 1, 0));
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	assert_ok(linkat(AT_FDCWD, proc, AT_FDCWD, at("g"), AT_SYMLINK_FOLLOW));
	assert_int_equal(getxattr(at("g"), "user.tmp", v, 8), 1);
	assert_ok(close(fd));
	assert_ok(unlink(at("g")));
}

static void lists_set_the_mode(void **state)
{
	struct stat st;
	char v[100];

	NEEDS(acl_known);
	assert_ok(close(fresh_file("f")));
	assert_errno(getxattr(at("f"), ACCESS, v, sizeof(v)), ENODATA);
	assert_ok(setxattr(at("f"), ACCESS, acl, sizeof(acl), 0));
	assert_ok(stat(at("f"), &st));
	assert_int_equal(st.st_mode & 07777, 0754);
	assert_int_equal(getxattr(at("f"), ACCESS, v, sizeof(v)), sizeof(acl));
	assert_memory_equal(v, acl, sizeof(acl));
	/* chmod changes what it says of owner, mask and others. */
	assert_ok(chmod(at("f"), 0620));
	assert_int_equal(getxattr(at("f"), ACCESS, v, sizeof(v)), sizeof(acl));
	assert_int_equal(v[6], 6);
	assert_memory_not_equal(v, acl, sizeof(acl));
	assert_ok(chmod(at("f"), 0754));
	assert_int_equal(getxattr(at("f"), ACCESS, v, sizeof(v)), sizeof(acl));
	assert_memory_equal(v, acl, sizeof(acl));
	assert_ok(setxattr(at("f"), ACCESS, acl_minimal, sizeof(acl_minimal), 0));
	assert_ok(stat(at("f"), &st));
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_errno(getxattr(at("f"), ACCESS, v, sizeof(v)), ENODATA);
	assert_errno(setxattr(at("f"), ACCESS, acl, 7, 0), EINVAL);
	assert_ok(removexattr(at("f"), ACCESS));
	assert_errno(setxattr(at("f"), "system.posix_acl_default", acl, sizeof(acl), 0), EACCES);
}

/* As somebody else, where we may become one. */
static int as_nobody(void *arg)
{
	char v[8];

	(void)arg;
	CHILD_CHECK(setgid(65534) == 0 && setuid(65534) == 0);
	CHILD_CHECK(getxattr(at("f"), "user.a", v, 8) == 1);
	CHILD_CHECK(setxattr(at("f"), "user.a", "2", 1, 0) == -1 && errno == EACCES);
	CHILD_CHECK(removexattr(at("f"), "user.a") == -1 && errno == EACCES);
	CHILD_CHECK(getxattr(at("secret"), "user.a", v, 8) == -1 && errno == EACCES);
	CHILD_CHECK(setxattr(at("sticky"), "user.a", "2", 1, 0) == -1 && errno == EPERM);
	if (trusted_known) {
		CHILD_CHECK(getxattr(at("f"), "trusted.a", v, 8) == -1 && errno == ENODATA);
		CHILD_CHECK(setxattr(at("f"), "trusted.a", "2", 1, 0) == -1 && errno == EPERM);
		CHILD_CHECK(listxattr(at("f"), NULL, 0) == 7);
	}
	return 0;
}

static void rights_of_somebody_else(void **state)
{
	NEEDS(user_known && geteuid() == 0);
	assert_ok(close(fresh_file("f")));
	assert_ok(close(fresh_file("secret")));
	assert_ok(chmod(test_dir(), 0755));
	assert_ok(chmod(at("secret"), 0600));
	assert_ok(mkdir(at("sticky"), 0700));
	assert_ok(chmod(at("sticky"), 01777));
	assert_ok(setxattr(at("f"), "user.a", "1", 1, 0));
	assert_ok(setxattr(at("secret"), "user.a", "1", 1, 0));
	if (trusted_known)
		assert_ok(setxattr(at("f"), "trusted.a", "1", 1, 0));
	if (!on_umfs())
		assert_ok(chmod(getenv("SHIM_WORK"), 0755));
	assert_int_equal(in_child(as_nobody, NULL), 0);
	assert_ok(rmdir(at("sticky")));
	assert_ok(unlink(at("secret")));
}

static void by_number_the_same(void **state)
{
	char v[8];
	int fd;

	NEEDS(user_known);
	fd = fresh_file("f");
	assert_ok(syscall(SYS_setxattr, at("f"), "user.n", "1", 1l, 0l));
	assert_int_equal(syscall(SYS_fgetxattr, (long)fd, "user.n", v, 8l), 1);
	assert_int_equal(syscall(SYS_llistxattr, at("f"), v, 8l), 7);
	assert_ok(syscall(SYS_fremovexattr, (long)fd, "user.n"));
	assert_errno(syscall(SYS_lgetxattr, at("f"), "user.n", v, 8l), ENODATA);
	assert_ok(close(fd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_path_and_descriptor_the_same),
		cmocka_unit_test(wrong_arguments_refused),
		cmocka_unit_test(large_value_is_whole),
		cmocka_unit_test(links_are_followed_or_not),
		cmocka_unit_test(names_of_one_file_share),
		cmocka_unit_test(lists_set_the_mode),
		cmocka_unit_test(rights_of_somebody_else),
		cmocka_unit_test(by_number_the_same),
	};

	return cmocka_run_group_tests_name("xattr", tests, probe, NULL);
}
