/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.c - see queue.h
 */
#include "map/queue.h"

#include <errno.h>

int queue_init(struct queue *q, uint64_t capacity)
{
	*q = (struct queue){
		.capacity = capacity,
		.head = QUEUE_START,
		.tail = QUEUE_START,
	};
	q->entries = calloc(capacity, sizeof *q->entries);
	return q->entries ? 0 : -ENOMEM;
}

void queue_fini(struct queue *q)
{
	free(q->entries);
	*q = (struct queue){0};
}

bool queue_push(struct queue *q, uint64_t ci)
{
	if (queue_length(q) == q->capacity)
		return false;
	q->entries[q->tail++ % q->capacity] = ci;
	return true;
}

bool queue_push_front(struct queue *q, uint64_t ci)
{
	if (queue_length(q) == q->capacity)
		return false;
	q->entries[--q->head % q->capacity] = ci;
	return true;
}

bool queue_pop(struct queue *q, uint64_t *ret_ci)
{
	if (q->head == q->tail)
		return false;
	*ret_ci = q->entries[q->head++ % q->capacity];
	return true;
}

uint64_t queue_length(const struct queue *q)
{
	return q->tail - q->head;
}
