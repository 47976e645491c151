// SPDX-License-Identifier: BSD-3-Clause
/*
 * redirect_file.c - jumps in copies of libc's pages, mapped over them.
 *
 * For processes that may not make executable what they wrote (PR_SET_MDWE). Pages
 * with the jumps are written to a memory file and mapped, run by run; where the
 * kernel refuses one, the file gets the former bytes back, and so has every page
 * that is mapped already.
 */
#include <linux/memfd.h>
#include <sys/mman.h>

#include "redirect.h"

#define RUN_GAP 1u /* pages in between that are copied rather than mapped apart */

/* Pages of the text that a jump goes to; where each lies in the memory file, plus one. */
struct plan {
	const uint8_t *start; /* of the text, rounded down to a page */
	uint32_t pages;
	uint16_t slot[TEXT_PAGES_MAX];
	uint32_t used;
};

static bool make_plan(struct plan *p, const struct libc *libc, const struct build *b)
{
	uint32_t last = 0;

	p->start = (const uint8_t *)((uintptr_t)libc->text & ~(PAGE - 1));
	p->pages = (uint32_t)((uint64_t)(libc->text + libc->text_bytes - p->start) / PAGE) + 1;
	if (p->pages > TEXT_PAGES_MAX)
		return false;
	memset(p->slot, 0, sizeof(p->slot));
	for (int i = 0; i < ENTRIES; i++) {
		uint64_t off = (uint64_t)(libc->base + b->at[i].off - p->start);

		p->slot[off / PAGE] = 1;
		p->slot[(off + JUMP_BYTES - 1) / PAGE] = 1;
	}
	for (uint32_t i = 0; i < p->pages; i++) {
		if (!p->slot[i])
			continue;
		for (uint32_t gap = last; last && gap < i && i - last <= RUN_GAP; gap++)
			p->slot[gap] = 1;
		last = i + 1;
	}
	p->used = 0;
	for (uint32_t i = 0; i < p->pages; i++)
		if (p->slot[i])
			p->slot[i] = (uint16_t)++p->used;
	return true;
}

/* Where the byte at `at` of the text lies in the memory file. */
static uint64_t file_off(const struct plan *p, const uint8_t *at)
{
	uint64_t off = (uint64_t)(at - p->start);

	return (p->slot[off / PAGE] - 1) * PAGE + off % PAGE;
}

/* One page of the text with the jumps, or the parts of them, that belong there. */
static bool write_page(const struct plan *p, const struct libc *libc, const struct build *b,
		       uint32_t index, int fd)
{
	const uint8_t *from = p->start + index * PAGE;
	uint8_t page[PAGE], jump[JUMP_BYTES];

	memcpy(page, from, PAGE);
	for (int i = 0; i < ENTRIES; i++) {
		const uint8_t *entry = libc->base + b->at[i].off;

		if (entry + JUMP_BYTES <= from || entry >= from + PAGE)
			continue;
		umfs_make_jump(entry, i, jump);
		for (int k = 0; k < JUMP_BYTES; k++)
			if (entry + k >= from && entry + k < from + PAGE)
				page[entry + k - from] = jump[k];
	}
	return sys4(SYS_pwrite64, fd, page, PAGE, (p->slot[index] - 1) * PAGE) == (long)PAGE;
}

static bool write_pages(const struct plan *p, const struct libc *libc, const struct build *b,
			int fd)
{
	for (uint32_t i = 0; i < p->pages; i++)
		if (p->slot[i] && !write_page(p, libc, b, i, fd))
			return false;
	return true;
}

/* Map each run of pages over libc; false: the kernel refused. */
static bool map_pages(const struct plan *p, int fd)
{
	for (uint32_t i = 0, n; i < p->pages; i += n + 1) {
		const uint8_t *at = p->start + i * PAGE;

		for (n = 0; i + n < p->pages && p->slot[i + n]; n++)
			;
		if (n && sys6(SYS_mmap, SYS_ARG(at), (long)(n * PAGE), PROT_READ | PROT_EXEC,
			      MAP_PRIVATE | MAP_FIXED, fd,
			      (long)((p->slot[i] - 1) * PAGE)) != SYS_ARG(at))
			return false;
	}
	return true;
}

/* Some of it is mapped and the rest can not be: what the jumps replaced, back into the file. */
static void take_back(const struct plan *p, const struct libc *libc, const struct build *b,
		      uint8_t before[][JUMP_BYTES], int fd)
{
	for (int i = 0; i < ENTRIES; i++)
		for (int k = 0; k < JUMP_BYTES; k++)
			sys4(SYS_pwrite64, fd, &before[i][k], 1,
			     file_off(p, libc->base + b->at[i].off + k));
}

static const char *install(const struct plan *p, const struct libc *libc, const struct build *b,
			   int fd)
{
	uint8_t before[ENTRIES][JUMP_BYTES];

	for (int i = 0; i < ENTRIES; i++)
		memcpy(before[i], libc->base + b->at[i].off, JUMP_BYTES);
	if (!write_pages(p, libc, b, fd))
		return "no memory";
	if (map_pages(p, fd))
		return NULL;
	take_back(p, libc, b, before, fd);
	return "the kernel refuses to map code";
}

const char *umfs_redirect_file(const struct libc *libc, const struct build *b)
{
	const char *why;
	struct plan p;
	long fd;

	if (!make_plan(&p, libc, b))
		return "libc is too large";
	fd = sys2(SYS_memfd_create, "libumfs", MFD_CLOEXEC);
	if (fd < 0)
		return "no memory file";
	why = install(&p, libc, b, (int)fd);
	sys1(SYS_close, fd);
	return why;
}
