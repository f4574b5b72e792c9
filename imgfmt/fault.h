/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault.h - everything that can be wrong with an image or a hot pack, a code and a text for each
 *
 * X(name, kind, text): IMG_FAULT_<name> is the code, kind is the enum img_err that it is one of.
 * The text says which field and where in its section; callers say where the section is.  Bytes
 * count from the start of the section's payload, and in HEAD and PACK HEAD from that of the frame.
 */
#ifndef IMGFMT_FAULT_H
#define IMGFMT_FAULT_H

#define IMG_FAULTS_IDENTITY(X)                                                           \
	X(NO_FRAME, MAGIC, "not a hydroot image: byte 0 begins no skippable frame")      \
	X(NO_MAGIC, MAGIC, "not a hydroot image: byte 8 has another magic")              \
	X(HEAD_DIGEST, DIGEST, "byte 512: wrong SHA-256 of the signed range")            \
	X(HEAD_UUID, FIELD, "byte 32: the UUID does not follow from the other fields")   \
	X(HEAD_SKIP_LENGTH, FIELD, "byte 4: the length of the frame is not 4088")        \
	X(RESERVED_60, RESERVED, "byte 60: a reserved field is not zero")                \
	X(RESERVED_360, RESERVED, "bytes 360 to 511: a reserved byte is not zero")       \
	X(RESERVED_548, RESERVED, "byte 548: a reserved field is not zero")              \
	X(RESERVED_1112, RESERVED, "bytes 1112 to 4063: a reserved byte is not zero")    \
	X(N_SIGNATURES, FIELD, "byte 544: more than four signatures")                    \
	X(UNUSED_SLOT, RESERVED, "byte 552: an unused signature slot is not zero")       \
	X(SLOT_ALGORITHM, FIELD, "byte 552: a used signature slot has algorithm 0")      \
	X(SLOT_TAIL, RESERVED,                                                           \
	  "byte 552: bytes behind an Ed25519 signature in its slot are not zero")

#define IMG_FAULTS_GEOMETRY(X)                                                           \
	X(PAGE_ENTRIES, FIELD, "byte 20: page entries other than 1024")                  \
	X(IMAGE_BYTES_0, FIELD, "byte 48: image_bytes is 0")                             \
	X(IMAGE_BYTES_ODD, FIELD, "byte 48: image_bytes is no multiple of 4096")         \
	X(IMAGE_BYTES_HUGE, FIELD, "byte 48: image_bytes takes more than 2^26 chunks")   \
	X(CHUNK_BYTES_SMALL, FIELD, "byte 56: chunk_bytes is below 64 KiB")              \
	X(CHUNK_BYTES_LARGE, FIELD, "byte 56: chunk_bytes is above 4 MiB")               \
	X(CHUNK_BYTES_ODD, FIELD, "byte 56: chunk_bytes is no power of two")             \
	X(N_CHUNKS, FIELD, "byte 64: n_chunks is not image_bytes / chunk_bytes")         \
	X(N_PAGES, FIELD, "byte 72: n_pages is not n_chunks / 1024")                     \
	X(VERSION_NUMBER, FIELD, "byte 80: the version number is not below 2^63")

#define IMG_FAULTS_LAYOUT(X)                                                             \
	X(DATA_LITTLE, FIELD, "byte 104: DATA is shorter than its frames can be")        \
	X(DATA_MUCH, FIELD, "byte 104: DATA is longer than its frames can be")           \
	X(META_SHORT, FIELD, "byte 152: META has less than 2 bytes")                     \
	X(META_LONG, FIELD, "byte 152: META has more than 64 KiB")                       \
	X(TABLE_LENGTH, FIELD, "byte 200: PAGE TABLE has not 40 bytes for each page")    \
	X(PAGES_MUCH, FIELD, "byte 248: INDEX PAGES is longer than n_pages pages")       \
	X(PAGES_ODD, FIELD, "byte 248: INDEX PAGES has no whole number of entries")      \
	X(HOT_HALF, FIELD, "byte 256: HOT PACK has no offset, but other fields")         \
	X(HOT_MUCH, FIELD, "the length of HOT PACK is above 1 GiB")                      \
	X(HOT_NO_DIGEST, FIELD, "byte 272: HOT PACK has no digest")                      \
	X(HOT_TABLE_LITTLE, FIELD, "the hot table has less than 112 bytes")              \
	X(HOT_TABLE_MUCH, FIELD, "the hot table has more than 11010112 bytes")           \
	X(HOT_TABLE_LONGER, FIELD, "the hot table is longer than HOT PACK")              \
	X(SEEK_LENGTH, FIELD, "byte 320: SEEK TABLE has not the length for its frames")  \
	X(META_OFF, FIELD, "byte 144: META does not lie behind HEAD")                    \
	X(TABLE_OFF, FIELD, "byte 192: PAGE TABLE does not lie behind META")             \
	X(PAGES_OFF, FIELD, "byte 240: INDEX PAGES does not lie behind PAGE TABLE")      \
	X(HOT_OFF, FIELD, "byte 256: HOT PACK does not lie behind INDEX PAGES")          \
	X(DATA_OFF, FIELD, "byte 96: DATA does not lie behind what is in front of it")   \
	X(SEEK_OFF, FIELD, "byte 312: SEEK TABLE does not lie behind DATA")              \
	X(FILE_BYTES, FIELD, "byte 88: file_bytes is not the end of SEEK TABLE")         \
	X(SKIP_HEADER, FIELD, "not the 8 bytes that begin this section")

