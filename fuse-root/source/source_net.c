/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_net.c - the transport over the channel: the serving side's end
 *
 * The other side runs libcurl on what strangers send, so its messages are input from outside:
 * checked against what was asked for, dropped when they are late, and when one cannot come from a
 * sane process, nothing more is taken from that process and a new one is asked for.
 */
#include "source/source_net.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/log.h"

#define RETRY_AFTER_MAX_MS (5 * 60 * 1000)
/* So that a flood of messages that mean nothing cannot keep wait from its deadline. */
#define DRAIN_MAX 256u

struct attempt {
	bool is_active;
	struct transport_request rq;
	uint32_t n_seen;
};

struct source_net {
	struct transport base;

	/* set before threads start */
	struct channel *ch;
	const struct source_net_ops *ops;
	void *ctx;
	int wake_fd; /* written by any thread */

	/* owned by the engine thread */
	struct attempt attempts[TRANSPORT_SLOTS];
	uint32_t generation; /* of the last HELLO; 0: none yet */
	bool is_distrusted; /* until the next HELLO */
	bool is_closed; /* the channel is gone for good */
};

static struct source_net *net_of(struct transport *t)
{
	return (struct source_net *)t;
}

static void distrust(struct source_net *sn, const char *why)
{
	if (sn->is_distrusted)
		return;
	sn->is_distrusted = true;
	log_error("network process %u: %s: asking for a new one", sn->generation, why);
	if (sn->ops)
		sn->ops->restart(sn->ctx);
}

static int net_submit(struct transport *t, const struct transport_request *rq)
{
	struct source_net *sn = net_of(t);
	struct channel_msg msg = {
		.kind = CHANNEL_REQUEST,
		.generation = sn->generation,
		.id = rq->id,
		.slot = rq->slot,
		.server = rq->server,
		.src_off = rq->src_off,
		.file_bytes = rq->file_bytes,
		.buf_off = rq->buf_off,
		.n_bytes = rq->n_bytes,
		.class = rq->class,
		.may_end = rq->may_end,
		.is_by_digest = rq->is_by_digest,
	};

	/* Before HELLO nobody would take it; RESTARTED tells when to try again. */
	if (sn->generation == 0 || sn->is_closed)
		return -EAGAIN;
	memcpy(msg.etag, rq->etag, sizeof msg.etag);
	memcpy(msg.digest, rq->digest, sizeof msg.digest);
	if (channel_send(sn->ch->serve_fd, &msg) < 0)
		return -EAGAIN;
	sn->attempts[rq->slot] = (struct attempt){.is_active = true, .rq = *rq};
	return 0;
}

static void net_cancel(struct transport *t, unsigned slot, uint64_t id)
{
	struct source_net *sn = net_of(t);
	const struct channel_msg msg = {
		.kind = CHANNEL_CANCEL,
		.generation = sn->generation,
		.slot = slot,
		.id = id,
	};

	if (!sn->attempts[slot].is_active || sn->attempts[slot].rq.id != id)
		return;
	sn->attempts[slot].is_active = false;
	/* When it cannot be sent, the next request in this slot cancels as well. */
	if (channel_send(sn->ch->serve_fd, &msg) < 0)
		log_debug("network process %u: cancel not sent", sn->generation);
}

static void net_promote(struct transport *t, unsigned slot, uint64_t id)
{
	struct source_net *sn = net_of(t);
	const struct channel_msg msg = {
		.kind = CHANNEL_PROMOTE,
		.generation = sn->generation,
		.slot = slot,
		.id = id,
	};

	if (!sn->attempts[slot].is_active || sn->attempts[slot].rq.id != id)
		return;
	/* Not sent it stays held back, but only while other reads are served. */
	if (channel_send(sn->ch->serve_fd, &msg) < 0)
		log_debug("network process %u: promote not sent", sn->generation);
}

static bool is_end_sane(const struct attempt *a, const struct channel_msg *m)
{
	if (m->n_bytes == a->rq.n_bytes)
		return true;
	return a->rq.may_end && m->n_bytes > 0 &&
	       (m->file_bytes == 0 || a->rq.src_off + m->n_bytes == m->file_bytes);
}

/* Whether this answer can be one to what was asked. */
static bool is_answer_sane(const struct attempt *a, const struct channel_msg *m)
{
	if (m->n_bytes < a->n_seen || m->n_bytes > a->rq.n_bytes ||
	    m->file_bytes > INT64_MAX)
		return false;
	return m->kind != CHANNEL_DONE || is_end_sane(a, m);
}

static void build_event(const struct channel_msg *m, struct transport_event *ret)
{
	*ret = (struct transport_event){
		.kind = m->kind == CHANNEL_BYTES  ? TRANSPORT_BYTES
			: m->kind == CHANNEL_DONE ? TRANSPORT_DONE
						  : TRANSPORT_FAILED,
		.id = m->id,
		.slot = m->slot,
		.n_bytes = m->n_bytes,
		.file_bytes = m->file_bytes,
		.retry_after_ms = (int64_t)min_u64(m->retry_after_ms, RETRY_AFTER_MAX_MS),
	};
	if (m->kind == CHANNEL_FAILED)
		ret->fault = (enum transport_fault)m->fault;
	memcpy(ret->etag, m->etag, sizeof ret->etag);
	memcpy(ret->address, m->address, sizeof ret->address);
	memcpy(ret->text, m->text, sizeof ret->text);
}

