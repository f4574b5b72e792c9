// SPDX-License-Identifier: Apache-2.0
/* chunkmap_model_test.c - random operations beside a model that is too simple to be wrong */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "map/chunkmap.h"

#define CHUNK 65536u
#define BLOCK 4096u
#define PER_CHUNK 16u
#define N_BLOCKS 149u /* ten chunks, the last of five blocks */
#define N_CHUNKS 10u
#define N_WAITERS 24u
#define N_WRITERS 6u
#ifdef HYDROOT_CHECK
#define ROUNDS 40u /* the map then checks itself at each step */
#else
#define ROUNDS 400u
#endif

static struct {
	bool valid[N_BLOCKS], claimed[N_CHUNKS], storing[N_CHUNKS];
	bool waits[N_WAITERS], writes[N_WRITERS];
	struct chunk_waiter waiter[N_WAITERS];
	struct chunk_writer writer[N_WRITERS];
	uint64_t rng;
} m;

static unsigned pick(unsigned n)
{
	m.rng = m.rng * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(m.rng >> 33) % n;
}

/* Ask, and read if there is something to read. */
static bool want(struct chunkmap *cm, struct chunk_waiter *w)
{
	bool ok = chunkmap_want(cm, w);

	if (ok)
		chunkmap_read_end(cm, &w->reader);
	return ok;
}

static void no_wake(void *ctx _unused_)
{
}

static unsigned end_of(unsigned ci)
{
	return (unsigned)min_u64((ci + 1) * PER_CHUNK, N_BLOCKS);
}

static bool all_valid(uint64_t first, uint64_t end)
{
	while (first < end && m.valid[first])
		first++;
	return first == end;
}

static bool chunk_is_ready(unsigned ci)
{
	return all_valid(ci * PER_CHUNK, end_of(ci));
}

static bool is_answerable(const struct chunk_waiter *w)
{
	return all_valid(w->img_off / BLOCK, (w->img_off + w->n_bytes) / BLOCK);
}

/* Each waiter that comes back was waiting; it is answered or waits again. */
static void take_back(struct chunkmap *cm, struct chunk_waiter *list)
{
	while (list) {
		struct chunk_waiter *w = list;

		list = list->next;
		assert_true(m.waits[w - m.waiter]);
		m.waits[w - m.waiter] = !want(cm, w);
		assert_int_equal(m.waits[w - m.waiter], !is_answerable(w));
	}
}

static void read_some(struct chunkmap *cm)
{
	unsigned i = pick(N_WAITERS), first = pick(N_BLOCKS);
	unsigned n = 1 + pick((unsigned)min_u64(40, N_BLOCKS - first));
	struct chunk_waiter *w = &m.waiter[i];

	if (m.waits[i])
		return;
	*w = (struct chunk_waiter){.img_off = first * BLOCK, .n_bytes = n * BLOCK};
	assert_int_equal(chunkmap_is_valid(cm, w->img_off, w->n_bytes), is_answerable(w));
	m.waits[i] = !want(cm, w);
	assert_int_equal(m.waits[i], !is_answerable(w));
}

static void write_some(struct chunkmap *cm)
{
	unsigned i = pick(N_WRITERS), first = pick(N_BLOCKS), n;
	struct chunk_writer *w = &m.writer[i];

	if (m.writes[i]) {
		bool ok = pick(4) > 0;
		struct chunk_waiter *list;

		m.writes[i] = false;
		list = chunkmap_write_end(cm, w, ok);
		for (uint64_t b = w->first_block; ok && b < w->end_block; b++)
			m.valid[b] = true;
		take_back(cm, list);
		return;
	}
	n = 1 + pick((unsigned)min_u64(pick(8) ? 6 : 40, N_BLOCKS - first));
	for (unsigned ci = first / PER_CHUNK; ci <= (first + n - 1) / PER_CHUNK; ci++)
		if (m.storing[ci])
			return; /* it would wait */
	chunkmap_write_begin(cm, w, first * BLOCK, n * BLOCK);
	m.writes[i] = true;
}

static bool has_writer(unsigned ci)
{
	for (unsigned i = 0; i < N_WRITERS; i++)
		if (m.writes[i] && m.writer[i].first_block < end_of(ci) &&
		    m.writer[i].end_block > ci * PER_CHUNK)
			return true;
	return false;
}

