/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.h - statuses as Prometheus text, exposition format 0.0.4
 *
 * Each metric has its HELP and TYPE once and then one sample for each attachment, which the label
 * `name` tells apart.  What is not known yet has no sample.
 */
#ifndef CTL_METRICS_H
#define CTL_METRICS_H

#include <jansson.h>
#include <stdio.h>

#include "imgfmt/base.h"

struct metrics_status {
	const json_t *status;
	bool is_live; /* a daemon answered */
};

void metrics_print(FILE *to, const struct metrics_status *list, unsigned n);

#endif
