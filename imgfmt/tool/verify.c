/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.c - is every byte of the file what HEAD says
 *
 * Each byte belongs to one of: HEAD (which has a checksum of its own), the headers of our
 * frames, META, page table and index pages (checked as they are loaded), hot pack,
 * frames, seek table. Where no digest covers bytes, because they have one right content,
 * they are compared with that.
 */
#include "imgfmt/tool/verify.h"

#include "imgfmt/digest.h"
#include "imgfmt/hotpack.h"
#include "imgfmt/layout.h"
#include "imgfmt/tool/hot_check.h"
#include "imgfmt/tool/hot_table.h"
#include "imgfmt/tool/progress.h"
#include "imgfmt/tool/ring.h"
#include "imgfmt/tool/tool.h"

#define PIECE_BYTES (1u << 20)

struct verify {
	struct image_file *f;
	struct img_hash *raw; /* the raw digest */
	struct img_hash *seek; /* of the seek table as it should be */
	uint8_t *buf; /* a chunk, or a piece of something else */
	uint8_t zero_frame[IMG_ZERO_FRAME_BYTES_MAX]; /* of a whole chunk */
	unsigned n_jobs;
	uint64_t next_ci;
	struct progress progress;
};

struct slot {
	struct img_chunk chunk;
	bool zero_frame_is_bad;
	bool is_all_zero;
	int error, error_number;
	uint8_t raw_digest[IMG_DIGEST_BYTES];
};

static int fail_internal(const struct verify *v)
{
	return tool_fail(v->f->path, "%s", img_strerror(IMG_ERR_INTERNAL));
}

static int check_skip_headers(const struct image_file *f)
{
	const struct img_info *info = img_info(f->img);
	int r = image_check_header(f, "META", info->meta_off, info->meta_bytes);

	if (r == EXIT_DONE)
		r = image_check_header(f, "PAGE TABLE", info->table_off,
				       info->table_bytes);
	if (r == EXIT_DONE)
		r = image_check_header(f, "INDEX PAGES", info->pages_off,
				       info->pages_bytes);
	if (r == EXIT_DONE && info->hot_bytes > 0)
		r = image_check_header(f, "HOT PACK", info->hot_off, info->hot_bytes);
	return r;
}

/* No digest covers a zero chunk's frame; it has one right content. */
static int compare_zero_frame(const struct verify *v, const struct img_chunk *chunk,
			      bool *ret_differs)
{
	uint8_t made[IMG_ZERO_FRAME_BYTES_MAX], got[IMG_ZERO_FRAME_BYTES_MAX];
	bool is_whole = chunk->raw_bytes == img_info(v->f->img)->chunk_bytes;
	const uint8_t *want = is_whole ? v->zero_frame : made;
	uint32_t n = chunk->stored_bytes;
	int r = image_read(v->f, chunk->src_off, got, n);

	if (r != EXIT_DONE)
		return r;
	/* To make one costs as many rounds as the chunk has bytes to speak of. */
	if (!is_whole)
		img_zero_frame(chunk->raw_bytes, made);
	*ret_differs = memcmp(got, want, n) != 0;
	return EXIT_DONE;
}

/*
 * The seek table as it should be is hashed as chunks go into the ring, the raw digest as
 * they come out.  Zero chunks do not go in at all, unless there is something to say of
 * them when their turn comes.
 */
static int take_chunk(struct verify *v, struct slot *slot, enum ring_fill *ret)
{
	uint8_t entry[IMG_SEEK_ENTRY_BYTES];
	int r = image_chunk(v->f, v->next_ci, &slot->chunk);
	size_t n;

	if (r != EXIT_DONE)
		return r;
	n = img_seek_entry(slot->chunk.stored_bytes, slot->chunk.raw_bytes, entry);
	if (img_hash_update(v->seek, entry, n) < 0)
		return fail_internal(v);
	slot->zero_frame_is_bad = false;
	*ret = RING_WORK;
	if (!slot->chunk.is_zero)
		return EXIT_DONE;
	r = compare_zero_frame(v, &slot->chunk, &slot->zero_frame_is_bad);
	*ret = slot->zero_frame_is_bad ? RING_READY : RING_END;
	return r;
}

static int fill(void *arg, void *p, enum ring_fill *ret)
{
	struct verify *v = arg;
	const struct img_info *info = img_info(v->f->img);
	int r = EXIT_DONE;

	*ret = RING_END;
	for (; r == EXIT_DONE && *ret == RING_END && v->next_ci < info->n_chunks;
	     v->next_ci++) {
		r = take_chunk(v, p, ret);
		progress_show(&v->progress, v->next_ci * info->chunk_bytes);
	}
	return r;
}

static void work(void *arg, void *p, void *q)
{
	const struct verify *v = arg;
	struct image_reader *reader = p;
	struct slot *slot = q;

	slot->error = IMG_ERR_MEMORY;
	if (!reader)
		return;
	slot->error = image_reader_chunk(v->f, reader, &slot->chunk, reader->raw,
					 &slot->error_number);
	if (slot->error < 0)
		return;
	slot->is_all_zero = img_is_zero(reader->raw, slot->chunk.raw_bytes);
	slot->error = img_hash_once(reader->hash, reader->raw, slot->chunk.raw_bytes,
				    slot->raw_digest);
}

