/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sym.h - how a replaced symbol is defined.
 *
 * The function has a C name of its own, so that libc's declarations (with
 * their attributes: nonnull, fortified inlines) do not apply to it, and libc's
 * name for the linker. umfs_at_NAME is the same for redirect.c: ours even where
 * the program has a function of that name.
 */
#ifndef UMFS_LIBUMFS_SYM_H
#define UMFS_LIBUMFS_SYM_H

#include "hooks.h"
#include "internal.h"

#define SYM(ret, name, args)                                                              \
	ret umfs_sym_##name args __asm__(#name) __attribute__((visibility("default")));   \
	__asm__(".globl umfs_at_" #name "\n\t.hidden umfs_at_" #name                      \
		"\n\t.set umfs_at_" #name ", " #name "\n");                               \
	ret umfs_sym_##name args

/* A second name for a symbol of the same file. */
#define SYM_ALIAS(name, old)                                                              \
	__asm__(".globl " #name "\n\t.type " #name ", @function\n\t.set " #name ", " #old "\n")

/* The outer edge: the only place where errno is set (out of line: the usual call has no frame). */
static __attribute__((noinline, cold, unused)) long umfs_sym_error(long ret)
{
	errno = (int)-ret;
	return -1;
}
static inline long umfs_sym_return(long ret)
{
	return unlikely((unsigned long)ret > -4096ul) ? umfs_sym_error(ret) : ret;
}
#define RETURN(x) return umfs_sym_return(x)
#define RETURN_INT(x) return (int)umfs_sym_return(x)

/* glibc's for a failed _FORTIFY_SOURCE check; does not return. */
void __chk_fail(void) __attribute__((noreturn));

#endif
