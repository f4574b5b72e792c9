/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_xfer.c - one HTTP request of the network process
 *
 * The one rule: a byte reaches the shared buffer only after the headers were judged, and never
 * behind the end of the range.  Time-outs: libcurl's own until there is a connection, then ours,
 * because they must stand still while the transfer is paused.
 */
#include "source/net_xfer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>

#include "base/clock.h"
#include "source/net_blame.h"
#include "source/url.h"

#define REDIRECTS_MAX 5L
#define RECEIVE_BYTES (128L * 1024)
/* Addresses are cached; when a server of that name fails they may have changed. */
#define LOOKUP_AGE_MS 30000

bool net_xfer_needs_lookup(const struct net_xfer *x)
{
	return net_auth_has_proxy(x->cfg) || url_has_name(x->url, NULL);
}

/* Once for each answer, when its first byte or its end is there. */
static void judge(struct net_xfer *x)
{
	const struct httpcheck_want want = {
		.src_off = x->rq.src_off,
		.n_bytes = x->rq.n_bytes,
		.may_end = x->rq.may_end,
		.is_sequential = x->rq.is_sequential,
		.file_bytes = x->rq.file_bytes,
		.etag = x->rq.etag,
	};

	if (x->is_judged)
		return;
	x->is_judged = true;
	httpcheck_judge(&x->http, &want, &x->verdict);
	x->is_stream = !x->verdict.fault && x->verdict.is_whole;
	if (x->verdict.fault && x->http.is_html)
		net_blame_page(x, &x->verdict);
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct net_xfer *x = arg;

	httpcheck_line(&x->http, line, size * n, time(NULL));
	return size * n;
}

static void take(struct net_xfer *x, const uint8_t *data, size_t n)
{
	memcpy(x->slot_buffer + x->rq.buf_off + x->n_have, data, n);
	x->n_have += (uint32_t)n;
}