static int drain(void *arg, void *p)
{
	const struct verify *v = arg;
	const struct slot *slot = p;

	if (slot->zero_frame_is_bad)
		return image_refuse_chunk(v->f, &slot->chunk,
					  "not the frame of a zero chunk");
	if (slot->error < 0)
		return image_fail_chunk(v->f, &slot->chunk, slot->error,
					slot->error_number);
	if (slot->is_all_zero)
		return image_refuse_chunk(v->f, &slot->chunk,
					  "all zero and not marked so");
	if (img_hash_raw_chunk(v->raw, slot->chunk.ci, slot->raw_digest) < 0)
		return fail_internal(v);
	return EXIT_DONE;
}

static void *new_reader(void *arg)
{
	const struct verify *v = arg;

	return image_reader_new(v->f);
}

static void free_reader(void *reader)
{
	image_reader_free(reader);
}

static const struct ring_ops chunk_ops = {
	.slot_bytes = sizeof(struct slot),
	.worker_new = new_reader,
	.worker_free = free_reader,
	.fill = fill,
	.drain = drain,
	.work = work,
};

static int check_chunks(struct verify *v)
{
	int r;

	progress_start(&v->progress, "verify", img_info(v->f->img)->image_bytes);
	r = ring_run(&chunk_ops, v->n_jobs, image_reader_room(v->f), v);
	progress_stop(&v->progress);
	return r;
}

static int begin_hashes(const struct verify *v)
{
	uint8_t front[IMG_SEEK_FRONT_BYTES_MAX];
	size_t n = img_seek_front(img_info(v->f->img), front);

	if (img_hash_begin(v->raw) < 0 || img_hash_begin(v->seek) < 0 ||
	    img_hash_update(v->seek, front, n) < 0)
		return fail_internal(v);
	return EXIT_DONE;
}

/* The content that follows from the index must be the content that HEAD records. */
static int end_hashes(const struct verify *v)
{
	const struct img_info *info = img_info(v->f->img);
	uint8_t end[IMG_SEEK_END_BYTES], raw[IMG_DIGEST_BYTES], seek[IMG_DIGEST_BYTES];
	size_t n = img_seek_end(info, end);

	if (img_hash_update(v->seek, end, n) < 0 || img_hash_end(v->seek, seek) < 0 ||
	    img_hash_end(v->raw, raw) < 0)
		return fail_internal(v);
	if (memcmp(raw, info->raw_digest, sizeof raw) != 0) {
		tool_fail(v->f->path,
			  "its content has another raw digest than HEAD says");
		return EXIT_REFUSED;
	}
	if (memcmp(seek, img_digests(v->f->img)->seek, sizeof seek) != 0)
		return image_refuse(v->f, "seek table", info->seek_off,
				    IMG_ERR_SEEKTABLE);
	return EXIT_DONE;
}

static int check_section(const struct verify *v, const char *what, uint64_t off,
			 uint64_t n_bytes, const uint8_t digest[IMG_DIGEST_BYTES])
{
	uint8_t got[IMG_DIGEST_BYTES];

	if (img_hash_begin(v->raw) < 0)
		return fail_internal(v);
	for (uint64_t done = 0; done < n_bytes;) {
		size_t n = min_u64(PIECE_BYTES, n_bytes - done);
		int r = image_read(v->f, off + done, v->buf, n);

		if (r != EXIT_DONE)
			return r;
		if (img_hash_update(v->raw, v->buf, n) < 0)
			return fail_internal(v);
		done += n;
	}
	if (img_hash_end(v->raw, got) < 0)
		return fail_internal(v);
	return memcmp(got, digest, sizeof got) == 0
		       ? EXIT_DONE
		       : image_refuse(v->f, what, off, IMG_ERR_DIGEST);
}

/* The blocks of a hot pack are a copy of what is in DATA; one that differs is damage or worse. */
static int check_hot_pack(const struct verify *v)
{
	const struct img_info *info = img_info(v->f->img);
	const struct hot_place place = {v->f->path, v->f->fd, info->hot_off};
	struct img_hot *hot = NULL;
	int r = hot_table_of_image(v->f, &hot);

	if (r != EXIT_DONE || !hot)
		return r;
	r = hot_check(v->f, &place, hot, v->n_jobs);
	img_hot_free(hot);
	return r;
}

static int run_checks(struct verify *v)
{
	const struct img_info *info = img_info(v->f->img);
	int r = check_skip_headers(v->f);

	if (r == EXIT_DONE)
		r = begin_hashes(v);
	if (r == EXIT_DONE)
		r = check_chunks(v);
	if (r == EXIT_DONE)
		r = end_hashes(v);
	if (r == EXIT_DONE)
		r = check_hot_pack(v);
	if (r == EXIT_DONE)
		r = check_section(v, "seek table", info->seek_off, info->seek_bytes,
				  img_digests(v->f->img)->seek);
	return r;
}

int verify_all(struct image_file *f, unsigned n_jobs)
{
	struct verify v = {.f = f, .n_jobs = n_jobs};
	int r;

	img_zero_frame(img_info(f->img)->chunk_bytes, v.zero_frame);
	v.raw = img_hash_new();
	v.seek = img_hash_new();
	v.buf = malloc(max_u64(PIECE_BYTES, img_info(f->img)->chunk_bytes));
	if (v.raw && v.seek && v.buf)
		r = run_checks(&v);
	else
		r = tool_fail(f->path, "out of memory");
	img_hash_free(v.raw);
	img_hash_free(v.seek);
	free(v.buf);
	return r;
}
