// SPDX-License-Identifier: BSD-3-Clause
/*
 * redirect.c - the entries of libc's functions lead to ours.
 *
 * Replaced symbols miss what libc calls of itself: fopen, opendir, every flush
 * of a stream. All of that ends in some hundred functions of libc. The first
 * five bytes of each become a jump to ours; none of them is ever run again, so
 * nothing has to be decoded, moved or called through.
 *
 * Done once, in the constructor, while there is one thread:
 *  R1  Only in a build of libc that is known by its build-id, whose functions
 *      still are what they were when libc_builds.h was written (checksum).
 *  R2  All or nothing. Pages with the jumps are written to a memory file and
 *      mapped over libc, run by run; where the kernel refuses one, the file gets
 *      the former bytes back, and so has every page that is mapped already.
 *  R3  No page is ever writable and executable, so the limits that some
 *      programs put on themselves (PR_SET_MDWE) do not forbid it.
 */
#include <elf.h>
#include <link.h>
#include <linux/memfd.h>
#include <sys/mman.h>

#include "internal.h"

struct place {
	uint32_t off, size; /* from libc's load address */
};

#define ENTRY(name, to) ENTRY_##name,
#define HIDDEN(name, nr, n, to) ENTRY_##name,
enum {
#include "libc_entries.h"
	ENTRIES
};
#undef ENTRY
#undef HIDDEN

struct build {
	char id[41];
	uint32_t crc; /* over all functions, in order */
	struct place at[ENTRIES];
};

static const struct build builds[] = {
#include "libc_builds.h"
};

#define ENTRY(name, to) extern const char umfs_at_##to[];
#define HIDDEN(name, nr, n, to) extern const char umfs_at_##to[];
#include "libc_entries.h"
#undef ENTRY
#undef HIDDEN

#define ENTRY(name, to) umfs_at_##to,
#define HIDDEN(name, nr, n, to) umfs_at_##to,
static const char *const targets[ENTRIES] = {
#include "libc_entries.h"
};

const char *umfs_redirect_refusal = "not tried";

#define JUMP_BYTES 5
#define PAGE 4096ul
#define TEXT_PAGES_MAX 1024u
#define RUN_GAP 1u /* pages in between that are copied rather than mapped apart */

struct libc {
	const uint8_t *base;
	const uint8_t *text; /* its executable segment */
	uint64_t text_bytes;
	char id[41];
};

/* ---- which libc is it ---- */

static void read_id(const ElfW(Nhdr) * note, const uint8_t *end, char *id)
{
	static const char digits[] = "0123456789abcdef";

	while ((const uint8_t *)(note + 1) <= end) {
		const uint8_t *name = (const uint8_t *)(note + 1);
		const uint8_t *desc = name + ((note->n_namesz + 3u) & ~3u);

		if (desc + note->n_descsz > end)
			return;
		if (note->n_type == NT_GNU_BUILD_ID && note->n_descsz == 20) {
			for (int i = 0; i < 20; i++) {
				id[2 * i] = digits[desc[i] >> 4];
				id[2 * i + 1] = digits[desc[i] & 15];
			}
			return;
		}
		note = (const void *)(desc + ((note->n_descsz + 3u) & ~3u));
	}
}

static int see_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char *slash = info->dlpi_name ? strrchr(info->dlpi_name, '/') : NULL;
	struct libc *libc = arg;

	(void)size;
	if (!slash || strcmp(slash, "/libc.so.6") != 0)
		return 0;
	libc->base = (const uint8_t *)info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		const uint8_t *start = libc->base + ph->p_vaddr;

		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X)) {
			libc->text = start;
			libc->text_bytes = ph->p_memsz;
		} else if (ph->p_type == PT_NOTE) {
			read_id((const void *)start, start + ph->p_memsz, libc->id);
		}
	}
	return 1;
}

static const struct build *find_build(const struct libc *libc)
{
	for (size_t i = 0; i < UMFS_ARRAY_LEN(builds); i++)
		if (!strcmp(builds[i].id, libc->id))
			return &builds[i];
	return NULL;
}

static bool unaltered(const struct libc *libc, const struct build *b)
{
	uint32_t crc = 0;

	for (int i = 0; i < ENTRIES; i++) {
		const uint8_t *code = libc->base + b->at[i].off;

		if (code < libc->text || code + b->at[i].size > libc->text + libc->text_bytes)
			return false;
		crc = port_crc32c(crc, code, b->at[i].size);
	}
	return crc == b->crc;
}

static bool in_reach(const struct libc *libc, const struct build *b)
{
	for (int i = 0; i < ENTRIES; i++) {
		int64_t way = (int64_t)((uintptr_t)targets[i] -
					(uintptr_t)(libc->base + b->at[i].off + JUMP_BYTES));

		if (way != (int32_t)way)
			return false;
	}
	return true;
}

/* ---- the pages ---- */

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

static void make_jump(const uint8_t *from, const char *to, uint8_t *jump)
{
	int32_t way = (int32_t)((intptr_t)to - (intptr_t)(from + JUMP_BYTES));

	jump[0] = 0xe9;
	memcpy(jump + 1, &way, sizeof(way));
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
		make_jump(entry, targets[i], jump);
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

const char *umfs_redirect_init(void)
{
	struct libc libc = {0};
	const struct build *b;
	const char *why;
	struct plan p;
	long fd;

	if (!umfs_config.redirect)
		return "LIBUMFS_REDIRECT=0";
	if (!umfs_process_alone())
		return "other threads are running";
	dl_iterate_phdr(see_object, &libc);
	b = find_build(&libc);
	if (!b)
		return "unknown build of libc";
	if (!unaltered(&libc, b))
		return "libc was altered";
	if (!in_reach(&libc, b))
		return "libc is too far away";
	if (!make_plan(&p, &libc, b))
		return "libc is too large";
	fd = sys2(SYS_memfd_create, "libumfs", MFD_CLOEXEC);
	if (fd < 0)
		return "no memory file";
	why = install(&p, &libc, b, (int)fd);
	sys1(SYS_close, fd);
	return why;
}
