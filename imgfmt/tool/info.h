/* SPDX-License-Identifier: Apache-2.0 */
/*
 * info.h - what `info` shows: of images in cmd_info.c, of hot packs in info_pack.c
 */
#ifndef IMGFMT_INFO_H
#define IMGFMT_INFO_H

#include <jansson.h>

#include "imgfmt/tool/image_file.h"

#define INFO_JSON_SCHEMA 1

void info_set_digest(json_t *to, const char *key, const uint8_t digest[IMG_DIGEST_BYTES]);
void info_set_number(json_t *to, const char *key, uint64_t n);

/* Takes o.  Prints; returns an exit code. */
int info_print_json(const char *path, json_t *o) _must_check_;

/* The IMG_SIGNED_BYTES that signatures are over, into a new file.  As above. */
int info_write_signed_bytes(const void *bytes, const char *path) _must_check_;

/*
 * Head and table of a pack, checked, on standard output, and its signed bytes into a file
 * unless that is NULL.  As above.
 */
int pack_info_show(const struct image_file *f, bool json,
		   const char *signed_bytes_path) _must_check_;

#endif
