/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_main_test.c - a real network process against a real server that misbehaves
 *
 * The whole source: failover over the channel over libcurl, in three processes.  The test is keeper
 * and serving process at once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/passfd.h"
#include "source/net.h"
#include "source/net_open.h"
#include "source/source_failover.h"
#include "source/source_net.h"
#include "tests/fakes/httpd.h"

#define HUNG_MS 300

static struct httpd httpd;
static struct options options;
static struct net_config cfg;
static struct channel *ch;
static struct source *s;
static struct source_status st;
static uint32_t generation;
static pid_t net_pid;

static void fork_net(void)
{
	const int fd = channel_renew(ch, ++generation);

	assert_true(fd >= 0);
	net_pid = fork();
	assert_true(net_pid >= 0);
	if (net_pid == 0)
		_exit(net_main(ch, &cfg, fd) < 0);
	close(fd);
}

static void kill_net(void)
{
	kill(net_pid, SIGKILL);
	assert_int_equal(waitpid(net_pid, NULL, 0), net_pid);
	net_pid = 0;
}

static void replace_net(void *ctx, uint32_t which)
{
	(void)ctx;
	assert_int_equal(which, generation);
	kill_net();
	fork_net();
}

static const struct source_net_ops ops = {.restart = replace_net, .hung_ms = HUNG_MS};

static int group_setup(void **state)
{
	(void)state;
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	return net_prepare();
}

static int setup_host(const char *host)
{
	struct transport *t;

	generation = 0;
	memset(&st, 0, sizeof st);
	if (httpd_start(&httpd) < 0)
		return -1;
	memset(&options, 0, sizeof options);
	options.n_servers = 1;
	options.connections = 4;
	options.connect_timeout_ms = 500;
	/* Long: on a busy machine only what a test does is to count as a failure. */
	options.timeout_ms = 5000;
	options.min_rate_bytes = 1000;
	snprintf(options.servers[0], sizeof options.servers[0], "http://%s:%u/i.img",
		 host, httpd.port);
	if (net_config_init(&cfg, &options) < 0)
		return -1;
	cfg.keeper = getpid();
	ch = channel_new();
	if (!ch || source_net_new(ch, NULL, NULL, &t) < 0)
		return -1;
	return source_failover_new(&options, t, NULL, &s);
}

/* For options that were changed after setup. */
static void restart_source(void)
{
	struct transport *t;

	source_free(s);
	assert_int_equal(source_net_new(ch, NULL, NULL, &t), 0);
	assert_int_equal(source_failover_new(&options, t, NULL, &s), 0);
}

static int setup(void **state)
{
	(void)state;
	int r = setup_host("127.0.0.1");
	if (r == 0)
		fork_net();
	return r;
}

static int teardown(void **state)
{
	int status = 0;

	(void)state;
	source_free(s);
	if (net_pid)
		assert_int_equal(waitpid(net_pid, &status, 0), net_pid);
	net_pid = 0;
	channel_free(ch);
	net_config_fini(&cfg);
	httpd_stop(&httpd);
	return status;
}

static void submit(uint64_t id, uint64_t src_off, uint32_t n_bytes,
		   enum source_class class)
{
	const struct source_request rq = {
		.id = id,
		.src_off = src_off,
		.n_bytes = n_bytes,
		.class = class,
		.may_end = src_off + n_bytes > HTTPD_FILE_BYTES,
	};
	assert_int_equal(source_submit(s, &rq), 0);
}

static void check_bytes(const struct source_event *ev, uint64_t src_off)
{
	for (uint32_t i = 0; i < ev->n_bytes; i++)
		if (ev->data[i] != httpd_byte(src_off + i))
			fail_msg("wrong byte at %u", i);
}

/* Events of this one request until it is DONE; false on time-out. */
static bool finish(uint64_t id, uint64_t src_off, int64_t limit_ms, uint32_t *ret_bytes)
{
	const int64_t end_ms = clock_ms() + limit_ms;
	struct source_event ev;
	uint32_t n_told = 0;

	while (clock_ms() < end_ms) {
		if (source_wait(s, (int)(end_ms - clock_ms()), &ev, 1) != 1 ||
		    ev.id != id)
			continue;
		assert_true(ev.n_bytes >= n_told);
		n_told = ev.n_bytes;
		if (ev.kind != SOURCE_DONE)
			continue;
		check_bytes(&ev, src_off);
		*ret_bytes = ev.n_bytes;
		source_release(s, id);
		return true;
	}
	return false;
}

static void fetch(uint64_t src_off, uint32_t n_bytes)
{
	static uint64_t id;
	uint32_t n;

	submit(++id, src_off, n_bytes, SOURCE_DEMAND);
	assert_true(finish(id, src_off, 1900, &n));
	assert_int_equal(n, min_u64(n_bytes, HTTPD_FILE_BYTES - src_off));
}

/* One failure, named so, and then the bytes after all. */
static void fails_once_with(enum httpd_mode mode, const char *text)
{
	httpd_misbehave(&httpd, mode, 1);
	fetch(5000, 100000);
	source_status(s, &st);
	if (!strstr(st.servers[0].last_error, text))
		fail_msg("'%s' instead of '%s'", st.servers[0].last_error, text);
	assert_int_equal(st.servers[0].n_errors, 1);
	assert_int_equal(st.servers[0].state, SERVER_OK);
}

