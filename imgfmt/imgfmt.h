/* SPDX-License-Identifier: Apache-2.0 */
/*
 * imgfmt.h - hydroot image files, the one header that other parts include
 *
 * A hydroot image is a zstd file whose own tables live in skippable frames; FORMAT.md is the
 * normative description and every limit here is taken from it.  The library is pure: no
 * threads, no network, no logging, no globals.  Nothing is believed before its digest, and
 * nothing half-decoded is ever given out: an output argument is written only on success.
 *
 * Three address spaces: img_off counts bytes of the expanded filesystem image, src_off bytes of
 * the image file; a chunk is named by its index `ci`.
 *
 * Every int function returns 0 or a negative code: an enum img_err, or, for what is wrong with an
 * image, the enum img_fault (fault.h) that names the field.  "Errors:" below names kinds.
 */
#ifndef IMGFMT_H
#define IMGFMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "imgfmt/base.h"
#include "imgfmt/fault.h"

#define IMG_BLOCK_BYTES 4096u
#define IMG_HEAD_BYTES 4096u
/* One request for this much holds HEAD, META, page table and first index pages of most images. */
#define IMG_FIRST_READ_BYTES (256u * 1024)
#define IMG_CHUNK_BYTES_MIN (64u * 1024)
#define IMG_CHUNK_BYTES_MAX (4u * 1024 * 1024)
#define IMG_CHUNK_BYTES_DEFAULT (512u * 1024)
#define IMG_META_BYTES_MAX (64u * 1024)
#define IMG_PAGE_ENTRIES 1024u
#define IMG_PAGE_ENTRY_BYTES 36u
#define IMG_DIGEST_BYTES 32u
#define IMG_UUID_BYTES 16u
#define IMG_SIGNATURES_MAX 4u
#define IMG_KEY_ID_BYTES 8u
#define IMG_ARCHITECTURE_BYTES 32u

enum img_err {
	IMG_OK = 0,
	IMG_ERR_SHORT = -1000, /* fewer bytes given than the structure needs */
	IMG_ERR_MAGIC, /* not a hydroot image */
	IMG_ERR_VERSION, /* a major version this reader does not know */
	IMG_ERR_FEATURE, /* an incompat feature bit this reader does not know */
	IMG_ERR_CHECKSUM, /* HEAD's own checksum is wrong: damaged in transit or on disk */
	IMG_ERR_FIELD, /* a field outside its limits, or fields that contradict each other */
	IMG_ERR_RESERVED, /* a reserved byte that must be zero is not */
	IMG_ERR_DIGEST, /* SHA-256 of the bytes is not the one recorded above them */
	IMG_ERR_LENGTH, /* stored or decompressed length is not the recorded one */
	IMG_ERR_ZSTD, /* zstd refuses the frame */
	IMG_ERR_META, /* META is not the JSON that FORMAT.md describes */
	IMG_ERR_SEEKTABLE, /* the closing zstd seek table disagrees with the index */
	IMG_ERR_SIGNATURE, /* no signature slot verifies with the given key */
	IMG_ERR_UNSIGNED, /* no signature at all, and one is wanted */
	IMG_ERR_KEY, /* not an Ed25519 public key in PEM */
	IMG_ERR_RANGE, /* chunk, page or offset outside the image */
	IMG_ERR_MEMORY, /* out of memory */
	IMG_ERR_IO, /* reading or writing a file failed; errno says why */
	IMG_ERR_PRIVATE_KEY, /* not an Ed25519 private key in PEM */
	IMG_ERR_ENCRYPTED, /* a private key behind a passphrase */
	IMG_ERR_SLOTS, /* all signature slots are taken by other keys */
	IMG_ERR_INTERNAL, /* libcrypto or zstd failed where it must not */
};

/* A sentence fragment, lower case, for any code above or of fault.h; never NULL. */
const char *img_strerror(int err);

/* The enum img_err that a fault is one of; any other code is its own kind. */
int img_err_kind(int err);

/* Does it say nothing of the image: no memory, or libcrypto or zstd failed? */
bool img_err_is_ours(int err);

