// SPDX-License-Identifier: BSD-3-Clause
/* scrub_run.c - the walk through a pool, and what is said: see scrub.c. */
#include "scrub.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <ucontext.h>

/* ---- faults ---- */

static struct pool *guarded;

/* S2. What is no guarded copy goes on with zeros in place of the pool, which is not used again. */
static void on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uintptr_t addr = (uintptr_t)info->si_addr, next;

	next = info->si_code > 0
		       ? port_fault_fixup((uintptr_t)uc->uc_mcontext.gregs[REG_RIP], addr) : 0;
	if (next) {
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)next;
		return;
	}
	if (info->si_code > 0 && port_fault_in_pool(addr) && port_fault_contain(addr)) {
		__atomic_store_n(&guarded->fs.broken, 1, __ATOMIC_RELEASE);
		return;
	}
	signal(sig, SIG_DFL);
}

void scrub_catch_faults(struct pool *pool)
{
	struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};

	guarded = pool;
	sigaction(SIGBUS, &act, NULL);
	sigaction(SIGSEGV, &act, NULL);
}

bool scrub_read(struct scrub *s, uint64_t page, void *copy)
{
	s->pages++;
	return !port_copy_out(copy, umfs_page(s->fs, page), UMFS_PAGE_BYTES);
}

/* ---- findings ---- */

