// SPDX-License-Identifier: BSD-3-Clause
/*
 * pools.c - core's side of test_reader.py: pools are made, grown into, cut short and listed.
 *
 *	reader-pools new POOL MIB        a new pool of so many MiB
 *	reader-pools fill POOL           everything that there can be
 *	reader-pools files POOL          regular files only
 *	reader-pools more POOL           after the pool has grown: into the new part
 *	reader-pools begin POOL          what the calls of `die` work on
 *	reader-pools die POOL CALL N     a process that dies right after its N-th store of CALL;
 *	                                 exit code 3: CALL has fewer. 0: how many there are
 *	reader-pools recover POOL N      the same of attaching
 *	reader-pools calls               the names of CALL
 *	reader-pools list POOL           attach (and recover), print as reader.py list does
 *
 * Times of access are set to a later day, so that reading does not change them.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kill.h"
#include "pool.h"
#include "tree.h"

#define ATIME_NS 2000000000123456789ll
#define MANY 5000 /* names of this length: two levels of nodes */
#define MANY_FORMAT "/many/%0200d"
#define FEWER 3

static struct pool *attach(const char *path)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p)
		die("out of memory");
	need(pool_attach(p, path, UMFS_MODE_ATOMIC));
	return p;
}

static void detach(struct pool *p)
{
	pool_close(p);
	free(p);
}

/* The same keys each time, so that stores are counted alike. */
static void make(const char *path, uint64_t mib)
{
	static struct pool p;
	struct umfs_format f = {
		.pool_pages = mib * MIB / UMFS_PAGE_BYTES,
		.inode_count = 512,
		.uuid = "reader test pool",
		.label = "reader",
		.hash_key = {0x0123456789abcdefull, 0xfedcba9876543210ull},
		.now_ns = 1000000000,
		.root_mode = 0755,
	};
	FILE *file = fopen(path, "wx");

	if (!file || ftruncate(fileno(file), (off_t)(mib * MIB)) || fclose(file))
		die("%s can not be made", path);
	need(pool_map(&p, path, 0));
	need(umfs_format_write(&p.fs, &f));
	pool_close(&p);
}

/* ---- fill ---- */

static void fallocate_at(struct umfs *fs, const char *path, uint32_t mode, uint64_t off, uint64_t n)
{
	struct umfs_file file;

	need(world_open(fs, path, O_RDWR | O_CREAT, &file));
	need(umfs_fallocate(&file, mode, off, n));
	world_close(&file);
}

static void fill_files(struct umfs *fs)
{
	need(world_creat(fs, "/empty", 0640));
	need(world_put(fs, "/page", 0, 1000, 1));
	need(world_put(fs, "/table", 0, 100000, 2));
	need(world_put(fs, "/huge", 0, 4 * MIB + 100, 3));
	need(world_put(fs, "/middle", 3 * MIB, 5000, 4));
	need(world_put(fs, "/far", 300 * GIB + 4000, 5000, 5));
	need(world_put(fs, "/page", 500, 100, 6));
	need(world_put(fs, "/table", 8192, 4096, 7));
	need(world_truncate(fs, "/middle", 4 * MIB));
	need(world_put(fs, "/punched", 0, 64 * KIB, 8));
	fallocate_at(fs, "/punched", UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE, 10000, 20000);
	fallocate_at(fs, "/ahead", UMFS_FALLOC_KEEP_SIZE, 0, 100000);
	fallocate_at(fs, "/unwritten", 0, 0, 700000);
	need(world_put(fs, "/unwritten", 300000, 5000, 9));
	need(world_creat(fs, "/hole", 0600));
	need(world_truncate(fs, "/hole", 512 * GIB));
	need(world_put(fs, "/cut", 0, 3 * MIB, 10));
	need(world_truncate(fs, "/cut", 12345));
}

static void fill_kinds(struct umfs *fs)
{
	char target[4096];

	memset(target, 't', 4095);
	target[4095] = '\0';
	need(world_mkdir(fs, "/dir"));
	need(world_mkdir(fs, "/dir/sub"));
	need(world_mkdir(fs, "/dir/bare"));
	need(world_symlink(fs, "../page", "/dir/link"));
	need(world_symlink(fs, target, "/dir/long-link"));
	need(world_link(fs, "/table", "/dir/sub/second-name"));
	need(world_mknod(fs, "/dir/fifo", S_IFIFO | 0600, 0));
	need(world_mknod(fs, "/dir/socket", S_IFSOCK | 0755, 0));
	need(world_mknod(fs, "/dir/character", S_IFCHR | 0666, 0x103));
	need(world_mknod(fs, "/dir/block", S_IFBLK | 0660, 0x800001ff00012ull));
	need(world_creat(fs, "/dir/space \\ and \n line", 0644));
	need(world_creat(fs, "/dir/\xc3\xbc\xff", 06755));
	need(umfs_utimens(fs, &world_root, UMFS_ROOT_INO, ATIME_NS, -1234567890123456789ll));
}