/* What HEAD says, checked.  Plain data, the caller's own copy. */
struct img_info {
	uint8_t uuid[IMG_UUID_BYTES];
	uint64_t image_bytes; /* of the expanded filesystem image, a multiple of 4096 */
	uint32_t chunk_bytes; /* a power of two; the last chunk may be shorter */
	uint64_t n_chunks;
	uint64_t n_pages; /* index pages, zero pages included */
	uint64_t file_bytes; /* of the whole image file */
	uint64_t version_number; /* monotonic, against rollback */
	uint64_t meta_off, meta_bytes; /* all *_off here are src_off of the payload */
	uint64_t table_off, table_bytes;
	uint64_t pages_off, pages_bytes;
	uint64_t hot_off, hot_bytes; /* 0, 0 without a hot pack */
	uint64_t data_off, data_bytes;
	uint64_t seek_off, seek_bytes; /* the whole seek table frame */
	uint8_t raw_digest[IMG_DIGEST_BYTES]; /* over the chunks that are not zero */
	uint8_t digest[IMG_DIGEST_BYTES]; /* of HEAD's signed range: names the image */
	uint32_t n_signatures;
	uint64_t hot_table_bytes; /* in front of the hot pack's frames; 0 without one */
};

/* The digests that HEAD records of its sections; of the hot pack, of its table only. */
struct img_digests {
	uint8_t meta[IMG_DIGEST_BYTES];
	uint8_t table[IMG_DIGEST_BYTES];
	uint8_t hot_table[IMG_DIGEST_BYTES];
	uint8_t seek[IMG_DIGEST_BYTES];
};

/* 64 lower-case hex digits and a NUL, and back.  img_digest_parse takes "sha256:HEX" and
 * "HEX", upper case too; false for anything else, *ret then untouched. */
#define IMG_HEX_BYTES (2 * IMG_DIGEST_BYTES + 1)
void img_digest_hex(const uint8_t digest[IMG_DIGEST_BYTES], char ret[IMG_HEX_BYTES]);
bool img_digest_parse(const char *text, uint8_t ret[IMG_DIGEST_BYTES]) _must_check_;

/* A key id in lower-case hex digits, with a NUL. */
#define IMG_KEY_TEXT_BYTES (2 * IMG_KEY_ID_BYTES + 1)
void img_key_id_text(const uint8_t id[IMG_KEY_ID_BYTES], char ret[IMG_KEY_TEXT_BYTES]);

struct img_range {
	uint64_t src_off;
	uint64_t n_bytes;
};

/* One chunk as the index describes it. */
struct img_chunk {
	uint64_t ci;
	uint64_t src_off; /* of its zstd frame */
	uint32_t stored_bytes; /* length of its zstd frame */
	uint32_t raw_bytes; /* chunk_bytes, or less for the last chunk */
	bool is_zero; /* all zero: never fetch it, never store it */
	uint8_t digest[IMG_DIGEST_BYTES]; /* SHA-256 of the zstd frame */
};

/* One decoded index page.  Plain storage that the caller owns; some 45 KiB. */
struct img_page {
	uint64_t page; /* which page this is */
	uint32_t n_entries;
	bool is_zero; /* a ZERO PAGE: every chunk of it is zero */
	uint64_t src_off[IMG_PAGE_ENTRIES];
	uint32_t stored_bytes[IMG_PAGE_ENTRIES]; /* without the ZERO bit */
	uint8_t zero[IMG_PAGE_ENTRIES];
	uint8_t digest[IMG_PAGE_ENTRIES][IMG_DIGEST_BYTES];
};

struct img; /* HEAD and page table of one image; immutable once img_set_table succeeded */
struct img_decoder; /* a zstd context with its memory; one per thread */

/*
 * Decode and check HEAD from the first IMG_HEAD_BYTES of an image.  *ret_img is the caller's to
 * img_free.  Errors: SHORT MAGIC VERSION FEATURE CHECKSUM FIELD RESERVED DIGEST MEMORY INTERNAL.
 */
int img_new(const void *head, size_t n_bytes, struct img **ret_img) _must_check_;

/* NULL is legal. */
void img_free(struct img *img);

/* Borrowed; valid as long as img. */
const struct img_info *img_info(const struct img *img);

const struct img_digests *img_digests(const struct img *img);

/* The bytes that are signed, IMG_SIGNED_BYTES of them.  Borrowed. */
#define IMG_SIGNED_BYTES 512u
const void *img_signed_bytes(const struct img *img);

/*
 * Trust checks over HEAD; call them before anything else of the image is used.
 * img_check_digest: `digest` is what the admin pinned.  Error: DIGEST.
 * img_check_signature: any of the slots must verify with the PEM public key.
 *   Errors: UNSIGNED SIGNATURE KEY INTERNAL.
 */
int img_check_digest(const struct img *img,
		     const uint8_t digest[IMG_DIGEST_BYTES]) _must_check_;
int img_check_signature(const struct img *img, const char *pem,
			size_t n_bytes) _must_check_;

