/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.c - the network process: requests from the channel, bodies into the shared buffers
 *
 * One loop, which owns everything here; only files are read in threads (net_file.c).  The channel's
 * socket and libcurl's sockets wake it; the other side's end or the keeper's death stop it.  A slot
 * holds one transfer and one answer that could not be sent yet, so a serving process that does not
 * read costs no memory.  One stream more may be parked: a server without ranges is read in one go.
 */
#include "source/net.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "source/net_filter.h"
#include "source/net_feel.h"
#include "source/net_file.h"
#include "source/net_open.h"
#include "source/net_xfer.h"

/* The serving process hears of new bytes at most each so many. */
#define TELL_BYTES (64u * 1024)
#define POLL_MAX_MS 10000
#define FDS_MAX (1 + NET_FILES + TRANSPORT_SLOTS)

struct slot {
	struct net_xfer *xfer;
	uint64_t id; /* of the last request */
	uint32_t n_told;
	bool has_end; /* `end` waits to be sent */
	struct channel_msg end;
};

struct net {
	int fd;
	struct net_config config; /* our own copy: servers change */
	char added[SOURCE_SERVERS_MAX][OPTIONS_URL_BYTES]; /* URLs that came later */
	const struct channel *ch;
	CURLM *multi;
	struct slot slots[TRANSPORT_SLOTS];
	struct net_xfer xfers[TRANSPORT_SLOTS + 1]; /* one for each slot, and: */
	struct net_xfer
		*parked; /* a stream that waits for its next request, or nothing */
	struct net_name names[SOURCE_SERVERS_MAX + 1];
	bool has_pong; /* PONG waits to be sent */
	bool is_blocked; /* something waits to be sent */
	bool is_over;
};

/* False when it has to be tried again later. */
static bool send_or_wait(struct net *net, const struct channel_msg *msg)
{
	const int r = channel_send(net->fd, msg);

	if (r == -EPIPE)
		net->is_over = true;
	if (r < 0)
		net->is_blocked = true;
	return r == 0;
}

static void build_answer(const struct net_xfer *x, uint32_t kind, struct channel_msg *ret)
{
	*ret = (struct channel_msg){
		.kind = kind,
		.id = x->rq.id,
		.slot = x->rq.slot,
		.n_bytes = x->n_have,
		.file_bytes = x->verdict.file_bytes,
		.is_sequential = x->is_stream,
	};
	memcpy(ret->etag, x->http.etag, sizeof ret->etag);
	memcpy(ret->address, x->address, sizeof ret->address);
}

static void tell_bytes(struct net *net, struct slot *s)
{
	const struct net_xfer *x = s->xfer;
	struct channel_msg msg;

	if (!x->is_active || x->n_have - s->n_told < TELL_BYTES)
		return;
	/* The end of the range comes with DONE. */
	if (x->n_have == x->rq.n_bytes)
		return;
	build_answer(x, CHANNEL_BYTES, &msg);
	if (send_or_wait(net, &msg))
		s->n_told = x->n_have;
}

static void tell_refused(struct net *net)
{
	const int number = net_filter_refused();
	const struct channel_msg msg = {
		.kind = CHANNEL_REFUSED,
		.number = (uint32_t)number,
	};

	/* Only news: what cannot be sent is not worth a second try. */
	if (number >= 0)
		(void)!channel_send(net->fd, &msg);
}

static void flush_slots(struct net *net)
{
	const struct channel_msg pong = {.kind = CHANNEL_PONG};

	net->is_blocked = false;
	if (net->has_pong)
		net->has_pong = !send_or_wait(net, &pong);
	for (unsigned i = 0; i < TRANSPORT_SLOTS && !net->is_blocked; i++) {
		struct slot *s = &net->slots[i];

		if (s->has_end)
			s->has_end = !send_or_wait(net, &s->end);
		else
			tell_bytes(net, s);
	}
}

static void stop(struct net *net, struct net_xfer *x)
{
	net_feel_stop(x);
	if (x->is_in_multi)
		curl_multi_remove_handle(net->multi, x->easy);
	x->is_active = x->is_in_multi = x->is_stream = false;
}