/* The request brings nothing but a server that is refused. */
static void is_refused(uint64_t id, uint64_t src_off)
{
	uint32_t n;

	submit(id, src_off, 4096, SOURCE_DEMAND);
	for (unsigned i = 0; i < 100 && st.servers[0].state != SERVER_REFUSED; i++) {
		assert_false(finish(id, src_off, 50, &n));
		source_status(s, &st);
	}
	assert_int_equal(st.servers[0].state, SERVER_REFUSED);
}

static void fetches_over_one_connection(void **state)
{
	(void)state;
	fetch(0, 4096);
	fetch(1, 500000);
	fetch(HTTPD_FILE_BYTES - 10, 4096);
	source_status(s, &st);
	assert_int_equal(st.file_bytes, HTTPD_FILE_BYTES);
	assert_int_equal(st.wire_bytes, 4096 + 500000 + 10);
	assert_string_equal(st.servers[0].address, "127.0.0.1");
	assert_int_equal(atomic_load(&httpd.shared->n_connections), 1);
}

static void requests_run_in_parallel(void **state)
{
	struct source_event ev[8];
	unsigned n_done = 0;

	(void)state;
	httpd_misbehave(&httpd, HTTPD_SLOW, 100);
	for (uint64_t id = 1; id <= 4; id++)
		submit(id, id * 1000, 200000, SOURCE_HOT);
	while (n_done < 4) {
		const int n = source_wait(s, 1000, ev, 8);

		assert_true(n > 0);
		for (int i = 0; i < n; i++) {
			check_bytes(&ev[i], ev[i].id * 1000);
			n_done += ev[i].kind == SOURCE_DONE;
		}
	}
	assert_int_equal(atomic_load(&httpd.shared->n_connections), 4);
}

static void killed_process_loses_nothing(void **state)
{
	struct source_event ev;
	uint32_t n;

	(void)state;
	httpd_misbehave(&httpd, HTTPD_SLOW, 100);
	submit(1, 77, 900000, SOURCE_DEMAND);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(source_wait(s, 10000, &ev, 1), 1);
		assert_int_equal(ev.kind, SOURCE_BYTES);
		kill_net();
		fork_net();
	}
	assert_true(finish(1, 77, 1500, &n));
	assert_int_equal(n, 900000);
	source_status(s, &st);
	assert_int_equal(st.n_net_restarts, 3);
	assert_int_equal(st.servers[0].n_errors, 0);
}

static void submitted_while_there_is_none(void **state)
{
	(void)state;
	kill_net();
	submit(1, 0, 4096, SOURCE_DEMAND);
	fork_net();
	fetch(4096, 4096);
}

static void whole_file_is_not_a_range(void **state)
{
	(void)state;
	httpd_misbehave(&httpd, HTTPD_WHOLE, 1);
	is_refused(1, 5000);
	assert_true(st.servers[0].ignores_range);
	assert_int_equal(st.wire_bytes, 0);
}

static void other_etag_is_refused(void **state)
{
	(void)state;
	fetch(0, 4096);
	httpd_misbehave(&httpd, HTTPD_OTHER_ETAG, 1);
	is_refused(1, 5000);
	assert_non_null(strstr(st.servers[0].last_error, "replaced"));
	assert_int_equal(st.wire_bytes, 4096);
}

static void wrong_range_is_not_data(void **state)
{
	(void)state;
	fails_once_with(HTTPD_WRONG_RANGE, "asked for 5000-104999, answered 5001-105000");
}

static void short_body_goes_on_behind_it(void **state)
{
	(void)state;
	fails_once_with(HTTPD_SHORT, "broke after 50000 bytes");
	assert_int_equal(st.wire_bytes, 100000);
}

static void be_impatient(void)
{
	options.timeout_ms = 150;
	kill_net();
	fork_net();
}

static void stall_is_given_up(void **state)
{
	(void)state;
	be_impatient();
	fails_once_with(HTTPD_STALL, "no byte from 127.0.0.1 for 150 ms");
	assert_int_equal(st.wire_bytes, 100000);
}

static void trickle_is_given_up(void **state)
{
	(void)state;
	be_impatient();
	fails_once_with(HTTPD_TRICKLE, "127.0.0.1 is slower than 1000 bytes/s");
}

static void page_is_not_data(void **state)
{
	(void)state;
	fails_once_with(HTTPD_HTML, "an HTML page instead of the file");
}

static void redirect_is_followed(void **state)
{
	(void)state;
	httpd_misbehave(&httpd, HTTPD_REDIRECT, 1);
	fetch(0, 4096);
	httpd_misbehave(&httpd, HTTPD_LOOP, 6);
	fetch(0, 4096);
	source_status(s, &st);
	assert_int_equal(st.servers[0].n_errors, 1);
}

static void retry_after_is_waited_for(void **state)
{
	const int64_t start_ms = clock_ms();

	(void)state;
	fails_once_with(HTTPD_UNAVAILABLE, "HTTP 503: service unavailable");
	assert_true(clock_ms() - start_ms >= 1000);
}

static void refused_connection_is_named(void **state)
{
	uint32_t n;

	(void)state;
	fetch(0, 4096);
	httpd_kill(&httpd);
	submit(1, 4096, 4096, SOURCE_DEMAND);
	assert_false(finish(1, 4096, 100, &n));
	source_status(s, &st);
	assert_true(st.is_away);
	assert_string_equal(st.servers[0].last_error, "connection refused by 127.0.0.1");
	assert_int_equal(httpd_restart(&httpd), 0);
	assert_true(finish(1, 4096, 1500, &n));
}

/* A listener on the server's port whose queue is full: what connects to it hears nothing. */
struct deaf {
	int listen_fd, fds[4];
};

