// SPDX-License-Identifier: BSD-3-Clause
/*
 * sim.c - the simulator's pools, and the needs of core that touch memory.
 *
 * I1  Every store of core into a view passes stored(), after it: there it is
 *     written down, checked against the backing, and counted for sim_kill_arm.
 * I2  media changes only in sim_settle and in the makers of images, which tell of it.
 * I3  After sim_track(), a page of the view that is not the medium's is in `stale`, and
 *     one that was never SIM_PAGE_USED is zeros in both.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sim_internal.h"

char sim_context[256];
uint64_t sim_room = 160ull << 20;

static struct sim *pools[SIM_POOLS_MAX]; /* newest first */

void sim_fail(const char *what)
{
	fprintf(stderr, "sim: %s%s%s\n", what, sim_context[0] ? ": " : "", sim_context);
	abort();
}

void *sim_alloc(void *old, size_t bytes)
{
	void *p = realloc(old, bytes);

	if (!p)
		sim_fail("out of memory");
	return p;
}

uint64_t sim_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* ---- pools ---- */

struct sim *sim_of(const void *p, uint64_t n)
{
	const uint8_t *at = p;
	int i;

	for (i = 0; i < SIM_POOLS_MAX && pools[i]; i++)
		if (at >= pools[i]->mem && at < pools[i]->mem + pools[i]->bytes) {
			if (n > (uint64_t)(pools[i]->mem + pools[i]->bytes - at))
				sim_fail("a store across the end of the pool");
			return pools[i];
		}
	return NULL;
}

struct sim *sim_latest(void)
{
	return pools[0];
}

static void pools_insert(struct sim *sim)
{
	if (pools[SIM_POOLS_MAX - 1])
		sim_fail("too many pools");
	memmove(pools + 1, pools, (SIM_POOLS_MAX - 1) * sizeof(pools[0]));
	pools[0] = sim;
}

static void pools_remove(const struct sim *sim)
{
	int i = 0;

	while (i < SIM_POOLS_MAX && pools[i] != sim)
		i++;
	if (i == SIM_POOLS_MAX)
		sim_fail("not a pool");
	memmove(pools + i, pools + i + 1, (size_t)(SIM_POOLS_MAX - 1 - i) * sizeof(pools[0]));
	pools[SIM_POOLS_MAX - 1] = NULL;
}

static uint64_t page_count(const struct sim *sim)
{
	return (sim->room + UMFS_PAGE_BYTES - 1) / UMFS_PAGE_BYTES;
}

static uint64_t units(const struct sim *sim)
{
	return (sim->room + UMFS_UNIT_BYTES - 1) / UMFS_UNIT_BYTES;
}

static struct sim *pool_map(uint64_t bytes, uint64_t room)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	if (!sim)
		return NULL;
	sim->bytes = bytes;
	sim->room = room;
	sim->back_left = ~0ull;
	sim->now_ns = 1000000000ll * 1000000000;
	sim->thread = 1;
	sim->fd = memfd_create("sim-pool", MFD_CLOEXEC);
	if (sim->fd < 0 || ftruncate(sim->fd, (off_t)room))
		goto err_free;
	sim->media = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED, sim->fd, 0);
	sim->mem =
		mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, sim->fd, 0);
	sim->backed = calloc(units(sim), 1);
	sim->media_backed = calloc(units(sim), 1);
	if (sim->media == MAP_FAILED || sim->mem == MAP_FAILED || !sim->backed ||
	    !sim->media_backed)
		sim_fail("out of memory");
	pools_insert(sim);
	return sim;
err_free:
	if (sim->fd >= 0)
		close(sim->fd);
	free(sim);
	return NULL;
}

static void make_format(struct umfs_format *f, const struct sim *sim, uint32_t durability,
			uint64_t inodes)
{
	memset(f, 0, sizeof(*f));
	f->pool_pages = sim->bytes >> UMFS_PAGE_SHIFT;
	f->inode_count = inodes;
	memcpy(f->uuid, "simulated  pool", 16);
	memcpy(f->label, "sim", 4);
	f->durability = durability;
	f->hash_key[0] = 0x0706050403020100ull;
	f->hash_key[1] = 0x0f0e0d0c0b0a0908ull;
	f->now_ns = (uint64_t)sim->now_ns;
	f->root_mode = 0755;
}

/* Where formatting stored something there is memory. */
static void note_backing(struct sim *sim)
{
	off_t at = 0, hole;

	while ((at = lseek(sim->fd, at, SEEK_DATA)) >= 0) {
		hole = lseek(sim->fd, at, SEEK_HOLE);
		for (; at < hole; at += UMFS_PAGE_BYTES)
			sim->backed[(uint64_t)at / UMFS_UNIT_BYTES] = 1;
	}
}

