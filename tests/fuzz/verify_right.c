/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_right.c - see verify_right.h
 *
 * From the front to the end, as each section's place follows from those before it.
 */
#include "tests/fuzz/verify_right.h"

#define CHUNKS_MAX (FUZZ_FILE_BYTES_MAX / DISK_FRAME_BYTES_MIN)

static bool take_lengths(const struct disk_head *h, struct img_info *info)
{
	*info = (struct img_info){
		.image_bytes = le64_load(h->image_bytes),
		.chunk_bytes = le32_load(h->chunk_bytes),
		.version_number = le64_load(h->version_number),
		.meta_bytes = le64_load(h->meta.n_bytes),
		.hot_bytes = le64_load(h->hot.n_bytes),
		.hot_table_bytes = le64_load(h->hot_table_bytes),
	};
	if (!img_geometry_is_valid(info->image_bytes, info->chunk_bytes) ||
	    info->meta_bytes > FUZZ_FILE_BYTES_MAX ||
	    info->hot_bytes > FUZZ_FILE_BYTES_MAX)
		return false;
	info->n_chunks = div_round_up(info->image_bytes, info->chunk_bytes);
	info->n_pages = div_round_up(info->n_chunks, IMG_PAGE_ENTRIES);
	info->table_bytes = info->n_pages * sizeof(struct disk_table_entry);
	return info->n_chunks <= CHUNKS_MAX;
}

/* The offsets of what is known by now, and a file that reaches so far at least. */
static bool lay_out(struct fuzz_file *f, struct img_info *info)
{
	uint8_t *p;

	img_layout(info);
	if (info->file_bytes > FUZZ_FILE_BYTES_MAX)
		return false;
	if (info->file_bytes <= f->n)
		return true;
	p = realloc(f->p, info->file_bytes);
	fuzz_assert(p);
	memset(p + f->n, 0, info->file_bytes - f->n);
	*f = (struct fuzz_file){p, info->file_bytes};
	return true;
}

static struct disk_table_entry *table_of(const struct fuzz_file *f,
					 const struct img_info *info)
{
	return (void *)(f->p + info->table_off);
}

static bool is_zero_page(const struct disk_table_entry *e)
{
	return le64_load(e->off) & DISK_ZERO_PAGE;
}

static void measure_pages(const struct fuzz_file *f, struct img_info *info)
{
	for (uint64_t i = 0; i < info->n_pages; i++)
		if (!is_zero_page(&table_of(f, info)[i]))
			info->pages_bytes +=
				img_page_n_entries(info, i) * IMG_PAGE_ENTRY_BYTES;
}

static uint32_t raw_bytes_of(const struct img_info *info, uint64_t ci)
{
	return (uint32_t)min_u64(info->image_bytes - ci * info->chunk_bytes,
				 info->chunk_bytes);
}

/* What chunk ci takes in DATA; e: its entry, NULL in a zero page. */
static uint32_t stored_bytes_of(const struct img_info *info, uint64_t ci,
				struct disk_page_entry *e)
{
	uint32_t n, word = e ? le32_load(e->stored_bytes) : DISK_ZERO_CHUNK;

	if (!(word & DISK_ZERO_CHUNK))
		return word;
	n = img_zero_frame_bytes(raw_bytes_of(info, ci));
	if (e) {
		le32_store(e->stored_bytes, n | DISK_ZERO_CHUNK);
		memset(e->digest, 0, sizeof e->digest);
	}
	return n;
}

/* Calls `what` for each chunk with its entry and place, page offsets being set on the way. */
static void each_chunk(const struct fuzz_file *f, struct img_info *info,
		       void (*what)(const struct fuzz_file *f,
				    const struct img_info *info, uint64_t ci,
				    struct disk_page_entry *e, uint64_t off))
{
	struct disk_page_entry *next = (void *)(f->p + info->pages_off);
	uint64_t off = info->data_off;

	for (uint64_t ci = 0; ci < info->n_chunks; ci++) {
		struct disk_table_entry *page = &table_of(f, info)[img_page_of(ci)];
		bool is_zero = is_zero_page(page);
		struct disk_page_entry *e = is_zero ? NULL : next++;

		if (ci % IMG_PAGE_ENTRIES == 0)
			le64_store(page->off, off | (is_zero ? DISK_ZERO_PAGE : 0));
		if (ci % IMG_PAGE_ENTRIES == 0 && is_zero)
			memset(page->digest, 0, sizeof page->digest);
		if (what)
			what(f, info, ci, e, off);
		off += stored_bytes_of(info, ci, e);
	}
	info->data_bytes = off - info->data_off;
}