static void fill_names(struct umfs *fs)
{
	char path[300];
	int i;

	need(world_mkdir(fs, "/many"));
	need(world_creat(fs, "/many/first", 0600));
	for (i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), MANY_FORMAT, i);
		need(world_link(fs, "/many/first", path));
	}
	for (i = 0; i < MANY; i += 3) {
		snprintf(path, sizeof(path), MANY_FORMAT, i);
		need(world_unlink(fs, path));
	}
	memset(path, 'n', 256);
	path[0] = '/';
	path[256] = '\0';
	need(world_creat(fs, path, 0644));
}

static void fill_attributes(struct umfs *fs)
{
	char name[32];
	int i;

	need(world_setxattr(fs, "/page", "user.first", 20, 1));
	need(world_setxattr(fs, "/page", "user.second", 5000, 1));
	need(world_setxattr(fs, "/table", "user.whole", UMFS_XATTR_VALUE_MAX, 1));
	need(world_setxattr(fs, "/dir", "trusted.on-directory", 300, 1));
	need(world_setxattr(fs, "/dir/link", "security.on-link", 0, 1));
	need(world_setxattr(fs, "/dir/fifo", "trusted.on-fifo", 1, 1));
	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "user.number-%d", i);
		need(world_setxattr(fs, "/empty", name, (uint64_t)i, 1));
	}
	for (i = 0; i < 40; i += 2) {
		snprintf(name, sizeof(name), "user.number-%d", i);
		need(world_removexattr(fs, "/empty", name));
	}
}

/* On a full pool an attribute is removed where it lies. */
static void remove_attribute(struct umfs *fs)
{
	struct umfs_file file;
	uint64_t off = 0, piece;

	need(world_open(fs, "/filler", O_RDWR | O_CREAT, &file));
	for (piece = MIB; piece >= UMFS_PAGE_BYTES; piece /= 2)
		for (; !umfs_fallocate(&file, 0, off, piece); off += piece)
			if (off > GIB)
				die("the pool does not get full");
	need(world_removexattr(fs, "/page", "user.first"));
	world_close(&file);
	need(world_unlink(fs, "/filler"));
}

static void set_times(struct umfs *fs)
{
	struct tree t;
	char why[256];
	size_t i;

	if (tree_read(fs, &t, why))
		die("%s", why);
	for (i = 0; i < t.count; i++)
		need(umfs_utimens(fs, &world_root, t.nodes[i].attr.ino, ATIME_NS,
				  t.nodes[i].attr.mtime_ns));
	tree_free(&t);
}

static void fill(struct umfs *fs)
{
	fill_files(fs);
	fill_kinds(fs);
	fill_names(fs);
	fill_attributes(fs);
	remove_attribute(fs);
	set_times(fs);
}

/* More inodes than the first group has, with a page each. */
static void more(struct umfs *fs)
{
	char path[32];
	int i;

	need(world_mkdir(fs, "/more"));
	for (i = 0; i < 600; i++) {
		snprintf(path, sizeof(path), "/more/%d", i);
		need(world_put(fs, path, 0, 100, (uint32_t)i));
	}
	set_times(fs);
}

/* ---- dying ---- */

static void begin(struct umfs *fs)
{
	char path[40];
	int i;

	need(world_put(fs, "/file", 0, 20 * KIB, 1));
	need(world_put(fs, "/long", 0, 600 * KIB, 2));
	need(world_mkdir(fs, "/a"));
	need(world_mkdir(fs, "/b"));
	need(world_put(fs, "/a/victim", 0, 10 * KIB, 3));
	need(world_setxattr(fs, "/file", "user.one", 100, 1));
	for (i = 0; i < 6; i++) {
		snprintf(path, sizeof(path), "/b/%d", i);
		need(world_creat(fs, path, 0600));
	}
	set_times(fs);
}

static uint64_t die_at;

static void call_create(struct umfs *fs)
{
	port_kill_arm(die_at);
	(void)world_creat(fs, "/a/new", 0644);
}

static void call_mkdir(struct umfs *fs)
{
	port_kill_arm(die_at);
	(void)world_mkdir(fs, "/b/new-directory");
}

static void call_rename(struct umfs *fs)
{
	port_kill_arm(die_at);
	(void)world_rename(fs, "/file", "/a/victim");
}

