/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history.h - what was published under a name, and in which order
 *
 *	DIR/.NAME.hri.history	a digest in hex a line, the newest last, each once
 *
 * The times of the files under by-digest do not tell: to publish an image again, as a
 * rollback does, writes nothing, and must not, since web servers make ETags of times.  Only
 * for whoever holds the lock of published.h.
 */
#ifndef IMGFMT_HISTORY_H
#define IMGFMT_HISTORY_H

#include "imgfmt/imgfmt.h"

struct history {
	char (*list)[IMG_HEX_BYTES]; /* the newest last */
	size_t n;
};

/* All print, and return an exit code.  `name` is NAME.hri. */

/* Empty when there is none; the caller's to free. */
int history_read(const char *dir, const char *name, struct history *ret) _must_check_;
int history_write(const char *dir, const char *name,
		  const struct history *h) _must_check_;

/* This digest is the newest now.  False without memory. */
bool history_add(struct history *h, const char *hex) _must_check_;
bool history_has(const struct history *h, const char *hex);
void history_remove(struct history *h, size_t i);
void history_free(struct history *h);

/* NAME.hri of a file name as above, the caller's; NULL: it is another file's. */
char *history_name_of(const char *file_name);

#endif
