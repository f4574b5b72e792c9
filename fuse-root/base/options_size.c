/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_size.c - sizes, rates and times as people write them
 *
 * Whole numbers with a unit, either case, nothing before, between or behind.  Every
 * product is checked: "99999999T" is refused, not wrapped.
 */
#include "base/options.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>
#include <sys/sysinfo.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit size_units[] = {
	{"", 1},	   {"K", 1ull << 10}, {"M", 1ull << 20},
	{"G", 1ull << 30}, {"T", 1ull << 40},
};

/* In bits: powers of 1000, as networks count. */
static const struct unit bit_units[] = {
	{"bit", 1},
	{"Kbit", 1000},
	{"Mbit", 1000 * 1000},
	{"Gbit", 1000 * 1000 * 1000},
};

static const struct unit time_units[] = {
	{"ms", 1}, {"", 1000}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000},
};

/* Digits, then what follows them.  strtoull would take blanks, signs and wrap "-1". */
static int number_parse(const char *text, uint64_t *ret_n, const char **ret_rest)
{
	uint64_t n = 0;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++) {
		if (!checked_mul(n, (uint64_t)10, &n) ||
		    !checked_add(n, (uint64_t)(*text - '0'), &n))
			return -ERANGE;
	}
	*ret_n = n;
	*ret_rest = text;
	return 0;
}

static int scaled_parse(const char *text, const struct unit *units, size_t n_units,
			uint64_t *ret)
{
	const char *rest;
	uint64_t n;
	int err = number_parse(text, &n, &rest);

	if (err)
		return err;
	for (size_t i = 0; i < n_units; i++) {
		if (strcasecmp(rest, units[i].name) != 0)
			continue;
		if (!checked_mul(n, units[i].factor, &n))
			return -ERANGE;
		*ret = n;
		return 0;
	}
	return -EINVAL;
}

int options_size(const char *text, uint64_t *ret_bytes)
{
	return scaled_parse(text, size_units, ARRAY_SIZE(size_units), ret_bytes);
}

static int percent_of_ram(uint64_t percent, uint64_t *ret_bytes)
{
	struct sysinfo info;
	uint64_t bytes;

	if (percent > 100)
		return -ERANGE;
	if (sysinfo(&info) < 0)
		return -errno;
	if (!checked_mul((uint64_t)info.totalram, (uint64_t)info.mem_unit, &bytes))
		return -ERANGE;
	/* Divided first: 100 times the RAM of a big machine may not fit. */
	*ret_bytes = bytes / 100 * percent + bytes % 100 * percent / 100;
	return 0;
}

int options_memory(const char *text, uint64_t *ret_bytes)
{
	const char *rest;
	uint64_t n;
	int err = number_parse(text, &n, &rest);

	if (err)
		return err;
	if (strcmp(rest, "%") == 0)
		return percent_of_ram(n, ret_bytes);
	return options_size(text, ret_bytes);
}

int options_rate(const char *text, uint64_t *ret_bytes)
{
	uint64_t bits;
	int err = scaled_parse(text, bit_units, ARRAY_SIZE(bit_units), &bits);

	if (err == -EINVAL)
		return options_size(text, ret_bytes);
	if (err)
		return err;
	*ret_bytes = div_round_up(bits, 8);
	return 0;
}

int options_time(const char *text, int64_t *ret_ms)
{
	uint64_t ms;
	int err = scaled_parse(text, time_units, ARRAY_SIZE(time_units), &ms);

	if (err)
		return err;
	if (ms > INT64_MAX)
		return -ERANGE;
	*ret_ms = (int64_t)ms;
	return 0;
}
