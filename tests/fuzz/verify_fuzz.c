/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_fuzz.c - hydroot-image verify of a whole file: opened, every section, chunk and hot
 * frame checked
 *
 * The file (see fuzz_image.h) is verified as it is, and with everything made right that
 * follows from its lengths and frames (verify_right.c), so that what is refused then is
 * refused for its content.  What is accepted must be what FORMAT.md promises: one bit
 * more or less in any byte is refused, `zstd -dc` gives the same image, and its hot pack
 * is good as a side file, too.
 *
 * The objects of the tool are linked, without its messages and its HTTP.
 */
#include "tests/fuzz/fuzz_image.h"

#include <stdarg.h>
#include <sys/mman.h>

#include <zstd.h>

#include "imgfmt/hotpack.h"
#include "imgfmt/tool/http.h"
#include "imgfmt/tool/tool.h"
#include "imgfmt/tool/verify.h"
#include "imgfmt/tool/verify_pack.h"
#include "tests/fuzz/verify_right.h"

#define IMAGE_BYTES_MAX (80u << 20) /* several index pages */

/* -- of the tool: messages, which are counted, and what is not called ------------------------- */

static unsigned n_messages;

int tool_fail(const char *subject, const char *format, ...)
{
	char text[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fuzz_assert(*subject && n > 0 && n < (int)sizeof text && !strchr(text, '\n'));
	n_messages++;
	return EXIT_FAILED;
}

int tool_fail_errno(const char *subject, const char *action)
{
	return tool_fail(subject, "%s", action);
}

void tool_line_is_open(bool is_open _unused_)
{
}

int tool_usage(const char *command _unused_, const char *format _unused_, ...)
{
	abort();
}

bool tool_parse_number(const char *text _unused_, uint64_t *ret _unused_)
{
	abort();
}

int tool_read_file(const char *path _unused_, size_t max_bytes _unused_,
		   char **ret _unused_, size_t *ret_bytes _unused_)
{
	abort();
}

const char *tool_human(uint64_t n_bytes _unused_)
{
	abort();
}

bool http_is_url(const char *path _unused_)
{
	return false;
}

int http_open(const char *url _unused_, const struct http_tls *tls _unused_,
	      size_t n_first _unused_, struct http_file **ret _unused_,
	      uint64_t *ret_file_bytes _unused_)
{
	abort();
}

int http_prefetch(struct http_file *h _unused_, uint64_t src_off _unused_,
		  size_t n_bytes _unused_)
{
	abort();
}

int http_read(struct http_file *h _unused_, uint64_t src_off _unused_, void *buf _unused_,
	      size_t n_bytes _unused_)
{
	abort();
}

void http_close(struct http_file *h _unused_)
{
}

const char *http_name(const struct http_file *h _unused_)
{
	abort();
}

/* -- files ------------------------------------------------------------------------------------ */

struct place {
	int fd;
	char path[32];
};

static struct place image_place, pack_place;

static const char *put_file(struct place *place, const void *p, uint64_t n_bytes)
{
	if (place->path[0] == '\0') {
		place->fd = memfd_create("fuzz", MFD_CLOEXEC);
		snprintf(place->path, sizeof place->path, "/proc/self/fd/%d", place->fd);
	}
	fuzz_assert(ftruncate(place->fd, 0) == 0);
	fuzz_assert(pwrite(place->fd, p, n_bytes, 0) == (ssize_t)n_bytes);
	return place->path;
}

/* Refused is not failed: nothing is wrong here but the input.  Each refusal is said once. */
static int expect_verdict(int r)
{
	fuzz_assert(r == EXIT_DONE || r == EXIT_REFUSED);
	fuzz_assert(n_messages == (r == EXIT_DONE ? 0 : 1));
	return r;
}

static int open_image(const struct fuzz_file *f, struct image_file *ret)
{
	const struct image_trust trust = {.digest = NULL};

	n_messages = 0;
	return image_open(put_file(&image_place, f->p, f->n), &trust, ret);
}

static int verify(const struct fuzz_file *f)
{
	struct image_file image;
	int r = open_image(f, &image);

	if (r == EXIT_DONE) {
		r = verify_all(&image, 1);
		image_close(&image);
	}
	return expect_verdict(r);
}

static int verify_side_file(struct image_file *image, const struct fuzz_file *pack)
{
	n_messages = 0;
	return expect_verdict(
		verify_pack(image, put_file(&pack_place, pack->p, pack->n), NULL, 1));
}

/* -- what was accepted ------------------------------------------------------------------------ */

/* As a stream, in pieces: what zstd would make of it without knowing its length. */
static void expect_zstd(ZSTD_DCtx *zstd, ZSTD_inBuffer *in, const uint8_t *want,
			size_t n_bytes)
{
	uint8_t got[IMG_BLOCK_BYTES];

	for (size_t done = 0; done < n_bytes; done += sizeof got) {
		ZSTD_outBuffer out = {got, sizeof got, 0};

		while (out.pos < out.size) {
			size_t in_before = in->pos, out_before = out.pos;

			fuzz_assert(!ZSTD_isError(ZSTD_decompressStream(zstd, &out, in)));
			fuzz_assert(in->pos > in_before || out.pos > out_before);
		}
		fuzz_assert(memcmp(got, want + done, sizeof got) == 0);
	}
}

/* Nothing comes after the image, and the last frame is whole. */
static void expect_zstd_end(ZSTD_DCtx *zstd, ZSTD_inBuffer *in)
{
	uint8_t byte;
	size_t r = 0;

	while (in->pos < in->size) {
		ZSTD_outBuffer out = {&byte, 1, 0};

		r = ZSTD_decompressStream(zstd, &out, in);
		fuzz_assert(!ZSTD_isError(r) && out.pos == 0);
	}
	fuzz_assert(r == 0);
}

static void compare_with_zstd(const struct fuzz_file *f, struct image_file *image)
{
	ZSTD_inBuffer in = {f->p, f->n, 0};
	ZSTD_DCtx *zstd = ZSTD_createDCtx();
	const struct img_info *info = img_info(image->img);
	uint8_t *raw = malloc(info->chunk_bytes);

	fuzz_assert(zstd && raw);
	for (uint64_t ci = 0; ci < info->n_chunks; ci++) {
		struct img_chunk chunk;

		fuzz_assert(image_chunk(image, ci, &chunk) == EXIT_DONE);
		fuzz_assert(image_chunk_read(image, &chunk, raw) == EXIT_DONE);
		expect_zstd(zstd, &in, raw, chunk.raw_bytes);
	}
	expect_zstd_end(zstd, &in);
	ZSTD_freeDCtx(zstd);
	free(raw);
}

/* Which bit follows from the file, so that an input always does the same. */
static void flip(const struct fuzz_file *f, const uint8_t choice[IMG_DIGEST_BYTES])
{
	f->p[le64_load(choice) % f->n] ^= (uint8_t)(1u << (choice[8] & 7));
}

/* The hot pack of an image as a side file of it. */
static bool take_pack(const struct fuzz_file *f, const struct img_info *info,
		      struct fuzz_file *ret)
{
	const uint8_t *hot = fuzz_at(f, info->hot_off, info->hot_bytes);

	if (!hot || info->hot_bytes == 0)
		return false;
	ret->n = IMG_PACK_FRONT_BYTES + info->hot_bytes;
	ret->p = malloc(ret->n);
	fuzz_assert(ret->p);
	fuzz_assert(img_pack_front(info->digest, hot, info->hot_table_bytes,
				   info->hot_bytes, ret->p) == 0);
	memcpy(ret->p + IMG_PACK_FRONT_BYTES, hot, info->hot_bytes);
	return true;
}

static void check_pack(const struct fuzz_file *f, struct image_file *image, bool is_good)
{
	uint8_t choice[IMG_DIGEST_BYTES];
	struct fuzz_file pack;
	int r;

	if (!take_pack(f, img_info(image->img), &pack))
		return;
	r = verify_side_file(image, &pack);
	fuzz_assert(!is_good || r == EXIT_DONE);
	if (r == EXIT_DONE) {
		fuzz_sha256(pack.p, pack.n, choice);
		flip(&pack, choice);
		fuzz_assert(verify_side_file(image, &pack) == EXIT_REFUSED);
	}
	free(pack.p);
}

static void check_accepted(const struct fuzz_file *f, struct image_file *image)
{
	uint8_t choice[IMG_DIGEST_BYTES];

	compare_with_zstd(f, image);
	fuzz_sha256(f->p, f->n, choice);
	flip(f, choice);
	fuzz_assert(verify(f) == EXIT_REFUSED);
	flip(f, choice);
}

static void check(const struct fuzz_file *f)
{
	bool is_good = verify(f) == EXIT_DONE;
	struct image_file image;

	if (open_image(f, &image) != EXIT_DONE)
		return;
	check_pack(f, &image, is_good);
	if (is_good) {
		check_accepted(f, &image);
		fuzz_accept();
	}
	image_close(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	struct fuzz_file f;

	if (!fuzz_file_from(data, n_bytes, &f))
		return 0;
	/* A larger one only takes longer. */
	if (le64_load(((const struct disk_head *)f.p)->image_bytes) <= IMAGE_BYTES_MAX) {
		check(&f);
		if (verify_make_right(&f))
			check(&f);
	}
	free(f.p);
	return 0;
}
