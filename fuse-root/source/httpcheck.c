/* SPDX-License-Identifier: Apache-2.0 */
/*
 * httpcheck.c - is this HTTP answer the range that was asked for
 *
 * Header values are hostile text: everything is parsed with bounds, a number that overflows or a
 * header given twice with different values counts as bad, never as absent.
 */
#include "source/httpcheck.h"

#include <inttypes.h>
#include <stdarg.h>
#include <strings.h>

struct text {
	const char *p;
	size_t n;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct text trim(struct text t)
{
	while (t.n && is_blank(t.p[0])) {
		t.p++;
		t.n--;
	}
	while (t.n && is_blank(t.p[t.n - 1]))
		t.n--;
	return t;
}

static bool text_is(struct text t, const char *word)
{
	return t.n == strlen(word) && strncasecmp(t.p, word, t.n) == 0;
}

static bool text_starts(struct text t, const char *word)
{
	return t.n >= strlen(word) && strncasecmp(t.p, word, strlen(word)) == 0;
}

/* Digits at the start of *t, which moves behind them. */
static bool take_number(struct text *t, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;

	for (; i < t->n && t->p[i] >= '0' && t->p[i] <= '9'; i++) {
		if (!checked_mul(v, 10u, &v))
			return false;
		if (!checked_add(v, (unsigned)(t->p[i] - '0'), &v))
			return false;
	}
	t->p += i;
	t->n -= i;
	*ret = v;
	return i > 0;
}

static bool take_char(struct text *t, char c)
{
	if (t->n == 0 || t->p[0] != c)
		return false;
	t->p++;
	t->n--;
	return true;
}

/* HTTP/1.1 206 Partial Content: everything known so far belonged to an earlier answer. */
static void parse_status(struct httpcheck *h, struct text line)
{
	uint64_t status;

	*h = (struct httpcheck){.status = -1};
	while (line.n && line.p[0] != ' ')
		take_char(&line, line.p[0]);
	line = trim(line);
	if (take_number(&line, &status) && status >= 100 && status <= 999)
		h->status = (int)status;
}

/* bytes first-last/total, bytes first-last/ *, bytes * /total (RFC 9110, 14.4) */
static bool parse_range_value(struct httpcheck *h, struct text v)
{
	if (!text_starts(v, "bytes "))
		return false;
	v = trim((struct text){v.p + 6, v.n - 6});
	if (!take_char(&v, '*')) {
		if (!take_number(&v, &h->range_first) || !take_char(&v, '-') ||
		    !take_number(&v, &h->range_last) || h->range_last < h->range_first)
			return false;
		h->has_range = true;
	}
	if (!take_char(&v, '/'))
		return false;
	if (take_char(&v, '*'))
		return v.n == 0 && h->has_range;
	h->has_total = true;
	return take_number(&v, &h->total) && v.n == 0 &&
	       (!h->has_range || h->range_last < h->total);
}

static void parse_range(struct httpcheck *h, struct text v)
{
	if (h->has_range || h->has_total || !parse_range_value(h, v))
		h->is_range_bad = true;
}

static void parse_length(struct httpcheck *h, struct text v)
{
	uint64_t length = 0;

	if (!take_number(&v, &length) || v.n || (h->has_length && h->length != length))
		h->is_length_bad = true;
	h->has_length = true;
	h->length = length;
}

static void parse_etag(struct httpcheck *h, struct text v)
{
	/* One that is too long is cut, and cut again the same way the next time. */
	const size_t n = v.n < sizeof h->etag ? v.n : sizeof h->etag - 1;

	for (size_t i = 0; i < n; i++)
		h->etag[i] = (char)(v.p[i] > 0x20 && v.p[i] < 0x7f ? v.p[i] : '?');
	h->etag[n] = '\0';
}

/* Sun, 06 Nov 1994 08:49:37 GMT; the two older forms are not sent by anything alive. */
static bool parse_date(struct text v, time_t *ret)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char copy[40], month[4];
	struct tm tm = {0};

