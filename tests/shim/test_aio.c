// SPDX-License-Identifier: BSD-3-Clause
/*
 * test_aio.c - asynchronous calls: POSIX aio, the kernel's io_submit, io_uring.
 *
 * POSIX aio is libc's own doing, and goes to it (77) where libc's entries are not
 * redirected.
 */
#include <aio.h>
#include <dlfcn.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "shim_test.h"

#define PIECE 4096

/* ---- the kernel's: as libaio does it ---- */

static aio_context_t ctx;
static int file, pipes[2];

static int open_all(void **state)
{
	(void)state;
	ctx = 0;
	file = make_file("f", "0123456789");
	return syscall(SYS_io_setup, 64, &ctx) || pipe(pipes);
}

static int close_all(void **state)
{
	(void)state;
	close(file);
	close(pipes[0]);
	close(pipes[1]);
	return syscall(SYS_io_destroy, ctx) || unlink(at("f"));
}

static struct iocb request(int op, int fd, void *buf, size_t n, off_t off)
{
	return (struct iocb){.aio_lio_opcode = (uint16_t)op, .aio_fildes = (uint32_t)fd,
			     .aio_buf = (uint64_t)(uintptr_t)buf, .aio_nbytes = n,
			     .aio_offset = off, .aio_data = 0x1234 + (uint64_t)off};
}

static long submit(struct iocb **list, long n)
{
	return syscall(SYS_io_submit, ctx, n, list);
}

static struct io_event one_event(void)
{
	struct timespec soon = {20, 0};
	struct io_event ev = {0};

	assert_int_equal(syscall(SYS_io_getevents, ctx, 1, 1, &ev, &soon), 1);
	return ev;
}

/* One request alone: its result. */
static long do_one(struct iocb cb)
{
	struct iocb *list[] = {&cb}, before = cb;
	struct io_event ev;

	if (submit(list, 1) != 1)
		return -errno;
	ev = one_event();
	assert_int_equal(ev.obj, (uintptr_t)&cb);
	assert_int_equal(ev.data, before.aio_data);
	before.aio_key = cb.aio_key; /* the kernel's */
	assert_memory_equal(&cb, &before, sizeof(cb));
	return (long)ev.res;
}

static void each_kind_of_request(void **state)
{
	char buf[32] = "";
	struct iovec v[2] = {{buf, 2}, {buf + 8, 100}};
	struct iovec w[2] = {{(void *)(uintptr_t)"ab", 2}, {(void *)(uintptr_t)"cde", 3}};

	(void)state;
	assert_int_equal(do_one(request(IOCB_CMD_PREAD, file, buf, 4, 3)), 4);
	assert_memory_equal(buf, "3456", 5);
	assert_int_equal(do_one(request(IOCB_CMD_PREAD, file, buf, 4, 10)), 0);
	assert_int_equal(do_one(request(IOCB_CMD_PWRITE, file, (void *)(uintptr_t)"xyz", 3, 9)), 3);
	check_text(file, "012345678xyz");
	assert_int_equal(do_one(request(IOCB_CMD_PREADV, file, v, 2, 7)), 5);
	assert_memory_equal(buf, "78", 2);
	assert_memory_equal(buf + 8, "xyz", 3);
	assert_int_equal(do_one(request(IOCB_CMD_PWRITEV, file, w, 2, 1)), 5);
	check_text(file, "0abcde678xyz");
	assert_int_equal(do_one(request(IOCB_CMD_FSYNC, file, NULL, 0, 0)), 0);
	assert_int_equal(do_one(request(IOCB_CMD_FDSYNC, file, NULL, 0, 0)), 0);
	assert_int_equal(do_one(request(IOCB_CMD_POLL, file, (void *)(POLLIN | POLLOUT | POLLPRI),
					0, 0)), POLLIN | POLLOUT);
	assert_int_equal(lseek(file, 0, SEEK_CUR), 10);
}

