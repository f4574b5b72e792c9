/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_failover_test.c - retries, failover, backoff, identity and room, on a clock of our own
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/source_failover.h"
#include "tests/fakes/transport_fault.h"

#define FILE_BYTES 300000u

static uint8_t file[FILE_BYTES];
static struct options options;
static struct transport_fake *t;
static struct source *s;
static struct source_status st;

static void make(unsigned n_servers, unsigned connections)
{
	const struct source_failover_clock clock = {.now_ms = transport_fault_now,
						    .seed = 42};
	struct source_failover_clock with_ctx = clock;

	memset(&options, 0, sizeof options);
	options.n_servers = n_servers;
	options.connections = connections;
	for (unsigned i = 0; i < n_servers; i++)
		snprintf(options.servers[i], sizeof options.servers[i],
			 "http://user:secret@s%u/i.img?key=secret", i);
	t = transport_fault_new(file, sizeof file);
	assert_non_null(t);
	with_ctx.ctx = t;
	assert_int_equal(source_failover_new(&options, &t->base, &with_ctx, &s), 0);
}

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof file; i++)
		file[i] = (uint8_t)(i * 13 + i / 257);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	source_free(s);
	s = NULL;
	return 0;
}

static void submit_with(uint64_t id, uint64_t src_off, uint32_t n_bytes,
			enum source_class class, uint32_t avoid)
{
	const struct source_request rq = {
		.id = id,
		.src_off = src_off,
		.n_bytes = n_bytes,
		.class = class,
		.avoid = avoid,
	};
	assert_int_equal(source_submit(s, &rq), 0);
}

static void submit(uint64_t id, uint64_t src_off, uint32_t n_bytes)
{
	submit_with(id, src_off, n_bytes, SOURCE_DEMAND, 0);
}

/* Wait up to limit_ms for `id` to be done, checking that bytes never go backwards. */
static bool done_within(uint64_t id, uint64_t src_off, int64_t limit_ms,
			struct source_event *ret)
{
	const int64_t end_ms = t->now_ms + limit_ms;
	struct source_event ev[8];
	uint32_t n_told = 0;

	while (t->now_ms < end_ms) {
		const int n = source_wait(s, (int)(end_ms - t->now_ms), ev, 8);

		for (int i = 0; i < n; i++) {
			if (ev[i].id != id)
				continue;
			assert_true(ev[i].n_bytes >= n_told);
			n_told = ev[i].n_bytes;
			assert_memory_equal(ev[i].data, file + src_off, n_told);
			*ret = ev[i];
			if (ev[i].kind == SOURCE_DONE)
				return true;
		}
	}
	return false;
}

static void fetch(uint64_t id, uint64_t src_off, uint32_t n_bytes,
		  struct source_event *ret)
{
	submit(id, src_off, n_bytes);
	assert_true(done_within(id, src_off, 600000, ret));
	assert_int_equal(ret->n_bytes, n_bytes);
	source_release(s, id);
}

static void bytes_then_done(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 4);
	t->servers[0].step = 65536;
	submit(1, 4096, 100000);
	assert_int_equal(source_wait(s, -1, &ev, 1), 1);
	assert_int_equal(ev.kind, SOURCE_BYTES);
	assert_int_equal(ev.n_bytes, 65536);
	assert_int_equal(source_wait(s, -1, &ev, 1), 1);
	assert_int_equal(ev.kind, SOURCE_DONE);
	assert_memory_equal(ev.data, file + 4096, 100000);
	source_release(s, 1);
	source_status(s, &st);
	assert_int_equal(st.wire_bytes, 100000);
	assert_int_equal(st.file_bytes, FILE_BYTES);
	assert_int_equal(st.servers[0].state, SERVER_OK);
	assert_string_equal(st.servers[0].address, "127.0.0.1");
	assert_null(strstr(st.servers[0].url, "secret"));
}

static void next_server_continues_behind_the_bytes_there(void **state)
{
	struct source_event ev;

	(void)state;
	make(2, 4);
	t->servers[0].mode = FAKE_FAILS;
	t->servers[0].good_bytes = 70000;
	fetch(1, 1000, 100000, &ev);
	assert_int_equal(ev.server, 1);
	assert_int_equal(t->servers[1].last.src_off, 71000);
	assert_int_equal(t->servers[1].last.buf_off, 70000);
	assert_int_equal(t->servers[1].last.n_bytes, 30000);
	source_status(s, &st);
	assert_int_equal(st.servers[0].state, SERVER_FAILING);
	assert_int_equal(st.servers[0].n_errors, 1);
	assert_false(st.is_away);
}

static void outage_of_all_backs_off_and_recovers(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 4);
	t->servers[0].mode = FAKE_FAILS;
	for (uint64_t id = 1; id <= 4; id++)
		submit(id, id * 4096, 4096);
	assert_false(done_within(1, 4096, 600000, &ev));
	source_status(s, &st);
	assert_true(st.is_away);
	assert_in_range(st.servers[0].next_try_ms, 1, 500);
	assert_string_equal(st.servers[0].last_error, t->servers[0].text);
	/* Ten minutes at a mean of 250 ms; the four at the start are one failure. */
	assert_in_range(t->servers[0].n_submits, 2000, 2800);
	t->servers[0].mode = FAKE_ANSWERS;
	assert_true(done_within(1, 4096, 501, &ev));
	for (uint64_t id = 1; id <= 4; id++)
		source_release(s, id);
	assert_int_equal(t->n_active_max, 4);
}

