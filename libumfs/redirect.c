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
 *  R2  All or nothing: stored in place (redirect_text.c), or where that is not
 *      permitted in copies of the pages that are mapped over libc (redirect_file.c).
 *  R3  No page is ever writable and executable.
 */
#include <elf.h>
#include <link.h>

#include "redirect.h"

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

extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden"))); /* the linker's */

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

static void see_own(const struct dl_phdr_info *info, struct libc *libc)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t start = (info->dlpi_addr + ph->p_vaddr) & ~(PAGE - 1);
		uintptr_t end = (info->dlpi_addr + ph->p_vaddr + ph->p_memsz) & ~(PAGE - 1);

		if (ph->p_type == PT_GNU_RELRO && start < end) {
			libc->relro = (const uint8_t *)start;
			libc->relro_bytes = end - start;
		}
	}
}

static int see_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char *slash = info->dlpi_name ? strrchr(info->dlpi_name, '/') : NULL;
	struct libc *libc = arg;

	(void)size;
	if (info->dlpi_addr == (uintptr_t)&__ehdr_start)
		see_own(info, libc);
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
	return libc->relro != NULL;
}

static const struct build *find_build(const struct libc *libc)
{
	for (size_t i = 0; i < UMFS_ARRAY_LEN(builds); i++)
		if (!strcmp(builds[i].id, libc->id))
			return &builds[i];
	return NULL;
}

bool umfs_libc_unaltered(const struct libc *libc, const struct build *b)
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

void umfs_make_jump(const uint8_t *from, int entry, uint8_t jump[JUMP_BYTES])
{
	int32_t way = (int32_t)((intptr_t)targets[entry] - (intptr_t)(from + JUMP_BYTES));

	jump[0] = 0xe9;
	memcpy(jump + 1, &way, sizeof(way));
}

const char *umfs_redirect_init(void)
{
	struct libc libc = {0};
	const struct build *b;

	if (!umfs_config.redirect)
		return "LIBUMFS_REDIRECT=0";
	if (!umfs_process_alone())
		return "other threads are running";
	dl_iterate_phdr(see_object, &libc);
	b = find_build(&libc);
	if (!b)
		return "unknown build of libc";
	if (!in_reach(&libc, b))
		return "libc is too far away";
	switch (umfs_redirect_text(&libc, b)) {
	case REDIRECT_DONE:
		return NULL;
	case REDIRECT_NOT_PERMITTED:
		if (umfs_libc_unaltered(&libc, b))
			return umfs_redirect_file(&libc, b);
		break;
	case REDIRECT_ALTERED:
		break;
	}
	return "libc was altered";
}
