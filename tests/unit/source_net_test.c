/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_net_test.c - what the serving side takes from a network process, and what it does not
 *
 * The test is the network process: it writes messages into the other end of the channel.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "source/source_net.h"

static struct channel *ch;
static int net_fd; /* the end of the network process that the test is */
static struct transport *t;
static unsigned n_restarts;
static uint32_t last_restarted;
static struct transport_event ev[16];

static void on_restart(void *ctx, uint32_t generation)
{
	(void)ctx;
	last_restarted = generation;
	n_restarts++;
}

static const struct source_net_ops ops = {.restart = on_restart, .hung_ms = 100};

static void say(struct channel_msg msg)
{
	assert_int_equal(channel_send(net_fd, &msg), 0);
}

/* Another network process takes the place of the last. */
static void renew(uint32_t generation)
{
	if (net_fd >= 0)
		close(net_fd);
	net_fd = channel_renew(ch, generation);
	assert_true(net_fd >= 0);
}

static int hear(void)
{
	return t->ops->wait(t, 0, ev, ARRAY_SIZE(ev));
}

static void submit(void)
{
	const struct transport_request rq = {
		.id = 7,
		.slot = 2,
		.server = 1,
		.src_off = 4096,
		.buf_off = 100,
		.n_bytes = 1000,
		.etag = "\"e\"",
	};
	assert_int_equal(t->ops->submit(t, &rq), 0);
}

static int setup(void **state)
{
	(void)state;
	n_restarts = 0;
	net_fd = -1;
	ch = channel_new();
	assert_non_null(ch);
	assert_int_equal(source_net_new(ch, &ops, NULL, &t), 0);
	renew(1);
	assert_int_equal(hear(), 1);
	assert_int_equal(ev[0].kind, TRANSPORT_RESTARTED);
	submit();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	t->ops->free(t);
	if (net_fd >= 0)
		close(net_fd);
	channel_free(ch);
	return 0;
}

static struct channel_msg answer(uint32_t kind, uint32_t n_bytes)
{
	return (struct channel_msg){
		.kind = kind,
		.id = 7,
		.slot = 2,
		.n_bytes = n_bytes,
		.file_bytes = 100000,
	};
}

static void request_arrives(void **state)
{
	struct channel_msg msg;

	(void)state;
	assert_int_equal(channel_recv(net_fd, &msg), 0);
	assert_int_equal(msg.kind, CHANNEL_REQUEST);
	assert_int_equal(msg.buf_off, 100);
	assert_string_equal(msg.etag, "\"e\"");
	t->ops->cancel(t, 2, 7);
	assert_int_equal(channel_recv(net_fd, &msg), 0);
	assert_int_equal(msg.kind, CHANNEL_CANCEL);
	assert_int_equal(channel_recv(net_fd, &msg), -EAGAIN);
}

static void hear_url(const char *want)
{
	char url[OPTIONS_URL_BYTES] = "";
	struct channel_msg msg = {0};

	while (!msg.may_end) {
		assert_int_equal(channel_recv(net_fd, &msg), 0);
		assert_int_equal(msg.kind, CHANNEL_SERVER);
		assert_int_equal(msg.server, 1);
		assert_int_equal(msg.buf_off, strlen(url));
		memcpy(url + msg.buf_off, msg.text, msg.n_bytes);
	}
	assert_string_equal(url, want);
	assert_int_equal(channel_recv(net_fd, &msg), 0);
	assert_int_equal(msg.kind, CHANNEL_REQUEST);
	assert_int_equal(channel_recv(net_fd, &msg), -EAGAIN);
}

/* In pieces, before the first request to it, once for each network process. */
static void new_server_is_told(void **state)
{
	char url[OPTIONS_URL_BYTES];
	struct channel_msg msg;

	(void)state;
	assert_int_equal(channel_recv(net_fd, &msg), 0);
	snprintf(url, sizeof url, "http://h/\xc3\xa4/%01000u.img", 1u);
	t->ops->set_server(t, 1, url);
	assert_int_equal(channel_recv(net_fd, &msg), -EAGAIN);
	submit();
	hear_url(url);
	submit();
	assert_int_equal(channel_recv(net_fd, &msg), 0);
	assert_int_equal(msg.kind, CHANNEL_REQUEST);
	renew(2);
	assert_int_equal(hear(), 1);
	submit();
	hear_url(url);
	/* It never comes the other way. */
	say((struct channel_msg){.kind = CHANNEL_SERVER, .may_end = 1});
	assert_int_equal(hear(), 0);
	assert_int_equal(n_restarts, 1);
}

