/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cachelimit.c - see cachelimit.h
 */
#include "engine/cachelimit.h"

#include "engine/cache.h"

uint64_t cachelimit(uint64_t budget_bytes, const struct cachelimit_now *now)
{
	const uint64_t least =
		CACHE_BYTES_MIN + now->written_bytes + now->written_bytes / 4;
	const uint64_t sum = now->used_bytes + now->available_bytes;
	const uint64_t allowed = sum - min_u64(sum, now->reserve_bytes);

	return min_u64(budget_bytes, max_u64(allowed, least));
}
