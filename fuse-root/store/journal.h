/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal.h - which chunks of the image lie on a persistent store, across power cuts
 *
 * For each chunk one of: NONE (nothing is recorded), CLEAN (a record with the SHA-256 of
 * the whole chunk lies on the device, and the chunk was flushed to the device before it),
 * DIRTY (written by the
 * user: the record, if there was one, is revoked, and the revocation was flushed before
 * the write).  DIRTY lasts until the store is closed; opened again the chunk is NONE.
 *
 * A batch of records is one block; blocks are only ever appended.  When a half of the
 * journal is full, what is still true goes to the other half under the next generation
 * number.  See STORE.md.
 *
 * Calls may come from any thread.  One thread at a time does the journal's I/O, without
 * the lock; those who need their record on the device wait for it, others leave theirs to
 * the journal's own thread.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include "store/disk.h"
#include "store/layout.h"

struct journal;

enum journal_found {
	JOURNAL_NONE, /* nothing of ours on the device */
	JOURNAL_OTHER_IMAGE, /* ours, with another image */
	JOURNAL_SAME_IMAGE,
	JOURNAL_DAMAGED, /* ours, but neither superblock is whole */
};

/* Look at the superblocks only.  -errno: could not be read. */
int journal_probe(struct disk *d, const struct layout_image *image,
		  enum journal_found *ret) _must_check_;

/*
 * A new, empty store for this image, whatever is there.  Blocks; -errno, then nothing of
 * ours can be relied on.
 */
int journal_format(struct disk *d, const struct layout_image *image) _must_check_;

/*
 * Read what is recorded, drop what is not true any more, begin a new generation.  Borrows
 * d.  The image must be that of the superblock, else -ESTALE.  No thread is started.  The
 * states of the chunks, a byte each, are in `states`, which stays the caller's, or in
 * memory of its own for NULL.  is_adopted: they were left there by a process that was
 * killed, and nobody has written to the chunks since; else zeros.
 */
int journal_open(struct disk *d, const struct layout_image *image, void *states,
		 bool is_adopted, struct journal **ret) _must_check_;
/* The journal's own thread, which writes what was left to it within a second. */
int journal_start(struct journal *j) _must_check_;
/* What is left is written.  NULL is legal. */
void journal_close(struct journal *j);

bool journal_is_clean(const struct journal *j, uint64_t ci);
/* True when nothing of ci is recorded or written: a chunk stored now can be recorded. */
bool journal_is_free(const struct journal *j, uint64_t ci);
/* The SHA-256 recorded for a CLEAN chunk.  -ENOENT: it is not CLEAN.  Blocks. */
int journal_digest(struct journal *j, uint64_t ci,
		   uint8_t ret[LAYOUT_DIGEST_BYTES]) _must_check_;

/*
 * The whole chunk was written to the device.  Ignored unless it is NONE.  Blocks only
 * when the queue is full.
 */
void journal_stored(struct journal *j, uint64_t ci,
		    const uint8_t digest[LAYOUT_DIGEST_BYTES]);
/*
 * Chunks [first, end) are about to be written.  Returns when every record of them is
 * revoked on the device; at once where there was none.  A device that cannot be written
 * delays nobody: it is logged, and the chunk's SHA-256 will tell.
 */
void journal_dirty(struct journal *j, uint64_t first, uint64_t end);
/*
 * A CLEAN chunk turned out not to be what is recorded: NONE.  Nobody may write it
 * meanwhile.  Blocks.
 */
void journal_forget(struct journal *j, uint64_t ci);
/* Write all records there are, and flush.  -errno of the device. */
int journal_sync(struct journal *j) _must_check_;

struct journal_stats {
	uint64_t n_clean; /* recorded, or about to be */
	uint64_t n_blocks, half_blocks; /* of the half in use: written, in all */
	uint64_t generation;
	int err; /* of the last write of the journal: 0 or -errno */
};
void journal_stats(struct journal *j, struct journal_stats *ret);

#endif
