/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.h - first in, first out, of chunk indexes, but for some that go before others; a
 * ring with all its memory from the start
 *
 * Not locked: the owner's lock guards it.
 */
#ifndef MAP_QUEUE_H
#define MAP_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "imgfmt/base.h"

#define QUEUE_START (UINT64_C(1) << 62)

struct queue {
	uint64_t *entries;
	uint64_t capacity;
	uint64_t
		head; /* counts pops, from QUEUE_START; pushes to the front count it down */
	uint64_t tail; /* counts pushes */
};

/* -ENOMEM */
int queue_init(struct queue *q, uint64_t capacity) _must_check_;
void queue_fini(struct queue *q);
/* False when full. */
bool queue_push(struct queue *q, uint64_t ci) _must_check_;
/* The next to be popped.  False when full. */
bool queue_push_front(struct queue *q, uint64_t ci) _must_check_;
/* False when empty. */
bool queue_pop(struct queue *q, uint64_t *ret_ci) _must_check_;
uint64_t queue_length(const struct queue *q);

#endif
