// SPDX-License-Identifier: Apache-2.0
/* fetch_test.c - what the fetcher does about failures, over a made-up clock; index pages */
#include "tests/unit/rig.h"

#include "engine/fetch.h"

/* The fetcher of its own that is driven here; the rig's engine is not started. */
static struct rig g;
static struct workers *workers;
static struct fetcher f;

static void start(const struct rig_options *o)
{
	rig_init(&g, o);
	assert_int_equal(workers_new(&g.config, rig_wake, &g, &workers), 0);
	assert_int_equal(fetcher_init(&f, &g.config, workers), 0);
	fill_init(&f.fill, 0, 0);
	if (!o->forget_pages)
		fetcher_seed(&f, g.image.file, g.image.n_bytes);
	assert_int_equal(workers_start(workers), 0);
}

static void end(void)
{
	workers_stop(workers);
	fetcher_fini(&f);
	workers_free(workers);
	rig_fini(&g);
}

/* What workers refuse is not the bytes' fault but this; 0: it is. */
static int own_failure;

/* Asked for, or with a worker. */
static bool is_under_way(void)
{
	for (unsigned i = 0; i < FETCHES_MAX; i++)
		if (f.fetches[i].kind != FETCH_NONE)
			return true;
	return false;
}

/* Everything that can be done at this time; the delay until there is more to do. */
static int64_t run(int64_t now_ms)
{
	struct worker_result results[64];
	struct source_event ev[16];
	int64_t delay_ms;

	for (unsigned n_steps = 0;; n_steps++) {
		assert_true(n_steps < 20000);
		unsigned n_results = workers_results(workers, results, 64);

		for (unsigned i = 0; i < n_results; i++) {
			if (results[i].img_err < 0 && own_failure < 0)
				results[i].img_err = own_failure;
			fetcher_result(&f, &results[i], now_ms);
		}
		/* That the fill stands back for reads is fill_test.c's subject. */
		f.fill.demand_ms = now_ms - FILL_YIELD_MS;
		delay_ms = fetcher_submit(&f, now_ms);
		int n_events = source_wait(g.source, 1, ev, 16);
		for (int i = 0; i < n_events; i++)
			fetcher_event(&f, &ev[i], now_ms);
		if (n_results == 0 && n_events == 0 && !is_under_way())
			return delay_ms;
	}
}

/* A read of one block that is answered whenever it may be. */
static struct rig_reply reply;
static uint8_t reply_block[RIG_BLOCK];

static void read_block(uint64_t ci)
{
	rig_reply_init(&reply, reply_block);
	readpath_read(g.rp, &reply, ci * RIG_CHUNK, RIG_BLOCK);
}

static void expect_block(uint64_t ci)
{
	uint8_t want[RIG_BLOCK];

	assert_int_equal(rig_reply_wait(&reply), 0);
	testimage_read(&g.image, ci * RIG_CHUNK, want, RIG_BLOCK);
	assert_memory_equal(reply_block, want, RIG_BLOCK);
}

static void wrong_bytes_from_the_only_server(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = 8, .no_fill = true};

	start(&o);
	source_fault_corrupt(g.source, testimage_chunk(&g.image, 5).src_off + 1, 3);
	read_block(5);
	assert_int_equal(run(0), 1000);
	assert_int_equal(rig_requests(&g).n_requests, 1);
	assert_non_null(strstr(f.stats.error, "chunk 5: refused: "));
	assert_int_equal(run(999), 1);
	assert_int_equal(rig_requests(&g).n_requests, 1);
	assert_int_equal(run(1000), 2000);
	assert_int_equal(run(3000), 4000);
	assert_int_equal(f.stats.n_rejected, 3);
	assert_false(rig_is_replied(&reply));
	assert_int_equal(run(7000), -1);
	assert_int_equal(rig_requests(&g).n_requests, 4);
	assert_string_equal(f.stats.error, "");
	expect_block(5);
	end();
}

/* The claim is kept meanwhile: neither fill nor demand asks for the chunk beside the retry. */
static void the_store_fails_for_a_while(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = 8};
	struct store_fault_counts stored;

	start(&o);
	read_block(2);
	store_fault_fail_writes(g.store, 0, 1, -EIO);
	assert_in_range(run(0), 1, 5000);
	assert_false(rig_is_replied(&reply));
	assert_string_equal(f.stats.error, "chunk 2: store: Input/output error");
	store_fault_fail_writes(g.store, 0, 1, -ENOMEM);
	assert_in_range(run(5000), 1, 5000);
	assert_false(rig_is_replied(&reply));
	assert_int_equal(run(10000), -1);
	expect_block(2);
	assert_true(chunkmap_is_complete(g.cm));
	assert_string_equal(f.stats.error, "");
	store_fault_counts(g.store, &stored);
	assert_int_equal(stored.n_failed, 2);
	assert_int_equal(stored.n_writes, 8 + 2);
	end();
}