static void deafen(struct deaf *d)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)httpd.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const int one = 1;

	d->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		setsockopt(d->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
	assert_int_equal(bind(d->listen_fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(d->listen_fd, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(d->fds); i++) {
		d->fds[i] =
			socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(d->fds[i], (struct sockaddr *)&a, sizeof a);
	}
	usleep(20000);
}

static void undeafen(const struct deaf *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(d->fds); i++)
		close(d->fds[i]);
	close(d->listen_fd);
}

/* It is tried again, however often it did not answer. */
static void goes_deaf_and_comes_back(void)
{
	struct deaf deaf;
	uint32_t n;

	fetch(0, 4096);
	httpd_kill(&httpd);
	deafen(&deaf);
	submit(1, 4096, 4096, SOURCE_DEMAND);
	/* Long enough for a second attempt. */
	for (unsigned i = 0; i < 100 && st.servers[0].n_errors < 3; i++) {
		assert_false(finish(1, 4096, 100, &n));
		source_status(s, &st);
		if (st.servers[0].n_errors >= 2)
			assert_string_equal(st.servers[0].last_error,
					    "no connection to 127.0.0.1 within 500 ms");
	}
	undeafen(&deaf);
	assert_int_equal(httpd_restart(&httpd), 0);
	assert_true(finish(1, 4096, 5000, &n));
}

static void only_address_is_tried_again(void **state)
{
	(void)state;
	goes_deaf_and_comes_back();
}

/* It was there before: a connection that does not come is soon tried for again. */
static void probe_gives_up_early(void **state)
{
	struct deaf deaf;
	uint32_t n;

	(void)state;
	options.connect_timeout_ms = 30000;
	kill_net();
	fork_net();
	fetch(0, 4096);
	httpd_kill(&httpd);
	submit(1, 4096, 4096, SOURCE_DEMAND);
	assert_false(finish(1, 4096, 50, &n));
	deafen(&deaf);
	for (unsigned i = 0; i < 100 && !strstr(st.servers[0].last_error, "within");
	     i++) {
		assert_false(finish(1, 4096, 100, &n));
		source_status(s, &st);
	}
	assert_string_equal(st.servers[0].last_error,
			    "no connection to 127.0.0.1 within 1500 ms");
	undeafen(&deaf);
	assert_int_equal(httpd_restart(&httpd), 0);
	assert_true(finish(1, 4096, 5000, &n));
}

static void fill_stands_still_for_demand(void **state)
{
	struct source_event ev;
	uint32_t before = 0;

	(void)state;
	httpd_misbehave(&httpd, HTTPD_SLOW, 1);
	submit(1, 0, HTTPD_FILE_BYTES, SOURCE_FILL);
	assert_int_equal(source_wait(s, 10000, &ev, 1), 1);
	/* Demand that the server holds back: less than its time-out, more than the fill needs. */
	httpd_misbehave(&httpd, HTTPD_STALL, 1);
	submit(2, 0, 4096, SOURCE_DEMAND);
	const int64_t end_ms = clock_ms() + 120;
	while (clock_ms() < end_ms)
		if (source_wait(s, (int)(end_ms - clock_ms()), &ev, 1) == 1)
			before = ev.n_bytes;
	assert_true(before < HTTPD_FILE_BYTES / 2);
	source_release(s, 2);
	while (ev.kind != SOURCE_DONE)
		assert_int_equal(source_wait(s, 10000, &ev, 1), 1);
	check_bytes(&ev, 0);
}

static void allow_sequential_of(enum httpd_mode mode)
{
	httpd_misbehave(&httpd, mode, 1000);
	source_allow_sequential(s);
}

/* The body of one answer, whatever lies between the ranges; behind it, another. */
static void whole_file_is_read_in_one_go(void **state)
{
	uint64_t off = 0;

	(void)state;
	allow_sequential_of(HTTPD_WHOLE);
	for (unsigned i = 0; off + 50000 < HTTPD_FILE_BYTES; i++) {
		fetch(off, 1000 + i * 2003);
		off += 1000 + i * 2003 + (i % 3) * 30001;
	}
	fetch(HTTPD_FILE_BYTES - 10, 4096);
	assert_int_equal(atomic_load(&httpd.shared->n_requests), 1);
	source_status(s, &st);
	assert_true(st.servers[0].ignores_range);
	assert_int_equal(st.servers[0].state, SERVER_OK);
	assert_int_equal(st.file_bytes, HTTPD_FILE_BYTES);
	fetch(777, 100000);
	assert_int_equal(atomic_load(&httpd.shared->n_requests), 2);
	source_status(s, &st);
	assert_int_equal(st.servers[0].n_errors, 0);
}

static void whole_file_of_unknown_length(void **state)
{
	(void)state;
	allow_sequential_of(HTTPD_WHOLE_UNKNOWN);
	fetch(5, 300000);
	fetch(400000, 300000);
	fetch(HTTPD_FILE_BYTES - 4096, 4096);
	assert_int_equal(atomic_load(&httpd.shared->n_requests), 1);
}

/* Refused at first, asked again at once when whole files will do; killed, it starts over. */
static void whole_file_after_all(void **state)
{
	uint32_t n;

	(void)state;
	httpd_misbehave(&httpd, HTTPD_WHOLE, 1000);
	is_refused(1, 5000);
	source_allow_sequential(s);
	assert_int_equal(source_room(s, SOURCE_FILL), 0);
	assert_true(finish(1, 5000, 1000, &n));
	assert_int_equal(source_room(s, SOURCE_FILL), 1);
	kill_net();
	fork_net();
	fetch(20000, 4096);
	assert_int_equal(atomic_load(&httpd.shared->n_requests), 3);
	/* A server that has learned it is used as any other. */
	httpd_misbehave(&httpd, HTTPD_OK, 0);
	fetch(0, 4096);
	source_status(s, &st);
	assert_false(st.servers[0].ignores_range);
}

/* Given up in the middle, the stream is there for the next request. */
static void released_stream_goes_on(void **state)
{
	struct source_event ev;

	(void)state;
	allow_sequential_of(HTTPD_WHOLE);
	submit(1, 0, 900000, SOURCE_FILL);
	assert_int_equal(source_wait(s, 10000, &ev, 1), 1);
	source_release(s, 1);
	fetch(950000, 4096);
	assert_int_equal(atomic_load(&httpd.shared->n_requests), 1);
}

static void portals_are_named(void **state)
{
	(void)state;
	fails_once_with(HTTPD_PORTAL, "HTTP 511: a captive portal");
}

static void portal_elsewhere_is_named(void **state)
{
	(void)state;
	fails_once_with(HTTPD_ELSEWHERE,
			"redirected to localhost, which gave an HTML page (HTTP 200): a "
			"captive portal");
}

static void too_many_requests_are_waited_for(void **state)
{
	const int64_t start_ms = clock_ms();

	(void)state;
	fails_once_with(HTTPD_BUSY, "HTTP 429: too many requests");
	assert_true(clock_ms() - start_ms >= 1000);
}

static void use_credentials(const char *line)
{
	char *text = malloc(strlen(line) + 1);

	memcpy(text, line, strlen(line) + 1);
	kill_net();
	credentials_fini(&cfg.credentials);
	assert_int_equal(credentials_parse(&cfg.credentials, "test", text, strlen(line)),
			 0);
	fork_net();
}

static void secrets_go_to_their_host_only(void **state)
{
	(void)state;
	use_credentials("127.0.0.1 basic me secret");
	fetch(0, 4096);
	assert_string_equal(httpd.shared->authorization, "Basic bWU6c2VjcmV0");
	httpd_misbehave(&httpd, HTTPD_ELSEWHERE_OK, 1);
	fetch(0, 4096);
	assert_true(strncmp(httpd.shared->host, "localhost", 9) == 0);
	assert_string_equal(httpd.shared->authorization, "");
	/* The same host: still its. */
	httpd_misbehave(&httpd, HTTPD_REDIRECT, 1);
	fetch(0, 4096);
	assert_string_equal(httpd.shared->path, "/final");
	assert_string_equal(httpd.shared->authorization, "Basic bWU6c2VjcmV0");
	use_credentials("127.0.0.1 bearer t0k3n");
	fetch(0, 4096);
	assert_string_equal(httpd.shared->authorization, "Bearer t0k3n");
	httpd_misbehave(&httpd, HTTPD_ELSEWHERE_OK, 1);
	fetch(0, 4096);
	assert_string_equal(httpd.shared->authorization, "");
	use_credentials("127.0.0.1 s3 eu-1 AKEY skey");
	httpd_misbehave(&httpd, HTTPD_ELSEWHERE_OK, 1);
	fetch(0, 4096);
	assert_string_equal(httpd.shared->authorization, "");
	use_credentials("https://127.0.0.1 basic me secret\n127.0.0.1:1 bearer x");
	fetch(0, 4096);
	assert_string_equal(httpd.shared->authorization, "");
}

static void hmac(const uint8_t *key, size_t n_key, const char *text, uint8_t ret[32])
{
	unsigned n = 32;

	assert_non_null(HMAC(EVP_sha256(), key, (int)n_key, (const uint8_t *)text,
			     strlen(text), ret, &n));
}

static void hex_of(const uint8_t *bytes, char ret[65])
{
	for (unsigned i = 0; i < 32; i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

/* The signature of AWS version 4, computed here a second time. */
static void s3_requests_are_signed(void **state)
{
	char request[1024], to_sign[512], day[16], hex[65], wanted[512],
		signed_headers[128];
	uint8_t hash[32], key[32];

	(void)state;
	use_credentials("127.0.0.1 s3 eu-1 AKEY skey");
	fetch(0, 4096);
	const char *auth = httpd.shared->authorization;
	const char *found = strstr(auth, "SignedHeaders=");
	assert_non_null(found);
	snprintf(signed_headers, sizeof signed_headers, "%.*s", (int)strcspn(found, ","),
		 found);
	assert_string_equal(signed_headers,
			    "SignedHeaders=accept-encoding;host;x-amz-content-sha256;"
			    "x-amz-date");
	snprintf(request, sizeof request,
		 "GET\n/i.img\n\naccept-encoding:identity\nhost:%s\n"
		 "x-amz-content-sha256:%s\nx-amz-date:%s\n\n%s\n%s",
		 httpd.shared->host, httpd.shared->token_hash, httpd.shared->date,
		 signed_headers + strlen("SignedHeaders="), httpd.shared->token_hash);
	SHA256((const uint8_t *)request, strlen(request), hash);
	hex_of(hash, hex);
	snprintf(day, sizeof day, "%.8s", httpd.shared->date);
	snprintf(to_sign, sizeof to_sign,
		 "AWS4-HMAC-SHA256\n%s\n%s/eu-1/s3/aws4_request\n%s", httpd.shared->date,
		 day, hex);
	hmac((const uint8_t *)"AWS4skey", 8, day, key);
	hmac(key, 32, "eu-1", key);
	hmac(key, 32, "s3", key);
	hmac(key, 32, "aws4_request", key);
	hmac(key, 32, to_sign, hash);
	hex_of(hash, hex);
	snprintf(wanted, sizeof wanted,
		 "AWS4-HMAC-SHA256 Credential=AKEY/%s/eu-1/s3/aws4_request, %s, "
		 "Signature=%s",
		 day, signed_headers, hex);
	assert_string_equal(auth, wanted);
}

/* Written next to the test's own files, and removed while it is open: only the fd counts. */
static void use_file(const char *path)
{
	cleanup_file FILE *f = fopen(path, "we");

	assert_non_null(f);
	for (uint32_t i = 0; i < HTTPD_FILE_BYTES; i++)
		putc(httpd_byte(i), f);
}

/* Nothing is opened, and nobody forked yet. */
static void use_url(const char *url)
{
	snprintf(options.servers[0], sizeof options.servers[0], "%s", url);
	net_config_fini(&cfg);
	assert_int_equal(net_config_init(&cfg, &options), 0);
	cfg.keeper = getpid();
	cfg.root_fd = geteuid() == 0 ? net_root_new() : -1;
	restart_source();
	memset(&st, 0, sizeof st);
}

static void file_is_a_server(void **state)
{
	char url[] = "file:///tmp/net_main_test.XXXXXX";
	char *path = url + strlen("file://");

	(void)state;
	close(mkstemp(path));
	use_file(path);
	use_url(url);
	net_open_start(&cfg);
	/* In a keeper nobody waits for it. */
	for (; cfg.files[0].fd < 0; usleep(1000))
		net_open_take(&cfg);
	unlink(path);
	fork_net();
	fetch(0, 4096);
	fetch(5, 900000);
	fetch(HTTPD_FILE_BYTES - 10, 4096);
	source_status(s, &st);
	assert_int_equal(st.file_bytes, HTTPD_FILE_BYTES);
	assert_int_equal(st.servers[0].n_errors, 0);
	assert_int_equal(atomic_load(&httpd.shared->n_requests), 0);
}

/* The keeper has one end of this pair's, who is to open the file the other. */
static int file_that_is_being_opened(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	use_url("file:///it/hangs");
	cfg.files[0].opening_fd = pair[0];
	return pair[1];
}

/* Its filesystem hangs: it is a server that does not answer, and when it comes it is the file. */
static void file_that_opens_late(void **state)
{
	const struct {
		char why[sizeof cfg.files[0].why];
	} opened = {""};
	char path[] = "/tmp/net_main_test.XXXXXX";
	const int sock = file_that_is_being_opened();
	uint32_t n;

	(void)state;
	options.timeout_ms = 100;
	fork_net();
	submit(1, 5, 4096, SOURCE_DEMAND);
	for (unsigned i = 0; i < 100 && st.servers[0].n_errors < 2; i++) {
		assert_false(finish(1, 5, 100, &n));
		source_status(s, &st);
	}
	assert_string_equal(st.servers[0].last_error,
			    "the file has not been opened for 100 ms");
	/* It comes to a network process that waits, and to each one after it. */
	const int fd = mkstemp(path);
	use_file(path);
	unlink(path);
	kill_net();
	fork_net();
	assert_int_equal(passfd_send(sock, &opened, sizeof opened, fd), 0);
	close(sock);
	close(fd);
	assert_true(finish(1, 5, 5000, &n));
	kill_net();
	fork_net();
	fetch(HTTPD_FILE_BYTES - 10, 4096);
	kill_net();
	net_open_take(&cfg);
	assert_true(cfg.files[0].fd >= 0 && cfg.files[0].opening_fd < 0);
	fork_net();
	fetch(4096, 4096);
}

static void fails_to_open(const char *url, const char *why)
{
	uint32_t n;

	use_url(url);
	net_open_start(&cfg);
	fork_net();
	submit(1, 0, 4096, SOURCE_DEMAND);
	for (unsigned i = 0; i < 100 && !st.servers[0].n_errors; i++) {
		assert_false(finish(1, 0, 50, &n));
		source_status(s, &st);
	}
	assert_string_equal(st.servers[0].last_error, why);
	source_release(s, 1);
	kill_net();
}

static void file_that_does_not_open(void **state)
{
	(void)state;
	fails_to_open("file:///does/not/exist",
		      "it cannot be opened: No such file or directory");
	fails_to_open("file:///dev",
		      "it cannot be opened: neither a file nor a block device");
}

static void hung_process_is_replaced(void **state)
{
	uint32_t n;

	(void)state;
	kill_net();
	struct transport *t;
	source_free(s);
	assert_int_equal(source_net_new(ch, &ops, NULL, &t), 0);
	assert_int_equal(source_failover_new(&options, t, NULL, &s), 0);
	fork_net();
	fetch(0, 4096);
	kill(net_pid, SIGSTOP);
	submit(100, 5000, 200000, SOURCE_DEMAND);
	assert_true(finish(100, 5000, 10 * HUNG_MS, &n));
	source_status(s, &st);
	/* On a busy machine the next one may seem to hang, too. */
	assert_in_range(st.n_net_restarts, 1, 3);
	assert_int_equal(st.servers[0].n_errors, 0);
	/* A server that is silent for longer is no reason. */
	options.timeout_ms = 3 * HUNG_MS;
	kill_net();
	fork_net();
	httpd_misbehave(&httpd, HTTPD_STALL, 1);
	submit(101, 5000, 200000, SOURCE_DEMAND);
	assert_true(finish(101, 5000, 20 * HUNG_MS, &n));
	source_status(s, &st);
	assert_int_equal(st.n_net_restarts, 2);
	assert_int_equal(st.servers[0].n_errors, 1);
}

static void stop_and_continue(void **state)
{
	(void)state;
	kill(net_pid, SIGSTOP);
	submit(1, 0, 4096, SOURCE_HOT);
	usleep(50000);
	kill(net_pid, SIGCONT);
	fetch(4096, 100000);
}

static bool status_has(const char *line)
{
	char path[64], text[8192] = "";

	snprintf(path, sizeof path, "/proc/%d/status", (int)net_pid);
	cleanup_file FILE *f = fopen(path, "re");
	assert_non_null(f);
	assert_true(fread(text, 1, sizeof text - 1, f) > 0);
	return strstr(text, line) != NULL;
}

static int setup_sandbox(void **state)
{
	(void)state;
	int r = setup_host("localhost");
	if (r < 0)
		return r;
	cfg.root_fd = net_root_new();
	if (cfg.root_fd >= 0)
		fork_net();
	return 0;
}

static void sandboxed_process_works(void **state)
{
	(void)state;
	if (cfg.root_fd < 0) {
		print_message("no private root: %s\n", strerror(-cfg.root_fd));
		skip();
	}
	fetch(0, 300000);
	assert_true(status_has("Uid:\t65525\t65525\t65525\t65525"));
	assert_true(status_has("Gid:\t65525\t65525\t65525\t65525"));
	assert_true(status_has("CapPrm:\t0000000000000000"));
	assert_true(status_has("CapBnd:\t0000000000000000"));
	assert_true(status_has("NoNewPrivs:\t1"));
	assert_true(!cfg.has_filter || status_has("Seccomp:\t2"));
	kill_net();
	fork_net();
	fetch(1000, 300000);
}

/*
 * A name server at 127.0.0.1 + n that takes questions and never answers; -1: not privileged enough
 * for one.
 */
static int silent_name_server_at(unsigned n)
{
	const struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons(53),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + n),
	};
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (bind(fd, (const struct sockaddr *)&a, sizeof a) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Says 127.0.0.1 of every name; RFC 1035, section 4.  Until it is killed. */
static void answer_names(int fd)
{
	static const uint8_t answer[] = {0xc0, 12, 0, 1, 0,   1, 0, 0,
					 0,    60, 0, 4, 127, 0, 0, 1};
	uint8_t msg[512];

	for (;;) {
		struct sockaddr_in from;
		socklen_t n_from = sizeof from;
		const ssize_t got = recvfrom(fd, msg, sizeof msg - sizeof answer, 0,
					     (struct sockaddr *)&from, &n_from);
		size_t end = 12;

		if (got < (ssize_t)end + 5)
			continue;
		while (end < (size_t)got && msg[end])
			end += msg[end] + 1u;
		end += 5;
		if (end > (size_t)got)
			continue;
		const bool is_a = msg[end - 3] == 1;
		msg[2] = 0x81, msg[3] = 0x80;
		memset(msg + 6, 0, 6);
		msg[7] = is_a;
		memcpy(msg + end, answer, sizeof answer);
		sendto(fd, msg, end + (is_a ? sizeof answer : 0), 0,
		       (struct sockaddr *)&from, n_from);
	}
}

static pid_t fork_name_server(int fd)
{
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		answer_names(fd);
	}
	return pid;
}

static void use_name_server(const char *line)
{
	const int fd =
		openat(cfg.root_fd, "etc/resolv.conf", O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, line, strlen(line)), strlen(line));
	close(fd);
}

static int silent_name_server(void)
{
	return silent_name_server_at(52);
}

static int setup_silent(void **state)
{
	(void)state;
	int r = setup_host("127.0.0.1");
	if (r < 0)
		return r;
	cfg.root_fd = net_root_new();
	return 0;
}

static void silent_name_server_stops_nobody_else(void **state)
{
	(void)state;
	cleanup_fd int fd = silent_name_server();
	if (fd < 0 || cfg.root_fd < 0)
		skip();
	use_name_server("nameserver 127.0.0.53\n");
	memcpy(options.servers[1], options.servers[0], sizeof options.servers[1]);
	snprintf(options.servers[0], sizeof options.servers[0],
		 "http://silent.invalid/i.img");
	options.n_servers = 2;
	cfg.urls[1] = options.servers[1];
	options.connect_timeout_ms = 200;
	restart_source();
	fork_net();
	fetch(0, 4096);
	source_status(s, &st);
	assert_string_equal(st.servers[0].last_error,
			    "the name was not resolved within 200 ms");
	assert_int_equal(st.servers[1].state, SERVER_OK);
}

/* Servers that came after the fork are known to this process and to the one after it. */
static void servers_are_added_while_it_runs(void **state)
{
	char url[2][OPTIONS_URL_BYTES];
	const char *const urls[] = {url[0], url[1]};

	(void)state;
	memset(url, 0, sizeof url);
	memcpy(url[1], options.servers[0], sizeof url[1]);
	/* Longer than a message. */
	snprintf(url[0], sizeof url[0], "http://127.0.0.1:%u/%0900u.img", httpd.port, 7u);
	fetch(0, 4096);
	source_set_servers(s, urls, 2);
	source_status(s, &st);
	assert_int_equal(st.n_servers, 2);
	fetch(8192, 4096);
	assert_int_equal(strlen(httpd.shared->path), sizeof httpd.shared->path - 1);
	source_set_servers(s, urls + 1, 1);
	fetch(16384, 4096);
	assert_string_equal(httpd.shared->path, "/i.img");
	source_set_servers(s, urls, 1);
	fetch(16384, 4096);
	kill_net();
	fork_net();
	fetch(0, 4096);
	assert_int_equal(strlen(httpd.shared->path), sizeof httpd.shared->path - 1);
	source_status(s, &st);
	assert_int_equal(st.n_servers, 1);
	assert_int_equal(st.servers[0].state, SERVER_OK);
	assert_int_equal(st.servers[0].n_errors, 0);
}

static void put_system_file(const char *folder, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof path, "%s/etc/%s", folder, name);
	cleanup_file FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
}

