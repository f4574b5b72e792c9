/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_file_test.c - files whose reads return when the test says so, which may be too late
 *
 * The test is the network process's loop, with one slot, and pread() is the test's: no clock
 * decides what happens first.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/lock.h"
#include "source/net_file.h"

#define FILE_BYTES (1024u * 1024)
#define TIMEOUT_MS 2000
/* Only a failure takes so long. */
#define PATIENCE_MS 20000

/* The read under way: the thread's until it has begun, then the test's until it returns. */
static struct {
	struct lock lock;
	pthread_cond_t changed;
	bool has_begun, may_return;
	off_t off;
	int err;
} read_;

static struct options options;
static struct net_config cfg;
static CURLM *multi;
static struct net_xfer x;
static uint8_t buffer[FILE_BYTES];
static struct httpcheck_verdict outcome;

static uint8_t byte_at(uint64_t off)
{
	return (uint8_t)(off * 7 + off / 4096);
}

ssize_t pread(int fd, void *data, size_t n_bytes, off_t off)
{
	uint8_t *bytes = data;

	(void)fd;
	lock_acquire(&read_.lock);
	read_.off = off;
	read_.has_begun = true;
	PTHREAD_OK(pthread_cond_signal(&read_.changed));
	while (!read_.may_return)
		cond_wait(&read_.changed, &read_.lock);
	read_.may_return = read_.has_begun = false;
	const int err = read_.err;
	lock_release(&read_.lock);
	for (size_t i = 0; i < n_bytes; i++)
		bytes[i] = byte_at((uint64_t)off + i);
	errno = err;
	return err ? -1 : (ssize_t)n_bytes;
}

/* The file is asked for what begins at `off`, and nothing has come. */
static void is_read_at(off_t off)
{
	lock_acquire(&read_.lock);
	while (!read_.has_begun)
		cond_wait(&read_.changed, &read_.lock);
	assert_int_equal(read_.off, off);
	lock_release(&read_.lock);
}

/* The read returns, and the loop is woken. */
static void returns(int err)
{
	int n_fds = 0;

	lock_acquire(&read_.lock);
	read_.err = err;
	read_.may_return = true;
	PTHREAD_OK(pthread_cond_signal(&read_.changed));
	lock_release(&read_.lock);
	while (net_file_deadline(&x) != 0)
		assert_int_equal(curl_multi_poll(multi, NULL, 0, PATIENCE_MS, &n_fds),
				 CURLM_OK);
}

static int setup(void **state)
{
	(void)state;
	memset(&read_, 0, sizeof read_);
	lock_init(&read_.lock);
	cond_init(&read_.changed);
	options.timeout_ms = TIMEOUT_MS;
	cfg = (struct net_config){.o = &options, .urls = {"file:///a", "file:///b"}};
	for (unsigned i = 0; i < NET_FILES; i++)
		cfg.files[i] = NET_FILE_NONE;
	multi = curl_multi_init();
	const int fd = memfd_create("image", MFD_CLOEXEC);
	if (!multi || fd < 0 || ftruncate(fd, FILE_BYTES) < 0)
		return -1;
	for (unsigned i = 0; i < 2; i++)
		cfg.files[net_file_number(i, false)].fd = fd;
	memset(buffer, 0, sizeof buffer);
	const int r = net_xfer_init(&x, &cfg);
	x.slot_buffer = buffer;
	return r;
}

static int teardown(void **state)
{
	(void)state;
	net_file_fini(&x);
	net_xfer_fini(&x);
	curl_multi_cleanup(multi);
	close(cfg.files[0].fd);
	return 0;
}

static void begin_with(unsigned server, uint64_t src_off, uint32_t n_bytes,
		       uint32_t probe_ms)
{
	const struct channel_msg rq = {
		.probe_ms = probe_ms,
		.kind = CHANNEL_REQUEST,
		.server = server,
		.src_off = src_off,
		.n_bytes = n_bytes,
	};

	assert_true(net_file_begin(&x, multi, &rq, &outcome));
	x.is_active = true;
}

static void begin(unsigned server, uint64_t src_off, uint32_t n_bytes)
{
	begin_with(server, src_off, n_bytes, 0);
}

/* After so long, and not before. */
static void is_late_after(int64_t limit_ms, const char *text)
{
	const int64_t due_ms = net_file_deadline(&x);

	assert_int_equal(due_ms, x.asked_ms + limit_ms);
	assert_false(net_file_is_late(&x, due_ms - 1, &outcome));
	assert_true(net_file_is_late(&x, due_ms, &outcome));
	assert_int_equal(outcome.fault, TRANSPORT_AWAY);
	assert_string_equal(outcome.text, text);
	x.is_active = false;
}