static bool on_hello(struct source_net *sn, const struct channel_msg *m,
		     struct transport_event *ret)
{
	if (m->generation == 0 || m->generation == sn->generation) {
		distrust(sn, "said hello twice");
		return false;
	}
	sn->generation = m->generation;
	sn->is_distrusted = false;
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++)
		sn->attempts[i].is_active = false;
	*ret = (struct transport_event){.kind = TRANSPORT_RESTARTED};
	return true;
}

/* True when the message became an event. */
static bool on_message(struct source_net *sn, const struct channel_msg *m,
		       struct transport_event *ret)
{
	struct attempt *a = &sn->attempts[m->slot];

	if (m->kind == CHANNEL_HELLO)
		return on_hello(sn, m, ret);
	if (sn->is_distrusted || m->generation != sn->generation)
		return false;
	if (m->kind < CHANNEL_BYTES) {
		distrust(sn, "sent what only the serving process sends");
		return false;
	}
	if (!a->is_active || a->rq.id != m->id)
		return false;
	if (!is_answer_sane(a, m)) {
		distrust(sn, "answered what was not asked");
		return false;
	}
	a->n_seen = m->n_bytes;
	a->is_active = m->kind == CHANNEL_BYTES;
	build_event(m, ret);
	return true;
}

static bool is_hung_up(int fd)
{
	struct pollfd p = {.fd = fd};

	return poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR | POLLNVAL);
}

static void on_receive_error(struct source_net *sn, int error)
{
	if (error == -EBADMSG)
		distrust(sn, "sent what is not a message");
	else
		distrust(sn, "its channel is closed");
	if (error == -EPIPE && is_hung_up(sn->ch->serve_fd))
		sn->is_closed = true;
}

static unsigned drain(struct source_net *sn, struct transport_event *ev, unsigned max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < DRAIN_MAX && n < max && !sn->is_closed; i++) {
		struct channel_msg msg;
		const int r = channel_recv(sn->ch->serve_fd, &msg);

		if (r == -EAGAIN)
			break;
		if (r < 0)
			on_receive_error(sn, r);
		else if (on_message(sn, &msg, &ev[n]))
			n++;
	}
	return n;
}

static bool take_wake(struct source_net *sn)
{
	uint64_t n;

	return read(sn->wake_fd, &n, sizeof n) == sizeof n;
}

/* Stopped for long, or interrupted: the deadline is absolute, so just poll again. */
static void sleep_until(struct source_net *sn, int64_t deadline_ms)
{
	struct pollfd p[] = {
		{.fd = sn->wake_fd, .events = POLLIN},
		{.fd = sn->is_closed ? -1 : sn->ch->serve_fd, .events = POLLIN},
	};
	int64_t left_ms = deadline_ms == INT64_MAX ? -1 : deadline_ms - clock_ms();

	if (deadline_ms != INT64_MAX && left_ms < 0)
		left_ms = 0;
	poll(p, ARRAY_SIZE(p), left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
}

static int net_wait(struct transport *t, int timeout_ms, struct transport_event *ev,
		    unsigned max)
{
	struct source_net *sn = net_of(t);
	const int64_t deadline_ms = timeout_ms < 0 ? INT64_MAX : clock_ms() + timeout_ms;

	for (;;) {
		const unsigned n = drain(sn, ev, max);

		if (n || take_wake(sn) || clock_ms() >= deadline_ms)
			return (int)n;
		sleep_until(sn, deadline_ms);
	}
}

static void net_wake(struct transport *t)
{
	const uint64_t one = 1;

	/* Full means that a wake is pending already. */
	if (write(net_of(t)->wake_fd, &one, sizeof one) < 0)
		return;
}

static const uint8_t *net_buffer(struct transport *t, unsigned slot)
{
	return channel_buffer(net_of(t)->ch, slot);
}

static void net_free(struct transport *t)
{
	struct source_net *sn = net_of(t);

	if (sn->wake_fd >= 0)
		close(sn->wake_fd);
	free(sn);
}

static const struct transport_ops net_ops = {
	.submit = net_submit,
	.cancel = net_cancel,
	.promote = net_promote,
	.wait = net_wait,
	.wake = net_wake,
	.buffer = net_buffer,
	.free = net_free,
};

int source_net_new(struct channel *ch, const struct source_net_ops *ops, void *ctx,
		   struct transport **ret)
{
	struct source_net *sn = calloc(1, sizeof *sn);

	if (!sn)
		return -ENOMEM;
	sn->base.ops = &net_ops;
	sn->ch = ch;
	sn->ops = ops;
	sn->ctx = ctx;
	sn->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (sn->wake_fd < 0) {
		const int r = -errno;

		net_free(&sn->base);
		return r;
	}
	*ret = &sn->base;
	return 0;
}
