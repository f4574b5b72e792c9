/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_super.c - the superblocks: whose store is it, and which half of the journal is in use
 */
#include "store/journal_internal.h"

#include <errno.h>
#include <sys/random.h>

int journal_read_super(struct disk *d, struct super *ret)
{
	cleanup_free uint8_t *block = aligned_alloc(LAYOUT_BLOCK, LAYOUT_BLOCK);
	bool any = false, is_ours = false;

	if (!block)
		return -ENOMEM;
	for (unsigned i = 0; i < LAYOUT_SUPER_COPIES; i++) {
		struct super s;
		int err = journal_transfer(d, false, layout_super_off(i), block,
					   LAYOUT_BLOCK);

		/* One copy that cannot be read is what the other is for. */
		if (err < 0 && i + 1 == LAYOUT_SUPER_COPIES && !any && !is_ours)
			return err;
		if (err < 0)
			continue;
		is_ours = is_ours || super_is_ours(block);
		if (!super_decode(block, &s) || (any && s.generation < ret->generation))
			continue;
		*ret = s;
		any = true;
	}
	if (any)
		return 0;
	return is_ours ? -EBADMSG : -ENOENT;
}

int journal_write_super(struct disk *d, const struct super *s, unsigned copy,
			uint8_t *block)
{
	int err;

	super_encode(s, block);
	err = journal_transfer(d, true, layout_super_off(copy), block, LAYOUT_BLOCK);
	return err < 0 ? err : disk_flush(d);
}

int journal_probe(struct disk *d, const struct layout_image *image,
		  enum journal_found *ret)
{
	struct super s;
	int err;

	*ret = JOURNAL_NONE;
	/* A file that was just made has no bytes yet. */
	err = journal_read_super(d, &s);
	if (err == -ENOENT || (err == -EIO && d->is_file))
		return 0;
	if (err == -EBADMSG)
		*ret = JOURNAL_DAMAGED;
	if (err < 0)
		return err == -EBADMSG ? 0 : err;
	*ret = memcmp(s.image.digest, image->digest, sizeof s.image.digest) == 0 &&
			       s.image.image_bytes == image->image_bytes &&
			       s.image.chunk_bytes == image->chunk_bytes
		       ? JOURNAL_SAME_IMAGE
		       : JOURNAL_OTHER_IMAGE;
	return 0;
}

int journal_format(struct disk *d, const struct layout_image *image)
{
	cleanup_free uint8_t *block = aligned_alloc(LAYOUT_BLOCK, LAYOUT_BLOCK);
	struct super s = {.generation = 1, .image = *image};
	int err = 0;

	if (!block)
		return -ENOMEM;
	/* New for each formatting, so that no block of an older journal is ever taken for ours. */
	if (getrandom(s.uuid, sizeof s.uuid, 0) != (ssize_t)sizeof s.uuid)
		return -EIO;
	/* Both copies: none may lead to what was here before. */
	for (unsigned i = 0; err == 0 && i < LAYOUT_SUPER_COPIES; i++)
		err = journal_write_super(d, &s, i, block);
	return err;
}
