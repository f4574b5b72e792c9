/* SPDX-License-Identifier: Apache-2.0 */
/*
 * img_fixture.h - images in memory for the img_*_test programs
 *
 * Made by the writer, then spoilt one field at a time.  After a change to HEAD,
 * fixture_seal makes UUID, digest and checksum right again, so that the field itself is
 * what is refused.
 */
#ifndef IMG_FIXTURE_H
#define IMG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "imgfmt/digest.h"
#include "imgfmt/imgfmt.h"
#include "imgfmt/layout.h"
#include "imgfmt/ondisk.h"
#include "imgfmt/writer.h"

#define FIXTURE_META "{\"filesystem\":\"ext4\",\"version_number\":7}"

struct fixture {
	uint8_t *file;
	size_t n_bytes;
	struct img_info info;
};

/* Bytes that zstd cannot shrink, the same on every machine. */
static inline void fixture_noise(uint8_t *p, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		p[i] = (uint8_t)(seed >> 56);
	}
}

static inline void fixture_join(struct fixture *f, struct img_writer_tables *t,
				const uint8_t *data)
{
	f->n_bytes = t->info.file_bytes;
	f->info = t->info;
	f->file = malloc(f->n_bytes);
	assert_non_null(f->file);
	assert_int_equal(t->front_bytes, t->info.data_off);
	assert_int_equal(t->seek_bytes, t->info.seek_bytes);
	memcpy(f->file, t->front, t->front_bytes);
	memcpy(f->file + t->info.data_off, data, t->info.data_bytes);
	memcpy(f->file + t->info.seek_off, t->seek, t->seek_bytes);
	free(t->front);
	free(t->seek);
}

static inline void fixture_raw_digest(const uint8_t *raw, size_t n, uint32_t chunk_bytes,
				      uint8_t ret[IMG_DIGEST_BYTES])
{
	struct img_hash *h = img_hash_new();
	uint8_t digest[IMG_DIGEST_BYTES];

	assert_non_null(h);
	assert_int_equal(img_hash_begin(h), 0);
	for (size_t off = 0; off < n; off += chunk_bytes) {
		size_t len = min_u64(chunk_bytes, n - off);

		assert_int_equal(img_sha256(raw + off, len, digest), 0);
		if (!img_is_zero(raw + off, len))
			assert_int_equal(img_hash_raw_chunk(h, off / chunk_bytes, digest),
					 0);
	}
	assert_int_equal(img_hash_end(h, ret), 0);
	img_hash_free(h);
}

static inline struct fixture fixture_build_meta(const uint8_t *raw, size_t n,
						uint32_t chunk_bytes, const void *meta,
						size_t meta_bytes)
{
	struct img_encoder *e = img_encoder_new(chunk_bytes, 3);
	uint32_t room = img_stored_bytes_max(chunk_bytes);
	uint8_t *data = malloc((n / chunk_bytes + 1) * room),
		raw_digest[IMG_DIGEST_BYTES];
	struct img_writer_head head = {meta, meta_bytes, 7, raw_digest, NULL, 0, 0};
	struct img_writer_tables tables;
	struct img_writer *w;
	struct fixture f;
	size_t at = 0;

	assert_non_null(data);
	assert_int_equal(img_writer_new(chunk_bytes, &w), 0);
	for (size_t off = 0; off < n; off += chunk_bytes) {
		struct img_chunk chunk;
		uint32_t len = (uint32_t)min_u64(chunk_bytes, n - off);

		assert_int_equal(
			img_chunk_encode(e, raw + off, len, data + at, room, &chunk), 0);
		assert_int_equal(img_writer_add(w, &chunk), 0);
		at += chunk.stored_bytes;
	}
	fixture_raw_digest(raw, n, chunk_bytes, raw_digest);
	assert_int_equal(img_writer_finish(w, &head, &tables), 0);
	fixture_join(&f, &tables, data);
	img_writer_free(w);
	img_encoder_free(e);
	free(data);
	return f;
}

static inline struct fixture fixture_build(const uint8_t *raw, size_t n,
					   uint32_t chunk_bytes)
{
	return fixture_build_meta(raw, n, chunk_bytes, FIXTURE_META,
				  strlen(FIXTURE_META));
}

/* Three chunks of 64 KiB and a short one: noise, zero, text, noise. */
#define FIXTURE_CHUNK_BYTES 65536u
#define FIXTURE_RAW_BYTES (3 * FIXTURE_CHUNK_BYTES + 8192u)

static inline uint8_t *fixture_raw(void)
{
	uint8_t *raw = calloc(1, FIXTURE_RAW_BYTES);

	assert_non_null(raw);
	fixture_noise(raw, FIXTURE_CHUNK_BYTES, 1);
	for (size_t i = 0; i < FIXTURE_CHUNK_BYTES; i++)
		raw[2 * FIXTURE_CHUNK_BYTES + i] = "a line of text\n"[i % 15];
	fixture_noise(raw + 3 * FIXTURE_CHUNK_BYTES, 8192, 2);
	return raw;
}

static inline struct fixture fixture_small(void)
{
	uint8_t *raw = fixture_raw();
	struct fixture f = fixture_build(raw, FIXTURE_RAW_BYTES, FIXTURE_CHUNK_BYTES);

	free(raw);
	return f;
}

static inline void fixture_free(struct fixture *f)
{
	free(f->file);
}

static inline struct disk_head *fixture_head(const struct fixture *f)
{
	return (struct disk_head *)(void *)f->file;
}

static inline void fixture_checksum(const struct fixture *f)
{
	struct disk_head *h = fixture_head(f);

	assert_int_equal(img_sha256(h, offsetof(struct disk_head, checksum), h->checksum),
			 0);
}

static inline void fixture_seal(const struct fixture *f)
{
	struct disk_head *h = fixture_head(f);

	assert_int_equal(img_derive_uuid(h, h->uuid), 0);
	assert_int_equal(img_sha256(h, DISK_SIGNED_BYTES, h->digest), 0);
	fixture_checksum(f);
}

/* HEAD only. */
static inline struct img *fixture_img(const struct fixture *f)
{
	struct img *img = NULL;

	assert_int_equal(img_new(f->file, f->n_bytes, &img), 0);
	return img;
}

static inline struct img *fixture_img_with_table(const struct fixture *f)
{
	struct img *img = fixture_img(f);

	assert_int_equal(
		img_set_table(img, f->file + f->info.table_off, f->info.table_bytes), 0);
	return img;
}

#endif
