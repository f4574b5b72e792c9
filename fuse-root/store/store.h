/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - contract: where chunks are kept, as blocks of 4096 bytes
 *
 * Offsets are slot_off, bytes on the store; all offsets, lengths and buffers are multiples of
 * 4096.  Calls may be made from any thread, in parallel, also on overlapping ranges (then the
 * result is one of the two, block by block); who may write what is the chunk map's business.
 * Every call returns 0 or -errno and has taken effect when it returns.  A block never written,
 * or discarded, reads as zeros.  After start-up nothing is allocated.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <errno.h>
#include <stdint.h>

#include "imgfmt/base.h"

#define STORE_IO_MAX 16u /* pieces in one call */

struct store_io {
	uint64_t slot_off;
	void *buf; /* aligned to 4096 */
	uint32_t n_bytes;
};

struct store_usage {
	uint64_t used_bytes; /* of memory or disk, tables included */
	uint64_t limit_bytes; /* 0: none */
	uint64_t stored_bytes; /* of data, before compression; 0: not known */
	/* A store of slots can only hold so many at a time; slot_bytes 0: it has none. */
	uint32_t slot_bytes;
	uint64_t n_free_slots;
};

struct store;

struct store_ops {
	const char *kind; /* as in the status: "zram", "memory", "disk", "file" */
	int (*read)(struct store *s, const struct store_io *io, unsigned n);
	int (*write)(struct store *s, const struct store_io *io, unsigned n);
	/* The range reads as zeros afterwards and its memory is given back. */
	int (*discard)(struct store *s, uint64_t slot_off, uint64_t n_bytes);
	void (*usage)(struct store *s, struct store_usage *ret);
	/* Give back what discards left scattered; NULL: there is nothing to be done. */
	int (*compact)(struct store *s);
	void (*free)(struct store *s);

	/* What a store may leave out (NULL). */
	void (*leave)(struct store *s);
	const struct store_persistence *persistence;
};

/*
 * A store that survives reboots: it remembers which chunks of the image it has.  Chunk ci lies at
 * slot_off ci * chunk size, for all of them.
 */
struct store_persistence {
	/* What it remembers of chunk ci has not been looked at since: check_chunk. */
	bool (*has_chunk)(struct store *s, uint64_t ci);
	/*
	 * Read chunk ci into buf (aligned, of n_bytes, the whole chunk) and hold it
	 * against what is remembered.  -ESTALE, or the error of the device: it reads as
	 * zeros now and is forgotten.  Nobody may write the chunk meanwhile.
	 */
	int (*check_chunk)(struct store *s, uint64_t ci, void *buf, size_t n_bytes);
	/*
	 * The whole chunk was written, with these bytes of the image; remembered when
	 * nobody writes to it before.
	 */
	void (*chunk_stored)(struct store *s, uint64_t ci, const void *raw,
			     size_t n_bytes);
	/*
	 * Blocks of the range are about to be written or discarded by the user: forget
	 * the chunks first.
	 */
	void (*before_write)(struct store *s, uint64_t slot_off, uint64_t n_bytes);
	/*
	 * Every block of the store is the device's from here on, zeros too, and nobody
	 * writes any more.  fd and offset of slot_off 0 on the device are in `given`.
	 * May take long.
	 */
	int (*give)(struct store *s);
};

struct store {
	const struct store_ops *ops;
	uint64_t bytes; /* size, set before threads start */
	char device[64]; /* "/dev/zram1", or "" when it is not a block device */
	uint32_t dev_major, dev_minor; /* of that device */
	/*
	 * A file or device that has the image from `off` on: plain memory always, a persistent
	 * store after its give.
	 */
	struct {
		int fd; /* borrowed; -1: there is none */
		uint64_t off;
	} given;
	int dev_fd; /* open on it, borrowed; -1 when it is not a block device */
};

static inline int store_read(struct store *s, const struct store_io *io, unsigned n)
{
	return s->ops->read(s, io, n);
}

static inline int store_write(struct store *s, const struct store_io *io, unsigned n)
{
	return s->ops->write(s, io, n);
}

static inline int store_discard(struct store *s, uint64_t slot_off, uint64_t n_bytes)
{
	return s->ops->discard(s, slot_off, n_bytes);
}

static inline void store_usage(struct store *s, struct store_usage *ret)
{
	s->ops->usage(s, ret);
}

static inline int store_compact(struct store *s)
{
	return s->ops->compact ? s->ops->compact(s) : 0;
}

static inline bool store_is_persistent(const struct store *s)
{
	return s->ops->persistence;
}

static inline void store_chunk_stored(struct store *s, uint64_t ci, const void *raw,
				      size_t n_bytes)
{
	if (s->ops->persistence)
		s->ops->persistence->chunk_stored(s, ci, raw, n_bytes);
}

static inline void store_before_write(struct store *s, uint64_t slot_off,
				      uint64_t n_bytes)
{
	if (s->ops->persistence)
		s->ops->persistence->before_write(s, slot_off, n_bytes);
}

/* The device is someone else's now: store_free will only close it, not remove it. */
static inline void store_leave(struct store *s)
{
	if (s->ops->leave)
		s->ops->leave(s);
}

static inline void store_free(struct store *s)
{
	if (s)
		s->ops->free(s);
}

#endif
