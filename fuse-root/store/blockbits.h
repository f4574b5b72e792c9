/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blockbits.h - a bit for each block of a store: was it written
 *
 * A disk does not read as zeros where nothing was written, and zeroing one can take
 * hours.  So the store remembers itself.  All calls from any thread, without a lock; each
 * block by itself is exact.
 */
#ifndef STORE_BLOCKBITS_H
#define STORE_BLOCKBITS_H

#include <stdatomic.h>
#include <stdint.h>

#include "imgfmt/base.h"

struct blockbits {
	uint64_t n_blocks;
	_Atomic uint64_t *words;
	bool is_own; /* memory */
	atomic_uint_fast64_t n_set;
};

uint64_t blockbits_bytes(uint64_t n_blocks);
/*
 * In `memory` of blockbits_bytes, which stays the caller's, with the bits that are there;
 * NULL: in memory of its own, taken where bits are set, none of them.  -ENOMEM
 */
int blockbits_init(struct blockbits *b, uint64_t n_blocks, void *memory) _must_check_;
void blockbits_fini(struct blockbits *b);

void blockbits_set(struct blockbits *b, uint64_t first, uint64_t n, bool value);
/* How many blocks from `first` on, at most n, have the same bit as it; *ret_value is that bit. */
uint64_t blockbits_run(const struct blockbits *b, uint64_t first, uint64_t n,
		       bool *ret_value) _must_check_;

#endif
