// SPDX-License-Identifier: BSD-3-Clause
/*
 * hostile.c - damaged pools are attached, walked, read, changed and detached; every other one
 * is mounted first, and the same done there.
 *
 *   kmod-hostile DEVICE DIR ROUNDS [SEED]
 *
 * DIR has base.KIND, pools as they were, and NAME:KIND, damage to them: each a row of
 * (offset, bytes, data), numbers of 8 bytes. After those come ROUNDS pools in which words
 * at random places were changed. What calls answer does not matter; that they answer, that
 * the kernel has nothing to say, and that the pool can be let go does.
 */
#include <dirent.h>
#include <grp.h>
#include <signal.h>
#include <sys/mount.h>

#include "kmod_test.h"

#define NAMES_MAX 64
#define DEPTH_MAX 6
#define READ_BYTES (256u << 10)

int pool, checks, failures;

static const char *device;
static int control;
static unsigned attached, refused;
static char *buf;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- the device's content ---- */

struct chunk {
	uint64_t off, bytes;
};

static void put(int fd, const char *dir, const char *name)
{
	char path[512];
	struct chunk c;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	if (!f)
		die(path);
	while (fread(&c, sizeof(c), 1, f) == 1) {
		char *data = malloc(c.bytes);

		if (!data || fread(data, c.bytes, 1, f) != 1 ||
		    pwrite(fd, data, c.bytes, (off_t)c.off) != (ssize_t)c.bytes)
			die("put");
		free(data);
	}
	fclose(f);
}

static uint64_t random_state = 1;
static uint64_t rnd(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Some words of what the base has, changed: a bit, another word of it, anything. */
static void spoil(int fd, const char *dir, const char *base)
{
	char path[512];
	struct chunk c[256];
	size_t n = 0, i;
	uint64_t word;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, base);
	f = fopen(path, "re");
	if (!f)
		die(path);
	while (n < 256 && fread(&c[n], sizeof(c[n]), 1, f) == 1)
		fseek(f, (long)c[n++].bytes, SEEK_CUR);
	fclose(f);
	for (i = 0; i < 1 + rnd() % 64; i++) {
		struct chunk *in = &c[rnd() % n];
		off_t at = (off_t)(in->off + (rnd() % in->bytes & ~7ull));

		if (at < 4096 || pread(fd, &word, 8, at) != 8)
			continue;
		switch (rnd() % 4) {
		case 0:
			word ^= 1ull << rnd() % 64;
			break;
		case 1:
			word += rnd() % 3 - 1;
			break;
		case 2:
			word = rnd();
			break;
		default:
			word = 0;
		}
		if (pwrite(fd, &word, 8, at) != 8)
			die("spoil");
	}
}

/* ---- what is done to it ---- */

static void touch_file(const char *path)
{
	int fd = k_open(path, O_RDWR, 0), status;
	struct stat st;
	char *at;
	pid_t child;

	if (fd < 0)
		fd = k_open(path, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return;
	fstat(fd, &st);
	(void)!pread(fd, buf, READ_BYTES, 0);
	(void)!pread(fd, buf, READ_BYTES, st.st_size / 2);
	(void)!pread(fd, buf, READ_BYTES, st.st_size - 5000);
	at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED) {
		child = fork();
		if (!child) {
			buf[0] = at[0];
			at[4096] = 1;
			_exit(0);
		}
		waitpid(child, &status, 0);
		munmap(at, 1 << 20);
	}
	(void)!pwrite(fd, buf, 10000, 100);
	(void)!pwrite(fd, buf, 10000, st.st_size / 2);
	(void)!pwrite(fd, buf, 5000, st.st_size);
	(void)!fallocate(fd, 3, 4096, 100000);
	(void)!ftruncate(fd, st.st_size / 3);
	fsync(fd);
	close(fd);
}

/* Names first, then what they name: the directory changes below us. */
static void walk(const char *path, int depth)
{
	int fd = k_open(path, O_RDONLY | O_DIRECTORY, 0), n = 0, i, seen = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char names[NAMES_MAX][256];
	struct dirent *e;

	while (d && (e = readdir(d)) && ++seen < 100000)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && n < NAMES_MAX)
			strcpy(names[n++], e->d_name);
	if (d)
		closedir(d);
	for (i = 0; i < n; i++) {
		struct umfs_ioc_attr attr;
		char at[2048];

		if (snprintf(at, sizeof(at), "%s/%.255s", path, names[i]) >= (int)sizeof(at))
			continue;
		if (k_stat(at, UMFS_IOC_NOFOLLOW, &attr))
			continue;
		if (S_ISDIR(attr.mode) && depth < DEPTH_MAX)
			walk(at, depth + 1);
		else if (S_ISLNK(attr.mode))
			k_readlink(at, buf, 4096);
		else
			touch_file(at);
		if (i % 3 == 0)
			k_unlink(at, S_ISDIR(attr.mode) ? UMFS_IOC_REMOVEDIR : 0);
		else if (i % 3 == 1)
			k_rename(at, "/moved", 0);
	}
}