/* The slot gets another transfer; its own waits for the next request of the stream. */
static void park(struct net *net, struct slot *s)
{
	struct net_xfer *x = s->xfer;

	stop(net, net->parked);
	s->xfer = net->parked;
	net->parked = x;
	x->is_active = false;
	x->is_range_done = true;
}

/* The transfer is over, with this outcome; a good stream goes on. */
static void end(struct net *net, struct slot *s, const struct httpcheck_verdict *outcome)
{
	struct net_xfer *x = s->xfer;

	build_answer(x, outcome->fault ? CHANNEL_FAILED : CHANNEL_DONE, &s->end);
	s->end.fault = outcome->fault;
	if (outcome->fault) {
		s->end.is_sequential = 0;
		memcpy(s->end.text, outcome->text, sizeof s->end.text);
		s->end.retry_after_ms = (uint32_t)x->http.retry_after_ms;
	}
	s->has_end = true;
	if (x->is_stream && !outcome->fault)
		park(net, s);
	else
		stop(net, x);
}

static void fail_locally(struct net *net, struct slot *s, const char *why)
{
	struct httpcheck_verdict outcome = {.fault = TRANSPORT_LOCAL};

	snprintf(outcome.text, sizeof outcome.text, "%s", why);
	end(net, s, &outcome);
}

/* Over HTTP, from the beginning. */
static void begin(struct net *net, struct slot *s, const struct channel_msg *rq)
{
	struct net_xfer *x = s->xfer;

	net_xfer_begin(x, rq, &net->names[rq->server]);
	x->is_in_multi = curl_multi_add_handle(net->multi, x->easy) == CURLM_OK;
	x->is_active = x->is_in_multi;
	if (!x->is_active)
		fail_locally(net, s, "libcurl does not take the request");
}

static void begin_file(struct net *net, struct slot *s, const struct channel_msg *rq)
{
	struct httpcheck_verdict outcome;

	s->xfer->is_active = net_file_begin(s->xfer, net->multi, rq, &outcome);
	if (!s->xfer->is_active)
		end(net, s, &outcome);
}

/* The parked stream becomes the slot's.  What is wrong or already there end_streams tells. */
static void go_on(struct net *net, struct slot *s, const struct channel_msg *rq)
{
	struct net_xfer *fresh = s->xfer;

	s->xfer = net->parked;
	net->parked = fresh;
	s->xfer->slot_buffer = fresh->slot_buffer;
	s->xfer->is_active = true;
	net_xfer_continue(s->xfer, rq);
}

static void on_request(struct net *net, const struct channel_msg *msg)
{
	struct slot *s = &net->slots[msg->slot];

	stop(net, s->xfer);
	s->has_end = false;
	s->n_told = 0;
	s->id = msg->id;
	s->xfer->slot_buffer = channel_buffer(net->ch, msg->slot);
	if (!net_xfer_url(&net->config, msg->server)) {
		net_xfer_reset(s->xfer, msg);
		fail_locally(net, s, "no such server");
	} else if (net_file_is_url(&net->config, msg->server)) {
		begin_file(net, s, msg);
	} else if (net_xfer_can_continue(net->parked, msg)) {
		go_on(net, s, msg);
	} else {
		begin(net, s, msg);
	}
}

static void on_cancel(struct net *net, const struct channel_msg *msg)
{
	struct slot *s = &net->slots[msg->slot];

	if (s->id != msg->id)
		return;
	s->has_end = false;
	/* A stream is worth more than the request: the next one may go on with it. */
	if (s->xfer->is_active && s->xfer->is_stream)
		park(net, s);
	else
		stop(net, s->xfer);
}

static void on_promote(struct net *net, const struct channel_msg *msg)
{
	struct slot *s = &net->slots[msg->slot];

	if (!s->xfer->is_active || s->id != msg->id)
		return;
	s->xfer->rq.class = SOURCE_DEMAND;
	net_xfer_resume(s->xfer);
}

/* Nothing of the one that had this number is under way any more, but for a stream that waits. */
static void on_server(struct net *net, const struct channel_msg *msg)
{
	char *url = net->added[msg->server];

	net->config.urls[msg->server] = NULL;
	memcpy(url + msg->buf_off, msg->text, msg->n_bytes);
	url[msg->buf_off + msg->n_bytes] = '\0';
	if (!msg->may_end)
		return;
	net->config.urls[msg->server] = url;
	net->config.files[net_file_number(msg->server, false)] = NET_FILE_NONE;
	net->config.files[net_file_number(msg->server, true)] = NET_FILE_NONE;
	net->names[msg->server] = (struct net_name){0};
	if (net->parked->rq.server == msg->server)
		stop(net, net->parked);
}

