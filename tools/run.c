// SPDX-License-Identifier: BSD-3-Clause
/*
 * run.c - `umfs run`: start a program with libumfs preloaded.
 *
 * Without a FUSE mount the directory exists for preloaded programs only. What
 * escapes them must fail, not write beneath: so the directory is empty, or does
 * not exist. None is made here: where there is none, what escapes finds nothing,
 * whoever runs it and whatever the permissions.
 *
 * Inside another run the mounts that are there stay, and this one is added.
 */
#include "image.h"
#include "internal.h"
#include "tools.h"
#include "umfs/ioctl.h"

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_OWN 125 /* as env(1) has it: our failure, not the program's */
#define EXIT_NO_EXEC 126
#define EXIT_NOT_FOUND 127

static const char usage[] =
	"Usage: umfs run [--pool POOL] [--mount DIR] [--mode MODE] [--report[=FILE] [--json]]\n"
	"                -- CMD [ARG...]\n"
	"\n"
	"Runs CMD with libumfs preloaded: under DIR it sees the files of POOL.\n"
	"\n"
	"  -p, --pool POOL   the pool; default: umfs.pool in shared memory (/dev/shm),\n"
	"                    umfs-UID.pool for a user other than root, made when missing\n"
	"  -m, --mount DIR   an empty directory, or one that does not exist (none is made);\n"
	"                    default: /mnt/umfs, for a user other than root\n"
	"                    $XDG_RUNTIME_DIR/umfs or $HOME/.umfs\n"
	"      --mode MODE   atomic (default), sync or posix: what write promises; a pool in\n"
	"                    use keeps a stronger one\n"
	"      --report[=FILE]  each program says at its end, on stderr or appended to FILE, what\n"
	"                    calls were served, how many bytes, how long they took\n"
	"      --json        that as JSON, a line for each program\n"
	"  -h, --help        this text\n"
	"  -V, --version     the version\n"
	"\n"
	"Within another umfs run the mounts of that one stay.\n"
	"\n"
	"Exit code: that of CMD; 125 when umfs fails, 126 when CMD can not be run, 127 when\n"
	"it is not found. $LIBUMFS_SO names the library where it is not found by itself.\n";

enum { OPT_MODE = 256, OPT_REPORT, OPT_JSON };