static void print_text(FILE *out, const char *text, uint64_t n)
{
	for (; n--; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			fprintf(out, "\\x%02x", (unsigned char)*text);
		else
			putc(*text, out);
}

static void print_path(struct scrub *s)
{
	static char path[65536];
	uint32_t dir = s->at.dir;
	int n;

	if (!dir)
		return;
	n = umfs_getpath(s->fs, dir, path, sizeof(path));
	putc(' ', s->out);
	if (n >= 0)
		print_text(s->out, path, strnlen(path, sizeof(path)));
	else
		fprintf(s->out, "(directory %u)", dir);
	if (s->at.len && (n < 0 || strcmp(path, "/")))
		putc('/', s->out);
	print_text(s->out, s->at.name, s->at.len);
}

void scrub_find(struct scrub *s, const char *format, ...)
{
	va_list args;

	s->findings++;
	if (s->at.ino) {
		fprintf(s->out, "inode %u", s->at.ino);
		print_path(s);
	} else {
		fputs("pool", s->out);
	}
	fputs(": ", s->out);
	va_start(args, format);
	vfprintf(s->out, format, args);
	va_end(args);
	putc('\n', s->out);
}

/* ---- what belongs to nobody ---- */

static int scrub_supers(struct scrub *s)
{
	int err = umfs_attach_lock(s->fs), differ;

	if (err)
		return err;
	differ = umfs_super_settle(s->fs); /* nobody is making the pool larger now */
	umfs_attach_unlock(s->fs);
	if (differ)
		scrub_find(s, "a superblock is damaged: the two are not the same");
	return 0;
}

/* False: a page there can not be read. A hole is not touched, since that would give it memory. */
static bool scrub_pages(struct scrub *s, uint64_t first, uint64_t end, const char *what)
{
	bool good = true;

	for (; first < end; first++) {
		if (!pool_has_data(s->pool, first << UMFS_PAGE_SHIFT, UMFS_PAGE_BYTES))
			continue;
		if (scrub_read(s, first, s->page))
			continue;
		scrub_find(s, "page %llu can not be read: %s", (unsigned long long)first, what);
		good = false;
	}
	return good;
}

static bool group_used(const struct scrub *s, uint32_t group)
{
	return ld32(&umfs_group(s->fs, group)->flags) & UMFS_GROUP_INIT;
}

static bool scrub_heads(struct scrub *s)
{
	uint32_t group, head = UMFS_GROUP_HEAD_PAGES + s->fs->geo.itable_pages;
	bool good = true;

	for (group = 0; group < s->fs->geo.group_count; group++) {
		uint64_t page = umfs_group_page(s->fs, group);

		if (!group_used(s, group))
			continue;
		good &= scrub_pages(s, page, page + UMFS_GROUP_HEAD_PAGES, "bitmaps");
		(void)scrub_pages(s, page + UMFS_GROUP_HEAD_PAGES, page + head, "inodes");
	}
	return good;
}

/* ---- the walk ---- */

/* Once for each inode (S3). */
static bool is_new(struct scrub *s, uint32_t ino)
{
	uint8_t bit = (uint8_t)(1u << ino % 8);

	if (ino >= s->seen_inos || s->seen[ino / 8] & bit)
		return false;
	s->seen[ino / 8] |= bit;
	return true;
}

static int later(struct scrub *s, uint32_t dir)
{
	if (s->dir_count == s->dir_room) {
		uint64_t room = s->dir_room ? 2 * s->dir_room : 64;
		uint32_t *more = realloc(s->dirs, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->dirs = more;
		s->dir_room = room;
	}
	s->dirs[s->dir_count++] = dir;
	return 0;
}

int scrub_name(struct scrub *s, uint32_t dir, const char *name, uint32_t len, uint32_t ino)
{
	int kind;

	if (!is_new(s, ino))
		return 0;
	s->at.ino = ino;
	s->at.dir = dir;
	s->at.len = len;
	memcpy(s->at.name, name, len);
	kind = scrub_inode(s);
	return kind == 1 ? later(s, ino) : kind;
}

/* A directory that was found: it says itself what its path is. */
static int walk(struct scrub *s)
{
	int err = 0;

	while (!err && s->dir_count) {
		uint32_t dir = s->dirs[--s->dir_count];

		s->at = (struct scrub_place){.ino = dir, .dir = dir};
		err = scrub_dir(s);
	}
	return err;
}

/* Inodes in use that no name led to: removed ones that are open, or hidden by damage. */
static int sweep(struct scrub *s)
{
	uint32_t group, i, ipg = s->fs->geo.inodes_per_group;
	uint8_t bits[UMFS_PAGE_BYTES];
	int err;

	for (group = 0; group < s->seen_inos / ipg; group++) {
		if (!group_used(s, group) ||
		    !scrub_read(s, umfs_group_page(s->fs, group) + 1, bits))
			continue;
		for (i = group ? 0 : 1; i < ipg; i++) {
			if (!(bits[i / 8] >> i % 8 & 1) || !is_new(s, group * ipg + i))
				continue;
			s->at = (struct scrub_place){.ino = group * ipg + i};
			err = scrub_inode(s);
			if (err == 1 && !(err = later(s, s->at.ino)))
				err = walk(s);
			if (err)
				return err;
		}
	}
	return 0;
}

static int scrub_all(struct scrub *s)
{
	int err;

	/* Core itself needs these: without them there is no going on. */
	if (!scrub_pages(s, 0, s->fs->geo.groups_page, "what all processes share") ||
	    !scrub_heads(s))
		return -EIO;
	err = scrub_supers(s);
	if (!err)
		err = scrub_name(s, UMFS_ROOT_INO, "", 0, UMFS_ROOT_INO);
	if (!err)
		err = walk(s);
	if (!err)
		err = sweep(s);
	return s->fs->broken ? -EIO : err;
}

int scrub_run(struct scrub *s)
{
	int err;

	s->fs = &s->pool->fs;
	s->seen_inos = (uint64_t)s->fs->geo.group_count * s->fs->geo.inodes_per_group;
	s->seen = calloc(1, s->seen_inos / 8 + 1);
	err = s->seen ? scrub_all(s) : -ENOMEM;
	if (s->fs->broken) {
		s->at.ino = 0;
		scrub_find(s, "it can not be used any more, a page that is needed can not be read");
	}
	free(s->seen);
	free(s->dirs);
	return err;
}
