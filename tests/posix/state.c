// SPDX-License-Identifier: BSD-3-Clause
/*
 * state.c - what can be seen: names by stat, which leaves no trace, after each call;
 * lists of directories and what files hold at the end.
 */
#include <ftw.h>
#include <time.h>

#include "posix.h"

#define LINES 512

struct line {
	char path[64];
	char text[200];
	struct timespec t[3];
	bool there;
};
static struct line lines[LINES];
static unsigned line_count;
static char slot_text[SLOTS][128];

void state_reset(void)
{
	line_count = 0;
	memset(slot_text, 0, sizeof(slot_text));
}

const char *state_type(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return "file";
	case S_IFDIR: return "dir";
	case S_IFLNK: return "link";
	case S_IFIFO: return "fifo";
	case S_IFSOCK: return "socket";
	case S_IFCHR: return "char";
	case S_IFBLK: return "block";
	}
	return "?";
}

const char *show_time(const struct timespec *t)
{
	static char buf[4][40];
	static unsigned n;
	char *p = buf[n++ % 4];
	time_t now = time(NULL);

	if (t->tv_sec > now - 5000 && t->tv_sec < now + 5000)
		return "now";
	sprintf(p, "%lld.%ld", (long long)t->tv_sec, t->tv_nsec);
	return p;
}

void state_tick(void)
{
	struct timespec a, b, pause = {0, 500000};

	clock_gettime(CLOCK_REALTIME_COARSE, &a);
	do {
		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_REALTIME_COARSE, &b);
	} while (a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec);
}

static void describe(char *to, const struct stat *st, bool open)
{
	char *p = to;
	mode_t type = st->st_mode & S_IFMT;

	p += sprintf(p, "%s %o n%lu %u:%u", state_type(st->st_mode), st->st_mode & 07777,
		     (unsigned long)st->st_nlink, st->st_uid, st->st_gid);
	if (type != S_IFDIR)
		p += sprintf(p, " s%lld", (long long)st->st_size);
	if (type == S_IFREG && !run.mapped && !run.turns && !open)
		p += sprintf(p, " %s", st->st_blocks ? "blocks" : "empty");
	if (type == S_IFCHR || type == S_IFBLK)
		p += sprintf(p, " r%lx", (unsigned long)st->st_rdev);
	p += sprintf(p, " a=%s m=%s", show_time(&st->st_atim), show_time(&st->st_mtim));
	sprintf(p, " c=%s k%ld", show_time(&st->st_ctim), (long)st->st_blksize);
}

static struct line *line_of(const char *path)
{
	for (unsigned i = 0; i < line_count; i++)
		if (!strcmp(lines[i].path, path))
			return &lines[i];
	if (line_count == LINES)
		return NULL;
	memset(&lines[line_count], 0, sizeof(lines[0]));
	snprintf(lines[line_count].path, sizeof(lines[0].path), "%s", path);
	return &lines[line_count++];
}

static bool moved(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec || a->tv_nsec != b->tv_nsec;
}

static bool is_open(const struct stat *st)
{
	struct stat other;

	for (int i = 0; i < SLOTS; i++)
		if (run.slot[i] >= 0 && !fstat(run.slot[i], &other) &&
		    other.st_ino == st->st_ino && other.st_dev == st->st_dev)
			return true;
	return false;
}

/* What path is now, if that is not what it was. True: a directory. */
static bool look(const char *path)
{
	struct timespec was[3], is[3];
	struct line *l = line_of(path);
	char text[200], full[PATH_MAX], times[4] = "";
	struct stat st;
	bool new;

	snprintf(full, sizeof(full), "%s/%s", run.base, path);
	if (lstat(full, &st)) {
		snprintf(text, sizeof(text), "%s", strerrorname_np(errno));
		st.st_mode = 0;
		memset(is, 0, sizeof(is));
	} else {
		describe(text, &st, is_open(&st));
		is[0] = st.st_atim, is[1] = st.st_mtim, is[2] = st.st_ctim;
	}
	if (!l)
		return false;
	new = !l->there;
	memcpy(was, l->t, sizeof(was));
	l->there = st.st_mode != 0;
	memcpy(l->t, is, sizeof(is));
	for (int i = 0; i < 3 && run.timed && !new && l->there; i++)
		if (moved(&was[i], &is[i]))
			times[strlen(times)] = "amc"[i];
	if (strcmp(text, l->text) || *times)
		if (l->there || *l->text)
			say("    %s: %s%s%s\n", path, text, *times ? " +" : "", times);
	strcpy(l->text, text);
	return S_ISDIR(st.st_mode);
}