static void on_message(struct net *net, const struct channel_msg *msg)
{
	if (msg->kind == CHANNEL_PING)
		net->has_pong = true;
	else if (msg->kind == CHANNEL_REQUEST)
		on_request(net, msg);
	else if (msg->kind == CHANNEL_CANCEL)
		on_cancel(net, msg);
	else if (msg->kind == CHANNEL_PROMOTE)
		on_promote(net, msg);
	else if (msg->kind == CHANNEL_SERVER)
		on_server(net, msg);
}

static void read_messages(struct net *net)
{
	while (!net->is_over) {
		struct channel_msg msg;
		const int r = channel_recv(net->fd, &msg);

		if (r == -EAGAIN)
			return;
		if (r == -EPIPE)
			net->is_over = true;
		if (r == 0)
			on_message(net, &msg);
	}
}

/* The slot that a transfer works for; NULL: none, it is parked. */
static struct slot *slot_of(struct net *net, const CURL *easy)
{
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++)
		if (net->slots[i].xfer->easy == easy)
			return &net->slots[i];
	return NULL;
}

static void end_one(struct net *net, struct slot *s, CURLcode code)
{
	struct net_xfer *x = s->xfer;
	struct httpcheck_verdict outcome;
	const struct channel_msg rq = x->rq;

	curl_multi_remove_handle(net->multi, x->easy);
	x->is_in_multi = false;
	x->is_body_over = true;
	if (net_xfer_judge_end(x, code, &outcome))
		end(net, s, &outcome);
	else
		begin(net, s, &rq);
}

static void end_done(struct net *net)
{
	int left;

	for (CURLMsg *m; (m = curl_multi_info_read(net->multi, &left));) {
		struct slot *s = slot_of(net, m->easy_handle);
		const CURLcode code = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		if (s) {
			end_one(net, s, code);
			continue;
		}
		/* The stream's body is over while nobody asks: what is left can be given. */
		curl_multi_remove_handle(net->multi, net->parked->easy);
		net->parked->is_in_multi = false;
		net->parked->is_body_over = true;
		if (code != CURLE_OK)
			stop(net, net->parked);
	}
}

/* Streams that have what they were asked for, or will never get it. */
static void end_streams(struct net *net)
{
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++) {
		struct slot *s = &net->slots[i];
		struct net_xfer *x = s->xfer;
		struct httpcheck_verdict outcome;

		if (!x->is_active || !x->is_stream)
			continue;
		outcome = x->verdict;
		if (x->is_range_done || outcome.fault)
			end(net, s, &outcome);
		else if (x->is_body_over && net_xfer_judge_end(x, CURLE_OK, &outcome))
			end(net, s, &outcome);
	}
}

static bool is_file_active(const struct net_xfer *x)
{
	return x->is_active && x->file;
}

/* A piece of each file that is being read; the fill waits for demand here, too. */
static void turn_files(struct net *net)
{
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++) {
		struct slot *s = &net->slots[i];
		struct httpcheck_verdict outcome;

		if (is_file_active(s->xfer) && net_file_turn(s->xfer, &outcome))
			end(net, s, &outcome);
	}
}

static int64_t deadline_of(const struct net_xfer *x)
{
	if (is_file_active(x))
		return net_file_deadline(x);
	const int64_t feel_ms = net_feel_deadline(x), late_ms = net_xfer_deadline(x);
	return feel_ms < late_ms ? feel_ms : late_ms;
}

static bool is_late(struct net_xfer *x, int64_t now_ms, struct httpcheck_verdict *ret)
{
	if (is_file_active(x))
		return net_file_is_late(x, now_ms, ret);
	return net_xfer_is_late(x, now_ms, ret) || net_feel_turn(x, now_ms, ret);
}

static void end_late(struct net *net)
{
	const int64_t now_ms = clock_ms();

	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++) {
		struct slot *s = &net->slots[i];
		struct httpcheck_verdict outcome;

		if (is_late(s->xfer, now_ms, &outcome))
			end(net, s, &outcome);
	}
}

