/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_file.c - an image in a local file
 */
#include "imgfmt/tool/image_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "imgfmt/digest.h"
#include "imgfmt/layout.h"
#include "imgfmt/tool/http.h"
#include "imgfmt/tool/tool.h"

#define KEY_BYTES_MAX 65536
/* A ZSTD_DCtx has some 100 KiB, and a thread its stack. */
#define DECODER_BYTES (256u * 1024)

int image_refuse(const struct image_file *f, const char *what, uint64_t src_off, int err)
{
	if (img_err_is_ours(err))
		return tool_fail(f->path, "%s", img_strerror(err));
	tool_fail(f->path, "%s at offset %" PRIu64 ": %s", what, src_off,
		  img_strerror(err));
	return EXIT_REFUSED;
}

int image_refuse_chunk(const struct image_file *f, const struct img_chunk *chunk,
		       const char *why)
{
	tool_fail(f->path, "chunk %" PRIu64 " at offset %" PRIu64 ": %s", chunk->ci,
		  chunk->src_off, why);
	return EXIT_REFUSED;
}

static int refuse_end(const struct image_file *f, uint64_t end)
{
	tool_fail(f->path, "ends at offset %" PRIu64 ", before its time", end);
	return EXIT_REFUSED;
}

static int read_remote(const struct image_file *f, uint64_t src_off, void *buf,
		       size_t n_bytes)
{
	uint64_t end;

	if (!checked_add(src_off, n_bytes, &end) || end > f->file_bytes)
		return refuse_end(f, f->file_bytes);
	return http_read(f->http, src_off, buf, n_bytes);
}

int image_read(const struct image_file *f, uint64_t src_off, void *buf, size_t n_bytes)
{
	int error_number = 0;

	if (f->http)
		return read_remote(f, src_off, buf, n_bytes);
	if (image_reader_bytes(f->fd, src_off, buf, n_bytes, &error_number) == 0)
		return EXIT_DONE;
	errno = error_number;
	return errno != 0 ? tool_fail_errno(f->path, "cannot read")
			  : refuse_end(f, f->file_bytes);
}

int image_check_header(const struct image_file *f, const char *section, uint64_t off,
		       uint64_t payload_bytes)
{
	uint8_t want[IMG_SKIP_HEADER_BYTES], got[IMG_SKIP_HEADER_BYTES];
	uint64_t src_off = off - sizeof want;
	char what[32];
	int r = image_read(f, src_off, got, sizeof got);

	if (r != EXIT_DONE)
		return r;
	img_skip_header(payload_bytes, want);
	snprintf(what, sizeof what, "header of %s", section);
	if (memcmp(got, want, sizeof got) != 0)
		return image_refuse(f, what, src_off, IMG_FAULT_SKIP_HEADER);
	return EXIT_DONE;
}

static int refuse_digest(const struct image_file *f,
			 const uint8_t wanted[IMG_DIGEST_BYTES])
{
	char has[IMG_HEX_BYTES], want[IMG_HEX_BYTES];

	img_digest_hex(img_info(f->img)->digest, has);
	img_digest_hex(wanted, want);
	tool_fail(
		f->path,
		"HEAD: its digest sha256:%s is not the one that was asked for, sha256:%s",
		has, want);
	return EXIT_REFUSED;
}

static bool next_key_id(const struct image_file *f, const struct img_pack *pack,
			uint32_t i, uint8_t ret[IMG_KEY_ID_BYTES])
{
	return pack ? img_pack_key_id(pack, i, ret)
		    : img_signature_key_id(f->img, i, ret);
}

int image_refuse_key(const struct image_file *f, const struct img_pack *pack,
		     const char *key_path, const char *pem, size_t n_bytes, int err)
{
	char wanted[IMG_KEY_TEXT_BYTES] = "";
	char has[IMG_SIGNATURES_MAX * (IMG_KEY_TEXT_BYTES + 2)] = "";
	uint8_t id[IMG_KEY_ID_BYTES];
	size_t n = 0;

	if (img_public_key_id(pem, n_bytes, id) == 0)
		img_key_id_text(id, wanted);
	for (uint32_t i = 0; next_key_id(f, pack, i, id); i++) {
		n += (size_t)snprintf(has + n, sizeof has - n, "%s", i ? ", " : "");
		img_key_id_text(id, has + n);
		n += IMG_KEY_TEXT_BYTES - 1;
	}
	tool_fail(f->path, "%s: %s %s (key id %s)%s%s", pack ? "PACK HEAD" : "HEAD",
		  img_strerror(err), key_path, wanted, n ? "; it has signatures of " : "",
		  has);
	return EXIT_REFUSED;
}

