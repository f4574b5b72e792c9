// SPDX-License-Identifier: Apache-2.0
/*
 * serving_stress_test.c - readers, writers and discarders against a copy while the engine fills, or
 * while chunks come and go in a cache that holds a part of the image
 *
 * Stripes of five blocks belong to the threads in turn, so that each chunk is written to by
 * several while it is fetched.  A thread reads anything and compares what is its own, to the byte.
 * HYDROOT_STRESS_SECONDS: how long (default: 1).
 */
#include "tests/unit/rig.h"

#define N_CHUNKS 64u
#define N_THREADS 6u
#define STRIPE 5u
#define OPS 250u

struct user {
	struct rig *g;
	uint8_t *copy; /* of the whole image; a thread touches its stripes only */
	uint64_t n_blocks;
	unsigned index;
	uint64_t rng;
	uint8_t *buf;
};

static unsigned pick(struct user *u, uint64_t n)
{
	u->rng = u->rng * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((u->rng >> 33) % n);
}

static bool some_zero(uint64_t ci)
{
	return ci % 7 == 3;
}

static bool is_mine(const struct user *u, uint64_t block)
{
	return block / STRIPE % N_THREADS == u->index;
}

static void read_some(struct user *u)
{
	uint64_t first = pick(u, u->n_blocks);
	uint64_t n = 1 + pick(u, min_u64(pick(u, 4) ? 6 : 100, u->n_blocks - first));
	int err = rig_read(u->g, first * RIG_BLOCK, u->buf, n * RIG_BLOCK);

	assert(err == 0);
	for (uint64_t i = 0; i < n; i++)
		if (is_mine(u, first + i))
			assert(memcmp(u->buf + i * RIG_BLOCK,
				      u->copy + (first + i) * RIG_BLOCK, RIG_BLOCK) == 0);
}

/* A part of one of my stripes. */
static uint64_t pick_mine(struct user *u, unsigned *ret_n)
{
	uint64_t n_stripes = u->n_blocks / STRIPE / N_THREADS / (u->g->cache ? 2 : 1);
	uint64_t first = (pick(u, n_stripes) * N_THREADS + u->index) * STRIPE;
	unsigned skip = pick(u, STRIPE);

	*ret_n = 1 + pick(u, STRIPE - skip);
	return first + skip;
}

static void write_some(struct user *u)
{
	unsigned n;
	uint64_t first = pick_mine(u, &n);
	uint8_t *copy = u->copy + first * RIG_BLOCK;
	int err;

	memset(copy, (int)pick(u, 256), n * RIG_BLOCK);
	err = writepath_write(u->g->wp, first * RIG_BLOCK, copy, n * RIG_BLOCK);
	assert(err == 0);
}

static void discard_some(struct user *u)
{
	unsigned n;
	uint64_t first = pick_mine(u, &n);
	int err;

	memset(u->copy + first * RIG_BLOCK, 0, n * RIG_BLOCK);
	err = writepath_discard(u->g->wp, first * RIG_BLOCK, n * RIG_BLOCK);
	assert(err == 0);
}

static void *user_thread(void *arg)
{
	struct user *u = arg;

	for (unsigned i = 0; i < OPS; i++)
		switch (pick(u, 5)) {
		case 0:
		case 1:
			write_some(u);
			break;
		case 2:
			discard_some(u);
			break;
		default:
			read_some(u);
			break;
		}
	return NULL;
}

/* The end: complete, whatever was going on, and every block as it should be. */
static void compare_all(struct rig *g, const uint8_t *copy)
{
	uint64_t n_bytes = g->image.info->image_bytes;
	static uint8_t buf[RIG_CHUNK];

	if (!g->cache)
		RIG_UNTIL(atomic_load(&g->n_complete));
	for (uint64_t off = 0; off < n_bytes; off += RIG_CHUNK) {
		size_t n = min_u64(RIG_CHUNK, n_bytes - off);

		assert_int_equal(rig_read(g, off, buf, n), 0);
		assert_memory_equal(buf, copy + off, n);
	}
}

static void disturb(struct rig *g, unsigned round)
{
	source_fault_set_delay(g->source, round % 3);
	source_fault_set_step(g->source, round % 2 ? 0 : 9000);
	source_fault_set_reverse(g->source, round % 4 > 1);
	store_fault_set_delay(g->store, round % 5 * 50);
	source_fault_corrupt(g->source, testimage_chunk(&g->image, 30).src_off + 9,
			     UINT_MAX);
}

/* At any time. */
static void check_budget(struct rig *g)
{
	struct cache_stats stats;

	if (!g->cache)
		return;
	cache_stats(g->cache, &stats);
	assert(stats.used_bytes <= stats.budget_bytes);
}

static void one_round(unsigned round, uint64_t cache_bytes)
{
	const struct rig_options o = {
		.n_chunks = N_CHUNKS,
		.is_zero = some_zero,
		.n_servers = 2,
		.n_workers = 3,
		.forget_pages = round % 2,
		.no_fill = cache_bytes,
		.cache_bytes = cache_bytes,
	};
	struct user users[N_THREADS];
	pthread_t threads[N_THREADS];
	struct rig g;
	uint8_t *copy;

	rig_init(&g, &o);
	disturb(&g, round);
	copy = malloc(g.image.info->image_bytes);
	assert_non_null(copy);
	testimage_read(&g.image, 0, copy, g.image.info->image_bytes);
	rig_start(&g);
	for (unsigned i = 0; i < N_THREADS; i++) {
		users[i] = (struct user){
			.g = &g,
			.copy = copy,
			.n_blocks = g.image.info->image_bytes / RIG_BLOCK,
			.index = i,
			.rng = round * 1000 + i,
			.buf = malloc(READ_BYTES_MAX),
		};
		pthread_create(&threads[i], NULL, user_thread, &users[i]);
	}
	for (unsigned i = 0; i < 6; i++) {
		source_fault_hold(g.source, i % 2 == 0);
		check_budget(&g);
		usleep(3000);
	}
	for (unsigned i = 0; i < N_THREADS; i++) {
		pthread_join(threads[i], NULL);
		free(users[i].buf);
	}
	compare_all(&g, copy);
	check_budget(&g);
	rig_fini(&g);
	free(copy);
}

static void repeat(uint64_t cache_bytes)
{
	const char *seconds = getenv("HYDROOT_STRESS_SECONDS");
	int64_t end_ms = clock_ms() + (seconds ? strtol(seconds, NULL, 10) : 1) * 1000;
	unsigned round = 0;

	do
		one_round(round++, cache_bytes);
	while (clock_ms() < end_ms);
	print_message("%u rounds\n", round);
}

static void all_at_once(void **state _unused_)
{
	repeat(0);
}

/* Of the 4 MiB of the image the threads write to the first two: these fit, at the worst. */
static void all_at_once_in_a_cache(void **state _unused_)
{
	repeat((2u << 20) + (1u << 19));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_at_once),
		cmocka_unit_test(all_at_once_in_a_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
