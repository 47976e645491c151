/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hook.h - put before each source of core: its atomic accesses, its copies and its waits
 * become points where the explorer may let another process go on, or end this one.
 */
#ifndef UMFS_TESTS_MODEL_HOOK_H
#define UMFS_TESTS_MODEL_HOOK_H

#include <stdbool.h>
#include <stdint.h>

enum model_access { MODEL_LOAD, MODEL_STORE, MODEL_CAS };

/* About to do that. False: a wrong variant leaves this store out. */
bool model_access(const void *p, enum model_access what, uint64_t value);
/* What a load found, or what a wrong variant makes of it. */
uint64_t model_loaded(const void *p, uint64_t value);
/* A wrong variant: the comparison and the store of an exchange are two steps. */
bool model_cas_is_torn(const void *p);
void model_yield(void);

#define __atomic_load_n(p, order)                                                                  \
	((void)model_access((p), MODEL_LOAD, 0),                                                   \
	 (__typeof__(*(p) + 0))model_loaded((p), __atomic_load_n((p), order)))
#define __atomic_store_n(p, v, order)                                                              \
	(model_access((p), MODEL_STORE, (v)) ? __atomic_store_n((p), (v), order) : (void)0)
#define __atomic_compare_exchange_n(p, expected, desired, ...)                                     \
	({                                                                                         \
		__typeof__(p) p_ = (p);                                                            \
		bool done_;                                                                        \
                                                                                                   \
		(void)model_access(p_, MODEL_CAS, 0);                                              \
		if (model_cas_is_torn(p_)) {                                                       \
			done_ = *p_ == *(expected);                                                \
			*(expected) = *p_;                                                         \
			model_yield();                                                             \
			if (done_)                                                                 \
				*p_ = (desired);                                                   \
		} else {                                                                           \
			done_ = __atomic_compare_exchange_n(p_, (expected), (desired),             \
							    __VA_ARGS__);                          \
		}                                                                                  \
		done_;                                                                             \
	})

#define port_wait model_wait
#define port_relax model_relax
#define port_copy_in model_copy_in
#define port_copy_out model_copy_out
#define port_slot_claim model_slot_claim

#endif