/* Longest time between two attempts at a server, and all of them, until `end_ms`. */
static int64_t longest_pause(unsigned n_servers, int64_t end_ms)
{
	unsigned n_submits[SOURCE_SERVERS_MAX];
	int64_t last_ms[SOURCE_SERVERS_MAX], longest = 0;
	struct source_event ev;

	for (unsigned i = 0; i < n_servers; i++) {
		n_submits[i] = t->servers[i].n_submits;
		last_ms[i] = t->now_ms;
	}
	while (t->now_ms < end_ms) {
		assert_int_equal(source_wait(s, 1, &ev, 1), 0);
		for (unsigned i = 0; i < n_servers; i++) {
			if (t->now_ms - last_ms[i] > longest)
				longest = t->now_ms - last_ms[i];
			if (t->servers[i].n_submits != n_submits[i])
				last_ms[i] = t->now_ms;
			n_submits[i] = t->servers[i].n_submits;
		}
	}
	return longest;
}

/*
 * The servers' hosts are away for five minutes, so that every packet is lost, and reads wait.  When
 * one comes back, whichever and whenever, all reads go on within 2 s.
 */
static void outage_of_hosts(unsigned n_servers, unsigned n_reads)
{
	struct source_event ev[8];

	make(n_servers, 4);
	for (unsigned i = 0; i < n_servers; i++)
		t->servers[i].mode = FAKE_DEAF;
	for (uint64_t id = 1; id <= n_reads; id++)
		submit(id, id * 4096, 4096);
	/* The first attempts have the time of any connection. */
	(void)longest_pause(n_servers, t->now_ms + 30000);
	assert_in_range(longest_pause(n_servers, t->now_ms + 300000), 1, 2000);
	for (unsigned k = 0; k < 60; k++) {
		const unsigned back = k % n_servers;
		(void)longest_pause(n_servers, t->now_ms + 10000 + 37 * k);
		const int64_t start_ms = t->now_ms;
		unsigned n_done = 0;

		t->servers[back].mode = FAKE_ANSWERS;
		while (n_done < n_reads && t->now_ms - start_ms < 10000) {
			const int n = source_wait(s, 100, ev, 8);

			for (int i = 0; i < n; i++)
				n_done += ev[i].kind == SOURCE_DONE;
		}
		assert_int_equal(n_done, n_reads);
		assert_in_range(t->now_ms - start_ms, 0, 2000);
		t->servers[back].mode = FAKE_DEAF;
		for (uint64_t id = 1; id <= n_reads; id++) {
			source_release(s, id);
			submit(id, id * 4096, 4096);
		}
	}
}

static void outage_of_hosts_recovers(void **state)
{
	(void)state;
	outage_of_hosts(1, 4);
	source_free(s);
	outage_of_hosts(3, 4);
	source_free(s);
	outage_of_hosts(2, 1);
	source_free(s);
	outage_of_hosts(3, 1);
	source_free(s);
	outage_of_hosts(6, 2);
}

/* Nobody waits: the server is asked less often, until somebody does. */
static void outage_without_reads(void **state)
{
	struct source_event ev;
	unsigned n_before;

	(void)state;
	make(1, 4);
	t->servers[0].mode = FAKE_FAILS;
	submit_with(1, 4096, 4096, SOURCE_FILL, 0);
	assert_false(done_within(1, 4096, 600000, &ev));
	/* At a mean of 1 s. */
	assert_in_range(t->servers[0].n_submits, 400, 900);
	assert_true(t->servers[0].last.probe_ms > 0);
	n_before = t->servers[0].n_submits;
	submit(2, 8192, 4096);
	assert_false(done_within(2, 8192, 501, &ev));
	assert_true(t->servers[0].n_submits > n_before);
	t->servers[0].mode = FAKE_ANSWERS;
	assert_true(done_within(2, 8192, 501, &ev));
	submit(3, 16384, 4096);
	assert_true(done_within(3, 16384, 501, &ev));
	assert_false(t->servers[0].last.probe_ms > 0);
	for (uint64_t id = 1; id <= 3; id++)
		source_release(s, id);
}

static void half_open_sends_one_probe(void **state)
{
	struct source_event ev[8];

	(void)state;
	make(1, 4);
	t->servers[0].mode = FAKE_FAILS;
	for (uint64_t id = 1; id <= 4; id++)
		submit(id, id * 4096, 4096);
	source_wait(s, 0, ev, 8);
	assert_int_equal(t->servers[0].n_submits, 4);
	t->servers[0].mode = FAKE_HANGS;
	source_wait(s, 2000, ev, 8);
	source_wait(s, 2000, ev, 8);
	assert_int_equal(t->servers[0].n_submits, 5);
	t->servers[0].mode = FAKE_ANSWERS;
	assert_int_equal(source_wait(s, 2000, ev, 8), 1);
	assert_int_equal(source_wait(s, 2000, ev, 8), 3);
}

