/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preflight.h - will the whole image fit into the memory of this machine
 *
 * An estimate, made before anything is allocated: how well the data will compress in the store is
 * not known before it is there.  While the fill runs, what is really available decides (`reserve`).
 */
#ifndef ENGINE_PREFLIGHT_H
#define ENGINE_PREFLIGHT_H

#include "base/memory.h"
#include "imgfmt/imgfmt.h"

struct preflight {
	uint64_t need_bytes; /* of the complete store, tables included */
	uint64_t available_bytes; /* now */
	uint64_t reserve_bytes; /* to be left */
	uint64_t limit_bytes; /* of the store; 0: none */
	bool fits; /* need + reserve <= available, and need <= limit */
};

/* What `reserve=` says, or when it is 0: 5% of the RAM, at least 64 MiB, at most 4 GiB. */
uint64_t preflight_reserve(uint64_t reserve_option, uint64_t total_bytes);

/*
 * is_zram: a compressed store, else one of plain memory.  limit_bytes: what it may take;
 * 0: no limit.
 */
void preflight(const struct img_info *info, bool is_zram, const struct memory *memory,
	       uint64_t reserve_option, uint64_t limit_bytes, struct preflight *ret);

#endif
