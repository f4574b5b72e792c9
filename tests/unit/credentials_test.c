/* SPDX-License-Identifier: Apache-2.0 */
/* credentials_test.c - which line is for which server, and what is said about a wrong one */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/credentials.h"

static struct credentials c;

static int parse(const char *text)
{
	const size_t n = strlen(text);
	char *copy = malloc(n + 1);

	credentials_fini(&c);
	memcpy(copy, text, n + 1);
	return credentials_parse(&c, "file", copy, n);
}

static int teardown(void **state _unused_)
{
	credentials_fini(&c);
	return 0;
}

static void three_kinds(void **state _unused_)
{
	assert_int_equal(parse("# comment\n\n"
			       "  a basic  user  pass word \r\n"
			       "b:8080\tbearer\ttoken\n"
			       "https://c s3 eu-1 AKEY skey"),
			 0);
	assert_int_equal(c.n, 3);
	assert_int_equal(c.list[0].kind, CREDENTIAL_BASIC);
	assert_string_equal(c.list[0].user, "user");
	assert_string_equal(c.list[0].secret, "pass word");
	assert_int_equal(c.list[1].kind, CREDENTIAL_BEARER);
	assert_string_equal(c.list[1].secret, "token");
	assert_int_equal(c.list[1].port, 8080);
	assert_int_equal(c.list[2].kind, CREDENTIAL_S3);
	assert_string_equal(c.list[2].region, "eu-1");
	assert_string_equal(c.list[2].user, "AKEY");
	assert_string_equal(c.list[2].secret, "skey");
	assert_string_equal(c.list[2].scheme, "https");
}

static const char *token_for(const char *scheme, const char *host, unsigned port)
{
	const struct credential *found = credentials_find(&c, scheme, host, port);

	return found ? found->secret : "-";
}

static void only_its_host(void **state _unused_)
{
	assert_int_equal(parse("h:81 bearer one\nhttps://h bearer two\nh bearer three\n"
			       "[fe80::1]:80 bearer six\nhttps://[::1] bearer seven\n"),
			 0);
	assert_string_equal(token_for("http", "h", 81), "one");
	assert_string_equal(token_for("https", "H", 443), "two");
	assert_string_equal(token_for("http", "h", 80), "three");
	assert_string_equal(token_for("http", "h.evil", 80), "-");
	assert_string_equal(token_for("http", "xh", 80), "-");
	assert_string_equal(token_for("http", "", 0), "-");
	assert_string_equal(token_for("http", "fe80::1", 80), "six");
	assert_string_equal(token_for("http", "::1", 80), "-");
	assert_string_equal(token_for("https", "::1", 443), "seven");
}

static void wrong_lines(void **state _unused_)
{
	static const char *const wrong[] = {
		"h",
		"h digest u p",
		"h basic user",
		"h bearer",
		"h bearer a b",
		"h s3 eu key",
		"h s3 eu k s t",
		":80 bearer t",
		"h:0 bearer t",
		"h:x bearer t",
		"h:99999 bearer t",
		"[::1 bearer t",
		"[::1]x bearer t",
		"u@h bearer t",
		"h/path bearer t",
		"https:// bearer t",
		"ftp://h bearer t",
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (parse(wrong[i]) != -EINVAL)
			fail_msg("taken: %s", wrong[i]);
		assert_int_equal(c.n, 0);
	}
}

static void too_many(void **state _unused_)
{
	char text[CREDENTIALS_MAX * 16 + 32] = "";
	size_t n = 0;

	for (unsigned i = 0; i < CREDENTIALS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "h%u bearer t\n", i);
	assert_int_equal(parse(text), 0);
	snprintf(text + n, sizeof text - n, "last bearer t\n");
	assert_int_equal(parse(text), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_kinds),
		cmocka_unit_test(only_its_host),
		cmocka_unit_test(wrong_lines),
		cmocka_unit_test(too_many),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
