/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source.h - contract: byte ranges of the remote image file, from whichever server has
 * them
 *
 * The engine thread is the only caller of submit, wait and release; wake and status may
 * be called from any thread.  A source retries, fails over and waits by itself for ever:
 * the caller sees bytes, not servers that went away.  Only a hot pack beside the image
 * may fail, because nobody depends on it.  What it returns is not to be believed: `data`
 * is shared with an unprivileged process and may change under the reader's eyes, so copy
 * it first, then check its digest, then use the copy.
 *
 * source_failover.c is the real one, tests/fakes/source_fault.c its twin for tests.
 */
#ifndef SOURCE_SOURCE_H
#define SOURCE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "imgfmt/base.h"

#define SOURCE_SERVERS_MAX 16u
#define SOURCE_REQUEST_BYTES_MAX (4u * 1024 * 1024 + 128 * 1024)

/* Order is priority.  AHEAD: what a sequential reader will want soon. */
enum source_class { SOURCE_DEMAND, SOURCE_HOT, SOURCE_AHEAD, SOURCE_FILL };

#define SOURCE_CLASSES 4u

/* The image's own file, or the hot pack that was named beside it, which has a place of its own. */
enum source_file { SOURCE_IMAGE, SOURCE_PACK };

struct source_request {
	uint64_t id; /* the caller's, unique among outstanding requests */
	enum source_file file;
	uint64_t src_off;
	uint32_t n_bytes; /* 1 .. SOURCE_REQUEST_BYTES_MAX */
	enum source_class class;
	bool may_end; /* the file may be shorter than the range: DONE with fewer bytes */
	uint32_t avoid; /* bit i set: server i gave wrong bytes here, prefer any other */
};

enum source_event_kind {
	SOURCE_BYTES, /* the first n_bytes of the range are there; more will come */
	SOURCE_DONE, /* all of the range (or of the file, with may_end) is there */
	SOURCE_FAILED, /* SOURCE_PACK only: it cannot be had, no more will come */
};

struct source_event {
	uint64_t id;
	enum source_event_kind kind;
	uint32_t n_bytes; /* of the range's start that may be read from data now */
	/* Number of the server the newest bytes came from; kept for its life. */
	unsigned server;
	const uint8_t *data; /* start of the range; valid until source_release(id) */
	const char *why; /* SOURCE_FAILED: for a person; valid until source_release(id) */
};

enum server_state { SERVER_UNUSED, SERVER_OK, SERVER_FAILING, SERVER_REFUSED };

/* One row of `servers` in the status. */
struct source_server_status {
	char url[1024]; /* credentials removed */
	char address[64]; /* last address connected to, or "" */
	enum server_state state;
	uint64_t n_errors;
	char last_error[256]; /* or "" */
	int64_t next_try_ms; /* until the next attempt when FAILING or REFUSED, else 0 */
	bool ignores_range; /* gives whole files only: REFUSED unless sequential is allowed */
};

struct source_status {
	unsigned n_servers;
	struct source_server_status servers[SOURCE_SERVERS_MAX];
	uint64_t wire_bytes; /* body bytes received, retries included */
	uint64_t n_requests; /* sent to servers, retries included */
	int64_t ms_since_byte; /* since the last byte from any server; -1: none yet */
	bool is_away; /* no server is usable now: requests wait */
	/* Length of the remote file as the servers say; 0 not known yet. */
	uint64_t file_bytes;
	unsigned n_net_restarts;
};

struct source;