static void bad_requests(void **state)
{
	struct iocb cb = request(IOCB_CMD_PREAD, file, NULL, 1, 0), *list[] = {&cb};
	int ro = open(at("f"), O_RDONLY), wo = open(at("f"), O_WRONLY);
	aio_context_t mine = ctx;
	char c = 'Q';

	(void)state;
	assert_int_equal(do_one(request(6, file, &c, 1, 0)), -EINVAL);
	assert_int_equal(do_one(request(99, file, &c, 1, 0)), -EINVAL);
	assert_int_equal(do_one(request(IOCB_CMD_PWRITE, ro, &c, 1, 0)), -EBADF);
	assert_int_equal(do_one(request(IOCB_CMD_PREAD, wo, &c, 1, 0)), -EBADF);
	assert_int_equal(do_one(request(IOCB_CMD_PREAD, file, &c, 1, -5)), -EINVAL);
	assert_int_equal(do_one(request(IOCB_CMD_PREAD, 12345, &c, 1, 0)), -EBADF);
	assert_int_equal(do_one(request(IOCB_CMD_PREAD, file, &c, (size_t)-1, 0)), -EINVAL);
	cb.aio_reserved2 = 1;
	assert_errno(submit(list, 1), EINVAL);
	/* No such context: then nothing is written either. */
	cb = request(IOCB_CMD_PWRITE, file, &c, 1, 0);
	ctx = 8;
	assert_errno(submit(list, 1), EINVAL);
	ctx = mine;
	check_text(file, "0123456789");
	assert_int_equal(submit(list, 0), 0);
	assert_errno(submit(list, -1), EINVAL);
	assert_ok(close(ro));
	assert_ok(close(wo));
}

/* On the kernel's descriptors too, in one call. */
static void mixed_requests(void **state)
{
	static char in[40][PIECE], out[40][PIECE];
	struct iocb cb[40], *list[40];
	struct io_event ev[40];
	FILE *other = tmpfile();
	bool seen[40] = {false};

	(void)state;
	assert_non_null(other);
	for (int i = 0; i < 40; i++) {
		memset(out[i], 'a' + i % 26, PIECE);
		cb[i] = request(IOCB_CMD_PWRITE, i % 3 ? file : fileno(other), out[i], PIECE,
				i * PIECE);
		list[i] = &cb[i];
	}
	assert_int_equal(submit(list, 40), 40);
	for (int round = 0; round < 2; round++) {
		long got = 0, n;

		while (got < 40) {
			n = syscall(SYS_io_getevents, ctx, 1, 40, ev, NULL);
			assert_true(n > 0);
			for (long i = 0; i < n; i++) {
				long which = (struct iocb *)(uintptr_t)ev[i].obj - cb;

				assert_int_equal(ev[i].res, PIECE);
				assert_int_equal(seen[which], round);
				seen[which] = !round;
			}
			got += n;
		}
		for (int i = 0; i < 40 && !round; i++) {
			cb[i].aio_lio_opcode = IOCB_CMD_PREAD;
			cb[i].aio_buf = (uint64_t)(uintptr_t)in[i];
		}
		assert_int_equal(round ? 40 : submit(list, 40), 40);
	}
	assert_memory_equal(in, out, sizeof(in));
	fclose(other);
}

