// SPDX-License-Identifier: Apache-2.0
/* openimage_test.c - which images are opened, from which server, and what is said otherwise */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/utsname.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/openimage.h"
#include "tests/fakes/source_fault.h"
#include "tests/fakes/testimage.h"

static struct testimage image;
static struct source *source;
static struct openimage opened;
static struct openimage_trust trust;
static char why[200];
static int n_idle_left;

static int setup(void **state _unused_)
{
	testimage_new(&image, 3, 8192, NULL);
	source = source_fault_new(image.file, image.n_bytes);
	n_idle_left = INT_MAX;
	trust = (struct openimage_trust){.has_digest = true};
	memcpy(trust.digest, image.info->digest, sizeof trust.digest);
	return source ? 0 : -1;
}

static int teardown(void **state _unused_)
{
	source_free(source);
	testimage_free(&image);
	return 0;
}

static bool count_idle(void *ctx _unused_)
{
	return --n_idle_left > 0;
}

static int open_within(unsigned n_servers, int64_t ms)
{
	const struct openimage_config config = {
		.source = source,
		.n_servers = n_servers,
		.trust = trust,
		.deadline_ms = clock_ms() + ms,
		.idle = count_idle,
	};

	source_fault_set_servers(source, n_servers);
	return openimage_open(&config, &opened, why, sizeof why);
}

static void opens_in_one_request(void **state _unused_)
{
	struct source_fault_counts counts;
	struct img_range range;

	assert_int_equal(open_within(1, 1000), 0);
	assert_int_equal(opened.n_first, min_u64(image.n_bytes, IMG_FIRST_READ_BYTES));
	assert_memory_equal(opened.first, image.file, opened.n_first);
	assert_memory_equal(img_info(opened.img), image.info, sizeof *image.info);
	assert_int_equal(img_page_locate(opened.img, 0, &range), 0);
	source_fault_counts(source, &counts);
	assert_int_equal(counts.n_requests, 1);
	assert_int_equal(counts.n_outstanding, 0);
	assert_int_equal(counts.n_pins, 1);
	assert_int_equal(counts.pinned_bytes, image.n_bytes);
	openimage_close(&opened);
	openimage_close(&opened);
}

static void in_small_steps(void **state _unused_)
{
	source_fault_set_step(source, 5000);
	assert_int_equal(open_within(1, 1000), 0);
	openimage_close(&opened);
}

static void nobody_answers(void **state _unused_)
{
	struct source_fault_counts counts;

	source_fault_hold(source, true);
	assert_int_equal(open_within(2, 30), -ETIMEDOUT);
	/* What the fake's servers say. */
	assert_string_equal(why, "no server answered in time: "
				 "http://fake-0/image.hri: held by the test");
	source_fault_counts(source, &counts);
	assert_int_equal(counts.n_outstanding, 0);
	assert_int_equal(counts.n_pins, 0);
}

static void somebody_gives_up(void **state _unused_)
{
	struct source_fault_counts counts;
	int64_t start_ms = clock_ms();

	source_fault_hold(source, true);
	n_idle_left = 2;
	assert_int_equal(open_within(1, 60000), -ECANCELED);
	assert_true(clock_ms() - start_ms < 5000);
	source_fault_counts(source, &counts);
	assert_int_equal(counts.n_outstanding, 0);
}

static void another_image(void **state _unused_)
{
	trust.digest[0] ^= 1;
	assert_int_equal(open_within(1, 1000), -EKEYREJECTED);
	assert_non_null(strstr(why, "HEAD: refused: "));
}

static void an_unsigned_image(void **state _unused_)
{
	trust.has_digest = false;
	trust.public_key = "";
	assert_int_equal(open_within(3, 1000), -EKEYREJECTED);
	assert_non_null(strstr(why, "HEAD: refused: "));
}

static void an_old_version(void **state _unused_)
{
	trust.min_version = 8;
	assert_int_equal(open_within(1, 1000), -EKEYREJECTED);
	assert_non_null(strstr(why, "version number 7 is lower than min-version 8"));
	trust.min_version = 7;
	assert_int_equal(open_within(1, 1000), 0);
	openimage_close(&opened);
}

/*
 * A byte of HEAD, META and page table: the other server's image is taken, and what was wrong is
 * named with its place.
 */
static void the_other_server_has_a_good_one(void **state _unused_)
{
	const struct {
		const char *part;
		uint64_t off, bad;
	} parts[] = {
		{"HEAD", 0, 5},
		{"HEAD", 0, 100},
		{"META", image.info->meta_off, image.info->meta_off + 3},
		{"PAGE TABLE", image.info->table_off, image.info->table_off + 9},
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		struct source_fault_counts before, after;
		char start[64];

		source_fault_counts(source, &before);
		source_fault_corrupt(source, parts[i].bad, UINT_MAX);
		assert_int_equal(open_within(1, 1000), -EKEYREJECTED);
		snprintf(start, sizeof start,
			 "%s at offset %" PRIu64 ": refused: ", parts[i].part,
			 parts[i].off);
		assert_memory_equal(why, start, strlen(start));
		assert_int_equal(open_within(2, 1000), 0);
		openimage_close(&opened);
		source_fault_counts(source, &after);
		assert_int_equal(after.n_rejects, before.n_rejects + 2);
		assert_int_equal(after.last_reject_server, 0);
		assert_int_equal(after.last_reject_off, parts[i].off);
		/* Only the length of an image that verified is held against other servers. */
		assert_int_equal(after.n_pins, before.n_pins + 1);
	}
}

