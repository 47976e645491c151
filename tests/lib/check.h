/* SPDX-License-Identifier: BSD-3-Clause */
/* check.h - fsck's passes over an image in memory. */
#ifndef UMFS_TESTS_CHECK_H
#define UMFS_TESTS_CHECK_H

#include "sim.h"

/* Nothing is attached. 0, or -1 with what fsck found; changes nothing but what recovery does. */
int image_check(struct sim *sim, char why[256]);
/* The same as fsck.umfs -p -f, or -y: 0 when all was mended. */
int image_mend(struct sim *sim, bool yes, char why[256]);

/* What a run of fsck.umfs says of an image, mode 0: -n, 1: -p, 2: -y. */
struct image_fsck {
	int ret; /* what the passes ended with: 0, or an exit code */
	uint64_t left, fixed;
	struct image_finding {
		uint32_t code; /* of enum problem_code */
		bool fixed;
		const char *kind;
		uint64_t number;
	} findings[512]; /* the first of them, notes left out */
	uint32_t count;
	char first[256]; /* the first that was left, as text */
};
/* Nothing is attached. The image is changed, by -n only in what recovery does. */
void image_fsck(struct sim *sim, unsigned int mode, struct image_fsck *res);

#endif
