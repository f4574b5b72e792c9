// SPDX-License-Identifier: Apache-2.0
/* pack_test.c - a hot pack beside the image is used when it is right; else it costs bytes */
#include "tests/unit/rig.h"

#include "imgfmt/sign.h"

#define N 60u

/* In the image: the end of it. */
static struct testimage_hot inside[] = {{(N - 3) * 16, 20, false}};
/* Beside it: several frames of 256 KiB. */
static struct testimage_hot beside[] = {{3 * 16, 16 * 16, false}, {30 * 16, 3, false}};

static const char public_key[] =
	"-----BEGIN PUBLIC KEY-----\n"
	"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
	"-----END PUBLIC KEY-----\n";

static struct rig g;
static uint8_t *pack;
static size_t n_pack;

static struct rig_options pack_options(bool has_inside, bool no_fill)
{
	return (struct rig_options){
		.n_chunks = N,
		.no_fill = no_fill,
		.has_pack = true,
		.hot = inside,
		.n_hot = has_inside ? ARRAY_SIZE(inside) : 0,
	};
}

static void start(const struct rig_options *o)
{
	rig_init(&g, o);
	pack = testimage_pack(&g.image, beside, ARRAY_SIZE(beside), &n_pack);
	source_fault_set_pack(g.source, pack, n_pack);
}

static void end(void)
{
	rig_fini(&g);
	free(pack);
}

static bool is_there(const struct testimage_hot *runs, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!chunkmap_is_valid(g.cm, runs[i].block * RIG_BLOCK,
				       runs[i].n * RIG_BLOCK))
			return false;
	return true;
}

static void used_instead_of_the_other(void **state _unused_)
{
	const struct rig_options o = pack_options(true, true);

	start(&o);
	rig_start(&g);
	RIG_UNTIL(is_there(beside, ARRAY_SIZE(beside)));
	RIG_UNTIL(rig_requests(&g).n_outstanding == 0);
	for (uint64_t ci = 3; ci < 19; ci++)
		rig_expect(&g, ci * RIG_CHUNK, RIG_CHUNK);
	assert_int_equal(rig_requests(&g).n_class[SOURCE_DEMAND], 0);
	assert_int_equal(rig_requests(&g).n_class[SOURCE_HOT], rig_requests(&g).n_pack);
	assert_false(is_there(inside, ARRAY_SIZE(inside)));
	end();
}

static void there_is_none(void **state _unused_)
{
	const struct rig_options o = pack_options(true, true);

	start(&o);
	source_fault_set_pack(g.source, NULL, 0);
	rig_start(&g);
	RIG_UNTIL(is_there(inside, ARRAY_SIZE(inside)));
	assert_int_equal(rig_requests(&g).n_pack, 1);
	assert_int_equal(rig_requests(&g).n_class[SOURCE_DEMAND], 0);
	end();
}

/* And none in the image either. */
static void there_is_none_at_all(void **state _unused_)
{
	const struct rig_options o = pack_options(false, false);

	start(&o);
	source_fault_set_pack(g.source, NULL, 0);
	rig_start(&g);
	rig_expect_complete(&g);
	end();
}

static void of_another_image(void **state _unused_)
{
	const struct rig_options o = pack_options(true, true);
	struct testimage other;
	size_t n;

	testimage_new(&other, N + 1, 3 * RIG_BLOCK, NULL);
	uint8_t *stale = testimage_pack(&other, beside, ARRAY_SIZE(beside), &n);
	start(&o);
	source_fault_set_pack(g.source, stale, n);
	rig_start(&g);
	RIG_UNTIL(is_there(inside, ARRAY_SIZE(inside)));
	assert_false(is_there(beside, ARRAY_SIZE(beside)));
	end();
	free(stale);
	testimage_free(&other);
}

/* Somebody has to be trusted for the image: then for the pack, too. */
static void not_signed(void **state _unused_)
{
	struct rig_options o = pack_options(true, true);

	o.pack_key = public_key;
	start(&o);
	rig_start(&g);
	RIG_UNTIL(is_there(inside, ARRAY_SIZE(inside)));
	assert_int_equal(rig_requests(&g).n_pack, 1);
	assert_false(is_there(beside, ARRAY_SIZE(beside)));
	rig_expect_log(
		"hot pack beside the image: not used any further: the hot pack is not "
		"signed, key id ");
	end();
}

static void signed_by_another(void **state _unused_)
{
	struct rig_options o = pack_options(true, true);
	const uint8_t signature[IMG_SIGNATURE_BYTES] = {1};

	o.pack_key = public_key;
	start(&o);
	assert_int_equal(img_head_import(pack, signature, NULL, 0), 0);
	rig_start(&g);
	RIG_UNTIL(is_there(inside, ARRAY_SIZE(inside)));
	rig_expect_log(
		"not used any further: no signature of the hot pack verifies with the "
		"public key, key id ");
	rig_expect_log("; signed by 0000000000000000\n");
	end();
}

/* What is no pack is not called an image that it is not. */
static void not_a_pack(void **state _unused_)
{
	const struct rig_options o = pack_options(true, true);

	start(&o);
	source_fault_set_pack(g.source, g.image.file, g.image.n_bytes);
	rig_start(&g);
	RIG_UNTIL(is_there(inside, ARRAY_SIZE(inside)));
	rig_expect_log(
		"hot pack beside the image: not used any further: not a hot pack: byte 8 has "
		"another magic\n");
	end();
}

