// SPDX-License-Identifier: BSD-3-Clause
/* host.c - a program with threads and a child that works with files; hosts.sh builds it with sanitizers. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ROUNDS 60
#define BYTES 5000

static const char *stream(const char *path)
{
	char out[BYTES], *in = malloc(BYTES);
	FILE *f = fopen(path, "w+");
	const char *bad = NULL;

	if (!f || !in)
		return "fopen";
	memset(out, 'x', BYTES);
	if (fwrite(out, 1, BYTES, f) != BYTES || fflush(f))
		bad = "fwrite";
	rewind(f);
	if (fread(in, 1, BYTES, f) != BYTES || memcmp(in, out, BYTES))
		bad = "fread";
	free(in);
	return fclose(f) ? "fclose" : bad;
}

static const char *calls(const char *path)
{
	char buf[64];
	int fd = open(path, O_RDWR | O_APPEND);

	if (fd < 0 || pread(fd, buf, sizeof(buf), 100) != sizeof(buf) || buf[63] != 'x')
		return "pread";
	if (write(fd, "end", 3) != 3 || lseek(fd, 0, SEEK_END) != BYTES + 3)
		return "write";
	return close(fd) ? "close" : NULL;
}

/* Strings that end where their memory does. */
static const char *names(const char *path)
{
	char *own = strdup(path), *name = strdup("user.name"), *none = strdup("/nowhere/to/be/found");
	const char *bad = NULL;
	char value[2];

	if (!own || !name || !none)
		return "strdup";
	if (setxattr(own, name, "v", 1, 0) || getxattr(own, name, value, sizeof(value)) != 1)
		bad = "xattr";
	if (open(none, O_RDONLY) != -1 || errno != ENOENT)
		bad = "open";
	free(own);
	free(name);
	free(none);
	return bad;
}

static void *work(void *name)
{
	const char *bad = NULL;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", getenv("TEST_DIR"), (const char *)name);
	for (int i = 0; i < ROUNDS && !bad; i++) {
		bad = stream(path);
		if (!bad)
			bad = calls(path);
		if (!bad)
			bad = names(path);
	}
	if (!bad && unlink(path))
		bad = "unlink";
	if (bad)
		printf("%s: %s\n", (const char *)name, bad);
	return (void *)bad;
}

int main(void)
{
	static char names[3][8] = {"one", "two", "three"};
	pthread_t threads[3];
	int status, failed = 0;
	void *bad;
	pid_t pid;

	for (int i = 0; i < 3; i++)
		if (pthread_create(&threads[i], NULL, work, names[i]))
			return 2;
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], &bad);
		failed |= bad != NULL;
	}
	pid = fork();
	if (!pid)
		_exit(work(names[0]) ? 1 : 0);
	if (waitpid(pid, &status, 0) != pid || status || failed)
		return 1;
	puts("all is well");
	return 0;
}
