// SPDX-License-Identifier: BSD-3-Clause
/* real.c - see real.h. */
#include "real.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

void real_make(char path[256], const char *name, uint64_t bytes, uint32_t durability,
	       uint64_t inodes)
{
	const char *dir = getenv("UMFS_TEST_DIR");
	struct umfs_format f = {.pool_pages = bytes >> UMFS_PAGE_SHIFT,
				.inode_count = inodes,
				.durability = durability,
				.root_mode = 0755,
				.now_ns = 1700000000000000000ull};
	struct pool *p = calloc(1, sizeof(*p));
	int fd;

	snprintf(path, 256, "%s/umfs-%s-%d", dir ? dir : "/dev/shm", name, (int)getpid());
	memcpy(f.uuid, "tests real pool", 16);
	f.hash_key[0] = 0x0706050403020100ull;
	f.hash_key[1] = 0x0f0e0d0c0b0a0908ull;
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (!p || fd < 0 || ftruncate(fd, (off_t)bytes))
		die("can not make the pool %s", path);
	close(fd);
	need(pool_map(p, path, 0));
	need(umfs_format_write(&p->fs, &f));
	pool_close(p);
	free(p);
}

struct pool *real_attach(const char *path, uint32_t mode)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p)
		die("out of memory");
	need(pool_attach(p, path, mode));
	return p;
}

/* ---- images ---- */

static uint8_t *map_file(const char *path, uint64_t *bytes)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	void *p;

	if (fd < 0 || fstat(fd, &st))
		die("can not open %s", path);
	*bytes = (uint64_t)st.st_size;
	p = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("can not map %s", path);
	close(fd);
	return p;
}

static bool is_zero(const uint8_t *page)
{
	return !page[0] && !memcmp(page, page + 1, UMFS_PAGE_BYTES - 1);
}

struct real_image *real_save(const char *path)
{
	struct real_image *image = calloc(1, sizeof(*image));
	uint8_t *file = image ? map_file(path, &image->bytes) : NULL;
	uint64_t pages = image ? image->bytes / UMFS_PAGE_BYTES : 0, i;

	if (!image)
		return NULL;
	for (i = 0; i < pages; i++)
		image->count += !is_zero(file + i * UMFS_PAGE_BYTES);
	image->page = calloc(image->count, sizeof(*image->page));
	image->data = malloc(image->count * UMFS_PAGE_BYTES);
	if (!image->page || !image->data)
		die("out of memory");
	for (i = 0, image->count = 0; i < pages; i++) {
		if (is_zero(file + i * UMFS_PAGE_BYTES))
			continue;
		image->page[image->count] = i;
		memcpy(image->data + image->count++ * UMFS_PAGE_BYTES, file + i * UMFS_PAGE_BYTES,
		       UMFS_PAGE_BYTES);
	}
	munmap(file, image->bytes);
	return image;
}

void real_restore(const char *path, const struct real_image *image)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint64_t i;

	if (fd < 0 || ftruncate(fd, 0) || ftruncate(fd, (off_t)image->bytes))
		die("can not restore %s", path);
	for (i = 0; i < image->count; i++)
		if (pwrite(fd, image->data + i * UMFS_PAGE_BYTES, UMFS_PAGE_BYTES,
			   (off_t)(image->page[i] * UMFS_PAGE_BYTES)) != UMFS_PAGE_BYTES)
			die("can not restore %s", path);
	close(fd);
}

void real_image_free(struct real_image *image)
{
	free(image->page);
	free(image->data);
	free(image);
}

int real_fsck(const char *fsck, const char *path)
{
	char text[8192];
	ssize_t got, used = 0;
	int pipes[2], status;
	pid_t pid;

	if (pipe(pipes))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		dup2(pipes[1], 1);
		dup2(pipes[1], 2);
		close(pipes[0]);
		execl(fsck, fsck, "-n", path, (char *)NULL);
		_exit(127);
	}
	close(pipes[1]);
	while ((got = read(pipes[0], text + used, sizeof(text) - 1 - (size_t)used)) > 0)
		used += got;
	close(pipes[0]);
	text[used] = 0;
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		die("%s died: %s", fsck, text);
	if (WEXITSTATUS(status))
		fprintf(stderr, "%s", text);
	return WEXITSTATUS(status);
}
