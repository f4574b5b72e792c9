/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot.h - which frames of the hot pack are asked for next; the engine thread's own
 *
 * The table first, then its frames from the first to the last, in requests that start small and
 * double, so that what a boot needs first does not stand behind what it needs later.  The blocks of
 * frames that are under way are promised in the chunk map: a read of them waits for the pack.
 * Whatever is wrong with a pack is said once, and the rest of it is not used.
 */
#ifndef ENGINE_HOT_H
#define ENGINE_HOT_H

#include "engine/engine.h"

/* What the table and its decoded form may take; larger packs are not used. */
#define HOT_TABLE_BYTES_MAX (4u * 1024 * 1024)
#define HOT_REQUEST_BYTES_MIN (128u * 1024)
#define HOT_REQUEST_BYTES_MAX (1024u * 1024)

enum hot_state {
	HOT_NONE, /* no pack, or all of it was asked for, or it is not used any more */
	HOT_TABLE, /* the table is wanted */
	HOT_TABLE_SENT,
	HOT_FRAMES,
};

struct hot {
	enum hot_state state;
	const struct img *img;
	struct chunkmap *cm;
	struct img_hot *table; /* kept until the engine ends: jobs point to it */
	uint32_t next_frame;
	uint32_t ramp_bytes;
};

/* Frames [first, +n) in one request. */
struct hot_range {
	uint32_t first, n;
	uint64_t src_off;
	uint32_t n_bytes;
};

/* `first`, n_first: the start of the file, which may hold the table. */
void hot_init(struct hot *h, const struct img *img, struct chunkmap *cm);
void hot_seed(struct hot *h, const uint8_t *first, size_t n_first);
void hot_fini(struct hot *h);

/* Where the table is.  HOT_TABLE only. */
struct img_range hot_table_range(const struct hot *h);
/* It has come, out of shared memory. */
void hot_take_table(struct hot *h, const void *table, size_t n_bytes);

/* Pass over frames whose chunks are all there.  HOT_FRAMES only.  False: no frame is left. */
bool hot_skip(struct hot *h) _must_check_;
/* The next request, of at most n_frames_max frames; throughput in bytes a second, 0: not known. */
struct hot_range hot_next(const struct hot *h, uint64_t throughput,
			  uint32_t n_frames_max);
/* It was sent: its blocks are promised. */
void hot_sent(struct hot *h, const struct hot_range *range);
/* The promises of a frame are void: its bytes were wrong or could not be stored. */
void hot_frame_failed(struct hot *h, uint32_t frame);
/* Does a read wait for a block of this frame's chunks? */
bool hot_is_waited_for(const struct hot *h, uint32_t frame);

/* Use no more of it, and say why. */
void hot_abandon(struct hot *h, const char *why);

#endif
