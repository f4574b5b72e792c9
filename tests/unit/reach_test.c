/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach_test.c - where URLs lead to, and whether somebody takes a connection there
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "source/reach.h"

static void leads_to(const char *url, const char *host, const char *port)
{
	struct reach_where where;

	assert_true(reach_parse(url, &where));
	assert_string_equal(where.host, host);
	assert_string_equal(where.port, port);
}

static void urls_lead_to_hosts(void **state)
{
	struct reach_where where;

	(void)state;
	leads_to("http://10.0.0.1/i.hri", "10.0.0.1", "80");
	leads_to("http://u:p@h:8080/i@b", "h", "8080");
	leads_to("HTTPS://h/i", "h", "443");
	leads_to("nfs://s/export/i.hri", "s", "2049");
	leads_to("http://[2001:db8::1]:81/i", "2001:db8::1", "81");
	leads_to("http://[2001:db8::1]/i", "2001:db8::1", "80");
	leads_to("http://p:3128", "p", "3128");
	leads_to("p:3128", "p", "3128");
	leads_to("p", "p", "1080");
	leads_to("http://p", "p", "1080");
	leads_to("http://u:p@p/", "p", "1080");
	leads_to("https://p", "p", "443");
	leads_to("http://h?x", "h", "80");
	leads_to("http://h:/i", "h", "80");
	leads_to("socks5h://p", "p", "1080");
	assert_false(reach_parse("file:///i.hri", &where));
	assert_false(reach_parse("glusterfs://g/v/i.hri", &where));
	assert_false(reach_parse("http://[::1/i", &where));
	assert_false(reach_parse("http://h:65536/i", &where));
}

/* A port of the loopback interface, where somebody listens. */
static int listen_somewhere(unsigned *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static void only_who_listens_is_reached(void **state)
{
	char good[64], gone[64];
	const char *urls[] = {gone, "file:///i.hri", good};
	unsigned port, port_gone;
	const int fd = listen_somewhere(&port), fd_gone = listen_somewhere(&port_gone);

	(void)state;
	close(fd_gone);
	snprintf(good, sizeof good, "http://127.0.0.1:%u/i.hri", port);
	snprintf(gone, sizeof gone, "http://127.0.0.1:%u/i.hri", port_gone);
	assert_true(reach_any("lo", urls, 3, 5000));
	assert_false(reach_any("lo", urls, 2, 5000));
	assert_false(reach_any("no-such-if", urls, 3, 5000));
	close(fd);
	assert_false(reach_any("lo", urls, 3, 5000));
}

static void a_file_is_there_without_a_network(void **state)
{
	const char *urls[] = {"file:///i.hri"};

	(void)state;
	assert_true(reach_any("lo", urls, 1, 1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_lead_to_hosts),
		cmocka_unit_test(only_who_listens_is_reached),
		cmocka_unit_test(a_file_is_there_without_a_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
