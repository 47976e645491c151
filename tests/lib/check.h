/* SPDX-License-Identifier: BSD-3-Clause */
/* check.h - fsck's passes over an image in memory. */
#ifndef UMFS_TESTS_CHECK_H
#define UMFS_TESTS_CHECK_H

#include "sim.h"

/* Nothing is attached. 0, or -1 with what fsck found; changes nothing but what recovery does. */
int image_check(struct sim *sim, char why[256]);
/* The same as fsck.umfs -p -f, or -y: 0 when all was mended. */
int image_mend(struct sim *sim, bool yes, char why[256]);

#endif