static void retry_after_is_kept(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 4);
	t->servers[0].mode = FAKE_FAILS;
	t->servers[0].retry_after_ms = 60000;
	submit(1, 0, 4096);
	assert_false(done_within(1, 0, 59000, &ev));
	assert_int_equal(t->servers[0].n_submits, 1);
	t->servers[0].mode = FAKE_ANSWERS;
	assert_true(done_within(1, 0, 2000, &ev));
}

static void fill_probes_the_preferred_server(void **state)
{
	struct source_event ev;

	(void)state;
	make(2, 4);
	t->servers[0].mode = FAKE_FAILS;
	fetch(1, 0, 4096, &ev);
	assert_int_equal(ev.server, 1);
	t->servers[0].mode = FAKE_ANSWERS;
	t->now_ms += 1000;
	/* Demand does not try what may fail while another works; after half a minute it does. */
	fetch(2, 0, 4096, &ev);
	assert_int_equal(ev.server, 1);
	submit_with(3, 0, 4096, SOURCE_FILL, 0);
	assert_true(done_within(3, 0, 1000, &ev));
	assert_int_equal(ev.server, 0);
	fetch(4, 0, 4096, &ev);
	assert_int_equal(ev.server, 0);
}

static void demand_probes_it_in_the_end(void **state)
{
	struct source_event ev;

	(void)state;
	make(2, 4);
	t->servers[0].mode = FAKE_FAILS;
	fetch(1, 0, 4096, &ev);
	t->servers[0].mode = FAKE_ANSWERS;
	t->now_ms += 31000;
	fetch(2, 0, 4096, &ev);
	assert_int_equal(ev.server, 0);
}

static void avoid_takes_another_server(void **state)
{
	struct source_event ev;

	(void)state;
	make(2, 4);
	source_reject(s, 0, 4096, "digest");
	submit_with(1, 4096, 4096, SOURCE_DEMAND, 1);
	assert_true(done_within(1, 4096, 10, &ev));
	assert_int_equal(ev.server, 1);
	source_status(s, &st);
	assert_int_equal(st.servers[0].n_errors, 1);
}

static void avoided_server_is_asked_again_after_a_while(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 4);
	for (unsigned i = 0; i < 8; i++)
		source_reject(s, 0, 4096, "digest");
	const int64_t start_ms = t->now_ms;
	submit_with(1, 4096, 4096, SOURCE_DEMAND, 1);
	assert_int_equal(t->servers[0].n_submits, 0);
	assert_true(done_within(1, 4096, 20000, &ev));
	assert_true(t->now_ms - start_ms >= 100);
}

static void another_length_is_refused(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 4);
	source_pin(s, FILE_BYTES, NULL);
	t->servers[0].file_bytes = FILE_BYTES + 1;
	submit(1, 0, 4096);
	assert_false(done_within(1, 0, 29000, &ev));
	assert_int_equal(t->servers[0].n_submits, 1);
	assert_int_equal(t->servers[0].last.file_bytes, FILE_BYTES);
	source_status(s, &st);
	assert_int_equal(st.servers[0].state, SERVER_REFUSED);
	assert_true(st.is_away);
	t->servers[0].file_bytes = FILE_BYTES;
	assert_true(done_within(1, 0, 2000, &ev));
	source_status(s, &st);
	assert_int_equal(st.servers[0].state, SERVER_OK);
}

static void pin_refuses_who_said_another_length(void **state)
{
	struct source_event ev;

	(void)state;
	make(2, 4);
	t->servers[0].file_bytes = FILE_BYTES + 1;
	fetch(1, 0, 4096, &ev);
	source_pin(s, FILE_BYTES, NULL);
	fetch(2, 0, 4096, &ev);
	assert_int_equal(ev.server, 1);
}

static void another_etag_is_refused(void **state)
{
	struct source_event ev;

	(void)state;
	make(2, 4);
	fetch(1, 0, 4096, &ev);
	t->servers[0].etag = "W/\"e\"";
	fetch(2, 0, 4096, &ev);
	assert_int_equal(ev.server, 0);
	assert_string_equal(t->servers[0].last.etag, "\"e\"");
	t->servers[0].etag = "\"f\"";
	fetch(3, 0, 4096, &ev);
	assert_int_equal(ev.server, 1);
	source_status(s, &st);
	assert_int_equal(st.servers[0].state, SERVER_REFUSED);
}

static const uint8_t digest[IMG_DIGEST_BYTES] = {0xab, 0xcd};

static void goes_on_by_digest_when_the_name_moved_on(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 4);
	t->servers[0].has_by_digest = true;
	fetch(1, 0, 4096, &ev);
	source_pin(s, FILE_BYTES, digest);
	t->servers[0].file_bytes = FILE_BYTES - 4096;
	t->servers[0].etag = "\"f\"";
	fetch(2, 4096, 4096, &ev);
	assert_true(t->servers[0].last.is_by_digest);
	assert_memory_equal(t->servers[0].last.digest, digest, sizeof digest);
	source_status(s, &st);
	assert_int_equal(st.servers[0].state, SERVER_OK);
	assert_non_null(strstr(st.servers[0].last_error, "replaced"));
	/* There the ETag may change: the name is the content. */
	t->servers[0].etag = "\"g\"";
	fetch(3, 8192, 4096, &ev);
	assert_string_equal(t->servers[0].last.etag, "");
	assert_int_equal(t->servers[0].n_submits, 4);
}

