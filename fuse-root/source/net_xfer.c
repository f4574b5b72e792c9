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
#include <stdarg.h>

#include "base/clock.h"
#include "source/url.h"

#define REDIRECTS_MAX 5L
#define RECEIVE_BYTES (128L * 1024)

static void _printf_(3, 4) blame(struct httpcheck_verdict *ret,
				 enum transport_fault fault, const char *fmt, ...)
{
	va_list ap;

	ret->fault = fault;
	va_start(ap, fmt);
	vsnprintf(ret->text, sizeof ret->text, fmt, ap);
	va_end(ap);
}

static const char *address_of(const struct net_xfer *x)
{
	return x->address[0] ? x->address : "the server";
}

/* Once for each answer, when its first byte or its end is there. */
static void judge(struct net_xfer *x)
{
	const struct httpcheck_want want = {
		.src_off = x->rq.src_off,
		.n_bytes = x->rq.n_bytes,
		.may_end = x->rq.may_end,
		.file_bytes = x->rq.file_bytes,
		.etag = x->rq.etag,
	};
	char *scheme = NULL;

	if (x->is_judged)
		return;
	x->is_judged = true;
	curl_easy_getinfo(x->easy, CURLINFO_SCHEME, &scheme);
	if (scheme && strcasecmp(scheme, "file") == 0)
		x->verdict = (struct httpcheck_verdict){.n_bytes = x->rq.n_bytes};
	else
		httpcheck_judge(&x->http, &want, &x->verdict);
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct net_xfer *x = arg;

	httpcheck_line(&x->http, line, size * n, time(NULL));
	return size * n;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct net_xfer *x = arg;

	n *= size;
	judge(x);
	if (x->verdict.fault)
		return 0;
	if (x->hold) {
		x->is_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	if (n > x->verdict.n_bytes - x->n_have) {
		blame(&x->verdict, TRANSPORT_AWAY, "the body is longer than the range");
		return 0;
	}
	memcpy(x->slot_buffer + x->rq.buf_off + x->n_have, data, n);
	x->n_have += (uint32_t)n;
	x->window_bytes += (uint32_t)n;
	x->asked_ms = clock_ms();
	return n;
}

static void start_window(struct net_xfer *x)
{
	x->asked_ms = x->window_ms = clock_ms();
	x->window_bytes = 0;
}

/* There is a connection, the request goes out now. */
static int on_connected(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct net_xfer *x = arg;
	long n_redirects = 0;

	(void)local_ip;
	(void)port;
	(void)local_port;
	snprintf(x->address, sizeof x->address, "%s", ip);
	curl_easy_getinfo(x->easy, CURLINFO_REDIRECT_COUNT, &n_redirects);
	if (n_redirects == 0) {
		memcpy(x->name->last_good, x->address, sizeof x->name->last_good);
		x->name->flush = x->name->use_last_good = false;
	}
	start_window(x);
	return CURL_PREREQFUNC_OK;
}

/* Only to know which address a failure is about. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct net_xfer *x = arg;

	(void)purpose;
	if (a->family == AF_INET) {
		const struct sockaddr_in *in = (const void *)&a->addr;
		inet_ntop(AF_INET, &in->sin_addr, x->address, sizeof x->address);
	} else if (a->family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)&a->addr;
		inet_ntop(AF_INET6, &in6->sin6_addr, x->address, sizeof x->address);
	}
	x->asked_ms = 0;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

int net_xfer_init(struct net_xfer *x, const struct net_config *cfg, uint8_t *slot_buffer)
{
	*x = (struct net_xfer){.cfg = cfg, .slot_buffer = slot_buffer};
	x->easy = curl_easy_init();
	x->headers = curl_slist_append(NULL, "Accept-Encoding: identity");
	if (!x->easy || !x->headers) {
		net_xfer_fini(x);
		return -ENOMEM;
	}
	return 0;
}

void net_xfer_fini(struct net_xfer *x)
{
	curl_easy_cleanup(x->easy);
	curl_slist_free_all(x->headers);
	curl_slist_free_all(x->resolve);
	*x = (struct net_xfer){0};
}

/*
 * Addresses are cached for ever, so that a name server that went away harms nobody.  After no
 * cached address could be connected to they are looked up anew; when that fails as well, the last
 * one that worked is put back.
 */
static void set_resolve(struct net_xfer *x, const char *url)
{
	const struct net_name *name = x->name;
	char host[256], entry[400];
	unsigned port;

	curl_slist_free_all(x->resolve);
	x->resolve = NULL;
	if (!name->flush && !name->use_last_good)
		return;
	if (!url_host_port(url, host, sizeof host, &port))
		return;
	const char *brackets = strchr(name->last_good, ':') ? "[]" : "";
	if (name->use_last_good && name->last_good[0])
		snprintf(entry, sizeof entry, "+%s:%u:%.1s%s%s", host, port, brackets,
			 name->last_good, brackets[0] ? brackets + 1 : "");
	else
		snprintf(entry, sizeof entry, "-%s:%u", host, port);
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
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, 30L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, 10L);
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, x);
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_connected);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, x);
}

