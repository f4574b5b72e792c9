/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta.c - META's digest and form
 *
 * Strict: what two JSON readers could understand differently (a member twice, bytes
 * behind the end, NUL in strings) is refused.  Unknown members are none of our business.
 */
#include "imgfmt/digest.h"
#include "imgfmt/internal.h"

#include <jansson.h>

#define NAME_BYTES_MAX 255

static const char *const filesystems[] = {"ext4",     "ext3",  "ext2", "xfs",	 "btrfs",
					  "squashfs", "erofs", "vfat", "unknown"};

static bool is_filesystem(const json_t *value)
{
	const char *s = json_string_value(value);

	for (size_t i = 0; s && i < ARRAY_SIZE(filesystems); i++)
		if (strcmp(s, filesystems[i]) == 0)
			return true;
	return false;
}

static bool is_name(const json_t *value)
{
	size_t n = json_string_length(value);

	return json_is_string(value) && n >= 1 && n <= NAME_BYTES_MAX;
}

static int check_members(const json_t *root, uint64_t version_number)
{
	const json_t *number = json_object_get(root, "version_number");
	const json_t *name = json_object_get(root, "name");
	const json_t *annotations = json_object_get(root, "annotations");

	if (!json_is_integer(number) || json_integer_value(number) < 0 ||
	    (uint64_t)json_integer_value(number) != version_number)
		return IMG_ERR_META;
	if (!is_filesystem(json_object_get(root, "filesystem")))
		return IMG_ERR_META;
	if ((name && !is_name(name)) || (annotations && !json_is_object(annotations)))
		return IMG_ERR_META;
	return 0;
}

int img_check_meta(const struct img *img, const void *meta, size_t n_bytes)
{
	json_t *root;
	int r;

	if (n_bytes != img->info.meta_bytes)
		return IMG_ERR_LENGTH;
	r = img_sha256_check(meta, n_bytes, img->digests.meta);
	if (r < 0)
		return r;
	root = json_loadb(meta, n_bytes, JSON_REJECT_DUPLICATES, NULL);
	r = json_is_object(root) ? check_members(root, img->info.version_number)
				 : IMG_ERR_META;
	json_decref(root);
	return r;
}