static const struct option longs[] = {
	{"pool", required_argument, NULL, 'p'},
	{"mount", required_argument, NULL, 'm'},
	{"mode", required_argument, NULL, OPT_MODE},
	{"report", optional_argument, NULL, OPT_REPORT},
	{"json", no_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

struct run {
	const char *pool_asked, *mount_asked;
	const char *mode; /* none, or as asked for, which is this number */
	uint32_t mode_wanted;
	const char *report; /* "1", a file's name, or none */
	bool json;
	char pool[PATH_MAX], mount[PATH_MAX], lib[PATH_MAX];
};

static void quit(const char *format, const char *a, const char *b)
{
	complain(format, a, b);
	exit(EXIT_OWN);
}

/* ---- the pool ---- */

/* Anybody may put a file of that name into shared memory: only one's own is taken. */
static void default_pool(struct run *r)
{
	uid_t uid = geteuid();
	struct stat st;
	uint64_t bytes;
	int err;

	if (uid)
		snprintf(r->pool, sizeof(r->pool), "/dev/shm/umfs-%u.pool", uid);
	else
		snprintf(r->pool, sizeof(r->pool), "/dev/shm/umfs.pool");
	if (lstat(r->pool, &st) && errno == ENOENT) {
		err = make_pool(r->pool, &bytes);
		if (err)
			quit("%s: can not be made: %s", r->pool, strerror(-err));
		complain("made the pool %s: %s, taken from memory as it is used", r->pool,
			 size_text(bytes));
	}
	if (lstat(r->pool, &st))
		quit("%s: %s", r->pool, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_uid != uid)
		quit("%s: %s", r->pool, "not a file of yours; name a pool with --pool");
}

/* Others count on what it promises them. */
static void tell_mode(const struct run *r, struct pool *p)
{
	uint32_t mode;

	if (!r->mode || pool_in_use(p) != 1)
		return;
	mode = ld32(&umfs_runtime(&p->fs)->mode);
	if (mode > r->mode_wanted && mode <= UMFS_MODE_ATOMIC)
		complain("%s: is in use and stays in mode %s", r->pool, mode_name(mode));
}

static void choose_pool(struct run *r)
{
	bool from_backup;
	struct pool *p;
	int err;

	if (!r->pool_asked)
		default_pool(r);
	else if (!realpath(r->pool_asked, r->pool))
		quit("%s: %s", r->pool_asked,
		     errno == ENOENT ? "no such pool; mkfs.umfs makes one" : strerror(errno));
	if (!strncmp(r->pool, UMFS_NODES, strlen(UMFS_NODES)))
		return; /* the kernel module's */
	p = calloc(1, sizeof(*p));
	err = p ? pool_open(p, r->pool, 0, &from_backup) : -ENOMEM;
	if (err)
		quit("%s: %s", r->pool, pool_strerror(err));
	tell_mode(r, p);
	pool_close(p);
	free(p);
}

/* ---- the directory ---- */

static bool is_empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	int names = 0;

	if (!dir)
		return errno == ENOENT;
	while (names <= 2 && (d = readdir(dir)))
		names++;
	closedir(dir);
	return names <= 2;
}

/* The real path of `path` without its last part, which need not exist, and then that. */
static void real_parent(struct run *r, const char *path)
{
	char copy[PATH_MAX], *slash, *name;
	size_t len;

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		quit("%s: %s", path, strerror(ENAMETOOLONG));
	for (len = strlen(copy); len > 1 && copy[len - 1] == '/'; len--)
		copy[len - 1] = '\0';
	slash = strrchr(copy, '/');
	name = slash ? slash + 1 : copy;
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		quit("%s: %s", path, "can not be the directory of a pool");
	if (slash)
		*slash = '\0';
	if (!realpath(!slash ? "." : *copy ? copy : "/", r->mount))
		quit("%s: its parent directory: %s", path, strerror(errno));
	len = strlen(r->mount);
	if (len == 1)
		len = 0;
	if (snprintf(r->mount + len, sizeof(r->mount) - len, "/%s", name) >=
	    (int)(sizeof(r->mount) - len))
		quit("%s: %s", path, strerror(ENAMETOOLONG));
}

static const char *default_mount(char *buf, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	const char *home = getenv("HOME");

	if (!geteuid())
		return "/mnt/umfs";
	if (runtime && runtime[0] == '/')
		snprintf(buf, size, "%s/umfs", runtime);
	else if (home && home[0] == '/')
		snprintf(buf, size, "%s/.umfs", home);
	else
		quit("%s: %s", "no default directory",
		     "neither XDG_RUNTIME_DIR nor HOME is set; name one with --mount");
	return buf;
}

/* ---- the mounts of the run around this one ---- */

/* The next escaped word of `from` up to a stop, unescaped into `to`; NULL: malformed or too long. */
static const char *take_word(const char *from, char stop, char *to, size_t size)
{
	size_t n = 0;

	for (; *from && *from != stop; from++) {
		if (*from == '\\' && !*++from)
			return NULL;
		if (n + 1 >= size)
			return NULL;
		to[n++] = *from;
	}
	to[n] = '\0';
	return from;
}

static const char *mounts_around(void)
{
	const char *all = getenv("LIBUMFS_MOUNT");

	return all && *all ? all : NULL;
}

/* Is this pool at that directory already? Another one there is an error. */
static bool is_mounted(const struct run *r)
{
	char dir[PATH_MAX], pool[PATH_MAX];
	const char *p = mounts_around();

	while (p && *p) {
		p = take_word(p, '=', dir, sizeof(dir));
		p = p && *p ? take_word(p + 1, ',', pool, sizeof(pool)) : NULL;
		if (!p || !*dir || !*pool)
			quit("LIBUMFS_MOUNT=%s: %s", mounts_around(), "can not be understood");
		if (!strcmp(dir, r->mount) && !strcmp(pool, r->pool))
			return true;
		if (!strcmp(dir, r->mount))
			quit("%s: holds the files of another pool already, %s", dir, pool);
		p += *p == ',';
	}
	return false;
}

static void choose_mount(struct run *r)
{
	char buf[PATH_MAX];
	const char *path = r->mount_asked ? r->mount_asked : default_mount(buf, sizeof(buf));
	struct stat st;

	if (!realpath(path, r->mount)) {
		if (errno != ENOENT)
			quit("%s: %s", path, strerror(errno));
		real_parent(r, path);
	}
	if (!strcmp(r->mount, "/"))
		quit("%s: %s", path, "can not be the directory of a pool");
	if (is_mounted(r) || stat(r->mount, &st))
		return;
	if (!S_ISDIR(st.st_mode))
		quit("%s: %s", r->mount, "not a directory");
	if (!is_empty(r->mount))
		quit("%s: %s", r->mount, "not an empty directory: its files would be hidden");
}

/* ---- the environment ---- */

static bool try_lib(struct run *r, const char *dir, const char *below)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", dir, below) >= (int)sizeof(path))
		return false;
	return realpath(path, r->lib) && !access(r->lib, R_OK);
}