/* What lies before the range is dropped, what lies behind it is kept for the next. */
static bool take_stream(struct net_xfer *x, const uint8_t *data, size_t n)
{
	const uint64_t want_off = x->rq.src_off + x->n_have;
	const size_t n_skip = min_u64(want_off - x->next_off, n);
	const size_t n_take = min_u64(n - n_skip, x->verdict.n_bytes - x->n_have);
	const size_t n_left = n - n_skip - n_take;

	if (!x->left)
		x->left = malloc(NET_XFER_LEFT_BYTES);
	if (!x->left || n_left > NET_XFER_LEFT_BYTES) {
		net_blame(&x->verdict, TRANSPORT_LOCAL,
			  "no memory for what is left over");
		return false;
	}
	take(x, data + n_skip, n_take);
	x->next_off += n_skip + n_take;
	memmove(x->left, data + n_skip + n_take, n_left);
	x->n_left = (uint32_t)n_left;
	x->is_range_done = x->n_have == x->verdict.n_bytes;
	return true;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct net_xfer *x = arg;

	n *= size;
	judge(x);
	if (x->verdict.fault)
		return 0;
	if (x->hold || x->is_range_done) {
		x->is_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	if (x->is_stream && !take_stream(x, (const uint8_t *)data, n))
		return 0;
	if (!x->is_stream && n > x->verdict.n_bytes - x->n_have) {
		net_blame(&x->verdict, TRANSPORT_AWAY,
			  "the body is longer than the range");
		return 0;
	}
	if (!x->is_stream)
		take(x, (const uint8_t *)data, n);
	x->window_bytes += (uint32_t)n;
	x->asked_ms = clock_ms();
	return n;
}

static void start_window(struct net_xfer *x)
{
	x->asked_ms = x->window_ms = clock_ms();
	x->window_bytes = 0;
}

static void note_connect_time(const struct net_xfer *x)
{
	curl_off_t lookup_us = 0, connect_us = 0;

	curl_easy_getinfo(x->easy, CURLINFO_NAMELOOKUP_TIME_T, &lookup_us);
	curl_easy_getinfo(x->easy, CURLINFO_CONNECT_TIME_T, &connect_us);
	if (x->is_new_connection)
		x->name->connect_ms = (connect_us - lookup_us) / 1000;
}

/*
 * Twice as long as it took before, on a line that needs longer than others; how long it needs is
 * not known before the first connection.
 */
static int64_t probe_connect_ms(const struct net_xfer *x)
{
	const int64_t twice_ms = 2 * x->name->connect_ms;
	const int64_t ms = x->name->last_good[0] ? x->rq.probe_ms : TRANSPORT_PROBE_MS;

	return twice_ms > ms ? twice_ms : ms;
}

/* There is a connection, the request goes out now. */
static int on_connected(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct net_xfer *x = arg;
	long n_redirects = 0;

	(void)local_ip;
	(void)local_port;
	snprintf(x->address, sizeof x->address, "%s", ip);
	x->port = (uint16_t)port;
	if (!x->asked_ms)
		note_connect_time(x);
	x->name->is_fresh = false;
	curl_easy_getinfo(x->easy, CURLINFO_REDIRECT_COUNT, &n_redirects);
	if (n_redirects == 0 && !net_auth_has_proxy(x->cfg)) {
		memcpy(x->name->last_good, x->address, sizeof x->name->last_good);
		x->name->flush = x->name->use_last_good = false;
		if (strcmp(x->name->avoid, x->address) == 0)
			x->name->avoid[0] = '\0';
	}
	start_window(x);
	return CURL_PREREQFUNC_OK;
}

/* To know which address a failure is about, and to pass over the one that failed last. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct net_xfer *x = arg;
	char address[TRANSPORT_ADDRESS_BYTES] = "";

	(void)purpose;
	if (a->family == AF_INET) {
		const struct sockaddr_in *in = (const void *)&a->addr;
		inet_ntop(AF_INET, &in->sin_addr, address, sizeof address);
	} else if (a->family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)&a->addr;
		inet_ntop(AF_INET6, &in6->sin6_addr, address, sizeof address);
	}
	if (x->name->avoid[0] && strcmp(address, x->name->avoid) == 0) {
		x->was_avoided = true;
		return CURL_SOCKET_BAD;
	}
	memcpy(x->address, address, sizeof x->address);
	x->asked_ms = 0;
	x->is_new_connection = true;
	x->connect_by_ms = x->rq.probe_ms ? clock_ms() + probe_connect_ms(x) : 0;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

int net_xfer_init(struct net_xfer *x, const struct net_config *cfg)
{
	*x = (struct net_xfer){.cfg = cfg, .feel = NET_FEEL_NONE};
	x->easy = curl_easy_init();
	return x->easy ? 0 : -ENOMEM;
}

void net_xfer_fini(struct net_xfer *x)
{
	curl_easy_cleanup(x->easy);
	net_auth_fini(&x->auth);
	curl_slist_free_all(x->resolve);
	free(x->left);
	*x = (struct net_xfer){0};
}

/*
 * Addresses are cached for ever, so that a name server that went away harms nobody.  They
 * are looked up anew after none could be connected to, and after any failure when they
 * are old; when that fails as well, the last one that worked is put back.
 */
static void set_resolve(struct net_xfer *x, const char *url)
{
	struct net_name *name = x->name;
	struct url_place place;
	char entry[400];

	curl_slist_free_all(x->resolve);
	x->resolve = NULL;
	if (!name->lookup_ms || name->flush)
		name->lookup_ms = clock_ms();
	if (!name->flush && !name->use_last_good)
		return;
	url_place(url, false, &place);
	/* An IPv6 address is nothing that is looked up. */
	if (!place.host[0] || strchr(place.host, ':'))
		return;
	const char *brackets = strchr(name->last_good, ':') ? "[]" : "";
	if (name->use_last_good && name->last_good[0])
		snprintf(entry, sizeof entry, "+%s:%u:%.1s%s%s", place.host, place.port,
			 brackets, name->last_good, brackets[0] ? brackets + 1 : "");
	else
		snprintf(entry, sizeof entry, "-%s:%u", place.host, place.port);
	x->resolve = curl_slist_append(NULL, entry);
	curl_easy_setopt(x->easy, CURLOPT_RESOLVE, x->resolve);
}

static void set_connection(struct net_xfer *x)
{
	const struct options *o = x->cfg->o;
	CURL *e = x->easy;

	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout_ms);
	curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, -1L);
	/* Do not wait for a lookup that was given up: everything else would wait with it. */
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_FRESH_CONNECT,
			 x->name->is_fresh || x->name->flush ? 1L : 0L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, 30L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, 10L);
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, x);
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_connected);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, x);
}

static void set_request(struct net_xfer *x, const char *url)
{
	CURL *e = x->easy;

	snprintf(x->range, sizeof x->range, "%" PRIu64 "-%" PRIu64, x->rq.src_off,
		 x->rq.src_off + x->rq.n_bytes - 1);
	curl_easy_setopt(e, CURLOPT_URL, url);
	curl_easy_setopt(e, CURLOPT_RANGE, x->range);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	/* Who was told to ask over TLS does not do without. */
	curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR,
			 strncasecmp(url, "https:", 6) == 0 ? "https" : "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(e, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "hydroot/" HYDROOT_VERSION);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->error);
	curl_easy_setopt(e, CURLOPT_PRIVATE, x);
}

const char *net_xfer_url(const struct net_config *cfg, uint32_t server)
{
	return server <= SOURCE_SERVERS_MAX ? cfg->urls[server] : NULL;
}

