/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram.c - see histogram.h
 */
#include "base/histogram.h"

#define STEPS 8u /* buckets in an octave */

/* Octave from the highest bit, step within it from the three bits below. */
static unsigned bucket_of(uint64_t us)
{
	unsigned octave, step, i;

	if (us < STEPS)
		return (unsigned)us;
	octave = 63 - (unsigned)__builtin_clzll(us);
	step = (unsigned)(us >> (octave - 3)) & (STEPS - 1);
	i = (octave - 2) * STEPS + step;
	return i < HISTOGRAM_BUCKETS ? i : HISTOGRAM_BUCKETS - 1;
}

/* The first value above the bucket. */
static uint64_t end_of_bucket(unsigned i)
{
	unsigned octave = i / STEPS + 2, step = i % STEPS;

	if (i < STEPS)
		return i + 1;
	return (UINT64_C(1) << octave) +
	       ((uint64_t)step + 1) * (UINT64_C(1) << (octave - 3));
}

void histogram_add(struct histogram *h, int64_t ns)
{
	uint64_t us = ns > 0 ? (uint64_t)ns / 1000 : 0;

	h->n++;
	h->sum_us += us;
	h->buckets[bucket_of(us)]++;
}

double histogram_ms(const struct histogram *h, double percent)
{
	double wanted = (double)h->n * percent / 100;
	uint64_t seen = 0;

	if (h->n == 0)
		return 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if ((double)seen >= wanted)
			return (double)end_of_bucket(i) / 1000;
	}
	return (double)end_of_bucket(HISTOGRAM_BUCKETS - 1) / 1000;
}

uint64_t histogram_below(const struct histogram *h, unsigned power)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (end_of_bucket(i) > UINT64_C(1) << power)
			break;
		n += h->buckets[i];
	}
	return n;
}

double histogram_longest_ms(const struct histogram *h, const struct histogram *before)
{
	for (unsigned i = HISTOGRAM_BUCKETS; i-- > 0;) {
		if (h->buckets[i] > before->buckets[i])
			return (double)end_of_bucket(i) / 1000;
	}
	return 0;
}
