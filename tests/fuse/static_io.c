// SPDX-License-Identifier: BSD-3-Clause
/*
 * static_io.c - what a program without libumfs does with a descriptor that it was given;
 * linked statically, so that nothing can be preloaded.
 *
 * usage: static_io [OPERATION FD [ARGUMENT]]...
 *   write FD TEXT, read FD COUNT, pread FD OFFSET (one byte), seek FD OFFSET,
 *   append FD 0|1 (set the flag), trunc FD SIZE, show FD (links, size, flags),
 *   cwd 0 NAME (is it there), at FD NAME (is it there), blocks FD COUNT (so many for each of four threads)
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check(const char *what, long ret)
{
	if (ret < 0)
		printf("%s: %s\n", what, strerror(errno));
	return ret < 0;
}

static int show(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (check("show", fstat(fd, &st)) || check("show", flags))
		return 1;
	printf("links %d size %lld %s%s\n", (int)st.st_nlink, (long long)st.st_size,
	       (flags & O_ACCMODE) == O_RDONLY ? "r" : (flags & O_ACCMODE) == O_WRONLY ? "w" : "rw",
	       flags & O_APPEND ? "a" : "");
	return 0;
}

static int read_some(int fd, size_t n)
{
	char buf[4096];
	long got = read(fd, buf, n < sizeof(buf) ? n : sizeof(buf));

	if (got > 0)
		printf("%.*s\n", (int)got, buf);
	return check("read", got);
}

static int read_at(int fd, off_t off)
{
	char c = 0;

	if (check("pread", pread(fd, &c, 1, off)))
		return 1;
	printf("%c\n", c);
	return 0;
}

#define THREADS 4
#define BLOCK 512
struct worker {
	int fd, number;
	long count;
	const char *failed;
};

/* Every fourth block is this one's, and nobody's position. */
static void *work(void *arg)
{
	struct worker *w = arg;
	char wrote[BLOCK], got[BLOCK];

	for (long i = 0; i < w->count; i++) {
		off_t at = (i * THREADS + w->number) * BLOCK;

		memset(wrote, 'a' + (int)((i + w->number) % 26), BLOCK);
		if (pwrite(w->fd, wrote, BLOCK, at) != BLOCK)
			w->failed = "written";
		else if (pread(w->fd, got, BLOCK, at) != BLOCK)
			w->failed = "read";
		else if (memcmp(wrote, got, BLOCK))
			w->failed = "as they were written";
	}
	return NULL;
}

static int blocks(int fd, long count)
{
	struct worker w[THREADS];
	pthread_t t[THREADS];
	int failed = 0;

	for (int i = 0; i < THREADS; i++) {
		w[i] = (struct worker){fd, i, count, NULL};
		if (pthread_create(&t[i], NULL, work, &w[i]))
			return 1;
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		if (w[i].failed)
			printf("not all blocks were %s\n", w[i].failed);
		failed |= !!w[i].failed;
	}
	return failed;
}

static int one(const char *what, int fd, const char *arg)
{
	if (!strcmp(what, "write"))
		return check(what, write(fd, arg, strlen(arg)));
	if (!strcmp(what, "read"))
		return read_some(fd, (size_t)atol(arg));
	if (!strcmp(what, "pread"))
		return read_at(fd, atol(arg));
	if (!strcmp(what, "seek"))
		return check(what, lseek(fd, atol(arg), SEEK_SET));
	if (!strcmp(what, "append"))
		return check(what, fcntl(fd, F_SETFL, atoi(arg) ? O_APPEND : 0));
	if (!strcmp(what, "trunc"))
		return check(what, ftruncate(fd, atol(arg)));
	if (!strcmp(what, "blocks"))
		return blocks(fd, atol(arg));
	if (!strcmp(what, "at"))
		return check(arg, faccessat(fd, arg, F_OK, 0));
	if (!strcmp(what, "cwd"))
		return check(arg, access(arg, F_OK));
	return show(fd);
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i + 2 < argc; i += 3)
		failed |= one(argv[i], atoi(argv[i + 1]), argv[i + 2]);
	return failed;
}