void net_xfer_reset(struct net_xfer *x, const struct channel_msg *rq)
{
	x->rq = *rq;
	x->file = NULL;
	x->http = (struct httpcheck){0};
	x->verdict = (struct httpcheck_verdict){0};
	x->is_judged = x->is_paused = x->hold = false;
	x->n_have = x->window_bytes = 0;
	x->asked_ms = x->window_ms = 0;
	x->address[0] = x->error[0] = '\0';
	x->was_avoided = x->is_new_connection = false;
	x->connect_by_ms = 0;
	x->is_stream = x->is_range_done = x->is_body_over = false;
	x->next_off = 0;
	x->n_left = 0;
}

void net_xfer_begin(struct net_xfer *x, const struct channel_msg *rq,
		    struct net_name *name)
{
	net_xfer_reset(x, rq);
	x->name = name;
	x->url = net_xfer_url(x->cfg, rq->server);
	if (rq->is_by_digest &&
	    url_by_digest(x->url, rq->digest, x->beside, sizeof x->beside))
		x->url = x->beside;
	/* Keeps connections and the handle's memory. */
	curl_easy_reset(x->easy);
	set_connection(x);
	net_tls_set(x->easy, x->cfg, &x->tls);
	net_auth_set(&x->auth, x->easy, x->cfg, x->url);
	set_request(x, x->url);
	set_resolve(x, x->url);
	/* A name server may be away together with the server: there is an address to go on with. */
	if (rq->probe_ms && name->last_good[0] && net_xfer_needs_lookup(x))
		x->connect_by_ms = clock_ms() + TRANSPORT_PROBE_MS;
}

bool net_xfer_can_continue(const struct net_xfer *x, const struct channel_msg *rq)
{
	return x->is_stream && rq->is_sequential && x->rq.server == rq->server &&
	       x->rq.is_by_digest == rq->is_by_digest && x->next_off <= rq->src_off &&
	       (!rq->etag[0] || !x->http.etag[0] ||
		httpcheck_same_etag(rq->etag, x->http.etag)) &&
	       (!rq->file_bytes || !x->verdict.file_bytes ||
		rq->file_bytes == x->verdict.file_bytes);
}

/* How much of the range the file has, as far as its length is known. */
static uint32_t bytes_in_file(const struct net_xfer *x, const struct channel_msg *rq)
{
	const uint64_t file_bytes = x->verdict.file_bytes;

	if (!file_bytes)
		return rq->n_bytes;
	if (file_bytes <= rq->src_off)
		return 0;
	return (uint32_t)min_u64(file_bytes - rq->src_off, rq->n_bytes);
}

void net_xfer_continue(struct net_xfer *x, const struct channel_msg *rq)
{
	x->rq = *rq;
	x->n_have = 0;
	x->is_range_done = false;
	x->verdict.n_bytes = bytes_in_file(x, rq);
	if (x->verdict.n_bytes == 0 ||
	    (x->verdict.n_bytes < rq->n_bytes && !rq->may_end)) {
		net_blame(&x->verdict, TRANSPORT_REFUSED,
			  "the file ends inside the range");
		return;
	}
	start_window(x);
	if (x->n_left)
		(void)take_stream(x, x->left, x->n_left);
	if (!x->is_range_done)
		net_xfer_resume(x);
}

void net_xfer_resume(struct net_xfer *x)
{
	x->hold = false;
	if (!x->is_paused)
		return;
	x->is_paused = false;
	start_window(x);
	curl_easy_pause(x->easy, CURLPAUSE_CONT);
}

int64_t net_xfer_deadline(const struct net_xfer *x)
{
	const int64_t timeout_ms = x->cfg->o->timeout_ms;

	if (x->is_active && x->connect_by_ms && !x->asked_ms)
		return x->connect_by_ms;
	if (!x->is_active || x->is_paused || !x->asked_ms || !timeout_ms)
		return INT64_MAX;
	const int64_t stall_ms = x->asked_ms + timeout_ms;
	const int64_t window_ms = x->window_ms + timeout_ms;
	return stall_ms < window_ms ? stall_ms : window_ms;
}

/* Too few bytes since the window began; a window that was good enough starts anew. */
static bool is_too_slow(struct net_xfer *x, int64_t now_ms)
{
	const int64_t ms = now_ms - x->window_ms;

	if (ms < x->cfg->o->timeout_ms)
		return false;
	const uint64_t least = x->cfg->o->min_rate_bytes * (uint64_t)ms / 1000;
	if (x->window_bytes < least)
		return true;
	x->window_ms = now_ms;
	x->window_bytes = 0;
	return false;
}

