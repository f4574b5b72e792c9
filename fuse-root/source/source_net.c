/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_net.c - the transport over the channel: the serving side's end
 *
 * The other side runs libcurl on what strangers send, so its messages are input from
 * outside: checked against what was asked for, dropped when they are late, and when one
 * cannot come from a sane process, nothing more is taken from that process and a new one
 * is asked for.
 *
 * A process that hangs is found by its silence: while it has something to do and says
 * nothing it is asked for a sign of life, which costs it no more than a turn of its loop.
 * Servers that are slow do not make it silent.  Silence is counted in slices while this
 * process waits for it, so a time in which PID 1 had stopped both counts as one slice,
 * however long it was.
 */
#include "source/source_net.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/log.h"
#include "source/net_filter.h"

#define RETRY_AFTER_MAX_MS (5 * 60 * 1000)
/* So that a flood of messages that mean nothing cannot keep wait from its deadline. */
#define DRAIN_MAX 256u
#define HUNG_MS 5000
/* After a fifth of hung_ms the sign of life is asked for. */
#define PING_PART 5
#define SLICES 10
/* Refused system calls that are logged, of one network process. */
#define REFUSED_SAID 5u

struct attempt {
	bool is_active;
	struct transport_request rq;
	uint32_t n_seen;
};

/* Came after the start: a network process has to be told of it. */
struct new_server {
	char url[OPTIONS_URL_BYTES]; /* "": it was there from the start */
	bool is_told;
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
	struct new_server servers[SOURCE_SERVERS_MAX];
	int fd; /* of the newest network process; -1: none, or gone */
	uint32_t generation; /* of that process; 0: there was none yet */
	bool is_distrusted; /* until the next one */
	bool is_orphan; /* the keeper is gone: there will be no next one */
	bool is_pinged;
	int64_t silent_ms, counted_ms; /* how long nothing was heard; up to when */
	unsigned n_refused;
};

static struct source_net *net_of(struct transport *t)
{
	return (struct source_net *)t;
}

static int64_t hung_ms(const struct source_net *sn)
{
	return sn->ops && sn->ops->hung_ms ? sn->ops->hung_ms : HUNG_MS;
}

static void ask_for_another(struct source_net *sn)
{
	if (sn->ops)
		sn->ops->restart(sn->ctx, sn->generation);
}

static void let_go(struct source_net *sn)
{
	if (sn->fd >= 0)
		close(sn->fd);
	sn->fd = -1;
}

static void distrust(struct source_net *sn, const char *why)
{
	if (sn->is_distrusted)
		return;
	let_go(sn);
	sn->is_distrusted = true;
	sn->silent_ms = 0;
	log_error("network process %u: %s: asking for a new one", sn->generation, why);
	ask_for_another(sn);
}

static int send_to_net(const struct source_net *sn, const struct channel_msg *msg)
{
	return sn->fd < 0 ? -EPIPE : channel_send(sn->fd, msg);
}

/*
 * The network process has a copy of the servers there were when the keeper started.  What
 * came later it learns in pieces, before the first request that needs it; only from us,
 * and nothing of it is ever read back.
 */
static bool tell_server(struct source_net *sn, unsigned server)
{
	struct new_server *s = server < SOURCE_SERVERS_MAX ? &sn->servers[server] : NULL;
	const size_t n_url = s ? strlen(s->url) : 0;

	if (n_url == 0 || s->is_told)
		return true;
	for (size_t off = 0; off < n_url;) {
		struct channel_msg msg = {.kind = CHANNEL_SERVER, .server = server};
		const size_t n = min_u64(n_url - off, sizeof msg.text - 1);

		msg.buf_off = (uint32_t)off;
		msg.n_bytes = (uint32_t)n;
		memcpy(msg.text, s->url + off, n);
		off += n;
		msg.may_end = off == n_url;
		/* Half of it is no URL: it begins anew next time. */
		if (send_to_net(sn, &msg) < 0)
			return false;
	}
	s->is_told = true;
	return true;
}

