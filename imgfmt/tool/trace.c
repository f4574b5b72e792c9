/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.c - the text that `hydroot trace` prints, taken in exactly that form
 *
 *	hydroot-trace 1 4096 sha256:IMAGE sha256:RAW
 *	FIRST COUNT
 */
#include "imgfmt/tool/hot.h"

#include "imgfmt/tool/tool.h"

#define TRACE_BYTES_MAX (64u << 20)
#define TRACE_RUNS_MAX (1u << 20)
#define HEAD_START "hydroot-trace 1 4096 "
#define DIGEST_TEXT_BYTES (7 + 2 * IMG_DIGEST_BYTES)
/* 2^26 chunks of 4 MiB. */
#define BLOCKS_MAX (1ull << 36)

void trace_free(struct trace *t)
{
	free(t->runs);
	*t = (struct trace){0};
}

static bool take(const char **p, const char *end, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(end - *p) < n || memcmp(*p, text, n) != 0)
		return false;
	*p += n;
	return true;
}

static bool take_digest(const char **p, const char *end, uint8_t ret[IMG_DIGEST_BYTES])
{
	char text[DIGEST_TEXT_BYTES + 1] = "";

	if ((size_t)(end - *p) < DIGEST_TEXT_BYTES || memcmp(*p, "sha256:", 7) != 0)
		return false;
	memcpy(text, *p, DIGEST_TEXT_BYTES);
	*p += DIGEST_TEXT_BYTES;
	return img_digest_parse(text, ret);
}

/* Digits without leading zeros, up to BLOCKS_MAX. */
static bool take_number(const char **p, const char *end, uint64_t *ret)
{
	const char *start = *p;
	uint64_t n = 0;

	for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
		n = n * 10 + (uint64_t)(**p - '0');
		if (n > BLOCKS_MAX)
			return false;
	}
	*ret = n;
	return *p > start && (*p - start == 1 || *start != '0');
}

static bool parse_head(const char **p, const char *end, struct trace *t)
{
	return take(p, end, HEAD_START) && take_digest(p, end, t->image_digest) &&
	       take(p, end, " ") && take_digest(p, end, t->raw_digest) &&
	       take(p, end, "\n");
}

static const char *parse_run(const char **p, const char *end, struct trace_run *ret)
{
	if (!take_number(p, end, &ret->first) || !take(p, end, " ") ||
	    !take_number(p, end, &ret->n) || !take(p, end, "\n"))
		return "not FIRST COUNT, two numbers of blocks";
	if (ret->n == 0 || ret->first + ret->n > BLOCKS_MAX)
		return "no block, or a block that no image can have";
	return NULL;
}

static size_t count_lines(const char *text, size_t n_bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < n_bytes; i++)
		n += text[i] == '\n';
	return n;
}

bool trace_parse(const char *text, size_t n_bytes, struct trace *ret, size_t *ret_line,
		 const char **ret_why)
{
	size_t n_lines = count_lines(text, n_bytes);
	const char *p = text, *end = text + n_bytes;
	struct trace t = {0};

	*ret_line = 1;
	*ret_why = "not a trace: it does not begin as 'hydroot trace' prints it";
	if (!parse_head(&p, end, &t))
		return false;
	*ret_why = "too many runs, or out of memory";
	if (n_lines - 1 > TRACE_RUNS_MAX)
		return false;
	t.runs = calloc(n_lines, sizeof *t.runs);
	while (t.runs && p < end) {
		(*ret_line)++;
		*ret_why = parse_run(&p, end, &t.runs[t.n_runs]);
		if (*ret_why) {
			trace_free(&t);
			return false;
		}
		t.n_runs++;
	}
	if (!t.runs)
		return false;
	*ret = t;
	return true;
}

int trace_read(const char *path, struct trace *ret)
{
	cleanup_free char *text = NULL;
	const char *why;
	size_t n, line;
	int r = tool_read_file(path, TRACE_BYTES_MAX, &text, &n);

	if (r != EXIT_DONE)
		return r;
	if (!trace_parse(text, n, ret, &line, &why))
		return tool_fail(path, "line %zu: %s", line, why);
	return EXIT_DONE;
}
