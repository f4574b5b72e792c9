/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oldest.c - see oldest.h; a binary heap with the youngest on top, which has to go first
 */
#include "engine/oldest.h"

#include <assert.h>

void oldest_clear(struct oldest *o)
{
	o->n = o->next = 0;
}

static void swap(struct oldest *o, unsigned a, unsigned b)
{
	struct chunk_age age = o->ages[a];

	o->ages[a] = o->ages[b];
	o->ages[b] = age;
}

/* ages[at] may be older than those below it: let it sink.  Only the first n are a heap. */
static void sink(struct oldest *o, unsigned at, unsigned n)
{
	for (unsigned child = 2 * at + 1; child < n; child = 2 * at + 1) {
		if (child + 1 < n && o->ages[child + 1].stamp > o->ages[child].stamp)
			child++;
		if (o->ages[at].stamp >= o->ages[child].stamp)
			return;
		swap(o, at, child);
		at = child;
	}
}

static void rise(struct oldest *o, unsigned at)
{
	while (at && o->ages[(at - 1) / 2].stamp < o->ages[at].stamp) {
		swap(o, (at - 1) / 2, at);
		at = (at - 1) / 2;
	}
}

void oldest_add(struct oldest *o, const struct chunk_age *age)
{
	assert(o->next == 0);
	if (o->n < OLDEST_MAX) {
		o->ages[o->n] = *age;
		rise(o, o->n++);
	} else if (age->stamp < o->ages[0].stamp) {
		o->ages[0] = *age;
		sink(o, 0, o->n);
	}
}

void oldest_sort(struct oldest *o)
{
	for (unsigned n = o->n; n > 1; n--) {
		swap(o, 0, n - 1);
		sink(o, 0, n - 1);
	}
}

bool oldest_take(struct oldest *o, struct chunk_age *ret)
{
	if (o->next == o->n)
		return false;
	*ret = o->ages[o->next++];
	return true;
}
