/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_feel.c - see net_feel.h
 */
#include "source/net_feel.h"

#include <arpa/inet.h>
#include <errno.h>

#include "source/connecting.h"
#include "source/net_blame.h"

#define SILENT_MS 2000
#define EACH_MS 1000

static bool is_waiting(const struct net_xfer *x)
{
	return x->is_active && !x->file && x->asked_ms && !x->is_paused;
}

static void let_go(struct net_feel *feel)
{
	if (feel->fd >= 0)
		close(feel->fd);
	feel->fd = -1;
}

void net_feel_stop(struct net_xfer *x)
{
	let_go(&x->feel);
	x->feel = NET_FEEL_NONE;
}

/* To where the transfer is connected.  A descriptor, or -1: that it does not come is certain. */
static int begin_connect(const struct net_xfer *x)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(x->port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(x->port)};
	const bool is_6 = inet_pton(AF_INET, x->address, &in.sin_addr) != 1;
	cleanup_fd int fd = socket(is_6 ? AF_INET6 : AF_INET,
				   SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (is_6 && inet_pton(AF_INET6, x->address, &in6.sin6_addr) != 1)
		return -1;
	r = is_6 ? connect(fd, (struct sockaddr *)&in6, sizeof in6)
		 : connect(fd, (struct sockaddr *)&in, sizeof in);
	return r == 0 || errno == EINPROGRESS ? steal_fd(&fd) : -1;
}

/* Whether there is a connection; false also while nobody knows. */
static bool has_come(struct net_feel *feel)
{
	const int err = feel->fd < 0 ? -EINPROGRESS : connecting_result(feel->fd);

	if (err == -EINPROGRESS)
		return false;
	let_go(feel);
	feel->was_away |= err != 0;
	return err == 0;
}

bool net_feel_turn(struct net_xfer *x, int64_t now_ms, struct httpcheck_verdict *ret)
{
	struct net_feel *feel = &x->feel;

	if (!is_waiting(x) || now_ms - x->asked_ms < SILENT_MS) {
		net_feel_stop(x);
		return false;
	}
	if (has_come(feel) && feel->was_away) {
		/* Those that are kept for later went through the same. */
		x->name->is_fresh = true;
		net_blame(ret, TRANSPORT_AWAY,
			  "%s was away and is back: a new connection to it",
			  net_blame_address(x));
		return true;
	}
	if (now_ms < feel->next_ms)
		return false;
	feel->was_away |= feel->fd >= 0;
	let_go(feel);
	feel->fd = begin_connect(x);
	feel->was_away |= feel->fd < 0;
	feel->next_ms = now_ms + EACH_MS;
	return false;
}

int64_t net_feel_deadline(const struct net_xfer *x)
{
	const int64_t silent_ms = x->asked_ms + SILENT_MS;

	if (!is_waiting(x))
		return INT64_MAX;
	return silent_ms > x->feel.next_ms ? silent_ms : x->feel.next_ms;
}
