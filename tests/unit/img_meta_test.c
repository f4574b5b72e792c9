/* SPDX-License-Identifier: Apache-2.0 */
/*
 * img_meta_test.c - META: digest, length, strict JSON
 */
#include "tests/unit/img_fixture.h"

static void check(const char *meta, size_t n, int err)
{
	uint8_t raw[4096] = {1};
	struct fixture f = fixture_build_meta(raw, sizeof raw, 65536, meta, n);
	struct img *img = fixture_img(&f);
	int r = img_err_kind(
		img_check_meta(img, f.file + f.info.meta_off, f.info.meta_bytes));

	if (r != err)
		print_error("for %s\n", meta);
	assert_int_equal(r, err);
	img_free(img);
	fixture_free(&f);
}

static void check_text(const char *meta, int err)
{
	check(meta, strlen(meta), err);
}

static void good(void **state _unused_)
{
	check_text(FIXTURE_META, 0);
	check_text("{\"filesystem\":\"unknown\",\"version_number\":7,\"name\":\"x\","
		   "\"annotations\":{\"a\":[1,2,{}]},\"later\":null}",
		   0);
	check_text("{\"filesystem\":\"ext4\",\"version_number\":7,"
		   "\"architecture\":\"x86_64\",\"kernels\":[\"6.1.0\",\"6.12\"],"
		   "\"os_release\":{\"ID\":\"debian\"}}",
		   0);
}

static void refused(void **state _unused_)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		"77",
		"\"ext4\"",
		"{\"filesystem\":\"ext4\",\"version_number\":8}",
		"{\"filesystem\":\"ext4\",\"version_number\":7.0}",
		"{\"filesystem\":\"ext4\",\"version_number\":\"7\"}",
		"{\"filesystem\":\"ext4\",\"version_number\":-7}",
		"{\"filesystem\":\"ext4\"}",
		"{\"version_number\":7}",
		"{\"filesystem\":\"ntfs\",\"version_number\":7}",
		"{\"filesystem\":4,\"version_number\":7}",
		"{\"filesystem\":\"ext4\",\"version_number\":7,\"name\":\"\"}",
		"{\"filesystem\":\"ext4\",\"version_number\":7,\"name\":1}",
		"{\"filesystem\":\"ext4\",\"version_number\":7,\"annotations\":[]}",
		"{\"filesystem\":\"ext4\",\"version_number\":7,\"version_number\":7}",
		"{\"filesystem\":\"ext4\",\"version_number\":7} x",
		"{\"filesystem\":\"ext4\",\"version_number\":7,\"architecture\":\"\"}",
		"{\"filesystem\":\"ext4\",\"version_number\":7,\"architecture\":\"X\"}",
		"{\"filesystem\":\"ext4\",\"version_number\":7,\"architecture\":1}",
		"{\"filesystem\":\"ext4\",\"version_number\":7,\"architecture\":"
		"\"abcdefghijklmnopqrstuvwxyz012345\"}",
		"{\"filesystem\":\"ext4\",\"version_number\":7,\"kernels\":\"6.1\"}",
		"{\"filesystem\":\"ext4\",\"version_number\":7,\"kernels\":[6]}",
		"{\"filesystem\":\"ext4\",\"version_number\":7,\"os_release\":[]}",
		"{\"filesystem\":\"ext4\",\"version_number\":7,\"os_release\":{"
		"\"ID\":1}}",
		"{\"filesystem\":\"ext4\",\"version_number\":7,}",
		"{\"filesystem\":\"ext4\",\"version_number\":7,\"name\":\"\xff\"}",
		"{\"filesystem\":\"ext4\",\"version_number\":7,\"name\":\"\\u0000\"}",
		"{\"filesystem\":\"ext4\",\"version_number\":7",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		check_text(texts[i], IMG_ERR_META);
	check(FIXTURE_META, strlen(FIXTURE_META) + 1, IMG_ERR_META); /* a NUL behind it */
}

