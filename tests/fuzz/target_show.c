// SPDX-License-Identifier: BSD-3-Clause
/*
 * target_show.c - `umfs dump` of a damaged pool and of each of its inodes, then `umfs scrub`.
 * The commands are linked with the simulator; what opens a pool file is done here.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "scrub.h"
#include "tools.h"

static jmp_buf failed;
static struct pool shown;
static FILE *nowhere;

const struct option common_options[] = {{NULL, 0, NULL, 0}};

int common_option(int c, const char *command, const char *help)
{
	(void)c;
	(void)command;
	(void)help;
	return 1;
}

void fail(const char *format, ...)
{
	(void)format;
	longjmp(failed, 1);
}

void look_open(struct pool *p, const char *path)
{
	bool from_backup;
	struct sim *sim = image_sim();

	(void)path;
	memset(p, 0, sizeof(*p));
	p->fs.base = sim->mem;
	p->fs.bytes = sim->bytes;
	p->fs.port = sim;
	if (umfs_super_load(&p->fs, &from_backup))
		fail("not a pool");
	p->fs.readonly = 1;
}

void pool_close(struct pool *p)
{
	(void)p;
}

bool pool_has_data(const struct pool *p, uint64_t off, uint64_t n)
{
	const struct sim *sim = image_sim();
	uint64_t page;

	(void)p;
	for (page = off >> UMFS_PAGE_SHIFT; page <= (off + n - 1) >> UMFS_PAGE_SHIFT; page++)
		if (page < sim->bytes >> UMFS_PAGE_SHIFT && sim->pages[page])
			return true;
	return false;
}

const char *pool_strerror(int err)
{
	return strerror(-err);
}

uintptr_t port_fault_fixup(uintptr_t pc, uintptr_t addr)
{
	(void)pc;
	(void)addr;
	return 0;
}

bool port_fault_in_pool(uintptr_t addr)
{
	(void)addr;
	return false;
}

bool port_fault_contain(uintptr_t addr)
{
	(void)addr;
	return false;
}

static void dump(char *first, char *second)
{
	char command[] = "dump", pool[] = "pool";
	char *args[] = {command, pool, first, second, NULL};

	optind = 0;
	if (!setjmp(failed))
		dump_main(second ? 4 : first ? 3 : 2, args);
}

static void dump_all(void)
{
	char word[] = "inode", path[] = "/d/x", number[16];

	dump(NULL, NULL);
	dump(path, NULL);
	for (uint32_t ino = 0; ino < IMAGE_INODES; ino++) {
		snprintf(number, sizeof(number), "%u", ino);
		dump(word, number);
	}
}

static void scrub(void)
{
	static struct scrub s;
	int err;
	struct sim_proc *proc = sim_attach(image_sim(), UMFS_MODE_POSIX, &err);

	if (!proc)
		return;
	memset(&s, 0, sizeof(s));
	shown.fs = proc->fs;
	image_sim()->owner[proc->fs.slot] = &shown.fs;
	s.pool = &shown;
	s.out = nowhere;
	scrub_run(&s);
	proc->fs = shown.fs;
	image_sim()->owner[proc->fs.slot] = &proc->fs;
	sim_detach(proc);
}

void fuzz_one(const uint8_t *data, size_t n)
{
	static struct input in;

	if (!nowhere) {
		nowhere = fopen("/dev/null", "w");
		if (!nowhere || !freopen("/dev/null", "w", stdout))
			abort();
	}
	input_parse(&in, data, n);
	image_load_for(&in);
	for (uint32_t i = 0; i < in.count; i++)
		damage(&in.records[i]);
	dump_all();
	scrub();
}
