/* SPDX-License-Identifier: Apache-2.0 */
/*
 * info_pack.c - what a hot pack beside an image says of itself
 *
 * Its head and its table are read and checked, its frames are not.
 */
#include "imgfmt/tool/info.h"

#include <inttypes.h>

#include "imgfmt/tool/hot_table.h"
#include "imgfmt/tool/tool.h"

static void print_digest(const char *what, const uint8_t digest[IMG_DIGEST_BYTES])
{
	char text[IMG_HEX_BYTES];

	img_digest_hex(digest, text);
	printf("%s: sha256:%s\n", what, text);
}

static void print_text(const struct img_pack *pack, const struct img_hot *hot)
{
	const struct img_pack_info *info = img_pack_info(pack);
	uint8_t id[IMG_KEY_ID_BYTES];
	char text[IMG_KEY_TEXT_BYTES];

	puts("kind: hot pack");
	print_digest("digest", info->digest);
	print_digest("of-image", info->image_digest);
	print_digest("of-raw-digest", hot->raw_digest);
	printf("image-bytes: %" PRIu64 " (%s)\n", hot->image_bytes,
	       tool_human(hot->image_bytes));
	printf("chunk-bytes: %u (%s)\n", hot->chunk_bytes, tool_human(hot->chunk_bytes));
	printf("file-bytes: %" PRIu64 " (%s)\n", info->file_bytes,
	       tool_human(info->file_bytes));
	printf("signatures: %u\n", info->n_signatures);
	for (uint32_t i = 0; img_pack_key_id(pack, i, id); i++) {
		img_key_id_text(id, text);
		printf("signature-key-id: %s\n", text);
	}
	printf("hot-table-bytes: %" PRIu64 "\n", info->hot_table_bytes);
	printf("hot-pack: %s of blocks in %u runs, %u frames\n",
	       tool_human(hot_table_raw_bytes(hot)), hot->n_runs, hot->n_frames);
}

static json_t *make_json(const struct img_pack *pack, const struct img_hot *hot)
{
	const struct img_pack_info *info = img_pack_info(pack);
	json_t *o = json_object(), *ids = json_array();
	uint8_t id[IMG_KEY_ID_BYTES];
	char text[IMG_KEY_TEXT_BYTES];

	for (uint32_t i = 0; img_pack_key_id(pack, i, id); i++) {
		img_key_id_text(id, text);
		json_array_append_new(ids, json_string(text));
	}
	info_set_number(o, "schema", INFO_JSON_SCHEMA);
	json_object_set_new(o, "kind", json_string("hot pack"));
	info_set_digest(o, "digest", info->digest);
	info_set_digest(o, "image_digest", info->image_digest);
	info_set_digest(o, "image_raw_digest", hot->raw_digest);
	info_set_number(o, "image_bytes", hot->image_bytes);
	info_set_number(o, "chunk_bytes", hot->chunk_bytes);
	info_set_number(o, "file_bytes", info->file_bytes);
	info_set_number(o, "signatures", info->n_signatures);
	json_object_set_new(o, "signature_key_ids", ids);
	info_set_number(o, "hot_table_bytes", info->hot_table_bytes);
	info_set_number(o, "hot_raw_bytes", hot_table_raw_bytes(hot));
	info_set_number(o, "hot_runs", hot->n_runs);
	info_set_number(o, "hot_frames", hot->n_frames);
	return o;
}

int pack_info_show(const struct image_file *f, bool json, const char *signed_bytes_path)
{
	struct img_pack *pack = NULL;
	struct img_hot *hot = NULL;
	int r = hot_table_pack(f, &pack);

	if (r == EXIT_DONE)
		r = hot_table_of_pack(f, pack, NULL, &hot);
	if (r == EXIT_DONE && signed_bytes_path)
		r = info_write_signed_bytes(img_pack_signed_bytes(pack),
					    signed_bytes_path);
	if (r == EXIT_DONE && json)
		r = info_print_json(f->path, make_json(pack, hot));
	else if (r == EXIT_DONE)
		print_text(pack, hot);
	img_hot_free(hot);
	img_pack_free(pack);
	return r;
}
