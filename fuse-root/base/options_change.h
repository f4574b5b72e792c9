/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_change.h - the keys that `hydroot set` may change while the daemon runs
 *
 * Values are read by the one key table of options.h, so that they mean what they mean everywhere
 * else, with these differences: `mode` takes stream and hybrid only, and `server` adds a place,
 * or with '-' before the URL takes one away.
 */
#ifndef BASE_OPTIONS_CHANGE_H
#define BASE_OPTIONS_CHANGE_H

#include "base/options.h"

#define OPTIONS_CHANGES_MAX 32u

enum option_change {
	CHANGE_MODE = 1 << 0,
	CHANGE_RATE = 1 << 1,
	CHANGE_CACHE = 1 << 2,
	CHANGE_RESERVE = 1 << 3,
	CHANGE_SERVER = 1 << 4,
};

/*
 * Apply KEY=VALUE words to *next, which holds the options as they are now; the last one of a key
 * wins.  *ret_changed: enum option_change of the keys that were named, whether or not their value
 * differs.  -EINVAL: a word is wrong, `why` says which and what is accepted, and *next is as it
 * was; then nothing is to be changed.
 */
int options_change(struct options *next, const char *const *words, unsigned n_words,
		   unsigned *ret_changed, char *why, size_t why_bytes) _must_check_;

/* The name of a key: "mode". */
const char *option_change_name(enum option_change key);

#endif
