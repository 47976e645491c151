// SPDX-License-Identifier: BSD-3-Clause
/*
 * arg.c - random arguments: paths, descriptors, offsets, flags.
 */
#include "posix.h"

/* splitmix64, by Sebastiano Vigna */
uint64_t rnd(void)
{
	uint64_t z = run.rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

unsigned pick(unsigned n)
{
	return (unsigned)(rnd() % n);
}

bool chance(unsigned percent)
{
	return pick(100) < percent;
}

/*
 * ---- paths ----
 *
 * None may lead to anything but the sequence's own: see P3. So no "/", and as many ".." as
 * a path and the links on its way may have stay below the directory that is ours.
 */

static char bufs[8][2 * PATH_MAX];

static char *next_buf(void)
{
	static unsigned n;

	return bufs[n++ % COUNT(bufs)];
}

void *bad_pointer(void)
{
	return SANITIZED ? run.page : run.page + 4096;
}

static const char *const names[] = {"a", "b", "c", "d", "e"};

const char *arg_name(void)
{
	return ONE_OF(names);
}

const char *arg_plain_path(void)
{
	char *p = next_buf();
	unsigned depth = chance(60) ? 0 : chance(80) ? 1 : 2;

	*p = '\0';
	for (unsigned i = 0; i < depth; i++) {
		strcat(p, chance(60) ? "d" : arg_name());
		strcat(p, "/");
	}
	return strcat(p, arg_name());
}

static const char *long_name(size_t n)
{
	char *p = next_buf();

	memset(p, 'n', n);
	p[n] = '\0';
	return p;
}

/* "././././a", that long. */
static const char *long_path(size_t n)
{
	const char *end = arg_plain_path();
	char *p = next_buf();
	size_t len = 0, k = strlen(end);

	if ((n - k) % 2)
		p[len++] = '.', p[len++] = '/', p[len++] = '/';
	while (len + k < n)
		p[len++] = '.', p[len++] = '/';
	memcpy(p + len, end, k + 1);
	return p;
}

static const char *odd_path(void)
{
	static const char *const whole[] = {"", ".", "..", "./", "../", "d/.", "d/..", "a/.",
					    "a/..", "...", "d/../d/../a", "./a", "d//a", "d/./b",
					    "../../a", "a/b/c/d/e"};
	char *p = next_buf();
	int fd;

	switch (pick(12)) {
	case 0:
		return SANITIZED ? "" : NULL;
	case 1:
		return SANITIZED ? "" : bad_pointer();
	case 2:
		return long_name(chance(50) ? 255 : 256);
	case 3:
		return long_path(PATH_MAX - 2 + pick(3));
	case 4:
	case 5:
		fd = arg_fd();
		if (slot_of(fd) < 0)
			return "nothing"; /* another file system's to say */
		sprintf(p, "%s/%d%s", chance(50) ? "/proc/self/fd" : "/dev/fd", fd,
			chance(60) ? "/a" : "");
		return p;
	default:
		return ONE_OF(whole);
	}
}

const char *arg_path(void)
{
	static const char *const ends[] = {"/", "//", "/.", "/..", "/./", "/../"};
	static const char *const fronts[] = {"./", "../d/", ".//", "d/../", "c/../", "./d/"};
	char *p;

	if (chance(8))
		return odd_path();
	p = next_buf();
	*p = '\0';
	if (chance(12))
		sprintf(p, "%s%s/", run.base, chance(20) ? "/" : "");
	else if (chance(8))
		strcat(p, ONE_OF(fronts));
	strcat(p, arg_plain_path());
	if (chance(9))
		strcat(p, ONE_OF(ends));
	return p;
}

const char *arg_open_path(int dirfd)
{
	const char *path = arg_path();
	struct stat st;

	if (!path || path == bad_pointer() || fstatat(dirfd, path, &st, 0))
		return path;
	return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? path : "nothing";
}

const char *arg_target(void)
{
	static const char *const targets[] = {"a", "b", "c", "d", "e", "d/a", "d/b", ".", "..",
					      "../d", "./a", "d/", "a/", "a/b", "nowhere",
					      "/nonexistent/x", "d/../a"};
	char *p;

	if (chance(3))
		return "";
	if (chance(4))
		return long_path(PATH_MAX - 3 + pick(4));
	if (chance(4))
		return long_path(100 + pick(100));
	if (chance(85))
		return ONE_OF(targets);
	p = next_buf();
	sprintf(p, "%s/%s", run.base, arg_name());
	return p;
}

const char *show(const char *path)
{
	char *p;
	size_t n;

	if (!path)
		return "NULL";
	if (path == bad_pointer())
		return "BAD";
	p = next_buf();
	n = strlen(path);
	if (!strncmp(path, run.base, run.base_len))
		sprintf(p, "\"@%.80s\"", path + run.base_len);
	else if (!strncmp(path, run.root, strlen(run.root)))
		sprintf(p, "\"@^%.80s\"", path + strlen(run.root));
	else
		sprintf(p, "\"%.60s%s\"", path, n > 60 ? "..." : "");
	if (n > 60)
		sprintf(p + strlen(p), "<%zu>", n);
	return p;
}

/* ---- descriptors ---- */

int slot_of(int fd)
{
	for (int i = 0; i < SLOTS; i++)
		if (run.slot[i] == fd)
			return i;
	return -1;
}

void keep_fd(int fd)
{
	int at = -1;

	for (int i = 0; i < SLOTS && at < 0; i++)
		if (run.slot[i] < 0)
			at = i;
	if (at < 0)
		at = (int)pick(SLOTS);
	if (fd < 0 || slot_of(fd) >= 0)
		return;
	if (run.slot[at] >= 0)
		close(run.slot[at]);
	run.slot[at] = fd;
}

int arg_fd(void)
{
	static const int odd[] = {-1, FAR_FD - 1, 1023, 100000, INT_MAX, INT_MIN};
	unsigned from = pick(SLOTS);

	if (chance(4))
		return ONE_OF(odd);
	for (unsigned i = 0; i < SLOTS; i++)
		if (run.slot[(from + i) % SLOTS] >= 0)
			return run.slot[(from + i) % SLOTS];
	return FAR_FD - 1;
}

int arg_dirfd(void)
{
	return chance(80) ? AT_FDCWD : arg_fd();
}

/* ---- numbers ---- */

off_t arg_off(void)
{
	static const off_t odd[] = {-1, INT64_MIN, INT64_MAX, -4096};
	static const off_t edges[] = {0,    1,	  511,	 512,	4095,	 4096,	  4097,	  8191,
				      8192, 12288, 65536, 69632, 1 << 20, 2 << 20, 3 << 20};

	if (chance(4))
		return ONE_OF(odd);
	if (chance(2))
		return (1ll << (30 + pick(8))) + pick(3);
	if (chance(50))
		return ONE_OF(edges) + (chance(20) ? (off_t)pick(3) - 1 : 0);
	return pick(chance(80) ? 20000 : 200000);
}

size_t arg_len(void)
{
	static const size_t edges[] = {0, 1, 2, 7, 8, 64, 511, 512, 4095, 4096, 4097, 8192, 16384};

	return chance(50) ? ONE_OF(edges) : chance(80) ? pick(9000) : pick(70000);
}

mode_t arg_mode(void)
{
	static const mode_t modes[] = {0644, 0755, 0600, 0777, 0700, 0, 0444, 0222, 0111, 04755,
				       02755, 06777, 01777, 02644, 07777, 0100644, 0177777};

	return chance(60) ? modes[pick(5)] : ONE_OF(modes);
}

void fill(void *p, size_t n)
{
	uint8_t *b = p;
	uint64_t v = rnd();

	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(v >> (i % 8 * 8)) + (uint8_t)(i / 8);
}

/* ---- flags ---- */

const char *show_flags(const struct flag *flags, unsigned count, long v)
{
	char *p = next_buf();

	*p = '\0';
	for (unsigned i = 0; i < count; i++) {
		if ((v & flags[i].bit) != flags[i].bit)
			continue;
		strcat(strcat(p, *p ? "|" : ""), flags[i].name);
		v &= ~flags[i].bit;
	}
	if (v || !*p)
		sprintf(p + strlen(p), "%s%#lx", *p ? "|" : "", (unsigned long)v);
	return p;
}

#define O(x) {O_##x, #x}
const struct flag open_flags[] = {O(RDWR),   O(WRONLY),   O(CREAT),   O(EXCL),	    O(TRUNC),
				  O(APPEND), O(NONBLOCK), O(TMPFILE), O(DIRECTORY), O(NOFOLLOW),
				  O(PATH),   O(CLOEXEC),  O(SYNC),    O(DSYNC),	    O(DIRECT),
				  O(NOATIME), O(NOCTTY),  O(ASYNC)};
const unsigned open_flags_count = COUNT(open_flags);
