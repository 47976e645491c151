/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_internal.h - what the files of port/sim share. */
#ifndef UMFS_PORT_SIM_INTERNAL_H
#define UMFS_PORT_SIM_INTERNAL_H

#include "sim.h"

#define SIM_POOLS_MAX 8

/* The pool whose view has [p, p+n), or NULL: process memory. */
struct sim *sim_of(const void *p, uint64_t n);
static inline struct sim *sim_of_fs(const struct umfs *fs)
{
	return (struct sim *)fs->port;
}

/* Note what now lies at [p, p+n) as stored. */
void sim_log_store(struct sim *sim, enum sim_kind kind, const void *p, uint64_t n);
/* Have the page's bytes been another's than zeros; is it the view's own; is it in `stale`? */
#define SIM_PAGE_USED 1u
#define SIM_PAGE_OWN 2u
#define SIM_PAGE_STALE 4u

/* The view's bytes [off, off+n) were stored to; the medium's were. */
void sim_note_view(struct sim *sim, uint64_t off, uint64_t n);
void sim_note_media(struct sim *sim, uint64_t off, uint64_t n);
/* Store to either, as makers of images do. */
void sim_put_view(struct sim *sim, uint64_t off, const void *data, uint64_t n);
void sim_put_media(struct sim *sim, uint64_t off, const void *data, uint64_t n);
void sim_media_punch(struct sim *sim, const struct sim_event *e);
void sim_log_event(struct sim *sim, enum sim_kind kind, uint64_t off, uint64_t n);

/* The newest pool, or NULL. */
struct sim *sim_latest(void);

void *sim_alloc(void *old, size_t bytes);

#endif
