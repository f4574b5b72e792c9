/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot.c - see hot.h
 */
#include "engine/hot.h"

#include <inttypes.h>

#include "base/log.h"
#include "engine/signers.h"

#define HOT_WHY_BYTES 256

/* The pack in the image, if there is one. */
static void use_image_pack(struct hot *h)
{
	const struct img_info *info = img_info(h->img);

	h->file = SOURCE_IMAGE;
	h->hot_off = info->hot_off;
	h->hot_table_bytes = info->hot_table_bytes;
	h->next_frame = 0;
	h->ramp_bytes = HOT_REQUEST_BYTES_MIN;
	h->state = info->hot_bytes ? HOT_TABLE : HOT_NONE;
	if (h->hot_table_bytes > HOT_TABLE_BYTES_MAX)
		hot_abandon(h, "its table is too large");
}

void hot_init(struct hot *h, const struct engine_config *config)
{
	*h = (struct hot){
		.config = config->hot,
		.img = config->img,
		.cm = config->cm,
		.everybody = source_servers(config->source),
		.ramp_bytes = HOT_REQUEST_BYTES_MIN,
		.state = HOT_HEAD,
		.file = SOURCE_PACK,
	};
	if (!config->hot.has_pack)
		use_image_pack(h);
}

void hot_fini(struct hot *h)
{
	img_pack_free(steal_pointer(&h->head));
	img_hot_free(steal_pointer(&h->table));
	img_hot_free(steal_pointer(&h->old_table));
}

void hot_seed(struct hot *h, const uint8_t *first, size_t n_first)
{
	struct img_range range;

	if (h->state != HOT_TABLE)
		return;
	range = hot_table_range(h);
	if (range.src_off + range.n_bytes > n_first)
		return;
	/* Wrong ones are asked for again, and complained of then. */
	if (img_hot_new(h->img, first + range.src_off, range.n_bytes, &h->table) == 0)
		h->state = HOT_FRAMES;
}

struct img_range hot_table_range(const struct hot *h)
{
	return (struct img_range){h->hot_off, h->hot_table_bytes};
}

/* -- head and table ----------------------------------------------------------------------- */

static const char *fault_of_key(const struct hot *h, int err, char why[HOT_WHY_BYTES])
{
	uint8_t ids[IMG_SIGNATURES_MAX][IMG_KEY_ID_BYTES];
	char keys[SIGNERS_TEXT_BYTES];
	uint32_t n = 0;

	while (n < IMG_SIGNATURES_MAX && img_pack_key_id(h->head, n, ids[n]))
		n++;
	signers_text(h->config.public_key, h->config.public_key_bytes, ids, n, keys);
	snprintf(why, HOT_WHY_BYTES, "%s, %s", img_strerror(err), keys);
	return why;
}

/* Why it is not to be used, or NULL; `why` has room for it. */
static const char *fault_of_head(const struct hot *h, char why[HOT_WHY_BYTES])
{
	const struct img_pack_info *info = img_pack_info(h->head);
	char hex[IMG_HEX_BYTES];
	int err = 0;

	if (h->config.has_digest &&
	    memcmp(h->config.digest, info->digest, IMG_DIGEST_BYTES) != 0) {
		img_digest_hex(info->digest, hex);
		snprintf(why, HOT_WHY_BYTES,
			 "not the one that pack= names: its digest is sha256:%s", hex);
		return why;
	}
	if (h->config.public_key)
		err = img_pack_check_signature(h->head, h->config.public_key,
					       h->config.public_key_bytes);
	if (err < 0)
		return img_err_is_ours(err) ? img_strerror(err)
					    : fault_of_key(h, err, why);
	return memcmp(info->image_digest, img_info(h->img)->digest, IMG_DIGEST_BYTES) == 0
		       ? NULL
		       : "it is of another image";
}

void hot_take_head(struct hot *h, const void *head, size_t n_bytes)
{
	int err = img_pack_new(head, n_bytes, &h->head);
	char text[HOT_WHY_BYTES];
	const char *why = err < 0 ? img_strerror(err) : fault_of_head(h, text);
	const struct img_pack_info *info;

	if (why) {
		hot_abandon(h, why);
		return;
	}
	info = img_pack_info(h->head);
	h->hot_off = info->hot_off;
	h->hot_table_bytes = info->hot_table_bytes;
	h->state = HOT_TABLE;
	if (h->hot_table_bytes > HOT_TABLE_BYTES_MAX)
		hot_abandon(h, "its table is too large");
	else if (h->hot_off + h->hot_table_bytes <= n_bytes)
		/* Nobody else has a pack beside the image. */
		(void)!hot_take_table(h, (const uint8_t *)head + h->hot_off,
				      h->hot_table_bytes, 0);
}

/* True when another server than `server` may have it right. */
static bool may_ask_others(const struct hot *h, uint32_t *avoid, unsigned server)
{
	if (h->file != SOURCE_IMAGE)
		return false;
	*avoid |= UINT32_C(1) << server;
	return (*avoid & h->everybody) != h->everybody;
}

