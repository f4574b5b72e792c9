/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_print.h - the status as a compact block of text
 */
#ifndef CTL_STATUS_PRINT_H
#define CTL_STATUS_PRINT_H

#include <jansson.h>
#include <stdio.h>

/* Lines that have nothing to say are left out. */
void status_print(FILE *to, const json_t *status);

/* One line: for a file that grows. */
void status_print_line(FILE *to, const json_t *status);

/* How much is there, as a bar of `width` characters. */
void status_print_bar(FILE *to, const json_t *status, unsigned width);

#endif