/* The same where it is mounted, by the kernel's calls on names. */
static void walk_mounted(int dir, int depth)
{
	int copy = dup(dir), n = 0, i, seen = 0, fd;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	char names[NAMES_MAX][256];
	struct dirent *e;
	struct stat st;

	while (d && (e = readdir(d)) && ++seen < 100000)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && n < NAMES_MAX)
			strcpy(names[n++], e->d_name);
	for (i = 0; i < n; i++) {
		if (fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (S_ISLNK(st.st_mode))
			(void)!readlinkat(dir, names[i], buf, 4096);
		fd = openat(dir, names[i], O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
		if (fd >= 0 && S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
			walk_mounted(fd, depth + 1);
		else if (fd >= 0)
			(void)!pread(fd, buf, READ_BYTES, st.st_size / 2);
		(void)!fstatat(fd, "..", &st, 0);
		(void)!linkat(dir, names[i], dir, "linked", 0);
		if (i % 4 == 0)
			(void)!renameat(dir, names[i], dir, "moved");
		if (i % 4 == 1)
			unlinkat(dir, names[i], S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
		unlinkat(dir, "linked", 0);
		close(fd);
	}
	if (d)
		closedir(d);
}

static void use_mounted(void)
{
	int dir, fd;

	mkdir("/mnt/hostile", 0755);
	if (mount("hostile", "/mnt/hostile", "umfs", MS_NODEV, NULL))
		return;
	dir = open("/mnt/hostile", O_RDONLY | O_DIRECTORY);
	if (dir >= 0) {
		walk_mounted(dir, 0);
		mkdirat(dir, "new", 0755);
		fd = openat(dir, "new/file", O_RDWR | O_CREAT, 0600);
		(void)!pwrite(fd, buf, READ_BYTES, 12345);
		close(fd);
		(void)!renameat(dir, "new/file", dir, "file");
		close(dir);
	}
	CHECK(umount2("/mnt/hostile", 0) == 0 && rmdir("/mnt/hostile") == 0);
}

static void use(void)
{
	int fd;

	pool = open("/dev/umfs/hostile", O_RDONLY | O_CLOEXEC);
	if (pool < 0)
		die("/dev/umfs/hostile");
	walk("", 0);
	k_mkdir("new", 0755);
	fd = k_open("new/file", O_RDWR | O_CREAT, 0600);
	if (fd >= 0) {
		(void)!pwrite(fd, buf, READ_BYTES, 12345);
		k_unlink("new/file", 0);
		close(fd);
	}
	close(pool);
}

static void one(const char *name)
{
	struct umfs_ioc_attach a = {.mode = 3, .name = "hostile"};
	struct umfs_ioc_detach d = {.name = "hostile"};
	int err = 0;

	strncpy(a.device, device, sizeof(a.device) - 1);
	if (ioctl(control, UMFS_IOC_ATTACH, &a)) {
		err = errno;
		refused++;
	} else {
		attached++;
		if (attached % 2)
			use_mounted();
		use();
		CHECK(ioctl(control, UMFS_IOC_DETACH, &d) == 0);
	}
	printf("%s: %s\n", name, err ? strerror(err) : "attached");
	fflush(stdout);
}

static int prepare(const char *dir, const char *kind)
{
	int fd = open(device, O_RDWR | O_CLOEXEC);
	char base[32];

	if (fd < 0)
		die(device);
	snprintf(base, sizeof(base), "base.%s", kind);
	put(fd, dir, base);
	return fd;
}

static void finish(int fd)
{
	if (fsync(fd))
		die("fsync");
	close(fd);
}

int main(int argc, char **argv)
{
	long rounds, i, seed;
	struct dirent *e;
	char name[64];
	DIR *d;
	int fd;

	if (argc < 4)
		return 2;
	device = argv[1];
	rounds = atol(argv[3]);
	seed = argc > 4 ? atol(argv[4]) : 1;
	buf = malloc(1 << 20);
	control = open(UMFS_CONTROL_NODE, O_RDONLY | O_CLOEXEC);
	d = opendir(argv[2]);
	if (control < 0 || !d || !buf)
		die("kmod-hostile");
	while ((e = readdir(d))) {
		const char *kind = strchr(e->d_name, ':');

		if (!kind)
			continue;
		fd = prepare(argv[2], kind + 1);
		put(fd, argv[2], e->d_name);
		finish(fd);
		one(e->d_name);
	}
	for (i = seed; i < seed + rounds; i++) {
		const char *kind = i % 2 ? "clean" : "crash";

		random_state = 0x9e3779b97f4a7c15ull * (uint64_t)i;
		snprintf(name, sizeof(name), "base.%s", kind);
		fd = prepare(argv[2], kind);
		spoil(fd, argv[2], name);
		finish(fd);
		snprintf(name, sizeof(name), "seed %ld", i);
		one(name);
	}
	printf("%u attached, %u refused, %d failed\n", attached, refused, failures);
	/* Of the table both kinds are known to be many. */
	return failures || attached < 100 || refused < 5;
}
