/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_zram.h - a store on a zram device of its own; slot_off is the offset on the device
 */
#ifndef STORE_STORE_ZRAM_H
#define STORE_STORE_ZRAM_H

#include "store/store.h"

/* n_threads: how many callers at a time are to find a context free.  Logs what fails. */
int store_zram_new(uint64_t n_bytes, const char *algorithm, uint64_t limit_bytes,
		   unsigned n_threads, struct store **ret) _must_check_;

#endif