/* Pieces that do not fit are no messages. */
static void wrong_pieces_are_none(void **state)
{
	struct channel_msg msg = {.kind = CHANNEL_SERVER, .n_bytes = 3, .text = "abc"};
	struct channel_msg got;
	static const uint32_t wrong[][4] = {
		/* server, buf_off, n_bytes, may_end */
		{SOURCE_SERVERS_MAX, 0, 3, 0},
		{0, OPTIONS_URL_BYTES - 3, 3, 0},
		{0, UINT32_MAX - 1, 3, 0},
		{0, 0, 2, 0},
		{0, 0, 4, 0},
		{0, 0, 3, 2},
	};
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	assert_int_equal(channel_send(fds[0], &msg), 0);
	assert_int_equal(channel_recv(fds[1], &got), 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct channel_msg bad = msg;

		bad.server = wrong[i][0];
		bad.buf_off = wrong[i][1];
		bad.n_bytes = wrong[i][2];
		bad.may_end = wrong[i][3];
		assert_int_equal(channel_send(fds[0], &bad), 0);
		assert_int_equal(channel_recv(fds[1], &got), -EBADMSG);
	}
	memset(msg.text, 'x', sizeof msg.text);
	msg.n_bytes = sizeof msg.text;
	assert_int_equal(channel_send(fds[0], &msg), 0);
	assert_int_equal(channel_recv(fds[1], &got), -EBADMSG);
	close(fds[0]);
	close(fds[1]);
}

static void answers_become_events(void **state)
{
	struct channel_msg failed = answer(CHANNEL_FAILED, 600);

	(void)state;
	say(answer(CHANNEL_BYTES, 500));
	failed.fault = TRANSPORT_AWAY;
	failed.retry_after_ms = UINT32_MAX;
	snprintf(failed.text, sizeof failed.text, "esc\033[31m\n");
	say(failed);
	assert_int_equal(hear(), 2);
	assert_int_equal(ev[0].kind, TRANSPORT_BYTES);
	assert_int_equal(ev[0].n_bytes, 500);
	assert_int_equal(ev[1].kind, TRANSPORT_FAILED);
	assert_int_equal(ev[1].retry_after_ms, 300000);
	assert_string_equal(ev[1].text, "esc?[31m?");
	/* It is over: what comes after is late, not bad. */
	say(answer(CHANNEL_DONE, 1000));
	assert_int_equal(hear(), 0);
	assert_int_equal(n_restarts, 0);
}

static void late_answers_are_dropped(void **state)
{
	struct channel_msg other = answer(CHANNEL_DONE, 5);

	(void)state;
	other.id = 6;
	say(other);
	t->ops->cancel(t, 2, 7);
	say(answer(CHANNEL_DONE, 1000));
	assert_int_equal(hear(), 0);
	assert_int_equal(n_restarts, 0);
}

static void new_generation_ends_attempts(void **state)
{
	(void)state;
	say(answer(CHANNEL_BYTES, 500));
	renew(2);
	renew(3);
	say(answer(CHANNEL_DONE, 1000));
	assert_int_equal(hear(), 1);
	assert_int_equal(ev[0].kind, TRANSPORT_RESTARTED);
	assert_int_equal(n_restarts, 0);
	submit();
	say(answer(CHANNEL_DONE, 1000));
	assert_int_equal(hear(), 1);
	assert_int_equal(ev[0].kind, TRANSPORT_DONE);
}

/* Each of these is one restart, and what follows is not believed before the next HELLO. */
static void bad_messages_ask_for_a_restart(void **state)
{
	struct channel_msg bad[12];
	unsigned n = 0;

	(void)state;
	bad[n] = answer(99, 0);
	bad[++n] = answer(CHANNEL_REQUEST, 10);
	bad[++n] = answer(CHANNEL_PING, 0);
	bad[++n] = answer(CHANNEL_BYTES, 1001);
	bad[++n] = answer(CHANNEL_BYTES, UINT32_MAX);
	bad[++n] = answer(CHANNEL_DONE, 999);
	bad[++n] = answer(CHANNEL_FAILED, 0);
	bad[++n] = answer(CHANNEL_BYTES, 10);
	bad[n].slot = TRANSPORT_SLOTS;
	bad[++n] = answer(CHANNEL_BYTES, 10);
	memset(bad[n].address, 'x', sizeof bad[n].address);
	bad[++n] = answer(CHANNEL_BYTES, 10);
	bad[n].file_bytes = UINT64_MAX;
	for (unsigned i = 0; i <= n; i++) {
		say(bad[i]);
		assert_int_equal(hear(), 0);
		assert_int_equal(n_restarts, i + 1);
		assert_int_equal(last_restarted, i + 1);
		renew(i + 2);
		assert_int_equal(hear(), 1);
		submit();
	}
}

