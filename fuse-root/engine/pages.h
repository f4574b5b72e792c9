/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pages.h - the index pages that were used last, decoded; the engine thread's own
 *
 * Bounded whatever the image's size: the index of a large image never is in memory as a whole, but
 * where all of the image will be.
 */
#ifndef ENGINE_PAGES_H
#define ENGINE_PAGES_H

#include "imgfmt/imgfmt.h"

struct pages;

/* Room for n_max decoded pages (some 45 KiB each).  -ENOMEM */
int pages_new(const struct img *img, unsigned n_max, struct pages **ret) _must_check_;
void pages_free(struct pages *p);

/* The page, or NULL when it is not here.  Valid until the next pages_add. */
const struct img_page *pages_get(struct pages *p, uint64_t page);

/* Check, decode and keep a page; the one used longest ago leaves.  enum img_err */
int pages_add(struct pages *p, uint64_t page, const void *buf,
	      size_t n_bytes) _must_check_;

#endif
