/* SPDX-License-Identifier: Apache-2.0 */
/*
 * published.h - a folder that images are published in: its names and its old files
 */
#ifndef IMGFMT_PUBLISHED_H
#define IMGFMT_PUBLISHED_H

#include "imgfmt/base.h"

/* The daemon looks there too. */
#define PUBLISHED_FOLDER "by-digest"

/* Both print, and return an exit code. */

/* Make `path` a link to `target`, whatever it was: in one step, never absent in between. */
int published_switch(const char *path, const char *target) _must_check_;

/*
 * Remove the files under dir/by-digest but the `keep` newest and those that a link in dir
 * points to.  Files with other names than a digest's are not ours and stay.
 */
int published_forget(const char *dir, uint64_t keep) _must_check_;

#endif