static void wrong_size_asks_for_a_restart(void **state)
{
	const char junk[2000] = "";

	(void)state;
	assert_int_equal(send(net_fd, junk, sizeof junk, 0), sizeof junk);
	assert_int_equal(hear(), 0);
	assert_int_equal(n_restarts, 1);
}

static void bytes_never_go_backwards(void **state)
{
	(void)state;
	say(answer(CHANNEL_BYTES, 500));
	say(answer(CHANNEL_BYTES, 499));
	assert_int_equal(hear(), 1);
	assert_int_equal(n_restarts, 1);
}

/* It is asked for again, and when there is one the same requests go there. */
static void shut_channel_is_replaced(void **state)
{
	(void)state;
	shutdown(net_fd, SHUT_RDWR);
	assert_int_equal(t->ops->wait(t, 30, ev, ARRAY_SIZE(ev)), 0);
	assert_int_equal(n_restarts, 1);
	t->ops->wake(t);
	assert_int_equal(t->ops->wait(t, -1, ev, ARRAY_SIZE(ev)), 0);
	assert_int_equal(t->ops->wait(t, 150, ev, ARRAY_SIZE(ev)), 0);
	assert_int_equal(n_restarts, 2);
	renew(2);
	assert_int_equal(hear(), 1);
	submit();
	say(answer(CHANNEL_DONE, 1000));
	assert_int_equal(hear(), 1);
	assert_int_equal(n_restarts, 2);
}

static void hung_process_is_replaced(void **state)
{
	struct channel_msg msg;
	unsigned n_pings = 0;

	(void)state;
	for (unsigned i = 0; i < 200 && !n_restarts; i++)
		assert_int_equal(t->ops->wait(t, 10, ev, ARRAY_SIZE(ev)), 0);
	assert_int_equal(n_restarts, 1);
	while (channel_recv(net_fd, &msg) == 0)
		n_pings += msg.kind == CHANNEL_PING;
	assert_int_equal(n_pings, 1);
}

/* Waits for a slow server, but answers; and without a request it owes nothing. */
static void slow_process_is_not(void **state)
{
	const struct channel_msg pong = {.kind = CHANNEL_PONG};

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(t->ops->wait(t, 40, ev, ARRAY_SIZE(ev)), 0);
		say(pong);
	}
	say(answer(CHANNEL_DONE, 1000));
	assert_int_equal(hear(), 1);
	assert_int_equal(t->ops->wait(t, 300, ev, ARRAY_SIZE(ev)), 0);
	assert_int_equal(n_restarts, 0);
}

/* As when PID 1 stops everything: the clock runs, but nobody waited. */
static void time_without_us_does_not_count(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		usleep(150000);
		assert_int_equal(hear(), 0);
	}
	assert_int_equal(n_restarts, 0);
}

static void orphan_does_not_spin(void **state)
{
	(void)state;
	channel_leave_keeper(ch);
	close(net_fd);
	net_fd = -1;
	assert_int_equal(t->ops->wait(t, 30, ev, ARRAY_SIZE(ev)), 0);
	t->ops->wake(t);
	assert_int_equal(t->ops->wait(t, -1, ev, ARRAY_SIZE(ev)), 0);
}

static void full_channel_says_so(void **state)
{
	struct transport_request rq = {.slot = 1, .n_bytes = 1};
	int r = 0;

	(void)state;
	for (rq.id = 100; rq.id < 100000 && r == 0; rq.id++)
		r = t->ops->submit(t, &rq);
	assert_int_equal(r, -EAGAIN);
	t->ops->cancel(t, 1, rq.id - 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(request_arrives),
		TEST(new_server_is_told),
		TEST(wrong_pieces_are_none),
		TEST(answers_become_events),
		TEST(late_answers_are_dropped),
		TEST(new_generation_ends_attempts),
		TEST(bad_messages_ask_for_a_restart),
		TEST(wrong_size_asks_for_a_restart),
		TEST(bytes_never_go_backwards),
		TEST(shut_channel_is_replaced),
		TEST(hung_process_is_replaced),
		TEST(slow_process_is_not),
		TEST(time_without_us_does_not_count),
		TEST(orphan_does_not_spin),
		TEST(full_channel_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