	if (v.n >= sizeof copy)
		return false;
	memcpy(copy, v.p, v.n);
	copy[v.n] = '\0';
	if (sscanf(copy, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT", &tm.tm_mday,
		   month, &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
		return false;
	const char *found = strstr(months, month);
	if (!found || strlen(month) != 3 || (found - months) % 3)
		return false;
	tm.tm_mon = (int)((found - months) / 3);
	tm.tm_year -= 1900;
	*ret = timegm(&tm);
	return true;
}

static void parse_retry_after(struct httpcheck *h, struct text v, time_t now)
{
	struct text rest = v;
	uint64_t seconds = 0;
	time_t date;

	if (!take_number(&rest, &seconds) || rest.n) {
		if (!parse_date(v, &date))
			return;
		seconds = date > now ? (uint64_t)date - (uint64_t)now : 0;
	}
	seconds = min_u64(seconds, HTTPCHECK_RETRY_AFTER_MAX_MS / 1000);
	h->retry_after_ms = (int64_t)seconds * 1000;
}

void httpcheck_line(struct httpcheck *h, const char *line, size_t n, time_t now)
{
	const struct text all = trim((struct text){line, n});
	const char *colon = memchr(all.p, ':', all.n);

	if (text_starts(all, "HTTP/")) {
		parse_status(h, all);
		return;
	}
	if (!colon)
		return;
	const struct text name = {all.p, (size_t)(colon - all.p)};
	const struct text v = trim((struct text){colon + 1, all.n - name.n - 1});
	if (text_is(name, "content-range"))
		parse_range(h, v);
	else if (text_is(name, "content-length"))
		parse_length(h, v);
	else if (text_is(name, "etag"))
		parse_etag(h, v);
	else if (text_is(name, "retry-after"))
		parse_retry_after(h, v, now);
	else if (text_is(name, "content-encoding"))
		h->is_encoded = h->is_encoded || !text_is(v, "identity");
	else if (text_is(name, "content-type"))
		h->is_html = text_starts(v, "text/html") ||
			     text_starts(v, "application/xhtml");
}

bool httpcheck_same_etag(const char *a, const char *b)
{
	a += strncmp(a, "W/", 2) == 0 ? 2 : 0;
	b += strncmp(b, "W/", 2) == 0 ? 2 : 0;
	return strcmp(a, b) == 0;
}

static void _printf_(3, 4) say(struct httpcheck_verdict *ret, enum transport_fault fault,
			       const char *fmt, ...)
{
	va_list ap;

	ret->fault = fault;
	va_start(ap, fmt);
	vsnprintf(ret->text, sizeof ret->text, fmt, ap);
	va_end(ap);
}

static const char *status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} table[] = {
		{401, "it wants credentials, or others: see credentials="},
		{403, "access forbidden: see credentials="},
		{404, "no such file"},
		{407, "the proxy wants a user name and password: see credentials="},
		{408, "the server gave up waiting"},
		{410, "the file was withdrawn"},
		{429, "too many requests"},
		{500, "internal server error"},
		{502, "bad gateway"},
		{503, "service unavailable"},
		{504, "gateway timed out"},
		{511,
		 "a captive portal: the network wants a login: register this machine there, "
		 "or allow it the server"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].status == status)
			return table[i].text;
	return status >= 500 ? "server error" : "unexpected answer";
}

/* The length and the ETag are those of the file that was pinned. */
static bool is_same_file(const struct httpcheck *h, const struct httpcheck_want *want,
			 uint64_t file_bytes, struct httpcheck_verdict *ret)
{
	if (want->file_bytes && file_bytes != want->file_bytes)
		say(ret, TRANSPORT_REFUSED,
		    "the file has %" PRIu64 " bytes, not %" PRIu64
		    ": the published file was replaced",
		    file_bytes, want->file_bytes);
	else if (want->etag[0] && h->etag[0] && !httpcheck_same_etag(want->etag, h->etag))
		say(ret, TRANSPORT_REFUSED,
		    "the ETag is %.48s, was %.48s: the published file was replaced",
		    h->etag, want->etag);
	else
		return true;
	return false;
}

/* How many bytes of the range a file of this length has. */
static uint64_t bytes_in_file(const struct httpcheck_want *want, uint64_t file_bytes)
{
	if (file_bytes <= want->src_off)
		return 0;
	return min_u64(file_bytes - want->src_off, want->n_bytes);
}

