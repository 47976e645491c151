// SPDX-License-Identifier: BSD-3-Clause
/* test_copy.c - copies into and out of a pool, their faults, checksums, write-back. */
#include "test_pools.h"
#include "cpu.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

/* ---- copies ---- */

typedef void copy_any(void *dst, const void *src, uint64_t n);

static void copy_in(void *dst, const void *src, uint64_t n)
{
	assert_int_equal(port_copy_in(dst, src, n), 0);
}
static void copy_in_nt(void *dst, const void *src, uint64_t n)
{
	assert_int_equal(port_copy_in_nt(dst, src, n), 0);
}
static void copy_out(void *dst, const void *src, uint64_t n)
{
	assert_int_equal(port_copy_out(dst, src, n), 0);
}

#define ROOM 163840u

static void check_copy(copy_any *copy, uint32_t n, uint32_t to, uint32_t from)
{
	static uint8_t src[ROOM], dst[ROOM], want[ROOM];
	uint32_t room = n + 256, i;

	for (i = 0; i < room; i++) {
		src[i] = (uint8_t)(i * 7 + (i >> 8) + 1);
		dst[i] = want[i] = 0xee;
	}
	memcpy(want + to, src + from, n);
	copy(dst + to, src + from, n);
	port_fence();
	if (memcmp(dst, want, room))
		fail_msg("n %u to %u from %u", n, to, from);
}

static void check_copies(void)
{
	static copy_any *const all[] = {port_copy, port_copy_nt, copy_in, copy_in_nt, copy_out};
	static const uint32_t large[] = {1023, 1279,  1280,  1281,  1343,   2048,   4095,  4096,
					 4097, 16383, 16384, 16385, 131071, 131072, 150000};
	uint32_t f, n, i, a;

	for (f = 0; f < UMFS_ARRAY_LEN(all); f++) {
		for (n = 0; n <= 600; n++)
			for (a = 0; a < 64; a += 9)
				check_copy(all[f], n, 64 + a, 128 + (a * 5 & 63));
		for (i = 0; i < UMFS_ARRAY_LEN(large); i++)
			for (a = 0; a < 64; a++)
				check_copy(all[f], large[i], 64 + a, 128 + (a * 3 & 63));
	}
}

/* What goes on where the last one ended is copied by another routine. */
static void check_pieces(uint32_t piece)
{
	static uint8_t src[ROOM], dst[ROOM];
	uint32_t at;

	for (at = 0; at < ROOM; at++)
		src[at] = (uint8_t)(at * 11 + (at >> 8) + piece);
	for (at = 0; at < ROOM; at += piece)
		copy_out(dst + at, src + at, UMFS_MIN(piece, ROOM - at));
	assert_memory_equal(dst, src, ROOM);
}

/* As on each processor; "rep movsb" is there on all. */
static void check_kinds(uint32_t cpu)
{
	static const uint32_t kinds[] = {0, CPU_FSRM, CPU_FSRM | CPU_FSRM_INTEL};
	uint32_t i, piece;

	for (i = 0; i < UMFS_ARRAY_LEN(kinds); i++) {
		port_cpu = (cpu & ~kinds[2]) | kinds[i];
		check_copies();
		for (piece = 500; piece < ROOM; piece *= 3)
			check_pieces(piece);
	}
}

static void copy_any_size_copies_exactly(void **state)
{
	uint32_t cpu = port_cpu;
	uint64_t min = port_nt_min;

	(void)state;
	check_kinds(cpu);
	port_cpu = cpu;
	port_nt_flushes();
	check_copies();
	pool_stream_never();
	check_copies();
	port_nt_flushes();
	assert_int_equal(port_nt_min, UINT64_MAX); /* not undone by it */
	port_nt_min = min;
	port_cpu = 0;
	check_copies();
	port_cpu = cpu;
}

static void zero_clears_exactly(void **state)
{
	uint8_t a[256];

	(void)state;
	memset(a, 1, sizeof(a));
	port_zero(a + 3, 200);
	assert_int_equal(a[2], 1);
	assert_int_equal(a[3], 0);
	assert_int_equal(a[202], 0);
	assert_int_equal(a[203], 1);
}

/* ---- faults ---- */

static void on_fault(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	greg_t *pc = &uc->uc_mcontext.gregs[REG_RIP];
	uintptr_t to = port_fault_fixup((uintptr_t)*pc, (uintptr_t)si->si_addr);

	if (!to && port_fault_contain((uintptr_t)si->si_addr))
		return;
	if (!to) {
		signal(sig, SIG_DFL);
		return;
	}
	*pc = (greg_t)to;
}

static void catch_faults(void)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