static int refuse_version(const struct image_file *f, uint64_t min_version)
{
	tool_fail(f->path,
		  "HEAD: its version number is %" PRIu64 ", below the %" PRIu64
		  " that was asked for",
		  img_info(f->img)->version_number, min_version);
	return EXIT_REFUSED;
}

static int check_trust(const struct image_file *f, const struct image_trust *trust)
{
	cleanup_free char *pem = NULL;
	size_t n = 0;
	int r;

	if (trust->digest && img_check_digest(f->img, trust->digest) < 0)
		return refuse_digest(f, trust->digest);
	if (img_info(f->img)->version_number < trust->min_version)
		return refuse_version(f, trust->min_version);
	if (!trust->public_key_path)
		return EXIT_DONE;
	r = tool_read_file(trust->public_key_path, KEY_BYTES_MAX, &pem, &n);
	if (r != EXIT_DONE)
		return r;
	r = img_check_signature(f->img, pem, n);
	if (r == IMG_ERR_UNSIGNED || r == IMG_ERR_SIGNATURE)
		return image_refuse_key(f, NULL, trust->public_key_path, pem, n, r);
	return r < 0 ? tool_fail(trust->public_key_path, "%s", img_strerror(r))
		     : EXIT_DONE;
}

/* What is another kind of file, or damaged, needs no field of HEAD to say so. */
static int refuse_head(const struct image_file *f, int err)
{
	int kind = img_err_kind(err);

	if (kind == IMG_ERR_FIELD || kind == IMG_ERR_RESERVED || kind == IMG_ERR_DIGEST)
		return image_refuse(f, "HEAD", 0, err);
	tool_fail(f->path, "%s", img_strerror(err));
	return EXIT_REFUSED;
}

static int read_head(struct image_file *f)
{
	uint8_t head[IMG_HEAD_BYTES];
	size_t n = min_u64(sizeof head, f->file_bytes);
	int r = image_read(f, 0, head, n);

	if (r != EXIT_DONE)
		return r;
	r = img_new(head, n, &f->img);
	if (img_err_is_ours(r))
		return tool_fail(f->path, "%s", img_strerror(r));
	if (r < 0)
		return refuse_head(f, r);
	return EXIT_DONE;
}

int image_check_length(const struct image_file *f, uint64_t wanted)
{
	if (f->file_bytes == wanted)
		return EXIT_DONE;
	tool_fail(f->path, "has %" PRIu64 " bytes instead of %" PRIu64 ": %s",
		  f->file_bytes, wanted,
		  f->file_bytes < wanted ? "it was cut off" : "something was appended");
	return EXIT_REFUSED;
}

static int read_meta(struct image_file *f)
{
	const struct img_info *info = img_info(f->img);
	int r;

	f->meta = calloc(1, info->meta_bytes + 1);
	if (!f->meta)
		return tool_fail(f->path, "out of memory");
	r = image_read(f, info->meta_off, f->meta, info->meta_bytes);
	if (r != EXIT_DONE)
		return r;
	r = img_check_meta(f->img, f->meta, info->meta_bytes);
	return r < 0 ? image_refuse(f, "META", info->meta_off, r) : EXIT_DONE;
}

static int read_table(struct image_file *f)
{
	const struct img_info *info = img_info(f->img);
	cleanup_free void *table = malloc(info->table_bytes);
	int r;

	if (!table)
		return tool_fail(f->path, "out of memory");
	r = image_read(f, info->table_off, table, info->table_bytes);
	if (r != EXIT_DONE)
		return r;
	r = img_set_table(f->img, table, info->table_bytes);
	return r < 0 ? image_refuse(f, "PAGE TABLE", info->table_off, r) : EXIT_DONE;
}

static int make_buffers(struct image_file *f)
{
	f->page = malloc(sizeof *f->page);
	f->decoder = img_decoder_new();
	f->stored = malloc(img_stored_bytes_max(img_info(f->img)->chunk_bytes));
	if (!f->page || !f->decoder || !f->stored)
		return tool_fail(f->path, "out of memory");
	return EXIT_DONE;
}

