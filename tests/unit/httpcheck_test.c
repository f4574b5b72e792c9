/* SPDX-License-Identifier: Apache-2.0 */
/* httpcheck_test.c - only the range that was asked for, of the file that was pinned, is data */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/httpcheck.h"

/* 1994-11-06 08:49:37 UTC */
#define NOW 784111777

static struct httpcheck_verdict v;
static const struct httpcheck_want want = {
	.src_off = 100,
	.n_bytes = 50,
	.file_bytes = 1000,
	.etag = "\"abc\"",
};

static void parse(struct httpcheck *h, const char *headers)
{
	*h = (struct httpcheck){0};
	for (const char *line = headers; *line;) {
		const size_t n = strcspn(line, "\n") + 1;

		httpcheck_line(h, line, n, NOW);
		line += n;
	}
}

static enum transport_fault judge_for(const struct httpcheck_want *w, const char *headers)
{
	struct httpcheck h;

	parse(&h, headers);
	httpcheck_judge(&h, w, &v);
	if (v.fault)
		assert_true(v.text[0] != '\0');
	return v.fault;
}

static enum transport_fault judge(const char *headers)
{
	return judge_for(&want, headers);
}

#define OK_206 "HTTP/1.1 206 Partial Content\r\n"

static void exact_range_is_data(void **state)
{
	(void)state;
	assert_int_equal(judge(OK_206 "content-RANGE:  bytes 100-149/1000 \r\n"
				      "Content-Length: 50\r\nETag: \"abc\"\r\n\r\n"),
			 TRANSPORT_FAULT_NONE);
	assert_int_equal(v.n_bytes, 50);
	assert_int_equal(v.file_bytes, 1000);
}

static void other_ranges_are_not(void **state)
{
	static const char *const bad[] = {
		"bytes 100-148/1000",	  "bytes 0-49/1000",
		"bytes 101-150/1000",	  "bytes 100-149/*",
		"bytes 149-100/1000",	  "bytes 100-149/120",
		"bytes 100-149",	  "100-149/1000",
		"bytes 100-149/1000x",	  "bytes 99999999999999999999-149/1000",
		"bytes -1-149/1000",	  "",
		"bytes 100 - 149 / 1000", "bytes */1000",
	};
	char headers[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(headers, sizeof headers, OK_206 "Content-Range: %s\r\n\r\n",
			 bad[i]);
		assert_int_equal(judge(headers), TRANSPORT_AWAY);
	}
	assert_int_equal(judge(OK_206 "\r\n"), TRANSPORT_AWAY);
	assert_int_equal(judge(OK_206 "Content-Range: bytes 100-149/1000\r\n"
				      "Content-Range: bytes 100-149/1000\r\n\r\n"),
			 TRANSPORT_AWAY);
	assert_int_equal(judge(OK_206 "Content-Range: bytes 100-149/1000\r\n"
				      "Content-Length: 51\r\n\r\n"),
			 TRANSPORT_AWAY);
	assert_int_equal(
		judge(OK_206 "Content-Type: multipart/byteranges; boundary=x\r\n\r\n"),
		TRANSPORT_AWAY);
}

static void another_file_is_refused(void **state)
{
	(void)state;
	assert_int_equal(judge(OK_206 "Content-Range: bytes 100-149/1001\r\n\r\n"),
			 TRANSPORT_REFUSED);
	assert_non_null(strstr(v.text, "replaced"));
	assert_int_equal(judge(OK_206 "Content-Range: bytes 100-149/1000\r\n"
				      "ETag: \"def\"\r\n\r\n"),
			 TRANSPORT_REFUSED);
	assert_int_equal(judge(OK_206 "Content-Range: bytes 100-149/1000\r\n"
				      "ETag: W/\"abc\"\r\n\r\n"),
			 TRANSPORT_FAULT_NONE);
	assert_int_equal(judge("HTTP/1.1 416 no\r\nContent-Range: bytes */90\r\n\r\n"),
			 TRANSPORT_REFUSED);
	assert_int_equal(judge("HTTP/1.1 416 no\r\n\r\n"), TRANSPORT_AWAY);
}

static void range_may_end_with_the_file(void **state)
{
	struct httpcheck_want w = {
		.src_off = 980, .n_bytes = 50, .may_end = true, .etag = ""};
	const char *headers = OK_206 "Content-Range: bytes 980-999/1000\r\n\r\n";

	(void)state;
	assert_int_equal(judge_for(&w, headers), TRANSPORT_FAULT_NONE);
	assert_int_equal(v.n_bytes, 20);
	w.may_end = false;
	assert_int_equal(judge_for(&w, headers), TRANSPORT_REFUSED);
}