/* The bundle was read before the fork; no file is looked at. */
static void set_trust(struct net_xfer *x)
{
	struct curl_blob ca = {
		.data = x->cfg->ca,
		.len = x->cfg->ca_bytes,
		.flags = CURL_BLOB_NOCOPY,
	};

	curl_easy_setopt(x->easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(x->easy, CURLOPT_CAPATH, NULL);
	if (ca.data)
		curl_easy_setopt(x->easy, CURLOPT_CAINFO_BLOB, &ca);
}

static void set_request(struct net_xfer *x, const char *url)
{
	CURL *e = x->easy;

	snprintf(x->range, sizeof x->range, "%" PRIu64 "-%" PRIu64, x->rq.src_off,
		 x->rq.src_off + x->rq.n_bytes - 1);
	curl_easy_setopt(e, CURLOPT_URL, url);
	curl_easy_setopt(e, CURLOPT_RANGE, x->range);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https,file");
	curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(e, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "hydroot/" HYDROOT_VERSION);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, x->headers);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->error);
	curl_easy_setopt(e, CURLOPT_PRIVATE, x);
}

const char *net_xfer_url(const struct options *o, uint32_t server)
{
	if (server < o->n_servers)
		return o->servers[server];
	return server == o->n_servers && o->pack[0] ? o->pack : NULL;
}

int net_xfer_begin(struct net_xfer *x, const struct channel_msg *rq,
		   struct net_name *name)
{
	const char *url = net_xfer_url(x->cfg->o, rq->server);
	char beside[OPTIONS_URL_BYTES + 128];

	if (rq->is_by_digest && url_by_digest(url, rq->digest, beside, sizeof beside))
		url = beside;
	x->rq = *rq;
	x->name = name;
	x->http = (struct httpcheck){0};
	x->verdict = (struct httpcheck_verdict){0};
	x->is_judged = x->is_paused = x->hold = false;
	x->n_have = x->window_bytes = 0;
	x->asked_ms = x->window_ms = 0;
	x->address[0] = x->error[0] = '\0';
	/* Keeps connections and the handle's memory. */
	curl_easy_reset(x->easy);
	set_connection(x);
	set_trust(x);
	set_request(x, url);
	set_resolve(x, url);
	return 0;
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

bool net_xfer_is_late(struct net_xfer *x, int64_t now_ms, struct httpcheck_verdict *ret)
{
	const struct options *o = x->cfg->o;

	if (net_xfer_deadline(x) > now_ms)
		return false;
	if (now_ms - x->asked_ms >= o->timeout_ms)
		blame(ret, TRANSPORT_AWAY, "no byte from %s for %" PRId64 " ms",
		      address_of(x), o->timeout_ms);
	else if (is_too_slow(x, now_ms))
		blame(ret, TRANSPORT_AWAY,
		      "%s is slower than %" PRIu64 " bytes/s for %" PRId64 " ms",
		      address_of(x), o->min_rate_bytes, o->timeout_ms);
	else
		return false;
	return true;
}

static void blame_connect(struct net_xfer *x, struct httpcheck_verdict *ret)
{
	long error = 0;

	x->name->flush = true;
	x->name->use_last_good = false;
	curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &error);
	if (error == ECONNREFUSED)
		blame(ret, TRANSPORT_AWAY, "connection refused by %s", address_of(x));
	else if (error)
		blame(ret, TRANSPORT_AWAY, "cannot connect to %s: %s", address_of(x),
		      strerror((int)error));
	else
		blame(ret, TRANSPORT_AWAY, "cannot connect to %s", address_of(x));
}

/* Ours are told by net_xfer_is_late: this one is about the name or the connection. */
static void blame_timeout(struct net_xfer *x, struct httpcheck_verdict *ret)
{
	const int64_t ms = x->cfg->o->connect_timeout_ms;

	x->name->flush = true;
	x->name->use_last_good = !x->address[0];
	if (x->address[0])
		blame(ret, TRANSPORT_AWAY, "no connection to %s within %" PRId64 " ms",
		      x->address, ms);
	else
		blame(ret, TRANSPORT_AWAY,
		      "the name was not resolved within %" PRId64 " ms", ms);
}

static void blame_curl(struct net_xfer *x, CURLcode code, struct httpcheck_verdict *ret)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		x->name->use_last_good = true;
		blame(ret, TRANSPORT_AWAY, "the name cannot be resolved");
		return;
	case CURLE_COULDNT_CONNECT:
		blame_connect(x, ret);
		return;
	case CURLE_OPERATION_TIMEDOUT:
		blame_timeout(x, ret);
		return;
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		blame(ret, TRANSPORT_AWAY,
		      "the connection to %s broke after %" PRIu32 " bytes", address_of(x),
		      x->n_have);
		return;
	case CURLE_OUT_OF_MEMORY:
	case CURLE_FAILED_INIT:
		blame(ret, TRANSPORT_LOCAL, "%s", curl_easy_strerror(code));
		return;
	default:
		blame(ret, TRANSPORT_AWAY, "%s",
		      x->error[0] ? x->error : curl_easy_strerror(code));
	}
}

/* A file that is shorter than the range; over HTTP the headers have told before. */
static bool is_short_file(const struct net_xfer *x)
{
	return x->http.status == 0 && x->rq.may_end && x->n_have;
}

void net_xfer_judge_end(struct net_xfer *x, CURLcode code, struct httpcheck_verdict *ret)
{
	*ret = (struct httpcheck_verdict){0};
	if (code == CURLE_OK || x->is_judged) {
		judge(x);
		*ret = x->verdict;
	}
	if (ret->fault)
		return;
	if (code != CURLE_OK)
		blame_curl(x, code, ret);
	else if (x->n_have < x->verdict.n_bytes && !is_short_file(x))
		blame(ret, TRANSPORT_AWAY,
		      "the body ended after %" PRIu32 " of %" PRIu32 " bytes", x->n_have,
		      x->verdict.n_bytes);
}
