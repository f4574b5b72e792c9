/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault.c - the words for faults
 */
#include "tests/faultproxy/fault.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum word_kind {
	WORD_FLAG,
	WORD_TIME,
	WORD_RATE,
	WORD_NUMBER,
	WORD_SIGNED,
	WORD_TEXT,
	WORD_END, /* of the connection, after so many bytes of the body */
	WORD_END_HEAD,
};

struct word {
	const char *name;
	enum word_kind kind;
	size_t offset;
	const char *initial; /* without a value; NULL: it needs one */
	enum fault_end end;
	const char *help;
};

#define IN(member) offsetof(struct fault, member)

static const struct word words_known[] = {
	{"delay", WORD_TIME, IN(delay_us), NULL, 0, "=TIME  before the answer"},
	{"head-drip", WORD_TIME, IN(head_drip_us), "100ms", 0,
	 "=TIME  for each byte of the head"},
	{"drip", WORD_TIME, IN(drip_us), "100ms", 0, "=TIME  for each byte of the body"},
	{"rate", WORD_RATE, IN(rate_bytes), NULL, 0, "=RATE  of the body"},
	{"stall", WORD_END, 0, "0", FAULT_END_STALL,
	 "[=BYTES]  silence after so many bytes of the body"},
	{"reset", WORD_END, 0, "0", FAULT_END_RESET, "[=BYTES]  RST after so many"},
	{"truncate", WORD_END, 0, "0", FAULT_END_CLOSE,
	 "[=BYTES]  the end after so many"},
	{"stall-head", WORD_END_HEAD, 0, "0", FAULT_END_STALL, "  no answer"},
	{"reset-head", WORD_END_HEAD, 0, "0", FAULT_END_RESET, "  RST for an answer"},
	{"close-head", WORD_END_HEAD, 0, "0", FAULT_END_CLOSE, "  closed without answer"},
	{"corrupt", WORD_NUMBER, IN(n_corrupt), "1", 0,
	 "[=N]  bytes of the body are changed"},
	{"status", WORD_NUMBER, IN(status), NULL, 0, "=CODE  instead of the file"},
	{"retry-after", WORD_SIGNED, IN(retry_after_s), NULL, 0,
	 "=SECONDS  with a status"},
	{"range", WORD_SIGNED, IN(range_shift), "1", 0,
	 "[=BYTES]  Content-Range tells of bytes further on"},
	{"length", WORD_SIGNED, IN(length_shift), "1", 0,
	 "[=BYTES]  Content-Length is wrong by so much"},
	{"etag", WORD_TEXT, IN(etag), "\"another\"", 0, "[=ETAG]  another one"},
	{"whole", WORD_FLAG, IN(is_whole), NULL, 0, "  Range is ignored: 200"},
	{"html", WORD_FLAG, IN(is_html), NULL, 0, "  200 with a page"},
	{"redirect", WORD_TEXT, IN(redirect), NULL, 0, "=URL  302"},
	{"encoding", WORD_TEXT, IN(encoding), "gzip", 0,
	 "[=NAME]  Content-Encoding is said to be that"},
	{"chunked", WORD_FLAG, IN(is_chunked), NULL, 0,
	 "  Transfer-Encoding: chunked; not wrong"},
	{"header", WORD_TEXT, IN(header), NULL, 0, "=NAME:VALUE  one more"},
	{"headers", WORD_NUMBER, IN(n_headers), "1000", 0, "[=N]  so many more"},
	{"header-bytes", WORD_NUMBER, IN(header_bytes), "100000", 0,
	 "[=N]  one more of that length"},
	{"twice", WORD_TEXT, IN(twice), "Content-Range", 0,
	 "[=NAME]  that header again, with another value"},
	{"endless-head", WORD_FLAG, IN(is_endless_head), NULL, 0, "  headers for ever"},
	{"endless-line", WORD_FLAG, IN(is_endless_line), NULL, 0,
	 "  one header that does not end"},
	{"endless-1xx", WORD_FLAG, IN(is_endless_1xx), NULL, 0,
	 "  100 Continue for ever"},
	{"endless-body", WORD_FLAG, IN(is_endless_body), NULL, 0,
	 "  the body goes on for ever"},
	{"no-head", WORD_FLAG, IN(has_no_head), NULL, 0, "  HTTP/0.9: only the body"},
	{"garbage", WORD_FLAG, IN(is_garbage), NULL, 0, "  random bytes for an answer"},
	{"head", WORD_TEXT, IN(head_file), NULL, 0,
	 "=FILE  the head is what FILE has; %FIRST% %LAST% %LENGTH%"},
	{"body", WORD_TEXT, IN(body_file), NULL, 0, "=FILE  the body is what FILE has"},
};