/* What comes before a bad one is done; its error is what the next call says. */
static void bad_one_among_good(void **state)
{
	struct iocb cb[4], *list[4];
	char c[4] = "wxyz";

	(void)state;
	for (int i = 0; i < 4; i++) {
		cb[i] = request(IOCB_CMD_PWRITE, file, c + i, 1, i);
		list[i] = &cb[i];
	}
	cb[2].aio_lio_opcode = 77;
	assert_int_equal(submit(list, 4), 2);
	assert_errno(submit(list + 2, 2), EINVAL);
	for (int i = 0; i < 2; i++)
		assert_int_equal(one_event().res, 1);
	check_text(file, "wx23456789");
	cb[0].aio_fildes = cb[1].aio_fildes = (uint32_t)pipes[1];
	cb[0].aio_offset = cb[1].aio_offset = 0;
	cb[2].aio_fildes = 54321;
	cb[2].aio_lio_opcode = IOCB_CMD_PWRITE;
	assert_int_equal(submit(list, 4), 2);
	assert_errno(submit(list + 2, 2), EBADF);
	assert_int_equal(submit(list + 3, 1), 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(one_event().res, 1);
	check_text(file, "wx2z456789");
}

/* The number of events goes to an eventfd, and a waiter in the kernel wakes up. */
static void *wait_for_event(void *arg)
{
	*(struct io_event *)arg = one_event();
	return NULL;
}

static void waiters_are_told(void **state)
{
	struct iocb cb = request(IOCB_CMD_PWRITE, file, (void *)(uintptr_t)"W", 1, 0);
	struct iocb *list[] = {&cb};
	int efd = eventfd(0, EFD_NONBLOCK);
	struct io_event ev = {0};
	pthread_t t;
	uint64_t n;

	(void)state;
	cb.aio_flags = IOCB_FLAG_RESFD;
	cb.aio_resfd = (uint32_t)efd;
	assert_errno(read(efd, &n, sizeof(n)), EAGAIN);
	assert_int_equal(pthread_create(&t, NULL, wait_for_event, &ev), 0);
	usleep(20000);
	assert_int_equal(submit(list, 1), 1);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(ev.res, 1);
	assert_int_equal(ev.obj, (uintptr_t)&cb);
	assert_int_equal(read(efd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 1);
	assert_ok(close(efd));
}

static void requests_append(void **state)
{
	struct iocb cb = request(IOCB_CMD_PWRITE, file, (void *)(uintptr_t)"end", 3, 0);

	(void)state;
	cb.aio_rw_flags = RWF_APPEND;
	assert_int_equal(do_one(cb), 3);
	cb.aio_rw_flags = RWF_NOWAIT;
	assert_int_equal(do_one(cb), -EOPNOTSUPP);
	assert_ok(fcntl(file, F_SETFL, O_APPEND));
	cb.aio_rw_flags = 0;
	assert_int_equal(do_one(cb), 3);
	check_text(file, "0123456789endend");
}

/*
 * Whoever takes an event from the ring in memory, as some programs do, may use the request
 * again before the call that submitted it is over.
 */
struct ring { /* the kernel's; it is where the context's number says */
	unsigned id, nr, head, tail, magic, features[2], header_bytes;
	struct io_event events[];
};
#define RING_MAGIC 0xa10a10a1u
#define TURNS 600
#define SPINS 10000 /* then whoever is waited for has no processor */
#define MANY 60

static struct iocb shared[MANY];
static unsigned turn, turns_done;

static void *submit_in_turn(void *arg)
{
	struct iocb *list[MANY];
	unsigned i;

	for (i = 0; i < MANY; i++)
		list[i] = &shared[i];
	for (i = 1; i <= TURNS; i++) {
		while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != i)
			sched_yield();
		if (submit(list, MANY) != MANY)
			break;
		__atomic_store_n(&turns_done, i, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&turns_done, i > TURNS ? TURNS : ~0u, __ATOMIC_RELEASE);
	return arg;
}

/* The request of the next event. */
static struct iocb *reap(struct ring *ring)
{
	struct iocb *cb;

	for (unsigned i = 1; __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) == ring->head; i++) {
		if (__atomic_load_n(&turns_done, __ATOMIC_RELAXED) == ~0u)
			fail_msg("io_submit failed");
		if (i % SPINS == 0)
			sched_yield();
	}
	cb = (struct iocb *)(uintptr_t)ring->events[ring->head].obj;
	__atomic_store_n(&ring->head, (ring->head + 1) % ring->nr, __ATOMIC_RELEASE);
	return cb;
}

static void request_is_used_again_at_once(void **state)
{
	struct ring *ring = (struct ring *)ctx;
	char buf[64], other[64];
	struct iocb next;
	pthread_t t;

	(void)state;
	assert_int_equal(ring->magic, RING_MAGIC);
	turn = turns_done = 0;
	assert_int_equal(pthread_create(&t, NULL, submit_in_turn, NULL), 0);
	for (unsigned i = 1; i <= TURNS; i++) {
		/* Sometimes fewer bytes than asked for. */
		for (unsigned k = 0; k < MANY; k++)
			shared[k] = request(IOCB_CMD_PREAD, file, buf, k % 2 ? 10 : 64, 0);
		next = request(IOCB_CMD_PWRITE, file, other, 4, i);
		__atomic_store_n(&turn, i, __ATOMIC_RELEASE);
		for (unsigned k = 0; k < MANY; k++)
			*reap(ring) = next;
		while (__atomic_load_n(&turns_done, __ATOMIC_ACQUIRE) < i)
			sched_yield();
		for (unsigned k = 0; k < MANY; k++)
			assert_memory_equal(&shared[k], &next, sizeof(next));
	}
	assert_int_equal(pthread_join(t, NULL), 0);
}

/* ---- io_uring: where the pool is not mounted, programs do without ---- */

static void no_rings(void **state)
{
	struct io_uring_params p = {0};
	char ring[1024] = {0};
	int (*init)(unsigned, void *, unsigned);
	int (*setup)(unsigned, void *);
	void *uring, *(*probe)(void);

	(void)state;
	if (!on_umfs())
		return;
	assert_errno(syscall(SYS_io_uring_setup, 8, &p), ENOSYS);
	uring = dlopen("liburing.so.2", RTLD_NOW | RTLD_GLOBAL);
	if (!uring)
		SKIP("there is no liburing here");
	/* As a program that is linked to it finds them. */
	init = (int (*)(unsigned, void *, unsigned))dlsym(RTLD_DEFAULT, "io_uring_queue_init");
	assert_int_equal(init(8, ring, 0), -ENOSYS);
	setup = (int (*)(unsigned, void *))dlsym(RTLD_DEFAULT, "io_uring_setup");
	assert_int_equal(setup(8, &p), -ENOSYS);
	probe = (void *(*)(void))dlsym(RTLD_DEFAULT, "io_uring_get_probe");
	assert_null(probe());
	dlclose(uring);
}

/* ---- POSIX aio ---- */

static ssize_t finish(struct aiocb *cb)
{
	const struct aiocb *list[] = {cb};

	while (aio_error(cb) == EINPROGRESS)
		aio_suspend(list, 1, NULL);
	return aio_error(cb) ? -aio_error(cb) : aio_return(cb);
}

static struct aiocb posix_request(int op, const void *buf, size_t n, off_t off)
{
	return (struct aiocb){.aio_fildes = file, .aio_lio_opcode = op,
			      .aio_buf = (void *)(uintptr_t)buf, .aio_nbytes = n, .aio_offset = off,
			      .aio_sigevent = {.sigev_notify = SIGEV_NONE}};
}

static void posix_requests(void **state)
{
	char buf[32] = "";
	struct aiocb w = posix_request(0, "xyz", 3, 8), r = posix_request(0, buf, 20, 2);
	struct aiocb s = posix_request(0, NULL, 0, 0);
	int ro = open(at("f"), O_RDONLY);

	(void)state;
	assert_ok(aio_write(&w));
	assert_int_equal(finish(&w), 3);
	assert_ok(aio_read(&r));
	assert_int_equal(finish(&r), 9);
	assert_string_equal(buf, "234567xyz");
	assert_ok(aio_fsync(O_SYNC, &s));
	assert_int_equal(finish(&s), 0);
	assert_ok(aio_fsync(O_DSYNC, &s));
	assert_int_equal(finish(&s), 0);
	assert_int_equal(aio_cancel(file, NULL), AIO_ALLDONE);
	w.aio_fildes = ro;
	assert_ok(aio_write(&w));
	assert_int_equal(finish(&w), -EBADF);
	w.aio_fildes = file;
	assert_ok(fcntl(file, F_SETFL, O_APPEND));
	assert_ok(aio_write(&w));
	assert_int_equal(finish(&w), 3);
	check_text(file, "01234567xyzxyz");
	assert_ok(close(ro));
}

static volatile sig_atomic_t told;

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	(void)sig;
	(void)uc;
	told += info->si_value.sival_int;
}