/*
 * For messages, since key ids are hints only: of signature i (false: there is none), and
 * of a public key in PEM (errors: KEY MEMORY INTERNAL).  All zero: the signer did not
 * say.
 */
bool img_signature_key_id(const struct img *img, uint32_t i,
			  uint8_t ret[IMG_KEY_ID_BYTES]) _must_check_;
int img_public_key_id(const char *pem, size_t n_bytes,
		      uint8_t ret[IMG_KEY_ID_BYTES]) _must_check_;

/*
 * Check META's digest and form; `meta` is info.meta_bytes at info.meta_off.
 * Errors: LENGTH DIGEST META MEMORY INTERNAL.
 */
int img_check_meta(const struct img *img, const void *meta, size_t n_bytes) _must_check_;

/*
 * What a META that passed img_check_meta says of the architecture, as in `uname -m`; ""
 * when it says nothing.  img_architecture_runs_on: can a kernel whose `uname -m` is
 * `machine` run programs of it?
 */
void img_meta_architecture(const void *meta, size_t n_bytes,
			   char ret[IMG_ARCHITECTURE_BYTES]);
/*
 * Does a META that passed img_check_meta list kernel `release`, or no kernels at all?  If
 * not, `ret` says which it lists, cut where it is full.
 */
#define IMG_KERNELS_BYTES 128
bool img_meta_has_kernel(const void *meta, size_t n_bytes, const char *release,
			 char ret[IMG_KERNELS_BYTES]);
bool img_architecture_runs_on(const char *architecture, const char *machine);

/*
 * Check and keep the page table: info.table_bytes at info.table_off.  Copies.  Needed before any
 * img_page_* call.  Errors: LENGTH DIGEST FIELD RESERVED MEMORY
 * INTERNAL.
 */
int img_set_table(struct img *img, const void *table, size_t n_bytes) _must_check_;

/*
 * Where index page `page` is stored; n_bytes 0 means a ZERO PAGE: decode it from nothing.
 * Error: RANGE.
 */
int img_page_locate(const struct img *img, uint64_t page,
		    struct img_range *ret) _must_check_;

/*
 * Check digest and entries of one index page (buf NULL, 0 for a ZERO PAGE).  With a decoder
 * (below) nothing is allocated; d NULL: one is made for this page alone.
 * Errors: RANGE LENGTH DIGEST FIELD RESERVED MEMORY INTERNAL.
 */
int img_page_decode_with(struct img_decoder *d, const struct img *img, uint64_t page,
			 const void *buf, size_t n_bytes,
			 struct img_page *ret) _must_check_;

static inline int img_page_decode(const struct img *img, uint64_t page, const void *buf,
				  size_t n_bytes, struct img_page *ret)
{
	return img_page_decode_with(NULL, img, page, buf, n_bytes, ret);
}

/* Chunk ci out of its decoded page.  Error: RANGE when the page is not the one that holds it. */
int img_page_chunk(const struct img *img, const struct img_page *page, uint64_t ci,
		   struct img_chunk *ret) _must_check_;

/* Which page holds chunk ci. */
static inline uint64_t img_page_of(uint64_t ci)
{
	return ci / IMG_PAGE_ENTRIES;
}

/* Expanded length of chunk ci, 0 when outside the image. */
uint32_t img_chunk_raw_bytes(const struct img *img, uint64_t ci);

/*
 * The most bytes a zstd frame of one chunk may have in this image (a limit, checked in
 * the index).
 */
uint32_t img_stored_bytes_max(uint32_t chunk_bytes);

/* A decoder with all memory it will ever need allocated; NULL without memory. */
struct img_decoder *img_decoder_new(void);
void img_decoder_free(struct img_decoder *d);

/*
 * One chunk: check the stored length, check the digest, only then decompress into dst and check
 * the decompressed length.  src must not change meanwhile: copy it out of shared memory first.
 * dst_bytes must be at least chunk->raw_bytes; on error dst's contents are undefined and must not
 * be used.  A zero chunk needs no src (NULL, 0): dst is filled with zeros.
 * Errors: LENGTH DIGEST ZSTD INTERNAL.
 */
int img_chunk_decode(struct img_decoder *d, const struct img_chunk *chunk,
		     const void *src, size_t src_bytes, void *dst,
		     size_t dst_bytes) _must_check_;

/*
 * One zstd frame whose digest has been checked, of a chunk or of a hot pack: it must be exactly one
 * frame and expand to exactly raw_bytes.  Error: ZSTD.
 */