static bool is_demand_active(const struct net *net)
{
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++)
		if (net->slots[i].xfer->is_active &&
		    net->slots[i].xfer->rq.class == SOURCE_DEMAND)
			return true;
	return false;
}

/* While somebody waits for a read the fill takes no bandwidth. */
static void hold_fill(struct net *net)
{
	const bool hold = is_demand_active(net);

	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++) {
		struct net_xfer *x = net->slots[i].xfer;

		if (!x->is_active || x->rq.class != SOURCE_FILL)
			continue;
		if (hold)
			x->hold = true;
		else
			net_xfer_resume(x);
	}
}

static int poll_ms(const struct net *net)
{
	int64_t next = INT64_MAX;

	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++) {
		const int64_t deadline_ms = deadline_of(net->slots[i].xfer);

		next = deadline_ms < next ? deadline_ms : next;
	}
	if (next == INT64_MAX)
		return POLL_MAX_MS;
	next -= clock_ms();
	if (next < 0)
		return 0;
	return next > POLL_MAX_MS ? POLL_MAX_MS : (int)next;
}

/* The channel's socket, those by which files come that are being opened, and second connections. */
static unsigned list_fds(const struct net *net, struct curl_waitfd fds[FDS_MAX])
{
	unsigned n = 0;

	fds[n++] = (struct curl_waitfd){
		.fd = net->fd,
		.events = CURL_WAIT_POLLIN | (net->is_blocked ? CURL_WAIT_POLLOUT : 0),
	};
	for (unsigned i = 0; i < NET_FILES; i++)
		if (net->config.files[i].opening_fd >= 0)
			fds[n++] = (struct curl_waitfd){
				.fd = net->config.files[i].opening_fd,
				.events = CURL_WAIT_POLLIN,
			};
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++)
		if (net->slots[i].xfer->feel.fd >= 0)
			fds[n++] = (struct curl_waitfd){
				.fd = net->slots[i].xfer->feel.fd,
				.events = CURL_WAIT_POLLOUT,
			};
	return n;
}

static int loop(struct net *net)
{
	while (!net->is_over) {
		struct curl_waitfd fds[FDS_MAX];
		const unsigned n_fds = list_fds(net, fds);
		int n_running;

		if (curl_multi_poll(net->multi, fds, n_fds, poll_ms(net), NULL) !=
		    CURLM_OK)
			return -EIO;
		net_open_take(&net->config);
		read_messages(net);
		hold_fill(net);
		if (curl_multi_perform(net->multi, &n_running) != CURLM_OK)
			return -EIO;
		end_done(net);
		end_streams(net);
		turn_files(net);
		end_late(net);
		hold_fill(net);
		tell_refused(net);
		flush_slots(net);
	}
	return 0;
}

static int net_init(struct net *net, const struct channel *ch)
{
	net->multi = curl_multi_init();
	if (!net->multi)
		return -ENOMEM;
	for (unsigned i = 0; i < ARRAY_SIZE(net->xfers); i++) {
		int r = net_xfer_init(&net->xfers[i], &net->config);
		if (r < 0)
			return r;
	}
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++)
		net->slots[i].xfer = &net->xfers[i];
	net->parked = &net->xfers[TRANSPORT_SLOTS];
	net->ch = ch;
	return 0;
}

static void net_fini(struct net *net)
{
	for (unsigned i = 0; i < ARRAY_SIZE(net->xfers); i++) {
		stop(net, &net->xfers[i]);
		net_file_fini(&net->xfers[i]);
		net_xfer_fini(&net->xfers[i]);
	}
	if (net->multi)
		curl_multi_cleanup(net->multi);
}

int net_main(const struct channel *ch, const struct net_config *cfg, int fd)
{
	/* Static, not on the stack: it is big, and there is one in a process. */
	static struct net net;

	int r = net_confine(cfg, &fd);
	if (r < 0) {
		log_error("network process: cannot be confined: %s", strerror(-r));
		return r;
	}
	net = (struct net){.fd = fd, .config = *cfg};
	r = net_init(&net, ch);
	if (r == 0)
		r = loop(&net);
	net_fini(&net);
	return r;
}
