/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.c - see layout.h; offsets and fields are those of STORE.md
 */
#include "store/layout.h"

#include <assert.h>
#include <openssl/sha.h>

#define SUPER_MAGIC "HYDSTORE"
#define JOURNAL_MAGIC "HYDJOURN"
#define MAGIC_BYTES 8u
#define VERSION 1u
#define SUPER_USED 108u
#define SUPER_SUM_OFF (LAYOUT_BLOCK - LAYOUT_DIGEST_BYTES)
#define JOURNAL_SUM_OFF 48u
#define JOURNAL_HEAD 80u
#define RECORD_BYTES 40u
#define DIRTY_BIT (1ull << 63)
#define HALF_SLACK_BLOCKS 256u

_Static_assert(JOURNAL_HEAD + LAYOUT_RECORDS * RECORD_BYTES <= LAYOUT_BLOCK,
	       "records fit a block");

bool layout_init(struct layout *l, const struct layout_image *image)
{
	uint64_t chunk = image->chunk_bytes, all;

	if (chunk < 8 * LAYOUT_BLOCK || (chunk & (chunk - 1)) ||
	    image->image_bytes == 0 || image->image_bytes % LAYOUT_BLOCK)
		return false;
	l->n_chunks = div_round_up(image->image_bytes, chunk);
	if (l->n_chunks > LAYOUT_CHUNKS_MAX)
		return false;
	/*
	 * One record for each chunk fills half of a half: it is never full just after
	 * compaction.
	 */
	all = div_round_up(l->n_chunks, LAYOUT_RECORDS);
	l->half_blocks = 2 * all + HALF_SLACK_BLOCKS;
	l->data_off = LAYOUT_JOURNAL_OFF + 2 * l->half_blocks * LAYOUT_BLOCK;
	l->data_off = div_round_up(l->data_off, LAYOUT_ALIGN) * LAYOUT_ALIGN;
	return checked_add(l->data_off, image->image_bytes, &l->end);
}

uint64_t layout_journal_off(const struct layout *l, uint64_t generation, uint64_t seq)
{
	assert(seq < l->half_blocks);
	return LAYOUT_JOURNAL_OFF +
	       (generation % 2 * l->half_blocks + seq) * LAYOUT_BLOCK;
}

static bool is_zero(const uint8_t *p, size_t n_bytes)
{
	for (size_t i = 0; i < n_bytes; i++)
		if (p[i])
			return false;
	return true;
}

void super_encode(const struct super *s, uint8_t block[LAYOUT_BLOCK])
{
	struct layout l;
	bool ok = layout_init(&l, &s->image);

	assert(ok);
	memset(block, 0, LAYOUT_BLOCK);
	memcpy(block, SUPER_MAGIC, MAGIC_BYTES);
	le32_store(block + 8, VERSION);
	le32_store(block + 12, LAYOUT_BLOCK);
	memcpy(block + 16, s->uuid, LAYOUT_UUID_BYTES);
	le64_store(block + 32, s->generation);
	memcpy(block + 40, s->image.digest, LAYOUT_DIGEST_BYTES);
	le64_store(block + 72, s->image.image_bytes);
	le32_store(block + 80, s->image.chunk_bytes);
	le64_store(block + 84, l.half_blocks);
	le64_store(block + 92, l.data_off);
	le64_store(block + 100, l.n_chunks);
	SHA256(block, SUPER_SUM_OFF, block + SUPER_SUM_OFF);
}

bool super_is_ours(const uint8_t block[LAYOUT_BLOCK])
{
	return memcmp(block, SUPER_MAGIC, MAGIC_BYTES) == 0;
}

