// SPDX-License-Identifier: BSD-3-Clause
/*
 * early.c - a library that works with files in its constructor and destructor, before
 * and after everybody else, for test_life: linked to it once and loaded once.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int early_fd = -1;
const char *early_error;

static const char *work(const char *name)
{
	const char *dir = getenv("TEST_DIR");
	char path[4096];
	FILE *f;

	if (!dir)
		return NULL;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (f && (fputs("early", f) < 0 || fclose(f)))
		return "stream";
	early_fd = open(path, O_RDWR | O_CREAT | O_APPEND, 0644);
	if (early_fd < 0)
		return "open";
	if (write(early_fd, "text", 4) != 4)
		return "write";
	return NULL;
}

__attribute__((constructor(101))) static void begin(void)
{
	early_error = work(EARLY_NAME);
}

__attribute__((destructor(101))) static void end(void)
{
	if (early_fd >= 0 && (write(early_fd, "end", 3) != 3 || close(early_fd)))
		abort();
}
