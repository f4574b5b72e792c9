/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spread.h - a number by which this machine differs from its neighbours
 */
#ifndef SOURCE_SPREAD_H
#define SOURCE_SPREAD_H

#include <stdint.h>

/*
 * Made of a hardware address: that of bootif (BOOTIF= as written) if it is one, else that of the
 * first interface by name under `folder` (/sys/class/net), those with a device behind them before
 * others.  The same at each boot; 0 when there is no address at all.  Opens files.
 */
uint32_t spread_number(const char *folder, const char *bootif);

#endif