static void goes_on_by_digest_at_once_with_all_requests(void **state)
{
	struct source_event ev;
	int64_t start_ms;

	(void)state;
	make(1, 4);
	t->servers[0].has_by_digest = true;
	fetch(1, 0, 4096, &ev);
	source_pin(s, FILE_BYTES, digest);
	t->servers[0].is_gone = true;
	start_ms = t->now_ms;
	for (uint64_t id = 2; id < 6; id++)
		submit(id, id * 4096, 4096);
	for (uint64_t id = 2; id < 6; id++)
		source_wait(s, 1, &ev, 1);
	assert_true(t->now_ms - start_ms < 100);
	assert_int_equal(t->servers[0].n_by_digest, 4);
	source_status(s, &st);
	assert_int_equal(st.servers[0].n_errors, 1);
}

/* Neither is there: both are tried again with backoff, the name first. */
static void gone_everywhere_is_tried_again(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 4);
	source_pin(s, FILE_BYTES, digest);
	t->servers[0].is_gone = true;
	submit(1, 0, 4096);
	assert_false(done_within(1, 0, 600000, &ev));
	assert_in_range(t->servers[0].n_submits, 800, 1800);
	assert_int_equal(t->servers[0].n_by_digest, t->servers[0].n_submits / 2);
	source_status(s, &st);
	assert_int_equal(st.servers[0].state, SERVER_FAILING);
	t->servers[0].is_gone = false;
	assert_true(done_within(1, 0, 2000, &ev));
	assert_false(t->servers[0].last.is_by_digest);
}

static void another_server_when_it_is_nowhere_here(void **state)
{
	struct source_event ev;

	(void)state;
	make(2, 4);
	source_pin(s, FILE_BYTES, digest);
	t->servers[0].file_bytes = FILE_BYTES + 1;
	fetch(1, 0, 4096, &ev);
	assert_int_equal(ev.server, 1);
	assert_false(t->servers[1].last.is_by_digest);
	assert_int_equal(t->servers[0].n_by_digest, 1);
}

/* What was under way to the old name says nothing about the new place. */
static void late_answers_of_the_name_do_not_count(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 4);
	t->servers[0].has_by_digest = true;
	source_pin(s, FILE_BYTES, digest);
	t->servers[0].file_bytes = FILE_BYTES + 1;
	t->servers[0].delay_ms = 50;
	submit(1, 0, 4096);
	t->servers[0].delay_ms = 500;
	submit(2, 4096, 4096);
	t->servers[0].delay_ms = 0;
	assert_true(done_within(1, 0, 100, &ev));
	assert_true(done_within(2, 4096, 1000, &ev));
	assert_int_equal(t->servers[0].n_by_digest, 2);
	source_status(s, &st);
	assert_int_equal(st.servers[0].n_errors, 1);
	assert_int_equal(st.servers[0].state, SERVER_OK);
}

static void without_a_digest_nothing_moves(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 4);
	t->servers[0].has_by_digest = true;
	t->servers[0].is_gone = true;
	submit(1, 0, 4096);
	assert_false(done_within(1, 0, 10000, &ev));
	assert_int_equal(t->servers[0].n_by_digest, 0);
	assert_false(source_move_on(s, 0));
	source_pin(s, 0, digest);
	assert_true(source_move_on(s, 0));
	assert_false(source_move_on(s, 0));
	assert_true(done_within(1, 0, 1000, &ev));
}

static void server_without_ranges_is_named(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 4);
	t->servers[0].mode = FAKE_FAILS;
	t->servers[0].fault = TRANSPORT_NO_RANGES;
	submit(1, 0, 4096);
	assert_false(done_within(1, 0, 1000, &ev));
	source_status(s, &st);
	assert_int_equal(st.servers[0].state, SERVER_REFUSED);
	assert_true(st.servers[0].ignores_range);
}

static void restart_of_net_loses_nothing(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 4);
	t->is_restarting = true; /* the first one is no restart */
	t->servers[0].step = 10000;
	submit(1, 5000, 50000);
	assert_int_equal(source_wait(s, -1, &ev, 1), 1);
	assert_int_equal(ev.n_bytes, 10000);
	t->is_restarting = true;
	assert_true(done_within(1, 5000, 1000, &ev));
	source_status(s, &st);
	assert_int_equal(st.n_net_restarts, 1);
	assert_int_equal(st.servers[0].n_errors, 0);
	assert_int_equal(st.wire_bytes, 50000);
}

static void full_channel_is_tried_again(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 4);
	t->is_full = true;
	submit(1, 0, 4096);
	assert_int_equal(source_wait(s, 1000, &ev, 1), 0);
	t->is_full = false;
	assert_int_equal(source_wait(s, 100, &ev, 1), 1);
}

