/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport_fault.c - a transport over a byte buffer, with servers that misbehave
 */
#include "tests/fakes/transport_fault.h"

#include <assert.h>
#include <errno.h>

static struct transport_fake *fake_of(struct transport *t)
{
	return (struct transport_fake *)t;
}

static unsigned count_active(const struct transport_fake *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++)
		n += f->attempts[i].is_active;
	return n;
}

/* When its first event is due. */
static int64_t due_ms(const struct transport_fake *f, const struct transport_request *rq)
{
	const struct transport_fault_server *server = &f->servers[rq->server];

	if (server->mode != FAKE_DEAF)
		return f->now_ms + server->delay_ms;
	return f->now_ms + (rq->probe_ms ? rq->probe_ms : TRANSPORT_FAULT_CONNECT_MS);
}

static int fake_submit(struct transport *t, const struct transport_request *rq)
{
	struct transport_fake *f = fake_of(t);
	struct transport_fault_server *server = &f->servers[rq->server];

	assert(rq->n_bytes && rq->buf_off + rq->n_bytes <= SOURCE_REQUEST_BYTES_MAX);
	if (f->is_full)
		return -EAGAIN;
	f->attempts[rq->slot] = (struct transport_fault_attempt){
		.is_active = true,
		.rq = *rq,
		.due_ms = due_ms(f, rq),
		.is_lost = server->mode == FAKE_DEAF,
	};
	server->n_submits++;
	server->n_by_digest += rq->is_by_digest;
	server->last = *rq;
	if (count_active(f) > f->n_active_max)
		f->n_active_max = count_active(f);
	return 0;
}

static void fake_cancel(struct transport *t, unsigned slot, uint64_t id)
{
	struct transport_fake *f = fake_of(t);

	if (!f->attempts[slot].is_active || f->attempts[slot].rq.id != id)
		return;
	f->attempts[slot].is_active = false;
	f->n_cancels++;
}

static void fake_promote(struct transport *t, unsigned slot, uint64_t id)
{
	struct transport_fake *f = (struct transport_fake *)t;

	if (f->attempts[slot].is_active && f->attempts[slot].rq.id == id)
		f->attempts[slot].rq.class = SOURCE_DEMAND;
	f->n_promotes++;
}

static void fake_set_server(struct transport *t, unsigned server, const char *url)
{
	struct transport_fake *f = fake_of(t);

	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++)
		assert(!f->attempts[i].is_active || f->attempts[i].rq.server != server);
	snprintf(f->urls[server], sizeof f->urls[server], "%s", url);
}

static uint8_t *buffer_of(struct transport_fake *f, unsigned slot)
{
	return f->buffers + (size_t)slot * SOURCE_REQUEST_BYTES_MAX;
}

/* Of the two places where the file may be, is this one empty? */
static bool is_missing(const struct transport_fault_server *server,
		       const struct transport_fault_attempt *a)
{
	return a->rq.is_by_digest ? !server->has_by_digest : server->is_gone;
}

/* How much of the attempt's range this server will give at all. */
static uint32_t bytes_to_come(const struct transport_fake *f,
			      const struct transport_fault_attempt *a)
{
	const struct transport_fault_server *server = &f->servers[a->rq.server];
	const uint64_t in_file = f->file_bytes - a->rq.src_off;
	uint32_t n = (uint32_t)min_u64(in_file, a->rq.n_bytes);

	if (is_missing(server, a) || (server->ignores_range && !a->rq.is_sequential))
		return 0;
	if (a->is_lost)
		return 0;
	if (server->mode == FAKE_FAILS && n > server->good_bytes)
		n = server->good_bytes;
	return n;
}

static void copy_step(struct transport_fake *f, struct transport_fault_attempt *a)
{
	const uint32_t step = f->servers[a->rq.server].step;
	uint32_t n = bytes_to_come(f, a) - a->n_have;

	if (step && n > step)
		n = step;
	memcpy(buffer_of(f, a->rq.slot) + a->rq.buf_off + a->n_have,
	       f->file + a->rq.src_off + a->n_have, n);
	a->n_have += n;
}

static void build_event(struct transport_fake *f, struct transport_fault_attempt *a,
			struct transport_event *ret)
{
	const struct transport_fault_server *server = &f->servers[a->rq.server];

