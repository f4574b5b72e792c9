/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.c - the network process: requests from the channel, bodies into the shared buffers
 *
 * One thread, one loop.  It owns everything here; the channel's socket and libcurl's sockets wake
 * it; QUIT, the other side's end or the keeper's death stop it.  A slot holds one transfer and one
 * answer that could not be sent yet, so a serving process that does not read costs no memory.
 */
#include "source/net.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/log.h"
#include "source/net_xfer.h"

/* The serving process hears of new bytes at most each so many. */
#define TELL_BYTES (64u * 1024)
#define POLL_MAX_MS 10000

struct slot {
	struct net_xfer xfer;
	uint32_t n_told;
	bool has_end; /* `end` waits to be sent */
	struct channel_msg end;
};

struct net {
	int fd;
	const struct net_config *cfg;
	uint32_t generation;
	CURLM *multi;
	struct slot slots[TRANSPORT_SLOTS];
	struct net_name names[SOURCE_SERVERS_MAX + 1];
	bool has_hello; /* HELLO waits to be sent */
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

static void build_answer(const struct net *net, const struct net_xfer *x, uint32_t kind,
			 struct channel_msg *ret)
{
	*ret = (struct channel_msg){
		.kind = kind,
		.generation = net->generation,
		.id = x->rq.id,
		.slot = x->rq.slot,
		.n_bytes = x->n_have,
		.file_bytes = x->verdict.file_bytes,
	};
	memcpy(ret->etag, x->http.etag, sizeof ret->etag);
	memcpy(ret->address, x->address, sizeof ret->address);
}

static void tell_bytes(struct net *net, struct slot *s)
{
	struct channel_msg msg;

	if (!s->xfer.is_active || s->xfer.n_have - s->n_told < TELL_BYTES)
		return;
	/* The end of the range comes with DONE. */
	if (s->xfer.n_have == s->xfer.rq.n_bytes)
		return;
	build_answer(net, &s->xfer, CHANNEL_BYTES, &msg);
	if (send_or_wait(net, &msg))
		s->n_told = s->xfer.n_have;
}

static void flush_slots(struct net *net)
{
	const struct channel_msg hello = {
		.kind = CHANNEL_HELLO,
		.generation = net->generation,
	};

	net->is_blocked = false;
	if (net->has_hello)
		net->has_hello = !send_or_wait(net, &hello);
	for (unsigned i = 0; i < TRANSPORT_SLOTS && !net->is_blocked; i++) {
		struct slot *s = &net->slots[i];

		if (s->has_end)
			s->has_end = !send_or_wait(net, &s->end);
		else
			tell_bytes(net, s);
	}
}

static void stop(struct net *net, struct slot *s)
{
	if (s->xfer.is_active)
		curl_multi_remove_handle(net->multi, s->xfer.easy);
	s->xfer.is_active = false;
}

/* The transfer is over, with this outcome. */
static void end(struct net *net, struct slot *s, const struct httpcheck_verdict *outcome)
{
	struct net_xfer *x = &s->xfer;
	const uint32_t kind = outcome->fault ? CHANNEL_FAILED : CHANNEL_DONE;

	stop(net, s);
	build_answer(net, x, kind, &s->end);
	s->end.fault = outcome->fault;
	if (outcome->fault) {
		memcpy(s->end.text, outcome->text, sizeof s->end.text);
		s->end.retry_after_ms = (uint32_t)x->http.retry_after_ms;
	}
	s->has_end = true;
}

static void fail_locally(struct net *net, struct slot *s, const char *why)
{
	struct httpcheck_verdict outcome = {.fault = TRANSPORT_LOCAL};

	snprintf(outcome.text, sizeof outcome.text, "%s", why);
	end(net, s, &outcome);
}

static void on_request(struct net *net, const struct channel_msg *msg)
{
	struct slot *s = &net->slots[msg->slot];

	stop(net, s);
	s->has_end = false;
	s->n_told = 0;
	if (!net_xfer_url(net->cfg->o, msg->server)) {
		s->xfer.rq = *msg;
		s->xfer.n_have = 0;
		fail_locally(net, s, "no such server");
		return;
	}
	net_xfer_begin(&s->xfer, msg, &net->names[msg->server]);
	if (curl_multi_add_handle(net->multi, s->xfer.easy) == CURLM_OK)
		s->xfer.is_active = true;
	else
		fail_locally(net, s, "libcurl does not take the request");
}

static void on_cancel(struct net *net, const struct channel_msg *msg)
{
	struct slot *s = &net->slots[msg->slot];

	if (s->xfer.rq.id != msg->id)
		return;
	stop(net, s);
	s->has_end = false;
}

static void on_promote(struct net *net, const struct channel_msg *msg)
{
	struct net_xfer *x = &net->slots[msg->slot].xfer;

	if (!x->is_active || x->rq.id != msg->id)
		return;
	x->rq.class = SOURCE_DEMAND;
	net_xfer_resume(x);
}

static void on_message(struct net *net, const struct channel_msg *msg)
{
	if (msg->kind == CHANNEL_QUIT)
		net->is_over = true;
	else if (msg->generation != net->generation)
		return;
	else if (msg->kind == CHANNEL_REQUEST)
		on_request(net, msg);
	else if (msg->kind == CHANNEL_CANCEL)
		on_cancel(net, msg);
	else if (msg->kind == CHANNEL_PROMOTE)
		on_promote(net, msg);
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

static struct slot *slot_of(struct net *net, CURL *easy)
{
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++)
		if (net->slots[i].xfer.easy == easy)
			return &net->slots[i];
	return NULL;
}

static void end_done(struct net *net)
{
	int left;

	for (CURLMsg *m; (m = curl_multi_info_read(net->multi, &left));) {
		struct slot *s = slot_of(net, m->easy_handle);
		struct httpcheck_verdict outcome;

		if (m->msg != CURLMSG_DONE || !s)
			continue;
		net_xfer_judge_end(&s->xfer, m->data.result, &outcome);
		end(net, s, &outcome);
	}
}

static void end_late(struct net *net)
{
	const int64_t now_ms = clock_ms();

	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++) {
		struct slot *s = &net->slots[i];
		struct httpcheck_verdict outcome;

		if (net_xfer_is_late(&s->xfer, now_ms, &outcome))
			end(net, s, &outcome);
	}
}