static void room_keeps_demand_free(void **state)
{
	struct source_event ev[4];

	(void)state;
	make(1, 4);
	t->servers[0].mode = FAKE_HANGS;
	assert_int_equal(source_room(s, SOURCE_FILL), 2);
	submit_with(1, 0, 4096, SOURCE_FILL, 0);
	submit_with(2, 0, 4096, SOURCE_FILL, 0);
	assert_int_equal(source_room(s, SOURCE_FILL), 0);
	assert_int_equal(source_room(s, SOURCE_HOT), 1);
	assert_int_equal(source_room(s, SOURCE_DEMAND), 4);
	submit(3, 0, 4096);
	assert_int_equal(source_room(s, SOURCE_DEMAND), 3);
	source_release(s, 1);
	assert_int_equal(source_room(s, SOURCE_FILL), 0);
	source_release(s, 3);
	assert_int_equal(source_room(s, SOURCE_FILL), 1);
	t->servers[0].mode = FAKE_FAILS;
	source_wait(s, 0, ev, 4);
	assert_int_equal(source_room(s, SOURCE_FILL), 0);
	assert_int_equal(source_room(s, SOURCE_HOT), 0);
	assert_int_equal(source_room(s, SOURCE_DEMAND), 4);
}

/*
 * The fill gives its connections up, before what is fetched ahead does, and gets them
 * when no read waits.
 */
static void demand_takes_all_connections(void **state)
{
	struct source_event ev[8];

	(void)state;
	make(1, 4);
	t->servers[0].mode = FAKE_HANGS;
	submit_with(1, 0, 4096, SOURCE_FILL, 0);
	submit_with(2, 4096, 4096, SOURCE_AHEAD, 0);
	submit_with(3, 8192, 4096, SOURCE_FILL, 0);
	submit(10, 20480, 4096);
	assert_int_equal(t->n_cancels, 0);
	submit(11, 24576, 4096);
	submit(12, 28672, 4096);
	assert_int_equal(t->n_cancels, 2);
	assert_int_equal(t->servers[0].n_submits, 6);
	/* Not yet: a read waits still. */
	source_release(s, 12);
	source_wait(s, 0, ev, 8);
	assert_int_equal(t->servers[0].n_submits, 6);
	submit(13, 28672, 4096);
	submit(14, 32768, 4096);
	assert_int_equal(t->n_cancels, 4); /* 12 was one */
	assert_int_equal(t->servers[0].n_submits, 8);
	assert_int_equal(source_room(s, SOURCE_DEMAND), 0);
	for (uint64_t id = 10; id <= 14; id++)
		source_release(s, id);
	source_wait(s, 0, ev, 8);
	assert_int_equal(t->servers[0].n_submits, 11);
	t->servers[0].mode = FAKE_ANSWERS;
}

/* The hot pack keeps its connections: it brings what reads want. */
static void hot_pack_keeps_its_connections(void **state)
{
	(void)state;
	make(1, 4);
	t->servers[0].mode = FAKE_HANGS;
	submit_with(1, 0, 4096, SOURCE_HOT, 0);
	submit_with(2, 4096, 4096, SOURCE_HOT, 0);
	assert_int_equal(source_room(s, SOURCE_DEMAND), 2);
	submit(3, 8192, 4096);
	submit(4, 12288, 4096);
	assert_int_equal(source_room(s, SOURCE_DEMAND), 0);
	assert_int_equal(t->n_cancels, 0);
}

static void one_connection_is_taken_from_the_fill(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 1);
	t->servers[0].delay_ms = 100;
	assert_int_equal(source_room(s, SOURCE_FILL), 1);
	submit_with(1, 0, 4096, SOURCE_FILL, 0);
	assert_int_equal(source_room(s, SOURCE_DEMAND), 1);
	submit(2, 8192, 4096);
	assert_int_equal(t->n_cancels, 1);
	assert_true(done_within(2, 8192, 150, &ev));
	assert_true(done_within(1, 0, 150, &ev));
	assert_int_equal(t->n_active_max, 1);
}

/* Nothing outstanding and no server: the caller is told when it is worth trying again. */
static void usable_again_ends_wait(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 4);
	t->servers[0].mode = FAKE_FAILS;
	submit(1, 0, 4096);
	assert_int_equal(source_wait(s, 0, &ev, 1), 0);
	source_release(s, 1);
	assert_int_equal(source_room(s, SOURCE_FILL), 0);
	assert_int_equal(source_wait(s, 100000, &ev, 1), 0);
	assert_true(t->now_ms < 2000);
	assert_int_not_equal(source_room(s, SOURCE_FILL), 0);
	const int64_t before_ms = t->now_ms;
	assert_int_equal(source_wait(s, 5000, &ev, 1), 0);
	assert_int_equal(t->now_ms, before_ms + 5000);
}

static void range_may_end_with_the_file(void **state)
{
	struct source_event ev;
	const struct source_request rq = {
		.id = 1,
		.src_off = FILE_BYTES - 100,
		.n_bytes = 4096,
		.may_end = true,
	};

	(void)state;
	make(1, 4);
	/* It fails right behind the last byte: there is nothing to ask for any more. */
	t->servers[0].mode = FAKE_FAILS;
	t->servers[0].good_bytes = 100;
	assert_int_equal(source_submit(s, &rq), 0);
	assert_true(done_within(1, rq.src_off, 10, &ev));
	assert_int_equal(ev.n_bytes, 100);
}

static void wake_before_wait(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 4);
	source_wake(s);
	assert_int_equal(source_wait(s, -1, &ev, 1), 0);
}