#define IMG_FAULTS_META(X)                                                               \
	X(META_SYNTAX, META, "not JSON in UTF-8")                                        \
	X(META_BEHIND, META, "bytes behind the end of the JSON object")                  \
	X(META_TWICE, META, "a member of a JSON object is there twice")                  \
	X(META_NO_OBJECT, META, "JSON, but not an object")                               \
	X(META_NO_VERSION, META, "\"version_number\" is missing or not a number")        \
	X(META_OTHER_VERSION, META, "\"version_number\" is not the one in HEAD")         \
	X(META_NO_FILESYSTEM, META, "\"filesystem\" is missing or not a string")         \
	X(META_OTHER_FILESYSTEM, META, "\"filesystem\" is none that version 1 names")    \
	X(META_NAME, META, "\"name\" is not a string of 1 to 255 bytes")                 \
	X(META_ANNOTATIONS, META, "\"annotations\" is not an object")                    \
	X(META_ARCHITECTURE, META, "\"architecture\" is not 1 to 31 of a-z 0-9 _")       \
	X(META_KERNELS, META, "\"kernels\" is not an array of strings")                  \
	X(META_OS_RELEASE, META, "\"os_release\" is not an object of strings")

#define IMG_FAULTS_INDEX(X)                                                              \
	X(TABLE_FIRST, FIELD, "the first page's offset is not that of DATA")             \
	X(TABLE_ORDER, FIELD, "the offsets of pages do not ascend")                      \
	X(TABLE_ZERO_DIGEST, RESERVED, "a ZERO PAGE has a digest")                       \
	X(TABLE_ZERO_ROOM, FIELD, "a ZERO PAGE has not the room of its zero frames")     \
	X(TABLE_NO_DIGEST, FIELD, "a stored page has no digest")                         \
	X(TABLE_LITTLE, FIELD, "a page has less room than its frames need")              \
	X(TABLE_MUCH, FIELD, "a page has more room than its frames can fill")            \
	X(TABLE_SUM, FIELD, "the stored pages do not add up to INDEX PAGES")             \
	X(PAGE_LITTLE, FIELD, "a stored length is below 12")                             \
	X(PAGE_MUCH, FIELD, "a stored length is above what a chunk can take")            \
	X(PAGE_ZERO_LENGTH, FIELD, "a zero chunk has not the length of its frame")       \
	X(PAGE_ZERO_DIGEST, RESERVED, "a zero chunk has a digest")                       \
	X(PAGE_ALL_ZERO, FIELD, "all chunks are zero, but it is no ZERO PAGE")           \
	X(PAGE_SUM, FIELD, "the stored lengths do not add up to the page's room")

#define IMG_FAULTS_FRAME(X)                                                              \
	X(FRAME_MAGIC, ZSTD, "not a zstd frame")                                         \
	X(FRAME_NO_CHECKSUM, ZSTD, "a zstd frame without checksum")                      \
	X(FRAME_DICTIONARY, ZSTD, "a zstd frame with a dictionary")                      \
	X(FRAME_WINDOW, ZSTD, "a zstd frame with a window of more than 8 MiB")           \
	X(FRAME_NO_SIZE, ZSTD, "a zstd frame without content size")                      \
	X(FRAME_SIZE, ZSTD, "a zstd frame with content of another length")               \
	X(FRAME_END, ZSTD, "a zstd frame that does not end where it should")             \
	X(FRAME_CHECKSUM, ZSTD,                                                          \
	  "a zstd frame whose checksum is not that of its content")                      \
	X(FRAME_CONTENT, ZSTD, "a zstd frame that does not decompress")