/* To make one takes as many rounds as the chunk has bytes to speak of; nearly all are the same. */
static void put_zero_frame(const struct fuzz_file *f, const struct img_info *info,
			   uint64_t ci, struct disk_page_entry *e, uint64_t off)
{
	static uint8_t frame[IMG_ZERO_FRAME_BYTES_MAX];
	static uint32_t is_of_bytes;
	uint32_t raw_bytes = raw_bytes_of(info, ci);

	if (e && !(le32_load(e->stored_bytes) & DISK_ZERO_CHUNK))
		return;
	if (is_of_bytes != raw_bytes)
		img_zero_frame(raw_bytes, frame);
	is_of_bytes = raw_bytes;
	memcpy(f->p + off, frame, img_zero_frame_bytes(raw_bytes));
}

static void put_seek_entry(const struct fuzz_file *f, const struct img_info *info,
			   uint64_t ci, struct disk_page_entry *e, uint64_t off _unused_)
{
	uint8_t *end = f->p + info->file_bytes - IMG_SEEK_END_BYTES;

	img_seek_entry(stored_bytes_of(info, ci, e), raw_bytes_of(info, ci),
		       end - (info->n_chunks - ci) * IMG_SEEK_ENTRY_BYTES);
}

static void put_headers(const struct fuzz_file *f, const struct img_info *info)
{
	struct img_digests digests;

	/* Any but that of no hot pack; fuzz_fix_digests does the rest. */
	memset(&digests, info->hot_bytes > 0, sizeof digests);
	fuzz_encode_head(info, &digests, (void *)f->p);
	img_skip_header(info->meta_bytes, f->p + info->meta_off - 8);
	img_skip_header(info->table_bytes, f->p + info->table_off - 8);
	img_skip_header(info->pages_bytes, f->p + info->pages_off - 8);
	if (info->hot_bytes > 0)
		img_skip_header(info->hot_bytes, f->p + info->hot_off - 8);
	img_seek_front(info, f->p + info->seek_off);
	img_seek_end(info, f->p + info->file_bytes - IMG_SEEK_END_BYTES);
}

/* False when a chunk cannot be read, and then the raw digest does not matter. */
static bool hash_chunks(const struct fuzz_file *f, const struct img *img,
			struct img_page *page, struct img_decoder *d,
			struct img_hash *hash, uint8_t *raw)
{
	for (uint64_t ci = 0; ci < img_info(img)->n_chunks; ci++) {
		uint8_t digest[IMG_DIGEST_BYTES];
		struct img_range place;
		struct img_chunk c;

		fuzz_assert(img_page_locate(img, img_page_of(ci), &place) == 0);
		if (ci % IMG_PAGE_ENTRIES == 0 &&
		    img_page_decode_with(d, img, img_page_of(ci),
					 place.n_bytes ? f->p + place.src_off : NULL,
					 place.n_bytes, page) < 0)
			return false;
		fuzz_assert(img_page_chunk(img, page, ci, &c) == 0);
		if (c.is_zero)
			continue;
		if (img_chunk_decode(d, &c, f->p + c.src_off, c.stored_bytes, raw,
				     c.raw_bytes) < 0)
			return false;
		fuzz_sha256(raw, c.raw_bytes, digest);
		fuzz_assert(img_hash_raw_chunk(hash, ci, digest) == 0);
	}
	return true;
}

static void put_raw_digest(const struct fuzz_file *f, const struct img_info *info)
{
	struct disk_head *h = (void *)f->p;
	struct disk_hot_table *t = (void *)(f->p + info->hot_off);
	struct img_page *page = malloc(sizeof *page);
	struct img_decoder *d = img_decoder_new();
	struct img_hash *hash = img_hash_new();
	uint8_t *raw = malloc(info->chunk_bytes);
	struct img *img = NULL;

	fuzz_assert(page && d && hash && raw && img_hash_begin(hash) == 0);
	if (img_new(f->p, f->n, &img) == 0 &&
	    img_set_table(img, f->p + info->table_off, info->table_bytes) == 0 &&
	    hash_chunks(f, img, page, d, hash, raw))
		fuzz_assert(img_hash_end(hash, h->raw_digest) == 0);
	if (info->hot_bytes >= sizeof *t) {
		memcpy(t->raw_digest, h->raw_digest, sizeof t->raw_digest);
		le64_store(t->image_bytes, info->image_bytes);
		le32_store(t->chunk_bytes, info->chunk_bytes);
	}
	img_free(img);
	free(raw);
	img_hash_free(hash);
	img_decoder_free(d);
	free(page);
}

bool verify_make_right(struct fuzz_file *f)
{
	struct img_info info;

	if (!take_lengths((const void *)f->p, &info) || !lay_out(f, &info))
		return false;
	measure_pages(f, &info);
	if (!lay_out(f, &info))
		return false;
	each_chunk(f, &info, NULL);
	info.seek_bytes = img_seek_bytes(&info);
	if (!lay_out(f, &info))
		return false;
	f->n = info.file_bytes;
	put_headers(f, &info);
	each_chunk(f, &info, put_zero_frame);
	each_chunk(f, &info, put_seek_entry);
	fuzz_fix_digests(f);
	put_raw_digest(f, &info);
	fuzz_fix_digests(f);
	return true;
}
