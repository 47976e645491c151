// SPDX-License-Identifier: BSD-3-Clause
/*
 * storm_freeze.c - the pool is frozen and copied while all go on, again and again.
 *
 * Each worker does one call after another in a directory of its own, always the same
 * ones in the same order, and writes down on the board which it has begun and which was
 * answered. So from a number follows what the directory must hold, and of a copy the
 * number must be one between those two. Workers are killed before, and while they wait;
 * now and then it is the freezer who is killed.
 */
#include "internal.h"
#include "storm.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES_MAX 32768u
#define PATIENCE_NS 20000000000ull
#define XATTR_BYTES 200u

/* What a worker's directory holds. */
struct model {
	bool a, b, c, d, s;
	uint32_t mode, xattr; /* 0: none */
	uint64_t size;
	uint8_t bytes[BYTES_MAX];
};

/* ---- the calls: what each does to the pool, and to the model ---- */

struct place {
	char dir[8], a[16], b[16], c[32], d[16], s[16];
};

static struct place place_of(uint32_t number)
{
	struct place p;

	snprintf(p.dir, sizeof(p.dir), "/w%u", number % 100);
	snprintf(p.a, sizeof(p.a), "%s/a", p.dir);
	snprintf(p.b, sizeof(p.b), "%s/b", p.dir);
	snprintf(p.d, sizeof(p.d), "%s/d", p.dir);
	snprintf(p.c, sizeof(p.c), "%s/c", p.d);
	snprintf(p.s, sizeof(p.s), "%s/s", p.dir);
	return p;
}

enum { WRITE, APPEND, CREATE, LINK, MOVE, MKDIR, MOVE_DOWN, TRUNCATE, CHMOD, XATTR, PUNCH,
       UNLINK_C, RMDIR, SYMLINK, UNLINK_S, UNLINK_A, CLOSE };
static const struct call {
	const char *name;
	int what;
	uint64_t off, n;
} calls[] = {
	{"create", CREATE, 0, 0},	{"write", WRITE, 0, 5000},
	{"overwrite 64", WRITE, 128, 64},	{"append", APPEND, 0, 10000},
	{"overwrite a page", WRITE, 4096, 4096}, {"overwrite pages", WRITE, 2000, 10000},
	{"link", LINK, 0, 0},		{"rename", MOVE, 0, 0},
	{"overwrite 200", WRITE, 4200, 200}, {"mkdir", MKDIR, 0, 0},
	{"rename down", MOVE_DOWN, 0, 0},	{"truncate", TRUNCATE, 9000, 0},
	{"chmod", CHMOD, 0, 0},		{"setxattr", XATTR, 0, 0},
	{"punch", PUNCH, 4000, 5000},	{"write behind the end", WRITE, 20000, 100},
	{"truncate up", TRUNCATE, 30000, 0}, {"unlink", UNLINK_C, 0, 0},
	{"rmdir", RMDIR, 0, 0},		{"symlink", SYMLINK, 0, 0},
	{"unlink the link", UNLINK_S, 0, 0}, {"overwrite 7000", WRITE, 100, 7000},
	{"truncate to nothing", TRUNCATE, 0, 0}, {"append again", APPEND, 0, 100},
	{"unlink while open", UNLINK_A, 0, 0}, {"close", CLOSE, 0, 0},
};
#define CALLS UMFS_ARRAY_LEN(calls)

static void model_write(struct model *m, uint64_t off, uint64_t n, uint32_t v)
{
	world_fill(m->bytes + off, n, off, v);
	m->size = UMFS_MAX(m->size, off + n);
}

static void model_size(struct model *m, uint64_t size)
{
	if (size < m->size)
		memset(m->bytes + size, 0, m->size - size);
	m->size = size;
}

static void model_call(struct model *m, const struct call *c, uint32_t v)
{
	switch (c->what) {
	case CREATE: m->a = true; m->mode = 0644; break;
	case WRITE: model_write(m, c->off, c->n, v); break;
	case APPEND: model_write(m, m->size, c->n, v); break;
	case LINK: m->b = true; break;
	case MOVE: break; /* two names of one file: nothing happens */
	case MKDIR: m->d = true; break;
	case MOVE_DOWN: m->b = false; m->c = true; break;
	case TRUNCATE: model_size(m, c->off); break;
	case CHMOD: m->mode = 0600; break;
	case XATTR: m->xattr = v; break;
	case PUNCH: memset(m->bytes + c->off, 0, UMFS_MIN(c->n, m->size - c->off)); break;
	case UNLINK_C: m->c = false; break;
	case RMDIR: m->d = false; break;
	case SYMLINK: m->s = true; break;
	case UNLINK_S: m->s = false; break;
	case UNLINK_A: m->a = false; break;
	default: break;
	}
}