#define IMG_FAULTS_HOT(X)                                                                \
	X(HOT_MAGIC, MAGIC, "byte 0: another magic than that of a hot table")            \
	X(HOT_RESERVED, RESERVED, "byte 60: the reserved field is not zero")             \
	X(HOT_RAW_DIGEST, FIELD, "byte 8: the raw digest is that of another image")      \
	X(HOT_IMAGE_BYTES, FIELD, "byte 40: image_bytes is not HEAD's")                  \
	X(HOT_CHUNK_BYTES, FIELD, "byte 48: chunk_bytes is not HEAD's")                  \
	X(HOT_NO_FRAMES, FIELD, "byte 52: no frames")                                    \
	X(HOT_MORE_FRAMES, FIELD, "byte 52: more than 65536 frames")                     \
	X(HOT_NO_RUNS, FIELD, "byte 56: no runs")                                        \
	X(HOT_MORE_RUNS, FIELD, "byte 56: more than 1048576 runs")                       \
	X(HOT_LENGTH, FIELD, "frames and runs do not fill the table")                    \
	X(HOT_FRAME_LITTLE, FIELD, "the stored length of a frame is below 12")           \
	X(HOT_FRAME_MUCH, FIELD, "the stored length of a frame is above 263232")         \
	X(HOT_FRAME_RAW_0, FIELD, "the raw length of a frame is 0")                      \
	X(HOT_FRAME_RAW_ODD, FIELD, "the raw length of a frame is no multiple of 4096")  \
	X(HOT_FRAME_RAW_MUCH, FIELD, "the raw length of a frame is above 256 KiB")       \
	X(HOT_FRAMES_FILL, FIELD, "the frames do not fill the hot pack")                 \
	X(HOT_RUN_EMPTY, FIELD, "a run has no block")                                    \
	X(HOT_RUN_IMAGE, FIELD, "a run lies outside the image")                          \
	X(HOT_RUN_CHUNK, FIELD, "a run goes beyond its chunk")                           \
	X(HOT_RUN_FRAME, FIELD, "the runs of a frame are not its raw length")            \
	X(HOT_RUNS_LEFT, FIELD, "there are more runs than the frames hold")              \
	X(HOT_RUN_TWICE, FIELD, "a block is in two runs")                                \
	X(PACK_RESERVED_20, RESERVED, "byte 20: a reserved field is not zero")           \
	X(PACK_RESERVED_128, RESERVED, "bytes 128 to 511: a reserved byte is not zero")  \
	X(PACK_HOT_OFF, FIELD, "byte 72: the hot pack's offset is not 4104")             \
	X(PACK_FILE_BYTES, FIELD, "byte 64: file_bytes is not the end of the hot pack")  \
	X(PACK_NO_FRAME, MAGIC, "not a hot pack: byte 0 begins no skippable frame")      \
	X(PACK_NO_MAGIC, MAGIC, "not a hot pack: byte 8 has another magic")              \
	X(PACK_FEATURE, FEATURE,                                                         \
	  "the hot pack needs a feature that this program does not know")                \
	X(PACK_UNSIGNED, UNSIGNED, "the hot pack is not signed")                         \
	X(PACK_SIGNATURE, SIGNATURE,                                                     \
	  "no signature of the hot pack verifies with the public key")

#define IMG_FAULTS(X)                                                                    \
	IMG_FAULTS_IDENTITY(X)                                                           \
	IMG_FAULTS_GEOMETRY(X)                                                           \
	IMG_FAULTS_LAYOUT(X)                                                             \
	IMG_FAULTS_META(X)                                                               \
	IMG_FAULTS_INDEX(X)                                                              \
	IMG_FAULTS_FRAME(X)                                                              \
	IMG_FAULTS_HOT(X)

#define IMG_FAULT_CODE(name, kind, text) IMG_FAULT_##name,
enum img_fault {
	IMG_FAULT_FIRST = -2000, /* no fault */
	IMG_FAULTS(IMG_FAULT_CODE) IMG_FAULT_END
};
#undef IMG_FAULT_CODE

#endif
