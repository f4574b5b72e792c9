/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_blame.c - see net_blame.h
 */
#include "source/net_blame.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>

#include "base/clock.h"
#include "source/url.h"

/* A name server that did not answer a probe is asked again after so long. */
#define SILENT_AGE_MS 10000

void net_blame(struct httpcheck_verdict *ret, enum transport_fault fault, const char *fmt,
	       ...)
{
	va_list ap;

	ret->fault = fault;
	va_start(ap, fmt);
	vsnprintf(ret->text, sizeof ret->text, fmt, ap);
	va_end(ap);
}

const char *net_blame_address(const struct net_xfer *x)
{
	return x->address[0] ? x->address : "the server";
}

/* The same, where it is the address that is connected to. */
static const char *proxy_of(const struct net_xfer *x)
{
	return net_auth_has_proxy(x->cfg) ? "the proxy " : "";
}

/* Another host than the one that was asked, after redirects. */
static bool is_elsewhere(const struct net_xfer *x, struct url_place *ret)
{
	struct url_place asked;
	char *url = NULL;

	curl_easy_getinfo(x->easy, CURLINFO_EFFECTIVE_URL, &url);
	if (!url)
		return false;
	url_place(x->url, false, &asked);
	url_place(url, false, ret);
	return strcasecmp(asked.host, ret->host) != 0;
}

void net_blame_page(const struct net_xfer *x, struct httpcheck_verdict *ret)
{
	struct url_place place;

	if (!is_elsewhere(x, &place))
		return;
	net_blame(
		ret, TRANSPORT_AWAY,
		"redirected to %.80s, which gave an HTML page (HTTP %d): a captive portal: "
		"log this machine in there, or allow it the server",
		place.host, x->http.status);
}

/*
 * The address may be another one by now.  But while no name server answers, the last address that
 * worked is worth more than to wait for one again.
 */
static void doubt_address(struct net_name *name)
{
	const bool is_silent =
		name->silent_ms && clock_ms() - name->silent_ms < SILENT_AGE_MS;

	name->use_last_good = is_silent;
	name->flush = !is_silent;
}

static void say_not_connected(const struct net_xfer *x, int64_t ms,
			      struct httpcheck_verdict *ret)
{
	net_blame(ret, TRANSPORT_AWAY, "no connection to %s within %" PRId64 " ms",
		  net_blame_address(x), ms);
}

static void say_not_resolved(int64_t ms, struct httpcheck_verdict *ret)
{
	net_blame(ret, TRANSPORT_AWAY, "the name was not resolved within %" PRId64 " ms",
		  ms);
}

void net_blame_probe(struct net_xfer *x, int64_t ms, struct httpcheck_verdict *ret)
{
	doubt_address(x->name);
	say_not_connected(x, ms, ret);
}

void net_blame_lookup(struct net_xfer *x, int64_t ms, struct httpcheck_verdict *ret)
{
	x->name->silent_ms = clock_ms();
	x->name->use_last_good = true;
	x->name->flush = false;
	say_not_resolved(ms, ret);
}

static void blame_connect(struct net_xfer *x, struct httpcheck_verdict *ret)
{
	long error = 0;

	doubt_address(x->name);
	curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &error);
	if (error == ECONNREFUSED)
		net_blame(ret, TRANSPORT_AWAY, "connection refused by %s%s", proxy_of(x),
			  net_blame_address(x));
	else if (error)
		net_blame(ret, TRANSPORT_AWAY, "cannot connect to %s%s: %s", proxy_of(x),
			  net_blame_address(x), strerror((int)error));
	else
		net_blame(ret, TRANSPORT_AWAY, "cannot connect to %s%s", proxy_of(x),
			  net_blame_address(x));
}

/* Ours are told by net_xfer_is_late: this one is about the name or the connection. */
static void blame_timeout(struct net_xfer *x, struct httpcheck_verdict *ret)
{
	const int64_t ms = x->cfg->o->connect_timeout_ms;

	x->name->flush = true;
	x->name->use_last_good = !x->address[0];
	if (x->address[0] || !net_xfer_needs_lookup(x))
		say_not_connected(x, ms, ret);
	else
		say_not_resolved(ms, ret);
}

static void blame_cut(const struct net_xfer *x, struct httpcheck_verdict *ret)
{
	/* A server that wants a client certificate says so by an alert. */
	if (x->n_have == 0 && strstr(x->error, "alert"))
		net_blame(
			ret, TRANSPORT_AWAY,
			"TLS: %.120s: does the server want a client certificate (cert=)?",
			x->error);
	else
		net_blame(ret, TRANSPORT_AWAY,
			  "the connection to %s broke after %" PRIu32 " bytes",
			  net_blame_address(x), x->n_have);
}

static void blame_tls(const struct net_xfer *x, struct httpcheck_verdict *ret)
{
	struct url_place place;

	if (!is_elsewhere(x, &place))
		url_place(x->url, false, &place);
	ret->fault = TRANSPORT_AWAY;
	if (!x->cfg->ca.data)
		net_blame(
			ret, TRANSPORT_AWAY,
			"TLS: there is no bundle of CA certificates: give one with ca=");
	else
		net_tls_explain(&x->tls, place.host, ret->text, sizeof ret->text);
}

void net_blame_curl(struct net_xfer *x, CURLcode code, struct httpcheck_verdict *ret)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		x->name->use_last_good = true;
		net_blame(ret, TRANSPORT_AWAY, "the name cannot be resolved");
		return;
	case CURLE_COULDNT_RESOLVE_PROXY:
		net_blame(ret, TRANSPORT_AWAY, "the proxy's name cannot be resolved");
		return;
	case CURLE_COULDNT_CONNECT:
		blame_connect(x, ret);
		return;
	case CURLE_OPERATION_TIMEDOUT:
		blame_timeout(x, ret);
		return;
	case CURLE_PEER_FAILED_VERIFICATION:
		blame_tls(x, ret);
		return;
	case CURLE_UNSUPPORTED_PROTOCOL:
		net_blame(ret, TRANSPORT_AWAY,
			  strstr(x->error, "HTTP/0.9")
				  ? "what came is no answer of HTTP"
				  : "redirected from https to http: not followed");
		return;
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		blame_cut(x, ret);
		return;
	case CURLE_OUT_OF_MEMORY:
		/* libcurl says so of a head that has no end, too. */
		if (x->address[0]) {
			net_blame(ret, TRANSPORT_AWAY,
				  "the head of the answer is too large");
			return;
		}
		/* fall through */
	case CURLE_FAILED_INIT:
		net_blame(ret, TRANSPORT_LOCAL, "%s", curl_easy_strerror(code));
		return;
	default:
		net_blame(ret, TRANSPORT_AWAY, "%s",
			  x->error[0] ? x->error : curl_easy_strerror(code));
	}
}

bool net_blame_proxy(const struct net_xfer *x, struct httpcheck_verdict *ret)
{
	const struct httpcheck_want want = {.n_bytes = 1, .etag = ""};
	struct httpcheck_verdict verdict;
	long status = 0;

	curl_easy_getinfo(x->easy, CURLINFO_HTTP_CONNECTCODE, &status);
	if (status < 300)
		return false;
	const struct httpcheck answer = {.status = (int)status};
	httpcheck_judge(&answer, &want, &verdict);
	net_blame(ret, TRANSPORT_AWAY, "the proxy %s does not connect: %.160s",
		  net_blame_address(x), verdict.text);
	return true;
}