static void store_some(struct chunkmap *cm, unsigned ci)
{
	uint8_t valid[2];

	if (m.storing[ci]) {
		bool ok = pick(4) > 0;
		struct chunk_waiter *list = chunkmap_store_end(cm, ci, ok);

		m.storing[ci] = m.claimed[ci] = false;
		for (unsigned b = ci * PER_CHUNK; ok && b < end_of(ci); b++)
			m.valid[b] = true;
		/* As the engine does: what could not be stored is fetched again. */
		if (!ok && chunkmap_claim(cm, ci))
			chunkmap_unclaim(cm, ci);
		take_back(cm, list);
		return;
	}
	if (!m.claimed[ci] || has_writer(ci))
		return;
	chunkmap_store_begin(cm, ci, valid);
	for (unsigned b = 0; b < end_of(ci) - ci * PER_CHUNK; b++)
		assert_int_equal(valid[b / 8] >> (b % 8) & 1,
				 m.valid[ci * PER_CHUNK + b]);
	m.storing[ci] = true;
}

static void claim_some(struct chunkmap *cm)
{
	uint64_t ci = pick(N_CHUNKS);
	unsigned way = pick(4);

	if (way == 0 && !chunkmap_next_demand(cm, &ci)) {
		/* Nothing demanded: then every waiter's chunk is being fetched. */
		for (unsigned i = 0; i < N_WAITERS; i++)
			assert_true(!m.waits[i] || m.claimed[m.waiter[i].ci]);
		return;
	}
	if (m.claimed[ci] && !m.storing[ci] && way == 1) {
		chunkmap_unclaim(cm, ci);
		m.claimed[ci] = false;
		return;
	}
	assert_int_equal(chunkmap_claim(cm, ci),
			 !m.claimed[ci] && !chunk_is_ready((unsigned)ci));
	m.claimed[ci] = m.claimed[ci] || !chunk_is_ready((unsigned)ci);
}

static void zero_some(struct chunkmap *cm)
{
	unsigned ci = pick(N_CHUNKS);

	if (pick(30) || m.storing[ci])
		return;
	struct chunk_waiter *list = chunkmap_mark_zero(cm, ci);
	for (unsigned b = ci * PER_CHUNK; b < end_of(ci); b++)
		m.valid[b] = true;
	take_back(cm, list);
}

static void compare(struct chunkmap *cm)
{
	uint64_t n_ready = 0, n_waiting = 0, n_valid, first_absent = N_CHUNKS, ci;
	struct chunkmap_counts c;

	for (ci = 0; ci < N_CHUNKS; ci++) {
		n_valid = 0;
		for (uint64_t b = ci * PER_CHUNK; b < end_of((unsigned)ci); b++)
			n_valid += m.valid[b];
		n_ready += chunk_is_ready((unsigned)ci);
		assert_int_equal(chunkmap_state(cm, ci), chunk_is_ready((unsigned)ci)
								 ? CHUNK_READY
							 : n_valid ? CHUNK_PARTIAL
								   : CHUNK_ABSENT);
		if (first_absent == N_CHUNKS && !chunk_is_ready((unsigned)ci) &&
		    !m.claimed[ci])
			first_absent = ci;
	}
	for (unsigned i = 0; i < N_WAITERS; i++)
		n_waiting += m.waits[i];
	chunkmap_counts(cm, &c);
	assert_int_equal(c.n_ready, n_ready);
	assert_int_equal(c.n_waiting, n_waiting);
	assert_int_equal(chunkmap_is_complete(cm), n_ready == N_CHUNKS);
	assert_int_equal(chunkmap_next_absent(cm, 0, &ci), first_absent < N_CHUNKS);
}

/* Bring everything that was begun to its end: then nobody may wait any more. */
static void finish(struct chunkmap *cm)
{
	while (true) {
		unsigned left = 0;

		for (unsigned i = 0; i < N_WRITERS; i++)
			left += m.writes[i];
		for (unsigned ci = 0; ci < N_CHUNKS; ci++)
			left += !chunk_is_ready(ci) || m.claimed[ci];
		if (left == 0)
			break;
		write_some(cm);
		claim_some(cm);
		store_some(cm, pick(N_CHUNKS));
	}
	compare(cm);
	assert_null(chunkmap_take_all_waiters(cm));
}

static void random_steps(void **state _unused_)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct chunkmap *cm;

		memset(&m, 0, sizeof m);
		m.rng = round;
		assert_int_equal(
			chunkmap_new(N_BLOCKS * BLOCK, CHUNK, no_wake, NULL, &cm), 0);
		for (unsigned step = 0; step < 150; step++) {
			switch (pick(5)) {
			case 0:
				read_some(cm);
				break;
			case 1:
				write_some(cm);
				break;
			case 2:
				store_some(cm, pick(N_CHUNKS));
				break;
			case 3:
				claim_some(cm);
				break;
			case 4:
				zero_some(cm);
				break;
			}
			compare(cm);
		}
		finish(cm);
		chunkmap_free(cm);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
