/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chart.h - arithmetic of axes, and numbers as people read them
 */
#ifndef CTL_CHART_H
#define CTL_CHART_H

#include <stddef.h>

struct chart_text {
	char text[32];
};

/* 1, 2 or 5 times a power of ten: at most n_max of these steps reach `most`.  most > 0. */
double chart_step(double most, unsigned n_max);

/* Steps of a clock: tenths of seconds to days. */
double chart_time_step(double seconds, unsigned n_max);

/* To a thousandth, of a positive number. */
double chart_log10(double x);

/* The power of 1024 that `most` bytes are best read in, and its name: "MiB". */
double chart_byte_unit(double most, const char **ret_name);

/* "1.5 MiB" */
struct chart_text chart_bytes(double n_bytes);
/* "740 ms", "12.5 s", "3 min 20 s", "2 h 05 min" */
struct chart_text chart_duration(double seconds);
/*
 * A moment on an axis that reaches to `end`: "12.5", "3:20", "2:05"; chart_clock_unit
 * says what that
 * is: "seconds", "minutes:seconds", "hours:minutes".
 */
struct chart_text chart_clock(double seconds, double end);
const char *chart_clock_unit(double end);

#endif
