/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_cache.c - in mode stream the store gives way when memory runs short; see serve.h
 */
#include "serve.h"

#include <inttypes.h>

#include "base/log.h"
#include "engine/cachelimit.h"
#include "engine/preflight.h"

#define MIB (UINT64_C(1) << 20)

static void say(uint64_t before, uint64_t now, uint64_t wanted, uint64_t available)
{
	if (now < wanted && before >= wanted)
		log_warning("cache: %" PRIu64 " MiB of memory are available: taking at "
			    "most %" PRIu64 " MiB for now instead of %" PRIu64,
			    available / MIB, now / MIB, wanted / MIB);
	else if (now >= wanted && before < wanted)
		log_notice("cache: there is memory enough again for %" PRIu64 " MiB",
			   wanted / MIB);
}

void serve_limit_cache(struct serve *s)
{
	const uint64_t wanted = s->cache && s->is_attached ? serve_budget(s) : 0;
	struct cachelimit_now now;
	struct cache_stats cache;
	struct memory memory;
	uint64_t budget;

	if (wanted == 0 || memory_read(s->d->meminfo_fd, &memory) < 0)
		return;
	cache_stats(s->cache, &cache);
	now = (struct cachelimit_now){
		.used_bytes = cache.used_bytes,
		.written_bytes = cache.written_bytes,
		.available_bytes = memory.available_bytes,
		.reserve_bytes =
			preflight_reserve(s->o->reserve_bytes, memory.total_bytes),
	};
	budget = cachelimit(wanted, &now);
	if (budget == cache.budget_bytes)
		return;
	say(cache.budget_bytes, budget, wanted, memory.available_bytes);
	cache_set_budget(s->cache, budget);
}