/* Beside the installed command, or in the build tree that it lies in. */
static void choose_lib(struct run *r)
{
	static const char *const places[] = {
		"../libumfs/libumfs.so", "../lib/libumfs.so",
		"../lib/x86_64-linux-gnu/libumfs.so", "../lib64/libumfs.so",
	};
	const char *given = getenv("LIBUMFS_SO");
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	size_t i;

	if (given && *given) {
		if (!realpath(given, r->lib))
			quit("LIBUMFS_SO=%s: %s", given, strerror(errno));
		return;
	}
	self[n > 0 ? n : 0] = '\0';
	if (strrchr(self, '/'))
		*strrchr(self, '/') = '\0';
	for (i = 0; i < UMFS_ARRAY_LEN(places); i++)
		if (try_lib(r, self, places[i]))
			return;
	if (!try_lib(r, INSTALLED_LIBDIR, "libumfs.so"))
		quit("%s: %s", "libumfs.so", "not found; name it in LIBUMFS_SO");
}

static char *escape(char *to, const char *from)
{
	while (*from) {
		if (*from == ',' || *from == '=' || *from == '\\')
			*to++ = '\\';
		*to++ = *from++;
	}
	*to = '\0';
	return to;
}

static void set(const char *name, const char *value)
{
	if (setenv(name, value, 1))
		quit("%s: %s", name, strerror(errno));
}

static bool is_preloaded(const char *list, const char *lib)
{
	size_t n = strlen(lib);

	for (const char *p = list; p && *p; p += strcspn(p, ": "), p += strspn(p, ": "))
		if (!strncmp(p, lib, n) && strchr(": ", p[n]))
			return true;
	return false;
}

/*
 * Behind what is preloaded already: a sanitizer's runtime must come first, and
 * another wrapper of open then wraps ours too.
 */
static void set_preload(const struct run *r)
{
	const char *old = getenv("LD_PRELOAD");
	char *all;

	if (is_preloaded(old, r->lib))
		return;

	/* The loader knows no way to escape them. */
	if (strpbrk(r->lib, ": "))
		quit("%s: %s", r->lib, "LD_PRELOAD can not hold a path with a blank or colon");
	if (asprintf(&all, "%s%s%s", old ? old : "", old && *old ? ":" : "", r->lib) < 0)
		quit("%s: %s", "LD_PRELOAD", strerror(ENOMEM));
	set("LD_PRELOAD", all);
	free(all);
}