static bool is_demand_active(const struct net *net)
{
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++)
		if (net->slots[i].xfer.is_active &&
		    net->slots[i].xfer.rq.class == SOURCE_DEMAND)
			return true;
	return false;
}

/* While somebody waits for a read the fill takes no bandwidth. */
static void hold_fill(struct net *net)
{
	const bool hold = is_demand_active(net);

	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++) {
		struct net_xfer *x = &net->slots[i].xfer;

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
		const int64_t deadline_ms = net_xfer_deadline(&net->slots[i].xfer);

		next = deadline_ms < next ? deadline_ms : next;
	}
	if (next == INT64_MAX)
		return POLL_MAX_MS;
	next -= clock_ms();
	if (next < 0)
		return 0;
	return next > POLL_MAX_MS ? POLL_MAX_MS : (int)next;
}

static int loop(struct net *net)
{
	while (!net->is_over) {
		struct curl_waitfd fd = {
			.fd = net->fd,
			.events = CURL_WAIT_POLLIN |
				  (net->is_blocked ? CURL_WAIT_POLLOUT : 0),
		};
		int n_running;

		if (curl_multi_poll(net->multi, &fd, 1, poll_ms(net), NULL) != CURLM_OK)
			return -EIO;
		read_messages(net);
		hold_fill(net);
		if (curl_multi_perform(net->multi, &n_running) != CURLM_OK)
			return -EIO;
		end_done(net);
		end_late(net);
		hold_fill(net);
		flush_slots(net);
	}
	return 0;
}

static int net_init(struct net *net, struct channel *ch)
{
	net->multi = curl_multi_init();
	if (!net->multi)
		return -ENOMEM;
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++) {
		int r = net_xfer_init(&net->slots[i].xfer, net->cfg,
				      channel_buffer(ch, i));
		if (r < 0)
			return r;
	}
	net->has_hello = true;
	flush_slots(net);
	return 0;
}

static void net_fini(struct net *net)
{
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++) {
		stop(net, &net->slots[i]);
		net_xfer_fini(&net->slots[i].xfer);
	}
	if (net->multi)
		curl_multi_cleanup(net->multi);
}

/*
 * Keeps the standard fds and the channel's, which moves out of their way: a keeper without them may
 * have handed out their numbers.  Before that is the last time that something can be logged.
 */
static int isolate(const struct net_config *cfg, int *fd)
{
	/* There is none after switch_root; then the standard fds are that already. */
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int r = cfg->root_fd < 0 ? 0 : net_enter_sandbox(cfg);

	if (r < 0) {
		log_error("network process: cannot be confined: %s", strerror(-r));
		return r;
	}
	log_daemon(-1, -1);
	for (int std = 0; null >= 0 && std <= 2; std++)
		dup2(null, std);
	*fd = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
	if (*fd < 0)
		return -errno;
	if (*fd > 3 && close_range(3, (unsigned)*fd - 1, 0) < 0)
		return -errno;
	return close_range((unsigned)*fd + 1, ~0u, 0) < 0 ? -errno : 0;
}

/* Changing the user clears the parent's death signal, so it is asked for after that. */
static int die_with(pid_t keeper)
{
	if (!keeper)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return getppid() == keeper ? 0 : -ESRCH;
}

int net_main(struct channel *ch, const struct net_config *cfg, uint32_t generation)
{
	/* Static, not on the stack: it is big, and there is one in a process. */
	static struct net net;
	int fd = ch->net_fd;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	/* Threads of the resolver would each map an arena of 64 MiB. */
	mallopt(M_ARENA_MAX, 1);
	int r = isolate(cfg, &fd);
	if (r == 0)
		r = die_with(cfg->keeper);
	if (r < 0)
		return r;
	net = (struct net){.fd = fd, .cfg = cfg, .generation = generation};
	r = net_init(&net, ch);
	if (r == 0)
		r = loop(&net);
	net_fini(&net);
	return r;
}
