/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_contract.h - what store/store.h promises, for any store of at least 8 MiB
 *
 * Each function leaves the store discarded.
 */
#ifndef STORE_CONTRACT_H
#define STORE_CONTRACT_H

#include <assert.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/store.h"

#define STORE_BLOCK 4096u
#define STORE_TEST_BYTES (8u * 1024 * 1024)

static inline uint8_t *store_buffer(size_t n_bytes, uint64_t seed)
{
	uint8_t *p = aligned_alloc(STORE_BLOCK, n_bytes);

	assert(p);
	for (size_t i = 0; i < n_bytes; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		p[i] = (uint8_t)(seed >> 60);
	}
	return p;
}

static inline int store_put(struct store *s, uint64_t off, void *buf, uint32_t n_bytes)
{
	const struct store_io io = {.slot_off = off, .buf = buf, .n_bytes = n_bytes};

	return store_write(s, &io, 1);
}

static inline int store_get(struct store *s, uint64_t off, void *buf, uint32_t n_bytes)
{
	const struct store_io io = {.slot_off = off, .buf = buf, .n_bytes = n_bytes};

	return store_read(s, &io, 1);
}

/* A block never written, or discarded, reads as zeros. */
static inline void store_contract_zeros(struct store *s)
{
	uint8_t *buf = store_buffer(65536, 1), *zeros = calloc(1, 65536);

	assert_int_equal(store_get(s, s->bytes - 65536, buf, 65536), 0);
	assert_memory_equal(buf, zeros, 65536);
	memset(buf, 7, 65536);
	assert_int_equal(store_put(s, 65536, buf, 65536), 0);
	assert_int_equal(store_discard(s, 65536 + 4096, 8192), 0);
	assert_int_equal(store_get(s, 65536, buf, 65536), 0);
	for (unsigned i = 0; i < 65536; i++)
		assert_int_equal(buf[i], i >= 4096 && i < 12288 ? 0 : 7);
	assert_int_equal(store_discard(s, 0, s->bytes), 0);
	assert_int_equal(store_get(s, 65536, buf, 65536), 0);
	assert_memory_equal(buf, zeros, 65536);
	free(buf);
	free(zeros);
}

/* Sixteen pieces in one call, in any order, of unlike lengths. */
static inline void store_contract_pieces(struct store *s)
{
	struct store_io io[STORE_IO_MAX];
	uint8_t *out = store_buffer(1 << 20, 2), *in = store_buffer(1 << 20, 3);
	uint64_t at = 0;

	for (unsigned i = 0; i < STORE_IO_MAX; i++) {
		unsigned k = i * 7 % STORE_IO_MAX;

		io[k] = (struct store_io){
			.slot_off = STORE_TEST_BYTES / 2 + at + i * STORE_BLOCK,
			.buf = out + at,
			.n_bytes = (i % 4 + 1) * STORE_BLOCK,
		};
		at += io[k].n_bytes;
	}
	assert_int_equal(store_write(s, io, STORE_IO_MAX), 0);
	for (unsigned i = 0; i < STORE_IO_MAX; i++)
		io[i].buf = in + ((uint8_t *)io[i].buf - out);
	assert_int_equal(store_read(s, io, STORE_IO_MAX), 0);
	assert_memory_equal(in, out, at);
	assert_int_equal(store_write(s, io, 0), 0);
	assert_int_equal(store_discard(s, 0, s->bytes), 0);
	free(out);
	free(in);
}

static inline void store_contract_ends(struct store *s)
{
	uint8_t *buf = store_buffer(65536, 4), *again = store_buffer(65536, 5);

	assert_int_equal(store_put(s, 0, buf, 4096), 0);
	assert_int_equal(store_put(s, s->bytes - 4096, buf + 4096, 4096), 0);
	assert_int_equal(store_get(s, 0, again, 4096), 0);
	assert_int_equal(store_get(s, s->bytes - 4096, again + 4096, 4096), 0);
	assert_memory_equal(buf, again, 8192);
	/* Nothing lies beyond the end. */
	assert_true(store_get(s, s->bytes, again, 4096) < 0);
	assert_int_equal(store_discard(s, 0, s->bytes), 0);
	free(buf);
	free(again);
}

static inline void store_contract_usage(struct store *s)
{
	uint8_t *buf = store_buffer(1 << 20, 6);
	struct store_usage empty, full;

	store_usage(s, &empty);
	for (uint64_t off = 0; off < 4u << 20; off += 1 << 20)
		assert_int_equal(store_put(s, off, buf, 1 << 20), 0);
	store_usage(s, &full);
	assert_true(full.used_bytes > empty.used_bytes + (256 << 10));
	assert_int_equal(store_discard(s, 0, s->bytes), 0);
	store_usage(s, &full);
	assert_true(full.used_bytes < empty.used_bytes + (64 << 10));
	assert_non_null(s->ops->kind);
	free(buf);
}

struct store_user {
	struct store *s;
	uint64_t start;
};

static inline void *store_user_thread(void *arg)
{
	struct store_user *u = arg;
	uint8_t *out = store_buffer(131072, u->start), *in = store_buffer(131072, 9);

	for (unsigned i = 0; i < 40; i++) {
		uint32_t n = (i % 32 + 1) * STORE_BLOCK;
		int err = store_put(u->s, u->start, out, n);

		assert(err == 0);
		err = store_get(u->s, u->start, in, n);
		assert(err == 0 && memcmp(in, out, n) == 0);
		err = store_discard(u->s, u->start, n);
		assert(err == 0);
		err = store_get(u->s, u->start + n - STORE_BLOCK, in, STORE_BLOCK);
		assert(err == 0 && in[0] == 0 && in[STORE_BLOCK - 1] == 0);
	}
	free(out);
	free(in);
	return NULL;
}

static inline void store_contract_threads(struct store *s)
{
	struct store_user users[6];
	pthread_t threads[6];

	for (unsigned i = 0; i < 6; i++) {
		users[i] = (struct store_user){s, i * 131072};
		pthread_create(&threads[i], NULL, store_user_thread, &users[i]);
	}
	for (unsigned i = 0; i < 6; i++)
		pthread_join(threads[i], NULL);
}

static inline void store_contract(struct store *s)
{
	store_contract_zeros(s);
	store_contract_pieces(s);
	store_contract_ends(s);
	store_contract_usage(s);
	store_contract_threads(s);
}

#endif