static void accept_body(const struct httpcheck *h, const struct httpcheck_want *want,
			uint64_t n_bytes, uint64_t file_bytes,
			struct httpcheck_verdict *ret)
{
	if (h->is_length_bad || (h->has_length && h->length != n_bytes))
		say(ret, TRANSPORT_AWAY, "the Content-Length does not fit the range");
	else if (n_bytes == 0 || (n_bytes < want->n_bytes && !want->may_end))
		say(ret, TRANSPORT_REFUSED,
		    "the file ends at %" PRIu64 ", inside the range", file_bytes);
	else
		*ret = (struct httpcheck_verdict){
			.n_bytes = (uint32_t)n_bytes,
			.file_bytes = file_bytes,
		};
}

static void judge_206(const struct httpcheck *h, const struct httpcheck_want *want,
		      struct httpcheck_verdict *ret)
{
	if (h->is_range_bad || !h->has_range) {
		say(ret, TRANSPORT_AWAY, "206 without a readable Content-Range");
		return;
	}
	if (!h->has_total) {
		say(ret, TRANSPORT_AWAY,
		    "the Content-Range does not tell the file's length");
		return;
	}
	if (!is_same_file(h, want, h->total, ret))
		return;
	const uint64_t n_bytes = bytes_in_file(want, h->total);
	if (h->range_first != want->src_off ||
	    h->range_last - h->range_first + 1 != n_bytes)
		say(ret, TRANSPORT_AWAY,
		    "asked for %" PRIu64 "-%" PRIu64 ", answered %" PRIu64 "-%" PRIu64,
		    want->src_off, want->src_off + want->n_bytes - 1, h->range_first,
		    h->range_last);
	else
		accept_body(h, want, n_bytes, h->total, ret);
}

/* The whole file, and the range will be cut out of it.  Its length may be unknown (chunked). */
static void judge_whole(const struct httpcheck *h, const struct httpcheck_want *want,
			struct httpcheck_verdict *ret)
{
	const uint64_t file_bytes = h->has_length ? h->length : 0;
	uint64_t n_bytes = want->n_bytes;

	if (h->is_length_bad) {
		say(ret, TRANSPORT_AWAY, "the Content-Length cannot be read");
		return;
	}
	if (file_bytes && !is_same_file(h, want, file_bytes, ret))
		return;
	if (h->has_length)
		n_bytes = bytes_in_file(want, h->length);
	if (n_bytes == 0 || (n_bytes < want->n_bytes && !want->may_end))
		say(ret, TRANSPORT_REFUSED,
		    "the file ends at %" PRIu64 ", inside the range", file_bytes);
	else
		*ret = (struct httpcheck_verdict){
			.n_bytes = (uint32_t)n_bytes,
			.is_whole = true,
			.file_bytes = file_bytes,
		};
}

/* A small file may be there as a whole, but nothing that is asked for later would. */
static void judge_200(const struct httpcheck *h, const struct httpcheck_want *want,
		      struct httpcheck_verdict *ret)
{
	if (want->is_sequential)
		judge_whole(h, want, ret);
	else
		say(ret, TRANSPORT_NO_RANGES,
		    "the server ignores Range (200 instead of 206)");
}

static void judge_416(const struct httpcheck *h, const struct httpcheck_want *want,
		      struct httpcheck_verdict *ret)
{
	if (h->is_range_bad || !h->has_total)
		say(ret, TRANSPORT_AWAY, "416: the range is not in the file");
	else if (is_same_file(h, want, h->total, ret))
		say(ret, TRANSPORT_REFUSED, "416: the file has only %" PRIu64 " bytes",
		    h->total);
}

void httpcheck_judge(const struct httpcheck *h, const struct httpcheck_want *want,
		     struct httpcheck_verdict *ret)
{
	*ret = (struct httpcheck_verdict){.fault = TRANSPORT_FAULT_NONE};
	if (h->status <= 0)
		say(ret, TRANSPORT_AWAY, "not an HTTP answer");
	else if (h->status == 416)
		judge_416(h, want, ret);
	else if (h->status != 200 && h->status != 206)
		say(ret,
		    h->status == 404 || h->status == 410 ? TRANSPORT_GONE
							 : TRANSPORT_AWAY,
		    "HTTP %d: %s", h->status, status_text(h->status));
	else if (h->is_html)
		say(ret, TRANSPORT_AWAY,
		    "an HTML page instead of the file: a captive portal, or a wrong URL");
	else if (h->is_encoded)
		say(ret, TRANSPORT_AWAY, "the body is encoded, asked for identity");
	else if (h->status == 206)
		judge_206(h, want, ret);
	else
		judge_200(h, want, ret);
}
