/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_pack.c - is a side file a hot pack of this image, down to every block
 */
#include "imgfmt/tool/verify_pack.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "imgfmt/layout.h"
#include "imgfmt/tool/hot_check.h"
#include "imgfmt/tool/tool.h"

#define KEY_BYTES_MAX 65536

struct packfile {
	const char *path;
	int fd;
	struct image_file *f; /* the image */
	struct img_pack *pack;
	struct img_hot *hot;
};

static int refuse(const struct packfile *p, const char *what, uint64_t off, int err)
{
	if (img_err_is_ours(err))
		return tool_fail(p->path, "%s", img_strerror(err));
	tool_fail(p->path, "%s at offset %" PRIu64 ": %s", what, off, img_strerror(err));
	return EXIT_REFUSED;
}

static int read_at(const struct packfile *p, uint64_t off, void *buf, size_t n_bytes)
{
	int error_number = 0;

	if (image_reader_bytes(p->fd, off, buf, n_bytes, &error_number) == 0)
		return EXIT_DONE;
	errno = error_number;
	if (errno != 0)
		return tool_fail_errno(p->path, "cannot read");
	tool_fail(p->path,
		  "ends before its time: %zu bytes at offset %" PRIu64 " are not there",
		  n_bytes, off);
	return EXIT_REFUSED;
}

static int check_signature(const struct packfile *p, const char *key_path)
{
	cleanup_free char *pem = NULL;
	size_t n = 0;
	int r = tool_read_file(key_path, KEY_BYTES_MAX, &pem, &n);

	if (r != EXIT_DONE)
		return r;
	r = img_pack_check_signature(p->pack, pem, n);
	if (r == IMG_ERR_UNSIGNED || r == IMG_ERR_SIGNATURE) {
		tool_fail(p->path, "%s", img_strerror(r));
		return EXIT_REFUSED;
	}
	return r < 0 ? tool_fail(key_path, "%s", img_strerror(r)) : EXIT_DONE;
}

static int read_head(struct packfile *p)
{
	uint8_t head[IMG_PACK_HEAD_BYTES];
	struct stat st;
	int r;

	if (fstat(p->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return tool_fail(p->path, "not a regular file");
	r = read_at(p, 0, head, sizeof head);
	if (r != EXIT_DONE)
		return r;
	r = img_pack_new(head, sizeof head, &p->pack);
	if (r < 0)
		return refuse(p, "PACK HEAD", 0, r);
	if ((uint64_t)st.st_size != img_pack_info(p->pack)->file_bytes) {
		tool_fail(p->path, "has %" PRIu64 " bytes instead of %" PRIu64,
			  (uint64_t)st.st_size, img_pack_info(p->pack)->file_bytes);
		return EXIT_REFUSED;
	}
	if (memcmp(img_pack_info(p->pack)->image_digest, img_info(p->f->img)->digest,
		   IMG_DIGEST_BYTES) != 0) {
		tool_fail(p->path, "is the hot pack of another image than %s",
			  p->f->path);
		return EXIT_REFUSED;
	}
	return EXIT_DONE;
}

static int read_table(struct packfile *p)
{
	const struct img_pack_info *info = img_pack_info(p->pack);
	uint8_t want[IMG_SKIP_HEADER_BYTES], got[IMG_SKIP_HEADER_BYTES];
	cleanup_free void *table = malloc(info->hot_table_bytes);
	int r;

	if (!table)
		return tool_fail(p->path, "out of memory");
	r = read_at(p, info->hot_off - sizeof got, got, sizeof got);
	if (r == EXIT_DONE)
		r = read_at(p, info->hot_off, table, info->hot_table_bytes);
	if (r != EXIT_DONE)
		return r;
	img_skip_header(info->hot_bytes, want);
	if (memcmp(got, want, sizeof got) != 0)
		return refuse(p, "header of HOT PACK", info->hot_off - sizeof got,
			      IMG_FAULT_SKIP_HEADER);
	r = img_pack_hot_new(p->pack, p->f->img, table, info->hot_table_bytes, &p->hot);
	return r < 0 ? refuse(p, "hot table", info->hot_off, r) : EXIT_DONE;
}

static int check(struct packfile *p, const char *key_path, unsigned n_jobs)
{
	struct hot_place place = {.path = p->path, .fd = p->fd};
	int r = read_head(p);

	if (r == EXIT_DONE && key_path)
		r = check_signature(p, key_path);
	if (r == EXIT_DONE)
		r = read_table(p);
	if (r != EXIT_DONE)
		return r;
	place.hot_off = img_pack_info(p->pack)->hot_off;
	return hot_check(p->f, &place, p->hot, n_jobs);
}

int verify_pack(struct image_file *f, const char *pack_path, const char *key_path,
		unsigned n_jobs)
{
	struct packfile p = {.path = pack_path, .f = f};
	int r;

	p.fd = open(pack_path, O_RDONLY | O_CLOEXEC);
	if (p.fd < 0)
		return tool_fail_errno(pack_path, "cannot open");
	r = check(&p, key_path, n_jobs);
	close(p.fd);
	img_pack_free(p.pack);
	img_hot_free(p.hot);
	return r;
}

int hot_pack_counts(struct image_file *f, struct hot_pack_counts *ret)
{
	struct img_hot *hot = NULL;
	int r = hot_pack_open(f, &hot);

	*ret = (struct hot_pack_counts){0};
	if (r != EXIT_DONE || !hot)
		return r;
	ret->n_frames = hot->n_frames;
	ret->n_runs = hot->n_runs;
	for (uint32_t i = 0; i < hot->n_frames; i++)
		ret->raw_bytes += hot->frames[i].raw_bytes;
	img_hot_free(hot);
	return EXIT_DONE;
}