bool super_decode(const uint8_t block[LAYOUT_BLOCK], struct super *ret)
{
	uint8_t sum[LAYOUT_DIGEST_BYTES];
	struct super s = {.generation = le64_load(block + 32)};
	struct layout l;

	SHA256(block, SUPER_SUM_OFF, sum);
	if (!super_is_ours(block) ||
	    memcmp(sum, block + SUPER_SUM_OFF, sizeof sum) != 0 ||
	    le32_load(block + 8) != VERSION || le32_load(block + 12) != LAYOUT_BLOCK ||
	    !is_zero(block + SUPER_USED, SUPER_SUM_OFF - SUPER_USED))
		return false;
	memcpy(s.uuid, block + 16, sizeof s.uuid);
	memcpy(s.image.digest, block + 40, sizeof s.image.digest);
	s.image.image_bytes = le64_load(block + 72);
	s.image.chunk_bytes = le32_load(block + 80);
	if (s.generation == 0 || !layout_init(&l, &s.image) ||
	    l.half_blocks != le64_load(block + 84) ||
	    l.data_off != le64_load(block + 92) || l.n_chunks != le64_load(block + 100))
		return false;
	*ret = s;
	return true;
}

/* The checksum covers the whole block, itself taken as zeros. */
static void journal_sum(uint8_t block[LAYOUT_BLOCK], uint8_t ret[LAYOUT_DIGEST_BYTES])
{
	memset(block + JOURNAL_SUM_OFF, 0, LAYOUT_DIGEST_BYTES);
	SHA256(block, LAYOUT_BLOCK, ret);
}

void journal_block_encode(const struct super *s, uint64_t seq,
			  const struct record *records, unsigned n,
			  uint8_t block[LAYOUT_BLOCK])
{
	uint8_t sum[LAYOUT_DIGEST_BYTES];

	assert(n <= LAYOUT_RECORDS);
	memset(block, 0, LAYOUT_BLOCK);
	memcpy(block, JOURNAL_MAGIC, MAGIC_BYTES);
	memcpy(block + 8, s->uuid, LAYOUT_UUID_BYTES);
	le64_store(block + 24, s->generation);
	le64_store(block + 32, seq);
	le32_store(block + 40, n);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *at = block + JOURNAL_HEAD + i * RECORD_BYTES;

		le64_store(at, records[i].ci | (records[i].is_dirty ? DIRTY_BIT : 0));
		if (!records[i].is_dirty)
			memcpy(at + 8, records[i].digest, LAYOUT_DIGEST_BYTES);
	}
	journal_sum(block, sum);
	memcpy(block + JOURNAL_SUM_OFF, sum, sizeof sum);
}

static bool journal_head_is_right(const struct super *s, uint64_t seq,
				  const uint8_t block[LAYOUT_BLOCK])
{
	uint8_t copy[LAYOUT_BLOCK], sum[LAYOUT_DIGEST_BYTES];

	if (memcmp(block, JOURNAL_MAGIC, MAGIC_BYTES) != 0 ||
	    memcmp(block + 8, s->uuid, LAYOUT_UUID_BYTES) != 0 ||
	    le64_load(block + 24) != s->generation || le64_load(block + 32) != seq ||
	    le32_load(block + 40) > LAYOUT_RECORDS || le32_load(block + 44) != 0)
		return false;
	memcpy(copy, block, sizeof copy);
	journal_sum(copy, sum);
	return memcmp(sum, block + JOURNAL_SUM_OFF, sizeof sum) == 0;
}

int journal_block_decode(const struct super *s, uint64_t seq, uint64_t n_chunks,
			 const uint8_t block[LAYOUT_BLOCK],
			 struct record ret[LAYOUT_RECORDS])
{
	unsigned n = le32_load(block + 40);

	if (!journal_head_is_right(s, seq, block))
		return -1;
	for (unsigned i = 0; i < n; i++)
		if ((le64_load(block + JOURNAL_HEAD + i * RECORD_BYTES) & ~DIRTY_BIT) >=
		    n_chunks)
			return -1;
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *at = block + JOURNAL_HEAD + i * RECORD_BYTES;

		ret[i].ci = le64_load(at) & ~DIRTY_BIT;
		ret[i].is_dirty = le64_load(at) & DIRTY_BIT;
		memcpy(ret[i].digest, at + 8, LAYOUT_DIGEST_BYTES);
	}
	return (int)n;
}
