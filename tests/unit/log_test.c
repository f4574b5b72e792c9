/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_test.c - where messages go and what they look like
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/log.h"

static FILE *sink, *other;
static char text[4096];

static int setup(void **state _unused_)
{
	sink = tmpfile();
	other = tmpfile();
	log_init("hydrootd", false);
	log_set_name(NULL);
	return !sink || !other;
}

static int teardown(void **state _unused_)
{
	log_daemon(-1, -1);
	fclose(sink);
	fclose(other);
	return 0;
}

static const char *content(FILE *f)
{
	ssize_t n = pread(fileno(f), text, sizeof text - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

/* Must be the first test: there is no way back from log_daemon. */
static void stderr_has_program_and_name(void **state _unused_)
{
	int saved = dup(STDERR_FILENO);

	dup2(fileno(sink), STDERR_FILENO);
	log_error("chunk %d: fetch: %s", 7, "timed out");
	log_debug("not shown");
	log_set_name("data");
	log_notice("ready");
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_string_equal(
		content(sink),
		"hydrootd: chunk 7: fetch: timed out\nhydrootd: data: ready\n");
}

static void daemon_has_two_sinks(void **state _unused_)
{
	log_daemon(fileno(sink), fileno(other));
	log_set_name("root");
	log_warning("server: away");
	assert_string_equal(content(sink), "<4>hydrootd: root: server: away\n");
	assert_true(content(other)[0] == '[');
	assert_non_null(strstr(text, "] warning: root: server: away\n"));
}

static void debug_is_shown_when_asked_for(void **state _unused_)
{
	log_daemon(fileno(sink), -1);
	log_debug("one");
	log_init("hydrootd", true);
	log_debug("two");
	assert_string_equal(content(sink), "<5>hydrootd: two\n");
}

/* For the status: errors alone, those of this thread, until they are forgotten. */
static void the_last_error_is_kept(void **state _unused_)
{
	log_daemon(fileno(sink), -1);
	log_forget_error();
	assert_string_equal(log_last_error(), "");
	log_warning("server: away");
	assert_string_equal(log_last_error(), "");
	log_error("store %s: too small", "/dev/sdz");
	log_notice("more");
	assert_string_equal(log_last_error(), "store /dev/sdz: too small");
	log_forget_error();
	assert_string_equal(log_last_error(), "");
}

static void outside_text_cannot_forge_lines(void **state _unused_)
{
	log_daemon(fileno(sink), -1);
	log_error("h: %s", "a\n<0>kernel: forged\x1b[2J\r\x7f é");
	assert_string_equal(content(sink),
			    "<3>hydrootd: h: a?<0>kernel: forged?[2J?? é\n");
}

static void long_messages_are_cut(void **state _unused_)
{
	char longer[5000];

	memset(longer, 'x', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	log_daemon(fileno(sink), fileno(other));
	log_error("%s", longer);
	assert_true(strlen(content(sink)) < 1024);
	assert_int_equal(text[strlen(text) - 1], '\n');
	assert_true(strlen(content(other)) < 1024);
}

static void file_is_bounded(void **state _unused_)
{
	struct stat st;

	assert_int_equal(ftruncate(fileno(other), 1024 * 1024 + 1), 0);
	assert_true(lseek(fileno(other), 0, SEEK_END) > 0);
	log_daemon(-1, fileno(other));
	log_error("anew");
	assert_int_equal(fstat(fileno(other), &st), 0);
	assert_true(st.st_size < 100);
	assert_non_null(strstr(content(other), "error: anew\n"));
}

static void old_messages_move_away(void **state _unused_)
{
	FILE *old = tmpfile();
	struct stat st;

	log_old_file(fileno(old));
	log_daemon(-1, fileno(other));
	for (unsigned i = 0; i < 20000; i++)
		log_notice("message %u of many that fill the file", i);
	assert_int_equal(fstat(fileno(other), &st), 0);
	assert_true(st.st_size <= LOG_FILE_BYTES + 2048);
	assert_non_null(strstr(content(other), "log: begins anew"));
	assert_int_equal(fstat(fileno(old), &st), 0);
	assert_true(st.st_size > LOG_FILE_BYTES && st.st_size <= LOG_FILE_BYTES + 2048);
	assert_non_null(strstr(content(old), " of many that fill the file\n"));
	log_old_file(-1);
	fclose(old);
}

static unsigned n_lines(const char *s)
{
	unsigned n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

/* After the other tests, whose messages count, too. */
static void kernel_log_is_not_flooded(void **state _unused_)
{
	FILE *control = tmpfile();

	assert_int_equal(pwrite(fileno(control), "ratelimit\n", 10, 0), 10);
	log_kmsg_control(fileno(control));
	log_daemon(fileno(sink), -1);
	for (unsigned i = 0; i < 30; i++)
		log_notice("n");
	log_error("comes through");
	for (unsigned i = 0; i < 30; i++)
		log_error("e");
	assert_true(n_lines(content(sink)) <= LOG_KMSG_BURST);
	assert_non_null(strstr(text, "hydrootd: comes through\n"));
	assert_non_null(strstr(text, "there are more messages"));
	assert_null(strstr(strstr(text, "there are more") + 1, "there are more"));
	assert_int_equal(pwrite(fileno(control), "on\n       ", 10, 0), 10);
	for (unsigned i = 0; i < 30; i++)
		log_notice("n");
	assert_true(n_lines(content(sink)) >= 30);
	log_kmsg_control(-1);
	fclose(control);
}

static void errno_is_kept(void **state _unused_)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	log_daemon(full, -1);
	errno = ENOTTY;
	log_error("lost");
	assert_int_equal(errno, ENOTTY);
	close(full);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(stderr_has_program_and_name),
		TEST(daemon_has_two_sinks),
		TEST(debug_is_shown_when_asked_for),
		TEST(the_last_error_is_kept),
		TEST(outside_text_cannot_forge_lines),
		TEST(long_messages_are_cut),
		TEST(file_is_bounded),
		TEST(errno_is_kept),
		TEST(old_messages_move_away),
		TEST(kernel_log_is_not_flooded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
