/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ahead.c - see ahead.h
 *
 * Reads of one stream come in several at a time and out of order, so a read continues a
 * stream when it begins near its end.  What counts as read is how far the end moves, at
 * most the read's own length: small random reads that happen to fall close together do
 * not add up to a stream.
 *
 * Candidates and streams are kept apart, so that random reads push out each other only.
 */
#include "engine/ahead.h"

#include <errno.h>

#include "base/lock.h"

#define CANDIDATES 32u
/* How far from the end a read may begin. */
#define CANDIDATE_SLACK_BYTES (128u * 1024)
#define STREAM_SLACK_BYTES (1024u * 1024)

struct stream {
	uint64_t last_used; /* counts reads; 0: empty */
	uint64_t generation;
	uint64_t end; /* img_off behind the furthest read */
	uint64_t run_bytes; /* read one behind the other */
	unsigned n_reads;
	bool has_missed;
	uint64_t asked_ci; /* all before it is there or on its way */
	uint64_t want_ci; /* all before it is wanted */
};

struct ahead {
	/* set before threads start */
	uint64_t n_chunks;
	uint32_t chunk_bytes;

	/* guarded by lock */
	struct lock lock;
	uint64_t n_reads, n_streams;
	struct stream streams[AHEAD_STREAMS];
	struct stream candidates[CANDIDATES];
};

int ahead_new(uint64_t n_chunks, uint32_t chunk_bytes, struct ahead **ret)
{
	struct ahead *a = calloc(1, sizeof *a);

	if (!a)
		return -ENOMEM;
	a->n_chunks = n_chunks;
	a->chunk_bytes = chunk_bytes;
	lock_init(&a->lock);
	*ret = a;
	return 0;
}

void ahead_free(struct ahead *a)
{
	if (!a)
		return;
	lock_fini(&a->lock);
	free(a);
}

/* The one that a read at img_off continues, the nearest of several; NULL: none. */
static struct stream *find(struct stream *list, unsigned n, uint64_t img_off,
			   uint64_t slack)
{
	struct stream *found = NULL;

	for (unsigned i = 0; i < n; i++) {
		struct stream *s = &list[i];
		uint64_t gap = img_off > s->end ? img_off - s->end : s->end - img_off;

		if (!s->last_used || gap > slack)
			continue;
		found = s;
		slack = gap;
	}
	return found;
}

static struct stream *oldest(struct stream *list, unsigned n)
{
	struct stream *found = &list[0];

	for (unsigned i = 1; i < n; i++)
		if (list[i].last_used < found->last_used)
			found = &list[i];
	return found;
}

static void go_on(struct stream *s, uint64_t img_off, uint64_t n_bytes, bool missed)
{
	uint64_t end = img_off + n_bytes;

	s->n_reads++;
	s->has_missed = s->has_missed || missed;
	if (end <= s->end)
		return;
	s->run_bytes += min_u64(end - s->end, n_bytes);
	s->end = end;
}

static bool is_stream(const struct stream *s)
{
	return s->n_reads >= 2 && s->run_bytes >= AHEAD_RUN_BYTES_MIN;
}

/* A candidate that proved itself takes the place of the stream used longest ago. */
static struct stream *establish_locked(struct ahead *a, struct stream *candidate)
{
	struct stream *s = oldest(a->streams, AHEAD_STREAMS);

	lock_assert_held(&a->lock);
	*s = *candidate;
	s->generation = ++a->n_streams;
	s->asked_ci = s->want_ci = s->end / a->chunk_bytes;
	*candidate = (struct stream){0};
	return s;
}

/* True when more is wanted than before. */
static bool widen_locked(struct ahead *a, struct stream *s)
{
	uint64_t window = min_u64(s->run_bytes, AHEAD_BYTES_MAX);
	uint64_t want_ci =
		min_u64(div_round_up(s->end + window, a->chunk_bytes), a->n_chunks);

	lock_assert_held(&a->lock);
	/* The reader itself asks for what it is at. */
	s->asked_ci = max_u64(s->asked_ci, min_u64(s->end / a->chunk_bytes, a->n_chunks));
	if (!s->has_missed || want_ci <= s->want_ci)
		return false;
	s->want_ci = want_ci;
	return s->want_ci > s->asked_ci;
}

static struct stream *find_locked(struct ahead *a, uint64_t img_off, uint64_t n_bytes,
				  bool missed)
{
	struct stream *s = find(a->streams, AHEAD_STREAMS, img_off, STREAM_SLACK_BYTES);

	lock_assert_held(&a->lock);
	if (s) {
		go_on(s, img_off, n_bytes, missed);
		return s;
	}
	s = find(a->candidates, CANDIDATES, img_off, CANDIDATE_SLACK_BYTES);
	if (s) {
		go_on(s, img_off, n_bytes, missed);
		s->last_used = a->n_reads;
		return is_stream(s) ? establish_locked(a, s) : NULL;
	}
	*oldest(a->candidates, CANDIDATES) = (struct stream){
		.last_used = a->n_reads,
		.end = img_off + n_bytes,
		.run_bytes = n_bytes,
		.n_reads = 1,
		.has_missed = missed,
	};
	return NULL;
}

bool ahead_note(struct ahead *a, uint64_t img_off, uint64_t n_bytes, bool missed)
{
	bool wants_more = false;
	struct stream *s;

	lock_acquire(&a->lock);
	a->n_reads++;
	s = find_locked(a, img_off, n_bytes, missed);
	if (s) {
		s->last_used = a->n_reads;
		wants_more = widen_locked(a, s);
	}
	lock_release(&a->lock);
	return wants_more;
}

bool ahead_next(struct ahead *a, struct ahead_want *ret)
{
	uint64_t least = UINT64_MAX;

	lock_acquire(&a->lock);
	for (unsigned i = 0; i < AHEAD_STREAMS; i++) {
		const struct stream *s = &a->streams[i];
		uint64_t lead;

		if (!s->last_used || s->asked_ci >= s->want_ci)
			continue;
		lead = s->asked_ci - min_u64(s->asked_ci, s->end / a->chunk_bytes);
		if (lead >= least)
			continue;
		least = lead;
		*ret = (struct ahead_want){i, s->generation, s->asked_ci, s->want_ci};
	}
	lock_release(&a->lock);
	return least != UINT64_MAX;
}

void ahead_asked(struct ahead *a, const struct ahead_want *want, uint64_t ci)
{
	struct stream *s = &a->streams[want->stream];

	lock_acquire(&a->lock);
	if (s->generation == want->generation)
		s->asked_ci = max_u64(s->asked_ci, ci);
	lock_release(&a->lock);
}