static void release_cancels_and_frees(void **state)
{
	struct source_event ev[8];
	const struct source_request rq = {.id = 100, .n_bytes = 1};

	(void)state;
	make(1, 8);
	t->servers[0].mode = FAKE_HANGS;
	for (uint64_t id = 0; id < 8; id++)
		submit(id, 0, 4096);
	assert_int_equal(source_room(s, SOURCE_DEMAND), 0);
	assert_int_equal(source_submit(s, &rq), -EBUSY);
	source_release(s, 5);
	assert_int_equal(t->n_cancels, 1);
	assert_int_equal(source_submit(s, &rq), 0);
	t->servers[0].mode = FAKE_ANSWERS;
	assert_int_equal(source_wait(s, -1, ev, 8), 8);
}

static void promoted_fill_counts_as_demand(void **state)
{
	const struct source_request fill = {
		.id = 7, .n_bytes = 4096, .class = SOURCE_FILL};

	(void)state;
	make(1, 4);
	t->servers[0].mode = FAKE_HANGS;
	assert_int_equal(source_submit(s, &fill), 0);
	assert_true(source_room(s, SOURCE_FILL) > 0);
	source_promote(s, 7);
	source_promote(s, 7);
	assert_int_equal(t->n_promotes, 1);
	assert_int_equal(source_room(s, SOURCE_FILL), 0);
	source_release(s, 7);
	assert_true(source_room(s, SOURCE_FILL) > 0);
}

static void spread_enters_the_ring_elsewhere(void **state)
{
	struct source_event ev;

	(void)state;
	make(3, 4);
	source_free(s);
	struct source_failover_clock clock = {.now_ms = transport_fault_now, .seed = 42};
	t = transport_fault_new(file, sizeof file);
	clock.ctx = t;
	options.server_policy = POLICY_SPREAD;
	options.spread = 3 * 1000 + 2;
	assert_int_equal(source_failover_new(&options, &t->base, &clock, &s), 0);
	fetch(1, 0, 4096, &ev);
	assert_int_equal(ev.server, 2);
	/* The next in the ring, not the first in the list's order after it. */
	t->servers[2].mode = FAKE_FAILS;
	fetch(2, 4096, 4096, &ev);
	assert_int_equal(ev.server, 0);
	assert_int_equal(t->servers[1].n_submits, 0);
}

/* One request at a time, in order, and only from the server without ranges if there is no other. */
static void sequential_is_one_at_a_time(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 4);
	t->servers[0].ignores_range = true;
	submit(1, 0, 4096);
	assert_false(done_within(1, 0, 1000, &ev));
	source_status(s, &st);
	assert_int_equal(st.servers[0].state, SERVER_REFUSED);
	assert_true(st.servers[0].ignores_range);
	source_allow_sequential(s);
	assert_true(done_within(1, 0, 1000, &ev));
	source_release(s, 1);
	t->n_active_max = 0;
	submit(2, 4096, 4096);
	submit(3, 8192, 4096);
	assert_true(done_within(2, 4096, 1000, &ev));
	assert_true(done_within(3, 8192, 1000, &ev));
	assert_int_equal(t->n_active_max, 1);
	source_status(s, &st);
	assert_int_equal(st.servers[0].state, SERVER_OK);
	assert_true(st.servers[0].ignores_range);
}

