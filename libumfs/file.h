/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file.h - small helpers of the hooks that work on descriptors of ours.
 */
#ifndef UMFS_LIBUMFS_FILE_H
#define UMFS_LIBUMFS_FILE_H

#include "internal.h"

/*
 * Take the lowest number >= min for an open file; its reference passes to the
 * descriptor. The number, or -errno and the reference stays with the caller.
 */
long umfs_file_publish(const struct umfs_file *file, enum uinfo_kind kind, int min, bool cloexec);

#define UMFS_RW_MAX 0x7ffff000ul /* as the kernel: no call moves more */

#endif
