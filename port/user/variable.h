/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * variable.h - where the library's variables lie, and how they are reached.
 */
#ifndef UMFS_PORT_VARIABLE_H
#define UMFS_PORT_VARIABLE_H

/*
 * Variables that the start of a process stores to. They lie together, as zeros in the
 * library's file, in the page that the loader itself has to write to: in .bss, between
 * tables of megabytes, each would cost a page fault of its own.
 */
#define PORT_START __attribute__((section(".data.start")))

/*
 * With each declaration of a variable that other files use: it is reached by one instruction. (gcc's
 * -fvisibility=hidden is for definitions only; without this each use loads the address first.)
 */
#define PORT_HIDDEN __attribute__((visibility("hidden")))

#endif
