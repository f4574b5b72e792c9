/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_test.c - the control socket against good, wrong, slow and too many clients
 *
 * The server runs in a thread as the daemon's main thread runs it.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/log.h"
#include "base/rundir.h"
#include "face/control.h"
#include "face/control_address.h"

static char top[32];
static int dirfd = -1;
static struct control *control;
static pthread_t thread;
static atomic_bool is_stopping;
static atomic_int n_pauses, n_detaches, n_traces, n_trace_ends, n_reports, n_sets;

static void fill(char *text, size_t n_bytes)
{
	memset(text, '\x01', n_bytes - 1);
}

static void op_status(void *ctx _unused_, struct status *ret)
{
	snprintf(ret->name, sizeof ret->name, "t");
	ret->eta_seconds = -1;
	/* As large as a status gets: every character needs an escape of six. */
	fill(ret->reason, sizeof ret->reason);
	fill(ret->error, sizeof ret->error);
	fill(ret->device, sizeof ret->device);
	fill(ret->image.url, sizeof ret->image.url);
	ret->n_warnings = OPTIONS_WARNINGS_MAX;
	for (unsigned i = 0; i < OPTIONS_WARNINGS_MAX; i++)
		fill(ret->warnings[i], sizeof ret->warnings[i]);
	ret->n_servers = SOURCE_SERVERS_MAX;
	for (unsigned i = 0; i < SOURCE_SERVERS_MAX; i++) {
		fill(ret->servers[i].url, sizeof ret->servers[i].url);
		fill(ret->servers[i].address, sizeof ret->servers[i].address);
		fill(ret->servers[i].last_error, sizeof ret->servers[i].last_error);
	}
}

static int op_pause(void *ctx _unused_, bool paused, char *why, size_t why_bytes)
{
	if (!paused) {
		snprintf(why, why_bytes, "it is \"not\" paused");
		return -EALREADY;
	}
	n_pauses++;
	return 0;
}

static int op_report(void *ctx _unused_, char *why _unused_, size_t why_bytes _unused_)
{
	n_reports++;
	return 0;
}

static int op_set(void *ctx _unused_, const char *const *words, unsigned n_words,
		  char *why, size_t why_bytes)
{
	if (n_words != 2 || strcmp(words[0], "rate=5M") != 0) {
		snprintf(why, why_bytes, "%s: not that", words[0]);
		return -EINVAL;
	}
	assert_string_equal(words[1], "cache=1G");
	n_sets++;
	return 0;
}

static int op_detach(void *ctx _unused_, char *why _unused_, size_t why_bytes _unused_)
{
	n_detaches++;
	return -EBUSY;
}

static int op_trace(void *ctx _unused_, bool ends, char *why _unused_,
		    size_t why_bytes _unused_)
{
	n_traces++;
	n_trace_ends += ends;
	return 0;
}

static const struct control_ops ops = {
	.status = op_status,
	.pause = op_pause,
	.trace = op_trace,
	.report = op_report,
	.set = op_set,
	.detach = op_detach,
};

static void *serve(void *arg _unused_)
{
	struct pollfd fds[CONTROL_POLLFDS];

	while (!is_stopping) {
		unsigned n = control_pollfds(control, fds);

		if (poll(fds, n, 10) > 0)
			control_handle(control, fds, n);
	}
	return NULL;
}

static int setup(void **state _unused_)
{
	snprintf(top, sizeof top, "/tmp/hydroot-XXXXXX");
	if (!mkdtemp(top) || setenv("HYDROOT_RUN_DIR", top, 1))
		return 1;
	dirfd = rundir_create("t");
	is_stopping = false;
	n_pauses = n_detaches = n_traces = n_trace_ends = n_reports = n_sets = 0;
	return dirfd < 0 || control_open(dirfd, &ops, NULL, &control) ||
	       pthread_create(&thread, NULL, serve, NULL);
}

static int teardown(void **state _unused_)
{
	int err;

	is_stopping = true;
	err = pthread_join(thread, NULL);
	control_close(control);
	if (faccessat(dirfd, "control", F_OK, 0) == 0)
		err = 1;
	close(dirfd);
	return err || rundir_remove("t") || rmdir(top);
}

static void assert_answer(const char *request, const char *expected)
{
	cleanup_free char *answer = NULL;

	assert_int_equal(control_call(dirfd, request, 2000, &answer), 0);
	if (!strstr(answer, expected))
		fail_msg("%s: answer %.200s", request, answer);
}

