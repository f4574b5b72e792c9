/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_fault.h - a store around another one, that fails or is slow on demand
 *
 * The knobs may be turned from any thread at any time.
 */
#ifndef FAKES_STORE_FAULT_H
#define FAKES_STORE_FAULT_H

#include "store/store.h"

/* Takes `inner` over: store_free frees both.  NULL when out of memory. */
struct store *store_fault_new(struct store *inner);

/* Let n_good writes pass, then fail n_bad ones with err (UINT_MAX: all); discards count too. */
void store_fault_fail_writes(struct store *s, unsigned n_good, unsigned n_bad, int err);
/* The next n_bad reads fail with err. */
void store_fault_fail_reads(struct store *s, unsigned n_bad, int err);
/* Each write and discard takes this long. */
void store_fault_set_delay(struct store *s, unsigned delay_us);

struct store_fault_counts {
	unsigned n_reads, n_writes, n_discards; /* failed ones too */
	unsigned n_failed;
	uint64_t written_bytes;
};

void store_fault_counts(struct store *s, struct store_fault_counts *ret);

#endif
