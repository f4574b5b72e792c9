/* SPDX-License-Identifier: Apache-2.0 */
/*
 * servers.c - what is known of each server: breaker, identity, errors, and which one comes next
 *
 * A failure is logged when it is news: the server's first since it worked, or a different one.
 * What repeats, and a server that flaps, goes to the debug log.
 */
#include "source/servers.h"

#include <inttypes.h>

#include "base/log.h"
#include "base/options_url.h"
#include "source/httpcheck.h"

/* A demand request probes a better server only when nothing else did for so long. */
#define DEMAND_PROBE_MS 30000
/* The same failure of a server that recovered in between is no news for so long. */
#define FLAP_MS 10000
/* Wrong bytes are forgotten after so long. */
#define REJECT_MEMORY_MS 60000

static void set_url(struct server *s, const char *url)
{
	const size_t n = strnlen(url, sizeof s->wanted_url - 1);

	memcpy(s->wanted_url, url, n);
	s->wanted_url[n] = '\0';
	options_url_public(url, s->url, sizeof s->url);
}

static void enter_ring(struct servers *sv)
{
	sv->first = sv->is_spread && sv->n ? sv->spread % sv->n : 0;
}

void servers_init(struct servers *sv, const struct options *o, uint64_t seed)
{
	*sv = (struct servers){.byte_ms = -1, .random = seed | 1};
	lock_init(&sv->lock);
	sv->is_spread = o->server_policy == POLICY_SPREAD;
	sv->spread = o->spread;
	sv->n = o->n_servers < SOURCE_SERVERS_MAX ? o->n_servers : SOURCE_SERVERS_MAX;
	for (unsigned i = 0; i < sv->n; i++) {
		sv->order[i] = i;
		set_url(&sv->list[i], o->servers[i]);
	}
	sv->next_number = sv->n;
	enter_ring(sv);
	set_url(&sv->list[SERVERS_PACK], o->pack.url);
}

void servers_fini(struct servers *sv)
{
	lock_fini(&sv->lock);
}

/* -- other servers ------------------------------------------------------------------------ */

void servers_want(struct servers *sv, const char *const *urls, unsigned n)
{
	lock_acquire(&sv->lock);
	sv->n_wanted = n < SOURCE_SERVERS_MAX ? n : SOURCE_SERVERS_MAX;
	for (unsigned k = 0; k < sv->n_wanted; k++)
		snprintf(sv->wanted[k], sizeof sv->wanted[k], "%s", urls[k]);
	sv->has_wanted = true;
	lock_release(&sv->lock);
}

/* The number of the server with this URL, or -1. */
static int number_of_locked(const struct servers *sv, const char *url)
{
	lock_assert_held(&sv->lock);
	for (unsigned k = 0; k < sv->n; k++)
		if (strcmp(sv->list[sv->order[k]].wanted_url, url) == 0)
			return (int)sv->order[k];
	return -1;
}

static uint32_t unwanted_locked(const struct servers *sv)
{
	uint32_t unwanted = servers_mask(sv);

	lock_assert_held(&sv->lock);
	for (unsigned k = 0; k < sv->n_wanted; k++) {
		const int i = number_of_locked(sv, sv->wanted[k]);

		if (i >= 0)
			unwanted &= ~(UINT32_C(1) << i);
	}
	return unwanted;
}

uint32_t servers_unwanted(struct servers *sv)
{
	uint32_t unwanted = 0;

	lock_acquire(&sv->lock);
	if (sv->has_wanted)
		unwanted = unwanted_locked(sv);
	lock_release(&sv->lock);
	return unwanted;
}

/* A number that nobody has; there always is one, because those that go have gone. */
static unsigned free_number_locked(struct servers *sv)
{
	lock_assert_held(&sv->lock);
	while (sv->list[sv->next_number % SOURCE_SERVERS_MAX].wanted_url[0])
		sv->next_number++;
	return sv->next_number++ % SOURCE_SERVERS_MAX;
}

static unsigned add_locked(struct servers *sv, const char *url)
{
	const unsigned i = free_number_locked(sv);
	struct server *s = &sv->list[i];
	const uint32_t epoch = s->breaker.epoch;

	lock_assert_held(&sv->lock);
	*s = (struct server){.breaker = {.epoch = epoch + 1}};
	set_url(s, url);
	return i;
}

