/* SPDX-License-Identifier: BSD-3-Clause */
/* sum.h - the checksums and the hash of docs/SPEC.md, apart from those that core uses. */
#ifndef UMFS_FSCK_SUM_H
#define UMFS_FSCK_SUM_H

#include <stddef.h>
#include <stdint.h>

/* CRC32C (Castagnoli, reflected, all ones in and out); `seed` continues an earlier one, or 0. */
uint32_t sum_crc32c(uint32_t seed, const void *p, size_t n);
/* SipHash-1-3 of a name under the pool's key, as directories use it. */
uint64_t sum_name_hash(const uint64_t key[2], const void *name, size_t n);
/* Low 16 bits of the size word's check. */
uint16_t sum_size_check(uint64_t size, uint32_t ino, uint32_t generation);

#endif
