// SPDX-License-Identifier: BSD-3-Clause
/* sym_map.c - the symbols for mappings. */
#include "sym.h"

#include <sys/mman.h>

SYM(void *, mmap, (void *addr, size_t n, int prot, int flags, int fd, off_t off))
{
	return (void *)umfs_sym_return(umfs_hook_mmap(addr, n, prot, flags, fd, off));
}
SYM_ALIAS(mmap64, mmap);

SYM(int, munmap, (void *addr, size_t n))
{
	RETURN_INT(umfs_hook_munmap(addr, n));
}

SYM(void *, mremap, (void *addr, size_t old_n, size_t n, int flags, ...))
{
	void *to = NULL;
	va_list ap;

	if (flags & MREMAP_FIXED) {
		va_start(ap, flags);
		to = va_arg(ap, void *);
		va_end(ap);
	}
	return (void *)umfs_sym_return(umfs_hook_mremap(addr, old_n, n, flags, to));
}

SYM(int, msync, (void *addr, size_t n, int flags))
{
	RETURN_INT(umfs_hook_msync(addr, n, flags));
}

SYM(int, madvise, (void *addr, size_t n, int advice))
{
	RETURN_INT(umfs_hook_madvise(addr, n, advice));
}