struct sim *sim_blank(uint64_t bytes)
{
	return pool_map(bytes, bytes);
}

int sim_format(struct sim *sim, uint32_t durability, uint64_t inodes, uint32_t flags)
{
	struct umfs fs = {.base = sim->mem, .bytes = sim->bytes, .port = sim};
	struct umfs_format f;

	make_format(&f, sim, durability, inodes);
	f.flags = flags;
	return umfs_format_write(&fs, &f);
}

struct sim *sim_new(uint64_t bytes, uint32_t durability, uint64_t inodes)
{
	struct sim *sim = pool_map(bytes, bytes + sim_room);
	struct umfs_format f;
	struct umfs fs = {0};
	int err;

	if (!sim)
		return NULL;
	fs.base = sim->media; /* at once where it belongs: nobody looks at how */
	fs.bytes = bytes;
	fs.port = sim;
	make_format(&f, sim, durability, inodes);
	err = umfs_format_write(&fs, &f);
	if (err) {
		fprintf(stderr, "sim: format of %llu bytes: %d\n", (unsigned long long)bytes, err);
		sim_free(sim);
		return NULL;
	}
	note_backing(sim);
	memcpy(sim->media_backed, sim->backed, units(sim));
	sim->watch_backing = true;
	return sim;
}

static void copy_bytes(struct sim *sim, const struct sim *from)
{
	uint64_t i;

	if (!from->pages) {
		memcpy(sim->media, from->mem, from->bytes);
		return;
	}
	sim_track(sim);
	for (i = 0; i < from->bytes / UMFS_PAGE_BYTES; i++) {
		if (!(from->pages[i] & SIM_PAGE_USED))
			continue;
		memcpy(sim->media + i * UMFS_PAGE_BYTES, from->mem + i * UMFS_PAGE_BYTES,
		       UMFS_PAGE_BYTES);
		sim->pages[i] = SIM_PAGE_USED;
	}
}

struct sim *sim_copy(const struct sim *from)
{
	struct sim *sim = pool_map(from->bytes, from->room);

	if (!sim)
		return NULL;
	memcpy(sim->backed, from->backed, units(from));
	memcpy(sim->media_backed, from->backed, units(from));
	copy_bytes(sim, from);
	sim->watch_backing = from->watch_backing;
	sim->now_ns = from->now_ns;
	return sim;
}

void sim_free(struct sim *sim)
{
	if (!sim)
		return;
	pools_remove(sim);
	munmap(sim->mem, sim->room);
	munmap(sim->media, sim->room);
	close(sim->fd);
	free(sim->backed);
	free(sim->media_backed);
	free(sim->pages);
	free(sim->stale);
	free(sim);
}

/* ---- what the view has of its own ---- */

static void note(struct sim *sim, uint64_t off, uint64_t n, uint8_t set, uint8_t stale_if)
{
	uint64_t i;

	if (!sim->pages)
		return;
	for (i = off / UMFS_PAGE_BYTES; i <= (off + n - 1) / UMFS_PAGE_BYTES; i++) {
		sim->pages[i] |= set;
		if (!(sim->pages[i] & stale_if) || (sim->pages[i] & SIM_PAGE_STALE))
			continue;
		sim->pages[i] |= SIM_PAGE_STALE;
		sim->stale[sim->stale_count++] = (uint32_t)i;
	}
}

void sim_note_view(struct sim *sim, uint64_t off, uint64_t n)
{
	note(sim, off, n, SIM_PAGE_USED | SIM_PAGE_OWN, SIM_PAGE_OWN);
}

void sim_note_media(struct sim *sim, uint64_t off, uint64_t n)
{
	note(sim, off, n, SIM_PAGE_USED, SIM_PAGE_OWN);
}

void sim_put_view(struct sim *sim, uint64_t off, const void *data, uint64_t n)
{
	memcpy(sim->mem + off, data, n);
	sim_note_view(sim, off, n);
}

void sim_put_media(struct sim *sim, uint64_t off, const void *data, uint64_t n)
{
	memcpy(sim->media + off, data, n);
	sim_note_media(sim, off, n);
}

static void stale_forget(struct sim *sim, bool copy)
{
	uint32_t i;

	for (i = 0; i < sim->stale_count; i++) {
		uint64_t off = (uint64_t)sim->stale[i] * UMFS_PAGE_BYTES;

		if (copy)
			memcpy(sim->mem + off, sim->media + off, UMFS_PAGE_BYTES);
		sim->pages[sim->stale[i]] &= (uint8_t)~SIM_PAGE_STALE;
	}
	sim->stale_count = 0;
}

