/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * image.h - what becomes of a library that LD_PRELOAD names in a program.
 */
#ifndef UMFS_PORT_IMAGE_H
#define UMFS_PORT_IMAGE_H

#include <stdbool.h>

enum image_kind {
	IMAGE_LOADS,   /* glibc's loader loads it; also what can not be told */
	IMAGE_WITHOUT, /* no loader reads it, or not for this program */
	IMAGE_BREAKS,  /* another libc's loader: it does not start a program with a library of glibc's */
};

/*
 * Of the program that execveat() would start; of a script its interpreter. Without `rights`
 * what loads libraries is not asked whether its rights keep it from that.
 */
enum image_kind image_look(int dirfd, const char *path, int flags, bool rights);

#endif
