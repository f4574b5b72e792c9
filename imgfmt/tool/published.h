/* SPDX-License-Identifier: Apache-2.0 */
/*
 * published.h - a folder that images are published in: its names and its old files
 */
#ifndef IMGFMT_PUBLISHED_H
#define IMGFMT_PUBLISHED_H

#include "imgfmt/imgfmt.h"

/* The daemon looks there too. */
#define PUBLISHED_FOLDER "by-digest"

/* A folder that only we change, as long as the others lock it too. */
struct published {
	const char *dir; /* the caller's */
	int fd;
};

/* All print, and return an exit code. */

/*
 * Waits for others that publish there, and removes what they left when they were killed.
 * published_unlock is legal on {.fd = -1}, and twice.
 */
int published_lock(const char *dir, struct published *ret) _must_check_;
void published_unlock(struct published *p);

/*
 * Make the link `name` point to the image of this digest, in one step, never absent in
 * between, and write down that it was published under it.  ret_previous gets what it
 * pointed to before, "" when nothing that we know.
 */
int published_switch(const struct published *p, const char *name, const char *hex,
		     char ret_previous[IMG_HEX_BYTES]) _must_check_;

/*
 * Remove the images that were published under `name` before the `keep` newest ones, but
 * not `previous`, nor what a link in the folder points to or another name's history has.
 */
int published_forget(const struct published *p, const char *name, uint64_t keep,
		     const char *previous) _must_check_;

#endif