static int connect_client(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;

	control_address(dirfd, &address);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static void commands_are_answered(void **state _unused_)
{
	struct stat st;

	assert_answer("{\"command\":\"status\"}",
		      "{\"ok\":true,\"status\":{\"schema\":1,");
	assert_answer("{\"command\":\"pause\"}", "{\"ok\":true}");
	assert_answer("{\"command\":\"trace\"}", "{\"ok\":true}");
	assert_answer("{\"command\":\"trace-end\"}", "{\"ok\":true}");
	assert_int_equal(n_traces, 2);
	assert_int_equal(n_trace_ends, 1);
	assert_answer("{\"command\":\"resume\"}",
		      "\"error\":\"it is \\\"not\\\" paused\"");
	assert_answer("{\"command\":\"detach\"}",
		      "\"error\":\"Device or resource busy\"");
	assert_int_equal(n_pauses, 1);
	assert_int_equal(n_detaches, 1);
	assert_int_equal(fstatat(dirfd, "control", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void largest_status_comes_whole(void **state _unused_)
{
	cleanup_free char *answer = NULL;
	json_t *object, *status;

	assert_int_equal(control_call(dirfd, "{\"command\":\"status\"}", 2000, &answer),
			 0);
	object = json_loads(answer, 0, NULL);
	status = json_object_get(object, "status");
	assert_int_equal(json_array_size(json_object_get(status, "servers")),
			 SOURCE_SERVERS_MAX);
	assert_int_equal(json_array_size(json_object_get(status, "warnings")),
			 OPTIONS_WARNINGS_MAX);
	json_decref(object);
}

static void wrong_requests_are_refused(void **state _unused_)
{
	static const char *const wrong[] = {
		"{\"command\":\"reboot\"}",
		"{\"command\":\"\"}",
		"{\"command\":1}",
		"{}",
		"[]",
		"null",
		"{\"command\":\"pause\",\"now\":true}",
		"pause",
		"{\"command\":\"pause\"",
		"{\"command\":\"pause\"}{}",
		"{\"command\":\"pause\",\"values\":[]}",
		"{\"command\":\"set\"}",
		"{\"command\":\"set\",\"values\":[]}",
		"{\"command\":\"set\",\"values\":\"rate=1\"}",
		"{\"command\":\"set\",\"values\":[1]}",
		"{\"command\":\"set\",\"values\":[[\"rate=1\"]]}",
		"{\"command\":\"set\",\"values\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
		"\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
		"\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]}",
		"{\"command\":\"status\",\"command\":\"pause\"}",
		"\xff",
		"{\"command\":\"pause\\u0000\"}",
		" ",
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_answer(wrong[i], "{\"ok\":false,\"error\":");
	assert_int_equal(n_pauses, 0);
	assert_int_equal(n_sets, 0);
}

static void oversized_requests_are_refused(void **state _unused_)
{
	cleanup_free char *text = malloc(100000);

	memset(text, ' ', 100000);
	text[CONTROL_REQUEST_BYTES] = '\0';
	memcpy(text, "{\"command\":\"pause\"}", 19);
	assert_answer(text, "{\"ok\":true}");
	text[CONTROL_REQUEST_BYTES] = ' ';
	text[99999] = '\0';
	assert_answer(text, "too large");
	assert_int_equal(n_pauses, 1);
}

static void several_requests_on_one_connection(void **state _unused_)
{
	static const char request[] = "{\"command\":\"pause\"}";
	cleanup_fd int fd = connect_client();
	char answer[64];

	for (int i = 0; i < 3; i++) {
		assert_int_equal(send(fd, request, sizeof request - 1, 0),
				 sizeof request - 1);
		assert_true(recv(fd, answer, sizeof answer, 0) > 0);
	}
	assert_int_equal(n_pauses, 3);
}

/* It asks for large answers and reads none: the server drops it and serves others. */
static void clients_that_do_not_read_are_dropped(void **state _unused_)
{
	static const char request[] = "{\"command\":\"status\"}";
	cleanup_fd int fd = connect_client();

	for (int i = 0; i < 50; i++)
		(void)send(fd, request, sizeof request - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	assert_answer("{\"command\":\"pause\"}", "{\"ok\":true}");
}

static void silent_clients_leave_room_for_others(void **state _unused_)
{
	int fds[CONTROL_CLIENTS_MAX - 1];

	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = connect_client();
	assert_answer("{\"command\":\"pause\"}", "{\"ok\":true}");
	assert_answer("{\"command\":\"pause\"}", "{\"ok\":true}");
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

/* Whoever comes when all places are taken gets that of the one who was silent for longest. */
static void many_silent_clients_keep_nobody_out(void **state _unused_)
{
	int fds[CONTROL_CLIENTS_MAX * 3];
	char byte;

	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = connect_client();
		assert_answer("{\"command\":\"pause\"}", "{\"ok\":true}");
	}
	assert_int_equal(recv(fds[0], &byte, 1, 0), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static void values_are_set(void **state _unused_)
{
	assert_answer("{\"command\":\"set\",\"values\":[\"rate=5M\",\"cache=1G\"]}",
		      "{\"ok\":true}");
	assert_int_equal(n_sets, 1);
	assert_answer("{\"values\":[\"odd\"],\"command\":\"set\"}",
		      "\"error\":\"odd: not that\"");
	assert_answer("{\"command\":\"report\"}", "{\"ok\":true}");
	assert_int_equal(n_reports, 1);
}

static void second_server_is_refused(void **state _unused_)
{
	struct control *second = NULL;

	log_daemon(-1, -1);
	assert_int_equal(control_open(dirfd, &ops, NULL, &second), -EADDRINUSE);
	assert_answer("{\"command\":\"pause\"}", "{\"ok\":true}");
}

static void leftover_socket_is_replaced(void **state _unused_)
{
	cleanup_fd int fd = rundir_create("left"),
		       sock = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	struct control *c = NULL;
	struct sockaddr_un address;
	char *answer = NULL;

	control_address(fd, &address);
	assert_int_equal(control_call(fd, "{}", 100, &answer), -ENOENT);
	assert_int_equal(bind(sock, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(control_call(fd, "{}", 100, &answer), -ECONNREFUSED);
	assert_int_equal(control_open(fd, &ops, NULL, &c), 0);
	control_close(c);
	assert_int_equal(rundir_remove("left"), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(commands_are_answered),
		TEST(largest_status_comes_whole),
		TEST(wrong_requests_are_refused),
		TEST(oversized_requests_are_refused),
		TEST(several_requests_on_one_connection),
		TEST(clients_that_do_not_read_are_dropped),
		TEST(silent_clients_leave_room_for_others),
		TEST(many_silent_clients_keep_nobody_out),
		TEST(values_are_set),
		TEST(second_server_is_refused),
		TEST(leftover_socket_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
