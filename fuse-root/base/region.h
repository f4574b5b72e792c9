/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region.h - memory that outlives the process that fills it
 *
 * A memfd that the keeper makes before it forks and never maps.  A serving process puts
 * areas into it, each under a tag; the next one finds them again, with what its
 * predecessor left there.  No pointers inside: the address is another one each time.
 *
 * A process that is killed has made all memory writes up to some instruction and none
 * after it, so what is left is what the order of the writes in the compiled code says:
 * region_order() between two writes keeps the compiler from changing theirs.  No fence
 * for the processor is needed: the next process starts after the kernel has seen the end
 * of the last one.
 */
#ifndef BASE_REGION_H
#define BASE_REGION_H

#include <stdatomic.h>

#include "imgfmt/base.h"

enum region_tag {
	REGION_SERVE = 1, /* struct serve_record */
	REGION_IMAGE_FIRST, /* the first bytes of the image file */
	REGION_IMAGE_META,
	REGION_IMAGE_TABLE,
	REGION_CHUNKMAP,
	REGION_UNDERWAY, /* requests of the kernel */
	REGION_TRACE,
	/* What the store has to remember: where slots are, which blocks of a disk were written. */
	REGION_STORE,
};

#define REGION_AREAS_MAX 32u

struct region;

/* In the keeper, before any fork.  Nothing is mapped, no memory is taken.  NULL with errno. */
struct region *region_new(void);
/* Unmaps what this process has mapped.  NULL is legal. */
void region_free(struct region *r);

/*
 * The area `tag`, mapped: the one that is there, which must have n_bytes, or a new one,
 * of zeros that take memory only where they are touched.  Starts on a page; valid until
 * region_free.  One thread. -errno; -EBADMSG when it is there with another size.
 */
int region_area(struct region *r, enum region_tag tag, size_t n_bytes,
		void **ret) _must_check_;
/* One that must be there, whatever its size; -ENOENT. */
int region_find(struct region *r, enum region_tag tag, void **ret,
		size_t *ret_bytes) _must_check_;
/* A new area with a copy of these bytes; one that is there already is left as it is. */
int region_put(struct region *r, enum region_tag tag, const void *bytes,
	       size_t n_bytes) _must_check_;

/* Have every page of it mapped for writing now, contents unchanged: no later access faults. */
void region_touch(void *memory, size_t n_bytes);

static inline void region_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

#endif