static void abandon_at_table(struct hot *h, int err)
{
	char why[HOT_WHY_BYTES];

	snprintf(why, sizeof why, "table at offset %" PRIu64 ": %s", h->hot_off,
		 img_strerror(err));
	hot_abandon(h, why);
}

int hot_take_table(struct hot *h, const void *table, size_t n_bytes, unsigned server)
{
	const bool is_of_image = h->file == SOURCE_IMAGE;
	int err = is_of_image
			  ? img_hot_new(h->img, table, n_bytes, &h->table)
			  : img_pack_hot_new(h->head, h->img, table, n_bytes, &h->table);

	h->state = HOT_FRAMES;
	if (err == 0)
		return 0;
	if (!img_err_is_ours(err) && may_ask_others(h, &h->table_avoid, server))
		h->state = HOT_TABLE;
	else
		abandon_at_table(h, err);
	return is_of_image && !img_err_is_ours(err) ? err : 0;
}

/* -- frames ------------------------------------------------------------------------------- */

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
		.src_off = h->hot_off + frame->hot_off,
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

static void for_each_run(const struct hot *h, const struct img_hot *table, uint32_t frame,
			 void (*what)(struct chunkmap *cm, uint64_t ci, uint32_t first,
				      uint32_t n))
{
	const struct img_hot_frame *f = &table->frames[frame];

	for (uint32_t i = 0; i < f->n_runs; i++) {
		const struct img_hot_run *run = &table->runs[f->first_run + i];

		what(h->cm, run->ci, run->first_block, run->n_blocks);
	}
}

void hot_sent(struct hot *h, const struct hot_range *range)
{
	for (uint32_t i = 0; i < range->n; i++)
		for_each_run(h, h->table, range->first + i, chunkmap_promise);
	h->next_frame += range->n;
	h->ramp_bytes =
		(uint32_t)min_u64(2 * (uint64_t)h->ramp_bytes, HOT_REQUEST_BYTES_MAX);
	if (h->next_frame == h->table->n_frames)
		h->state = HOT_NONE;
}

void hot_frame_failed(struct hot *h, const struct img_hot *table, uint32_t frame)
{
	for_each_run(h, table, frame, chunkmap_unpromise);
}

bool hot_is_waited_for(const struct hot *h, const struct img_hot *table, uint32_t frame)
{
	const struct img_hot_frame *f = &table->frames[frame];

	for (uint32_t i = 0; i < f->n_runs; i++)
		if (chunkmap_has_waiters(h->cm, table->runs[f->first_run + i].ci))
			return true;
	return false;
}

/* -- when something is wrong -------------------------------------------------------------- */

/* The entry of this frame, or an empty one; NULL: neither. */
static struct hot_again *find_again(struct hot *h, uint32_t frame)
{
	struct hot_again *empty = NULL;

	for (unsigned i = 0; i < HOT_AGAIN_MAX; i++) {
		if (h->again[i].in_use && h->again[i].frame == frame)
			return &h->again[i];
		if (!h->again[i].in_use)
			empty = &h->again[i];
	}
	return empty;
}

struct hot_again *hot_next_again(struct hot *h)
{
	for (unsigned i = 0; i < HOT_AGAIN_MAX; i++)
		if (h->again[i].in_use && !h->again[i].is_under_way)
			return &h->again[i];
	return NULL;
}

void hot_frame_done(struct hot *h, const struct img_hot *table, uint32_t frame)
{
	struct hot_again *x = table == h->table ? find_again(h, frame) : NULL;

	if (x)
		x->in_use = false;
}

void hot_frame_refused(struct hot *h, const struct img_hot *table, uint32_t frame,
		       unsigned server, int img_err)
{
	struct hot_again *x = table == h->table ? find_again(h, frame) : NULL;
	char why[HOT_WHY_BYTES];

	if (x && !x->in_use)
		*x = (struct hot_again){.frame = frame};
	if (x && may_ask_others(h, &x->avoid, server)) {
		x->in_use = true;
		x->is_under_way = false;
		return;
	}
	if (x)
		x->in_use = false;
	hot_frame_failed(h, table, frame);
	if (table != h->table)
		return;
	snprintf(why, sizeof why, "frame %" PRIu32 " at offset %" PRIu64 ": %s", frame,
		 h->hot_off + table->frames[frame].hot_off, img_strerror(img_err));
	hot_abandon(h, why);
}

/* Those that are under way bring their blocks, or fail, all the same. */
static void forget_again(struct hot *h)
{
	struct hot_again *x;

	while ((x = hot_next_again(h))) {
		x->in_use = false;
		hot_frame_failed(h, h->table, x->frame);
	}
}

void hot_abandon(struct hot *h, const char *why)
{
	if (h->is_abandoned)
		return;
	log_warning("hot pack%s: not used any further: %s",
		    h->file == SOURCE_PACK ? " beside the image" : "", why);
	forget_again(h);
	if (h->file == SOURCE_IMAGE) {
		h->is_abandoned = true;
		h->state = HOT_NONE;
		return;
	}
	h->old_table = steal_pointer(&h->table);
	img_pack_free(steal_pointer(&h->head));
	memset(h->again, 0, sizeof h->again);
	use_image_pack(h);
}
