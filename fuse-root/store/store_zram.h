/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_zram.h - a store on a zram device of its own; slot_off is the offset on the device
 */
#ifndef STORE_STORE_ZRAM_H
#define STORE_STORE_ZRAM_H

#include "base/hold.h"
#include "store/store.h"

/* n_threads: how many callers at a time are to find a context free.  Logs what fails. */
int store_zram_new(uint64_t n_bytes, const char *algorithm, uint64_t limit_bytes,
		   unsigned n_threads, struct store **ret) _must_check_;

/*
 * What the kernel can compress with, separated by blanks, and whether `algorithm` is
 * among it; "" always is.
 */
const char *store_zram_algorithms(const struct store *s);
bool store_zram_has_algorithm(const struct store *s, const char *algorithm);

/* Give what is open on the device to the keeper too; and, in a later process, go on with that. */
void store_zram_hold(struct store *s, struct hold *hold);
int store_zram_adopt(struct hold *hold, uint64_t n_bytes, uint64_t limit_bytes,
		     unsigned n_threads, unsigned entry_bytes,
		     struct store **ret) _must_check_;
/*
 * For that process: what the kernel keeps for each page of the device, which cannot
 * always be seen later.
 */
unsigned store_zram_entry_bytes(const struct store *s);
/* zram_diskseq of the device. */
uint64_t store_zram_diskseq(const struct store *s);

#endif
