/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpu.h - which of the optional instructions this processor has.
 *
 * Zero until the constructor has run: then only what every x86-64 has is used,
 * so a call from an earlier constructor works too.
 */
#ifndef UMFS_PORT_CPU_H
#define UMFS_PORT_CPU_H

#include <stdint.h>

#include "variable.h"

#define CPU_AVX2 1u /* and the kernel keeps its registers */
#define CPU_SSE42 2u
#define CPU_CLFLUSHOPT 4u
#define CPU_CLWB 8u
#define CPU_CLMUL 32u /* and CPU_SSE42 */
#define CPU_FSRM 16u /* "rep movsb" of a few bytes costs little: so does one of many */
#define CPU_FSRM_INTEL 64u /* and CPU_FSRM: see copy.c */

extern PORT_HIDDEN uint32_t port_cpu;

#endif