static void on_thread(union sigval v)
{
	__atomic_fetch_add((int *)v.sival_ptr, 1, __ATOMIC_SEQ_CST);
}

static bool soon(const volatile int *what, int value)
{
	for (int i = 0; i < 20000 && *what != value; i++)
		usleep(1000);
	return *what == value;
}

static void posix_lists(void **state)
{
	static char in[16][PIECE], out[16][PIECE];
	struct sigaction act = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
	struct aiocb cb[16], *list[16];
	struct sigevent all = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1,
			       .sigev_value = {.sival_int = 5}};
	static int threads;

	(void)state;
	assert_ok(sigaction(SIGUSR1, &act, NULL));
	for (int i = 0; i < 16; i++) {
		memset(out[i], 'A' + i, PIECE);
		cb[i] = posix_request(LIO_WRITE, out[i], PIECE, i * PIECE);
		list[i] = &cb[i];
	}
	assert_ok(lio_listio(LIO_WAIT, list, 16, NULL));
	for (int i = 0; i < 16; i++) {
		assert_int_equal(aio_return(&cb[i]), PIECE);
		cb[i] = posix_request(LIO_READ, in[i], PIECE, i * PIECE);
		cb[i].aio_sigevent = (struct sigevent){.sigev_notify = SIGEV_THREAD,
						       .sigev_notify_function = on_thread,
						       .sigev_value = {.sival_ptr = &threads}};
	}
	told = threads = 0;
	assert_ok(lio_listio(LIO_NOWAIT, list, 16, &all));
	for (int i = 0; i < 16; i++)
		assert_int_equal(finish(&cb[i]), PIECE);
	assert_memory_equal(in, out, sizeof(in));
	assert_true(soon(&threads, 16));
	assert_true(soon((const volatile int *)&told, 5));
	signal(SIGUSR1, SIG_DFL);
}

