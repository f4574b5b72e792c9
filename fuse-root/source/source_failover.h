/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_failover.h - the real source: retries, fails over and waits, over any transport
 */
#ifndef SOURCE_SOURCE_FAILOVER_H
#define SOURCE_SOURCE_FAILOVER_H

#include "base/options.h"
#include "source/source.h"
#include "source/transport.h"

/* Where time and jitter come from; tests bring their own. */
struct source_failover_clock {
	int64_t (*now_ms)(void *ctx); /* monotonic, any thread */
	void *ctx;
	uint64_t seed;
};

/*
 * Servers and connections are taken from `o`, which is not kept.  clock NULL: CLOCK_MONOTONIC and a
 * random seed.  On success the source owns the transport, on failure (-ENOMEM, -EINVAL without
 * servers) the caller still does.
 */
int source_failover_new(const struct options *o, struct transport *t,
			const struct source_failover_clock *clock,
			struct source **ret) _must_check_;

#endif