static void call_unlink(struct umfs *fs)
{
	port_kill_arm(die_at);
	(void)world_unlink(fs, "/long");
}

static void call_truncate(struct umfs *fs)
{
	port_kill_arm(die_at);
	(void)world_truncate(fs, "/file", 5000);
}

static void call_setxattr(struct umfs *fs)
{
	port_kill_arm(die_at);
	(void)world_setxattr(fs, "/file", "user.two", 5000, 2);
}

static void opened(struct umfs *fs, const char *path, struct umfs_file *file)
{
	need(world_open(fs, path, O_RDWR, file));
	port_kill_arm(die_at);
}

/* By the lane's log. */
static void call_overwrite(struct umfs *fs)
{
	struct umfs_file file;

	opened(fs, "/file", &file);
	(void)world_write(&file, 100, 300, 99);
}

/* By another page in the place of the old one. */
static void call_exchange(struct umfs *fs)
{
	struct umfs_file file;

	opened(fs, "/file", &file);
	(void)world_write(&file, 4096, 4096, 98);
}

static void call_append(struct umfs *fs)
{
	struct umfs_file file;

	opened(fs, "/file", &file);
	(void)world_write(&file, 18 * KIB, 9000, 97);
}

static void call_entries(struct umfs *fs)
{
	struct umfs_file file;

	opened(fs, "/long", &file);
	(void)world_write(&file, 5000, 30 * KIB, 99);
}

/* Pages of a mapped file stay: by the log of a reserve. */
static void call_reserve(struct umfs *fs)
{
	struct umfs_file file;
	uint64_t end = 600 * KIB;
	uint32_t irec;

	need(world_open(fs, "/long", O_RDWR, &file));
	need(umfs_map_pin(&file, UMFS_MAP_SHARED, 0, &end, &irec));
	port_kill_arm(die_at);
	(void)world_write(&file, 5000, 30 * KIB, 99);
}

static void call_punch(struct umfs *fs)
{
	struct umfs_file file;

	opened(fs, "/file", &file);
	(void)umfs_fallocate(&file, UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE, 3000, 14000);
}

static const struct {
	const char *name;
	void (*run)(struct umfs *fs);
} calls[] = {
	{"create", call_create},     {"mkdir", call_mkdir},	  {"rename", call_rename},
	{"unlink", call_unlink},     {"truncate", call_truncate}, {"setxattr", call_setxattr},
	{"append", call_append},     {"entries", call_entries},	  {"punch", call_punch},
	{"overwrite", call_overwrite}, {"exchange", call_exchange}, {"reserve", call_reserve},
};

static void call_armed(const char *pool, const char *name, uint64_t n)
{
	struct pool *p;
	size_t i;

	if (!name) {
		port_kill_arm(n);
		(void)attach(pool);
		return;
	}
	p = attach(pool);
	for (i = 0; i < UMFS_ARRAY_LEN(calls); i++)
		if (!strcmp(name, calls[i].name))
			break;
	if (i == UMFS_ARRAY_LEN(calls))
		die("no call %s", name);
	die_at = n;
	calls[i].run(&p->fs);
}

static int die_inside(const char *pool, const char *name, uint64_t n)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("fork");
	if (!pid) {
		call_armed(pool, name, n);
		if (!n)
			printf("%llu\n", (unsigned long long)port_kill_count());
		fflush(stdout);
		_exit(FEWER);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	if (WIFEXITED(status) && WEXITSTATUS(status) == FEWER)
		return FEWER;
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		die("the process that was to be killed was not: %x", status);
	return 0;
}

/* ---- list ---- */

/* As zlib's. */
static uint32_t crc32_of(uint32_t crc, const void *data, uint64_t n)
{
	static uint32_t table[256];
	const uint8_t *bytes = data;
	uint32_t value, bit;

	if (!table[1])
		for (uint32_t i = 0; i < 256; i++) {
			for (value = i, bit = 0; bit < 8; bit++)
				value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
			table[i] = value;
		}
	for (crc = ~crc; n--; bytes++)
		crc = table[(crc ^ *bytes) & 255] ^ crc >> 8;
	return ~crc;
}

static void print_name(const void *name, uint64_t n)
{
	const uint8_t *c = name;

	for (; n--; c++)
		if (*c >= 0x21 && *c <= 0x7e && *c != '\\')
			putchar(*c);
		else
			printf("\\x%02x", *c);
}

