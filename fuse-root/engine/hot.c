/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot.c - see hot.h
 */
#include "engine/hot.h"

#include <inttypes.h>

#include "base/log.h"

void hot_init(struct hot *h, const struct img *img, struct chunkmap *cm)
{
	*h = (struct hot){
		.img = img,
		.cm = cm,
		.state = img_info(img)->hot_bytes ? HOT_TABLE : HOT_NONE,
		.ramp_bytes = HOT_REQUEST_BYTES_MIN,
	};
	if (img_info(img)->hot_table_bytes > HOT_TABLE_BYTES_MAX)
		hot_abandon(h, "its table is too large");
}

void hot_fini(struct hot *h)
{
	img_hot_free(steal_pointer(&h->table));
}

void hot_seed(struct hot *h, const uint8_t *first, size_t n_first)
{
	struct img_range range;

	if (h->state != HOT_TABLE)
		return;
	range = hot_table_range(h);
	if (range.src_off + range.n_bytes <= n_first)
		hot_take_table(h, first + range.src_off, range.n_bytes);
}

struct img_range hot_table_range(const struct hot *h)
{
	const struct img_info *info = img_info(h->img);

	return (struct img_range){info->hot_off, info->hot_table_bytes};
}

void hot_take_table(struct hot *h, const void *table, size_t n_bytes)
{
	int err = img_hot_new(h->img, table, n_bytes, &h->table);

	h->state = HOT_FRAMES;
	if (err < 0)
		hot_abandon(h, img_strerror(err));
}

void hot_abandon(struct hot *h, const char *why)
{
	if (h->state != HOT_NONE || h->next_frame)
		log_warning("hot pack: not used any further: %s", why);
	h->state = HOT_NONE;
	h->next_frame = 0;
}

static uint32_t request_bytes(const struct hot *h, uint64_t throughput)
{
	uint64_t most = h->ramp_bytes;

	/* On a slow line a long request would keep demand waiting. */
	if (throughput)
		most = min_u64(most, max_u64(throughput / 2, HOT_REQUEST_BYTES_MIN));
	return (uint32_t)most;
}

/* A persistent store has all of it, or everything has come another way. */
static bool frame_is_there(const struct hot *h, const struct img_hot_frame *f)
{
	for (uint32_t i = 0; i < f->n_runs; i++) {
		const struct img_hot_run *run = &h->table->runs[f->first_run + i];

		if (chunkmap_state(h->cm, run->ci) != CHUNK_READY &&
		    !chunkmap_is_present(h->cm, run->ci))
			return false;
	}
	return true;
}

bool hot_skip(struct hot *h)
{
	while (h->next_frame < h->table->n_frames &&
	       frame_is_there(h, &h->table->frames[h->next_frame]))
		h->next_frame++;
	if (h->next_frame < h->table->n_frames)
		return true;
	h->state = HOT_NONE;
	return false;
}

struct hot_range hot_next(const struct hot *h, uint64_t throughput, uint32_t n_frames_max)
{
	uint32_t most = request_bytes(h, throughput);
	const struct img_hot_frame *frame = &h->table->frames[h->next_frame];
	struct hot_range range = {
		.first = h->next_frame,
		.src_off = img_info(h->img)->hot_off + frame->hot_off,
	};

	/* One at least: no frame is larger than a request may be. */
	for (uint32_t i = range.first; i < h->table->n_frames && range.n < n_frames_max;
	     i++) {
		frame = &h->table->frames[i];
		if (range.n && range.n_bytes + frame->stored_bytes > most)
			break;
		range.n_bytes += frame->stored_bytes;
		range.n++;
	}
	return range;
}

static void for_each_run(const struct hot *h, uint32_t frame,
			 void (*what)(struct chunkmap *cm, uint64_t ci, uint32_t first,
				      uint32_t n))
{
	const struct img_hot_frame *f = &h->table->frames[frame];

	for (uint32_t i = 0; i < f->n_runs; i++) {
		const struct img_hot_run *run = &h->table->runs[f->first_run + i];

		what(h->cm, run->ci, run->first_block, run->n_blocks);
	}
}

void hot_sent(struct hot *h, const struct hot_range *range)
{
	for (uint32_t i = 0; i < range->n; i++)
		for_each_run(h, range->first + i, chunkmap_promise);
	h->next_frame += range->n;
	h->ramp_bytes =
		(uint32_t)min_u64(2 * (uint64_t)h->ramp_bytes, HOT_REQUEST_BYTES_MAX);
	if (h->next_frame == h->table->n_frames)
		h->state = HOT_NONE;
}

void hot_frame_failed(struct hot *h, uint32_t frame)
{
	for_each_run(h, frame, chunkmap_unpromise);
}

bool hot_is_waited_for(const struct hot *h, uint32_t frame)
{
	const struct img_hot_frame *f = &h->table->frames[frame];

	for (uint32_t i = 0; i < f->n_runs; i++)
		if (chunkmap_has_waiters(h->cm, h->table->runs[f->first_run + i].ci))
			return true;
	return false;
}