uint32_t servers_change(struct servers *sv)
{
	unsigned order[SOURCE_SERVERS_MAX];
	uint32_t added = 0, gone;

	lock_acquire(&sv->lock);
	gone = sv->has_wanted ? unwanted_locked(sv) : 0;
	for (unsigned i = 0; i < SOURCE_SERVERS_MAX; i++)
		if (gone & UINT32_C(1) << i)
			sv->list[i].wanted_url[0] = '\0';
	for (unsigned k = 0; sv->has_wanted && k < sv->n_wanted; k++) {
		const int i = number_of_locked(sv, sv->wanted[k]);

		order[k] = i >= 0 ? (unsigned)i : add_locked(sv, sv->wanted[k]);
		if (i < 0)
			added |= UINT32_C(1) << order[k];
	}
	if (sv->has_wanted) {
		sv->n = sv->n_wanted;
		memcpy(sv->order, order, sv->n * sizeof order[0]);
		enter_ring(sv);
	}
	sv->has_wanted = false;
	lock_release(&sv->lock);
	return added;
}

uint32_t servers_mask(const struct servers *sv)
{
	uint32_t mask = 0;

	for (unsigned k = 0; k < sv->n; k++)
		mask |= UINT32_C(1) << sv->order[k];
	return mask;
}

/* -- which one ---------------------------------------------------------------------------- */

/* xorshift64: jitter needs no secrets. */
static uint32_t random_next(struct servers *sv)
{
	sv->random ^= sv->random << 13;
	sv->random ^= sv->random >> 7;
	sv->random ^= sv->random << 17;
	return (uint32_t)(sv->random >> 32);
}

static int64_t due_since_ms(const struct servers *sv, int i)
{
	return sv->list[i].breaker.next_try_ms;
}

/*
 * Among those whose ignores_range is as given; see servers_choose.  Of several that may be back the
 * one that has waited for longest: by the order alone, two that are silent would keep a request
 * from ever trying the third.
 */
static int choose_among(const struct servers *sv, uint32_t avoid, bool ignores_range,
			enum source_class class, int64_t now_ms)
{
	int probe = -1;

	for (unsigned k = 0; k < sv->n; k++) {
		const unsigned i = sv->order[(sv->first + k) % sv->n];
		const struct server *s = &sv->list[i];

		if (avoid & (1u << i) || s->ignores_range != ignores_range ||
		    !breaker_may_send(&s->breaker, now_ms))
			continue;
		if (!breaker_is_closed(&s->breaker)) {
			if (probe < 0 ||
			    due_since_ms(sv, (int)i) < due_since_ms(sv, probe))
				probe = (int)i;
			continue;
		}
		if (probe < 0)
			return (int)i;
		/* A better server is due for a probe: not at the cost of somebody who waits. */
		const int64_t due_ms = now_ms - due_since_ms(sv, probe);
		return class != SOURCE_DEMAND || due_ms >= DEMAND_PROBE_MS ? probe
									   : (int)i;
	}
	return probe;
}

int servers_choose(const struct servers *sv, uint32_t avoid, enum source_class class,
		   int64_t now_ms)
{
	const int i = choose_among(sv, avoid, false, class, now_ms);

	return i >= 0 ? i : choose_among(sv, avoid, true, class, now_ms);
}

void servers_allow_sequential(struct servers *sv)
{
	for (unsigned k = 0; k < sv->n; k++) {
		struct server *s = &sv->list[sv->order[k]];

		if (!s->ignores_range)
			continue;
		lock_acquire(&sv->lock);
		breaker_renew(&s->breaker);
		lock_release(&sv->lock);
	}
}

bool servers_is_sequential(const struct servers *sv, int64_t now_ms)
{
	for (unsigned k = 0; k < sv->n; k++) {
		const struct server *s = &sv->list[sv->order[k]];

		if (breaker_may_send(&s->breaker, now_ms) && !s->ignores_range &&
		    s->breaker.state != SERVER_UNUSED)
			return false;
	}
	return true;
}

bool servers_pack_may_send(const struct servers *sv, int64_t now_ms, int64_t *ret_try_ms)
{
	const struct breaker *b = &sv->list[SERVERS_PACK].breaker;

	*ret_try_ms = b->next_try_ms;
	return breaker_may_send(b, now_ms);
}

bool servers_is_usable(const struct servers *sv, int64_t now_ms)
{
	for (unsigned k = 0; k < sv->n; k++)
		if (breaker_may_send(&sv->list[sv->order[k]].breaker, now_ms))
			return true;
	return false;
}

int64_t servers_next_try(const struct servers *sv, int64_t now_ms)
{
	int64_t next = INT64_MAX;

	for (unsigned k = 0; k < sv->n; k++) {
		const struct breaker *b = &sv->list[sv->order[k]].breaker;

		if (!breaker_is_closed(b) && !b->is_probing && b->next_try_ms > now_ms &&
		    b->next_try_ms < next)
			next = b->next_try_ms;
	}
	return next;
}