static uint32_t page_crc(const struct umfs_file *file, uint64_t off, uint64_t n, uint32_t crc)
{
	static const uint8_t zeros[UMFS_PAGE_BYTES];
	uint8_t page[UMFS_PAGE_BYTES] = {0};
	uint64_t index = off / UMFS_PAGE_BYTES;

	if (need(umfs_pread(file, page, n, off)) != (int64_t)n)
		die("short read");
	if (!memcmp(page, zeros, sizeof(page)))
		return crc;
	return crc32_of(crc32_of(crc, &index, sizeof(index)), page, sizeof(page));
}

static void print_content(struct umfs *fs, const struct umfs_attr *a)
{
	struct umfs_file file;
	uint32_t ofd, crc = 0;
	int64_t data, hole = 0;

	need(umfs_open(fs, a->ino, O_RDONLY, &ofd));
	need(umfs_file_init(fs, ofd, &file));
	printf(" stored");
	while ((data = umfs_seek(&file, hole, SEEK_DATA)) >= 0) {
		hole = need(umfs_seek(&file, data, SEEK_HOLE));
		printf(" %lld+%lld", (long long)data, (long long)(hole - data));
		for (; data < hole; data += UMFS_PAGE_BYTES)
			crc = page_crc(&file, (uint64_t)data,
				       hole - data < UMFS_PAGE_BYTES ? (uint64_t)(hole - data)
								    : UMFS_PAGE_BYTES, crc);
	}
	if (data != -ENXIO)
		need(data);
	printf(" crc %08x", crc);
	umfs_ofd_put(fs, ofd);
}

/* tree.c has name, NUL, value for each, and not how long the values are: asked again. */
static void print_attributes(struct umfs *fs, const struct node *n)
{
	static uint8_t value[UMFS_XATTR_VALUE_MAX];
	uint64_t at = 0;

	while (at < n->xattr_bytes) {
		const char *name = (const char *)n->xattrs + at;
		uint32_t len = (uint32_t)strlen(name);
		int64_t got = need(umfs_getxattr(fs, &world_root, n->attr.ino, name, len, value,
						 sizeof(value)));

		printf(" attribute ");
		print_name(name, len);
		printf(" %lld %08x", (long long)got, crc32_of(0, value, (uint64_t)got));
		at += len + 1 + (uint64_t)got;
	}
}

static void print_node(struct umfs *fs, const struct node *n)
{
	const struct umfs_attr *a = &n->attr;
	uint32_t type = a->mode & S_IFMT;

	print_name(n->path, strlen(n->path));
	printf(" ino %u mode %o owner %u:%u links %u size %llu device %llx times %lld %lld %lld %lld",
	       a->ino, a->mode, a->uid, a->gid, a->nlink,
	       type == S_IFDIR ? 0ull : (unsigned long long)a->size, (unsigned long long)a->rdev,
	       (long long)a->atime_ns, (long long)a->mtime_ns, (long long)a->ctime_ns,
	       (long long)a->btime_ns);
	if (type == S_IFREG)
		print_content(fs, a);
	if (type == S_IFLNK) {
		printf(" target ");
		print_name(n->data, n->data_bytes);
	}
	print_attributes(fs, n);
	putchar('\n');
}

static void list(struct umfs *fs)
{
	struct tree t;
	char why[256];
	size_t i;

	if (tree_read(fs, &t, why))
		die("%s", why);
	for (i = 0; i < t.count; i++)
		print_node(fs, &t.nodes[i]);
	tree_free(&t);
}

static void with_pool(const char *path, void (*what)(struct umfs *fs))
{
	struct pool *p = attach(path);

	what(&p->fs);
	detach(p);
}

static const struct {
	const char *name;
	void (*run)(struct umfs *fs);
} commands[] = {{"fill", fill}, {"files", fill_files}, {"more", more}, {"begin", begin}, {"list", list}};

int main(int argc, char **argv)
{
	size_t i;

	if (argc == 4 && !strcmp(argv[1], "new")) {
		make(argv[2], strtoull(argv[3], NULL, 10));
		return 0;
	}
	if (argc == 5 && !strcmp(argv[1], "die"))
		return die_inside(argv[2], argv[3], strtoull(argv[4], NULL, 10));
	if (argc == 4 && !strcmp(argv[1], "recover"))
		return die_inside(argv[2], NULL, strtoull(argv[3], NULL, 10));
	for (i = 0; argc == 2 && !strcmp(argv[1], "calls") && i < UMFS_ARRAY_LEN(calls); i++)
		puts(calls[i].name);
	if (i)
		return 0;
	for (i = 0; argc == 3 && i < UMFS_ARRAY_LEN(commands); i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		with_pool(argv[2], commands[i].run);
		return 0;
	}
	die("usage: see the head of pools.c");
}
