/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zeroframe.c - the one frame that a zero chunk has
 *
 * Made here and not by libzstd, because its bytes are part of the format: the index says
 * nothing of a ZERO PAGE's frames, so every version of every writer must make the same.
 */
#include "imgfmt/imgfmt.h"

#define ZERO_BLOCK_BYTES (128u * 1024)

uint32_t img_zero_frame_bytes(uint32_t raw_bytes)
{
	return 4 + 1 + 4 + 4 * (uint32_t)div_round_up(raw_bytes, ZERO_BLOCK_BYTES) + 4;
}

static uint64_t rotate_left(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

/*
 * XXH64, seed 0, of n zero bytes, n a multiple of 32.  With zeros as input the rounds
 * lose their input term, and a length that fills the four lanes has no tail.
 */
static uint64_t xxh64_of_zeros(uint32_t n)
{
	const uint64_t p1 = 0x9E3779B185EBCA87, p2 = 0xC2B2AE3D27D4EB4F;
	const uint64_t p3 = 0x165667B19E3779F9, p4 = 0x85EBCA77C2B2AE63;
	uint64_t lane[4] = {p1 + p2, p2, 0, 0 - p1};
	uint64_t h;

	for (uint32_t done = 0; done < n; done += 32)
		for (unsigned i = 0; i < 4; i++)
			lane[i] = rotate_left(lane[i], 31) * p1;
	h = rotate_left(lane[0], 1) + rotate_left(lane[1], 7) + rotate_left(lane[2], 12) +
	    rotate_left(lane[3], 18);
	for (unsigned i = 0; i < 4; i++)
		h = (h ^ rotate_left(lane[i] * p2, 31) * p1) * p1 + p4;
	h += n;
	h = (h ^ h >> 33) * p2;
	h = (h ^ h >> 29) * p3;
	return h ^ h >> 32;
}

uint32_t img_zero_frame(uint32_t raw_bytes, uint8_t ret[IMG_ZERO_FRAME_BYTES_MAX])
{
	uint8_t *p = ret;

	le32_store(p, 0xFD2FB528);
	p[4] = 0xA4; /* single segment, checksum, 4-byte content size */
	le32_store(p + 5, raw_bytes);
	p += 9;
	for (uint32_t left = raw_bytes; left > 0; p += 4) {
		uint32_t n = left < ZERO_BLOCK_BYTES ? left : ZERO_BLOCK_BYTES;

		left -= n;
		/* Block header: last block, type 1 (RLE), size.  The fourth byte is
		 * the byte to repeat. */
		le32_store(p, (uint32_t)(left == 0) | 1u << 1 | n << 3);
	}
	le32_store(p, (uint32_t)xxh64_of_zeros(raw_bytes));
	return (uint32_t)(p + 4 - ret);
}