static void ranges_come_before_sequential(void **state)
{
	struct source_event ev;

	(void)state;
	make(2, 4);
	t->servers[0].ignores_range = true;
	source_allow_sequential(s);
	fetch(1, 0, 4096, &ev);
	assert_int_equal(ev.server, 0);
	fetch(2, 4096, 4096, &ev);
	assert_int_equal(ev.server, 1);
	assert_true(source_room(s, SOURCE_DEMAND) > 1);
	t->servers[1].mode = FAKE_FAILS;
	fetch(3, 8192, 4096, &ev);
	assert_int_equal(ev.server, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void ahead_leaves_half_to_demand(void **state)
{
	(void)state;
	make(1, 4);
	assert_int_equal(source_room(s, SOURCE_AHEAD), 2);
	submit_with(1, 0, 100, SOURCE_AHEAD, 0);
	submit_with(2, 100, 100, SOURCE_AHEAD, 0);
	assert_int_equal(source_room(s, SOURCE_AHEAD), 0);
	assert_int_equal(source_room(s, SOURCE_DEMAND), 4);
	assert_int_equal(source_room(s, SOURCE_HOT), 1);
	submit_with(3, 200, 100, SOURCE_HOT, 0);
	assert_int_equal(source_room(s, SOURCE_FILL), 0);
	assert_int_equal(source_room(s, SOURCE_DEMAND), 3);
	/* Now a reader waits for it. */
	source_promote(s, 1);
	assert_int_equal(source_room(s, SOURCE_AHEAD), 1);
	submit_with(4, 300, 100, SOURCE_AHEAD, 0);
	assert_int_equal(source_room(s, SOURCE_AHEAD), 0);
	source_release(s, 4);
	source_release(s, 3);
	source_release(s, 1);
	source_release(s, 2);
}

/* -- the hot pack beside the image: server n of the transport -- */

static void set_servers(const char *a, const char *b)
{
	const char *const urls[] = {a, b};

	source_set_servers(s, urls, b ? 2 : 1);
}

#define OLD_URL "http://user:secret@s0/i.img?key=secret"
#define NEW_URL "http://user:secret@new/i.img?key=secret"

/*
 * What is under way to a server that goes is asked of the next one, behind the bytes that
 * are there.
 */
static void servers_come_and_go(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 4);
	t->servers[0].step = 1000;
	submit(1, 4096, 9000);
	while (source_wait(s, 1000, &ev, 1) != 1 || ev.n_bytes < 3000)
		;
	t->servers[0].mode = FAKE_HANGS;
	set_servers(OLD_URL, NEW_URL);
	source_status(s, &st);
	assert_int_equal(st.n_servers, 2);
	assert_string_equal(st.servers[1].url, "http://new/i.img?…");
	assert_int_equal(st.servers[0].state, SERVER_OK);
	assert_false(done_within(1, 4096, 100, &ev));
	assert_string_equal(t->urls[1], NEW_URL);
	assert_string_equal(t->urls[0], "");
	set_servers(NEW_URL, NULL);
	assert_true(done_within(1, 4096, 1000, &ev));
	assert_int_equal(ev.server, 1);
	assert_true(t->servers[1].last.n_bytes <= 6000);
	source_release(s, 1);
	source_status(s, &st);
	assert_int_equal(st.n_servers, 1);
	assert_int_equal(source_servers(s), 1u << 1);
	/* It comes back as a stranger, and the order is the one that was given. */
	set_servers(OLD_URL, NEW_URL);
	fetch(2, 0, 4096, &ev);
	assert_int_equal(ev.server, 2);
	assert_string_equal(t->urls[2], OLD_URL);
	source_status(s, &st);
	assert_string_equal(st.servers[0].url, "http://s0/i.img?…");
	assert_int_equal(st.servers[0].n_errors, 0);
}

/* All of them at once, again and again: numbers are used anew, late answers harm nobody. */
static void all_servers_are_replaced(void **state)
{
	const char *urls[SOURCE_SERVERS_MAX];
	char text[SOURCE_SERVERS_MAX][64];
	struct source_event ev;

	(void)state;
	make(SOURCE_SERVERS_MAX, 4);
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < SOURCE_SERVERS_MAX; i++) {
			snprintf(text[i], sizeof text[i], "http://h%u-%u/i", round, i);
			urls[i] = text[i];
		}
		submit(round + 100, 0, 4096);
		source_set_servers(s, urls, SOURCE_SERVERS_MAX);
		assert_true(done_within(round + 100, 0, 1000, &ev));
		assert_string_equal(t->urls[ev.server], urls[0]);
		source_release(s, round + 100);
	}
	assert_int_equal(source_servers(s), (1u << SOURCE_SERVERS_MAX) - 1);
}

static void submit_pack(uint64_t id, uint64_t src_off, uint32_t n_bytes)
{
	const struct source_request rq = {
		.id = id,
		.file = SOURCE_PACK,
		.src_off = src_off,
		.n_bytes = n_bytes,
		.class = SOURCE_HOT,
	};
	assert_int_equal(source_submit(s, &rq), 0);
}

/* The last event of a request: DONE or FAILED. */
static struct source_event end_of(uint64_t id)
{
	struct source_event ev[8];

	for (unsigned tries = 0; tries < 100; tries++) {
		const int n = source_wait(s, 1000, ev, 8);

		for (int i = 0; i < n; i++)
			if (ev[i].id == id && ev[i].kind != SOURCE_BYTES)
				return ev[i];
	}
	fail_msg("request %u never ended", (unsigned)id);
	return ev[0];
}

static void a_pack_has_its_own_place(void **state)
{
	struct source_event ev;

	(void)state;
	make(2, 4);
	/* As long as it likes, and with an ETag of its own. */
	source_pin(s, FILE_BYTES, NULL);
	t->servers[SOURCE_SERVERS_MAX].file_bytes = 123456;
	t->servers[SOURCE_SERVERS_MAX].etag = "p";
	submit_pack(1, 1000, 5000);
	ev = end_of(1);
	assert_int_equal(ev.kind, SOURCE_DONE);
	assert_memory_equal(ev.data, file + 1000, 5000);
	source_release(s, 1);
	assert_int_equal(t->servers[SOURCE_SERVERS_MAX].n_submits, 1);
	assert_int_equal(t->servers[SOURCE_SERVERS_MAX].last.file_bytes, 0);
	/* The image is never asked for there. */
	t->servers[0].mode = t->servers[1].mode = FAKE_FAILS;
	submit(2, 0, 5000);
	assert_false(done_within(2, 0, 100000, &ev));
	assert_int_equal(t->servers[SOURCE_SERVERS_MAX].n_submits, 1);
	source_status(s, &st);
	assert_int_equal(st.n_servers, 2);
	assert_true(st.is_away);
	source_release(s, 2);
}

