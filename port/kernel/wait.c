// SPDX-License-Identifier: GPL-2.0-only
/*
 * wait.c - waiting for lock words, thread numbers and rights, time, chance, failed assertions.
 *
 * Who waits sits in one of a few queues, by the word's address, and is woken with all
 * others of that queue: spurious returns are allowed. A wake that comes between the
 * look at the word and the sleep is lost only for as long as core's bound says.
 */
#include <linux/atomic.h>
#include <linux/capability.h>
#include <linux/hash.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/printk.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>

#include "port_own.h"

#define QUEUE_BITS 6
#define SLACK_NS 10000

static wait_queue_head_t queues[1 << QUEUE_BITS];

void umfs_kport_waits_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(queues); i++)
		init_waitqueue_head(&queues[i]);
}

static wait_queue_head_t *queue_of(const uint32_t *word)
{
	return &queues[hash_ptr(word, QUEUE_BITS)];
}

/*
 * Not by signals: the owner is a thread of this kernel, inside core, and will be done
 * soon; core looks again after 20 ms at the latest.
 */
void port_wait(const uint32_t *word, uint32_t seen, uint64_t ns)
{
	wait_queue_head_t *queue = queue_of(word);
	ktime_t end = ns_to_ktime(ns);
	DEFINE_WAIT(wait);

	prepare_to_wait(queue, &wait, TASK_UNINTERRUPTIBLE);
	if (READ_ONCE(*word) == seen)
		schedule_hrtimeout_range(&end, SLACK_NS, HRTIMER_MODE_REL);
	finish_wait(queue, &wait);
}

void port_wake(const uint32_t *word)
{
	wait_queue_head_t *queue = queue_of(word);

	smp_mb(); /* the word was stored before we look for who waits */
	if (waitqueue_active(queue))
		wake_up_all(queue);
}

/*
 * Core asks for it with each lock word that it takes, in each transaction and each piece of
 * a long call, and always where it may sleep. So this is where a call that takes seconds,
 * as freeing a file of 512 GiB, or recovering whatever an image says, lets others run.
 */
uint32_t port_thread(void)
{
	cond_resched();
	return (uint32_t)current->pid;
}

/* Of who writes: it is his thread. */
bool port_keeps_setid(void)
{
	return capable(CAP_FSETID);
}

int64_t port_now_ns(void)
{
	struct timespec64 ts;

	ktime_get_coarse_real_ts64(&ts);
	return timespec64_to_ns(&ts);
}

uint32_t port_random(void)
{
	return get_random_u32();
}

void port_bug(const char *what, const char *file, int line)
{
	pr_err_ratelimited("umfs: assertion failed: %s at %s:%d; the pool answers EIO from now on\n",
			   what, file, line);
}
