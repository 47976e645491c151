// SPDX-License-Identifier: BSD-3-Clause
/*
 * copy.c - copies into and out of the pool, and faults inside them.
 *
 * The routines themselves are in copy_guard.S. In builds with kill hooks each
 * copy into the pool counts as two stores, its halves, so that a kill between
 * them leaves a torn one.
 */
#include "cpu.h"
#include "port_own.h"
#include "ranges.h"

typedef int copy_fn(void *dst, const void *src, uint64_t n);

copy_fn umfs_plain_nt_sse, umfs_plain_nt_avx;
copy_fn umfs_guard_copy_sse, umfs_guard_copy_avx, umfs_guard_copy_rep;
copy_fn umfs_guard_nt_sse, umfs_guard_nt_avx;

int umfs_guard_swap(uint64_t *at, uint64_t was, uint64_t now);

extern const char umfs_guard_start[], umfs_guard_avx[], umfs_guard_end[];
extern const char umfs_land_efault[], umfs_land_efault_avx[];
extern const char umfs_land_eio[], umfs_land_eio_avx[];

/*
 * From how many bytes on streaming wins. On DRAM the line fetches that it saves
 * must outweigh waiting for the write-combining buffers at the next fence
 * (measured with a fence per copy: 1 KiB 145 against 125 ns, 1.5 KiB 168
 * against 185, 4 KiB 287 against 440); with write-back to do, it does early.
 */
#define NT_MIN_DRAM 1280u
#define NT_MIN_FLUSH 256u
#define NT_NEVER UINT64_MAX

/*
 * When "rep movsb" wins, which fetches no line that it will store whole. Measured in ns to a
 * buffer in the caches.
 *
 * AMD, from how many bytes on (one file after the other, or at random): 8 KiB 247 against 228
 * by AVX and 689 against 708, 16 KiB 459 against 503 and 1120 against 1298, 64 KiB 1838
 * against 2418 and 2678 against 3106.
 *
 * Intel, at random: 512 bytes 14 against 9 (from the caches), 2 KiB 295 against 404 (from
 * memory, as all that follows), 4 KiB 559 against 720, 64 KiB 7520 against 8871, but 256 KiB
 * 31 against 23 us. And not at all one after the other, where AVX has what the processor
 * fetched ahead, which "rep movsb" does not care for: 2 KiB 196 against 145, 4 KiB 391 against
 * 263, 64 KiB 7821 against 5334, 1 MiB 123 against 93 us.
 */
#define REP_MIN 16384u
#define REP_MIN_INTEL 2048u
#define REP_END_INTEL 131072u

uint64_t port_nt_min = NT_MIN_DRAM;
static bool nt_flush; /* a medium that needs write-back is mapped */

void port_nt_flushes(void)
{
	if (port_nt_min != NT_NEVER)
		port_nt_min = NT_MIN_FLUSH;
	nt_flush = true;
}

void pool_stream_never(void)
{
	port_nt_min = NT_NEVER;
}

typedef int flush_fn(const void *p, uint64_t n);

static int flush_plain(const void *p, uint64_t n)
{
	port_flush_lines(p, n);
	return 0;
}

/* Write back what an nt routine stored the ordinary way: all, or the lines at both ends. */
static inline int flush_rest(flush_fn *flush, const void *pool, uint64_t n)
{
	uintptr_t start = (uintptr_t)pool, end = start + n;
	int err = 0;

	if (n < port_nt_min)
		return flush(pool, n);
	if (start & (UMFS_LINE_BYTES - 1))
		err = flush(pool, 1);
	if (!err && end & (UMFS_LINE_BYTES - 1))
		err = flush((const void *)(end - 1), 1);
	return err;
}

static inline bool has_avx(void)
{
	return __builtin_expect(port_cpu & CPU_AVX2, 1);
}

static inline bool rep_wins(uint64_t n)
{
	return __builtin_expect(n >= REP_MIN, 0) && port_cpu & CPU_FSRM;
}

/* Where in the pool this thread's last copy out of it ended. */
static __thread const char *copied_to __attribute__((tls_model("initial-exec")));

