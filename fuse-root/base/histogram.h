/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram.h - how long things took, as percentiles, in constant memory
 *
 * Eight buckets to the octave from a microsecond on: a percentile is an eighth too high at most.
 * Not locked.
 */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdint.h>

#include "imgfmt/base.h"

#define HISTOGRAM_BUCKETS 320u

struct histogram {
	uint64_t n;
	uint64_t sum_us;
	uint32_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, int64_t ns);
/* Milliseconds that `percent` of all stayed below; 0 without any. */
double histogram_ms(const struct histogram *h, double percent);
/*
 * How many took less than 2^power microseconds, exactly, for a power from 3 on: the buckets of
 * one octave end there.
 */
uint64_t histogram_below(const struct histogram *h, unsigned power);
/*
 * Milliseconds that the longest of those stayed below that are in h and not in `before`;
 * 0: none.
 */
double histogram_longest_ms(const struct histogram *h, const struct histogram *before);

#endif
