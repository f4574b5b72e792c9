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
	uint32_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, int64_t ns);
/* Milliseconds that `percent` of all stayed below; 0 without any. */
double histogram_ms(const struct histogram *h, double percent);

#endif
