// SPDX-License-Identifier: Apache-2.0
/*
 * chunkmap_kill_test.c - a process that works on a map is killed at moments that nobody
 * chose
 *
 * The map and a store of one word a block lie in shared memory.  Threads of a child
 * write, discard, fetch, bring pieces of a hot pack, all of whose blocks are wrong, and
 * throw chunks away; the child is killed; the next one takes the map over.  Whatever a
 * map then calls valid must be in the store, nothing of the pack may be in a chunk that
 * is READY, and what was written and answered must be there and the newest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "map/chunkmap.h"

#define BLOCK 4096u
#define CHUNK (16 * BLOCK)
#define CHUNK_BLOCKS 16u
/*
 * So many that a map is seldom complete at its death, unless the map checks all of itself
 * at every step; the last chunk is short.
 */
#ifdef HYDROOT_CHECK
#define N_BLOCKS 515u
#define ROUNDS 40
#else
#define N_BLOCKS 40003u
#define ROUNDS 120
#endif
#define N_CHUNKS ((N_BLOCKS + CHUNK_BLOCKS - 1) / CHUNK_BLOCKS)
#define WRITERS 2u

/*
 * Words of the store: 0 never stored, or zeros; of the pack; of the image; else a write's
 * number.
 */
#define FROM_PACK 1u
#define FROM_IMAGE 2u
#define FIRST_WRITE 3u

struct shared {
	_Atomic uint32_t store[N_BLOCKS];
	_Atomic uint32_t
		answered[N_BLOCKS]; /* the newest write whose writer went on after it */
	_Atomic uint32_t next_write;
	uint8_t map[1024 * 1024] __attribute__((aligned(4096)));
};

static struct shared *s;
static struct chunkmap *cm;

static void no_wake(void *ctx _unused_)
{
}

static uint32_t next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static void do_write(unsigned writer, uint32_t *random)
{
	/* Blocks of its own, so that the newest is known. */
	uint32_t first = next_random(random) % (N_BLOCKS / 2) * 2 + writer;
	uint32_t number = atomic_fetch_add(&s->next_write, 1) + FIRST_WRITE;
	struct chunk_writer w;

	if (first >= N_BLOCKS)
		return;
	chunkmap_write_begin(cm, &w, (uint64_t)first * BLOCK, BLOCK);
	atomic_store(&s->store[first], number);
	(void)!chunkmap_write_end(cm, &w, true);
	atomic_store(&s->answered[first], number);
}

static void *writer_main(void *arg)
{
	unsigned writer = (unsigned)(uintptr_t)arg;
	uint32_t random = (uint32_t)getpid() * 31 + writer + 1;

	for (;;)
		do_write(writer, &random);
	return NULL;
}

static bool is_set(const uint8_t *bits, unsigned b)
{
	return bits[b / 8] >> (b % 8) & 1;
}

/* One in eight chunks of the image has nothing but zeros. */
static uint32_t image_word(uint64_t ci)
{
	return ci % 8 == 3 ? 0 : FROM_IMAGE;
}

static void store_missing(uint64_t ci, const uint8_t *valid, unsigned first, unsigned n,
			  uint32_t word)
{
	for (unsigned b = first; b < first + n; b++)
		if (ci * CHUNK_BLOCKS + b < N_BLOCKS && !is_set(valid, b))
			atomic_store(&s->store[ci * CHUNK_BLOCKS + b], word);
}

/*
 * The chunk wins over the pack.  A write in the block's place is one that died with its
 * writer: nobody was told that it was done, and whoever keeps it in mind writes it again.
 */
static void store_again(uint64_t b)
{
	assert(atomic_load(&s->answered[b]) == 0);
	atomic_store(&s->store[b], image_word(b / CHUNK_BLOCKS));
}

static void fetch(uint64_t ci)
{
	uint8_t valid[CHUNK_BLOCKS / 8], packed[CHUNK_BLOCKS / 8];

	if (image_word(ci) == 0)
		(void)!chunkmap_mark_zero(cm, ci);
	if (!chunkmap_claim(cm, ci))
		return;
	chunkmap_store_begin(cm, ci, valid);
	if (chunkmap_store_packed(cm, ci, packed))
		for (unsigned b = 0; b < CHUNK_BLOCKS; b++)
			if (is_set(packed, b))
				store_again(ci * CHUNK_BLOCKS + b);
	store_missing(ci, valid, 0, CHUNK_BLOCKS, image_word(ci));
	(void)!chunkmap_store_end(cm, ci, true);
}

static void bring_pack(uint64_t ci, uint32_t *random)
{
	unsigned room = ci == N_CHUNKS - 1 ? N_BLOCKS % CHUNK_BLOCKS : CHUNK_BLOCKS;
	unsigned first = next_random(random) % room;
	unsigned n = next_random(random) % (room - first) + 1;
	uint8_t valid[CHUNK_BLOCKS / 8];

	chunkmap_promise(cm, ci, first, n);
	if (!chunkmap_part_begin(cm, ci, valid))
		return;
	store_missing(ci, valid, first, n, FROM_PACK);
	(void)!chunkmap_part_end(cm, ci, first, n, true);
}