int img_frame_decode(struct img_decoder *d, const void *src, size_t src_bytes, void *dst,
		     uint32_t raw_bytes) _must_check_;

/* The frame that stands for a zero chunk of raw_bytes, byte for byte; returns its length. */
#define IMG_ZERO_FRAME_BYTES_MAX 141u
uint32_t img_zero_frame(uint32_t raw_bytes, uint8_t ret[IMG_ZERO_FRAME_BYTES_MAX]);
uint32_t img_zero_frame_bytes(uint32_t raw_bytes);

/* -- hot pack: blocks that a boot reads first, in the image or in a side file --------------- */

#define IMG_HOT_FRAME_RAW_MAX (256u * 1024)
#define IMG_PACK_HEAD_BYTES 4096u

/* Consecutive blocks of one chunk. */
struct img_hot_run {
	uint64_t ci;
	uint32_t first_block; /* in the chunk */
	uint32_t n_blocks;
};

/* One zstd frame, with the blocks of runs first_run … first_run + n_runs - 1, in order. */
struct img_hot_frame {
	uint64_t hot_off; /* from the start of the hot pack's payload */
	uint32_t stored_bytes;
	uint32_t raw_bytes;
	uint32_t first_run;
	uint32_t n_runs;
	uint8_t digest[IMG_DIGEST_BYTES];
};

struct img_hot {
	uint64_t image_bytes; /* of the image that it says it is of */
	uint32_t chunk_bytes;
	uint8_t raw_digest[IMG_DIGEST_BYTES];
	uint32_t n_frames;
	uint32_t n_runs;
	struct img_hot_frame *frames;
	struct img_hot_run *runs;
};

/*
 * Check and decode the table of the hot pack in the image: info.hot_table_bytes at
 * info.hot_off. *ret_hot is the caller's to img_hot_free.  Errors: RANGE (the image has
 * no hot pack) LENGTH DIGEST MAGIC FIELD RESERVED MEMORY INTERNAL.
 */
int img_hot_new(const struct img *img, const void *table, size_t n_bytes,
		struct img_hot **ret_hot) _must_check_;
void img_hot_free(struct img_hot *hot);

/*
 * One frame: check its length and digest, only then decompress its raw_bytes into dst,
 * which has room for IMG_HOT_FRAME_RAW_MAX.  src must not change meanwhile.  Errors:
 * LENGTH DIGEST ZSTD INTERNAL.
 */
int img_hot_frame_decode(struct img_decoder *d, const struct img_hot_frame *frame,
			 const void *src, size_t src_bytes, void *dst) _must_check_;

/* PACK HEAD of a side file, checked.  Plain data. */
struct img_pack_info {
	uint8_t image_digest[IMG_DIGEST_BYTES]; /* of the image that it belongs to */
	uint8_t digest[IMG_DIGEST_BYTES]; /* of the pack's own signed range */
	uint64_t file_bytes;
	uint64_t hot_off, hot_bytes; /* payload; hot_off counts bytes of the side file */
	uint64_t hot_table_bytes;
	uint8_t hot_table_digest[IMG_DIGEST_BYTES];
	uint32_t n_signatures;
};

struct img_pack;

/* From the first IMG_PACK_HEAD_BYTES of a side file.  Errors as img_new's. */
int img_pack_new(const void *head, size_t n_bytes, struct img_pack **ret) _must_check_;
void img_pack_free(struct img_pack *pack);
const struct img_pack_info *img_pack_info(const struct img_pack *pack);

/*
 * Any of its signatures must verify with the PEM public key.  Errors (kinds): UNSIGNED SIGNATURE
 * KEY INTERNAL.
 */
int img_pack_check_signature(const struct img_pack *pack, const char *pem,
			     size_t n_bytes) _must_check_;

/* The IMG_SIGNED_BYTES that its digest and its signatures are over; valid while pack is. */
const void *img_pack_signed_bytes(const struct img_pack *pack);

/* As img_signature_key_id, of signature i of the pack. */
bool img_pack_key_id(const struct img_pack *pack, uint32_t i,
		     uint8_t ret[IMG_KEY_ID_BYTES]) _must_check_;

/*
 * img_hot_new of a side file.  Error also: DIGEST when it is the pack of another image.
 * Without its image (img NULL) the table is held against what it says itself: enough to
 * show it, not to use it.
 */
int img_pack_hot_new(const struct img_pack *pack, const struct img *img,
		     const void *table, size_t n_bytes,
		     struct img_hot **ret_hot) _must_check_;

#endif