static int load_tables(struct image_file *f)
{
	int r = read_meta(f);

	if (r == EXIT_DONE)
		r = read_table(f);
	return r == EXIT_DONE ? make_buffers(f) : r;
}

static int load(struct image_file *f, const struct image_trust *trust)
{
	int r = read_head(f);

	if (r == EXIT_DONE)
		r = check_trust(f, trust);
	if (r == EXIT_DONE)
		r = image_check_length(f, img_info(f->img)->file_bytes);
	return r == EXIT_DONE ? load_tables(f) : r;
}

static int open_file(const char *path, struct image_file *f)
{
	struct stat st;

	f->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		return tool_fail_errno(path, "cannot open");
	if (!S_ISREG(st.st_mode))
		return tool_fail(path, "not a regular file");
	f->file_bytes = (uint64_t)st.st_size;
	return EXIT_DONE;
}

int image_look_local(const char *path, struct image_file *ret)
{
	struct image_file f = {.path = path, .fd = -1};
	int r;

	if (http_is_url(path))
		return tool_fail(path, "only 'info' takes a URL; download it first");
	r = open_file(path, &f);
	if (r != EXIT_DONE) {
		image_close(&f);
		return r;
	}
	*ret = f;
	return EXIT_DONE;
}

int image_open(const char *path, const struct image_trust *trust, struct image_file *ret)
{
	struct image_file f;
	int r = image_look_local(path, &f);

	if (r != EXIT_DONE)
		return r;
	r = load(&f, trust);
	if (r != EXIT_DONE) {
		image_close(&f);
		return r;
	}
	*ret = f;
	return EXIT_DONE;
}

/* Two requests: HEAD, and all tables that HEAD tells of as far as they are small. */
static int load_remote(struct image_file *f)
{
	const struct img_info *info;
	uint64_t n_bytes;
	int r = read_head(f);

	if (r == EXIT_DONE)
		r = image_check_length(f, img_info(f->img)->file_bytes);
	if (r != EXIT_DONE)
		return r;
	info = img_info(f->img);
	n_bytes = min_u64(info->pages_off + info->pages_bytes, IMG_FIRST_READ_BYTES) -
		  IMG_HEAD_BYTES;
	r = http_prefetch(f->http, IMG_HEAD_BYTES, n_bytes);
	return r == EXIT_DONE ? load_tables(f) : r;
}

int image_look(const char *path, const struct http_tls *tls, struct image_file *ret)
{
	struct image_file f = {.path = path, .fd = -1};
	int r;

	if (!http_is_url(path)) {
		r = open_file(path, &f);
	} else {
		r = http_open(path, tls, IMG_HEAD_BYTES, &f.http, &f.file_bytes);
		if (r == EXIT_DONE)
			f.path = http_name(f.http);
	}
	if (r != EXIT_DONE) {
		image_close(&f);
		return r;
	}
	*ret = f;
	return EXIT_DONE;
}

int image_load(struct image_file *f)
{
	const struct image_trust none = {.digest = NULL};

	return f->http ? load_remote(f) : load(f, &none);
}

void image_close(struct image_file *f)
{
	img_free(f->img);
	free(f->meta);
	free(f->page);
	free(f->stored);
	img_decoder_free(f->decoder);
	http_close(f->http);
	if (f->fd >= 0)
		close(f->fd);
	*f = (struct image_file){.fd = -1};
}

static int load_page(struct image_file *f, uint64_t page)
{
	uint8_t buf[IMG_PAGE_ENTRIES * IMG_PAGE_ENTRY_BYTES];
	struct img_range place;
	int r = img_page_locate(f->img, page, &place);

	if (r < 0)
		return tool_fail(f->path, "%s", img_strerror(r));
	f->has_page = false;
	r = image_read(f, place.src_off, buf, place.n_bytes);
	if (r != EXIT_DONE)
		return r;
	r = img_page_decode_with(f->decoder, f->img, page, place.n_bytes ? buf : NULL,
				 place.n_bytes, f->page);
	if (r < 0)
		return image_refuse(f, "index page", place.src_off, r);
	f->has_page = true;
	return EXIT_DONE;
}

