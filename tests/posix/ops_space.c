// SPDX-License-Identifier: BSD-3-Clause
/*
 * ops_space.c - space without bytes, and copies between descriptors.
 */
#include <sys/sendfile.h>

#include "posix.h"

static const struct flag modes[] = {{FALLOC_FL_KEEP_SIZE, "KEEP_SIZE"},
				    {FALLOC_FL_PUNCH_HOLE, "PUNCH_HOLE"},
				    {FALLOC_FL_ZERO_RANGE, "ZERO_RANGE"},
				    {FALLOC_FL_COLLAPSE_RANGE, "COLLAPSE"},
				    {FALLOC_FL_INSERT_RANGE, "INSERT"},
				    {FALLOC_FL_UNSHARE_RANGE, "UNSHARE"}};

/* Both have it: tmpfs knows nothing more. */
static void do_fallocate(void)
{
	static const int known[] = {0, 0, 1, 1, 3, 3, 3, 2, 8, 0x20, 0x40, 0x41, 0x100};
	int fd = arg_fd(), mode = ONE_OF(known), ret;
	off_t off = arg_off(), n = arg_off();

	if (off > (1 << 24) && off < INT64_MAX / 2)
		off = 4096;
	if (n > (1 << 22))
		n = chance(50) ? 8192 : INT64_MAX;
	say("fallocate(%d, %s, %lld, %lld)", fd, SHOW_FLAGS(modes, mode), (long long)off,
	    (long long)n);
	ret = fallocate(fd, mode, off, n);
	answer(ret);
	run.allocated += !ret;
}

static void do_posix_fallocate(void)
{
	int fd = arg_fd(), err;
	off_t off = arg_off() % (1 << 20), n = arg_off() % (1 << 20);

	err = posix_fallocate(fd, off, n);
	say("posix_fallocate(%d, %lld, %lld) = %d", fd, (long long)off, (long long)n, err);
	run.allocated += !err;
}

static void do_fadvise(void)
{
	int fd = arg_fd(), advice = (int)pick(9) - 1;
	off_t off = arg_off(), n = arg_off();

	say("posix_fadvise(%d, %lld, %lld, %d) = %d", fd, (long long)off, (long long)n, advice,
	    posix_fadvise(fd, off, n, advice));
}

static void do_readahead(void)
{
	int fd = arg_fd();
	off_t off = arg_off();

	say("readahead(%d, %lld)", fd, (long long)off);
	answer(readahead(fd, off, 4096));
}

static void say_offsets(bool in, off_t in_off, bool out, off_t out_off)
{
	if (in)
		say(" in %lld", (long long)in_off);
	if (out)
		say(" out %lld", (long long)out_off);
}

static void do_copy_file_range(void)
{
	int in = arg_fd(), out = arg_fd();
	off_t in_off = arg_off(), out_off = arg_off();
	bool in_at = chance(60), out_at = chance(60);
	size_t n = arg_len() * (chance(20) ? 10 : 1);
	unsigned flags = chance(3) ? 1 : 0;

	say("copy_file_range(%d, %lld, %d, %lld, %zu, %u)", in, in_at ? (long long)in_off : -999ll,
	    out, out_at ? (long long)out_off : -999ll, n, flags);
	answer(copy_file_range(in, in_at ? &in_off : NULL, out, out_at ? &out_off : NULL, n,
			       flags));
	say_offsets(in_at, in_off, out_at, out_off);
}

static void drain(int fd)
{
	static char room[1 << 16];
	ssize_t n;

	while ((n = read(fd, room, sizeof(room))) > 0)
		say_bytes(room, (size_t)n);
}

/* By sendfile or by splice, and what the pipe holds then. */
static void into_pipe(bool by_splice)
{
	int in = arg_fd(), ends[2];
	off_t off = arg_off();
	bool at = chance(60);
	off_t *from = at ? &off : NULL;
	size_t n = arg_len();

	if (pipe2(ends, O_NONBLOCK))
		return;
	say("%s(%d, %lld, pipe, %zu)", by_splice ? "splice" : "sendfile", in,
	    at ? (long long)off : -999ll, n);
	answer(by_splice ? splice(in, from, ends[1], NULL, n, 0)
			 : sendfile(ends[1], in, from, n));
	say_offsets(at, off, false, 0);
	close(ends[1]);
	drain(ends[0]);
	close(ends[0]);
}

static void do_sendfile(void)
{
	into_pipe(false);
}

static void do_splice_from(void)
{
	into_pipe(true);
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return !fstat(a, &x) && !fstat(b, &y) && x.st_ino == y.st_ino && S_ISREG(x.st_mode);
}

static void do_sendfile_to(void)
{
	int in = arg_fd(), out = arg_fd();
	off_t off = arg_off();
	bool at = chance(60);
	size_t n = arg_len();

	say("sendfile(%d, %d, %lld, %zu)", out, in, at ? (long long)off : -999ll, n);
	if (same_file(in, out))
		return; /* what is read may have been written by the call itself */
	answer(sendfile(out, in, at ? &off : NULL, n));
	say_offsets(at, off, false, 0);
}

static void do_splice_to(void)
{
	static char room[9000];
	int out = arg_fd(), ends[2];
	off_t off = arg_off();
	bool at = chance(60);
	size_t n = arg_len(), have = pick(sizeof(room));

	if (pipe2(ends, O_NONBLOCK))
		return;
	fill(room, sizeof(room));
	have = (size_t)write(ends[1], room, have);
	say("splice(pipe with %zu, %d, %lld, %zu)", have, out, at ? (long long)off : -999ll, n);
	answer(splice(ends[0], NULL, out, at ? &off : NULL, n, 0));
	say_offsets(false, 0, at, off);
	close(ends[1]);
	drain(ends[0]);
	close(ends[0]);
}

const struct op space_ops[] = {
	{"fallocate", SPACE, 20, do_fallocate},
	{"posix_fallocate", SPACE, 6, do_posix_fallocate},
	{"fadvise", SPACE, 4, do_fadvise},
	{"readahead", SPACE, 2, do_readahead},
	{"copy_file_range", SPACE, 12, do_copy_file_range},
	{"sendfile", SPACE, 6, do_sendfile},
	{"sendfile to", SPACE, 4, do_sendfile_to},
	{"splice", SPACE, 5, do_splice_from},
	{"splice to", SPACE, 4, do_splice_to},
	{0},
};