static inline bool rep_wins_out(const char *from, uint64_t n)
{
	bool goes_on = from == copied_to;

	if (!(port_cpu & CPU_FSRM_INTEL))
		return rep_wins(n);
	copied_to = from + n;
	return n < REP_END_INTEL && !goes_on;
}

static inline int plain_guard_copy(void *dst, const void *src, uint64_t n)
{
	return has_avx() ? umfs_guard_copy_avx(dst, src, n) : umfs_guard_copy_sse(dst, src, n);
}

static inline int guard_copy(void *dst, const void *src, uint64_t n)
{
	return rep_wins(n) ? umfs_guard_copy_rep(dst, src, n) : plain_guard_copy(dst, src, n);
}

static inline int guard_nt(void *dst, const void *src, uint64_t n)
{
	int err = has_avx() ? umfs_guard_nt_avx(dst, src, n) : umfs_guard_nt_sse(dst, src, n);

	if (__builtin_expect(nt_flush, 0) && !err)
		err = flush_rest(port_flush_guarded, dst, n); /* it may be gone by now */
	return err;
}

static inline int plain_nt(void *dst, const void *src, uint64_t n)
{
	(void)(has_avx() ? umfs_plain_nt_avx(dst, src, n) : umfs_plain_nt_sse(dst, src, n));
	return __builtin_expect(nt_flush, 0) ? flush_rest(flush_plain, dst, n) : 0;
}

static inline int plain_copy(void *dst, const void *src, uint64_t n)
{
	umfs_poke(dst, src, n);
	return 0;
}

static inline int plain_zero(void *dst, const void *src, uint64_t n)
{
	(void)src;
	umfs_poke_zero(dst, n);
	return 0;
}

#ifdef UMFS_KILL_HOOKS
/* About half of it; what lies in one aligned word the processor stores at once, so do these. */
static uint64_t first_half(const void *pool, uint64_t n)
{
	uint64_t at = (uintptr_t)pool, middle = (at + n / 2) & ~7ull;

	return middle > at ? middle - at : 0;
}
#endif

/* Run a routine that stores into the pool, in two halves where stores are counted. */
static inline int stored(copy_fn *copy, void *pool, const void *src, uint64_t n)
{
#ifdef UMFS_KILL_HOOKS
	uint64_t half = first_half(pool, n);
	int err = half ? copy(pool, src, half) : 0;

	if (err)
		return err;
	if (half)
		port_stored(pool, half);
	err = copy((char *)pool + half, (const char *)src + half, n - half);
	if (!err)
		port_stored((char *)pool + half, n - half);
	return err;
#else
	return copy(pool, src, n);
#endif
}

void port_copy(void *pool, const void *src, uint64_t n)
{
	(void)stored(plain_copy, pool, src, n);
}

void port_zero(void *pool, uint64_t n)
{
	(void)stored(plain_zero, pool, pool, n);
}

void port_copy_nt(void *pool, const void *src, uint64_t n)
{
	(void)stored(plain_nt, pool, src, n);
}

int port_copy_in(void *pool, const void *user, uint64_t n)
{
	return stored(guard_copy, pool, user, n);
}

int port_copy_in_nt(void *pool, const void *user, uint64_t n)
{
	return stored(guard_nt, pool, user, n);
}

int port_copy_out(void *user, const void *pool, uint64_t n)
{
	if (n >= REP_MIN_INTEL && rep_wins_out(pool, n))
		return umfs_guard_copy_rep(user, pool, n);
	return plain_guard_copy(user, pool, n);
}

int port_swap_out(uint64_t *user, uint64_t was, uint64_t now)
{
	return umfs_guard_swap(user, was, now);
}

/* The order of the tests is that of copy_guard.S: the AVX routines come last. */
uintptr_t port_fault_fixup(uintptr_t pc, uintptr_t addr)
{
	bool avx = pc >= (uintptr_t)umfs_guard_avx;

	if (pc < (uintptr_t)umfs_guard_start || pc >= (uintptr_t)umfs_guard_end)
		return 0;
	if (port_range_has(addr))
		return (uintptr_t)(avx ? umfs_land_eio_avx : umfs_land_eio);
	return (uintptr_t)(avx ? umfs_land_efault_avx : umfs_land_efault);
}
