// SPDX-License-Identifier: BSD-3-Clause
/*
 * replay.c - a target without libFuzzer: what is kept in corpus/ is done once more.
 *
 *   fuzz-TARGET CORPUS...          each input of these lists, which must not find anything
 *   fuzz-TARGET --unpack DIR CORPUS...  a file for each, for libFuzzer to begin with
 *   fuzz-TARGET --random COUNT FIRST    inputs at random, of these numbers: for where there is
 *                                       no libFuzzer
 *
 * A list has an input a line, in hexadecimal, and comments behind '#'.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuzz.h"

#define SECONDS 20 /* for one input, on a machine that is busy; it takes milliseconds */

static char place[4200];
static size_t place_len;

/* Which input it was, whatever ends the program. */
static void on_end(int sig)
{
	ssize_t ignored = write(STDERR_FILENO, place, place_len);

	(void)ignored;
	signal(sig, SIG_DFL);
	raise(sig);
}

static void say_where(void)
{
	static const int signals[] = {SIGABRT, SIGALRM, SIGSEGV, SIGBUS};

	for (size_t i = 0; i < UMFS_ARRAY_LEN(signals); i++)
		signal(signals[i], on_end);
}

static int digit(int c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t parse(const char *line, uint8_t *data)
{
	size_t n = 0;

	for (; digit(line[0]) >= 0 && digit(line[1]) >= 0 && n < INPUT_MAX; line += 2)
		data[n++] = (uint8_t)(digit(line[0]) << 4 | digit(line[1]));
	return n;
}

static void unpack(const char *dir, unsigned int number, const uint8_t *data, size_t n)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%04u", dir, number);
	f = fopen(path, "wb");
	if (!f || fwrite(data, 1, n, f) != n || fclose(f)) {
		perror(path);
		exit(1);
	}
}

/* How many inputs the list has. */
static unsigned int each(const char *path, const char *dir)
{
	static char line[2 * INPUT_MAX + 256];
	uint8_t data[INPUT_MAX];
	unsigned int number = 0, count = 0;
	FILE *f = fopen(path, "r");

	if (!f) {
		perror(path);
		exit(1);
	}
	while (fgets(line, sizeof(line), f)) {
		size_t n = parse(line, data);

		number++;
		if (!n)
			continue;
		count++;
		place_len = (size_t)snprintf(place, sizeof(place), "%s:%u\n", path, number);
		alarm(SECONDS);
		if (dir)
			unpack(dir, number, data, n);
		else
			fuzz_one(data, n);
		alarm(0);
	}
	fclose(f);
	return count;
}

static void at_random(unsigned long count, unsigned long first)
{
	static uint8_t data[INPUT_MAX];

	for (unsigned long number = first; number < first + count; number++) {
		uint64_t state = number;

		place_len = (size_t)snprintf(place, sizeof(place), "--random 1 %lu\n", number);
		alarm(SECONDS);
		/* What a number may be depends on what the last pool held: so that one alone is the same. */
		image_load(&(struct head){0});
		fuzz_one(data, random_input(data, INPUT_MAX, &state));
		alarm(0);
	}
}

int main(int argc, char **argv)
{
	const char *dir = argc > 3 && !strcmp(argv[1], "--unpack") ? argv[2] : NULL;
	unsigned int count = 0;

	say_where();
	if (argc == 4 && !strcmp(argv[1], "--random")) {
		at_random(strtoul(argv[2], NULL, 0), strtoul(argv[3], NULL, 0));
		return 0;
	}
	for (int i = dir ? 3 : 1; i < argc; i++)
		count += each(argv[i], dir);
	fprintf(stderr, "%u inputs\n", count);
	return count ? 0 : 1;
}
