/* SPDX-License-Identifier: Apache-2.0 */
/*
 * room.h - how the requests in flight are shared between the classes
 *
 * One pure rule for the real source and its fake: demand always finds a place, the hot pack
 * leaves one free for demand, the fill holds at most half and starts nothing while somebody
 * waits for a read or no server is usable.
 */
#ifndef SOURCE_ROOM_H
#define SOURCE_ROOM_H

#include "source/source.h"

#define ROOM_CLASSES 3u

/* Outstanding requests by class: submitted and not yet released. */
struct room_load {
	unsigned n[ROOM_CLASSES];
};

/* How many more of `class` may be submitted now. */
unsigned room_left(const struct room_load *load, unsigned connections, bool is_usable,
		   enum source_class class);

#endif