int image_chunk(struct image_file *f, uint64_t ci, struct img_chunk *ret)
{
	int r = EXIT_DONE;

	if (!f->has_page || f->page->page != img_page_of(ci))
		r = load_page(f, img_page_of(ci));
	if (r != EXIT_DONE)
		return r;
	r = img_page_chunk(f->img, f->page, ci, ret);
	return r < 0 ? tool_fail(f->path, "%s", img_strerror(r)) : EXIT_DONE;
}

int image_chunk_read(struct image_file *f, const struct img_chunk *chunk, void *dst)
{
	size_t n = chunk->is_zero ? 0 : chunk->stored_bytes;
	int r = image_read(f, chunk->src_off, f->stored, n);

	if (r != EXIT_DONE)
		return r;
	r = img_chunk_decode(f->decoder, chunk, f->stored, n, dst, chunk->raw_bytes);
	if (img_err_is_ours(r))
		return tool_fail(f->path, "%s", img_strerror(r));
	return r < 0 ? image_refuse_chunk(f, chunk, img_strerror(r)) : EXIT_DONE;
}

void image_reader_free(struct image_reader *reader)
{
	if (!reader)
		return;
	img_decoder_free(reader->decoder);
	img_hash_free(reader->hash);
	free(reader->stored);
	free(reader->raw);
	free(reader);
}

static uint32_t reader_raw_bytes(const struct image_file *f)
{
	return (uint32_t)max_u64(img_info(f->img)->chunk_bytes, IMG_HOT_FRAME_RAW_MAX);
}

uint64_t image_reader_room(const struct image_file *f)
{
	uint32_t raw_bytes = reader_raw_bytes(f);

	return (uint64_t)raw_bytes + img_stored_bytes_max(raw_bytes) + DECODER_BYTES;
}

struct image_reader *image_reader_new(const struct image_file *f)
{
	uint32_t raw_bytes = reader_raw_bytes(f);
	struct image_reader *reader = calloc(1, sizeof *reader);

	if (!reader)
		return NULL;
	reader->decoder = img_decoder_new();
	reader->hash = img_hash_new();
	reader->stored = malloc(img_stored_bytes_max(raw_bytes));
	reader->raw = malloc(raw_bytes);
	if (!reader->decoder || !reader->hash || !reader->stored || !reader->raw) {
		image_reader_free(reader);
		return NULL;
	}
	return reader;
}

int image_reader_bytes(int fd, uint64_t off, void *buf, size_t n_bytes, int *ret_errno)
{
	for (size_t done = 0; done < n_bytes;) {
		ssize_t n = pread(fd, (uint8_t *)buf + done, n_bytes - done,
				  (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			*ret_errno = n < 0 ? errno : 0;
			return IMG_ERR_IO;
		}
		done += (size_t)n;
	}
	return 0;
}

int image_reader_chunk(const struct image_file *f, struct image_reader *reader,
		       const struct img_chunk *chunk, void *dst, int *ret_errno)
{
	size_t n_bytes = chunk->is_zero ? 0 : chunk->stored_bytes;
	int r = image_reader_bytes(f->fd, chunk->src_off, reader->stored, n_bytes,
				   ret_errno);

	return r < 0 ? r
		     : img_chunk_decode(reader->decoder, chunk, reader->stored, n_bytes,
					dst, chunk->raw_bytes);
}

int image_fail_chunk(const struct image_file *f, const struct img_chunk *chunk, int err,
		     int error_number)
{
	if (err == IMG_ERR_IO && error_number == 0)
		return image_refuse_chunk(f, chunk, "the file ends before its time");
	if (err == IMG_ERR_IO) {
		errno = error_number;
		return tool_fail_errno(f->path, "cannot read");
	}
	if (img_err_is_ours(err))
		return tool_fail(f->path, "%s", img_strerror(err));
	return image_refuse_chunk(f, chunk, img_strerror(err));
}

int image_with(const char *path, int (*what)(struct image_file *f, void *arguments),
	       void *arguments)
{
	const struct image_trust trust = {.digest = NULL};
	struct image_file f;
	int r = image_open(path, &trust, &f);

	if (r == EXIT_DONE) {
		r = what(&f, arguments);
		image_close(&f);
	}
	return r == EXIT_REFUSED ? EXIT_FAILED : r;
}
