/* SPDX-License-Identifier: Apache-2.0 */
/*
 * servers.h - what is known of each server: breaker, identity, errors, and which one
 * comes next
 *
 * Policy `order`: the first in the list that works; `spread`: the list is a ring that
 * each machine enters at a place of its own.  Servers that cannot give ranges come after
 * those that can.  A better one that failed gets a probe when its backoff is over, from a
 * request nobody waits for where there is one.  Identity: the file's length must be the
 * pinned one and its ETag the one the server gave first.  If not, or if the file is gone,
 * the name has moved on to another image: the server is then asked for the pinned one by
 * its digest. Only when that is not there either it is refused, and looked at again now
 * and then, by its name first.
 *
 * Servers can be added and taken away while it runs.  Each has a number for its life;
 * which come in what order is another matter.
 *
 * A hot pack beside the image has a place of its own, server SERVERS_PACK: never chosen
 * for the image, not in the status, never moved by digest, and its failures are for
 * whoever asked for it to tell.
 *
 * All functions but servers_status and servers_want belong to the engine thread.
 */
#ifndef SOURCE_SERVERS_H
#define SOURCE_SERVERS_H

#include "base/lock.h"
#include "base/options.h"
#include "source/breaker.h"
#include "source/transport.h"

#define SERVERS_PACK SOURCE_SERVERS_MAX

struct server {
	/* guarded by lock; written by the engine thread only, which reads it without */
	struct breaker breaker;
	char url[1024]; /* as it may be shown */
	char address[TRANSPORT_ADDRESS_BYTES];
	char last_error[256];
	uint64_t n_errors;
	bool ignores_range;
	char wanted_url[OPTIONS_URL_BYTES]; /* as it was given, with secrets; "": none */

	/* owned by the engine thread */
	char etag[TRANSPORT_ETAG_BYTES]; /* "" by digest: there the name is the content */
	bool is_by_digest; /* asked for by-digest/HEX.hri beside its URL */
	uint64_t file_bytes; /* as it said last; 0: not yet */
	bool is_failure_logged;
	int64_t logged_ms;
	unsigned n_rejects; /* decays: see servers_reject_delay */
	int64_t rejected_ms;
};

struct servers {
	/* set before threads start */
	bool is_spread;
	uint32_t spread; /* where this machine enters the ring */

	/* guarded by lock; written by the engine thread only, which reads it without */
	struct lock lock;
	unsigned n;
	unsigned order[SOURCE_SERVERS_MAX]; /* their numbers, n of them */
	unsigned first; /* where the order begins */
	/* By number; the last is the pack's. */
	struct server list[SOURCE_SERVERS_MAX + 1];
	uint64_t wire_bytes;
	uint64_t n_requests;
	int64_t byte_ms; /* when the last byte came; -1: none yet */
	uint64_t file_bytes; /* pinned, or what was heard first */
	unsigned n_net_restarts;

	/* guarded by lock: what servers_want said, until the engine thread comes to it */
	bool has_wanted;
	unsigned n_wanted;
	char wanted[SOURCE_SERVERS_MAX][OPTIONS_URL_BYTES];

	/* owned by the engine thread */
	bool is_awaited; /* reads wait for an answer */
	uint64_t pinned_bytes; /* 0: not pinned yet */
	bool has_digest;
	uint8_t digest[IMG_DIGEST_BYTES];
	uint64_t random;
	unsigned next_number; /* numbers are used again as late as possible */
};

/* The range an event or a message is about, for the log. */
struct servers_range {
	uint64_t src_off;
	uint32_t n_bytes;
};

void servers_init(struct servers *sv, const struct options *o, uint64_t seed);
void servers_fini(struct servers *sv);

/* As source_set_servers.  Any thread. */
void servers_want(struct servers *sv, const char *const *urls, unsigned n);

/*
 * Those that servers_want has left out, as bits: nothing may be under way to them in
 * servers_change.
 */
uint32_t servers_unwanted(struct servers *sv);

/* Do what servers_want said; returns those that are new, as bits. */
uint32_t servers_change(struct servers *sv);

/* Bit i set: there is a server i. */
uint32_t servers_mask(const struct servers *sv);

/* The server for a request that must not go to those in `avoid`; -1: none is usable now. */
int servers_choose(const struct servers *sv, uint32_t avoid, enum source_class class,
		   int64_t now_ms);

/* May the hot pack's place be asked now?  If not, *ret_try_ms: when next. */
bool servers_pack_may_send(const struct servers *sv, int64_t now_ms, int64_t *ret_try_ms);

bool servers_is_usable(const struct servers *sv, int64_t now_ms);

/* Servers that were refused because they have no ranges may be asked again. */
void servers_allow_sequential(struct servers *sv);

/* The next request has to be the only one: no usable server is known to give ranges. */
bool servers_is_sequential(const struct servers *sv, int64_t now_ms);

/* When the next breaker turns half open; INT64_MAX: none is waiting for its time. */
int64_t servers_next_try(const struct servers *sv, int64_t now_ms);

/* Those that are away and may be back at any moment. */
unsigned servers_n_failing(const struct servers *sv);

/* A request goes to server i; returns the epoch to hand back with its outcome. */
uint32_t servers_sent(struct servers *sv, unsigned i);

/* n_new bytes more came.  False: this is not the pinned file, server i is refused now. */
bool servers_bytes(struct servers *sv, unsigned i, uint32_t epoch,
		   struct servers_range range, const struct transport_event *ev,
		   uint32_t n_new, int64_t now_ms);

/* The attempt failed.  ev->fault says whose fault it is. */
void servers_failed(struct servers *sv, unsigned i, uint32_t epoch,
		    struct servers_range range, const struct transport_event *ev,
		    int64_t now_ms);

/* Whether reads wait for what servers bring: then those that are away are tried more often. */
void servers_await(struct servers *sv, bool is_awaited, int64_t now_ms);

/* The attempt ended without saying anything about server i. */
void servers_lost(struct servers *sv, unsigned i, uint32_t epoch);

/* The network process was replaced. */
void servers_restarted(struct servers *sv);

void servers_reject(struct servers *sv, unsigned i, uint64_t src_off, const char *what,
		    int64_t now_ms);

/* How long to wait before asking those in `avoid` again, for want of others. */
int64_t servers_reject_delay(struct servers *sv, uint32_t avoid);

void servers_pin(struct servers *sv, uint64_t file_bytes, const uint8_t *digest,
		 int64_t now_ms);

/* As source_move_on. */
bool servers_move_on(struct servers *sv, unsigned i, const char *why);

/* Any thread. */
void servers_status(struct servers *sv, struct source_status *ret, int64_t now_ms);

#endif
