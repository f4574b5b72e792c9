/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeline.c - see timeline.h
 *
 * Counters only grow.  One that is less than it was belongs to a new process: all of it is new.
 */
#include "face/timeline.h"

#include <sys/mman.h>

_Static_assert(TIMELINE_BUCKETS % 2 == 0, "two neighbours become one");
_Static_assert(TIMELINE_STRIPS <= 64, "wanted has a bit a strip");

struct timeline *timeline_new_shared(void)
{
	void *p = mmap(NULL, sizeof(struct timeline), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void timeline_free(struct timeline *t)
{
	if (t)
		munmap(t, sizeof *t);
}

void timeline_start(struct timeline *t, int64_t now_ms)
{
	memset(&t->last, 0, sizeof t->last);
	if (t->bucket_ms)
		return;
	t->start_ms = now_ms;
	t->bucket_ms = TIMELINE_FIRST_MS;
}

void timeline_set_image(struct timeline *t, uint64_t image_bytes)
{
	atomic_store(&t->image_bytes, image_bytes);
}

void timeline_wanted(struct timeline *t, uint64_t img_off)
{
	uint64_t n_bytes =
		t ? atomic_load_explicit(&t->image_bytes, memory_order_relaxed) : 0;

	if (img_off >= n_bytes)
		return;
	/* In units of a block the product is far from 64 bits. */
	atomic_fetch_or_explicit(&t->wanted,
				 1ull << img_off / 4096 * TIMELINE_STRIPS /
						 div_round_up(n_bytes, (uint64_t)4096),
				 memory_order_relaxed);
}

void timeline_set_resident(struct timeline *t, unsigned strip, uint64_t have,
			   uint64_t all)
{
	/* Down: 255 is all of it. */
	t->resident[strip] = all ? (uint8_t)((double)have / (double)all * 255) : 255;
}

static void merge(struct timeline_bucket *to, const struct timeline_bucket *later)
{
	to->demand_bytes += later->demand_bytes;
	to->hot_bytes += later->hot_bytes;
	to->ahead_bytes += later->ahead_bytes;
	to->fill_bytes += later->fill_bytes;
	to->wire_bytes += later->wire_bytes;
	to->n_requests += later->n_requests;
	to->n_waited += later->n_waited;
	to->n_waiting_max = max_u64(to->n_waiting_max, later->n_waiting_max);
	if (to->wait_ms_max < later->wait_ms_max)
		to->wait_ms_max = later->wait_ms_max;
	to->wanted |= later->wanted;
	to->states |= later->states;
	memcpy(to->resident, later->resident, sizeof to->resident);
}

static void halve(struct timeline *t)
{
	for (unsigned i = 0; i < TIMELINE_BUCKETS / 2; i++) {
		struct timeline_bucket b = t->buckets[2 * i];

		merge(&b, &t->buckets[2 * i + 1]);
		t->buckets[i] = b;
	}
	t->n = TIMELINE_BUCKETS / 2;
	t->bucket_ms *= 2;
}

/*
 * The bucket of a moment.  Those between the last one and it saw nothing of their own (the process
 * was stopped, or something took long): they are like the last one without its sums.
 */
static struct timeline_bucket *bucket_at(struct timeline *t, int64_t since_ms)
{
	while (since_ms / t->bucket_ms >= TIMELINE_BUCKETS) {
		while (t->n < TIMELINE_BUCKETS) {
			struct timeline_bucket empty = {0};

			if (t->n)
				memcpy(empty.resident, t->buckets[t->n - 1].resident,
				       sizeof empty.resident);
			t->buckets[t->n++] = empty;
		}
		halve(t);
	}
	while (t->n <= since_ms / t->bucket_ms) {
		struct timeline_bucket *b = &t->buckets[t->n];

		*b = (struct timeline_bucket){0};
		if (t->n)
			memcpy(b->resident, b[-1].resident, sizeof b->resident);
		t->n++;
	}
	return &t->buckets[since_ms / t->bucket_ms];
}

static uint64_t growth(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : now;
}

static void add_growth(struct timeline_bucket *b, const struct timeline_counts *now,
		       const struct timeline_counts *last)
{
	b->demand_bytes += growth(now->demand_bytes, last->demand_bytes);
	b->hot_bytes += growth(now->hot_bytes, last->hot_bytes);
	b->ahead_bytes += growth(now->ahead_bytes, last->ahead_bytes);
	b->fill_bytes += growth(now->fill_bytes, last->fill_bytes);
	b->wire_bytes += growth(now->wire_bytes, last->wire_bytes);
	b->n_requests += growth(now->n_requests, last->n_requests);
	b->n_waited += growth(now->waits.n, last->waits.n);
}

void timeline_note(struct timeline *t, const struct timeline_counts *now, unsigned state,
		   int64_t now_ms)
{
	int64_t since_ms = now_ms - t->start_ms;
	struct timeline_bucket *b;
	double longest_ms;

	if (t->has_ended || since_ms < t->end_ms)
		return;
	/* The middle of the interval: a look just behind a bucket's end still belongs to it. */
	b = bucket_at(t, (t->end_ms + since_ms) / 2);
	add_growth(b, now, &t->last);
	b->n_waiting_max = max_u64(b->n_waiting_max, now->n_waiting);
	longest_ms = histogram_longest_ms(&now->waits, &t->last.waits);
	if (b->wait_ms_max < longest_ms)
		b->wait_ms_max = longest_ms;
	b->wanted |= atomic_exchange(&t->wanted, 0);
	b->states |= 1u << state;
	memcpy(b->resident, t->resident, sizeof b->resident);
	t->last = *now;
	t->end_ms = since_ms;
}

int64_t timeline_due_ms(const struct timeline *t, int64_t now_ms)
{
	int64_t since_ms = now_ms - t->start_ms;

	if (t->has_ended || !t->bucket_ms)
		return INT64_MAX;
	/* The last moment of the bucket: what is counted then happened in it. */
	return t->bucket_ms - since_ms % t->bucket_ms;
}

void timeline_end(struct timeline *t)
{
	t->has_ended = true;
}
