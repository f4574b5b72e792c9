/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_xfer.h - one HTTP request of the network process
 *
 * A transfer belongs to a slot and is used again and again; so is its libcurl handle, which makes
 * the next request find the connection of the last one.
 */
#ifndef SOURCE_NET_XFER_H
#define SOURCE_NET_XFER_H

#include <curl/curl.h>

#include "source/channel.h"
#include "source/httpcheck.h"
#include "source/net.h"

/* What is remembered of a server's name between transfers. */
struct net_name {
	char last_good[TRANSPORT_ADDRESS_BYTES];
	bool flush; /* no connection: forget the cached addresses, look up anew */
	bool use_last_good; /* no name server: use the last address that worked */
};

struct net_xfer {
	/* set once */
	const struct net_config *cfg;
	CURL *easy;
	struct curl_slist *headers;
	uint8_t *slot_buffer;

	/* of this request */
	bool is_active; /* in the multi handle */
	bool is_paused;
	bool hold; /* pause when the next bytes come */
	struct channel_msg rq;
	struct net_name *name;
	struct curl_slist *resolve;
	char range[48];
	struct httpcheck http;
	bool is_judged;
	struct httpcheck_verdict verdict;
	uint32_t n_have;
	char address[TRANSPORT_ADDRESS_BYTES];
	char error[CURL_ERROR_SIZE];
	int64_t asked_ms; /* request sent, or the wait for bytes began anew; 0: no */
	int64_t window_ms; /* start of the current rate window */
	uint32_t window_bytes;
};

int net_xfer_init(struct net_xfer *x, const struct net_config *cfg, uint8_t *slot_buffer);
void net_xfer_fini(struct net_xfer *x);

/* Server n_servers is the hot pack's place.  NULL: there is no such server. */
const char *net_xfer_url(const struct options *o, uint32_t server);

/* Prepare x->easy for rq; the caller adds it to the multi handle. */
int net_xfer_begin(struct net_xfer *x, const struct channel_msg *rq,
		   struct net_name *name);

/* Bytes flow again after a pause. */
void net_xfer_resume(struct net_xfer *x);

/* When net_xfer_is_late has to be asked again; INT64_MAX: while it is not waiting for bytes. */
int64_t net_xfer_deadline(const struct net_xfer *x);

/* No byte, or too few, for the configured time: true, and `ret` says which. */
bool net_xfer_is_late(struct net_xfer *x, int64_t now_ms, struct httpcheck_verdict *ret);

/* libcurl is done with it: was that all of the data that was asked for?  ret->fault says. */
void net_xfer_judge_end(struct net_xfer *x, CURLcode code, struct httpcheck_verdict *ret);

#endif