/* The next attempt takes another address of the name, if there is one. */
static void pass_over(const struct net_xfer *x, const struct httpcheck_verdict *v)
{
	if (v->fault != TRANSPORT_AWAY || !x->address[0] || net_auth_has_proxy(x->cfg) ||
	    !url_has_name(x->url, NULL))
		return;
	memcpy(x->name->avoid, x->address, sizeof x->name->avoid);
}

/* Whoever answers under this name now may have another address, or no longer the file. */
static void doubt_name(const struct net_xfer *x, const struct httpcheck_verdict *v)
{
	const int64_t age_ms =
		x->cfg->lookup_age_ms ? x->cfg->lookup_age_ms : LOOKUP_AGE_MS;

	if ((v->fault == TRANSPORT_AWAY || v->fault == TRANSPORT_GONE) &&
	    clock_ms() - x->name->lookup_ms > age_ms)
		x->name->flush = true;
}

/* It has failed: what does that say about the name? */
static void learn_from(const struct net_xfer *x, const struct httpcheck_verdict *v)
{
	if (v->fault == TRANSPORT_AWAY)
		x->name->is_fresh = true;
	pass_over(x, v);
	doubt_name(x, v);
}

/* TLS has libcurl's time: only a connection that does not come at all is given up early. */
static bool is_connect_late(struct net_xfer *x, struct httpcheck_verdict *ret)
{
	curl_off_t connect_us = 0;

	x->connect_by_ms = 0;
	curl_easy_getinfo(x->easy, CURLINFO_CONNECT_TIME_T, &connect_us);
	if (connect_us > 0)
		return false;
	if (x->address[0])
		net_blame_probe(x, probe_connect_ms(x), ret);
	else
		net_blame_lookup(x, TRANSPORT_PROBE_MS, ret);
	learn_from(x, ret);
	return true;
}

bool net_xfer_is_late(struct net_xfer *x, int64_t now_ms, struct httpcheck_verdict *ret)
{
	const struct options *o = x->cfg->o;

	if (net_xfer_deadline(x) > now_ms)
		return false;
	if (x->connect_by_ms && !x->asked_ms)
		return is_connect_late(x, ret);
	if (now_ms - x->asked_ms >= o->timeout_ms)
		net_blame(ret, TRANSPORT_AWAY, "no byte from %s for %" PRId64 " ms",
			  net_blame_address(x), o->timeout_ms);
	else if (is_too_slow(x, now_ms))
		net_blame(ret, TRANSPORT_AWAY,
			  "%s is slower than %" PRIu64 " bytes/s for %" PRId64 " ms",
			  net_blame_address(x), o->min_rate_bytes, o->timeout_ms);
	else
		return false;
	learn_from(x, ret);
	return true;
}

static void judge_body(struct net_xfer *x, struct httpcheck_verdict *ret)
{
	if (x->is_stream && !x->verdict.file_bytes) /* now it is known */
		x->verdict.file_bytes = x->next_off + x->n_left;
	*ret = x->verdict;
	if (x->n_have < ret->n_bytes && !(x->is_stream && x->rq.may_end && x->n_have &&
					  x->rq.src_off + x->n_have == ret->file_bytes))
		net_blame(ret, TRANSPORT_AWAY,
			  "the body ended after %" PRIu32 " of %" PRIu32 " bytes",
			  x->n_have, x->verdict.n_bytes);
}

/*
 * No address could be connected to, but one was passed over.  When it is the only one
 * there is, libcurl also says that it timed out: it remembers that from the last use of
 * the handle.
 */
static bool is_for_want_of_others(const struct net_xfer *x, CURLcode code)
{
	return x->was_avoided && (code == CURLE_COULDNT_CONNECT ||
				  (code == CURLE_OPERATION_TIMEDOUT && !x->address[0]));
}

/*
 * Nothing that can be used came, over a connection from an earlier request: its end, or what a
 * server has sent behind the body that it announced.  That says nothing about this request.
 */
static bool is_for_the_connection(const struct net_xfer *x, CURLcode code)
{
	switch (code) {
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_OUT_OF_MEMORY:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		return x->address[0] && !x->is_new_connection && !x->is_judged;
	default:
		return false;
	}
}

bool net_xfer_judge_end(struct net_xfer *x, CURLcode code, struct httpcheck_verdict *ret)
{
	*ret = (struct httpcheck_verdict){0};
	if (is_for_want_of_others(x, code)) {
		x->name->avoid[0] = '\0';
		return false;
	}
	if (is_for_the_connection(x, code)) {
		x->name->is_fresh = true;
		return false;
	}
	if (code == CURLE_OK || x->is_judged) {
		judge(x);
		*ret = x->verdict;
	}
	if (!ret->fault && code == CURLE_OK)
		judge_body(x, ret);
	else if (!ret->fault && !net_blame_proxy(x, ret))
		net_blame_curl(x, code, ret);
	learn_from(x, ret);
	return true;
}
