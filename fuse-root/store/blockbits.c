/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blockbits.c - see blockbits.h
 */
#include "store/blockbits.h"

#include <errno.h>
#include <sys/mman.h>

#define WORD_BITS 64u

uint64_t blockbits_bytes(uint64_t n_blocks)
{
	return div_round_up(n_blocks, WORD_BITS) * sizeof(uint64_t);
}

int blockbits_init(struct blockbits *b, uint64_t n_blocks, void *memory)
{
	uint64_t n_words = div_round_up(n_blocks, WORD_BITS), n_set = 0;

	*b = (struct blockbits){.n_blocks = n_blocks, .is_own = !memory};
	if (!memory)
		memory = mmap(NULL, blockbits_bytes(n_blocks), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	b->words = memory;
	for (uint64_t i = 0; !b->is_own && i < n_words; i++)
		n_set += (unsigned)__builtin_popcountll(atomic_load(&b->words[i]));
	atomic_init(&b->n_set, n_set);
	return 0;
}

void blockbits_fini(struct blockbits *b)
{
	if (b->words && b->is_own)
		munmap(b->words, blockbits_bytes(b->n_blocks));
	b->words = NULL;
}

/* Bits [bit, bit + n) of a word. */
static uint64_t mask_of(unsigned bit, uint64_t n)
{
	return (n >= WORD_BITS ? UINT64_MAX : (1ull << n) - 1) << bit;
}

void blockbits_set(struct blockbits *b, uint64_t first, uint64_t n, bool value)
{
	while (n) {
		unsigned bit = first % WORD_BITS;
		uint64_t k = min_u64(WORD_BITS - bit, n), mask = mask_of(bit, k), old;

		if (value) {
			old = atomic_fetch_or(&b->words[first / WORD_BITS], mask);
			atomic_fetch_add(&b->n_set,
					 (unsigned)__builtin_popcountll(mask & ~old));
		} else {
			old = atomic_fetch_and(&b->words[first / WORD_BITS], ~mask);
			atomic_fetch_sub(&b->n_set,
					 (unsigned)__builtin_popcountll(mask & old));
		}
		first += k;
		n -= k;
	}
}

uint64_t blockbits_run(const struct blockbits *b, uint64_t first, uint64_t n,
		       bool *ret_value)
{
	bool value = atomic_load(&b->words[first / WORD_BITS]) >> (first % WORD_BITS) & 1;
	uint64_t run = 0;

	*ret_value = value;
	while (run < n) {
		unsigned bit = (first + run) % WORD_BITS;
		uint64_t word = atomic_load(&b->words[(first + run) / WORD_BITS]);
		uint64_t other = (value ? ~word : word) >> bit;
		uint64_t same =
			other ? (unsigned)__builtin_ctzll(other) : WORD_BITS - bit;

		/* Zeros that were shifted in are no bits of the word. */
		same = min_u64(same, WORD_BITS - bit);
		run += same;
		if (same < WORD_BITS - bit)
			break;
	}
	run = min_u64(run, n);
	return run ? run : 1; /* the bit has changed under our eyes */
}