static void add_mount(const struct run *r)
{
	const char *around = mounts_around();
	size_t have = around ? strlen(around) : 0;
	char *mounts = malloc(have + 2 * (strlen(r->mount) + strlen(r->pool)) + 3);
	char *end = mounts;

	if (!mounts)
		quit("%s: %s", "LIBUMFS_MOUNT", strerror(ENOMEM));
	if (around) {
		memcpy(mounts, around, have);
		end += have;
		*end++ = ',';
	}
	end = escape(end, r->mount);
	*end++ = '=';
	escape(end, r->pool);
	set("LIBUMFS_MOUNT", mounts);
	free(mounts);
}

/* One file for all, wherever the programs go. */
static void set_report(const char *file)
{
	char path[2 * PATH_MAX], cwd[PATH_MAX];

	if (!strcmp(file, "1") || file[0] == '/') {
		set("LIBUMFS_REPORT", file);
		return;
	}
	if (!getcwd(cwd, sizeof(cwd)))
		quit("%s: %s", file, strerror(errno));
	snprintf(path, sizeof(path), "%s/%s", cwd, file);
	set("LIBUMFS_REPORT", path);
}

/* Where execvp will find it; false: nowhere. */
static bool find_program(const char *name, char *path, size_t size)
{
	const char *list = getenv("PATH");

	if (strchr(name, '/'))
		return snprintf(path, size, "%s", name) < (int)size;
	for (list = list ? list : "/bin:/usr/bin";; list++) {
		int n = (int)strcspn(list, ":");

		if (snprintf(path, size, "%.*s%s%s", n, list, n ? "/" : "", name) < (int)size &&
		    !access(path, X_OK))
			return true;
		list += n;
		if (!*list)
			return false;
	}
}

/* Another libc's loader does not start a program with a library that it can not load. */
static bool may_be_preloaded(const char *program)
{
	char path[PATH_MAX];

	if (!find_program(program, path, sizeof(path)) ||
	    image_look(AT_FDCWD, path, 0, false) != IMAGE_BREAKS)
		return true;
	complain("%s: is of another C library; it sees the files where a pool is mounted only", path);
	return false;
}

static void set_environment(const struct run *r, const char *program)
{
	if (!is_mounted(r))
		add_mount(r);
	if (r->mode)
		set("LIBUMFS_MODE", r->mode);
	if (r->report)
		set_report(r->report);
	if (r->json)
		set("LIBUMFS_REPORT_FORM", "json");
	if (may_be_preloaded(program))
		set_preload(r);
}

static void parse_mode(struct run *r, const char *mode)
{
	if (!mode_number(mode, &r->mode_wanted))
		quit("%s: %s", mode, "the mode must be atomic, sync or posix");
	r->mode = mode;
}

static int parse(int argc, char **argv, struct run *r)
{
	int c;

	while ((c = getopt_long(argc, argv, "+p:m:hV", longs, NULL)) != -1) {
		switch (c) {
		case 'p':
			r->pool_asked = optarg;
			break;
		case 'm':
			r->mount_asked = optarg;
			break;
		case OPT_MODE:
			parse_mode(r, optarg);
			break;
		case OPT_REPORT:
			r->report = optarg && *optarg ? optarg : "1";
			break;
		case OPT_JSON:
			r->json = true;
			break;
		default:
			exit(common_option(c, argv[0], usage) ? EXIT_OWN : 0);
		}
	}
	if (r->json && !r->report)
		r->report = "1";
	if (optind == argc) {
		fputs("umfs: no program to run\nTry 'umfs run --help'.\n", stderr);
		exit(EXIT_OWN);
	}
	return optind;
}

int run_main(int argc, char **argv)
{
	static struct run r;
	int first = parse(argc, argv, &r);

	choose_pool(&r);
	choose_mount(&r);
	choose_lib(&r);
	set_environment(&r, argv[first]);
	execvp(argv[first], argv + first);
	complain("%s: %s", argv[first], strerror(errno));
	return errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NO_EXEC;
}
