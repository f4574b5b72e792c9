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
};

struct store;

struct store_ops {
	const char *kind; /* as in the status: "zram", "memory" … */
	int (*read)(struct store *s, const struct store_io *io, unsigned n);
	int (*write)(struct store *s, const struct store_io *io, unsigned n);
	/* The range reads as zeros afterwards and its memory is given back. */
	int (*discard)(struct store *s, uint64_t slot_off, uint64_t n_bytes);
	void (*usage)(struct store *s, struct store_usage *ret);
	void (*free)(struct store *s);
};

struct store {
	const struct store_ops *ops;
	uint64_t bytes; /* size, set before threads start */
	char device[64]; /* "/dev/zram1", or "" when it is not a block device */
	uint32_t dev_major, dev_minor; /* of that device */
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

static inline void store_free(struct store *s)
{
	if (s)
		s->ops->free(s);
}

#endif