static void view_forget(struct sim *sim)
{
	uint64_t i;

	if (madvise(sim->mem, sim->room, MADV_DONTNEED))
		sim_fail("madvise");
	stale_forget(sim, false);
	for (i = 0; sim->pages && i < page_count(sim); i++)
		sim->pages[i] &= SIM_PAGE_USED;
}

void sim_track(struct sim *sim)
{
	off_t at = 0, hole;

	sim->pages = calloc(page_count(sim), 1);
	sim->stale = calloc(page_count(sim), sizeof(*sim->stale));
	if (!sim->pages || !sim->stale)
		sim_fail("out of memory");
	while ((at = lseek(sim->fd, at, SEEK_DATA)) >= 0) {
		hole = lseek(sim->fd, at, SEEK_HOLE);
		for (; at < hole; at += UMFS_PAGE_BYTES)
			sim->pages[(uint64_t)at / UMFS_PAGE_BYTES] = SIM_PAGE_USED;
	}
}

void sim_reload(struct sim *sim)
{
	if (sim->pages)
		stale_forget(sim, true);
	else
		view_forget(sim);
	memcpy(sim->backed, sim->media_backed, units(sim));
	memset(sim->owner, 0, sizeof(sim->owner));
	memset(sim->claimer, 0, sizeof(sim->claimer));
	sim->attacher = NULL;
	sim->kill_at = 0;
	sim->waits = 0;
}

void sim_settle(struct sim *sim)
{
	uint64_t at;

	for (at = 0; at < sim->bytes; at += UMFS_PAGE_BYTES)
		if (memcmp(sim->media + at, sim->mem + at, UMFS_PAGE_BYTES))
			sim_put_media(sim, at, sim->mem + at, UMFS_PAGE_BYTES);
	view_forget(sim);
	memcpy(sim->media_backed, sim->backed, units(sim));
}

void sim_media_punch(struct sim *sim, const struct sim_event *e)
{
	memset(sim->media + e->off, 0, e->len);
	sim_note_media(sim, e->off, e->len);
	memset(sim->media_backed + e->off / UMFS_UNIT_BYTES, 0, e->len / UMFS_UNIT_BYTES);
}

/* ---- stores ---- */

void sim_kill_arm(struct sim *sim, uint64_t n, jmp_buf *jump)
{
	sim->stores = 0;
	sim->kill_at = n;
	sim->kill_jump = jump;
}

static void check_backed(const struct sim *sim, uint64_t off, uint64_t n)
{
	uint64_t unit;

	if (!sim->watch_backing)
		return;
	for (unit = off / UMFS_UNIT_BYTES; unit <= (off + n - 1) / UMFS_UNIT_BYTES; unit++)
		if (!sim->backed[unit])
			sim_fail("a store to memory that was never backed");
}

static void stored(enum sim_kind kind, const void *p, uint64_t n)
{
	struct sim *sim = n ? sim_of(p, n) : NULL;

	if (!sim)
		return;
	check_backed(sim, (uint64_t)((const uint8_t *)p - sim->mem), n);
	sim->waits = 0;
	sim_note_view(sim, (uint64_t)((const uint8_t *)p - sim->mem), n);
	if (sim->log)
		sim_log_store(sim, kind, p, n);
	if (sim->kill_at && ++sim->stores == sim->kill_at) {
		sim->kill_at = 0;
		longjmp(*sim->kill_jump, 1);
	}
	if (sim->on_store)
		sim->on_store();
}

void port_stored(const void *p, uint64_t n)
{
	stored(SIM_STORE, p, n);
}

void port_copy(void *pool, const void *src, uint64_t n)
{
	memmove(pool, src, n);
	stored(SIM_STORE, pool, n);
}

void port_zero(void *pool, uint64_t n)
{
	memset(pool, 0, n);
	stored(SIM_STORE, pool, n);
}

void port_copy_nt(void *pool, const void *src, uint64_t n)
{
	memmove(pool, src, n);
	stored(SIM_STORE_NT, pool, n);
}

/* How much of user memory [p, p+n) can be had before a fault; the other side is `pool`, or core's own. */
static uint64_t reachable(const void *pool, const void *p, uint64_t n)
{
	const struct sim *own = sim_of(pool, 0), *sim = own ? own : sim_latest();
	const uint8_t *at = p;

	if (!sim || !sim->fault_lo || at >= sim->fault_hi || at + n <= sim->fault_lo)
		return n;
	return at >= sim->fault_lo ? 0 : (uint64_t)(sim->fault_lo - at);
}

static int copy_in(enum sim_kind kind, void *pool, const void *user, uint64_t n)
{
	uint64_t may = reachable(pool, user, n);

	memcpy(pool, user, may);
	stored(kind, pool, may);
	return may == n ? 0 : -EFAULT;
}

int port_copy_in(void *pool, const void *user, uint64_t n)
{
	return copy_in(SIM_STORE, pool, user, n);
}

