// SPDX-License-Identifier: Apache-2.0
/* url_test.c - host and port of URLs, and the image beside the one that a URL names */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/url.h"

#define HEX "ab00000000000000000000000000000000000000000000000000000000000000"

static const uint8_t digest[IMG_DIGEST_BYTES] = {0xab};

static void beside_the_image(void **state _unused_)
{
	static const char *const cases[][2] = {
		{"http://h/n.hri", "http://h/by-digest/" HEX ".hri"},
		{"https://u:p@h:8/a/b/n.hri",
		 "https://u:p@h:8/a/b/by-digest/" HEX ".hri"},
		{"http://h/a/n.hri?key=a/b", "http://h/a/by-digest/" HEX ".hri?key=a/b"},
		{"http://h/a/", "http://h/a/by-digest/" HEX ".hri"},
		{"file:///srv/n.hri", "file:///srv/by-digest/" HEX ".hri"},
		{"http://h", NULL},
		{"http://h?a/b", NULL},
		{"n.hri", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char url[256] = "";
		bool ok = url_by_digest(cases[i][0], digest, url, sizeof url);

		assert_int_equal(ok, cases[i][1] != NULL);
		if (ok)
			assert_string_equal(url, cases[i][1]);
	}
}

static void too_long(void **state _unused_)
{
	char url[64];

	assert_false(url_by_digest("http://h/n.hri", digest, url, sizeof url));
}

static void places(void **state _unused_)
{
	static const struct {
		const char *url;
		bool is_proxy;
		const char *scheme, *host;
		unsigned port;
		bool has_user;
	} cases[] = {
		{"http://h/x", false, "http", "h", 80, false},
		{"HTTPS://H.example:8443/x", false, "https", "H.example", 8443, false},
		{"http://u:p@h/x", false, "http", "h", 80, true},
		{"http://[::1]:81/x", false, "http", "::1", 81, false},
		/* What looks like the host of one parser and is that of another. */
		{"http://a#@b/x", false, "http", "a", 80, false},
		{"p:3128", true, "http", "p", 3128, false},
		{"u:p@p:3128", true, "http", "p", 3128, true},
		{"http://h", false, "http", "h", 80, false},
		{"http://h:65536/", false, "", "", 0, false},
		{"nfs://s/e/x", false, "nfs", "s", 0, false},
		{"http://p", true, "http", "p", 1080, false},
		{"https://p/", true, "https", "p", 443, false},
		{"socks5h://p", true, "socks5h", "p", 1080, false},
		{"file:///x", false, "file", "", 0, false},
		{"http://", false, "", "", 0, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct url_place place;

		url_place(cases[i].url, cases[i].is_proxy, &place);
		assert_string_equal(place.scheme, cases[i].scheme);
		assert_string_equal(place.host, cases[i].host);
		assert_int_equal(place.port, cases[i].port);
		assert_int_equal(place.has_user, cases[i].has_user);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(beside_the_image),
		cmocka_unit_test(too_long),
		cmocka_unit_test(places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
