/* SPDX-License-Identifier: Apache-2.0 */
/*
 * level.h - what a compression level means for chunks
 */
#ifndef IMGFMT_LEVEL_H
#define IMGFMT_LEVEL_H

#include <stdbool.h>
#include <stdint.h>

#include <zstd.h>

/* Sets level and what belongs to it for inputs of up to chunk_bytes; false when zstd refuses it. */
bool img_level_set(ZSTD_CCtx *zstd, int level, uint32_t chunk_bytes);

#endif
