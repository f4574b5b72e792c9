/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cachelimit.h - how much of its budget the cache may take now
 *
 * Memory that everything else needs is not the cache's: it grows only as long as the reserve stays
 * available, and gives back what is missing from the reserve.  Pure.
 */
#ifndef ENGINE_CACHELIMIT_H
#define ENGINE_CACHELIMIT_H

#include <stdint.h>

struct cachelimit_now {
	uint64_t used_bytes, written_bytes; /* as cache_stats has them */
	uint64_t available_bytes; /* of the machine's memory */
	uint64_t reserve_bytes; /* of these, for others */
};

/*
 * At most budget_bytes.  Never so little that the cache could not work, or that what was
 * written, which cannot leave, would fill it.
 */
uint64_t cachelimit(uint64_t budget_bytes, const struct cachelimit_now *now);

#endif
