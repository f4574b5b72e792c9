/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel.h - what the serving and the network process share
 *
 * A SOCK_SEQPACKET pair for messages and one shared mapping for bodies.  The keeper makes both
 * before it forks and keeps both ends of the pair, so a network process that is forked again finds
 * the same channel, with whatever was not read yet still in it.
 *
 * Every message has the same size.  Neither side believes the other: channel_recv checks what can
 * be checked from the message alone, the receiver checks the rest.  The buffers stay writable by
 * both for ever.
 *
 * Generations: the keeper gives each network process a new number, the process says HELLO with it,
 * the serving process stamps what it sends with the last one it heard.  A network process drops
 * what carries another stamp: it was meant for its predecessor, and after HELLO it is sent anew.
 */
#ifndef SOURCE_CHANNEL_H
#define SOURCE_CHANNEL_H

#include "source/transport.h"

enum channel_kind {
	CHANNEL_REQUEST = 1, /* serve to net */
	CHANNEL_CANCEL,
	CHANNEL_PROMOTE,
	CHANNEL_QUIT,
	CHANNEL_HELLO, /* net to serve */
	CHANNEL_BYTES,
	CHANNEL_DONE,
	CHANNEL_FAILED,
};

struct channel_msg {
	uint32_t kind;
	uint32_t generation;
	uint64_t id;
	uint32_t slot;
	uint32_t server;
	uint64_t src_off;
	uint64_t file_bytes;
	uint32_t buf_off;
	uint32_t n_bytes;
	uint32_t class;
	uint32_t may_end;
	uint32_t fault;
	uint32_t retry_after_ms;
	uint32_t is_by_digest;
	uint32_t unused; /* 0; makes the size a multiple of 8 */
	uint8_t digest[IMG_DIGEST_BYTES];
	char etag[TRANSPORT_ETAG_BYTES];
	char text[TRANSPORT_TEXT_BYTES];
	char address[TRANSPORT_ADDRESS_BYTES];
};

/* Plain data after channel_new: set before the processes exist. */
struct channel {
	int serve_fd;
	int net_fd;
	uint8_t *
		buffers; /* TRANSPORT_SLOTS of SOURCE_REQUEST_BYTES_MAX, touched as used */
};

/* In the keeper, before any fork.  NULL with errno. */
struct channel *channel_new(void);
void channel_free(struct channel *ch);

uint8_t *channel_buffer(const struct channel *ch, unsigned slot);

/* 0, -EAGAIN when the other side does not read, -EPIPE when it is gone for good. */
int channel_send(int fd, const struct channel_msg *msg) _must_check_;

/*
 * 0, -EAGAIN when there is none, -EPIPE when the other side is gone for good, -EBADMSG when this
 * is not a message: the wrong size, an unknown kind, a number out of its range, text without end.
 * Text comes out printable.  EINTR never comes out of either function.
 */
int channel_recv(int fd, struct channel_msg *ret) _must_check_;

/* Ask the network process to end; in the serving process or the keeper. */
void channel_quit(const struct channel *ch);

#endif
