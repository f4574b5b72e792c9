/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange.h - one client's connection: requests to the server, answers with their faults back
 */
#ifndef FAULTPROXY_EXCHANGE_H
#define FAULTPROXY_EXCHANGE_H

#include <netinet/in.h>

#include "tests/faultproxy/line.h"
#include "tests/faultproxy/script.h"

struct proxy {
	struct sockaddr_in server;
	struct script script;
	struct line line; /* the way back */
	int log_fd; /* -1: none */
};

/* Serves the connection until it ends, and closes it. */
void exchange_run(struct proxy *p, int client);

#endif
