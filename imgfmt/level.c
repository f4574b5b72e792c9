/* SPDX-License-Identifier: Apache-2.0 */
/*
 * level.c - what a compression level means for chunks
 *
 * zstd's own tables have one set of parameters for everything above 256 KiB, made for
 * windows of megabytes: long minimum matches, which find little in a window of one chunk,
 * and from level 13 on a slow search that gains nothing.  With what zstd takes for smaller
 * inputs (matches of 4 or 3 bytes) chunks of 512 KiB of a Debian root are 0.7% (level 3) to
 * some 6% (level 14) smaller.  Search depths are such that up to level 9 it takes about the
 * time of zstd at that level, or less; those above 12 come from a sample of an eighth.  Chunks
 * of up to 256 KiB get that from zstd by themselves.
 *
 * Explicit numbers also keep an image's bytes the same while zstd's tables change.
 */
#include "imgfmt/level.h"

#include "imgfmt/base.h"

/* Above this zstd takes its parameters for large inputs. */
#define SMALL_BYTES (256u * 1024)

/* 0: as zstd has it. */
struct effort {
	int strategy, search_log, target_length, min_match, chain_log, hash_log;
};

static const struct effort efforts[] = {
	[3] = {ZSTD_dfast, 0, 0, 4, 0, 0},   [4] = {ZSTD_dfast, 0, 0, 4, 17, 18},
	[5] = {ZSTD_greedy, 4, 0, 4, 0, 0},  [6] = {ZSTD_lazy, 4, 0, 4, 0, 0},
	[7] = {ZSTD_lazy2, 4, 0, 4, 0, 0},   [8] = {ZSTD_lazy2, 5, 0, 4, 0, 0},
	[9] = {ZSTD_lazy2, 6, 0, 4, 0, 0},   [10] = {ZSTD_lazy2, 6, 0, 4, 0, 0},
	[11] = {ZSTD_lazy2, 6, 0, 4, 0, 0},  [12] = {ZSTD_lazy2, 6, 0, 4, 0, 0},
	[13] = {ZSTD_btopt, 1, 16, 3, 0, 0}, [14] = {ZSTD_btopt, 2, 16, 3, 0, 0},
	[15] = {ZSTD_btopt, 3, 32, 3, 0, 0}, [16] = {ZSTD_btopt, 4, 32, 3, 0, 0},
	[17] = {ZSTD_btopt, 5, 64, 3, 0, 0},
};

static bool set(ZSTD_CCtx *zstd, ZSTD_cParameter what, int value)
{
	return value == 0 || !ZSTD_isError(ZSTD_CCtx_setParameter(zstd, what, value));
}

bool img_level_set(ZSTD_CCtx *zstd, int level, uint32_t chunk_bytes)
{
	const struct effort none = {0}, *e = &none;

	if (chunk_bytes > SMALL_BYTES && level > 0 && (size_t)level < ARRAY_SIZE(efforts))
		e = &efforts[level];
	return set(zstd, ZSTD_c_compressionLevel, level) &&
	       set(zstd, ZSTD_c_strategy, e->strategy) &&
	       set(zstd, ZSTD_c_searchLog, e->search_log) &&
	       set(zstd, ZSTD_c_targetLength, e->target_length) &&
	       set(zstd, ZSTD_c_minMatch, e->min_match) &&
	       set(zstd, ZSTD_c_chainLog, e->chain_log) &&
	       set(zstd, ZSTD_c_hashLog, e->hash_log);
}
