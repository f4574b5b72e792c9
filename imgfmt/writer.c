/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer.c - gathers what is to be said about the frames and lays out the tables
 *
 * Memory: 36 bytes for each chunk of a stored page, 40 for each page, and at the end 8
 * for each chunk of the image.  Holes of whole pages cost nothing but that.
 */
#include "imgfmt/writer.h"

#include "imgfmt/digest.h"
#include "imgfmt/internal.h"
#include "imgfmt/layout.h"

/* A growing array; the pages of a huge image are hundreds of megabytes. */
struct bytes {
	uint8_t *p;
	size_t n, room;
};

struct img_writer {
	struct img_hash *hash;
	struct img_info info; /* lengths grow as chunks come; offsets at the end */

	struct bytes table; /* complete pages; offsets counted from the start of DATA */
	struct bytes pages;

	struct disk_page_entry page[IMG_PAGE_ENTRIES]; /* the page that is being filled */
	uint32_t n_entries;
	bool page_has_data;
	uint64_t page_off; /* of its first frame in DATA */
	uint32_t last_raw_bytes;
};

static int bytes_append(struct bytes *b, const void *p, size_t n)
{
	if (b->room - b->n < n) {
		size_t room = b->room * 2 > b->n + n ? b->room * 2 : b->n + n;
		uint8_t *grown = realloc(b->p, room);

		if (!grown)
			return IMG_ERR_MEMORY;
		b->p = grown;
		b->room = room;
	}
	memcpy(b->p + b->n, p, n);
	b->n += n;
	return 0;
}

int img_writer_new(uint32_t chunk_bytes, struct img_writer **ret_writer)
{
	struct img_writer *w;

	if (!img_geometry_is_valid(IMG_BLOCK_BYTES, chunk_bytes))
		return IMG_ERR_FIELD;
	w = calloc(1, sizeof *w);
	if (!w)
		return IMG_ERR_MEMORY;
	w->info.chunk_bytes = chunk_bytes;
	w->hash = img_hash_new();
	if (!w->hash) {
		img_writer_free(w);
		return IMG_ERR_MEMORY;
	}
	*ret_writer = w;
	return 0;
}

void img_writer_free(struct img_writer *w)
{
	if (!w)
		return;
	img_hash_free(w->hash);
	free(w->table.p);
	free(w->pages.p);
	free(w);
}

static int close_page(struct img_writer *w)
{
	struct disk_table_entry e = {0};
	size_t n_bytes = w->n_entries * sizeof w->page[0];
	int r = 0;

	if (w->n_entries == 0)
		return 0;
	le64_store(e.off, w->page_off | (w->page_has_data ? 0 : DISK_ZERO_PAGE));
	if (w->page_has_data) {
		r = img_hash_once(w->hash, w->page, n_bytes, e.digest);
		if (r == 0)
			r = bytes_append(&w->pages, w->page, n_bytes);
	}
	if (r == 0)
		r = bytes_append(&w->table, &e, sizeof e);
	if (r < 0)
		return r;
	w->n_entries = 0;
	w->page_has_data = false;
	w->page_off = w->info.data_bytes;
	return 0;
}

static int check_next(const struct img_writer *w, const struct img_chunk *chunk)
{
	if (w->info.n_chunks > 0 && w->last_raw_bytes != w->info.chunk_bytes)
		return IMG_ERR_RANGE;
	if (chunk->raw_bytes == 0 || chunk->raw_bytes > w->info.chunk_bytes ||
	    chunk->raw_bytes % IMG_BLOCK_BYTES != 0 ||
	    chunk->stored_bytes < DISK_FRAME_BYTES_MIN ||
	    chunk->stored_bytes > img_stored_bytes_max(w->info.chunk_bytes))
		return IMG_ERR_LENGTH;
	return w->info.n_chunks < DISK_CHUNKS_MAX ? 0 : IMG_ERR_RANGE;
}

int img_writer_add(struct img_writer *w, const struct img_chunk *chunk)
{
	struct disk_page_entry *e;
	int r = check_next(w, chunk);

	if (r == 0 && w->n_entries == IMG_PAGE_ENTRIES)
		r = close_page(w);
	if (r < 0)
		return r;
	e = &w->page[w->n_entries++];
	le32_store(e->stored_bytes,
		   chunk->stored_bytes | (chunk->is_zero ? DISK_ZERO_CHUNK : 0));
	memset(e->digest, 0, sizeof e->digest);
	if (!chunk->is_zero) {
		memcpy(e->digest, chunk->digest, sizeof e->digest);
		w->page_has_data = true;
	}
	w->info.n_chunks++;
	w->info.image_bytes += chunk->raw_bytes;
	w->info.data_bytes += chunk->stored_bytes;
	w->last_raw_bytes = chunk->raw_bytes;
	return 0;
}

static uint32_t raw_bytes_of(const struct img_writer *w, uint64_t ci)
{
	return ci + 1 < w->info.n_chunks ? w->info.chunk_bytes : w->last_raw_bytes;
}