	copy_step(f, a);
	*ret = (struct transport_event){
		.kind = TRANSPORT_BYTES,
		.id = a->rq.id,
		.slot = a->rq.slot,
		.n_bytes = a->n_have,
		.file_bytes = a->rq.is_by_digest ? f->file_bytes : server->file_bytes,
		.is_sequential = server->ignores_range,
	};
	snprintf(ret->etag, sizeof ret->etag, "%s", server->etag);
	snprintf(ret->address, sizeof ret->address, "127.0.0.%u", a->rq.server + 1);
	if (a->n_have < bytes_to_come(f, a))
		return;
	a->is_active = false;
	ret->kind = TRANSPORT_DONE;
	if (is_missing(server, a)) {
		ret->kind = TRANSPORT_FAILED;
		ret->file_bytes = 0;
		ret->fault = TRANSPORT_GONE;
		snprintf(ret->text, sizeof ret->text, "HTTP 404: no such file");
		return;
	}
	if (server->ignores_range && !a->rq.is_sequential) {
		ret->kind = TRANSPORT_FAILED;
		ret->fault = TRANSPORT_NO_RANGES;
		ret->is_sequential = false;
		return;
	}
	if (server->mode != FAKE_FAILS && !a->is_lost)
		return;
	ret->kind = TRANSPORT_FAILED;
	ret->fault = server->fault;
	ret->retry_after_ms = server->retry_after_ms;
	snprintf(ret->text, sizeof ret->text, "%s", server->text);
}

static unsigned collect(struct transport_fake *f, struct transport_event *ev,
			unsigned max)
{
	unsigned n = 0;

	if (f->is_restarting) {
		f->is_restarting = false;
		for (unsigned i = 0; i < TRANSPORT_SLOTS; i++)
			f->attempts[i].is_active = false;
		ev[n++] = (struct transport_event){.kind = TRANSPORT_RESTARTED};
	}
	for (unsigned i = 0; i < TRANSPORT_SLOTS && n < max; i++) {
		struct transport_fault_attempt *a = &f->attempts[i];

		if (a->is_active && a->due_ms <= f->now_ms &&
		    f->servers[a->rq.server].mode != FAKE_HANGS)
			build_event(f, a, &ev[n++]);
	}
	return n;
}

/* When the next attempt's time comes, if before `until_ms`. */
static int64_t next_due(const struct transport_fake *f, int64_t until_ms)
{
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++) {
		const struct transport_fault_attempt *a = &f->attempts[i];

		if (a->is_active && f->servers[a->rq.server].mode != FAKE_HANGS &&
		    a->due_ms > f->now_ms && a->due_ms < until_ms)
			until_ms = a->due_ms;
	}
	return until_ms;
}

static int fake_wait(struct transport *t, int timeout_ms, struct transport_event *ev,
		     unsigned max)
{
	struct transport_fake *f = fake_of(t);
	const unsigned n = collect(f, ev, max);
	const bool was_woken = f->is_woken;

	f->is_woken = false;
	if (n || was_woken)
		return (int)n;
	const int64_t until_ms =
		next_due(f, timeout_ms < 0 ? INT64_MAX : f->now_ms + timeout_ms);
	assert(until_ms != INT64_MAX);
	f->now_ms = until_ms;
	return (int)collect(f, ev, max);
}

static void fake_wake(struct transport *t)
{
	fake_of(t)->is_woken = true;
}

static const uint8_t *fake_buffer(struct transport *t, unsigned slot)
{
	return buffer_of(fake_of(t), slot);
}

static void fake_free(struct transport *t)
{
	free(fake_of(t)->buffers);
	free(t);
}

static const struct transport_ops fake_ops = {
	.submit = fake_submit,
	.cancel = fake_cancel,
	.promote = fake_promote,
	.set_server = fake_set_server,
	.wait = fake_wait,
	.wake = fake_wake,
	.buffer = fake_buffer,
	.free = fake_free,
};

int64_t transport_fault_now(void *ctx)
{
	return ((struct transport_fake *)ctx)->now_ms;
}

struct transport_fake *transport_fault_new(const uint8_t *file, uint64_t file_bytes)
{
	struct transport_fake *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->base.ops = &fake_ops;
	f->file = file;
	f->file_bytes = file_bytes;
	f->now_ms = 1000;
	for (unsigned i = 0; i <= SOURCE_SERVERS_MAX; i++)
		f->servers[i] = (struct transport_fault_server){
			.file_bytes = file_bytes,
			.etag = "\"e\"",
			.text = "connection refused by 127.0.0.1",
			.fault = TRANSPORT_AWAY,
		};
	f->buffers = calloc(TRANSPORT_SLOTS, SOURCE_REQUEST_BYTES_MAX);
	if (!f->buffers) {
		free(f);
		return NULL;
	}
	return f;
}
