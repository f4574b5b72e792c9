/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange.c - request in, answer out
 *
 * The server's answer is passed on as it is but for what the fault says.  An answer whose end the
 * client cannot tell closes the connection, as does one that was not read to its end.
 */
#include "tests/faultproxy/exchange.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/faultproxy/answer.h"

/* A client that was stalled gives up some time; one that never does is let go. */
#define STALL_MS_MAX (10 * 60 * 1000)

static int connect_to(const struct sockaddr_in *address)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 &&
	    connect(fd, (const struct sockaddr *)address, sizeof *address) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void drop_server(struct exchange *x)
{
	if (x->server >= 0)
		close(x->server);
	x->server = -1;
	x->from_server.n_bytes = 0;
}

/* Sends the request and reads the head of the answer; anew when a kept connection was closed. */
static bool ask_server(struct exchange *x)
{
	for (int i = 0; i < 2; i++) {
		const bool is_kept = x->server >= 0;

		if (!is_kept)
			x->server = connect_to(&x->proxy->server);
		if (x->server < 0)
			return false;
		if (send(x->server, x->request.text, x->request.n_bytes, MSG_NOSIGNAL) ==
			    (ssize_t)x->request.n_bytes &&
		    head_receive(&x->head, &x->from_server, x->server))
			return true;
		drop_server(x);
		if (!is_kept)
			return false;
	}
	return false;
}

static void read_range(struct exchange *x)
{
	char value[128], *end;

	x->first = 0;
	x->last = UINT64_MAX;
	if (!head_get(&x->request, "Range", value, sizeof value) ||
	    strncasecmp(value, "bytes=", 6))
		return;
	x->first = strtoull(value + 6, &end, 10);
	if (*end == '-' && end[1])
		x->last = strtoull(end + 1, &end, 10);
}

static void read_request(struct exchange *x)
{
	char line[2048], *save = NULL;

	head_first_line(&x->request, line, sizeof line);
	const char *method = strtok_r(line, " ", &save);
	const char *path = strtok_r(NULL, " ", &save);
	x->is_head = method && !strcmp(method, "HEAD");
	snprintf(x->path, sizeof x->path, "%s", path ? path : "");
	read_range(x);
}

/* Waits for the client to go away. */
static void stall(struct exchange *x)
{
	struct pollfd p = {.fd = x->client, .events = POLLRDHUP};

	poll(&p, 1, STALL_MS_MAX);
}

static void end_connection(struct exchange *x)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	if (x->fault.end == FAULT_END_STALL)
		stall(x);
	else if (x->fault.end == FAULT_END_RESET)
		setsockopt(x->client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

static void log_request(struct exchange *x)
{
	char text[2 * FAULT_TEXT_BYTES + sizeof x->path];

	if (x->proxy->log_fd < 0)
		return;
	const int n = snprintf(
		text, sizeof text,
		"%" PRIu64 " \"%s\" %s %" PRIu64 "-%" PRIu64 " %" PRIu64 "\n", x->number,
		x->fault.text, x->path, x->first, x->last, x->n_body_sent);
	if (n > 0 && write(x->proxy->log_fd, text, (size_t)n) != n)
		perror("faultproxy: log");
}

/* true: the connection can be used for another request. */
static bool answer(struct exchange *x)
{
	bool is_usable = false;

	if (x->fault.is_end_before_head)
		end_connection(x);
	else if (answer_needs_server(x) && !ask_server(x))
		return false;
	else
		is_usable = answer_send(x);
	if (!is_usable && !x->fault.is_end_before_head)
		end_connection(x);
	if (x->body_left || !is_usable)
		drop_server(x);
	return is_usable;
}

static bool run_one(struct exchange *x)
{
	struct proxy *p = x->proxy;

	if (!head_receive(&x->request, &x->from_client, x->client))
		return false;
	read_request(x);
	const struct script_request rq = {x->path, x->first, x->last};
	x->number = script_choose(&p->script, &rq, &x->fault);
	if (x->fault.is_whole)
		head_drop(&x->request, "Range");
	x->n_body_sent = x->body_left = 0;
	line_delay(&p->line);
	line_sleep_us(x->fault.delay_us);
	const bool is_usable = answer(x);
	log_request(x);
	return is_usable;
}

void exchange_run(struct proxy *p, int client)
{
	struct exchange *x = calloc(1, sizeof *x);

	if (x && head_init(&x->request) && head_init(&x->head)) {
		x->proxy = p;
		x->client = client;
		x->server = -1;
		/* The handshake's round trip. */
		line_delay(&p->line);
		line_delay(&p->line);
		while (run_one(x))
			;
		drop_server(x);
	}
	close(client);
	if (!x)
		return;
	head_fini(&x->request);
	head_fini(&x->head);
	free(x);
}