unsigned servers_n_failing(const struct servers *sv)
{
	unsigned n = 0;

	for (unsigned k = 0; k < sv->n; k++)
		n += sv->list[sv->order[k]].breaker.state == SERVER_FAILING;
	return n;
}

uint32_t servers_sent(struct servers *sv, unsigned i)
{
	lock_acquire(&sv->lock);
	const uint32_t epoch = breaker_sent(&sv->list[i].breaker);
	sv->n_requests++;
	lock_release(&sv->lock);
	return epoch;
}

/* "3 s", "250 ms" */
static const char *show_ms(int64_t ms, char *buf, size_t bytes)
{
	if (ms < 1000)
		snprintf(buf, bytes, "%" PRId64 " ms", ms);
	else
		snprintf(buf, bytes, "%" PRId64 " s", (ms + 500) / 1000);
	return buf;
}

static bool is_news(const struct server *s, const char *text, int64_t now_ms)
{
	if (strcmp(s->last_error, text) != 0)
		return true;
	if (s->is_failure_logged)
		return false;
	return s->n_errors == 0 || now_ms - s->logged_ms >= FLAP_MS;
}

/* `text` before it becomes last_error, the breaker after it opened. */
static void log_failure(struct server *s, struct servers_range range, const char *text,
			bool news, int64_t now_ms)
{
	const bool is_refused = s->breaker.state == SERVER_REFUSED;
	const enum log_level level = is_refused ? LOG_L_ERROR : LOG_L_WARNING;
	char next[32];

	log_at(news ? level : LOG_L_DEBUG,
	       "%s [%" PRIu64 "+%" PRIu32 "]: %s: next try in %s", s->url, range.src_off,
	       range.n_bytes, text,
	       show_ms(s->breaker.next_try_ms - now_ms, next, sizeof next));
	if (news) {
		s->is_failure_logged = true;
		s->logged_ms = now_ms;
	}
}

static void set_error_locked(struct servers *sv, struct server *s,
			     const struct transport_event *ev)
{
	lock_assert_held(&sv->lock);
	s->n_errors++;
	snprintf(s->last_error, sizeof s->last_error, "%s", ev->text);
	if (ev->address[0])
		snprintf(s->address, sizeof s->address, "%s", ev->address);
}

/* Feed the outcome to the breaker; false when it was no news to it. */
static bool open_breaker_locked(struct servers *sv, struct server *s, uint32_t epoch,
				const struct transport_event *ev,
				const struct breaker_delay *delay, int64_t now_ms)
{
	struct breaker *b = &s->breaker;

	lock_assert_held(&sv->lock);
	if (epoch != b->epoch)
		return false;
	if (ev->fault == TRANSPORT_AWAY || ev->fault == TRANSPORT_GONE)
		return breaker_failed(b, epoch, now_ms, delay);
	s->ignores_range = ev->fault == TRANSPORT_NO_RANGES;
	breaker_refuse(b, now_ms);
	return true;
}

bool servers_move_on(struct servers *sv, unsigned i, const char *why)
{
	struct server *s = &sv->list[i];

	if (i >= SERVERS_PACK || !sv->has_digest || s->is_by_digest)
		return false;
	s->is_by_digest = true;
	s->etag[0] = '\0';
	s->file_bytes = 0;
	lock_acquire(&sv->lock);
	breaker_renew(&s->breaker);
	s->n_errors++;
	snprintf(s->last_error, sizeof s->last_error, "%s", why);
	lock_release(&sv->lock);
	log_notice("%s: %s: going on from by-digest/ beside it", s->url, why);
	return true;
}

/* Not the pinned file, or none: elsewhere it may be. */
static bool is_moved(struct servers *sv, unsigned i, uint32_t epoch,
		     const struct transport_event *ev)
{
	struct server *s = &sv->list[i];

	if ((ev->fault != TRANSPORT_REFUSED && ev->fault != TRANSPORT_GONE) ||
	    epoch != s->breaker.epoch)
		return false;
	if (servers_move_on(sv, i, ev->text))
		return true;
	/* Not there either: the next try begins with the name again. */
	s->is_by_digest = false;
	return false;
}

