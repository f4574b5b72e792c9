/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunk.c - one chunk, in both directions
 *
 * Reading: stored length, then digest, and only what passed both is shown to the
 * decompressor. Writing: zero chunks become their fixed frame; the others are compressed
 * with content size and checksum.  What comes out depends on the bytes, the level and
 * libzstd's version only.
 */
#include "imgfmt/digest.h"
#include "imgfmt/imgfmt.h"
#include "imgfmt/internal.h"
#include "imgfmt/level.h"
#include "imgfmt/ondisk.h"
#include "imgfmt/writer.h"

#include <zstd.h>
#include <zstd_errors.h>

struct img_decoder {
	ZSTD_DCtx *zstd;
	struct img_hash *hash;
};

struct img_encoder {
	ZSTD_CCtx *zstd;
	struct img_hash *hash;
	uint32_t chunk_bytes;
};

uint32_t img_stored_bytes_max(uint32_t chunk_bytes)
{
	return chunk_bytes + chunk_bytes / 256 + 64;
}

struct img_decoder *img_decoder_new(void)
{
	struct img_decoder *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	d->zstd = ZSTD_createDCtx();
	d->hash = img_hash_new();
	if (!d->zstd || !d->hash) {
		img_decoder_free(d);
		return NULL;
	}
	return d;
}

void img_decoder_free(struct img_decoder *d)
{
	if (!d)
		return;
	ZSTD_freeDCtx(d->zstd);
	img_hash_free(d->hash);
	free(d);
}

struct img_hash *img_decoder_hash(struct img_decoder *d)
{
	return d->hash;
}

/*
 * Exactly one frame of the kind FORMAT.md wants?  ZSTD_decompressDCtx alone would take
 * several.
 */
static int check_frame(const uint8_t *src, size_t src_bytes, uint32_t raw_bytes)
{
	const uint8_t checksum_flag = 1 << 2, dictionary_bits = 3,
		      single_segment = 1 << 5;
	unsigned long long content_bytes;

	if (src_bytes < DISK_FRAME_BYTES_MIN || le32_load(src) != ZSTD_MAGICNUMBER)
		return IMG_FAULT_FRAME_MAGIC;
	if (!(src[4] & checksum_flag))
		return IMG_FAULT_FRAME_NO_CHECKSUM;
	if (src[4] & dictionary_bits)
		return IMG_FAULT_FRAME_DICTIONARY;
	/* We need no window; `zstd -dc` makes one as large as the frame says. */
	if (!(src[4] & single_segment) && src[5] > DISK_FRAME_WINDOW_MAX)
		return IMG_FAULT_FRAME_WINDOW;
	content_bytes = ZSTD_getFrameContentSize(src, src_bytes);
	if (content_bytes == ZSTD_CONTENTSIZE_UNKNOWN)
		return IMG_FAULT_FRAME_NO_SIZE;
	if (content_bytes != raw_bytes)
		return IMG_FAULT_FRAME_SIZE;
	return ZSTD_findFrameCompressedSize(src, src_bytes) == src_bytes
		       ? 0
		       : IMG_FAULT_FRAME_END;
}

static int content_fault(size_t result)
{
	return ZSTD_getErrorCode(result) == ZSTD_error_checksum_wrong
		       ? IMG_FAULT_FRAME_CHECKSUM
		       : IMG_FAULT_FRAME_CONTENT;
}

int img_frame_decode(struct img_decoder *d, const void *src, size_t src_bytes, void *dst,
		     uint32_t raw_bytes)
{
	int r = check_frame(src, src_bytes, raw_bytes);
	size_t n;

	if (r < 0)
		return r;
	/* The checksum in the frame is verified here too: the bytes are good up to
	 * this memory. */
	n = ZSTD_decompressDCtx(d->zstd, dst, raw_bytes, src, src_bytes);
	return n == raw_bytes ? 0 : content_fault(n);
}