static void a_pack_that_is_not_there(void **state)
{
	static const enum transport_fault faults[] = {TRANSPORT_GONE, TRANSPORT_REFUSED,
						      TRANSPORT_NO_RANGES};
	struct source_event ev;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
		make(1, 4);
		t->servers[SOURCE_SERVERS_MAX].mode = FAKE_FAILS;
		t->servers[SOURCE_SERVERS_MAX].fault = faults[i];
		t->servers[SOURCE_SERVERS_MAX].text = "not here";
		submit_pack(1, 0, 5000);
		ev = end_of(1);
		assert_int_equal(ev.kind, SOURCE_FAILED);
		assert_string_equal(ev.why, "not here");
		assert_int_equal(t->servers[SOURCE_SERVERS_MAX].n_submits, 1);
		/* It is told once. */
		assert_int_equal(source_wait(s, 5000, &ev, 1), 0);
		source_release(s, 1);
		/* The image is not harmed. */
		fetch(2, 0, 5000, &ev);
		if (i + 1 < ARRAY_SIZE(faults))
			source_free(s);
	}
}

static void a_pack_is_not_waited_for(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 4);
	t->servers[SOURCE_SERVERS_MAX].mode = FAKE_FAILS;
	t->servers[SOURCE_SERVERS_MAX].fault = TRANSPORT_AWAY;
	submit_pack(1, 0, 5000);
	submit_pack(2, 5000, 5000);
	ev = end_of(1);
	assert_int_equal(ev.kind, SOURCE_FAILED);
	source_release(s, 1);
	ev = end_of(2);
	assert_int_equal(ev.kind, SOURCE_FAILED);
	assert_in_range(t->servers[SOURCE_SERVERS_MAX].n_submits, 2, 4);
	source_release(s, 2);
}

static void a_pack_after_a_short_trouble(void **state)
{
	struct source_event ev[4];

	(void)state;
	make(1, 4);
	t->servers[SOURCE_SERVERS_MAX].mode = FAKE_FAILS;
	t->servers[SOURCE_SERVERS_MAX].fault = TRANSPORT_AWAY;
	t->servers[SOURCE_SERVERS_MAX].good_bytes = 2000;
	submit_pack(1, 0, 5000);
	(void)source_wait(s, 0, ev, 4);
	/* The network process is replaced, too, which counts for nothing. */
	for (unsigned i = 0; i < 5; i++) {
		t->is_restarting = true;
		(void)source_wait(s, 0, ev, 4);
	}
	t->servers[SOURCE_SERVERS_MAX].mode = FAKE_ANSWERS;
	ev[0] = end_of(1);
	assert_int_equal(ev[0].kind, SOURCE_DONE);
	assert_memory_equal(ev[0].data, file, 5000);
	source_release(s, 1);
}

/* Half of one and half of another would be noticed, but for nothing. */
static void a_pack_that_is_replaced(void **state)
{
	struct source_event ev;

	(void)state;
	make(1, 4);
	t->servers[SOURCE_SERVERS_MAX].etag = "old";
	submit_pack(1, 0, 5000);
	ev = end_of(1);
	assert_int_equal(ev.kind, SOURCE_DONE);
	source_release(s, 1);
	t->servers[SOURCE_SERVERS_MAX].etag = "new";
	submit_pack(2, 5000, 5000);
	ev = end_of(2);
	assert_int_equal(ev.kind, SOURCE_FAILED);
	source_release(s, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_then_done),
		TEST(next_server_continues_behind_the_bytes_there),
		TEST(outage_of_all_backs_off_and_recovers),
		TEST(outage_of_hosts_recovers),
		TEST(outage_without_reads),
		TEST(half_open_sends_one_probe),
		TEST(retry_after_is_kept),
		TEST(fill_probes_the_preferred_server),
		TEST(demand_probes_it_in_the_end),
		TEST(avoid_takes_another_server),
		TEST(avoided_server_is_asked_again_after_a_while),
		TEST(another_length_is_refused),
		TEST(pin_refuses_who_said_another_length),
		TEST(another_etag_is_refused),
		TEST(goes_on_by_digest_when_the_name_moved_on),
		TEST(goes_on_by_digest_at_once_with_all_requests),
		TEST(gone_everywhere_is_tried_again),
		TEST(another_server_when_it_is_nowhere_here),
		TEST(late_answers_of_the_name_do_not_count),
		TEST(without_a_digest_nothing_moves),
		TEST(server_without_ranges_is_named),
		TEST(restart_of_net_loses_nothing),
		TEST(full_channel_is_tried_again),
		TEST(room_keeps_demand_free),
		TEST(demand_takes_all_connections),
		TEST(hot_pack_keeps_its_connections),
		TEST(one_connection_is_taken_from_the_fill),
		TEST(usable_again_ends_wait),
		TEST(range_may_end_with_the_file),
		TEST(wake_before_wait),
		TEST(release_cancels_and_frees),
		TEST(promoted_fill_counts_as_demand),
		TEST(spread_enters_the_ring_elsewhere),
		TEST(sequential_is_one_at_a_time),
		TEST(ranges_come_before_sequential),
		TEST(servers_come_and_go),
		TEST(all_servers_are_replaced),
		TEST(ahead_leaves_half_to_demand),
		TEST(a_pack_has_its_own_place),
		TEST(a_pack_that_is_not_there),
		TEST(a_pack_is_not_waited_for),
		TEST(a_pack_after_a_short_trouble),
		TEST(a_pack_that_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