/*
 * The entries of a page that is not closed yet, or stored; NULL: a ZERO PAGE.  *ret_off:
 * in DATA.
 */
static const struct disk_page_entry *entries_of_page(const struct img_writer *w,
						     uint64_t page, uint64_t *ret_off)
{
	const struct disk_table_entry *table = (const void *)w->table.p;
	const struct disk_page_entry *pages = (const void *)w->pages.p;
	uint64_t n_stored = 0;

	if (page == w->table.n / sizeof *table) {
		*ret_off = w->page_off;
		return w->page;
	}
	for (uint64_t i = 0; i < page; i++)
		n_stored += !(le64_load(table[i].off) & DISK_ZERO_PAGE);
	*ret_off = le64_load(table[page].off) & ~DISK_ZERO_PAGE;
	return le64_load(table[page].off) & DISK_ZERO_PAGE
		       ? NULL
		       : pages + n_stored * IMG_PAGE_ENTRIES;
}

uint64_t img_writer_image_bytes(const struct img_writer *w)
{
	return w->info.image_bytes;
}

int img_writer_chunk(const struct img_writer *w, uint64_t ci, struct img_chunk *ret)
{
	const struct disk_page_entry *e;
	struct img_chunk chunk = {.ci = ci};
	uint32_t k = (uint32_t)(ci % IMG_PAGE_ENTRIES);

	if (ci >= w->info.n_chunks)
		return IMG_ERR_RANGE;
	chunk.raw_bytes = raw_bytes_of(w, ci);
	e = entries_of_page(w, img_page_of(ci), &chunk.src_off);
	if (!e) {
		chunk.src_off += (uint64_t)k * img_zero_frame_bytes(w->info.chunk_bytes);
		chunk.stored_bytes = img_zero_frame_bytes(chunk.raw_bytes);
		chunk.is_zero = true;
		*ret = chunk;
		return 0;
	}
	for (uint32_t i = 0; i < k; i++)
		chunk.src_off += le32_load(e[i].stored_bytes) & ~DISK_ZERO_CHUNK;
	chunk.stored_bytes = le32_load(e[k].stored_bytes) & ~DISK_ZERO_CHUNK;
	chunk.is_zero = le32_load(e[k].stored_bytes) & DISK_ZERO_CHUNK;
	memcpy(chunk.digest, e[k].digest, sizeof chunk.digest);
	*ret = chunk;
	return 0;
}

static void encode_section(struct disk_section *s, uint64_t off, uint64_t n_bytes)
{
	le64_store(s->off, off);
	le64_store(s->n_bytes, n_bytes);
}

void img_head_encode(const struct img_info *info, struct disk_head *h)
{
	img_skip_header(IMG_HEAD_BYTES - DISK_SKIP_HEADER_BYTES, (uint8_t *)&h->skip);
	memcpy(h->magic, DISK_MAGIC, sizeof h->magic);
	le32_store(h->version, DISK_VERSION);
	le32_store(h->page_entries, IMG_PAGE_ENTRIES);
	le64_store(h->image_bytes, info->image_bytes);
	le32_store(h->chunk_bytes, info->chunk_bytes);
	le64_store(h->n_chunks, info->n_chunks);
	le64_store(h->n_pages, info->n_pages);
	le64_store(h->version_number, info->version_number);
	le64_store(h->file_bytes, info->file_bytes);
	le64_store(h->data_off, info->data_off);
	le64_store(h->data_bytes, info->data_bytes);
	memcpy(h->raw_digest, info->raw_digest, sizeof h->raw_digest);
	encode_section(&h->meta, info->meta_off, info->meta_bytes);
	encode_section(&h->table, info->table_off, info->table_bytes);
	le64_store(h->pages_off, info->pages_off);
	le64_store(h->pages_bytes, info->pages_bytes);
	encode_section(&h->hot, info->hot_off, info->hot_bytes);
	le64_store(h->hot_table_bytes, info->hot_table_bytes);
	encode_section(&h->seek, info->seek_off, info->seek_bytes);
}

/* Page offsets were counted from the start of DATA, which is known only now. */
static void place_table(struct bytes *table, uint64_t data_off)
{
	for (size_t at = 0; at < table->n; at += sizeof(struct disk_table_entry))
		le64_store(table->p + at, le64_load(table->p + at) + data_off);
}

static int make_seek(const struct img_writer *w, struct bytes *ret)
{
	const struct disk_table_entry *table = (const void *)w->table.p;
	const struct disk_page_entry *pages = (const void *)w->pages.p;
	const struct img_info *info = &w->info;
	uint8_t *p;

	ret->p = malloc(info->seek_bytes);
	if (!ret->p)
		return IMG_ERR_MEMORY;
	p = ret->p + img_seek_front(info, ret->p);
	for (uint64_t ci = 0; ci < info->n_chunks; ci++) {
		bool is_stored =
			!(le64_load(table[img_page_of(ci)].off) & DISK_ZERO_PAGE);
		uint32_t raw =
			ci + 1 < info->n_chunks ? info->chunk_bytes : w->last_raw_bytes;
		uint32_t stored = img_zero_frame_bytes(raw);

		if (is_stored)
			stored = le32_load((pages++)->stored_bytes) & ~DISK_ZERO_CHUNK;
		p += img_seek_entry(stored, raw, p);
	}
	p += img_seek_end(info, p);
	ret->n = (size_t)(p - ret->p);
	return 0;
}