static void wrong_digest_is_named_and_asked_for(void **state _unused_)
{
	struct source_fault_counts counts;
	char has[IMG_HEX_BYTES], wanted[IMG_HEX_BYTES];

	trust.digest[0] ^= 1;
	img_digest_hex(image.info->digest, has);
	img_digest_hex(trust.digest, wanted);
	assert_int_equal(open_within(2, 1000), -EKEYREJECTED);
	assert_non_null(strstr(why, "HEAD: refused: digest is sha256:"));
	assert_non_null(strstr(why, has));
	assert_non_null(strstr(why, wanted));
	source_fault_counts(source, &counts);
	assert_int_equal(counts.n_moves, 2);
	assert_int_equal(counts.n_rejects, 2);
}

static void wrong_key_is_named(void **state _unused_)
{
	/* That of RFC 8410. */
	static const char pem[] =
		"-----BEGIN PUBLIC KEY-----\n"
		"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
		"-----END PUBLIC KEY-----\n";

	trust.public_key = pem;
	trust.public_key_bytes = sizeof pem - 1;
	assert_int_equal(open_within(1, 1000), -EKEYREJECTED);
	assert_non_null(strstr(why, "HEAD: refused: the image is not signed, key id "));
	assert_null(strstr(why, "unknown"));
}

/* An image whose META has MORE, members with a comma behind each. */
static int open_with_meta(const char *more)
{
	char meta[200];
	int err;

	snprintf(meta, sizeof meta, "{%s\"version_number\":7}", more);
	source_free(source);
	testimage_free(&image);
	testimage_meta = meta;
	testimage_new(&image, 3, 8192, NULL);
	testimage_meta = "{\"filesystem\":\"ext4\",\"version_number\":7}";
	source = source_fault_new(image.file, image.n_bytes);
	memcpy(trust.digest, image.info->digest, sizeof trust.digest);
	err = open_within(1, 1000);
	if (err == 0)
		openimage_close(&opened);
	return err;
}

static int open_for(const char *architecture)
{
	char more[120];

	snprintf(more, sizeof more, "\"architecture\":\"%s\",\"filesystem\":\"ext4\",",
		 architecture);
	return open_with_meta(more);
}

/* An image that lists none may be for any; the refusal names both and the way out. */
static void another_kernel(void **state _unused_)
{
	static const char two[] =
		"\"filesystem\":\"ext4\",\"kernels\":[\"5.10.0\",\"6.1.0-9\"],";

	trust.kernel = "6.1.0-9";
	assert_int_equal(open_with_meta(two), 0);
	trust.kernel = "6.1.0";
	assert_int_equal(open_with_meta(two), -EKEYREJECTED);
	assert_string_equal(why,
			    "META: refused: the image is for kernel 5.10.0, 6.1.0-9, "
			    "this is 6.1.0: boot that, or kernel-check=warn");
	assert_int_equal(open_with_meta("\"filesystem\":\"ext4\","), 0);
	/* kernel-check=warn and off, and any attach but a boot's. */
	trust.kernel = NULL;
	assert_int_equal(open_with_meta(two), 0);
}

static void another_architecture(void **state _unused_)
{
	struct utsname host;

	assert_int_equal(uname(&host), 0);
	assert_int_equal(open_for(host.machine), 0);
	assert_int_equal(open_for("pdp11"), -EKEYREJECTED);
	assert_non_null(strstr(why, "META: refused: the image is for pdp11, this"));
	assert_non_null(strstr(why, host.machine));
}

static void *no_memory(size_t n_bytes _unused_)
{
	return NULL;
}

/* Another server could not help, and the one that was asked has done nothing wrong. */
static void the_node_fails_and_not_the_server(void **state _unused_)
{
	struct source_fault_counts counts;
	int err;

	json_set_alloc_funcs(no_memory, free);
	err = open_within(2, 1000);
	json_set_alloc_funcs(malloc, free);
	assert_int_equal(err, -ENOMEM);
	assert_non_null(strstr(why, "META at offset "));
	assert_non_null(strstr(why, ": not verified: this node failed: out of memory"));
	source_fault_counts(source, &counts);
	assert_int_equal(counts.n_rejects, 0);
	assert_int_equal(counts.n_requests, 1);
}

static void not_an_image(void **state _unused_)
{
	static const uint8_t page[] = "<html>not found</html>";

	source_free(source);
	source = source_fault_new(page, sizeof page);
	assert_int_equal(open_within(1, 1000), -EKEYREJECTED);
	assert_non_null(strstr(why, "HEAD at offset 0: refused: too few bytes"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(opens_in_one_request),
		T(in_small_steps),
		T(nobody_answers),
		T(somebody_gives_up),
		T(another_image),
		T(an_unsigned_image),
		T(an_old_version),
		T(the_other_server_has_a_good_one),
		T(the_node_fails_and_not_the_server),
		T(not_an_image),
		T(wrong_digest_is_named_and_asked_for),
		T(wrong_key_is_named),
		T(another_architecture),
		T(another_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