static void architectures(void **state _unused_)
{
	static const char meta[] = "{\"architecture\":\"riscv64\"}";
	char name[IMG_ARCHITECTURE_BYTES];

	img_meta_architecture(meta, strlen(meta), name);
	assert_string_equal(name, "riscv64");
	img_meta_architecture(FIXTURE_META, strlen(FIXTURE_META), name);
	assert_string_equal(name, "");
	img_meta_architecture("{", 1, name);
	assert_string_equal(name, "");
	assert_true(img_architecture_runs_on("x86_64", "x86_64"));
	assert_true(img_architecture_runs_on("i686", "i386"));
	assert_true(img_architecture_runs_on("i386", "x86_64"));
	assert_true(img_architecture_runs_on("arm", "armv7l"));
	assert_true(img_architecture_runs_on("arm", "aarch64"));
	assert_false(img_architecture_runs_on("x86_64", "i686"));
	assert_false(img_architecture_runs_on("aarch64", "x86_64"));
	assert_false(img_architecture_runs_on("aarch64", "armv8l"));
}

static void name_too_long(void **state _unused_)
{
	char meta[400];

	snprintf(meta, sizeof meta,
		 "{\"filesystem\":\"ext4\",\"version_number\":7,\"name\":\"%0256d\"}", 0);
	check_text(meta, IMG_ERR_META);
	snprintf(meta, sizeof meta,
		 "{\"filesystem\":\"ext4\",\"version_number\":7,\"name\":\"%0255d\"}", 0);
	check_text(meta, 0);
}

static void depth_bomb(void **state _unused_)
{
	char meta[60000];

	memset(meta, '[', sizeof meta);
	check(meta, sizeof meta, IMG_ERR_META);
}

static void length_and_digest(void **state _unused_)
{
	struct fixture f = fixture_small();
	struct img *img = fixture_img(&f);
	uint8_t *meta = f.file + f.info.meta_off;

	assert_int_equal(img_check_meta(img, meta, f.info.meta_bytes - 1),
			 IMG_ERR_LENGTH);
	assert_int_equal(img_check_meta(img, meta, f.info.meta_bytes + 1),
			 IMG_ERR_LENGTH);
	for (size_t i = 0; i < f.info.meta_bytes; i++) {
		meta[i] ^= 1;
		assert_int_equal(img_check_meta(img, meta, f.info.meta_bytes),
				 IMG_ERR_DIGEST);
		meta[i] ^= 1;
	}
	img_free(img);
	fixture_free(&f);
}

static bool has_kernel(const char *meta, char ret[IMG_KERNELS_BYTES])
{
	return img_meta_has_kernel(meta, strlen(meta), "6.1.0-9", ret);
}

/* An image that lists none says nothing about kernels. */
static void kernels_are_compared(void **state _unused_)
{
	char listed[IMG_KERNELS_BYTES], many[4096];
	size_t n = (size_t)snprintf(many, sizeof many, "{\"kernels\":[\"6.1.0-10\"");

	assert_true(has_kernel("{\"kernels\":[\"5.10.0\",\"6.1.0-9\"]}", listed));
	assert_true(has_kernel("{\"kernels\":[]}", listed));
	assert_true(has_kernel(FIXTURE_META, listed));
	assert_false(has_kernel("{\"kernels\":[\"5.10.0\",\"6.1.0-91\"]}", listed));
	assert_string_equal(listed, "5.10.0, 6.1.0-91");
	for (int i = 0; i < 100; i++)
		n += (size_t)snprintf(many + n, sizeof many - n, ",\"6.1.0-10\"");
	snprintf(many + n, sizeof many - n, "]}");
	assert_false(has_kernel(many, listed));
	assert_int_equal(strlen(listed), IMG_KERNELS_BYTES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernels_are_compared), cmocka_unit_test(good),
		cmocka_unit_test(architectures),	cmocka_unit_test(refused),
		cmocka_unit_test(name_too_long),	cmocka_unit_test(depth_bomb),
		cmocka_unit_test(length_and_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