void servers_failed(struct servers *sv, unsigned i, uint32_t epoch,
		    struct servers_range range, const struct transport_event *ev,
		    int64_t now_ms)
{
	struct server *s = &sv->list[i];
	const bool news = i < SERVERS_PACK && is_news(s, ev->text, now_ms);
	const bool is_soon = sv->is_awaited && ev->fault == TRANSPORT_AWAY;
	const struct breaker_delay delay = {
		.cap_ms = is_soon ? BREAKER_AWAITED_CAP_MS : BREAKER_CAP_MS,
		.retry_after_ms = ev->retry_after_ms,
		.random = random_next(sv),
	};

	if (ev->fault == TRANSPORT_LOCAL) {
		servers_lost(sv, i, epoch);
		log_warning("%s [%" PRIu64 "+%" PRIu32 "]: %s", s->url, range.src_off,
			    range.n_bytes, ev->text);
		return;
	}
	if (is_moved(sv, i, epoch, ev))
		return;
	lock_acquire(&sv->lock);
	const bool counts = open_breaker_locked(sv, s, epoch, ev, &delay, now_ms);
	if (counts)
		set_error_locked(sv, s, ev);
	lock_release(&sv->lock);
	log_failure(s, range, ev->text, counts && news, now_ms);
}

static void refuse(struct servers *sv, unsigned i, uint32_t epoch,
		   struct servers_range range, const char *text, int64_t now_ms)
{
	struct transport_event ev = {.fault = TRANSPORT_REFUSED};

	snprintf(ev.text, sizeof ev.text, "%s", text);
	servers_failed(sv, i, epoch, range, &ev, now_ms);
}

static bool is_other_length(const struct servers *sv, uint64_t file_bytes)
{
	return sv->pinned_bytes && file_bytes && file_bytes != sv->pinned_bytes;
}

/* The network process has checked this too, but it is not to be believed. */
static bool is_pinned_file(struct servers *sv, unsigned i, uint32_t epoch,
			   struct servers_range range, const struct transport_event *ev,
			   int64_t now_ms)
{
	const struct server *s = &sv->list[i];

	if (i < SERVERS_PACK && is_other_length(sv, ev->file_bytes))
		refuse(sv, i, epoch, range,
		       "another length: the published file was replaced", now_ms);
	else if (s->etag[0] && ev->etag[0] && !httpcheck_same_etag(s->etag, ev->etag))
		refuse(sv, i, epoch, range,
		       "another ETag: the published file was replaced", now_ms);
	else
		return true;
	return false;
}

static void learn(struct server *s, const struct transport_event *ev)
{
	if (!s->etag[0] && !s->is_by_digest)
		memcpy(s->etag, ev->etag, sizeof s->etag);
	if (ev->file_bytes)
		s->file_bytes = ev->file_bytes;
}

static void log_recovery(struct server *s, unsigned n_failures)
{
	if (!s->is_failure_logged)
		return;
	s->is_failure_logged = false;
	log_notice("%s: answers again after %u failure%s", s->url, n_failures,
		   n_failures == 1 ? "" : "s");
}

bool servers_bytes(struct servers *sv, unsigned i, uint32_t epoch,
		   struct servers_range range, const struct transport_event *ev,
		   uint32_t n_new, int64_t now_ms)
{
	struct server *s = &sv->list[i];
	const unsigned n_failures = s->breaker.n_failures;

	if (!is_pinned_file(sv, i, epoch, range, ev, now_ms))
		return false;
	learn(s, ev);
	lock_acquire(&sv->lock);
	const bool is_back = breaker_succeeded(&s->breaker, epoch);
	sv->wire_bytes += n_new;
	sv->byte_ms = now_ms;
	s->ignores_range = ev->is_sequential;
	if (!sv->file_bytes)
		sv->file_bytes = ev->file_bytes;
	if (ev->address[0])
		snprintf(s->address, sizeof s->address, "%s", ev->address);
	lock_release(&sv->lock);
	if (is_back && n_failures)
		log_recovery(s, n_failures);
	return true;
}

void servers_await(struct servers *sv, bool is_awaited, int64_t now_ms)
{
	if (is_awaited && !sv->is_awaited) {
		lock_acquire(&sv->lock);
		for (unsigned k = 0; k < sv->n; k++)
			breaker_awaited(&sv->list[sv->order[k]].breaker, now_ms,
					random_next(sv));
		lock_release(&sv->lock);
	}
	sv->is_awaited = is_awaited;
}

void servers_lost(struct servers *sv, unsigned i, uint32_t epoch)
{
	lock_acquire(&sv->lock);
	breaker_lost(&sv->list[i].breaker, epoch);
	lock_release(&sv->lock);
}

void servers_restarted(struct servers *sv)
{
	lock_acquire(&sv->lock);
	sv->n_net_restarts++;
	lock_release(&sv->lock);
}