static bool take_number(const char **text, uint64_t *ret)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	*ret = strtoull(*text, &end, 10);
	*text = end;
	return errno == 0;
}

bool fault_parse_time(const char *text, int64_t *ret_us)
{
	static const struct {
		const char *unit;
		int64_t us;
	} units[] = {
		{"", 1000}, {"us", 1}, {"ms", 1000}, {"s", 1000000}, {"m", 60000000}};
	uint64_t n;

	if (!take_number(&text, &n) || n > 1000000000)
		return false;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (!strcmp(text, units[i].unit)) {
			*ret_us = (int64_t)n * units[i].us;
			return true;
		}
	return false;
}

bool fault_parse_rate(const char *text, uint64_t *ret_bytes)
{
	static const struct {
		const char *unit;
		uint64_t factor, divisor;
	} units[] = {{"", 1, 1},
		     {"K", 1 << 10, 1},
		     {"M", 1 << 20, 1},
		     {"G", 1 << 30, 1},
		     {"Kbit", 1000, 8},
		     {"Mbit", 1000000, 8},
		     {"Gbit", 1000000000, 8}};
	uint64_t n;

	if (!take_number(&text, &n) || n > 1000000000)
		return false;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (!strcmp(text, units[i].unit)) {
			*ret_bytes = n * units[i].factor / units[i].divisor;
			return true;
		}
	return false;
}

static bool parse_signed(const char *text, int64_t *ret)
{
	const bool is_negative = *text == '-';
	uint64_t n;

	text += is_negative;
	if (!take_number(&text, &n) || *text || n > INT64_MAX)
		return false;
	*ret = is_negative ? -(int64_t)n : (int64_t)n;
	return true;
}

static bool set_end(struct fault *f, const struct word *w, const char *value)
{
	f->end = w->end;
	f->is_end_before_head = w->kind == WORD_END_HEAD;
	return take_number(&value, &f->end_after) && !*value;
}

static bool set_text(char *field, const char *value)
{
	return snprintf(field, FAULT_TEXT_BYTES, "%s", value) < (int)FAULT_TEXT_BYTES;
}

static bool set_word(struct fault *f, const struct word *w, const char *value)
{
	void *field = (char *)f + w->offset;

	if (!value)
		value = w->initial;
	if (w->kind == WORD_FLAG) {
		*(bool *)field = true;
		return !value;
	}
	if (!value)
		return false;
	switch (w->kind) {
	case WORD_TIME:
		return fault_parse_time(value, field);
	case WORD_RATE:
		return fault_parse_rate(value, field);
	case WORD_NUMBER:
		return take_number(&value, field) && !*value;
	case WORD_SIGNED:
		return parse_signed(value, field);
	case WORD_TEXT:
		return set_text(field, value);
	default:
		return set_end(f, w, value);
	}
}

static bool parse_word(struct fault *f, char *word)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < sizeof words_known / sizeof *words_known; i++)
		if (!strcmp(words_known[i].name, word))
			return set_word(f, &words_known[i], value);
	return false;
}

bool fault_parse(char *words, struct fault *ret, const char **ret_wrong)
{
	char *save = NULL;

	*ret = (struct fault){0};
	*ret_wrong = words;
	if (!set_text(ret->text, words))
		return false;
	for (char *w = strtok_r(words, " \t\n", &save); w;
	     w = strtok_r(NULL, " \t\n", &save)) {
		*ret_wrong = w;
		if (!parse_word(ret, w))
			return false;
	}
	if (ret->n_corrupt > FAULT_CORRUPT_MAX)
		return false;
	return true;
}

void fault_help(FILE *to)
{
	for (size_t i = 0; i < sizeof words_known / sizeof *words_known; i++)
		fprintf(to, "  %s%s\n", words_known[i].name, words_known[i].help);
}