/* After `done` calls in all. */
static void model_at(struct model *m, uint64_t done)
{
	uint64_t first = done - done % CALLS, i;

	memset(m, 0, sizeof(*m));
	for (i = first; i < done; i++)
		model_call(m, &calls[i % CALLS], (uint32_t)i + 1);
}

static int do_call(struct worker *w, const struct call *c, uint32_t v)
{
	struct place p = place_of(w->number);
	struct umfs_file *f = &w->files[0];

	switch (c->what) {
	case CREATE: return world_open(w->fs, p.a, O_RDWR | O_CREAT, f);
	case WRITE: return world_write(f, c->off, c->n, v);
	case APPEND: return world_append(f, c->n, v);
	case LINK: return world_link(w->fs, p.a, p.b);
	case MOVE: return world_rename(w->fs, p.a, p.b);
	case MKDIR: return world_mkdir(w->fs, p.d);
	case MOVE_DOWN: return world_rename(w->fs, p.b, p.c);
	case TRUNCATE: return umfs_truncate(w->fs, umfs_file_node(f), c->off);
	case CHMOD: return umfs_chmod(w->fs, &world_root, umfs_file_node(f), 0600);
	case XATTR: return world_setxattr(w->fs, p.a, "user.v", XATTR_BYTES, v);
	case PUNCH: return umfs_fallocate(f, UMFS_FALLOC_PUNCH | UMFS_FALLOC_KEEP_SIZE, c->off, c->n);
	case UNLINK_C: return world_unlink(w->fs, p.c);
	case RMDIR: return world_rmdir(w->fs, p.d);
	case SYMLINK: return world_symlink(w->fs, "a", p.s);
	case UNLINK_S: return world_unlink(w->fs, p.s);
	case UNLINK_A: return world_unlink(w->fs, p.a);
	default:
		if (f->fs)
			world_close(f);
		f->fs = NULL;
		return 0;
	}
}

/* ---- does a directory hold what it must? 0, or -1 with a reason ---- */

static int there(struct umfs *fs, const char *path, bool must, struct umfs_attr *attr, char why[256])
{
	int err = world_stat(fs, path, attr);

	if (err == (must ? 0 : -ENOENT))
		return 0;
	snprintf(why, 256, "%s: %s", path, err ? strerror(-err) : "is there");
	return -1;
}

static int same_file(struct umfs *fs, const char *path, const struct model *m,
		     const struct umfs_attr *attr, char why[256])
{
	static _Thread_local uint8_t got[BYTES_MAX], want[XATTR_BYTES];
	struct umfs_file f;
	int64_t n, x;

	if (attr->size != m->size || (attr->mode & 07777) != m->mode ||
	    attr->nlink != 1u + m->b + m->c) {
		snprintf(why, 256, "%s: size %llu mode %o links %u", path,
			 (unsigned long long)attr->size, attr->mode, attr->nlink);
		return -1;
	}
	need(world_open(fs, path, O_RDONLY, &f));
	n = umfs_pread(&f, got, sizeof(got), 0);
	x = umfs_getxattr(fs, &world_root, umfs_file_node(&f), "user.v", 6, want, sizeof(want));
	world_close(&f);
	if (n != (int64_t)m->size || memcmp(got, m->bytes, m->size)) {
		snprintf(why, 256, "%s: other bytes", path);
		return -1;
	}
	if (x != (m->xattr ? (int64_t)XATTR_BYTES : -ENODATA)) {
		snprintf(why, 256, "%s: attribute %lld", path, (long long)x);
		return -1;
	}
	world_fill(got, XATTR_BYTES, 0, m->xattr);
	if (m->xattr && memcmp(got, want, XATTR_BYTES)) {
		snprintf(why, 256, "%s: another attribute", path);
		return -1;
	}
	return 0;
}

static int same(struct umfs *fs, uint32_t number, uint64_t done, char why[256])
{
	static _Thread_local struct model m;
	struct place p = place_of(number);
	struct umfs_attr attr, a;

	model_at(&m, done);
	if (there(fs, p.a, m.a, &a, why) || there(fs, p.b, m.b, &attr, why) ||
	    there(fs, p.d, m.d, &attr, why) || there(fs, p.s, m.s, &attr, why) ||
	    (m.d && there(fs, p.c, m.c, &attr, why)))
		return -1;
	return m.a ? same_file(fs, p.a, &m, &a, why) : 0;
}