int port_copy_in_nt(void *pool, const void *user, uint64_t n)
{
	return copy_in(SIM_STORE_NT, pool, user, n);
}

static void meanwhile(const struct sim *sim)
{
	if (sim && sim->copying)
		sim->copying(sim->copying_arg);
}

int port_copy_out(void *user, const void *pool, uint64_t n)
{
	const struct sim *sim = sim_of(pool, 0);
	uint64_t may = reachable(pool, user, n);

	if (!sim)
		sim = sim_latest(); /* zeros for a hole come from elsewhere */
	meanwhile(sim);
	memcpy(user, pool, may / 2);
	meanwhile(sim);
	memcpy((uint8_t *)user + may / 2, (const uint8_t *)pool + may / 2, may - may / 2);
	meanwhile(sim);
	return may == n ? 0 : -EFAULT;
}

void port_flush_lines(const void *p, uint64_t n)
{
	struct sim *sim = n ? sim_of(p, n) : NULL;

	if (sim && sim->log)
		sim_log_event(sim, SIM_FLUSH, (uint64_t)((const uint8_t *)p - sim->mem), n);
}

/* A fence orders for all pools; only those that record care. */
void port_fence(void)
{
	int i;

	for (i = 0; i < SIM_POOLS_MAX && pools[i]; i++)
		if (pools[i]->log)
			sim_log_event(pools[i], SIM_FENCE, 0, 0);
}

void sim_mark(void)
{
	int i;

	for (i = 0; i < SIM_POOLS_MAX && pools[i]; i++)
		if (pools[i]->log)
			sim_log_event(pools[i], SIM_MARK, 0, 0);
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_fast(uint32_t seed, const uint8_t *at,
							      uint64_t n)
{
	uint64_t crc = ~seed;

	for (; n >= 8; n -= 8, at += 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		crc = __builtin_ia32_crc32di(crc, word);
	}
	while (n--)
		crc = __builtin_ia32_crc32qi((uint32_t)crc, *at++);
	return ~(uint32_t)crc;
}

static uint32_t crc32c_bytes(uint32_t seed, const void *p, uint64_t n)
{
	static uint32_t table[256];
	const uint8_t *at = p;
	uint32_t crc = ~seed, i;
	int bit;

	if (!table[1])
		for (i = 0; i < 256; i++) {
			uint32_t v = i;

			for (bit = 0; bit < 8; bit++)
				v = v >> 1 ^ (v & 1 ? 0x82f63b78u : 0);
			table[i] = v;
		}
	while (n--)
		crc = crc >> 8 ^ table[(crc ^ *at++) & 0xff];
	return ~crc;
}

uint32_t port_crc32c(uint32_t seed, const void *p, uint64_t n)
{
	static int fast = -1;

	if (fast < 0)
		fast = __builtin_cpu_supports("sse4.2") != 0;
	return fast ? crc32c_fast(seed, p, n) : crc32c_bytes(seed, p, n);
}

/* ---- backing ---- */

int port_back(struct umfs *fs, uint64_t off, uint64_t n)
{
	struct sim *sim = sim_of_fs(fs);
	uint64_t unit;

	if (++sim->back_calls == sim->back_fail_at)
		return -ENOSPC;
	for (unit = off / UMFS_UNIT_BYTES; unit <= (off + n - 1) / UMFS_UNIT_BYTES; unit++) {
		if (sim->backed[unit])
			continue;
		if (!sim->back_left)
			return -ENOSPC;
		if (sim->back_left != ~0ull)
			sim->back_left--;
		sim->backed[unit] = 1;
		if (sim->log)
			sim->media_backed[unit] = 1;
	}
	return 0;
}

void port_unback(struct umfs *fs, uint64_t off, uint64_t n)
{
	struct sim *sim = sim_of_fs(fs);
	uint64_t unit;

	memset(sim->mem + off, 0, n);
	sim_note_view(sim, off, n);
	if (sim->log)
		sim_log_event(sim, SIM_PUNCH, off, n);
	for (unit = off / UMFS_UNIT_BYTES; unit < (off + n) / UMFS_UNIT_BYTES; unit++)
		sim->backed[unit] = 0;
}

int port_extend(struct umfs *fs, uint64_t bytes)
{
	struct sim *sim = sim_of_fs(fs);

	if (sim->extend_fails)
		return -ENOSPC;
	if (bytes > sim->room)
		return -EFBIG;
	sim->bytes = UMFS_MAX(sim->bytes, bytes);
	return 0;
}

int port_reach(struct umfs *fs, uint64_t bytes)
{
	if (bytes > sim_of_fs(fs)->bytes)
		return -EIO;
	fs->bytes = UMFS_MAX(fs->bytes, bytes);
	return 0;
}
