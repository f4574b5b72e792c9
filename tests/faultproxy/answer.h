/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer.h - what goes back to the client
 */
#ifndef FAULTPROXY_ANSWER_H
#define FAULTPROXY_ANSWER_H

#include "tests/faultproxy/exchange.h"
#include "tests/faultproxy/head.h"

/* One connection; owned by its thread. */
struct exchange {
	struct proxy *proxy;
	int client, server; /* server: -1 none yet */
	struct inbox from_client, from_server;

	/* this request */
	struct head request;
	uint64_t number;
	bool is_head;
	char path[1024];
	uint64_t first, last; /* of Range; last UINT64_MAX: to the end */
	struct fault fault;

	/* and its answer */
	struct head head;
	uint64_t body_left; /* of the server's body */
	uint64_t body_bytes; /* as the server said */
	uint64_t n_body_sent;
};

/* Whether the answer is made from the server's. */
bool answer_needs_server(const struct exchange *x);

/* The server's head is in x->head, if it is needed.  false: the connection must end. */
bool answer_send(struct exchange *x);

#endif
