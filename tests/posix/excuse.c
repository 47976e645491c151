// SPDX-License-Identifier: BSD-3-Clause
/*
 * excuse.c - what differs on purpose, or not yet: each is done on both sides here, and
 * kept out of the sequences. docs/POSIX.md has the same table, which `check` sees to.
 *
 * The answer under libumfs must be the one in the table. On tmpfs it is the kernel's
 * to give: another one is told and no failure.
 */
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "posix.h"

struct excuse {
	const char *what, *tmpfs, *umfs;
	void (*run)(char *answer);
};

static void tell(char *answer, long ret)
{
	if (ret < 0)
		strcpy(answer, strerrorname_np(errno));
	else
		sprintf(answer, "%ld", ret);
}

static int new_file(void)
{
	return open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
}

static void size(char *answer)
{
	int fd = new_file();

	tell(answer, pwrite(fd, "x", 1, 1ll << 40));
	ftruncate(fd, 0);
	close(fd);
}

static void fifo(char *answer)
{
	int fd;

	mkfifo("p", 0600);
	fd = open("p", O_RDWR);
	tell(answer, fd < 0 ? -1 : 0);
	if (fd >= 0)
		close(fd);
	unlink("p");
}

static void both_locks(char *answer)
{
	struct flock lk = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	int fd = new_file(), next[4];

	fcntl(fd, F_SETLK, &lk);
	fcntl(fd, F_OFD_SETLK, &lk);
	for (unsigned i = 0; i < COUNT(next); i++)
		next[i] = dup(1);
	strcpy(answer, next[3] == fd + 4 ? "none" : "one");
	for (unsigned i = 0; i < COUNT(next); i++)
		close(next[i]);
	close(fd);
}

static void proc_link(char *answer)
{
	int fd = new_file();
	char link[40], to[PATH_MAX];
	ssize_t n;

	mkdir("d", 0700);
	rename("f", "d/f");
	sprintf(link, "/proc/self/fd/%d", fd);
	n = readlink(link, to, sizeof(to) - 1);
	to[n < 0 ? 0 : n] = '\0';
	strcpy(answer, n > 2 && !strcmp(to + n - 2, "/f") ? "its path" : "another");
	unlink("d/f");
	rmdir("d");
	close(fd);
}

static void bad_write(char *answer)
{
	void *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = new_file();

	if (!SANITIZED)
		pwrite(fd, none, 100, 5000);
	tell(answer, lseek(fd, 0, SEEK_END));
	close(fd);
}

static void map_times(char *answer)
{
	struct timespec t[2] = {{1000, 0}, {1000, 0}};
	int fd = new_file();
	struct stat st;
	void *p;

	write(fd, "text", 4);
	futimens(fd, t);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	fstat(fd, &st);
	strcpy(answer, st.st_mtime == 1000 ? "as before" : "now");
	munmap(p, 4096);
	close(fd);
}

static void lease(char *answer)
{
	int fd = new_file(), ro;

	close(fd);
	ro = open("f", O_RDONLY);
	tell(answer, fcntl(ro, F_SETLEASE, F_RDLCK));
	close(ro);
}

static void removed_twice(char *answer)
{
	int here = open(".", O_RDONLY | O_DIRECTORY);

	mkdir("d", 0700);
	mkdir("d/d", 0700);
	chdir("d/d");
	rmdir("../../d/d");
	rmdir("../../d");
	tell(answer, chdir(".."));
	fchdir(here);
	rmdir("d/d");
	rmdir("d");
	close(here);
}

static const struct excuse excuses[] = {
	{"a file longer than 512 GiB: `pwrite` at 1 TiB", "1", "EFBIG", size},
	{"opening a FIFO", "0", "EOPNOTSUPP", fifo},
	{"POSIX and OFD locks on one file by one process, or POSIX locks and a fork: further descriptor numbers in use", "none",
	 "one", both_locks},
	{"`readlink` of `/proc/self/fd/N` of a file that was moved to another directory, removed, or opened before exec", "its path", "another", proc_link},
	{"the end of a file after a write past it failed with `EFAULT`", "5000", "0", bad_write},
	{"time of change after a shared writable mapping was made and not stored to", "as before",
	 "now", map_times},
	{"`F_SETLEASE`", "0", "EINVAL", lease},
	{"`chdir(\"..\")` in a removed directory whose parent was removed too", "0", "ENOENT",
	 removed_twice},
};

/* excuses table: rows of a table; excuses DIR: answers, a line each. */
int excuse_main(int argc, char **argv)
{
	char answer[64];

	if (argc != 2)
		return 2;
	if (strcmp(argv[1], "table") && (mkdir(argv[1], 0700) || chdir(argv[1])))
		return 3;
	for (unsigned i = 0; i < COUNT(excuses); i++) {
		const struct excuse *e = &excuses[i];

		if (!strcmp(argv[1], "table")) {
			printf("| %s | `%s` | `%s` |\n", e->what, e->tmpfs, e->umfs);
			continue;
		}
		e->run(answer);
		unlink("f");
		printf("%s\n", answer);
	}
	return fflush(stdout) || (strcmp(argv[1], "table") && (chdir("/") || rmdir(argv[1]))) ? 3 : 0;
}

/* The answer of excuse i on one side; false: not what the table says. */
bool excuse_holds(unsigned i, const char *tmpfs, const char *umfs)
{
	const struct excuse *e = &excuses[i];

	/* Some need a right, a feature of the kernel, or no sanitizer. */
	if (strcmp(tmpfs, e->tmpfs))
		printf("note: on this tmpfs '%s' is %s, not %s\n", e->what, tmpfs, e->tmpfs);
	if (!strcmp(umfs, e->umfs))
		return true;
	printf("'%s': the table says %s, UMFS %s\n", e->what, e->umfs, umfs);
	return false;
}

unsigned excuse_count(void)
{
	return COUNT(excuses);
}