/* Nobody is asked to do better, and nobody is avoided: only time helps. */
static void the_node_fails_and_not_the_server(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = 8, .no_fill = true, .n_servers = 2};

	start(&o);
	source_fault_corrupt(g.source, testimage_chunk(&g.image, 5).src_off + 1, 2);
	read_block(5);
	own_failure = IMG_ERR_MEMORY;
	assert_int_equal(run(0), 5000);
	assert_string_equal(f.stats.error,
			    "chunk 5: not verified: this node failed: out of memory");
	own_failure = IMG_ERR_INTERNAL;
	assert_int_equal(run(5000), 5000);
	assert_non_null(strstr(f.stats.error, "this node failed: libcrypto"));
	own_failure = 0;
	assert_int_equal(rig_requests(&g).n_requests, 2);
	assert_int_equal(f.failed[0].avoid, 0);
	assert_false(rig_is_replied(&reply));
	assert_int_equal(run(10000), -1);
	expect_block(5);
	assert_string_equal(f.stats.error, "");
	assert_int_equal(f.stats.n_rejected, 0);
	assert_int_equal(rig_requests(&g).n_rejects, 0);
	end();
}

/* What the pack would have brought is fetched when it is wanted. */
static void the_node_fails_with_the_hot_pack(void **state _unused_)
{
	static const struct testimage_hot hot[] = {{3 * 16, 2, false}};
	const struct rig_options o = {
		.n_chunks = 8, .no_fill = true, .n_servers = 2, .hot = hot, .n_hot = 1};

	start(&o);
	source_fault_corrupt(g.source,
			     g.image.info->hot_off + g.image.info->hot_bytes - 20, 1);
	own_failure = IMG_ERR_MEMORY;
	run(0);
	own_failure = 0;
	assert_int_equal(rig_requests(&g).n_class[SOURCE_HOT], 1);
	assert_int_equal(rig_requests(&g).n_rejects, 0);
	read_block(3);
	run(1);
	expect_block(3);
	end();
}

static unsigned failed_in_use(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAILED_MAX; i++)
		n += f.failed[i].in_use;
	return n;
}

/* A full store must not make the node fetch the image again and again as fast as it can. */
static void the_store_is_full_for_good(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = 200};
	uint64_t n_bytes, n_before;

	start(&o);
	store_fault_fail_writes(g.store, 0, UINT_MAX, -ENOSPC);
	read_block(150);
	run(0);
	n_before = rig_requests(&g).n_bytes;
	for (int64_t now = 100; now < 4900; now += 100)
		run(now);
	assert_int_equal(rig_requests(&g).n_bytes, n_before);
	for (int64_t now = 5000; now < 60000; now += 250)
		run(now);
	n_bytes = rig_requests(&g).n_bytes - n_before;
	/* In a minute no more than 64 chunks each five seconds, and a few of the fill. */
	assert_in_range(n_bytes, 1, 12 * (64 * 20000 + 2 * FILL_REQUEST_BYTES_MAX));
	assert_false(rig_is_replied(&reply));
	store_fault_fail_writes(g.store, 0, 0, 0);
	for (int64_t now = 60000; now < 80000; now += 500)
		run(now);
	expect_block(150);
	assert_true(chunkmap_is_complete(g.cm));
	assert_int_equal(failed_in_use(), 0);
	end();
}

/* The same where a server has nothing but wrong bytes. */
static void every_chunk_is_wrong(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = 200};
	uint64_t n_before;

	start(&o);
	for (uint64_t ci = 0; ci < 200; ci++)
		g.image.file[testimage_chunk(&g.image, ci).src_off + 20] ^= 1;
	read_block(3);
	run(0);
	n_before = rig_requests(&g).n_requests;
	for (int64_t now = 100; now < 900; now += 100)
		run(now);
	assert_in_range(rig_requests(&g).n_requests, n_before, n_before + 2);
	assert_int_equal(failed_in_use(), FAILED_MAX);
	for (uint64_t ci = 0; ci < 200; ci++)
		assert_int_equal(chunkmap_state(g.cm, ci), CHUNK_ABSENT);
	end();
}

/* Written over while it waits for its next try: it is forgotten, and so is the complaint. */
static void written_over_meanwhile(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = 4, .no_fill = true};
	static uint8_t buf[RIG_CHUNK];

	start(&o);
	store_fault_fail_writes(g.store, 0, 1, -EIO);
	read_block(1);
	run(0);
	assert_int_equal(writepath_write(g.wp, RIG_CHUNK, buf, RIG_CHUNK), 0);
	assert_int_equal(rig_reply_wait(&reply), 0);
	assert_memory_equal(reply_block, buf, RIG_BLOCK);
	assert_int_equal(run(5000), -1);
	assert_int_equal(failed_in_use(), 0);
	assert_string_equal(f.stats.error, "");
	assert_int_equal(rig_requests(&g).n_requests, 1);
	end();
}

/* Nine pages of chunks: one in a hundred has data, the fourth page is a ZERO PAGE. */
static bool mostly_zero(uint64_t ci)
{
	return ci % 100 != 7 || img_page_of(ci) == 3;
}

