/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users.h - who uses a block device
 */
#ifndef CTL_USERS_H
#define CTL_USERS_H

#include <sys/types.h>

#include "imgfmt/base.h"

/*
 * Say on stderr, one line each, who has the device mounted, swaps on it, holds it as a
 * part of another device, has a loop device over it or has it open; processes of hydroot
 * itself do not count.  How many they are.
 */
unsigned users_report(const char *name, dev_t device);

#endif