static void ok_is_no_range_however_small_the_file(void **state)
{
	struct httpcheck_want head = {.n_bytes = 4096, .may_end = true, .etag = ""};

	(void)state;
	assert_int_equal(judge("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
			 TRANSPORT_NO_RANGES);
	assert_int_equal(
		judge_for(&head, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"),
		TRANSPORT_NO_RANGES);
	assert_int_equal(judge_for(&head, "HTTP/1.1 200 OK\r\n\r\n"),
			 TRANSPORT_NO_RANGES);
	/* All of it was asked for, but the next request will not be for all. */
	assert_int_equal(
		judge_for(&head, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
		TRANSPORT_NO_RANGES);
	head.is_sequential = true;
	assert_int_equal(
		judge_for(&head, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
		TRANSPORT_FAULT_NONE);
	assert_true(v.is_whole);
	assert_int_equal(v.n_bytes, 1000);
	assert_int_equal(v.file_bytes, 1000);
}

static void pages_and_codings_are_not_data(void **state)
{
	(void)state;
	assert_int_equal(judge(OK_206 "Content-Range: bytes 100-149/1000\r\n"
				      "Content-Type: text/html; charset=utf-8\r\n\r\n"),
			 TRANSPORT_AWAY);
	assert_non_null(strstr(v.text, "HTML"));
	assert_int_equal(judge(OK_206 "Content-Range: bytes 100-149/1000\r\n"
				      "Content-Encoding: gzip\r\n\r\n"),
			 TRANSPORT_AWAY);
	assert_int_equal(judge(OK_206 "Content-Range: bytes 100-149/1000\r\n"
				      "Content-Encoding: identity\r\n\r\n"),
			 TRANSPORT_FAULT_NONE);
}

static void errors_have_a_sentence(void **state)
{
	static const struct {
		const char *line, *text;
	} cases[] = {
		{"HTTP/1.1 404 Not Found\r\n", "HTTP 404: no such file"},
		{"HTTP/1.0 403 Forbidden\r\n", "HTTP 403: access forbidden"},
		{"HTTP/1.1 511 x\r\n", "captive portal"},
		{"HTTP/2 507\r\n", "HTTP 507: server error"},
		{"HTTP/1.1 418 teapot\r\n", "unexpected answer"},
		{"HTTP/1.1 xyz\r\n", "not an HTTP answer"},
		{"garbage\r\n", "not an HTTP answer"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(judge(cases[i].line),
				 i == 0 ? TRANSPORT_GONE : TRANSPORT_AWAY);
		assert_non_null(strstr(v.text, cases[i].text));
	}
}

static void the_last_answer_counts(void **state)
{
	(void)state;
	assert_int_equal(judge("HTTP/1.1 302 Found\r\nContent-Range: bytes 1-2/3\r\n"
			       "Retry-After: 9\r\nLocation: /x\r\n\r\n" OK_206
			       "Content-Range: bytes 100-149/1000\r\n\r\n"),
			 TRANSPORT_FAULT_NONE);
}

static int64_t retry_after(const char *value)
{
	struct httpcheck h;
	char headers[256];

	snprintf(headers, sizeof headers, "HTTP/1.1 503 x\r\nRetry-After: %s\r\n", value);
	parse(&h, headers);
	return h.retry_after_ms;
}

static void retry_after_is_seconds_or_a_date(void **state)
{
	(void)state;
	assert_int_equal(retry_after("7"), 7000);
	assert_int_equal(retry_after("86400"), 300000);
	assert_int_equal(retry_after("Sun, 06 Nov 1994 08:49:49 GMT"), 12000);
	assert_int_equal(retry_after("Sun, 06 Nov 1994 08:00:00 GMT"), 0);
	assert_int_equal(retry_after("Sun, 06 Nov 2094 08:00:00 GMT"), 300000);
	assert_int_equal(retry_after("soon"), 0);
	assert_int_equal(retry_after("-1"), 0);
	assert_int_equal(retry_after("Sun, 06 anN 1994 08:49:49 GMT"), 0);
	assert_int_equal(retry_after("99999999999999999999999"), 0);
}

static void whole_file_will_do_when_sequential(void **state)
{
	struct httpcheck_want w = want;

	(void)state;
	w.is_sequential = true;
	assert_int_equal(judge_for(&w, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
			 TRANSPORT_FAULT_NONE);
	assert_true(v.is_whole);
	assert_int_equal(v.n_bytes, 50);
	assert_int_equal(v.file_bytes, 1000);
	assert_int_equal(judge_for(&w, "HTTP/1.1 200 OK\r\n\r\n"), TRANSPORT_FAULT_NONE);
	assert_int_equal(v.n_bytes, 50);
	assert_int_equal(v.file_bytes, 0);
	/* Another file, its name elsewhere, a page, an odd length: none will. */
	assert_int_equal(judge_for(&w, "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"),
			 TRANSPORT_REFUSED);
	assert_int_equal(judge_for(&w, "HTTP/1.1 200 OK\r\nETag: \"x\"\r\n"
				       "Content-Length: 1000\r\n\r\n"),
			 TRANSPORT_REFUSED);
	assert_int_equal(judge_for(&w, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
				       "Content-Length: 1000\r\n\r\n"),
			 TRANSPORT_AWAY);
	assert_int_equal(judge_for(&w, "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
			 TRANSPORT_AWAY);
	w.file_bytes = 0;
	assert_int_equal(judge_for(&w, "HTTP/1.1 200 OK\r\nContent-Length: 120\r\n\r\n"),
			 TRANSPORT_REFUSED);
	w.may_end = true;
	assert_int_equal(judge_for(&w, "HTTP/1.1 200 OK\r\nContent-Length: 120\r\n\r\n"),
			 TRANSPORT_FAULT_NONE);
	assert_int_equal(v.n_bytes, 20);
	/* One that does have ranges gives one. */
	assert_int_equal(judge_for(&w, OK_206 "Content-Range: bytes 100-149/1000\r\n"
					      "Content-Length: 50\r\n\r\n"),
			 TRANSPORT_FAULT_NONE);
	assert_false(v.is_whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_range_is_data),
		cmocka_unit_test(other_ranges_are_not),
		cmocka_unit_test(another_file_is_refused),
		cmocka_unit_test(range_may_end_with_the_file),
		cmocka_unit_test(ok_is_no_range_however_small_the_file),
		cmocka_unit_test(pages_and_codings_are_not_data),
		cmocka_unit_test(errors_have_a_sentence),
		cmocka_unit_test(the_last_answer_counts),
		cmocka_unit_test(retry_after_is_seconds_or_a_date),
		cmocka_unit_test(whole_file_will_do_when_sequential),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
