/* SPDX-License-Identifier: Apache-2.0 */
/*
 * breaker.c - the circuit breaker of one server
 *
 * The only file that changes a server's state.
 */
#include "source/breaker.h"

int64_t breaker_backoff_ms(unsigned n, int64_t cap_ms, uint32_t random)
{
	int64_t ceiling = BREAKER_BASE_MS;

	for (unsigned i = 0; i < n && ceiling < cap_ms; i++)
		ceiling *= 2;
	if (ceiling > cap_ms)
		ceiling = cap_ms;
	return 1 + (int64_t)(random % (uint32_t)ceiling);
}

bool breaker_is_closed(const struct breaker *b)
{
	return b->state == SERVER_UNUSED || b->state == SERVER_OK;
}

bool breaker_may_send(const struct breaker *b, int64_t now_ms)
{
	return breaker_is_closed(b) || (now_ms >= b->next_try_ms && !b->is_probing);
}

uint32_t breaker_sent(struct breaker *b)
{
	if (!breaker_is_closed(b))
		b->is_probing = true;
	return b->epoch;
}

bool breaker_succeeded(struct breaker *b, uint32_t epoch)
{
	/* What was under way when the breaker opened does not close it: the probe does. */
	if (epoch != b->epoch || b->state == SERVER_OK)
		return false;
	b->state = SERVER_OK;
	b->is_probing = false;
	b->n_failures = 0;
	b->next_try_ms = 0;
	return true;
}

static void open_until(struct breaker *b, enum server_state state, int64_t next_try_ms)
{
	b->state = state;
	b->is_probing = false;
	b->is_asked_to_wait = false;
	b->next_try_ms = next_try_ms;
	b->epoch++;
}

bool breaker_failed(struct breaker *b, uint32_t epoch, int64_t now_ms,
		    const struct breaker_delay *delay)
{
	int64_t delay_ms =
		breaker_backoff_ms(b->n_failures, delay->cap_ms, delay->random);

	if (epoch != b->epoch)
		return false;
	if (delay_ms < delay->retry_after_ms)
		delay_ms = delay->retry_after_ms;
	b->n_failures++;
	open_until(b, SERVER_FAILING, now_ms + delay_ms);
	b->is_asked_to_wait = delay->retry_after_ms > 0;
	return true;
}

void breaker_awaited(struct breaker *b, int64_t now_ms, uint32_t random)
{
	const int64_t next_try_ms =
		now_ms +
		breaker_backoff_ms(b->n_failures, BREAKER_AWAITED_CAP_MS, random);

	if (b->state == SERVER_FAILING && !b->is_asked_to_wait &&
	    b->next_try_ms > now_ms + BREAKER_AWAITED_CAP_MS)
		b->next_try_ms = next_try_ms;
}

void breaker_refuse(struct breaker *b, int64_t now_ms)
{
	b->n_failures++;
	open_until(b, SERVER_REFUSED, now_ms + BREAKER_REFUSED_MS);
}

void breaker_renew(struct breaker *b)
{
	b->next_try_ms = 0;
	b->is_probing = false;
	b->epoch++;
}

void breaker_lost(struct breaker *b, uint32_t epoch)
{
	if (epoch == b->epoch)
		b->is_probing = false;
}