int img_chunk_decode(struct img_decoder *d, const struct img_chunk *chunk,
		     const void *src, size_t src_bytes, void *dst, size_t dst_bytes)
{
	uint8_t digest[IMG_DIGEST_BYTES];
	int r;

	if (dst_bytes < chunk->raw_bytes)
		return IMG_ERR_LENGTH;
	if (chunk->is_zero) {
		memset(dst, 0, chunk->raw_bytes);
		return 0;
	}
	if (src_bytes != chunk->stored_bytes)
		return IMG_ERR_LENGTH;
	r = img_hash_once(d->hash, src, src_bytes, digest);
	if (r < 0)
		return r;
	if (memcmp(digest, chunk->digest, sizeof digest) != 0)
		return IMG_ERR_DIGEST;
	return img_frame_decode(d, src, src_bytes, dst, chunk->raw_bytes);
}

int img_hot_frame_decode(struct img_decoder *d, const struct img_hot_frame *frame,
			 const void *src, size_t src_bytes, void *dst)
{
	uint8_t digest[IMG_DIGEST_BYTES];
	int r;

	if (src_bytes != frame->stored_bytes || frame->raw_bytes > IMG_HOT_FRAME_RAW_MAX)
		return IMG_ERR_LENGTH;
	r = img_hash_once(d->hash, src, src_bytes, digest);
	if (r < 0)
		return r;
	if (memcmp(digest, frame->digest, sizeof digest) != 0)
		return IMG_ERR_DIGEST;
	return img_frame_decode(d, src, src_bytes, dst, frame->raw_bytes);
}

struct img_encoder *img_encoder_new(uint32_t chunk_bytes, int level)
{
	struct img_encoder *e = calloc(1, sizeof *e);

	if (!e)
		return NULL;
	e->chunk_bytes = chunk_bytes;
	e->hash = img_hash_new();
	e->zstd = ZSTD_createCCtx();
	if (!e->hash || !e->zstd || !img_level_set(e->zstd, level, chunk_bytes) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_checksumFlag, 1))) {
		img_encoder_free(e);
		return NULL;
	}
	return e;
}

void img_encoder_free(struct img_encoder *e)
{
	if (!e)
		return;
	ZSTD_freeCCtx(e->zstd);
	img_hash_free(e->hash);
	free(e);
}

size_t img_encoder_bytes(const struct img_encoder *e)
{
	return ZSTD_sizeof_CCtx(e->zstd);
}

void img_level_range(int *ret_min, int *ret_max)
{
	*ret_min = 1;
	*ret_max = ZSTD_maxCLevel();
}

void img_zero_chunk_encode(uint32_t raw_bytes, struct img_chunk *ret)
{
	memset(ret, 0, sizeof *ret);
	ret->is_zero = true;
	ret->raw_bytes = raw_bytes;
	ret->stored_bytes = img_zero_frame_bytes(raw_bytes);
}

int img_frame_encode(struct img_encoder *e, const void *raw, uint32_t raw_bytes,
		     void *dst, size_t dst_bytes, uint32_t *ret_stored_bytes,
		     uint8_t ret_digest[IMG_DIGEST_BYTES])
{
	size_t n;
	int r;

	if (raw_bytes == 0 || raw_bytes > e->chunk_bytes ||
	    dst_bytes < img_stored_bytes_max(e->chunk_bytes))
		return IMG_ERR_LENGTH;
	n = ZSTD_compress2(e->zstd, dst, dst_bytes, raw, raw_bytes);
	if (ZSTD_isError(n) || n > img_stored_bytes_max(e->chunk_bytes))
		return IMG_ERR_INTERNAL;
	r = img_hash_once(e->hash, dst, n, ret_digest);
	if (r == 0)
		*ret_stored_bytes = (uint32_t)n;
	return r;
}

int img_chunk_encode(struct img_encoder *e, const void *raw, uint32_t raw_bytes,
		     void *dst, size_t dst_bytes, struct img_chunk *ret)
{
	struct img_chunk chunk = {.raw_bytes = raw_bytes};
	int r;

	if (raw_bytes == 0 || raw_bytes > e->chunk_bytes ||
	    dst_bytes < img_stored_bytes_max(e->chunk_bytes))
		return IMG_ERR_LENGTH;
	if (img_is_zero(raw, raw_bytes)) {
		img_zero_frame(raw_bytes, dst);
		img_zero_chunk_encode(raw_bytes, ret);
		return 0;
	}
	r = img_frame_encode(e, raw, raw_bytes, dst, dst_bytes, &chunk.stored_bytes,
			     chunk.digest);
	if (r == 0)
		*ret = chunk;
	return r;
}
