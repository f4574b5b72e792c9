/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_file.c - an image in a local file
 */
#include "imgfmt/tool/image_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "imgfmt/tool/tool.h"

#define KEY_BYTES_MAX 65536

int image_refuse(const struct image_file *f, const char *what, uint64_t src_off, int err)
{
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

int image_read(const struct image_file *f, uint64_t src_off, void *buf, size_t n_bytes)
{
	size_t done = 0;

	while (done < n_bytes) {
		ssize_t n = pread(f->fd, (char *)buf + done, n_bytes - done,
				  (off_t)(src_off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return tool_fail_errno(f->path, "cannot read");
		if (n == 0) {
			tool_fail(f->path, "ends at offset %" PRIu64 ", before its time",
				  src_off + done);
			return EXIT_REFUSED;
		}
		done += (size_t)n;
	}
	return EXIT_DONE;
}

static int check_trust(const struct image_file *f, const struct image_trust *trust)
{
	cleanup_free char *pem = NULL;
	size_t n = 0;
	int r;

	if (trust->digest && img_check_digest(f->img, trust->digest) < 0) {
		tool_fail(f->path, "its digest is not the one that was asked for");
		return EXIT_REFUSED;
	}
	if (!trust->public_key_path)
		return EXIT_DONE;
	r = tool_read_file(trust->public_key_path, KEY_BYTES_MAX, &pem, &n);
	if (r != EXIT_DONE)
		return r;
	r = img_check_signature(f->img, pem, n);
	if (r == IMG_ERR_UNSIGNED || r == IMG_ERR_SIGNATURE) {
		tool_fail(f->path, "%s", img_strerror(r));
		return EXIT_REFUSED;
	}
	return r < 0 ? tool_fail(trust->public_key_path, "%s", img_strerror(r))
		     : EXIT_DONE;
}

static int read_head(struct image_file *f)
{
	uint8_t head[IMG_HEAD_BYTES];
	size_t n = min_u64(sizeof head, f->file_bytes);
	int r = image_read(f, 0, head, n);

	if (r != EXIT_DONE)
		return r;
	r = img_new(head, n, &f->img);
	if (r == IMG_ERR_MEMORY || r == IMG_ERR_INTERNAL)
		return tool_fail(f->path, "%s", img_strerror(r));
	if (r < 0) {
		tool_fail(f->path, "%s", img_strerror(r));
		return EXIT_REFUSED;
	}
	return EXIT_DONE;
}

static int check_file_bytes(const struct image_file *f)
{
	uint64_t wanted = img_info(f->img)->file_bytes;

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

static int load(struct image_file *f, const struct image_trust *trust)
{
	int r = read_head(f);

	if (r == EXIT_DONE)
		r = check_trust(f, trust);
	if (r == EXIT_DONE)
		r = check_file_bytes(f);
	if (r == EXIT_DONE)
		r = read_meta(f);
	if (r == EXIT_DONE)
		r = read_table(f);
	return r == EXIT_DONE ? make_buffers(f) : r;
}

static bool is_url(const char *path)
{
	return strncmp(path, "http://", 7) == 0 || strncmp(path, "https://", 8) == 0;
}

int image_open(const char *path, const struct image_trust *trust, struct image_file *ret)
{
	struct image_file f = {.path = path, .fd = -1};
	struct stat st;
	int r;

	if (is_url(path))
		return tool_fail(path, "URLs are not supported yet; download it first");
	f.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (f.fd < 0 || fstat(f.fd, &st) < 0)
		r = tool_fail_errno(path, "cannot open");
	else if (!S_ISREG(st.st_mode))
		r = tool_fail(path, "not a regular file");
	else {
		f.file_bytes = (uint64_t)st.st_size;
		r = load(&f, trust);
	}
	if (r != EXIT_DONE) {
		image_close(&f);
		return r;
	}
	*ret = f;
	return EXIT_DONE;
}

void image_close(struct image_file *f)
{
	img_free(f->img);
	free(f->meta);
	free(f->page);
	free(f->stored);
	img_decoder_free(f->decoder);
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
	r = img_page_decode(f->img, page, place.n_bytes ? buf : NULL, place.n_bytes,
			    f->page);
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
	if (r == IMG_ERR_INTERNAL)
		return tool_fail(f->path, "%s", img_strerror(r));
	return r < 0 ? image_refuse_chunk(f, chunk, img_strerror(r)) : EXIT_DONE;
}

int image_with(const char *path, int (*what)(struct image_file *f, void *arguments),
	       void *arguments)
{
	const struct image_trust trust = {NULL, NULL};
	struct image_file f;
	int r = image_open(path, &trust, &f);

	if (r == EXIT_DONE) {
		r = what(&f, arguments);
		image_close(&f);
	}
	return r == EXIT_REFUSED ? EXIT_FAILED : r;
}
