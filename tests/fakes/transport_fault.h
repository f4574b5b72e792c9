/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport_fault.h - a transport over a byte buffer, with servers that misbehave and a clock that
 * only moves when somebody waits
 *
 * One thread.  A wait that could never end (nothing under way, no time-out) fails an assertion
 * instead of hanging.
 */
#ifndef FAKES_TRANSPORT_FAULT_H
#define FAKES_TRANSPORT_FAULT_H

#include "source/transport.h"

enum transport_fault_mode {
	FAKE_ANSWERS,
	FAKE_FAILS, /* FAILED with `fault` after `good_bytes` of the attempt */
	FAKE_HANGS,
	FAKE_DEAF, /* no connection comes: FAILED when the time for one is over */
};

/* May be changed at any time between calls; decides when an attempt's time has come. */
struct transport_fault_server {
	enum transport_fault_mode mode;
	enum transport_fault fault;
	const char *text;
	int64_t retry_after_ms;
	uint32_t good_bytes;
	int64_t delay_ms; /* from submit to the first event */
	uint64_t file_bytes; /* what it says the length is */
	const char *etag;
	bool has_by_digest; /* by-digest/HEX.hri is there and right, whatever the name has */
	bool is_gone; /* the name is not there */
	bool ignores_range; /* gives whole files only */
	uint32_t step; /* bytes an event; 0: all at once */

	/* counted */
	unsigned n_submits;
	unsigned n_by_digest; /* of these */
	struct transport_request last;
};

struct transport_fault_attempt {
	bool is_active;
	struct transport_request rq;
	int64_t due_ms;
	bool is_lost; /* sent while the server was FAKE_DEAF */
	uint32_t n_have;
};

struct transport_fake {
	struct transport base;
	const uint8_t *file;
	uint64_t file_bytes;
	int64_t now_ms;
	bool is_full; /* submit gives -EAGAIN */
	bool is_restarting; /* the next wait says RESTARTED, attempts are lost */
	bool is_woken;
	unsigned n_active_max; /* may be set back to 0 */
	unsigned n_cancels;
	unsigned n_promotes;
	char urls[SOURCE_SERVERS_MAX][1024]; /* of set_server */
	struct transport_fault_server servers[SOURCE_SERVERS_MAX + 1];
	struct transport_fault_attempt attempts[TRANSPORT_SLOTS];
	uint8_t *buffers;
};

/* How long a connection may take that is no probe's. */
#define TRANSPORT_FAULT_CONNECT_MS 5000

/* All servers answer with the whole of `file` and ETag "e". */
struct transport_fake *transport_fault_new(const uint8_t *file, uint64_t file_bytes);

/* For struct source_failover_clock, with the transport as ctx. */
int64_t transport_fault_now(void *ctx);

#endif
