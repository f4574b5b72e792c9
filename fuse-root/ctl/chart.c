/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chart.c - see chart.h
 */
#include "ctl/chart.h"

#include <stdio.h>

#include "imgfmt/base.h"

/* Axes up to here are in seconds, then in minutes, then in hours. */
#define SECONDS_END 120
#define MINUTES_END 7200

double chart_step(double most, unsigned n_max)
{
	double power = 1;

	while (power * n_max < most)
		power *= 10;
	while (power * n_max / 10 >= most)
		power /= 10;
	/* Now one step of power is enough, and a tenth of it is too little. */
	if (power / 5 * n_max >= most)
		return power / 5;
	if (power / 2 * n_max >= most)
		return power / 2;
	return power;
}

double chart_time_step(double seconds, unsigned n_max)
{
	static const double steps[] = {0.1,  0.2,  0.5,	 1,	2,     5,     10,
				       15,   30,   60,	 120,	300,   600,   900,
				       1800, 3600, 7200, 14400, 21600, 43200, 86400};

	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		if (steps[i] * n_max >= seconds)
			return steps[i];
	}
	return 86400 * chart_step(seconds / 86400, n_max);
}

/* Digit by binary digit: squaring doubles the logarithm.  It saves the whole of libm. */
double chart_log10(double x)
{
	double whole = 0, part = 0;

	for (; x >= 10; x /= 10)
		whole++;
	for (; x < 1; x *= 10)
		whole--;
	for (double digit = 0.5; digit > 0.0005; digit /= 2) {
		x *= x;
		if (x >= 10) {
			x /= 10;
			part += digit;
		}
	}
	return whole + part;
}

double chart_byte_unit(double most, const char **ret_name)
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double unit = 1;
	unsigned i = 0;

	while (most >= unit * 1024 && i + 1 < ARRAY_SIZE(names)) {
		unit *= 1024;
		i++;
	}
	*ret_name = names[i];
	return unit;
}

struct chart_text chart_bytes(double n_bytes)
{
	struct chart_text ret;
	const char *name;
	double unit = chart_byte_unit(n_bytes, &name);

	snprintf(ret.text, sizeof ret.text, unit > 1 ? "%.1f %s" : "%.0f %s",
		 n_bytes / unit, name);
	return ret;
}

struct chart_text chart_duration(double seconds)
{
	unsigned long whole = seconds < 1e9 ? (unsigned long)(seconds + 0.5) : 0;
	struct chart_text ret;

	if (seconds < 0.01)
		snprintf(ret.text, sizeof ret.text, "%.1f ms", seconds * 1000);
	else if (seconds < 1)
		snprintf(ret.text, sizeof ret.text, "%.0f ms", seconds * 1000);
	else if (seconds < SECONDS_END)
		snprintf(ret.text, sizeof ret.text, "%.1f s", seconds);
	else if (seconds < MINUTES_END)
		snprintf(ret.text, sizeof ret.text, "%lu min %lu s", whole / 60,
			 whole % 60);
	else
		snprintf(ret.text, sizeof ret.text, "%lu h %02lu min", whole / 3600,
			 whole / 60 % 60);
	return ret;
}

struct chart_text chart_clock(double seconds, double end)
{
	unsigned long whole = seconds < 1e9 ? (unsigned long)(seconds + 0.5) : 0;
	struct chart_text ret;

	if (end < SECONDS_END)
		snprintf(ret.text, sizeof ret.text, "%.4g", seconds);
	else if (end < MINUTES_END)
		snprintf(ret.text, sizeof ret.text, "%lu:%02lu", whole / 60, whole % 60);
	else
		snprintf(ret.text, sizeof ret.text, "%lu:%02lu", whole / 3600,
			 whole / 60 % 60);
	return ret;
}

const char *chart_clock_unit(double end)
{
	if (end < SECONDS_END)
		return "seconds";
	return end < MINUTES_END ? "minutes:seconds" : "hours:minutes";
}
