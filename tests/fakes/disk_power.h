/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_power.h - a disk in memory that remembers every write, to be cut off at any moment
 *
 * After a cut there is what was flushed, and of each later write, sector by sector,
 * whatever `mode` says.
 */
#ifndef DISK_POWER_H
#define DISK_POWER_H

#include "store/disk.h"

enum disk_power_mode {
	POWER_LOSES_ALL, /* nothing that was not flushed is there */
	POWER_KEEPS_ALL,
	POWER_LAST_ONLY, /* of the writes since the last flush only the last one */
	POWER_TORN, /* any sectors of them, at random */
	POWER_GARBLED, /* the same, and some of those sectors are noise */
	POWER_MODES,
};

/* Zeros. */
struct disk *disk_power_new(uint64_t n_bytes);
/* Writes and flushes so far. */
unsigned disk_power_n_events(const struct disk *d);
/* A new disk with what is on this one if the power failed behind the first n_events of them. */
struct disk *disk_power_cut(const struct disk *d, unsigned n_events,
			    enum disk_power_mode mode, uint64_t seed);
/* What a read would see. */
uint8_t *disk_power_bytes(struct disk *d);
/* Writes (is_flush: flushes) fail with err from the n-th on, counted from now; 0: no more. */
void disk_power_fail(struct disk *d, bool is_flush, unsigned n, int err);
unsigned disk_power_n_flushes(const struct disk *d);

#endif