/* Memory whose end is followed by a page that can not be touched. */
static uint8_t *cliff(uint32_t bytes)
{
	uint8_t *at = mmap(NULL, bytes + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	assert_true(at != MAP_FAILED);
	assert_int_equal(mprotect(at + bytes, 4096, PROT_NONE), 0);
	return at + bytes;
}

static void check_faults(uint8_t *pool)
{
	static const uint32_t sizes[] = {1,  2,	  3,   5,   9,	  17,	40,
					 70, 128, 200, 300, 1500, 4096, 20000};
	const uint32_t room = 32768;
	uint8_t *end = cliff(room);
	uint64_t word = 5;
	uint32_t i, short_by;

	for (i = 0; i < UMFS_ARRAY_LEN(sizes); i++)
		for (short_by = 1; short_by <= sizes[i]; short_by += 1 + short_by / 3) {
			uint8_t *user = end - (sizes[i] - short_by);

			assert_int_equal(port_copy_in(pool, user, sizes[i]), -EFAULT);
			assert_int_equal(port_copy_in_nt(pool + 5, user, sizes[i]), -EFAULT);
			assert_int_equal(port_copy_out(user, pool, sizes[i]), -EFAULT);
		}
	assert_int_equal(port_copy_in(pool, NULL, 64), -EFAULT);
	assert_int_equal(port_swap_out((uint64_t *)16, 0, 1), -EFAULT);
	assert_int_equal(port_swap_out(&word, 6, 7), 0);
	assert_int_equal(word, 5);
	assert_int_equal(port_swap_out(&word, 5, 7), 0);
	assert_int_equal(word, 7);
	/* Not an address at all: the processor does not say which. */
	assert_int_equal(port_copy_in(pool, (void *)0x8000000000000000, 64), -EFAULT);
	assert_int_equal(port_flush_guarded(end - 4096, 4096), 0);
	assert_int_equal(port_flush_guarded(end - 4096, 4097), -EFAULT);
	assert_int_equal(port_flush_guarded(end, 1), -EFAULT);
	munmap(end - room, room + 4096);
}

static void copy_from_bad_pointer_gives_efault(void **state)
{
	struct pool *p = *state;
	uint32_t cpu = port_cpu;

	catch_faults();
	check_faults(p->fs.base);
	port_cpu = cpu | CPU_FSRM | CPU_FSRM_INTEL;
	check_faults(p->fs.base);
	port_cpu = cpu & ~(CPU_FSRM | CPU_FSRM_INTEL);
	check_faults(p->fs.base);
	port_cpu = 0;
	check_faults(p->fs.base);
	port_cpu = cpu;
}

static void copy_past_end_of_pool_gives_eio(void **state)
{
	struct pool *p = *state;
	static uint8_t large[32768];
	uint8_t buf[4096] = {0};
	uint32_t cpu = port_cpu;

	catch_faults();
	assert_int_equal(truncate(pool_path, POOL_BYTES / 2), 0);
	assert_int_equal(port_copy_in(p->fs.base + POOL_BYTES / 2, buf, 4096), -EIO);
	assert_int_equal(port_copy_in_nt(p->fs.base + POOL_BYTES / 2, buf, 4096), -EIO);
	assert_int_equal(port_flush_guarded(p->fs.base + POOL_BYTES / 2, 64), -EIO);
	assert_int_equal(port_copy_out(large, p->fs.base + POOL_BYTES / 2 - 20000, 32768), -EIO);
	port_cpu = 0;
	assert_int_equal(port_flush_guarded(p->fs.base + POOL_BYTES / 2, 64), -EIO);
	assert_int_equal(port_copy_out(buf, p->fs.base + POOL_BYTES - 64, 64), -EIO);
	port_cpu = cpu;
	/* A plain store: the page is replaced and the program lives. */
	p->fs.base[POOL_BYTES - 1] = 1;
	assert_int_equal(p->fs.base[POOL_BYTES - 1], 1);
}

/* ---- checksums and write-back ---- */

static void crc_of_check_string_is_standard(void **state)
{
	uint32_t cpu = port_cpu, i;
	uint8_t data[100];

	(void)state;
	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31);
	for (i = 0; i < 2; i++, port_cpu = 0) {
		uint32_t cut;

		assert_int_equal(port_crc32c(0, "123456789", 9), 0xe3069283);
		assert_int_equal(port_crc32c(5, "", 0), 5);
		for (cut = 0; cut <= sizeof(data); cut++)
			assert_int_equal(port_crc32c(port_crc32c(0, data, cut), data + cut,
						     sizeof(data) - cut),
					 port_crc32c(0, data, sizeof(data)));
	}
	port_cpu = cpu;
}

/* Every length that is cut into parts, and more, wherever it lies. */
static void crc_is_one_whatever_the_processor(void **state)
{
	static const uint32_t kinds[] = {CPU_SSE42, CPU_SSE42 | CPU_CLMUL};
	static uint8_t data[1400];
	uint32_t cpu = port_cpu, n, k;

	(void)state;
	for (n = 0; n < sizeof(data); n++)
		data[n] = (uint8_t)(n * n / 7 + n);
	for (n = 0; n + 8 <= sizeof(data); n++) {
		const uint8_t *p = data + n % 8;
		uint32_t want;

		port_cpu = 0;
		want = port_crc32c(n, p, n);
		for (k = 0; k < UMFS_ARRAY_LEN(kinds); k++) {
			if ((cpu & kinds[k]) != kinds[k])
				continue;
			port_cpu = kinds[k];
			assert_int_equal(port_crc32c(n, p, n), want);
		}
	}
	port_cpu = cpu;
}

static void flush_reaches_every_line(void **state)
{
	struct pool *p = *state;
	uint32_t cpu = port_cpu;

	/* What can be seen: no instruction is illegal here, and no line past the end is touched. */
	port_flush_lines(p->fs.base + 1, 4095);
	port_cpu = CPU_CLFLUSHOPT & cpu;
	port_flush_lines(p->fs.base + POOL_BYTES - 1, 1);
	port_cpu = 0;
	port_flush_lines(p->fs.base + 63, 2);
	port_cpu = cpu;
	port_fence();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_any_size_copies_exactly),
		cmocka_unit_test(zero_clears_exactly),
		WITH_POOL(copy_from_bad_pointer_gives_efault),
		WITH_POOL(copy_past_end_of_pool_gives_eio),
		cmocka_unit_test(crc_of_check_string_is_standard),
		cmocka_unit_test(crc_is_one_whatever_the_processor),
		WITH_POOL(flush_reaches_every_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