/*
 * In the modes that promise no more an overwrite that its process did not survive may be
 * torn: each byte is the one before or the one after call number `done`.
 */
static int torn(struct umfs *fs, uint32_t mode, uint32_t number, uint64_t done, char why[256])
{
	static _Thread_local struct model before, after;
	static _Thread_local uint8_t got[BYTES_MAX];
	struct place p = place_of(number);
	struct umfs_file f;
	int64_t n, i;

	if (mode == UMFS_MODE_ATOMIC || calls[done % CALLS].what != WRITE ||
	    world_open(fs, p.a, O_RDONLY, &f)) {
		snprintf(why, 256, "and it must not be torn");
		return -1;
	}
	model_at(&before, done);
	model_at(&after, done + 1);
	n = umfs_pread(&f, got, sizeof(got), 0);
	world_close(&f);
	for (i = 0; i < n && (got[i] == before.bytes[i] || got[i] == after.bytes[i]); i++)
		;
	if (i == n && (n == (int64_t)before.size || n == (int64_t)after.size))
		return 0;
	snprintf(why, 256, "%s: byte %lld of %lld is of neither", p.a, (long long)i, (long long)n);
	return -1;
}

/* ---- a worker ---- */

static uint64_t *begun_of(uint32_t number)
{
	return &storm_board->begun[number];
}
static uint64_t *done_of(uint32_t number)
{
	return &storm_board->done[number];
}
static uint64_t count(const uint64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

/* Which calls of a dead one were carried out? Who is dead may have to be undone first. */
static void find_out(struct worker *w)
{
	uint64_t stop = now_ns() + PATIENCE_NS, done = count(done_of(w->number));
	char why[256], why2[256] = "not begun";

	do {
		if (!same(w->fs, w->number, done, why))
			return;
		if (count(begun_of(w->number)) > done) {
			if (!same(w->fs, w->number, done + 1, why2)) {
				__atomic_store_n(done_of(w->number), done + 1, __ATOMIC_SEQ_CST);
				return;
			}
			if (!torn(w->fs, w->mode, w->number, done, why2))
				return; /* the same is written again */
		}
		usleep(1000);
	} while (now_ns() < stop);
	die("worker %u is neither after %llu calls (%s) nor one more (%s)", w->number,
	    (unsigned long long)done, why, why2);
}

static void begin(struct worker *w)
{
	struct place p = place_of(w->number);
	uint32_t slot;

	for (slot = 0; slot < w->fs->geo.slot_count; slot++)
		if (slot != w->fs->slot)
			(void)umfs_slot_recover(w->fs, slot);
	find_out(w);
	if (world_open(w->fs, p.a, O_RDWR, &w->files[0]))
		w->files[0].fs = NULL;
}

static void step(struct worker *w)
{
	uint64_t k = count(done_of(w->number));
	const struct call *c = &calls[k % CALLS];

	snprintf(storm_board->what[w->number], sizeof(storm_board->what[0]), "%s", c->name);
	__atomic_store_n(begun_of(w->number), k + 1, __ATOMIC_SEQ_CST);
	storm_allow(w, need(do_call(w, c, (uint32_t)k + 1)), c->name);
	__atomic_store_n(done_of(w->number), k + 1, __ATOMIC_SEQ_CST);
	/* What a dead one may have torn is whole again. */
	__atomic_store_n(&storm_board->whole[w->number], 1, __ATOMIC_SEQ_CST);
}

static void prepare(struct umfs *fs)
{
	uint32_t i;

	for (i = 0; i < STORM_WORKERS_MAX; i++)
		need(world_mkdir(fs, place_of(i).dir));
}

/* ---- the copies ---- */

static void copy_file(const char *from, const char *to)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("fork");
	if (!pid) {
		execlp("cp", "cp", "--sparse=always", from, to, (char *)NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		die("cp: %x", status);
}

/* No log of it waits to be replayed or rolled back. */
static void check_rest(const char *path)
{
	static struct pool p;
	bool from_backup;
	uint32_t slot, i;

	need(pool_open(&p, path, POOL_READONLY, &from_backup));
	for (slot = 0; slot < p.fs.geo.slot_count; slot++) {
		for (i = 0; i < p.fs.geo.lanes_per_slot; i++) {
			struct umfs_lane_pm *lane = umfs_lane(&p.fs, slot, i);

			if ((ld64(&lane->state) & 3) != UMFS_TX_IDLE || ld64(&lane->swap_entry) ||
			    ld64(&lane->promise) || ld64(&lane->group) ||
			    (ld64(&umfs_lane_ulog(lane)->state) & 1))
				die("lane %u of slot %u is at work in the copy", i, slot);
		}
	}
	for (i = 0; i < p.fs.geo.reserve_count; i++)
		if (ld64(&umfs_reserve(&p.fs, i)->state) & 1)
			die("reserve %u is at work in the copy", i);
	pool_close(&p);
}

struct counts {
	uint64_t done[STORM_WORKERS_MAX], begun[STORM_WORKERS_MAX];
	uint32_t whole[STORM_WORKERS_MAX]; /* nobody died there since the last call */
};

static void check_copy(const char *path, uint32_t mode, const struct counts *n, const char *fsck)
{
	struct pool *pool;
	char why[256], why2[256] = "";
	uint32_t i;

	check_rest(path);
	if (real_fsck(fsck, path))
		die("fsck of a copy");
	pool = real_attach(path, mode);
	for (i = 0; i < STORM_WORKERS_MAX; i++) {
		if (!same(&pool->fs, i, n->done[i], why))
			continue;
		if (n->begun[i] != n->done[i] &&
		    (!same(&pool->fs, i, n->begun[i], why2) ||
		     (!n->whole[i] && !torn(&pool->fs, mode, i, n->done[i], why2))))
			continue;
		die("in a copy worker %u is neither after %llu calls (%s) nor after %llu (%s)", i,
		    (unsigned long long)n->done[i], why, (unsigned long long)n->begun[i], why2);
	}
	pool_close(pool);
	free(pool);
}

/* What was answered when it was frozen has to be there, what was begun may. */
static void copy_round(const struct storm *s)
{
	struct counts n;
	struct pool *pool = real_attach(s->path, s->mode);
	char copy[280];
	uint32_t slot, i;
	int err = umfs_freeze(&pool->fs, PATIENCE_NS, &slot);

	if (err)
		die("freeze: %s, slot %u", strerror(-err), slot);
	for (i = 0; i < STORM_WORKERS_MAX; i++) {
		n.done[i] = count(done_of(i));
		n.begun[i] = count(begun_of(i));
		n.whole[i] = __atomic_load_n(&storm_board->whole[i], __ATOMIC_SEQ_CST);
	}
	snprintf(copy, sizeof(copy), "%s.copy", s->path);
	storm_replace(s); /* somebody dies while waiting, somebody comes */
	copy_file(s->path, copy);
	storm_replace(s);
	need(umfs_thaw(&pool->fs));
	pool_close(pool);
	free(pool);
	check_copy(copy, s->mode, &n, s->fsck);
	unlink(copy);
	__atomic_fetch_add(&storm_board->copies, 1, __ATOMIC_RELAXED);
}

static void freezer_dies(const struct storm *s)
{
	uint32_t slot;
	pid_t pid;

	__atomic_store_n(&storm_board->frozen, 0, __ATOMIC_SEQ_CST);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		struct pool *pool;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pool = real_attach(s->path, s->mode);
		need(umfs_freeze(&pool->fs, PATIENCE_NS, &slot));
		__atomic_store_n(&storm_board->frozen, 1, __ATOMIC_SEQ_CST);
		for (;;)
			pause();
	}
	/* Half of the time it dies on the way. */
	if (storm_random(s->random) & 1)
		while (!__atomic_load_n(&storm_board->frozen, __ATOMIC_SEQ_CST) &&
		       waitpid(pid, NULL, WNOHANG) == 0)
			usleep(100);
	else
		usleep((useconds_t)(storm_random(s->random) % 3000));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void rounds(const struct storm *s)
{
	if (storm_random(s->random) % 4)
		copy_round(s);
	else
		freezer_dies(s);
}

/* Each directory is as it must be at the end, too. */
static int check(const struct tree *t, char why[256])
{
	(void)t;
	if (!storm_board->copies) {
		snprintf(why, 256, "not one copy was made");
		return -1;
	}
	printf("%llu copies\n", (unsigned long long)storm_board->copies);
	return 0;
}

const struct storm_kind storm_freeze = {
	.name = "freeze", .prepare = prepare, .begin = begin, .step = step, .round = rounds, .check = check};
