/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evict.c - see evict.h
 */
#include "engine/evict.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* Whoever is at a chunk is done with it soon. */
#define HELD_TRIES 50u
#define HELD_US 1000u

static bool bit_is_set(const uint8_t *bits, uint64_t i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

/* The runs of blocks of chunk ci that are not kept. */
static int discard_rest(struct evict *e, uint64_t ci, uint64_t *ret_bytes)
{
	uint64_t start = ci * e->config.chunk_bytes;
	uint64_t n = min_u64(e->config.chunk_bytes, e->config.image_bytes - start);
	uint64_t n_blocks = n / IMG_BLOCK_BYTES;
	int err = 0;

	*ret_bytes = 0;
	for (uint64_t b = 0; err == 0 && b < n_blocks;) {
		uint64_t end = b;

		while (end < n_blocks && !bit_is_set(e->kept, end))
			end++;
		if (end > b)
			err = store_discard(e->config.store, start + b * IMG_BLOCK_BYTES,
					    (end - b) * IMG_BLOCK_BYTES);
		*ret_bytes += (end - b) * IMG_BLOCK_BYTES;
		b = end + 1;
	}
	return err;
}

/* Bytes thrown away; 0: it did not leave, or the store would not let it go. */
static uint64_t evict_chunk(struct evict *e, const struct chunk_age *age)
{
	uint64_t n_bytes;
	int err;

	if (!chunkmap_evict_begin(e->config.cm, age, e->kept))
		return 0;
	err = discard_rest(e, age->ci, &n_bytes);
	chunkmap_evict_end(e->config.cm, age->ci, err == 0);
	if (err < 0) {
		if (!e->has_complained)
			log_error("store: chunk %" PRIu64 ": discard: %s", age->ci,
				  strerror(-err));
		e->has_complained = true;
		return 0;
	}
	return n_bytes;
}

/* Look at all chunks, a slice at a time. */
static void find_oldest(struct evict *e)
{
	struct chunkmap_counts counts;
	uint64_t from = 0;
	bool more = true;
	unsigned n;

	oldest_clear(&e->oldest);
	chunkmap_counts(e->config.cm, &counts);
	while (more && counts.clean_bytes) {
		more = chunkmap_ages(e->config.cm, &from, e->scanned, EVICT_AGES, &n);
		for (unsigned i = 0; i < n; i++)
			oldest_add(&e->oldest, &e->scanned[i]);
	}
	oldest_sort(&e->oldest);
}

static void evict_batch(struct evict *e, uint64_t n_bytes, struct evicted *ret)
{
	struct chunk_age age;
	bool is_fresh = false;

	while (ret->n_bytes < n_bytes) {
		if (oldest_take(&e->oldest, &age)) {
			const uint64_t n = evict_chunk(e, &age);

			ret->n_bytes += n;
			ret->n_chunks += n > 0;
		} else if (!is_fresh) {
			find_oldest(e);
			is_fresh = true;
		} else {
			break;
		}
	}
}

void evict_some(struct evict *e, uint64_t n_bytes, struct evicted *ret)
{
	struct chunkmap_counts counts = {.clean_bytes = 1};

	*ret = (struct evicted){0};
	for (unsigned i = 0; i < HELD_TRIES && counts.clean_bytes; i++) {
		if (i)
			usleep(HELD_US);
		evict_batch(e, n_bytes, ret);
		if (ret->n_bytes)
			break;
		chunkmap_counts(e->config.cm, &counts);
	}
}
