/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_slots.h - an image that is larger than its store: offsets of the image onto slots
 * of another store
 *
 * A zram device costs 16 to 24 bytes for each page it could hold, whether it does or not;
 * for a large image that is more than the cache it is to be.  So the device is made as
 * large as the cache can be when all of it compresses well, and is cut into slots, which
 * a piece of the image gets when it is first written to and gives back when all of it is
 * discarded.
 *
 * A slot is smaller than a chunk where the table allows it: a chunk of which one block
 * was written keeps that block only, and is not to take a whole chunk's room of the
 * device.
 */
#ifndef STORE_STORE_SLOTS_H
#define STORE_STORE_SLOTS_H

#include "store/store.h"

/* Whether a device of the image's own size would cost more than a tenth of the budget. */
bool store_slots_are_needed(uint64_t image_bytes, uint64_t budget_bytes);

/* How large the device under it should be. */
uint64_t store_slots_device_bytes(uint64_t image_bytes, uint32_t chunk_bytes,
				  uint64_t budget_bytes);
/* Into how many slots a device of that size is cut. */
uint64_t store_slots_count(uint64_t device_bytes, uint32_t chunk_bytes);

/*
 * Takes `inner` over.  `table` has store_slots_count() entries, all zero, or as an
 * earlier store left them over the same device and image, and is borrowed; NULL: memory
 * of its own.  It is all that has to survive for the data to be found again.  Writes fail
 * with -ENOSPC when no slot is free.  -ENOMEM, then inner stays the caller's; -EIO when
 * what was half thrown away cannot be.
 */
int store_slots_new(struct store *inner, uint64_t image_bytes, uint32_t chunk_bytes,
		    uint64_t *table, struct store **ret) _must_check_;

#endif