/* For what goes before the frames.  Pages may be hundreds of megabytes: no second copy of them. */
static int make_room(struct img_writer *w, const struct img_writer_head *head,
		     struct bytes *ret)
{
	const struct img_info *info = &w->info;
	size_t n = info->pages_off + info->pages_bytes;
	uint8_t *p;

	if (head->hot_bytes > 0)
		n += IMG_SKIP_HEADER_BYTES + head->hot_table_bytes;
	p = realloc(w->pages.p, n);
	if (!p)
		return IMG_ERR_MEMORY;
	w->pages = (struct bytes){0};
	memmove(p + info->pages_off, p, info->pages_bytes);
	*ret = (struct bytes){p, n, n};
	return 0;
}

/* n bytes of p are there; of a hot pack they are the table only, whose frames the caller brings. */
static void put_section(uint8_t *front, uint64_t off, uint64_t payload_bytes,
			const void *p, size_t n)
{
	img_skip_header(payload_bytes, front + off - IMG_SKIP_HEADER_BYTES);
	memcpy(front + off, p, n);
}

static void put_sections(const struct img_writer *w, const struct img_writer_head *head,
			 const struct disk_head *h, uint8_t *front)
{
	const struct img_info *info = &w->info;

	memcpy(front, h, sizeof *h);
	put_section(front, info->meta_off, head->meta_bytes, head->meta,
		    head->meta_bytes);
	put_section(front, info->table_off, w->table.n, w->table.p, w->table.n);
	img_skip_header(info->pages_bytes,
			front + info->pages_off - IMG_SKIP_HEADER_BYTES);
	if (head->hot_bytes > 0)
		put_section(front, info->hot_off, head->hot_bytes, head->hot_table,
			    head->hot_table_bytes);
}

static int make_front(struct img_writer *w, const struct img_writer_head *head,
		      const struct bytes *seek, struct bytes *ret)
{
	struct disk_head h = {0};
	int r;

	img_head_encode(&w->info, &h);
	r = img_hash_once(w->hash, head->meta, head->meta_bytes, h.meta.digest);
	if (r == 0)
		r = img_hash_once(w->hash, w->table.p, w->table.n, h.table.digest);
	if (r == 0)
		r = img_hash_once(w->hash, seek->p, seek->n, h.seek.digest);
	if (r == 0 && head->hot_bytes > 0)
		r = img_hash_once(w->hash, head->hot_table, head->hot_table_bytes,
				  h.hot.digest);
	if (r == 0)
		r = img_head_seal(&h);
	if (r == 0)
		r = make_room(w, head, ret);
	if (r < 0)
		return r;
	put_sections(w, head, &h, ret->p);
	memcpy(w->info.uuid, h.uuid, sizeof h.uuid);
	memcpy(w->info.digest, h.digest, sizeof h.digest);
	return 0;
}

static void place_all(struct img_writer *w, const struct img_writer_head *head)
{
	struct img_info *info = &w->info;

	info->n_pages = div_round_up(info->n_chunks, IMG_PAGE_ENTRIES);
	info->meta_bytes = head->meta_bytes;
	info->table_bytes = w->table.n;
	info->pages_bytes = w->pages.n;
	info->version_number = head->version_number;
	info->hot_bytes = head->hot_bytes;
	info->hot_table_bytes = head->hot_table_bytes;
	info->seek_bytes = img_seek_bytes(info);
	memcpy(info->raw_digest, head->raw_digest, sizeof info->raw_digest);
	img_layout(info);
	place_table(&w->table, info->data_off);
}

int img_writer_finish(struct img_writer *w, const struct img_writer_head *head,
		      struct img_writer_tables *ret)
{
	struct bytes front = {0}, seek = {0};
	int r;

	if (w->info.n_chunks == 0 || head->meta_bytes < DISK_META_BYTES_MIN ||
	    head->meta_bytes > IMG_META_BYTES_MAX ||
	    head->version_number > DISK_VERSION_NUMBER_MAX ||
	    head->hot_bytes > DISK_HOT_BYTES_MAX ||
	    head->hot_table_bytes > head->hot_bytes)
		return IMG_ERR_FIELD;
	r = close_page(w);
	if (r < 0)
		return r;
	place_all(w, head);
	r = make_seek(w, &seek);
	if (r == 0)
		r = make_front(w, head, &seek, &front);
	if (r < 0) {
		free(seek.p);
		return r;
	}
	*ret = (struct img_writer_tables){front.p, front.n, seek.p, seek.n, w->info};
	return 0;
}
