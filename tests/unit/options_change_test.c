/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_change_test.c - KEY=VALUE words of `hydroot set`: all or none
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/options_change.h"

static struct options o, before;
static char why[256];
static unsigned changed;

static int setup(void **state _unused_)
{
	options_init(&o);
	snprintf(o.servers[0], sizeof o.servers[0], "http://a/i.hri");
	o.n_servers = 1;
	o.has_url = true;
	before = o;
	why[0] = '\0';
	changed = 0;
	return 0;
}

static int change(const char *a, const char *b)
{
	const char *words[] = {a, b};

	return options_change(&o, words, b ? 2 : 1, &changed, why, sizeof why);
}

static void assert_refused(const char *word, const char *reason)
{
	assert_int_equal(change("rate=7M", word), -EINVAL);
	if (!strstr(why, reason))
		fail_msg("%s: %s", word, why);
	assert_memory_equal(&o, &before, sizeof o);
	assert_int_equal(changed, 0);
}

static void values_are_those_of_the_table(void **state _unused_)
{
	assert_int_equal(change("rate=10Mbit", "mode=stream"), 0);
	assert_int_equal(o.rate_bytes, 1250000);
	assert_int_equal(o.mode, MODE_STREAM);
	assert_int_equal(changed, CHANGE_RATE | CHANGE_MODE);
	assert_int_equal(change("rate=1", "rate=0"), 0);
	assert_int_equal(o.rate_bytes, 0);
	assert_int_equal(changed, CHANGE_RATE);
	assert_string_equal(option_change_name(CHANGE_SERVER), "server");
}

static void one_wrong_word_changes_nothing(void **state _unused_)
{
	assert_refused("rate=fast", "rate=fast: wrong value: accepted: bytes per second");
	assert_refused("mode=full", "mode=full: wrong value: accepted: stream, hybrid");
	assert_refused("mode=", "wrong value");
	assert_refused("mode", "not KEY=VALUE");
	assert_refused("", "not KEY=VALUE");
	assert_refused("=1", "not KEY=VALUE");
	assert_refused("name=x", "mode, rate, cache, reserve, server");
	assert_refused("digest=sha256:00", "not KEY=VALUE of a key that can be set");
	assert_refused("server=ftp://x/", "wrong value");
	assert_refused("server=-http://b/i.hri", "none of that URL");
	assert_refused("server=-http://a/i.hri", "the last one must stay");
	assert_int_equal(options_change(&o, NULL, 0, &changed, why, sizeof why), -EINVAL);
}

static void servers_come_and_go(void **state _unused_)
{
	assert_int_equal(change("server=http://b/i.hri", "server=http://c/i.hri"), 0);
	assert_int_equal(o.n_servers, 3);
	assert_int_equal(change("server=http://b/i.hri", NULL), 0);
	assert_int_equal(o.n_servers, 3);
	assert_int_equal(change("server=-http://a/i.hri", NULL), 0);
	assert_int_equal(o.n_servers, 2);
	assert_string_equal(o.servers[0], "http://b/i.hri");
	assert_string_equal(o.servers[1], "http://c/i.hri");
	assert_int_equal(changed, CHANGE_SERVER);
}

static void passwords_are_not_repeated(void **state _unused_)
{
	assert_refused("server=http://user:secret@", "wrong value");
	assert_null(strstr(why, "secret"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(values_are_those_of_the_table, setup),
		cmocka_unit_test_setup(one_wrong_word_changes_nothing, setup),
		cmocka_unit_test_setup(servers_come_and_go, setup),
		cmocka_unit_test_setup(passwords_are_not_repeated, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
