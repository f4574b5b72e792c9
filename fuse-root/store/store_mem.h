/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_mem.h - a store in plain memory, not compressed: a memfd, which a loop device can take over
 */
#ifndef STORE_STORE_MEM_H
#define STORE_STORE_MEM_H

#include "base/hold.h"
#include "store/store.h"

int store_mem_new(uint64_t n_bytes, uint64_t limit_bytes,
		  struct store **ret) _must_check_;

/* Give the memory to the keeper too; and, in a later process, go on with it. */
void store_mem_hold(struct store *s, struct hold *hold);
int store_mem_adopt(struct hold *hold, uint64_t n_bytes, uint64_t limit_bytes,
		    struct store **ret) _must_check_;

#endif