static void throw_away(uint64_t ci)
{
	uint8_t kept[CHUNK_BLOCKS / 8];
	struct chunk_age age;
	unsigned n;

	(void)!chunkmap_ages(cm, &ci, &age, 1, &n);
	if (n == 0 || !chunkmap_evict_begin(cm, &age, kept))
		return;
	for (unsigned b = 0; b < CHUNK_BLOCKS; b++) {
		uint64_t block = age.ci * CHUNK_BLOCKS + b;

		if (block >= N_BLOCKS || is_set(kept, b))
			continue;
		assert(atomic_load(&s->answered[block]) == 0);
		atomic_store(&s->store[block], 0);
	}
	chunkmap_evict_end(cm, age.ci, true);
}

static void *fetcher_main(void *arg _unused_)
{
	uint32_t random = (uint32_t)getpid() * 77 + 5;

	for (;;) {
		uint64_t ci = next_random(&random) % N_CHUNKS;

		unsigned what = next_random(&random) % 6;

		if (what < 2)
			fetch(ci);
		else if (what == 2)
			throw_away(ci);
		else
			bring_pack(ci, &random);
	}
	return NULL;
}

static int open_map(void)
{
	assert_true(chunkmap_memory_bytes((uint64_t)N_BLOCKS * BLOCK, CHUNK) <=
		    sizeof s->map);
	return chunkmap_new_in(s->map, (uint64_t)N_BLOCKS * BLOCK, CHUNK, no_wake, NULL,
			       &cm);
}

static void child_main(void)
{
	pthread_t thread;

	if (open_map() < 0)
		_exit(1);
	for (uintptr_t i = 0; i < WRITERS; i++)
		pthread_create(&thread, NULL, writer_main, (void *)i);
	fetcher_main(NULL);
}

static void check_block(uint64_t b)
{
	uint32_t has = atomic_load(&s->store[b]);

	if (atomic_load(&s->answered[b])) {
		/*
		 * A write counts from its answer on: nothing older may be there, and it
		 * stays valid.
		 */
		assert_true(has >= atomic_load(&s->answered[b]));
		assert_true(chunkmap_is_valid(cm, b * BLOCK, BLOCK));
	}
	if (image_word(b / CHUNK_BLOCKS) && chunkmap_is_valid(cm, b * BLOCK, BLOCK))
		assert_int_not_equal(has, 0);
	if (chunkmap_state(cm, b / CHUNK_BLOCKS) == CHUNK_READY)
		assert_int_not_equal(has, FROM_PACK);
}

/* Nothing transient is left, and the states say what the bits say. */
static void check_map(void)
{
	struct chunkmap_counts counts;
	uint64_t n_ready = 0, ci;

	for (uint64_t b = 0; b < N_BLOCKS; b++)
		check_block(b);
	for (ci = 0; ci < N_CHUNKS; ci++) {
		n_ready += chunkmap_state(cm, ci) == CHUNK_READY;
		assert_false(chunkmap_is_demanded(cm, ci));
		if (chunkmap_state(cm, ci) == CHUNK_READY)
			continue;
		assert_true(chunkmap_claim(cm, ci));
		chunkmap_unclaim(cm, ci);
	}
	chunkmap_counts(cm, &counts);
	assert_int_equal(counts.n_ready, n_ready);
	assert_int_equal(counts.n_waiting + counts.n_demanded, 0);
}

/*
 * A promise of the dead process holds nobody up: who misses a block demands its chunk,
 * also when there are new promises for the same chunk.
 */
static void check_promises(uint64_t ci)
{
	uint64_t first = ci * CHUNK_BLOCKS;

	chunkmap_promise(cm, ci, 0, 1);
	for (uint64_t b = first + 1; b < first + CHUNK_BLOCKS && b < N_BLOCKS; b++) {
		struct chunk_waiter w = {.img_off = b * BLOCK, .n_bytes = BLOCK};
		uint64_t demanded;

		if (chunkmap_want(cm, &w)) {
			chunkmap_read_end(cm, &w.reader);
			continue;
		}
		assert_true(chunkmap_next_demand(cm, &demanded));
		assert_int_equal(demanded, ci);
		(void)!chunkmap_take_all_waiters(cm);
	}
	chunkmap_unpromise(cm, ci, 0, 1);
}

static void start_over(void)
{
	memset(s, 0, sizeof *s);
}

static void map_is_legal_wherever_it_was_left(void **state _unused_)
{
	s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		 0);
	assert_true(s != MAP_FAILED);
	for (unsigned round = 0; round < ROUNDS; round++) {
		pid_t pid;
		int status;

		/* Some maps live through several deaths, some are nearly empty at theirs. */
		if (round % 3 == 0)
			start_over();
		pid = fork();
		if (pid == 0)
			child_main();
		assert_true(pid > 0);
		usleep(300 + round * 7919 % 4000);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		assert_int_equal(open_map(), 0);
		check_map();
		for (uint64_t ci = 0; ci < N_CHUNKS; ci++)
			check_promises(ci);
		chunkmap_free(cm);
	}
}

static void zeros_are_a_map_of_nothing(void **state _unused_)
{
	start_over();
	assert_int_equal(open_map(), 0);
	for (uint64_t ci = 0; ci < N_CHUNKS; ci++)
		assert_int_equal(chunkmap_state(cm, ci), CHUNK_ABSENT);
	chunkmap_free(cm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_is_legal_wherever_it_was_left),
		cmocka_unit_test(zeros_are_a_map_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
