/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta_fuzz.c - META: the input is the JSON, under a digest that is right
 */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	struct img_info info = {
		.image_bytes = IMG_BLOCK_BYTES,
		.chunk_bytes = IMG_CHUNK_BYTES_MIN,
		.version_number = 7,
		.meta_bytes = n_bytes,
		.table_bytes = sizeof(struct disk_table_entry),
		.data_bytes = DISK_FRAME_BYTES_MIN,
	};
	struct img_digests digests = {0};
	char architecture[IMG_ARCHITECTURE_BYTES];
	void *meta = fuzz_copy(data, n_bytes);
	struct img *img;

	fuzz_sha256(meta, n_bytes, digests.meta);
	img = fuzz_img(&info, &digests);
	fuzz_assert((img != NULL) ==
		    (n_bytes >= DISK_META_BYTES_MIN && n_bytes <= IMG_META_BYTES_MAX));
	if (img && img_check_meta(img, meta, n_bytes) == 0) {
		img_meta_architecture(meta, n_bytes, architecture);
		fuzz_assert(memchr(architecture, 0, sizeof architecture));
		(void)img_architecture_runs_on(architecture, "x86_64");
		fuzz_accept();
	}
	img_free(img);
	free(meta);
	return 0;
}
