/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ondisk.h - the bytes of FORMAT.md as structs, nothing else
 *
 * Every field is an array of bytes, read with le32_load() and its like, so the structs
 * have no padding and no alignment, and may lie over any buffer.
 */
#ifndef IMGFMT_ONDISK_H
#define IMGFMT_ONDISK_H

#include <stddef.h>
#include <stdint.h>

#define DISK_SKIP_MAGIC 0x184D2A50u
#define DISK_SKIP_HEADER_BYTES 8u
#define DISK_MAGIC "HYDROOT1"
#define DISK_VERSION 1u
#define DISK_INCOMPAT_KNOWN 0u
#define DISK_SIGNED_BYTES 512u
#define DISK_VERSION_NUMBER_MAX INT64_MAX
#define DISK_CHUNKS_MAX (1ull << 26)
#define DISK_META_BYTES_MIN 2u
#define DISK_FRAME_BYTES_MIN 12u
#define DISK_FRAME_WINDOW_MAX (13u << 3) /* a window descriptor: 8 MiB */
#define DISK_PAGE_BYTES 36864u
#define DISK_ZERO_PAGE (1ull << 63)
#define DISK_ZERO_CHUNK (1u << 31)
#define DISK_SIG_ED25519 1u
#define DISK_SIG_ED25519_BYTES 64u

#define DISK_HOT_MAGIC "HYDRHOT1"
#define DISK_HOT_BYTES_MAX (1u << 30)
#define DISK_HOT_FRAMES_MAX 65536u
#define DISK_HOT_RUNS_MAX 1048576u
#define DISK_HOT_FRAME_RAW_MAX (256u * 1024)
#define DISK_HOT_TABLE_BYTES_MIN 112u
#define DISK_HOT_TABLE_BYTES_MAX (64u + 40 * DISK_HOT_FRAMES_MAX + 8 * DISK_HOT_RUNS_MAX)

#define DISK_PACK_MAGIC "HYDRPAK1"
#define DISK_PACK_VERSION 1u
#define DISK_PACK_HOT_OFF (4096u + DISK_SKIP_HEADER_BYTES)

#define DISK_SEEK_SKIP_MAGIC 0x184D2A5Eu
#define DISK_SEEK_MAGIC 0x8F92EAB1u

