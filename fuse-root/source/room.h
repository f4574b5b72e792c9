/* SPDX-License-Identifier: Apache-2.0 */
/*
 * room.h - how the requests in flight are shared between the classes
 *
 * One pure rule for the real source and its fake: demand always finds a place, at the
 * cost of the fill and of what is fetched ahead; all else leaves one free for it, these
 * two hold at most half each, and the fill starts nothing while somebody waits for a
 * read.  While no server is usable there is room for demand only.
 */
#ifndef SOURCE_ROOM_H
#define SOURCE_ROOM_H

#include "source/source.h"

/* Outstanding requests by class: submitted and not yet released. */
struct room_load {
	unsigned n[SOURCE_CLASSES];
};

/* How many more of `class` may be submitted now. */
unsigned room_left(const struct room_load *load, unsigned connections, bool is_usable,
		   enum source_class class);

#endif
