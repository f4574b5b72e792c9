/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.h - what follows from what: offsets from lengths, the UUID from HEAD, the seek
 * table
 *
 * Reader, writer and verify must agree on these, so each is computed in one place.  The
 * verify command uses them too; others have no need to.
 */
#ifndef IMGFMT_LAYOUT_H
#define IMGFMT_LAYOUT_H

#include "imgfmt/imgfmt.h"

/* Within the limits of FORMAT.md? */
bool img_geometry_is_valid(uint64_t image_bytes, uint32_t chunk_bytes);

/* Every offset and file_bytes, from the lengths in *info. */
void img_layout(struct img_info *info);

int img_derive_uuid(const void *signed_range, uint8_t ret[IMG_UUID_BYTES]) _must_check_;

/* Chunks of index page `page`, which must be inside the image. */
uint32_t img_page_n_entries(const struct img_info *info, uint64_t page);

/*
 * The seek table frame in three parts: its front (header and our own frames), one entry
 * for each chunk, its end.  Each function but the first returns how many bytes it wrote.
 */
#define IMG_SEEK_FRONT_BYTES_MAX 48u
#define IMG_SEEK_ENTRY_BYTES 8u
#define IMG_SEEK_END_BYTES 9u
uint64_t img_seek_bytes(const struct img_info *info);
size_t img_seek_front(const struct img_info *info, uint8_t ret[IMG_SEEK_FRONT_BYTES_MAX]);
size_t img_seek_entry(uint32_t stored_bytes, uint32_t raw_bytes,
		      uint8_t ret[IMG_SEEK_ENTRY_BYTES]);
size_t img_seek_end(const struct img_info *info, uint8_t ret[IMG_SEEK_END_BYTES]);

/* The 8 bytes in front of a section. */
#define IMG_SKIP_HEADER_BYTES 8u
void img_skip_header(uint64_t payload_bytes, uint8_t ret[IMG_SKIP_HEADER_BYTES]);

#endif
