/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel.h - what the serving and the network process share
 *
 * One mapping for bodies, made before the keeper forks, and for each network process a
 * SOCK_SEQPACKET pair of its own for messages.  The keeper makes the pair when it forks the process
 * and passes the other end to the serving process over the link, a pair that only these two have.
 * So nothing that a network process does to its socket outlives it, and nothing that was meant for
 * its predecessor reaches it.
 *
 * Every message has the same size.  Neither side believes the other: channel_recv checks what can
 * be checked from the message alone, the receiver checks the rest.  The buffers stay writable by
 * both for ever.
 */
#ifndef SOURCE_CHANNEL_H
#define SOURCE_CHANNEL_H

#include "base/options.h"
#include "source/transport.h"

enum channel_kind {
	CHANNEL_REQUEST = 1, /* serve to net */
	CHANNEL_CANCEL,
	CHANNEL_PROMOTE,
	CHANNEL_PING, /* answer at once with PONG and the same number */
	/* A piece of the URL that server number `server` has now: buf_off, n_bytes, text. */
	CHANNEL_SERVER,
	CHANNEL_PONG, /* net to serve */
	CHANNEL_REFUSED, /* the filter refused the system call `number` */
	CHANNEL_BYTES,
	CHANNEL_DONE,
	CHANNEL_FAILED,
};

struct channel_msg {
	uint32_t kind;
	uint32_t number;
	uint64_t id;
	uint32_t slot;
	uint32_t server;
	uint64_t src_off;
	uint64_t file_bytes;
	uint32_t buf_off;
	uint32_t n_bytes;
	uint32_t class;
	uint32_t may_end; /* SERVER: the last piece */
	uint32_t fault;
	uint32_t retry_after_ms;
	uint32_t is_by_digest;
	uint32_t probe_ms;
	uint32_t is_sequential; /* as in transport.h */
	uint32_t unused;
	uint8_t digest[IMG_DIGEST_BYTES];
	char etag[TRANSPORT_ETAG_BYTES];
	char text[TRANSPORT_TEXT_BYTES];
	char address[TRANSPORT_ADDRESS_BYTES];
};

/* Plain data after channel_new: set before the processes exist. */
struct channel {
	int keeper_end, serve_end; /* of the link; the keeper keeps both */
	/* TRANSPORT_SLOTS of SOURCE_REQUEST_BYTES_MAX, touched as used. */
	uint8_t *buffers;
};

/* In the keeper, before any fork.  NULL with errno. */
struct channel *channel_new(void);
void channel_free(struct channel *ch);

/*
 * In the keeper, for a network process about to be forked: its end of a new pair, or -errno.  The
 * other end goes to the serving process, in the place of one that was not taken yet.
 */
int channel_renew(const struct channel *ch, uint32_t generation) _must_check_;

/*
 * In the serving process: the newest socket and the number of the network process behind it.  fd,
 * -EAGAIN when there is no new one, -EPIPE when the keeper is gone.
 */
int channel_take(const struct channel *ch, uint32_t *ret_generation) _must_check_;

/* In the serving process, after the fork: let go of the keeper's end, to notice its death. */
void channel_leave_keeper(struct channel *ch);

uint8_t *channel_buffer(const struct channel *ch, unsigned slot);

/* 0, -EAGAIN when the other side does not read, -EPIPE when it is gone for good. */
int channel_send(int fd, const struct channel_msg *msg) _must_check_;

/*
 * 0, -EAGAIN when there is none, -EPIPE when the other side is gone for good, -EBADMSG when this
 * is not a message: the wrong size, an unknown kind, a number out of its range, text without end.
 * Text comes out printable.  EINTR never comes out of either function.
 */
int channel_recv(int fd, struct channel_msg *ret) _must_check_;

#endif
