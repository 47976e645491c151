/* SPDX-License-Identifier: BSD-3-Clause */
/* ops_lease.h - the ops of leases: see ops_lease.c. */
#ifndef UMFS_TESTS_OPS_LEASE_H
#define UMFS_TESTS_OPS_LEASE_H

#include "ops.h"

/* A lease of /m, of /m and /b, all that there are but one. */
int lease_prepare(struct stage *s);
int lease_two_prepare(struct stage *s);
int lease_full_prepare(struct stage *s);
/* None; one, and a file with bytes that look like some. */
int lease_free_prepare(struct stage *s);
int lease_setid_prepare(struct stage *s);
int lease_bytes_prepare(struct stage *s);

int lease_take_run(struct stage *s);
int lease_setid_run(struct stage *s);
int lease_write_run(struct stage *s);
int lease_write_twice_run(struct stage *s);
int lease_held_run(struct stage *s);
int lease_cut_run(struct stage *s);
int lease_cut_several_run(struct stage *s);
int lease_back_run(struct stage *s);
int lease_back_write_run(struct stage *s);
int lease_back_write_two_run(struct stage *s);
int lease_back_punch_run(struct stage *s);
int lease_back_truncate_run(struct stage *s);
int lease_back_unlink_run(struct stage *s);
int lease_last_run(struct stage *s);
int lease_then_reserve_run(struct stage *s);

/* What is changed by call: of /m, and of /b. */
#define LEASE_AFTER_OFF 3010u
#define LEASE_AFTER_LEN 500u
#define LEASE_PUNCH_OFF 3000u
#define LEASE_PUNCH_LEN 5000u
#define LEASE_BYTES_LEN 12288u

#endif