static void look_into(const char *dir, unsigned depth)
{
	char path[64];

	for (const char *n = "abcde"; *n; n++) {
		snprintf(path, sizeof(path), "%s%s%c", dir, *dir ? "/" : "", *n);
		if (look(path) && depth)
			look_into(path, depth - 1);
	}
}

static void look_at_slot(int i)
{
	char text[128] = "", *p = text;
	struct stat st;
	int fd = run.slot[i];

	if (fd >= 0) {
		p += sprintf(p, "fd %d: ", fd);
		if (!fstat(fd, &st) && S_ISDIR(st.st_mode)) {
			p += sprintf(p, "dir"); /* what a place in it is called is its own */
		} else {
			errno = 0;
			p += sprintf(p, "at %lld", (long long)lseek(fd, 0, SEEK_CUR));
			if (errno)
				p += sprintf(p, " %s", strerrorname_np(errno));
		}
		p += sprintf(p, " fl %#x", fcntl(fd, F_GETFL));
		p += sprintf(p, " fd %d", fcntl(fd, F_GETFD));
		if (fstat(fd, &st))
			p += sprintf(p, " %s", strerrorname_np(errno));
		else
			p += sprintf(p, " %s %o n%lu s%lld", state_type(st.st_mode),
				     st.st_mode & 07777, (unsigned long)st.st_nlink,
				     S_ISDIR(st.st_mode) ? 0 : (long long)st.st_size);
	}
	if (strcmp(text, slot_text[i]))
		say("    %s\n", *text ? text : "slot free");
	strcpy(slot_text[i], text);
}

void state_say(void)
{
	look("");
	look_into("", 2);
	for (int i = 0; i < SLOTS; i++)
		look_at_slot(i);
}

/* ---- at the end ---- */

static void say_content(const char *full)
{
	static char buf[1 << 16];
	struct stat st;
	ssize_t n;
	int fd = open(full, O_RDONLY | O_NONBLOCK);

	if (fd < 0) {
		say(" %s", strerrorname_np(errno));
		return;
	}
	if (!fstat(fd, &st) && st.st_size > (64 << 20)) {
		say(" large");
	} else {
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			say_bytes(buf, (size_t)n);
		if (n < 0)
			say(" %s", strerrorname_np(errno));
	}
	close(fd);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void say_dir(const char *full, const char *path, unsigned depth);

static void say_entry(const char *dir, const char *path, const struct dirent *e, unsigned depth)
{
	char full[PATH_MAX], rel[PATH_MAX], target[PATH_MAX];
	struct stat st;
	ssize_t n;

	snprintf(full, sizeof(full), "%s/%s", dir, e->d_name);
	snprintf(rel, sizeof(rel), "%s/%s", path, e->d_name);
	say("  %.100s type %d", rel, e->d_type);
	if (lstat(full, &st)) {
		say(" %s\n", strerrorname_np(errno));
		return;
	}
	if (S_ISLNK(st.st_mode)) {
		n = readlink(full, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		say(" -> %s", show(target));
	}
	if (S_ISREG(st.st_mode))
		say_content(full);
	say("\n");
	if (S_ISDIR(st.st_mode) && depth)
		say_dir(full, rel, depth - 1);
}

static void say_dir(const char *full, const char *path, unsigned depth)
{
	struct dirent **list;
	int n = scandir(full, &list, NULL, by_name);

	if (n < 0) {
		say("  %.100s: %s\n", path, strerrorname_np(errno));
		return;
	}
	for (int i = 0; i < n; i++) {
		if (strcmp(list[i]->d_name, ".") && strcmp(list[i]->d_name, ".."))
			say_entry(full, path, list[i], depth);
		free(list[i]);
	}
	free(list);
}

void state_say_whole(void)
{
	say("whole:\n");
	say_dir(run.base, "", 6);
}

static int allow(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if (type == FTW_D || type == FTW_DNR)
		if ((st->st_mode & 0700) != 0700)
			return chmod(path, 0700) && errno != EPERM ? -1 : 0;
	return 0;
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	return ftw->level ? remove(path) : 0;
}

/* Directories that nobody may enter are opened up one level at a time. */
void state_clear(const char *dir)
{
	int err = 0;

	for (int i = 0; i < 8; i++) {
		nftw(dir, allow, 16, FTW_PHYS);
		err = nftw(dir, drop, 16, FTW_PHYS | FTW_DEPTH);
		if (!err)
			return;
	}
	say("clear: %s\n", strerrorname_np(errno));
}
