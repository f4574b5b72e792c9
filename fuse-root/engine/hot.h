/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot.h - which frames of the hot pack are asked for next; the engine thread's own
 *
 * The pack beside the image, where one was named, else the one in it.  The table first,
 * then its frames from the first to the last, in requests that start small and double, so
 * that what a boot needs first does not stand behind what it needs later.  The blocks of
 * frames that are under way are promised in the chunk map: a read of them waits for the
 * pack.
 *
 * What one server gave wrong is asked for from another.  When nobody has it right, that
 * is said once, and the rest of the pack is not used; when it was the one beside the
 * image, the one in the image is.
 */
#ifndef ENGINE_HOT_H
#define ENGINE_HOT_H

#include "engine/engine.h"

/* What the table and its decoded form may take; larger packs are not used. */
#define HOT_TABLE_BYTES_MAX (4u * 1024 * 1024)
#define HOT_REQUEST_BYTES_MIN (128u * 1024)
#define HOT_REQUEST_BYTES_MAX (1024u * 1024)
/* PACK HEAD, and the whole table of a small pack. */
#define HOT_HEAD_BYTES (32u * 1024)
#define HOT_AGAIN_MAX 8u

enum hot_state {
	HOT_NONE, /* no pack, or all of it was asked for, or it is not used any more */
	HOT_HEAD, /* the head of the pack beside the image is wanted */
	HOT_HEAD_SENT,
	HOT_TABLE, /* the table is wanted */
	HOT_TABLE_SENT,
	HOT_FRAMES,
};

/* A frame that did not verify, to be had from another server. */
struct hot_again {
	bool in_use, is_under_way;
	uint32_t frame;
	uint32_t avoid; /* servers that gave it wrong */
};

struct hot {
	enum hot_state state;
	struct hot_config config;
	const struct img *img;
	struct chunkmap *cm;
	uint32_t everybody; /* servers of the image */
	bool is_abandoned; /* the last one, too */

	/* of the pack in use */
	enum source_file file;
	uint64_t hot_off, hot_table_bytes;
	struct img_pack *head; /* SOURCE_PACK, from its head to its table */
	struct img_hot *table; /* kept until the engine ends: jobs point to it */
	uint32_t table_avoid; /* servers that gave the table wrong */
	uint32_t next_frame;
	uint32_t ramp_bytes;
	struct hot_again again[HOT_AGAIN_MAX];

	struct img_hot *old_table; /* of the pack beside the image, given up */
};

/* Frames [first, +n) in one request. */
struct hot_range {
	uint32_t first, n;
	uint64_t src_off;
	uint32_t n_bytes;
};

void hot_init(struct hot *h, const struct engine_config *config);
/* `first`, n_first: the start of the image file, which may hold the table. */
void hot_seed(struct hot *h, const uint8_t *first, size_t n_first);
void hot_fini(struct hot *h);

/* The first bytes of the pack beside the image have come, out of shared memory. */
void hot_take_head(struct hot *h, const void *head, size_t n_bytes);

/* Where the table is.  HOT_TABLE only. */
struct img_range hot_table_range(const struct hot *h);
/*
 * It has come, out of shared memory, from this server.  Not 0: it was wrong, which is an error
 * of that server of the image; another one is asked, or, when all had it wrong, the pack is given
 * up.  0: it is in use, or the pack is given up for something else.
 */
int hot_take_table(struct hot *h, const void *table, size_t n_bytes,
		   unsigned server) _must_check_;

/* Pass over frames whose chunks are all there.  HOT_FRAMES only.  False: no frame is left. */
bool hot_skip(struct hot *h) _must_check_;
/* The next request, of at most n_frames_max frames; throughput in bytes a second, 0: not known. */
struct hot_range hot_next(const struct hot *h, uint64_t throughput,
			  uint32_t n_frames_max);
/* It was sent: its blocks are promised. */
void hot_sent(struct hot *h, const struct hot_range *range);

/*
 * A frame of `table` was wrong.  Where another server may have it right it is in `again`, and its
 * blocks stay promised.  Else its promises are void, and if it is of the pack in use, that is
 * given up.
 */
void hot_frame_refused(struct hot *h, const struct img_hot *table, uint32_t frame,
		       unsigned server, int img_err);
/* A frame of `table` is stored. */
void hot_frame_done(struct hot *h, const struct img_hot *table, uint32_t frame);
/* The promises of a frame are void: it could not be had, or not be stored. */
void hot_frame_failed(struct hot *h, const struct img_hot *table, uint32_t frame);
/* A frame that is to be asked for again, or NULL. */
struct hot_again *hot_next_again(struct hot *h);

/* Does a read wait for a block of this frame's chunks? */
bool hot_is_waited_for(const struct hot *h, const struct img_hot *table, uint32_t frame);

/* Use no more of the pack in use, and say why. */
void hot_abandon(struct hot *h, const char *why);

#endif