void servers_reject(struct servers *sv, unsigned i, uint64_t src_off, const char *what,
		    int64_t now_ms)
{
	struct server *s = &sv->list[i];

	if (i >= SERVERS_PACK)
		return;
	if (now_ms - s->rejected_ms > REJECT_MEMORY_MS)
		s->n_rejects = 0;
	s->n_rejects++;
	s->rejected_ms = now_ms;
	/* The first few name the places; a server that is all wrong would fill the log. */
	log_at(s->n_rejects <= 10 ? LOG_L_ERROR : LOG_L_DEBUG,
	       "%s [at %" PRIu64 "]: wrong bytes: %s", s->url, src_off, what);
	lock_acquire(&sv->lock);
	s->n_errors++;
	snprintf(s->last_error, sizeof s->last_error, "wrong bytes at %" PRIu64 ": %s",
		 src_off, what);
	lock_release(&sv->lock);
}

int64_t servers_reject_delay(struct servers *sv, uint32_t avoid)
{
	unsigned least = UINT32_MAX;

	for (unsigned i = 0; i < SOURCE_SERVERS_MAX; i++)
		if (avoid & (1u << i) && sv->list[i].n_rejects < least)
			least = sv->list[i].n_rejects;
	return BREAKER_BASE_MS / 2 + breaker_backoff_ms(least == UINT32_MAX ? 0 : least,
							BREAKER_CAP_MS, random_next(sv));
}

void servers_pin(struct servers *sv, uint64_t file_bytes, const uint8_t *digest,
		 int64_t now_ms)
{
	if (digest) {
		sv->has_digest = true;
		memcpy(sv->digest, digest, sizeof sv->digest);
	}
	if (!file_bytes)
		return;
	sv->pinned_bytes = file_bytes;
	lock_acquire(&sv->lock);
	sv->file_bytes = file_bytes;
	lock_release(&sv->lock);
	for (unsigned k = 0; k < sv->n; k++) {
		const unsigned i = sv->order[k];

		if (is_other_length(sv, sv->list[i].file_bytes))
			refuse(sv, i, sv->list[i].breaker.epoch,
			       (struct servers_range){0},
			       "another length than the image says", now_ms);
	}
}

static void status_of_locked(const struct servers *sv, const struct server *s,
			     struct source_server_status *ret, int64_t now_ms)
{
	const struct breaker *b = &s->breaker;

	lock_assert_held(&sv->lock);
	*ret = (struct source_server_status){
		.state = b->state,
		.n_errors = s->n_errors,
		.ignores_range = s->ignores_range,
	};
	memcpy(ret->url, s->url, sizeof ret->url);
	memcpy(ret->address, s->address, sizeof ret->address);
	memcpy(ret->last_error, s->last_error, sizeof ret->last_error);
	if (!breaker_is_closed(b) && b->next_try_ms > now_ms)
		ret->next_try_ms = b->next_try_ms - now_ms;
}

/* What is wanted is as good as done. */
static void list_wanted_locked(const struct servers *sv, struct source_status *ret,
			       int64_t now_ms)
{
	lock_assert_held(&sv->lock);
	ret->n_servers = sv->n_wanted;
	for (unsigned k = 0; k < sv->n_wanted; k++) {
		const int i = number_of_locked(sv, sv->wanted[k]);

		ret->servers[k] = (struct source_server_status){.state = SERVER_UNUSED};
		options_url_public(sv->wanted[k], ret->servers[k].url,
				   sizeof ret->servers[k].url);
		if (i >= 0)
			status_of_locked(sv, &sv->list[i], &ret->servers[k], now_ms);
	}
}

static bool is_away_locked(const struct servers *sv)
{
	lock_assert_held(&sv->lock);
	for (unsigned k = 0; k < sv->n; k++)
		if (breaker_is_closed(&sv->list[sv->order[k]].breaker))
			return false;
	return true;
}

void servers_status(struct servers *sv, struct source_status *ret, int64_t now_ms)
{
	lock_acquire(&sv->lock);
	*ret = (struct source_status){
		.n_servers = sv->n,
		.wire_bytes = sv->wire_bytes,
		.n_requests = sv->n_requests,
		.ms_since_byte = sv->byte_ms < 0 ? -1 : now_ms - sv->byte_ms,
		.file_bytes = sv->file_bytes,
		.n_net_restarts = sv->n_net_restarts,
		.is_away = is_away_locked(sv),
	};
	for (unsigned k = 0; k < sv->n; k++)
		status_of_locked(sv, &sv->list[sv->order[k]], &ret->servers[k], now_ms);
	if (sv->has_wanted)
		list_wanted_locked(sv, ret, now_ms);
	lock_release(&sv->lock);
}
