/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_xfer.h - one HTTP request of the network process
 *
 * A transfer is used again and again; so is its libcurl handle, which makes the next
 * request find the connection of the last one.
 *
 * When the server gives whole files only and the request is sequential, the transfer is a
 * stream: it outlives its request, paused behind the range, and goes on when the next
 * range lies ahead of it.
 */
#ifndef SOURCE_NET_XFER_H
#define SOURCE_NET_XFER_H

#include <curl/curl.h>

#include "source/channel.h"
#include "source/httpcheck.h"
#include "source/net.h"
#include "source/net_auth.h"
#include "source/net_tls.h"

/* What is remembered of a server's name between transfers. */
struct net_name {
	char last_good[TRANSPORT_ADDRESS_BYTES];
	/* Forget the cached addresses, look up anew. */
	bool flush;
	/* No name server: use the last address that worked. */
	bool use_last_good;
	/* It failed: take another of the name's, if there is one. */
	char avoid[TRANSPORT_ADDRESS_BYTES];
	/* Connections that are there may be dead, or lead to the address that failed. */
	bool is_fresh;
	/* When it was looked up; 0: not yet. */
	int64_t lookup_ms;
	/* When a probe last waited in vain for a name server; 0: never. */
	int64_t silent_ms;
	/* How long the newest connection took to come; 0: there was none. */
	int64_t connect_ms;
};

/* A second connection, see net_feel.h. */
struct net_feel {
	int fd; /* -1: none is being made */
	int64_t next_ms; /* when it is time for another */
	bool was_away; /* one did not come */
};

#define NET_FEEL_NONE ((struct net_feel){.fd = -1})

struct net_xfer {
	/* set once */
	const struct net_config *cfg;
	CURL *easy;

	/* of this request */
	bool is_active; /* it works for a slot */
	bool is_in_multi; /* libcurl works on it */
	bool is_paused;
	uint8_t *slot_buffer;
	const struct net_file *file; /* of a file: server; NULL: libcurl's business */
	struct net_file_reader *reader; /* net_file.c; made for the first file */
	bool hold; /* pause when the next bytes come */
	struct channel_msg rq;
	struct net_name *name;
	struct curl_slist *resolve;
	struct net_auth auth;
	struct net_tls tls;
	const char *url; /* its own copy, or that of the options */
	char beside[OPTIONS_URL_BYTES + 128];
	bool is_new_connection; /* a socket was made for it */
	bool was_avoided; /* an address was passed over */
	char range[48];
	struct httpcheck http;
	bool is_judged;
	struct httpcheck_verdict verdict;
	uint32_t n_have;
	char address[TRANSPORT_ADDRESS_BYTES];
	uint16_t port; /* at the address, once it is connected */
	struct net_feel feel;
	char error[CURL_ERROR_SIZE];
	/* Not looked up and connected till then: given up; 0: libcurl's time-out is enough. */
	int64_t connect_by_ms;
	int64_t asked_ms; /* request sent, or the wait for bytes began anew; 0: no */
	int64_t window_ms; /* start of the current rate window */
	uint32_t window_bytes;

	/* a stream */
	bool is_stream;
	bool is_range_done; /* the request has what it wanted, more will come for the next */
	bool is_body_over; /* libcurl is done: only what is left over can still be given */
	uint64_t next_off; /* src_off of what comes next, what is left over first */
	uint8_t *left; /* NET_XFER_LEFT_BYTES, made for the first stream */
	uint32_t n_left;
};

/* The most that libcurl hands over in one piece. */
#define NET_XFER_LEFT_BYTES (128u * 1024)

int net_xfer_init(struct net_xfer *x, const struct net_config *cfg) _must_check_;
void net_xfer_fini(struct net_xfer *x);

/* Server SOURCE_SERVERS_MAX is the hot pack's place.  NULL: there is no such server. */
const char *net_xfer_url(const struct net_config *cfg, uint32_t server);

/* Whether a name, of the server or the proxy, is looked up for it. */
bool net_xfer_needs_lookup(const struct net_xfer *x);

/* Forget the last request, for a new one. */
void net_xfer_reset(struct net_xfer *x, const struct channel_msg *rq);

/* Prepare x->easy for rq; the caller has set slot_buffer and adds it to the multi handle. */
void net_xfer_begin(struct net_xfer *x, const struct channel_msg *rq,
		    struct net_name *name);

/* Whether the parked stream x can go on with rq: same server and file, not behind it. */
bool net_xfer_can_continue(const struct net_xfer *x, const struct channel_msg *rq);

/* Go on with rq; the caller has set slot_buffer.  Bytes may be there at once. */
void net_xfer_continue(struct net_xfer *x, const struct channel_msg *rq);

/* Bytes flow again after a pause. */
void net_xfer_resume(struct net_xfer *x);

/* When net_xfer_is_late has to be asked again; INT64_MAX: while it is not waiting for bytes. */
int64_t net_xfer_deadline(const struct net_xfer *x);

/* No byte, or too few, for the configured time: true, and `ret` says which. */
bool net_xfer_is_late(struct net_xfer *x, int64_t now_ms, struct httpcheck_verdict *ret);

/*
 * libcurl is done with it: was that all of the data that was asked for?  ret->fault says.
 * False: begin it once more, because the last address was passed over, or the connection was one
 * from an earlier request.
 */
bool net_xfer_judge_end(struct net_xfer *x, CURLcode code,
			struct httpcheck_verdict *ret) _must_check_;

#endif
