/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_bar.h - the status in one line that is drawn again and again
 */
#ifndef FACE_STATUS_BAR_H
#define FACE_STATUS_BAR_H

#include <jansson.h>

#include "base/bar.h"

/* How much of the image is there, in whole percent, 100 only when all is; 0 before it is known. */
unsigned status_percent(const json_t *status);
/* What of it is there, how fast that ends, or what it waits for. */
void status_bar_draw(struct bar *b, const json_t *status);
/*
 * The same of the attachment whose run directory this is, when a bar is due; no daemon:
 * nothing is drawn.
 */
void status_bar_show(struct bar *b, int rundir_fd);

#endif