#define DISK_ASSERT_AT(type, field, at)                                                  \
	_Static_assert(offsetof(struct type, field) == (at), #type "." #field)
#define DISK_ASSERT_SIZE(type, n) _Static_assert(sizeof(struct type) == (n), #type)

struct disk_skip {
	uint8_t magic[4];
	uint8_t payload_bytes[4];
};
DISK_ASSERT_SIZE(disk_skip, DISK_SKIP_HEADER_BYTES);

struct disk_section {
	uint8_t off[8];
	uint8_t n_bytes[8];
	uint8_t digest[32];
};
DISK_ASSERT_SIZE(disk_section, 48);

struct disk_slot {
	uint8_t algorithm[4];
	uint8_t key_id[8];
	uint8_t signature[128];
};
DISK_ASSERT_SIZE(disk_slot, 140);

struct disk_head {
	struct disk_skip skip;
	uint8_t magic[8];
	uint8_t version[4];
	uint8_t page_entries[4];
	uint8_t incompat[4];
	uint8_t compat[4];
	uint8_t uuid[16];
	uint8_t image_bytes[8];
	uint8_t chunk_bytes[4];
	uint8_t reserved_0[4];
	uint8_t n_chunks[8];
	uint8_t n_pages[8];
	uint8_t version_number[8];
	uint8_t file_bytes[8];
	uint8_t data_off[8];
	uint8_t data_bytes[8];
	uint8_t raw_digest[32];
	struct disk_section meta;
	struct disk_section table;
	uint8_t pages_off[8];
	uint8_t pages_bytes[8];
	struct disk_section hot; /* the digest is that of the hot table */
	uint8_t hot_table_bytes[8];
	struct disk_section seek; /* offset and length of the frame, not of its payload */
	uint8_t reserved_1[152];
	/* the signed range ends here */
	uint8_t digest[32];
	uint8_t n_signatures[4];
	uint8_t reserved_2[4];
	struct disk_slot slots[4];
	uint8_t reserved_3[2952];
	uint8_t checksum[32];
};
DISK_ASSERT_SIZE(disk_head, 4096);
DISK_ASSERT_AT(disk_head, magic, 8);
DISK_ASSERT_AT(disk_head, version, 16);
DISK_ASSERT_AT(disk_head, uuid, 32);
DISK_ASSERT_AT(disk_head, image_bytes, 48);
DISK_ASSERT_AT(disk_head, n_chunks, 64);
DISK_ASSERT_AT(disk_head, file_bytes, 88);
DISK_ASSERT_AT(disk_head, data_off, 96);
DISK_ASSERT_AT(disk_head, raw_digest, 112);
DISK_ASSERT_AT(disk_head, meta, 144);
DISK_ASSERT_AT(disk_head, table, 192);
DISK_ASSERT_AT(disk_head, pages_off, 240);
DISK_ASSERT_AT(disk_head, hot, 256);
DISK_ASSERT_AT(disk_head, hot_table_bytes, 304);
DISK_ASSERT_AT(disk_head, seek, 312);
DISK_ASSERT_AT(disk_head, reserved_1, 360);
DISK_ASSERT_AT(disk_head, digest, DISK_SIGNED_BYTES);
DISK_ASSERT_AT(disk_head, n_signatures, 544);
DISK_ASSERT_AT(disk_head, slots, 552);
DISK_ASSERT_AT(disk_head, reserved_3, 1112);
DISK_ASSERT_AT(disk_head, checksum, 4064);

struct disk_table_entry {
	uint8_t off[8]; /* and DISK_ZERO_PAGE */
	uint8_t digest[32];
};
DISK_ASSERT_SIZE(disk_table_entry, 40);

struct disk_page_entry {
	uint8_t stored_bytes[4]; /* and DISK_ZERO_CHUNK */
	uint8_t digest[32];
};
DISK_ASSERT_SIZE(disk_page_entry, 36);
_Static_assert(DISK_PAGE_BYTES == 1024 * sizeof(struct disk_page_entry), "page");

struct disk_hot_table {
	uint8_t magic[8];
	uint8_t raw_digest[32];
	uint8_t image_bytes[8];
	uint8_t chunk_bytes[4];
	uint8_t n_frames[4];
	uint8_t n_runs[4];
	uint8_t reserved[4];
};
DISK_ASSERT_SIZE(disk_hot_table, 64);

struct disk_hot_frame {
	uint8_t stored_bytes[4];
	uint8_t raw_bytes[4];
	uint8_t digest[32];
};
DISK_ASSERT_SIZE(disk_hot_frame, 40);

struct disk_hot_run {
	uint8_t ci[4];
	uint8_t first_block[2];
	uint8_t n_blocks[2];
};
DISK_ASSERT_SIZE(disk_hot_run, 8);
_Static_assert(DISK_HOT_TABLE_BYTES_MIN == sizeof(struct disk_hot_table) +
						   sizeof(struct disk_hot_frame) +
						   sizeof(struct disk_hot_run),
	       "hot table");

/* PACK HEAD of a side file; from the digest on as struct disk_head. */
struct disk_pack {
	struct disk_skip skip;
	uint8_t magic[8];
	uint8_t version[4];
	uint8_t reserved_0[4];
	uint8_t incompat[4];
	uint8_t compat[4];
	uint8_t image_digest[32];
	uint8_t file_bytes[8];
	struct disk_section hot; /* the digest is that of the hot table */
	uint8_t hot_table_bytes[8];
	uint8_t reserved_1[384];
	/* the signed range ends here */
	uint8_t digest[32];
	uint8_t n_signatures[4];
	uint8_t reserved_2[4];
	struct disk_slot slots[4];
	uint8_t reserved_3[2952];
	uint8_t checksum[32];
};
DISK_ASSERT_SIZE(disk_pack, 4096);
DISK_ASSERT_AT(disk_pack, magic, offsetof(struct disk_head, magic));
DISK_ASSERT_AT(disk_pack, version, offsetof(struct disk_head, version));
DISK_ASSERT_AT(disk_pack, incompat, offsetof(struct disk_head, incompat));
DISK_ASSERT_AT(disk_pack, image_digest, 32);
DISK_ASSERT_AT(disk_pack, file_bytes, 64);
DISK_ASSERT_AT(disk_pack, hot, 72);
DISK_ASSERT_AT(disk_pack, hot_table_bytes, 120);
DISK_ASSERT_AT(disk_pack, reserved_1, 128);
DISK_ASSERT_AT(disk_pack, digest, DISK_SIGNED_BYTES);
DISK_ASSERT_AT(disk_pack, slots, offsetof(struct disk_head, slots));
DISK_ASSERT_AT(disk_pack, checksum, offsetof(struct disk_head, checksum));

struct disk_seek_entry {
	uint8_t stored_bytes[4];
	uint8_t raw_bytes[4];
};
DISK_ASSERT_SIZE(disk_seek_entry, 8);

struct disk_seek_footer {
	uint8_t n_frames[4];
	uint8_t descriptor;
	uint8_t magic[4];
};
DISK_ASSERT_SIZE(disk_seek_footer, 9);

#endif
