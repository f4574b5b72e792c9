/* SPDX-License-Identifier: Apache-2.0 */
/*
 * room.c - how the requests in flight are shared between the classes
 *
 * With one connection there is nothing to keep free, so a demand request may then be one more
 * than the limit; source_failover.c takes the connection away from the fill for it.
 */
#include "source/room.h"

static unsigned minus(unsigned a, unsigned b)
{
	return a > b ? a - b : 0;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned room_left(const struct room_load *load, unsigned connections, bool is_usable,
		   enum source_class class)
{
	const unsigned background =
		load->n[SOURCE_HOT] + load->n[SOURCE_AHEAD] + load->n[SOURCE_FILL];
	const unsigned background_max = connections > 1 ? connections - 1 : 1;
	const unsigned half = connections > 1 ? connections / 2 : 1;
	const unsigned free = minus(connections, background + load->n[SOURCE_DEMAND]);
	const unsigned free_background = least(free, minus(background_max, background));

	switch (class) {
	case SOURCE_DEMAND:
		return free == 0 && load->n[SOURCE_DEMAND] == 0 ? 1 : free;
	case SOURCE_HOT:
		return is_usable ? free_background : 0;
	case SOURCE_AHEAD:
		if (!is_usable)
			return 0;
		return least(free_background, minus(half, load->n[SOURCE_AHEAD]));
	case SOURCE_FILL:
		if (!is_usable || load->n[SOURCE_DEMAND])
			return 0;
		return least(free_background, minus(half, load->n[SOURCE_FILL]));
	}
	return 0;
}
