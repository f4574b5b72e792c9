/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - the configuration that a kernel was built with
 */
#ifndef KMOD_HINTS_CONFIG_H
#define KMOD_HINTS_CONFIG_H

#include "kmod-hints/kernel.h"

/*
 * Fill config_y, config_m and has_config of k, whose root, version and is_running are set, from
 * the first of boot/config-VERSION, lib/modules/VERSION/config, proc/config.gz.  That none is
 * there is no error.  -ENOMEM.
 */
int config_read(struct kernel *k) _must_check_;

#endif
