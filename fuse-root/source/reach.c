/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach.c - connections that are only tried, each bound to one interface
 *
 * All addresses of all servers are tried at the same time; the first that takes the
 * connection is answer enough.  A refused one is none: whoever is between may refuse for
 * the server.
 */
#include "source/reach.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/options_url.h"
#include "source/connecting.h"
#include "source/url.h"

#define TRIES_MAX 32u
#define NFS_PORT 2049u /* RFC 7530, 3.1 */

/* -- URLs --------------------------------------------------------------------------------- */

bool reach_parse(const char *url, struct reach_where *ret)
{
	struct url_place place;
	unsigned port;

	/* Unlike a proxy, a server's URL names a file there. */
	url_place(url, options_url_is_proxy(url), &place);
	port = strcmp(place.scheme, "nfs") == 0 && !place.port ? NFS_PORT : place.port;
	snprintf(ret->host, sizeof ret->host, "%s", place.host);
	snprintf(ret->port, sizeof ret->port, "%u", port);
	return place.host[0] && port;
}

/* -- connections -------------------------------------------------------------------------- */

struct tries {
	struct pollfd fds[TRIES_MAX];
	nfds_t n;
};

static void tries_close(struct tries *t)
{
	for (nfds_t i = 0; i < t->n; i++)
		if (t->fds[i].fd >= 0)
			close(t->fds[i].fd);
}

/* True: it is there at once. */
static bool start_one(struct tries *t, const char *interface, const struct addrinfo *a)
{
	const int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
	const int fd = t->n < TRIES_MAX ? socket(a->ai_family, type, 0) : -1;

	if (fd < 0)
		return false;
	t->fds[t->n++] = (struct pollfd){.fd = fd, .events = POLLOUT};
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
		       (socklen_t)strlen(interface)) == 0) {
		if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			return true;
		if (errno == EINPROGRESS)
			return false;
	}
	close(fd);
	t->n--;
	return false;
}

static bool start_all(struct tries *t, const char *interface,
		      const struct reach_where *where)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list;
	bool is_there = false;

	if (getaddrinfo(where->host, where->port, &hints, &list) != 0)
		return false;
	for (const struct addrinfo *a = list; a && !is_there; a = a->ai_next)
		is_there = start_one(t, interface, a);
	freeaddrinfo(list);
	return is_there;
}

/* Has one that poll speaks of become a connection?  Others are not looked at again. */
static bool is_one_connected(struct tries *t)
{
	for (nfds_t i = 0; i < t->n; i++) {
		int err;

		if (t->fds[i].fd < 0 || !t->fds[i].revents)
			continue;
		err = connecting_result(t->fds[i].fd);
		if (err == 0)
			return true;
		if (err == -EINPROGRESS)
			continue;
		close(t->fds[i].fd);
		t->fds[i].fd = -1;
	}
	return false;
}

static bool is_one_left(const struct tries *t)
{
	for (nfds_t i = 0; i < t->n; i++)
		if (t->fds[i].fd >= 0)
			return true;
	return false;
}

static bool wait_for_one(struct tries *t, int wait_ms)
{
	const int64_t end_ms = clock_ms() + wait_ms;
	int64_t left_ms = wait_ms;

	while (is_one_left(t) && left_ms > 0) {
		const int n = poll(t->fds, t->n, (int)left_ms);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0 && is_one_connected(t))
			return true;
		left_ms = end_ms - clock_ms();
	}
	return false;
}

bool reach_any(const char *interface, const char *const *urls, size_t n, int wait_ms)
{
	struct tries t = {.n = 0};
	struct reach_where where;
	bool is_there = false, is_asked = false;

	for (size_t i = 0; i < n && !is_there; i++) {
		if (!reach_parse(urls[i], &where))
			continue;
		is_asked = true;
		is_there = start_all(&t, interface, &where);
	}
	is_there = is_there || !is_asked || wait_for_one(&t, wait_ms);
	tries_close(&t);
	return is_there;
}