/* It stands behind the bytes that it is of. */
static void read_pack_digest(const struct rig_options *o, uint8_t ret[IMG_DIGEST_BYTES])
{
	start(o);
	memcpy(ret, pack + IMG_SIGNED_BYTES, IMG_DIGEST_BYTES);
	end();
}

static void of_the_right_digest(void **state _unused_)
{
	struct rig_options o = pack_options(true, true);
	uint8_t digest[IMG_DIGEST_BYTES];

	read_pack_digest(&o, digest);
	o.pack_digest = digest;
	start(&o);
	assert_memory_equal(digest, pack + IMG_SIGNED_BYTES, sizeof digest);
	rig_start(&g);
	RIG_UNTIL(is_there(beside, ARRAY_SIZE(beside)));
	assert_int_equal(rig_requests(&g).n_class[SOURCE_DEMAND], 0);
	assert_false(is_there(inside, ARRAY_SIZE(inside)));
	end();
}

static void of_another_digest(void **state _unused_)
{
	static const uint8_t digest[IMG_DIGEST_BYTES] = {1};
	struct rig_options o = pack_options(true, true);

	o.pack_digest = digest;
	start(&o);
	rig_start(&g);
	RIG_UNTIL(is_there(inside, ARRAY_SIZE(inside)));
	assert_int_equal(rig_requests(&g).n_pack, 1);
	assert_false(is_there(beside, ARRAY_SIZE(beside)));
	end();
}

/* A signature is wanted in any case where there is a key. */
static void of_the_right_digest_and_not_signed(void **state _unused_)
{
	struct rig_options o = pack_options(true, true);
	uint8_t digest[IMG_DIGEST_BYTES];

	read_pack_digest(&o, digest);
	o.pack_digest = digest;
	o.pack_key = public_key;
	start(&o);
	rig_start(&g);
	RIG_UNTIL(is_there(inside, ARRAY_SIZE(inside)));
	assert_false(is_there(beside, ARRAY_SIZE(beside)));
	end();
}

static void truncated(void **state _unused_)
{
	const size_t lengths[] = {1, 100, 4095, 4096, 4104, 4110, 5000, 40000, 100000};

	for (size_t i = 0; i < ARRAY_SIZE(lengths) + 1; i++) {
		const struct rig_options o = pack_options(i % 2, false);
		size_t n;

		start(&o);
		n = i < ARRAY_SIZE(lengths) ? lengths[i] : n_pack - 1;
		assert_true(n < n_pack);
		source_fault_set_pack(g.source, pack, n);
		source_fault_set_step(g.source, 30000);
		rig_start(&g);
		rig_expect(&g, 5 * RIG_CHUNK, RIG_CHUNK);
		rig_expect_complete(&g);
		end();
	}
}

/* Reads of what was promised are not left waiting. */
static void waited_for_and_lost(void **state _unused_)
{
	const struct rig_options o = pack_options(false, true);
	struct rig_reply r;

	start(&o);
	source_fault_set_pack(g.source, pack, n_pack - 1);
	source_fault_set_delay(g.source, 40);
	rig_start(&g);
	RIG_UNTIL(rig_requests(&g).n_pack >= 2);
	usleep(5000);
	rig_reply_init(&r, NULL);
	readpath_read(g.rp, &r, 30 * RIG_CHUNK, RIG_BLOCK);
	assert_int_equal(rig_reply_wait(&r), 0);
	end();
}

static void damaged(void **state _unused_)
{
	for (size_t at = 0, step = 1; at < 200000; at += step) {
		const struct rig_options o = pack_options(at % 2, false);

		start(&o);
		if (at < n_pack) {
			pack[at] ^= 0x10;
			rig_start(&g);
			rig_expect(&g, 5 * RIG_CHUNK, RIG_CHUNK);
			rig_expect_complete(&g);
			/* No server of the image has done anything wrong. */
			assert_int_equal(rig_requests(&g).n_rejects, 0);
			rig_expect_log(
				"hot pack beside the image: not used any further: ");
			if (at >= 1u << 17)
				rig_expect_log(" at offset ");
		}
		step = n_pack / 19;
		end();
	}
}

static void stopped_in_the_middle(void **state _unused_)
{
	const struct rig_options o = pack_options(true, false);

	for (unsigned i = 0; i < 10; i++) {
		start(&o);
		if (i % 2)
			source_fault_set_pack(g.source, pack, n_pack - 1);
		source_fault_set_step(g.source, 5000);
		rig_start(&g);
		usleep(i * 500);
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(used_instead_of_the_other),
		cmocka_unit_test(there_is_none),
		cmocka_unit_test(there_is_none_at_all),
		cmocka_unit_test(of_another_image),
		cmocka_unit_test(not_signed),
		cmocka_unit_test(signed_by_another),
		cmocka_unit_test(not_a_pack),
		cmocka_unit_test(of_the_right_digest),
		cmocka_unit_test(of_another_digest),
		cmocka_unit_test(of_the_right_digest_and_not_signed),
		cmocka_unit_test(truncated),
		cmocka_unit_test(waited_for_and_lost),
		cmocka_unit_test(damaged),
		cmocka_unit_test(stopped_in_the_middle),
	};

	rig_keep_log();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
