/* SPDX-License-Identifier: Apache-2.0 */
/*
 * room.c - how the requests in flight are shared between the classes
 *
 * Demand may have every connection that the hot pack does not have: what the fill or the
 * fetching ahead has, source_failover.c takes away for it.  The hot pack loses one only
 * when demand had none.
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
	const unsigned free_demand =
		minus(connections, load->n[SOURCE_HOT] + load->n[SOURCE_DEMAND]);
	const unsigned free_background = least(free, minus(background_max, background));

	switch (class) {
	case SOURCE_DEMAND:
		return free_demand == 0 && load->n[SOURCE_DEMAND] == 0 ? 1 : free_demand;
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