/* Requests of libc's threads while this one makes and ends processes. */
static void posix_beside_fork(void **state)
{
	char buf[PIECE];

	(void)state;
	memset(buf, 'm', sizeof(buf));
	for (int i = 0; i < 50; i++) {
		struct aiocb cb[4];
		pid_t pid;
		int status;

		for (int k = 0; k < 4; k++) {
			cb[k] = posix_request(0, buf, sizeof(buf), (i * 4 + k) * PIECE);
			assert_ok(aio_write(&cb[k]));
		}
		pid = fork();
		if (!pid)
			_exit(pread(file, buf, 1, 0) == 1 ? 0 : 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		for (int k = 0; k < 4; k++)
			assert_int_equal(finish(&cb[k]), sizeof(buf));
	}
	assert_int_equal(lseek(file, 0, SEEK_END), 200 * PIECE);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)

int main(void)
{
	const struct CMUnitTest kernels[] = {
		CASE(each_kind_of_request), CASE(bad_requests),	   CASE(mixed_requests),
		CASE(bad_one_among_good),   CASE(waiters_are_told), CASE(requests_append),
		CASE(request_is_used_again_at_once), CASE(no_rings),
	};
	const struct CMUnitTest posix[] = {
		CASE(posix_requests),
		CASE(posix_lists),
		CASE(posix_beside_fork),
	};
	FILE *stream;
	int bad = cmocka_run_group_tests(kernels, NULL, NULL);

	stream = fopen(at("stream"), "w");
	if (!stream) {
		printf("libc's entries are not redirected: no POSIX aio\n");
		return bad ? 1 : 77;
	}
	fclose(stream);
	return bad + cmocka_run_group_tests(posix, NULL, NULL);
}