static void net_set_server(struct transport *t, unsigned server, const char *url)
{
	struct new_server *s = &net_of(t)->servers[server];

	snprintf(s->url, sizeof s->url, "%s", url);
	s->is_told = false;
}

static int net_submit(struct transport *t, const struct transport_request *rq)
{
	struct source_net *sn = net_of(t);
	struct channel_msg msg = {
		.kind = CHANNEL_REQUEST,
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
		.probe_ms = rq->probe_ms,
		.is_sequential = rq->is_sequential,
	};

	memcpy(msg.etag, rq->etag, sizeof msg.etag);
	memcpy(msg.digest, rq->digest, sizeof msg.digest);
	/* While there is no process; RESTARTED tells when to try again. */
	if (!tell_server(sn, rq->server) || send_to_net(sn, &msg) < 0)
		return -EAGAIN;
	sn->attempts[rq->slot] = (struct attempt){.is_active = true, .rq = *rq};
	return 0;
}

static void net_cancel(struct transport *t, unsigned slot, uint64_t id)
{
	struct source_net *sn = net_of(t);
	const struct channel_msg msg = {
		.kind = CHANNEL_CANCEL,
		.slot = slot,
		.id = id,
	};

	if (!sn->attempts[slot].is_active || sn->attempts[slot].rq.id != id)
		return;
	sn->attempts[slot].is_active = false;
	/* When it cannot be sent, the next request in this slot cancels as well. */
	if (send_to_net(sn, &msg) < 0)
		log_debug("network process %u: cancel not sent", sn->generation);
}

static void net_promote(struct transport *t, unsigned slot, uint64_t id)
{
	struct source_net *sn = net_of(t);
	const struct channel_msg msg = {
		.kind = CHANNEL_PROMOTE,
		.slot = slot,
		.id = id,
	};

	if (!sn->attempts[slot].is_active || sn->attempts[slot].rq.id != id)
		return;
	/* Not sent it stays held back, but only while other reads are served. */
	if (send_to_net(sn, &msg) < 0)
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
		.is_sequential = m->is_sequential && m->kind != CHANNEL_FAILED,
		.retry_after_ms = (int64_t)min_u64(m->retry_after_ms, RETRY_AFTER_MAX_MS),
	};
	if (m->kind == CHANNEL_FAILED)
		ret->fault = (enum transport_fault)m->fault;
	memcpy(ret->etag, m->etag, sizeof ret->etag);
	memcpy(ret->address, m->address, sizeof ret->address);
	memcpy(ret->text, m->text, sizeof ret->text);
}

/* A library may try what it can do without; what a stranger tries is worth knowing. */
static void on_refused(struct source_net *sn, uint32_t number)
{
	char name[64];

	if (sn->n_refused++ >= REFUSED_SAID)
		return;
	net_filter_name((int)number, name, sizeof name);
	log_warning("network process %u: its filter refused the system call %s",
		    sn->generation, name);
}

/* True when the message became an event. */
static bool on_message(struct source_net *sn, const struct channel_msg *m,
		       struct transport_event *ret)
{
	struct attempt *a = &sn->attempts[m->slot];

	sn->silent_ms = 0;
	sn->is_pinged = false;
	if (m->kind < CHANNEL_PONG) {
		distrust(sn, "sent what only the serving process sends");
		return false;
	}
	if (m->kind == CHANNEL_REFUSED)
		on_refused(sn, m->number);
	if (m->kind < CHANNEL_BYTES || !a->is_active || a->rq.id != m->id)
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

/* True when there is a new network process: what was under way is lost. */
static bool take_new(struct source_net *sn, struct transport_event *ret)
{
	uint32_t generation;
	const int fd = sn->is_orphan ? -EAGAIN : channel_take(sn->ch, &generation);

	if (fd == -EPIPE)
		sn->is_orphan = true;
	if (fd < 0)
		return false;
	let_go(sn);
	sn->fd = fd;
	sn->generation = generation;
	sn->is_distrusted = sn->is_pinged = false;
	sn->silent_ms = 0;
	sn->counted_ms = clock_ms();
	sn->n_refused = 0;
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++)
		sn->attempts[i].is_active = false;
	for (unsigned i = 0; i < SOURCE_SERVERS_MAX; i++)
		sn->servers[i].is_told = false;
	*ret = (struct transport_event){.kind = TRANSPORT_RESTARTED};
	return true;
}

