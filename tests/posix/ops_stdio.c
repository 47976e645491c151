// SPDX-License-Identifier: BSD-3-Clause
/*
 * ops_stdio.c - libc's streams: they end in the calls that libumfs replaces.
 */
#include "posix.h"

static const char *arg_fmode(void)
{
	static const char *const modes[] = {"r", "r+", "w", "w+", "a", "a+", "rb", "w+b", "wx",
					    "re", "w+x", "q", ""};

	return chance(80) ? modes[pick(6)] : ONE_OF(modes);
}

static const char *arg_stream_path(void)
{
	const char *path = arg_open_path(AT_FDCWD);

	return path && path != bad_pointer() ? path : "a";
}

/* What a place in a directory is called is its own. */
static void say_place(void)
{
	struct stat st;

	if (!fstat(fileno(run.stream), &st) && !S_ISDIR(st.st_mode))
		say(" at %ld", ftell(run.stream));
}

static void keep_stream(FILE *f)
{
	answer_ok(f != NULL);
	if (!f)
		return;
	if (run.stream)
		fclose(run.stream);
	run.stream = f;
	if (chance(20))
		setvbuf(f, NULL, _IONBF, 0);
	say(" fd %d", fileno(f));
	say_place();
}

static void do_fopen(void)
{
	const char *path = arg_stream_path(), *mode = arg_fmode();

	say("fopen(%s, %s)", show(path), mode);
	keep_stream(fopen(path, mode));
}

static void do_fdopen(void)
{
	int fd = arg_fd(), slot = slot_of(fd);
	const char *mode = arg_fmode();
	FILE *f;

	say("fdopen(%d, %s)", fd, mode);
	f = fdopen(fd, mode);
	if (f && slot >= 0)
		run.slot[slot] = -1;
	keep_stream(f);
}

static void do_freopen(void)
{
	static const char *const modes[] = {"r", "r+", "w", "w+", "a", "a+", "wx", "re"};
	const char *path = arg_stream_path(), *mode = ONE_OF(modes);
	FILE *f;

	say("freopen(%s, %s)", show(path), mode);
	if (!run.stream)
		return;
	f = freopen(path, mode, run.stream);
	run.stream = f;
	answer_ok(f != NULL);
	if (f)
		say(" fd %d", fileno(f));
}

static void do_tmpfile(void)
{
	say("tmpfile");
	keep_stream(tmpfile());
}

/* Between reading and writing C wants one. */
static void turn(void)
{
	fseek(run.stream, 0, SEEK_CUR);
}

static void do_fread(void)
{
	static char buf[9000];
	size_t n = pick(sizeof(buf)), got;

	say("fread(%zu)", n);
	if (!run.stream)
		return;
	turn();
	errno = 0;
	got = fread(buf, 1, n, run.stream);
	say(" = %zu eof %d error %d %s", got, feof(run.stream), ferror(run.stream),
	    ferror(run.stream) ? strerrorname_np(errno) : "");
	say_bytes(buf, got);
}

static void do_fwrite(void)
{
	static char buf[9000];
	size_t n = pick(sizeof(buf)), done;

	say("fwrite(%zu)", n);
	if (!run.stream)
		return;
	fill(buf, n);
	turn();
	errno = 0;
	done = fwrite(buf, 1, n, run.stream);
	say(" = %zu error %d %s", done, ferror(run.stream),
	    ferror(run.stream) ? strerrorname_np(errno) : "");
}

static void do_fseek(void)
{
	static const int whences[] = {SEEK_SET, SEEK_CUR, SEEK_END};
	long off = chance(70) ? (long)pick(6000) : -(long)pick(100);
	int whence = ONE_OF(whences);

	say("fseek(%ld, %d)", off, whence);
	if (!run.stream)
		return;
	answer(fseek(run.stream, off, whence));
	say_place();
}

/* A byte pushed back is the next one, and a seek drops it. */
static void do_ungetc(void)
{
	int c;

	say("ungetc");
	if (!run.stream)
		return;
	turn();
	c = getc(run.stream);
	say(" got %d", c);
	if (c == EOF)
		return;
	say(" %d at %ld", ungetc(chance(50) ? c : 'z', run.stream), ftell(run.stream));
	if (chance(40))
		answer(fseek(run.stream, 0, SEEK_CUR));
	say(" then %d at %ld", getc(run.stream), ftell(run.stream));
}

static void do_text(void)
{
	char *line = NULL;
	size_t room = 0;

	say("text");
	if (!run.stream)
		return;
	turn();
	if (chance(50)) {
		say(" %d", fprintf(run.stream, "line %u\nmore %s\n", pick(1000), "words"));
		return;
	}
	say(" %zd", getline(&line, &room, run.stream));
	free(line);
}

static void do_fflush(void)
{
	int what = 1 + (int)pick(4);

	say("stream %d", what);
	if (!run.stream)
		return;
	switch (what) {
	case 1:
		rewind(run.stream);
		break;
	case 2:
		clearerr(run.stream);
		break;
	default:
		answer(fflush(run.stream));
	}
}

static void do_fclose(void)
{
	say("fclose");
	if (!run.stream)
		return;
	answer(fclose(run.stream));
	run.stream = NULL;
}

const struct op stdio_ops[] = {
	{"fopen", STDIO, 16, do_fopen},	  {"fdopen", STDIO, 6, do_fdopen},
	{"freopen", STDIO, 4, do_freopen}, {"tmpfile", STDIO, 2, do_tmpfile},
	{"fread", STDIO, 12, do_fread},	  {"fwrite", STDIO, 14, do_fwrite},
	{"fseek", STDIO, 10, do_fseek},	  {"ungetc", STDIO, 6, do_ungetc},
	{"text", STDIO, 8, do_text},	  {"fflush", STDIO, 8, do_fflush},
	{"fclose", STDIO, 5, do_fclose}, {0},
};