static void is_given_up(void)
{
	is_late_after(TIMEOUT_MS, "no byte of the file for 2000 ms");
}

static void ends_with(uint64_t src_off, uint32_t n_bytes)
{
	assert_true(net_file_turn(&x, &outcome));
	assert_int_equal(outcome.fault, TRANSPORT_FAULT_NONE);
	assert_int_equal(x.n_have, n_bytes);
	for (uint32_t i = 0; i < n_bytes; i++)
		assert_int_equal(buffer[i], byte_at(src_off + i));
}

static void has_nothing(void)
{
	assert_int_equal(x.n_have, 0);
	for (uint32_t i = 0; i < sizeof buffer; i++)
		assert_int_equal(buffer[i], 0);
}

static void pieces_of_a_file(void **state)
{
	(void)state;
	begin(0, 5000, 400000);
	assert_false(net_file_turn(&x, &outcome));
	is_read_at(5000);
	returns(0);
	assert_false(net_file_turn(&x, &outcome));
	is_read_at(5000 + 256 * 1024);
	returns(0);
	ends_with(5000, 400000);
}

/* Of 4096 bytes at 0, which return when the test says so. */
static void give_up_a_read(void)
{
	begin(0, 0, 4096);
	assert_false(net_file_turn(&x, &outcome));
	is_read_at(0);
	is_given_up();
}

/* The next request is there when the read of the one before it returns. */
static void late_bytes_are_nobodys(void **state)
{
	(void)state;
	give_up_a_read();
	begin(1, 65536, 8192);
	assert_false(net_file_turn(&x, &outcome));
	returns(0);
	assert_false(net_file_turn(&x, &outcome));
	has_nothing();
	is_read_at(65536);
	returns(0);
	ends_with(65536, 8192);
}

/* It returns before there is another. */
static void late_bytes_without_a_request(void **state)
{
	(void)state;
	give_up_a_read();
	returns(0);
	begin(0, 65536, 4096);
	assert_false(net_file_turn(&x, &outcome));
	has_nothing();
	is_read_at(65536);
	returns(0);
	ends_with(65536, 4096);
}

static void late_error_is_nobodys(void **state)
{
	(void)state;
	give_up_a_read();
	begin(1, 65536, 4096);
	returns(EIO);
	assert_false(net_file_turn(&x, &outcome));
	is_read_at(65536);
	returns(0);
	ends_with(65536, 4096);
}

/* A second one is given up before the first has returned, and a third comes. */
static void late_by_two_requests(void **state)
{
	(void)state;
	give_up_a_read();
	begin(1, 65536, 4096);
	assert_false(net_file_turn(&x, &outcome));
	is_given_up();
	begin(0, 8192, 4096);
	returns(0);
	assert_false(net_file_turn(&x, &outcome));
	has_nothing();
	is_read_at(8192);
	returns(0);
	ends_with(8192, 4096);
}

/* An error of its own is one. */
static void own_error(void **state)
{
	(void)state;
	begin(0, 0, 4096);
	assert_false(net_file_turn(&x, &outcome));
	is_read_at(0);
	returns(EIO);
	assert_true(net_file_turn(&x, &outcome));
	assert_int_equal(outcome.fault, TRANSPORT_AWAY);
	assert_string_equal(outcome.text, strerror(EIO));
}

/* Given up like a read, and begun when it has been opened. */
static void not_opened_yet(void **state)
{
	const struct net_file file = cfg.files[0];

	(void)state;
	cfg.files[0] = (struct net_file){.fd = -1, .opening_fd = 0};
	begin(0, 0, 4096);
	assert_false(net_file_turn(&x, &outcome));
	is_late_after(TIMEOUT_MS, "the file has not been opened for 2000 ms");
	begin_with(0, 4096, 4096, 700);
	assert_false(net_file_turn(&x, &outcome));
	is_late_after(700, "the file has not been opened for 700 ms");
	begin_with(0, 4096, 4096, 700);
	assert_false(net_file_turn(&x, &outcome));
	cfg.files[0] = file;
	assert_int_equal(net_file_deadline(&x), 0);
	assert_false(net_file_turn(&x, &outcome));
	is_read_at(4096);
	/* A read has the usual time: begun again it would bring nothing sooner. */
	assert_int_equal(net_file_deadline(&x), x.asked_ms + TIMEOUT_MS);
	returns(0);
	ends_with(4096, 4096);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(pieces_of_a_file),
		T(late_bytes_are_nobodys),
		T(late_bytes_without_a_request),
		T(late_error_is_nobodys),
		T(late_by_two_requests),
		T(own_error),
		T(not_opened_yet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
