/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot_table.c - what is in front of a hot pack's frames
 */
#include "imgfmt/tool/hot_table.h"

#include "imgfmt/ondisk.h"
#include "imgfmt/tool/tool.h"

static int read_hot_table(const struct image_file *f, uint64_t src_off, uint64_t n_bytes,
			  void **ret)
{
	cleanup_free void *table = malloc(n_bytes);
	int r;

	if (!table)
		return tool_fail(f->path, "out of memory");
	r = image_read(f, src_off, table, n_bytes);
	if (r == EXIT_DONE)
		*ret = steal_pointer(&table);
	return r;
}

int hot_table_of_image(const struct image_file *f, struct img_hot **ret)
{
	const struct img_info *info = img_info(f->img);
	cleanup_free void *table = NULL;
	int r;

	*ret = NULL;
	if (info->hot_bytes == 0)
		return EXIT_DONE;
	r = read_hot_table(f, info->hot_off, info->hot_table_bytes, &table);
	if (r != EXIT_DONE)
		return r;
	r = img_hot_new(f->img, table, info->hot_table_bytes, ret);
	return r < 0 ? image_refuse(f, "HOT PACK", info->hot_off, r) : EXIT_DONE;
}

int hot_table_count(const struct image_file *f, struct hot_table_counts *ret)
{
	struct img_hot *hot = NULL;
	int r = hot_table_of_image(f, &hot);

	*ret = (struct hot_table_counts){0};
	if (r != EXIT_DONE || !hot)
		return r;
	ret->n_frames = hot->n_frames;
	ret->n_runs = hot->n_runs;
	ret->raw_bytes = hot_table_raw_bytes(hot);
	img_hot_free(hot);
	return EXIT_DONE;
}

bool hot_table_is_pack(const struct image_file *f)
{
	struct disk_pack head;

	return f->file_bytes >= sizeof head &&
	       image_read(f, 0, &head, sizeof head) == EXIT_DONE &&
	       memcmp(head.magic, DISK_PACK_MAGIC, sizeof head.magic) == 0;
}

int hot_table_pack(const struct image_file *f, struct img_pack **ret)
{
	uint8_t head[IMG_PACK_HEAD_BYTES];
	size_t n = min_u64(sizeof head, f->file_bytes);
	struct img_pack *pack = NULL;
	int r = image_read(f, 0, head, n);

	if (r != EXIT_DONE)
		return r;
	r = img_pack_new(head, n, &pack);
	if (r < 0)
		return image_refuse(f, "PACK HEAD", 0, r);
	r = image_check_length(f, img_pack_info(pack)->file_bytes);
	if (r != EXIT_DONE)
		img_pack_free(pack);
	else
		*ret = pack;
	return r;
}

int hot_table_of_pack(const struct image_file *f, const struct img_pack *pack,
		      const struct img *img, struct img_hot **ret)
{
	const struct img_pack_info *info = img_pack_info(pack);
	cleanup_free void *table = NULL;
	int r = read_hot_table(f, info->hot_off, info->hot_table_bytes, &table);

	if (r != EXIT_DONE)
		return r;
	r = img_pack_hot_new(pack, img, table, info->hot_table_bytes, ret);
	return r < 0 ? image_refuse(f, "hot table", info->hot_off, r) : EXIT_DONE;
}

uint64_t hot_table_raw_bytes(const struct img_hot *hot)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < hot->n_frames; i++)
		n += hot->frames[i].raw_bytes;
	return n;
}
