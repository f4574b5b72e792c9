/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_pack.c - is a side file a hot pack of this image, down to every block
 */
#include "imgfmt/tool/verify_pack.h"

#include "imgfmt/tool/hot_check.h"
#include "imgfmt/tool/hot_table.h"
#include "imgfmt/tool/tool.h"

#define KEY_BYTES_MAX 65536

struct packfile {
	struct image_file file;
	struct image_file *f; /* the image */
	struct img_pack *pack;
	struct img_hot *hot;
};

static int check_signature(const struct packfile *p, const char *key_path)
{
	cleanup_free char *pem = NULL;
	size_t n = 0;
	int r = tool_read_file(key_path, KEY_BYTES_MAX, &pem, &n);

	if (r != EXIT_DONE)
		return r;
	r = img_pack_check_signature(p->pack, pem, n);
	if (img_err_kind(r) == IMG_ERR_UNSIGNED || img_err_kind(r) == IMG_ERR_SIGNATURE)
		return image_refuse_key(&p->file, p->pack, key_path, pem, n, r);
	return r < 0 ? tool_fail(key_path, "%s", img_strerror(r)) : EXIT_DONE;
}

static int check_image(const struct packfile *p)
{
	if (memcmp(img_pack_info(p->pack)->image_digest, img_info(p->f->img)->digest,
		   IMG_DIGEST_BYTES) == 0)
		return EXIT_DONE;
	tool_fail(p->file.path, "is the hot pack of another image than %s", p->f->path);
	return EXIT_REFUSED;
}

static int check(struct packfile *p, const char *key_path, unsigned n_jobs)
{
	struct hot_place place = {.path = p->file.path, .fd = p->file.fd};
	const struct img_pack_info *info;
	int r = hot_table_pack(&p->file, &p->pack);

	if (r == EXIT_DONE)
		r = check_image(p);
	if (r == EXIT_DONE && key_path)
		r = check_signature(p, key_path);
	if (r != EXIT_DONE)
		return r;
	info = img_pack_info(p->pack);
	r = image_check_header(&p->file, "HOT PACK", info->hot_off, info->hot_bytes);
	if (r == EXIT_DONE)
		r = hot_table_of_pack(&p->file, p->pack, p->f->img, &p->hot);
	if (r != EXIT_DONE)
		return r;
	place.hot_off = info->hot_off;
	return hot_check(p->f, &place, p->hot, n_jobs);
}

int verify_pack(struct image_file *f, const char *pack_path, const char *key_path,
		unsigned n_jobs)
{
	struct packfile p = {.f = f};
	int r = image_look_local(pack_path, &p.file);

	if (r != EXIT_DONE)
		return r;
	r = check(&p, key_path, n_jobs);
	image_close(&p.file);
	img_pack_free(p.pack);
	img_hot_free(p.hot);
	return r;
}
