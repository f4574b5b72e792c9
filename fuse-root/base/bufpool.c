/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bufpool.c - a free list in one block of memory
 *
 * A free piece's first bytes are the link to the next one, so the pool needs no other memory.
 * Memory is touched when first used, not at creation: a locked process then keeps only what it
 * has needed.
 */
#include "base/bufpool.h"

#include "base/lock.h"

struct piece {
	struct piece *next;
};

struct bufpool {
	/* set before threads start */
	uint8_t *memory;
	size_t piece_bytes;
	unsigned n;

	/* guarded by lock */
	struct lock lock;
	pthread_cond_t piece_back;
	struct piece *free_list;
	unsigned n_fresh; /* pieces from the front that were ever given out */
	unsigned n_out;
};

struct bufpool *bufpool_new(unsigned n, size_t n_bytes)
{
	size_t align = n_bytes >= 4096 ? 4096 : 64;
	struct bufpool *p = calloc(1, sizeof *p);
	size_t total;

	if (!p)
		return NULL;
	p->n = n;
	p->piece_bytes = (n_bytes + align - 1) / align * align;
	lock_init(&p->lock);
	cond_init(&p->piece_back);
	if (checked_mul(p->piece_bytes, (size_t)n, &total))
		p->memory = aligned_alloc(align, total);
	if (!p->memory) {
		bufpool_free(p);
		return NULL;
	}
	return p;
}

void bufpool_free(struct bufpool *p)
{
	if (!p)
		return;
	assert(p->n_out == 0);
	PTHREAD_OK(pthread_cond_destroy(&p->piece_back));
	lock_fini(&p->lock);
	free(p->memory);
	free(p);
}

void *bufpool_get(struct bufpool *p)
{
	struct piece *piece;

	lock_acquire(&p->lock);
	while (!p->free_list && p->n_fresh == p->n)
		cond_wait(&p->piece_back, &p->lock);
	if (p->free_list) {
		piece = p->free_list;
		p->free_list = piece->next;
	} else {
		piece = (struct piece *)(void *)(p->memory + p->n_fresh * p->piece_bytes);
		p->n_fresh++;
	}
	p->n_out++;
	lock_release(&p->lock);
	return piece;
}

void bufpool_put(struct bufpool *p, void *ptr)
{
	struct piece *piece = ptr;

	lock_acquire(&p->lock);
	piece->next = p->free_list;
	p->free_list = piece;
	p->n_out--;
	PTHREAD_OK(pthread_cond_signal(&p->piece_back));
	lock_release(&p->lock);
}
