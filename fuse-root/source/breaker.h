/* SPDX-License-Identifier: Apache-2.0 */
/*
 * breaker.h - the circuit breaker of one server
 *
 *	closed (UNUSED, OK)  --failure-->  open (FAILING, REFUSED) until next_try_ms
 *	open                 --time----->  half open: one probe goes out, everything else waits
 *	half open            --bytes---->  closed;  --failure--> open for longer
 *
 * Pure state: time and randomness are given.  Attempts carry the epoch they were sent in, so that
 * four requests failing together count as one failure.
 */
#ifndef SOURCE_BREAKER_H
#define SOURCE_BREAKER_H

#include "source/source.h"

#define BREAKER_BASE_MS 200
#define BREAKER_CAP_MS 2000
/* While reads wait: with a probe's time to connect they go on within 2 s of the server's return. */
#define BREAKER_AWAITED_CAP_MS 500
#define BREAKER_REFUSED_MS 30000

struct breaker {
	enum server_state state;
	unsigned n_failures; /* in a row */
	int64_t next_try_ms; /* while open */
	bool is_asked_to_wait; /* by the server, until next_try_ms */
	bool is_probing;
	uint32_t epoch; /* changes whenever the breaker opens */
};

/* Exponential backoff with full jitter: up to base * 2^n, at most the cap, at least 1 ms. */
int64_t breaker_backoff_ms(unsigned n, int64_t cap_ms, uint32_t random);

bool breaker_is_closed(const struct breaker *b);

/* Closed, or half open with the probe not sent yet. */
bool breaker_may_send(const struct breaker *b, int64_t now_ms);

/* A request goes out; returns the epoch to keep with it. */
uint32_t breaker_sent(struct breaker *b);

/* Bytes came.  True when this closed the breaker, or it was the server's first success. */
bool breaker_succeeded(struct breaker *b, uint32_t epoch);

struct breaker_delay {
	int64_t cap_ms; /* of the backoff */
	int64_t retry_after_ms; /* the server asked for it; 0: it did not */
	uint32_t random;
};

/* True when it counted: not for one more request of a failure that is known already. */
bool breaker_failed(struct breaker *b, uint32_t epoch, int64_t now_ms,
		    const struct breaker_delay *delay);

/* A read has come to wait: FAILING by itself, it is tried after BREAKER_AWAITED_CAP_MS at most. */
void breaker_awaited(struct breaker *b, int64_t now_ms, uint32_t random);

/* It has another file: look again every BREAKER_REFUSED_MS. */
void breaker_refuse(struct breaker *b, int64_t now_ms);

/* It is asked for another file from now on: what is under way says nothing about that. */
void breaker_renew(struct breaker *b);

/* The attempt ended without saying anything about the server. */
void breaker_lost(struct breaker *b, uint32_t epoch);

#endif
