/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tool.c - messages and numbers
 */
#include "imgfmt/tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>

/* The main thread's, as all messages are. */
static bool line_is_open;

void tool_line_is_open(bool is_open)
{
	line_is_open = is_open;
}

static void put_message(const char *subject, const char *prefix, const char *format,
			va_list args)
{
	if (line_is_open)
		fputs("\r\033[K", stderr);
	line_is_open = false;
	fprintf(stderr, "hydroot-image: %s: %s", subject, prefix);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

int tool_fail(const char *subject, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_message(subject, "", format, args);
	va_end(args);
	return EXIT_FAILED;
}

void tool_say(const char *subject, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_message(subject, "", format, args);
	va_end(args);
}

int tool_fail_errno(const char *subject, const char *action)
{
	return tool_fail(subject, "%s: %s", action, strerror(errno));
}

void tool_warn(const char *subject, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_message(subject, "warning: ", format, args);
	va_end(args);
}

int tool_usage(const char *command, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_message(command, "", format, args);
	va_end(args);
	fprintf(stderr, "Try 'hydroot-image %s --help'.\n", command);
	return EXIT_USAGE;
}

int tool_getopt(const char *command, int argc, char **argv, const struct option *options,
		int *ret_index)
{
	int option;

	opterr = 0;
	option = getopt_long(argc, argv, ":", options, ret_index);
	if (option == ':')
		tool_usage(command, "%s: needs a value", argv[optind - 1]);
	else if (option == '?')
		tool_usage(command, "%s: no such option, or not with a value",
			   argv[optind - 1]);
	return option == ':' ? '?' : option;
}

/* strtoull alone would take signs, blanks and nothing at all. */
static bool parse_digits(const char *text, uint64_t *ret, const char **ret_rest)
{
	char *rest;
	unsigned long long n;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	n = strtoull(text, &rest, 10);
	if (errno != 0)
		return false;
	*ret = n;
	*ret_rest = rest;
	return true;
}

bool tool_parse_number(const char *text, uint64_t *ret)
{
	const char *rest;
	uint64_t n;

	if (!parse_digits(text, &n, &rest) || *rest != '\0')
		return false;
	*ret = n;
	return true;
}

bool tool_parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	const char *rest, *unit;
	uint64_t n, factor = 1;

	if (!parse_digits(text, &n, &rest))
		return false;
	if (*rest != '\0') {
		unit = strchr(units, *rest);
		if (!unit || rest[1] != '\0')
			return false;
		factor = 1ull << (10 * (unit - units + 1));
	}
	return checked_mul(n, factor, ret);
}

const char *tool_human(uint64_t n_bytes)
{
	static char texts[4][32];
	static unsigned next;
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
	char *text = texts[next++ % ARRAY_SIZE(texts)];
	double n = (double)n_bytes;
	size_t unit = 0;

	for (; n >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++)
		n /= 1024;
	snprintf(text, sizeof texts[0], unit == 0 ? "%.0f %s" : "%.1f %s", n,
		 units[unit]);
	return text;
}

int tool_read_file(const char *path, size_t max_bytes, char **ret, size_t *ret_bytes)
{
	cleanup_free char *text = malloc(max_bytes + 2);
	cleanup_file FILE *f = fopen(path, "re");
	size_t n;

	if (!text)
		return tool_fail(path, "out of memory");
	if (!f)
		return tool_fail_errno(path, "cannot open");
	n = fread(text, 1, max_bytes + 1, f);
	if (ferror(f))
		return tool_fail_errno(path, "cannot read");
	if (n > max_bytes)
		return tool_fail(path, "larger than %zu bytes", max_bytes);
	text[n] = '\0';
	*ret = steal_pointer(&text);
	*ret_bytes = n;
	return EXIT_DONE;
}
