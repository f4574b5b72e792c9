/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_mem.h - a store in plain memory, not compressed; no block device behind it
 */
#ifndef STORE_STORE_MEM_H
#define STORE_STORE_MEM_H

#include "store/store.h"

int store_mem_new(uint64_t n_bytes, uint64_t limit_bytes,
		  struct store **ret) _must_check_;

#endif
