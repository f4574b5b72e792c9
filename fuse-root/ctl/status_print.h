/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_print.h - the status as a compact block of text
 */
#ifndef CTL_STATUS_PRINT_H
#define CTL_STATUS_PRINT_H

#include <jansson.h>

/* To stdout.  Lines that have nothing to say are left out. */
void status_print(const json_t *status);

#endif