/* A system's root with an empty /etc, in a folder of its own: its fd. */
static int make_system(char folder[])
{
	char path[64];

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/etc", folder);
	assert_int_equal(mkdir(path, 0755), 0);
	return open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void remove_system(const char *folder)
{
	static const char *const paths[] = {"/etc/hosts", "/etc/resolv.conf", "/etc", ""};
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		snprintf(path, sizeof path, "%s%s", folder, paths[i]);
		(void)!remove(path);
	}
}

/* What a system's resolver files say is taken over; a resolv.conf without servers is not. */
static void names_follow_the_system(void **state)
{
	char folder[] = "/tmp/net_main_test.XXXXXX";

	(void)state;
	if (cfg.root_fd < 0)
		skip();
	cleanup_fd int system_fd = make_system(folder);
	put_system_file(folder, "hosts", "127.0.0.77 image.test\n");
	put_system_file(folder, "resolv.conf", "nameserver 127.0.0.53\n");
	assert_int_equal(net_root_update(cfg.root_fd, system_fd), 2);
	snprintf(options.servers[0], sizeof options.servers[0],
		 "http://image.test:%u/i.img", httpd.port);
	restart_source();
	fork_net();
	submit(1, 0, 4096, SOURCE_DEMAND);
	uint32_t n;
	assert_false(finish(1, 0, 200, &n));
	put_system_file(folder, "hosts", "127.0.0.1 image.test\n");
	put_system_file(folder, "resolv.conf", "# none yet\n");
	assert_int_equal(net_root_update(cfg.root_fd, system_fd), 1);
	assert_int_equal(net_root_update(cfg.root_fd, system_fd), 0);
	assert_true(finish(1, 0, 3000, &n));
	source_status(s, &st);
	assert_string_equal(st.servers[0].address, "127.0.0.1");
	remove_system(folder);
}