struct source_ops {
	/* 0, or -EBUSY when no request slot is free: try again after an event.  Does not block. */
	int (*submit)(struct source *s, const struct source_request *rq);
	/*
	 * Wait at most timeout_ms (-1: no limit) for events; returns how many were written to ev,
	 * 0 on time-out, after wake, or when room may have grown.  EINTR never comes out.
	 */
	int (*wait)(struct source *s, int timeout_ms, struct source_event *ev,
		    unsigned max);
	/* Make wait return early.  Any thread, any time. */
	void (*wake)(struct source *s);
	/* The caller has copied what it wanted of a DONE request, or wants no more of it. */
	void (*release)(struct source *s, uint64_t id);
	/*
	 * A read waits for an outstanding request of another class: treat it as DEMAND.
	 * Engine thread.
	 */
	void (*promote)(struct source *s, uint64_t id);
	/* The bytes that `server` gave at src_off were wrong: count and log it.  Engine thread. */
	void (*reject)(struct source *s, unsigned server, uint64_t src_off,
		       const char *what);
	/*
	 * From now on a server whose file has another length is refused (0: not known yet).  With
	 * the image's digest (NULL: not known yet) one whose file was replaced or is gone is asked
	 * for by-digest/HEX.hri beside it before it counts as refused.  Engine thread.
	 */
	void (*pin)(struct source *s, uint64_t file_bytes, const uint8_t *digest);
	/*
	 * What `server` gives is another image than the pinned one.  True: it will be asked for
	 * that by its digest now.  False: it was, or the digest is not known.  Engine thread.
	 */
	bool (*move_on)(struct source *s, unsigned server);
	/*
	 * From now on servers that give whole files only will do, where no other can be had: the
	 * network process keeps one transfer of the whole file running and cuts ranges out of it.
	 * The caller is to ask for ranges in ascending order, as room lets it (one at a time from
	 * such a server): what lies between two ranges is received and dropped, and a range behind
	 * the last makes the transfer start over.  For good; servers refused for that are asked
	 * again at once.  Engine thread.
	 */
	void (*allow_sequential)(struct source *s);
	/* Bit i set: there is a server i, as `avoid` and events number them.  Engine thread. */
	uint32_t (*servers)(struct source *s);
	/*
	 * From now on these are the servers, in this order: n of 1 .. SOURCE_SERVERS_MAX
	 * URLs, each once, copied.  What is known of those that stay is kept.  Requests
	 * that are with one that goes are sent to another, for what is missing.  Any
	 * thread; in the status at once, in effect with the next turn of the engine
	 * thread.
	 */
	void (*set_servers)(struct source *s, const char *const *urls, unsigned n);
	/* How many requests of this class may be submitted now.  Engine thread. */
	unsigned (*room)(struct source *s, enum source_class class);
	/* A consistent copy.  Any thread; takes the source's own lock. */
	void (*status)(struct source *s, struct source_status *ret);
	void (*free)(struct source *s);
};

struct source {
	const struct source_ops *ops;
};

static inline int source_submit(struct source *s, const struct source_request *rq)
{
	return s->ops->submit(s, rq);
}

static inline int source_wait(struct source *s, int timeout_ms, struct source_event *ev,
			      unsigned max)
{
	return s->ops->wait(s, timeout_ms, ev, max);
}

static inline void source_wake(struct source *s)
{
	s->ops->wake(s);
}

static inline void source_release(struct source *s, uint64_t id)
{
	s->ops->release(s, id);
}

static inline void source_promote(struct source *s, uint64_t id)
{
	s->ops->promote(s, id);
}

static inline void source_reject(struct source *s, unsigned server, uint64_t src_off,
				 const char *what)
{
	s->ops->reject(s, server, src_off, what);
}

static inline void source_pin(struct source *s, uint64_t file_bytes,
			      const uint8_t *digest)
{
	s->ops->pin(s, file_bytes, digest);
}

static inline bool source_move_on(struct source *s, unsigned server)
{
	return s->ops->move_on(s, server);
}

static inline void source_allow_sequential(struct source *s)
{
	s->ops->allow_sequential(s);
}

static inline uint32_t source_servers(struct source *s)
{
	return s->ops->servers(s);
}

static inline void source_set_servers(struct source *s, const char *const *urls,
				      unsigned n)
{
	s->ops->set_servers(s, urls, n);
}

static inline unsigned source_room(struct source *s, enum source_class class)
{
	return s->ops->room(s, class);
}

static inline void source_status(struct source *s, struct source_status *ret)
{
	s->ops->status(s, ret);
}

static inline void source_free(struct source *s)
{
	if (s)
		s->ops->free(s);
}

#endif
