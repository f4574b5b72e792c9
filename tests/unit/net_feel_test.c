/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_feel_test.c - second connections of a transfer that is silent, at times that the test says
 */
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "source/net_feel.h"

/* When the last byte came. */
#define ASKED_MS 100000

static struct net_name name;
static struct net_xfer x;
static struct httpcheck_verdict outcome;
static int server;

/* Whoever connects is refused until the server listens. */
static int setup_at(int family, const char *address)
{
	struct sockaddr_storage a = {.ss_family = (sa_family_t)family};
	socklen_t n = sizeof a;

	server = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (family == AF_INET)
		inet_pton(family, address, &((struct sockaddr_in *)&a)->sin_addr);
	else
		inet_pton(family, address, &((struct sockaddr_in6 *)&a)->sin6_addr);
	name = (struct net_name){0};
	x = (struct net_xfer){
		.is_active = true,
		.name = &name,
		.asked_ms = ASKED_MS,
		.feel = NET_FEEL_NONE,
	};
	snprintf(x.address, sizeof x.address, "%s", address);
	if (server < 0 || bind(server, (struct sockaddr *)&a, sizeof a) < 0 ||
	    getsockname(server, (struct sockaddr *)&a, &n) < 0)
		return -1;
	x.port = ntohs(((struct sockaddr_in *)&a)->sin_port);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return setup_at(AF_INET, "127.0.0.1");
}

static int teardown(void **state)
{
	(void)state;
	net_feel_stop(&x);
	close(server);
	return 0;
}

static bool turn(int64_t ms)
{
	return net_feel_turn(&x, ASKED_MS + ms, &outcome);
}

/* The kernel has decided about the connection. */
static void settle(void)
{
	struct pollfd pollfd = {.fd = x.feel.fd, .events = POLLOUT};

	if (x.feel.fd >= 0)
		assert_int_equal(poll(&pollfd, 1, 10000), 1);
}

static void slow_server_is_waited_for(void **state)
{
	(void)state;
	assert_int_equal(listen(server, 16), 0);
	assert_int_equal(net_feel_deadline(&x), ASKED_MS + 2000);
	assert_false(turn(1999));
	assert_int_equal(x.feel.fd, -1);
	for (int64_t ms = 2000; ms < 10000; ms += 1000) {
		assert_false(turn(ms));
		settle();
		assert_false(turn(ms + 1));
		assert_int_equal(x.feel.fd, -1);
		assert_int_equal(net_feel_deadline(&x), ASKED_MS + ms + 1000);
	}
}

static void comes_back(void)
{
	assert_false(turn(2000));
	settle();
	assert_false(turn(2001));
	assert_int_equal(listen(server, 16), 0);
	assert_false(turn(2999));
	assert_false(turn(3000));
	settle();
	assert_true(turn(3001));
	assert_int_equal(outcome.fault, TRANSPORT_AWAY);
	assert_true(name.is_fresh);
}

static void server_that_comes_back(void **state)
{
	(void)state;
	comes_back();
	assert_string_equal(outcome.text, "127.0.0.1 was away and is back: a new "
					  "connection to it");
}

static void server_with_a_long_address(void **state)
{
	(void)state;
	close(server);
	if (setup_at(AF_INET6, "::1") < 0)
		skip();
	comes_back();
}

/* One that is neither there nor refused when the next is due did not come. */
static void packets_are_lost(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(listen(server, 16), 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
		0);
	while (write(pair[0], "lost", 4) > 0)
		;
	x.feel = (struct net_feel){.fd = pair[0], .next_ms = ASKED_MS + 3000};
	assert_false(turn(2500));
	assert_int_equal(x.feel.fd, pair[0]);
	assert_false(turn(3000));
	settle();
	assert_true(turn(3001));
	close(pair[1]);
}

/* A byte comes meanwhile: TCP was as quick. */
static void bytes_come_after_all(void **state)
{
	(void)state;
	assert_false(turn(2000));
	settle();
	assert_false(turn(2001));
	assert_int_equal(listen(server, 16), 0);
	assert_false(turn(3000));
	x.asked_ms = ASKED_MS + 3000;
	assert_false(turn(3001));
	assert_int_equal(x.feel.fd, -1);
	assert_int_equal(net_feel_deadline(&x), ASKED_MS + 5000);
	assert_false(turn(5000));
	settle();
	assert_false(turn(5001));
}

static void who_does_not_wait_asks_nobody(void **state)
{
	(void)state;
	x.is_paused = true;
	assert_int_equal(net_feel_deadline(&x), INT64_MAX);
	assert_false(turn(60000));
	x.is_paused = false;
	x.asked_ms = 0;
	assert_false(turn(60000));
	assert_int_equal(x.feel.fd, -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(slow_server_is_waited_for),  T(server_that_comes_back),
		T(server_with_a_long_address), T(packets_are_lost),
		T(bytes_come_after_all),       T(who_does_not_wait_asks_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