/* Another network, another name server, while a request waits for the old one. */
static void name_servers_follow_the_system(void **state)
{
	char folder[] = "/tmp/net_main_test.XXXXXX";
	uint32_t n;

	(void)state;
	cleanup_fd int silent = silent_name_server();
	cleanup_fd int good = silent_name_server_at(53);
	if (silent < 0 || good < 0 || cfg.root_fd < 0)
		skip();
	const pid_t pid = fork_name_server(good);
	cleanup_fd int system_fd = make_system(folder);
	use_name_server("nameserver 127.0.0.53\n");
	snprintf(options.servers[0], sizeof options.servers[0],
		 "http://image.example:%u/i.img", httpd.port);
	options.connect_timeout_ms = 300;
	restart_source();
	fork_net();
	submit(1, 0, 4096, SOURCE_DEMAND);
	assert_false(finish(1, 0, 500, &n));
	put_system_file(folder, "resolv.conf", "nameserver 127.0.0.54\n");
	assert_int_equal(net_root_update(cfg.root_fd, system_fd), 1);
	assert_true(finish(1, 0, 10000, &n));
	source_status(s, &st);
	assert_string_equal(st.servers[0].address, "127.0.0.1");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	remove_system(folder);
}

static void use_hosts(const char *text)
{
	const int fd = openat(cfg.root_fd, "etc/hosts", O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void use_image_test(const char *hosts)
{
	if (cfg.root_fd < 0)
		skip();
	use_hosts(hosts);
	snprintf(options.servers[0], sizeof options.servers[0],
		 "http://image.test:%u/i.img", httpd.port);
}

static void only_address_of_a_name_is_tried_again(void **state)
{
	(void)state;
	use_image_test("127.0.0.1 image.test\n");
	restart_source();
	fork_net();
	goes_deaf_and_comes_back();
}

/* The name's server answers, but no longer with the file, which has moved to another address. */
static void name_is_looked_up_again(void **state)
{
	struct httpd other;

	(void)state;
	use_image_test("127.0.0.1 image.test\n");
	cfg.lookup_age_ms = 200;
	restart_source();
	fork_net();
	fetch(0, 4096);
	assert_int_equal(httpd_start_at(&other, INADDR_LOOPBACK + 80, httpd.port), 0);
	use_hosts("127.0.0.81 image.test\n");
	httpd_misbehave(&httpd, HTTPD_HTML, 1000);
	submit(1, 4096, 4096, SOURCE_DEMAND);
	uint32_t n;
	assert_true(finish(1, 4096, 10000, &n));
	source_status(s, &st);
	assert_string_equal(st.servers[0].address, "127.0.0.81");
	httpd_stop(&other);
}

/* Name server and server are one machine, which was away: the last address is gone on with. */
static void silent_name_server_and_a_server_that_returns(void **state)
{
	uint32_t n;

	(void)state;
	cleanup_fd int fd = silent_name_server();
	if (fd < 0)
		skip();
	use_name_server("nameserver 127.0.0.53\n");
	use_image_test("127.0.0.1 image.test\n");
	options.connect_timeout_ms = 30000;
	restart_source();
	fork_net();
	fetch(0, 4096);
	use_hosts("");
	httpd_kill(&httpd);
	submit(1, 4096, 4096, SOURCE_DEMAND);
	/* Until it asks for the name; that it would do for ten seconds and more. */
	for (unsigned i = 0; i < 200 && recv(fd, &n, sizeof n, MSG_DONTWAIT) < 0; i++)
		assert_false(finish(1, 4096, 50, &n));
	source_status(s, &st);
	assert_true(st.servers[0].n_errors > 0);
	assert_int_equal(httpd_restart(&httpd), 0);
	assert_true(finish(1, 4096, 8000, &n));
}

/* One that is refused, one that answers badly: the name's other address has the file. */
static void next_address_when_one_fails(void **state)
{
	struct httpd other;

	(void)state;
	use_image_test("127.0.0.78 image.test\n127.0.0.79 image.test\n"
		       "127.0.0.1 image.test\n");
	assert_int_equal(httpd_start_at(&other, INADDR_LOOPBACK + 78, httpd.port), 0);
	restart_source();
	fork_net();
	/* Whichever comes first of the two that listen, it is passed over after this. */
	httpd_misbehave(&other, HTTPD_HTML, 1);
	httpd_misbehave(&httpd, HTTPD_HTML, 1);
	submit(1, 0, 4096, SOURCE_DEMAND);
	uint32_t n;
	assert_true(finish(1, 0, 20000, &n));
	source_status(s, &st);
	assert_int_equal(st.servers[0].n_errors, 2);
	assert_int_equal(atomic_load(&other.shared->n_bad) > 0, 0);
	assert_int_equal(atomic_load(&httpd.shared->n_bad) > 0, 0);
	httpd_stop(&other);
}

static void orphan_ends(void **state)
{
	int fds[2];

	(void)state;
	/* The writing end is in the middle process and nowhere else once it has gone. */
	assert_int_equal(pipe(fds), 0);
	kill_net();
	const pid_t middle = fork();
	if (middle == 0) {
		cfg.keeper = getpid();
		fork_net();
		dprintf(fds[1], "%d\n", (int)net_pid);
		usleep(20000);
		_exit(0);
	}
	close(fds[1]);
	assert_int_equal(waitpid(middle, NULL, 0), middle);
	char text[32] = "";
	assert_true(read(fds[0], text, sizeof text - 1) > 0);
	close(fds[0]);
	const pid_t orphan = (pid_t)strtol(text, NULL, 10);
	for (unsigned i = 0; i < 100 && kill(orphan, 0) == 0; i++) {
		char path[64], stat[256] = "";

		snprintf(path, sizeof path, "/proc/%d/stat", (int)orphan);
		cleanup_file FILE *f = fopen(path, "re");
		if (!f || !fgets(stat, sizeof stat, f) || strstr(stat, ") Z "))
			return;
		usleep(10000);
	}
	assert_int_not_equal(kill(orphan, 0), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fetches_over_one_connection),
		TEST(requests_run_in_parallel),
		TEST(killed_process_loses_nothing),
		TEST(submitted_while_there_is_none),
		TEST(whole_file_is_not_a_range),
		TEST(other_etag_is_refused),
		TEST(wrong_range_is_not_data),
		TEST(short_body_goes_on_behind_it),
		TEST(stall_is_given_up),
		TEST(trickle_is_given_up),
		TEST(page_is_not_data),
		TEST(redirect_is_followed),
		TEST(retry_after_is_waited_for),
		TEST(refused_connection_is_named),
		TEST(only_address_is_tried_again),
		TEST(probe_gives_up_early),
		TEST(fill_stands_still_for_demand),
		TEST(stop_and_continue),
		TEST(whole_file_is_read_in_one_go),
		TEST(whole_file_of_unknown_length),
		TEST(whole_file_after_all),
		TEST(released_stream_goes_on),
		TEST(servers_are_added_while_it_runs),
		TEST(portals_are_named),
		TEST(portal_elsewhere_is_named),
		TEST(too_many_requests_are_waited_for),
		TEST(secrets_go_to_their_host_only),
		TEST(s3_requests_are_signed),
		TEST(hung_process_is_replaced),
		cmocka_unit_test_setup_teardown(file_is_a_server, setup_silent, teardown),
		cmocka_unit_test_setup_teardown(file_that_opens_late, setup_silent,
						teardown),
		cmocka_unit_test_setup_teardown(file_that_does_not_open, setup_silent,
						teardown),
		cmocka_unit_test_setup_teardown(names_follow_the_system, setup_silent,
						teardown),
		cmocka_unit_test_setup_teardown(name_servers_follow_the_system,
						setup_silent, teardown),
		cmocka_unit_test_setup_teardown(next_address_when_one_fails, setup_silent,
						teardown),
		cmocka_unit_test_setup_teardown(name_is_looked_up_again, setup_silent,
						teardown),
		cmocka_unit_test_setup_teardown(
			silent_name_server_and_a_server_that_returns, setup_silent,
			teardown),
		cmocka_unit_test_setup_teardown(only_address_of_a_name_is_tried_again,
						setup_silent, teardown),
		TEST(orphan_ends),
		cmocka_unit_test_setup_teardown(silent_name_server_stops_nobody_else,
						setup_silent, teardown),
		cmocka_unit_test_setup_teardown(sandboxed_process_works, setup_sandbox,
						teardown),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
