/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ours.h - is a block device still the one that an attachment had?
 *
 * Numbers of devices are given again as soon as they are free, so what is known by its number
 * alone may be somebody else's by now.
 */
#ifndef CTL_OURS_H
#define CTL_OURS_H

#include <jansson.h>
#include <sys/types.h>

#include "imgfmt/base.h"

#define OURS_KERNEL_NAME_BYTES 32u

/* "dm-0", "loop3": the kernel's name of a device.  -errno. */
int ours_kernel_name(dev_t device, char ret[OURS_KERNEL_NAME_BYTES]) _must_check_;

/*
 * Loop devices and tables of device-mapper carry the attachment's name, a zram device has the
 * kernel's diskseq, which the status tells.  True also where there is nothing to tell it by.
 */
bool ours_is(const char *name, dev_t device, const json_t *status);

#endif