/* It died, which the keeper sees as well, or it has shut the channel, which only we see. */
static void on_closed(struct source_net *sn)
{
	let_go(sn);
	if (sn->is_distrusted)
		return;
	sn->is_distrusted = true;
	sn->silent_ms = 0;
	ask_for_another(sn);
}

static unsigned drain(struct source_net *sn, struct transport_event *ev, unsigned max)
{
	unsigned n = max && take_new(sn, ev) ? 1 : 0;

	for (unsigned i = 0; i < DRAIN_MAX && n < max && sn->fd >= 0; i++) {
		struct channel_msg msg;
		const int r = channel_recv(sn->fd, &msg);

		if (r == -EAGAIN)
			break;
		if (r == -EPIPE)
			on_closed(sn);
		else if (r < 0)
			distrust(sn, "sent what is not a message");
		else if (on_message(sn, &msg, &ev[n]))
			n++;
	}
	return n;
}

/* Somebody has to say something: the process to us, or the keeper about a new one. */
static bool is_expecting(const struct source_net *sn)
{
	if (sn->generation == 0 || sn->is_orphan)
		return false;
	if (sn->is_distrusted)
		return true;
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++)
		if (sn->attempts[i].is_active)
			return true;
	return false;
}

static void ping(struct source_net *sn)
{
	const struct channel_msg msg = {.kind = CHANNEL_PING};

	/* Not sent: then it does not read either, and its time runs. */
	sn->is_pinged = send_to_net(sn, &msg) == 0;
}

static void count_silence(struct source_net *sn)
{
	const int64_t now_ms = clock_ms(), slice_ms = hung_ms(sn) / SLICES;
	const int64_t passed_ms = now_ms - sn->counted_ms;

	sn->counted_ms = now_ms;
	if (!is_expecting(sn)) {
		sn->silent_ms = 0;
		return;
	}
	sn->silent_ms += passed_ms < slice_ms ? passed_ms : slice_ms;
	if (sn->is_distrusted && sn->silent_ms >= hung_ms(sn)) {
		sn->silent_ms = 0;
		ask_for_another(sn);
	} else if (sn->silent_ms >= hung_ms(sn)) {
		distrust(sn, "does not answer");
	} else if (!sn->is_pinged && sn->silent_ms >= hung_ms(sn) / PING_PART) {
		ping(sn);
	}
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
		{.fd = sn->fd, .events = POLLIN},
		{.fd = sn->is_orphan ? -1 : sn->ch->serve_end, .events = POLLIN},
	};
	int64_t left_ms = deadline_ms == INT64_MAX ? INT32_MAX : deadline_ms - clock_ms();

	if (left_ms < 0)
		left_ms = 0;
	if (is_expecting(sn) && left_ms > hung_ms(sn) / SLICES)
		left_ms = hung_ms(sn) / SLICES;
	poll(p, ARRAY_SIZE(p), left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
}

static int net_wait(struct transport *t, int timeout_ms, struct transport_event *ev,
		    unsigned max)
{
	struct source_net *sn = net_of(t);
	const int64_t deadline_ms = timeout_ms < 0 ? INT64_MAX : clock_ms() + timeout_ms;

	for (;;) {
		const unsigned n = drain(sn, ev, max);

		count_silence(sn);
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

	let_go(sn);
	if (sn->wake_fd >= 0)
		close(sn->wake_fd);
	free(sn);
}

static const struct transport_ops net_ops = {
	.submit = net_submit,
	.cancel = net_cancel,
	.promote = net_promote,
	.set_server = net_set_server,
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
	sn->fd = -1;
	sn->counted_ms = clock_ms();
	sn->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (sn->wake_fd < 0) {
		const int r = -errno;

		net_free(&sn->base);
		return r;
	}
	*ret = &sn->base;
	return 0;
}