static void pages_come_when_wanted(void **state _unused_)
{
	const struct rig_options o = {
		.n_chunks = 9 * IMG_PAGE_ENTRIES,
		.is_zero = mostly_zero,
		.no_fill = true,
		.forget_pages = true,
	};

	start(&o);
	read_block(6507);
	assert_int_equal(run(0), -1);
	expect_block(6507);
	assert_int_equal(rig_requests(&g).n_requests, 2);
	/* Of the same page, and a zero chunk, which the page has made READY. */
	read_block(6607);
	run(0);
	expect_block(6607);
	read_block(6608);
	expect_block(6608);
	assert_int_equal(rig_requests(&g).n_requests, 3);
	/* Zero chunk of a page that is not here; then of the ZERO PAGE. */
	read_block(8000);
	run(0);
	expect_block(8000);
	assert_int_equal(rig_requests(&g).n_requests, 4);
	read_block(3 * IMG_PAGE_ENTRIES + 9);
	run(0);
	expect_block(3 * IMG_PAGE_ENTRIES + 9);
	assert_int_equal(rig_requests(&g).n_requests, 4);
	f.config.fill = true;
	run(0);
	assert_true(chunkmap_is_complete(g.cm));
	end();
}

static void a_wrong_page(void **state _unused_)
{
	const struct rig_options o = {
		.n_chunks = 2 * IMG_PAGE_ENTRIES,
		.is_zero = mostly_zero,
		.forget_pages = true,
	};
	struct img_range range;

	start(&o);
	assert_int_equal(img_page_locate(g.image.img, 1, &range), 0);
	source_fault_corrupt(g.source, range.src_off + 7, 2);
	read_block(1107);
	assert_int_equal(run(0), 1000);
	assert_non_null(strstr(f.stats.error, "index page 1: refused: "));
	assert_false(rig_is_replied(&reply));
	assert_int_equal(run(1000), 2000);
	assert_int_equal(run(3000), -1);
	expect_block(1107);
	assert_int_equal(f.stats.n_rejected, 2);
	assert_true(chunkmap_is_complete(g.cm));
	end();
}

/*
 * Where the line carries more in the time of a request than a hole has, the hole is
 * fetched along.
 */
static void holes_are_bridged(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = 40, .no_fill = true};
	static const uint64_t wanted[] = {10, 12, 15, 30};
	struct rig_reply r[ARRAY_SIZE(wanted)];
	struct store_fault_counts stored;
	uint8_t buf[RIG_CHUNK];

	start(&o);
	testimage_read(&g.image, 13 * RIG_CHUNK, buf, RIG_CHUNK);
	assert_int_equal(writepath_write(g.wp, 13 * RIG_CHUNK, buf, RIG_CHUNK), 0);
	/* 25 Mbit/s and 50 ms: room for three chunks of 20 KB. */
	f.fill.throughput = 3125000;
	f.fill.rtt_ms = 50;
	for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
		rig_reply_init(&r[i], NULL);
		readpath_read(g.rp, &r[i], wanted[i] * RIG_CHUNK, RIG_BLOCK);
	}
	run(0);
	for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++)
		assert_int_equal(rig_reply_wait(&r[i]), 0);
	/* 10 to 12 with the hole; 13 is there: it is not fetched again; 15 to 30 is too far. */
	assert_int_equal(rig_requests(&g).n_requests, 3);
	assert_int_equal(chunkmap_state(g.cm, 11), CHUNK_READY);
	assert_int_equal(chunkmap_state(g.cm, 14), CHUNK_ABSENT);
	assert_int_equal(chunkmap_state(g.cm, 16), CHUNK_ABSENT);
	store_fault_counts(g.store, &stored);
	assert_int_equal(stored.n_writes, 1 + 5);
	/* What was claimed for a hole that led nowhere was given back. */
	f.config.fill = true;
	run(1);
	assert_true(chunkmap_is_complete(g.cm));
	end();
}

/* The fill rests until its time has come; demand does not. */
static void the_fill_is_held(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = 8};

	start(&o);
	f.fill_hold_ms = 7000;
	read_block(3);
	assert_int_equal(run(0), 7000);
	expect_block(3);
	assert_int_equal(rig_requests(&g).n_class[SOURCE_FILL], 0);
	assert_int_equal(run(6999), 1);
	run(7000);
	assert_true(chunkmap_is_complete(g.cm));
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_bytes_from_the_only_server),
		cmocka_unit_test(the_node_fails_and_not_the_server),
		cmocka_unit_test(the_node_fails_with_the_hot_pack),
		cmocka_unit_test(the_store_fails_for_a_while),
		cmocka_unit_test(the_store_is_full_for_good),
		cmocka_unit_test(every_chunk_is_wrong),
		cmocka_unit_test(written_over_meanwhile),
		cmocka_unit_test(pages_come_when_wanted),
		cmocka_unit_test(a_wrong_page),
		cmocka_unit_test(holes_are_bridged),
		cmocka_unit_test(the_fill_is_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
