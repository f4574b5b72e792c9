/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport.h - contract below source_failover: one attempt at one range from one server
 *
 * A transport neither retries nor chooses.  It writes the body of attempt `id` into the buffer of
 * its slot and ends every attempt with DONE or FAILED, unless it was cancelled or RESTARTED came:
 * then all attempts that have not ended are lost and nothing more is heard of them.  One attempt
 * a slot at a time; a submit to a busy slot cancels what was there.
 *
 * source_net.c is the real one, tests/fakes/transport_fault.c its twin for tests.
 */
#ifndef SOURCE_TRANSPORT_H
#define SOURCE_TRANSPORT_H

#include "imgfmt/imgfmt.h"
#include "source/source.h"

#define TRANSPORT_SLOTS 8u
#define TRANSPORT_ETAG_BYTES 128u
#define TRANSPORT_TEXT_BYTES 240u
#define TRANSPORT_ADDRESS_BYTES 64u
/* The most that a probe is given: the kernel asks at 0, 1 and 3 s for the connection. */
#define TRANSPORT_PROBE_MS 1500u

struct transport_request {
	uint64_t id; /* never used twice */
	unsigned slot;
	unsigned server; /* SOURCE_SERVERS_MAX: the hot pack's place */
	uint64_t src_off;
	uint32_t buf_off; /* where in the slot's buffer the range starts */
	uint32_t n_bytes;
	enum source_class class;
	bool may_end;
	uint64_t file_bytes; /* the file must have this length; 0: not known */
	char etag[TRANSPORT_ETAG_BYTES]; /* and this ETag; "": not known */
	/*
	 * The server was away: a connection that has not come by then is given up, unless they
	 * took longer before.  0: it was not, a connection may take as long as any.
	 */
	uint32_t probe_ms;
	bool is_sequential; /* the answer may be the whole file: see source_allow_sequential */
	bool is_by_digest; /* ask for by-digest/HEX.hri beside the server's URL */
	uint8_t digest[IMG_DIGEST_BYTES]; /* HEX */
};

enum transport_event_kind {
	TRANSPORT_BYTES, /* n_bytes of the attempt's range are there; more will come */
	TRANSPORT_DONE, /* all are there, or the file ended */
	TRANSPORT_FAILED, /* n_bytes are there, no more will come */
	TRANSPORT_RESTARTED, /* the network process is a new one: attempts are lost */
};

enum transport_fault {
	TRANSPORT_FAULT_NONE,
	TRANSPORT_AWAY, /* the server did not answer as it should; later it may */
	TRANSPORT_GONE, /* it answers: there is no such file */
	TRANSPORT_REFUSED, /* it answers, but this is not the file that was pinned */
	TRANSPORT_NO_RANGES, /* it answers, but cannot give a part of a file */
	TRANSPORT_LOCAL, /* not the server's fault */
};

struct transport_event {
	enum transport_event_kind kind;
	uint64_t id;
	unsigned slot;
	uint32_t n_bytes; /* of the attempt's range, from its start */
	uint64_t file_bytes; /* as the server says; 0: it did not */
	bool is_sequential; /* the server gives whole files only; not with FAILED */
	char etag[TRANSPORT_ETAG_BYTES];
	char address[TRANSPORT_ADDRESS_BYTES]; /* connected to, or "" */
	enum transport_fault fault; /* FAILED: */
	char text[TRANSPORT_TEXT_BYTES];
	int64_t retry_after_ms; /* the server asked for it; 0: it did not */
};

struct transport;

struct transport_ops {
	/* 0, or -EAGAIN when it cannot be sent now: try again after a moment.  Does not block. */
	int (*submit)(struct transport *t, const struct transport_request *rq);
	/* No event of this attempt comes out after this. */
	void (*cancel)(struct transport *t, unsigned slot, uint64_t id);
	/* The attempt counts as DEMAND from now on: it may not be held back for others. */
	void (*promote)(struct transport *t, unsigned slot, uint64_t id);
	/*
	 * Server number `server` is this one from now on; nothing of the earlier one is
	 * under way.
	 */
	void (*set_server)(struct transport *t, unsigned server, const char *url);
	/* As source_wait. */
	int (*wait)(struct transport *t, int timeout_ms, struct transport_event *ev,
		    unsigned max);
	/* Any thread. */
	void (*wake)(struct transport *t);
	/* SOURCE_REQUEST_BYTES_MAX bytes, the same for the transport's life. */
	const uint8_t *(*buffer)(struct transport *t, unsigned slot);
	void (*free)(struct transport *t);
};

struct transport {
	const struct transport_ops *ops;
};

#endif
