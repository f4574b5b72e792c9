/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_set.c - what can be changed while it runs: mode and cache; see serve.h
 */
#include "serve.h"

#include <errno.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"

uint64_t serve_budget(const struct serve *s)
{
	const uint64_t limit = s->o->store_limit_bytes;

	/* It is a budget of RAM. */
	if (s->o->mode != MODE_STREAM || options_store_kind(s->o) == STORE_DISK)
		return 0;
	/* Room is made before the store refuses. */
	return limit ? min_u64(s->o->cache_bytes, limit - limit / 8) : s->o->cache_bytes;
}

static void become_stream(struct serve *s)
{
	engine_set_fill(s->engine, false);
	s->d->options.mode = MODE_STREAM;
	s->state = STATE_STREAMING;
	serve_record_settings(s);
	cache_set_budget(s->cache, serve_budget(s));
}

static void become_hybrid(struct serve *s)
{
	s->d->options.mode = MODE_HYBRID;
	s->state = STATE_FILLING;
	/* Nothing leaves any more: only then can it become complete. */
	cache_set_budget(s->cache, 0);
	serve_begin_rate(s);
	serve_record_settings(s);
	engine_set_fill(s->engine, true);
}

int serve_set_mode(struct serve *s, enum option_mode mode, char *why, size_t why_bytes)
{
	if (mode == s->o->mode)
		return 0;
	if (mode == MODE_FULL) {
		snprintf(why, why_bytes,
			 "full is a way to attach: accepted here: hybrid, "
			 "stream");
		return -EOPNOTSUPP;
	}
	if (s->state != STATE_FILLING && s->state != STATE_STREAMING) {
		snprintf(why, why_bytes, "the mode cannot be changed when it is %s",
			 attach_state_name(s->state));
		return -EBUSY;
	}
	if (mode == MODE_STREAM && !serve_can_stream(s)) {
		snprintf(why, why_bytes,
			 "no server can give parts of a file (HTTP ranges), which mode "
			 "stream needs");
		return -EOPNOTSUPP;
	}
	if (mode == MODE_HYBRID && s->store_is_slotted) {
		snprintf(why, why_bytes,
			 "the store was made smaller than the image, which is too large "
			 "for this cache: detach, and attach it with mode=hybrid");
		return -EOPNOTSUPP;
	}
	if (mode == MODE_HYBRID && !serve_would_fit(s, why, why_bytes))
		return -ENOMEM;
	if (mode == MODE_STREAM)
		become_stream(s);
	else
		become_hybrid(s);
	log_notice("mode: %s from now on", mode == MODE_STREAM ? "stream" : "hybrid");
	return 0;
}

int serve_set_cache(struct serve *s, uint64_t n_bytes, char *why, size_t why_bytes)
{
	if (n_bytes < CACHE_BYTES_MIN) {
		snprintf(why, why_bytes, "too small: %" PRIu64 " MiB at least",
			 CACHE_BYTES_MIN >> 20);
		return -EINVAL;
	}
	s->d->options.cache_bytes = n_bytes;
	cache_set_budget(s->cache, serve_budget(s));
	return 0;
}
