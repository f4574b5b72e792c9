// SPDX-License-Identifier: Apache-2.0
/* store_slots_test.c - the contract, slots that come and go, a table that is found again */
#include <errno.h>
#include <limits.h>

#include "tests/unit/store_contract.h"

#include "store/store_mem.h"
#include "store/store_slots.h"
#include "tests/fakes/store_fault.h"

#define CHUNK 65536u
#define SLOT 16384u
#define GIB (UINT64_C(1) << 30)

static struct store *new_slots(uint64_t image_bytes, uint64_t device_bytes,
			       uint64_t *table)
{
	struct store *mem, *s;

	assert_int_equal(store_mem_new(device_bytes, 0, &mem), 0);
	assert_int_equal(store_slots_new(mem, image_bytes, CHUNK, table, &s), 0);
	return s;
}

static uint64_t n_free(struct store *s)
{
	struct store_usage usage;

	store_usage(s, &usage);
	assert_int_equal(usage.slot_bytes, SLOT);
	return usage.n_free_slots;
}

static void keeps_the_contract(void **state _unused_)
{
	struct store *s = new_slots(STORE_TEST_BYTES, STORE_TEST_BYTES, NULL);

	assert_string_equal(s->ops->kind, "memory");
	assert_string_equal(s->device, "");
	store_contract(s);
	assert_int_equal(n_free(s), STORE_TEST_BYTES / SLOT);
	store_free(s);
}

static void sizes(void **state _unused_)
{
	uint64_t n;

	assert_false(store_slots_are_needed(4 * GIB, GIB));
	assert_true(store_slots_are_needed(100 * GIB, GIB));
	/* The table of the device is small beside the budget, whatever the image. */
	n = store_slots_device_bytes(1024 * GIB, 512 << 10, GIB / 4);
	assert_int_equal(n, 2 * GIB);
	assert_true(n / 4096 * 24 < GIB / 4 / 20);
	assert_int_equal(store_slots_count(n, 512 << 10), 2 * GIB / SLOT);
	assert_true(store_slots_count(1024 * GIB, 512 << 10) <= 2 * 1024 * 1024);
	/* Never larger than the image. */
	assert_int_equal(store_slots_device_bytes(GIB, 512 << 10, GIB), GIB);
}

/* An image of 1 TiB on 1 MiB: full, and free again by discards of whole slots. */
static void full_and_free_again(void **state _unused_)
{
	struct store *s = new_slots(1024 * GIB, 1 << 20, NULL);
	uint8_t *buf = store_buffer(SLOT, 1), *got = store_buffer(SLOT, 2),
		zeros[4096] = {0};

	assert_int_equal(n_free(s), 64);
	for (uint64_t i = 0; i < 64; i++)
		assert_int_equal(store_put(s, i * 16 * GIB + 4096, buf, 4096), 0);
	assert_int_equal(n_free(s), 0);
	assert_int_equal(store_put(s, GIB, buf, 4096), -ENOSPC);
	assert_int_equal(store_get(s, GIB, got, 4096), 0);
	assert_memory_equal(got, zeros, 4096);
	/* What has a slot can be written to; zeros need none. */
	assert_int_equal(store_put(s, 8192, buf, 4096), 0);
	memset(got, 0, SLOT);
	assert_int_equal(store_put(s, GIB, got, SLOT), 0);
	/* A part does not give a slot back, the whole does. */
	assert_int_equal(store_discard(s, 4096, 8192), 0);
	assert_int_equal(n_free(s), 0);
	assert_int_equal(store_discard(s, 0, SLOT), 0);
	assert_int_equal(n_free(s), 1);
	assert_int_equal(store_put(s, GIB, buf, 4096), 0);
	/* Nothing is left of who had the slot before. */
	assert_int_equal(store_get(s, GIB, got, SLOT), 0);
	assert_memory_equal(got, buf, 4096);
	for (unsigned i = 1; i < 4; i++)
		assert_memory_equal(got + i * 4096, zeros, 4096);
	for (uint64_t i = 1; i < 64; i++) {
		assert_int_equal(store_get(s, i * 16 * GIB + 4096, got, 4096), 0);
		assert_memory_equal(got, buf, 4096);
	}
	store_free(s);
	free(buf);
	free(got);
}

/* Random operations beside a plain buffer, over an index that is crowded. */
static void like_a_plain_buffer(void **state _unused_)
{
	const uint64_t image = 1 << 20;
	struct store *s = new_slots(image, image, NULL);
	uint8_t *copy = calloc(1, image), *buf = store_buffer(1 << 18, 5);
	uint64_t rng = 1;

	for (unsigned i = 0; i < 3000; i++) {
		uint64_t off, n;

		rng = rng * 6364136223846793005u + 1442695040888963407u;
		off = (rng >> 33) % 256 * 4096;
		n = min_u64(((rng >> 45) % 40 + 1) * 4096, image - off);
		switch ((rng >> 60) % 3) {
		case 0:
			buf[0]++;
			assert_int_equal(store_put(s, off, buf, (uint32_t)n), 0);
			memcpy(copy + off, buf, n);
			break;
		case 1:
			assert_int_equal(store_discard(s, off, n), 0);
			memset(copy + off, 0, n);
			break;
		default:
			assert_int_equal(store_get(s, off, buf, (uint32_t)n), 0);
			assert_memory_equal(buf, copy + off, n);
			break;
		}
	}
	store_free(s);
	free(copy);
	free(buf);
}

static void stays(struct store *s _unused_)
{
}

/* All that a second store needs is the table. */
static void found_again(void **state _unused_)
{
	uint64_t table[64] = {0};
	struct store *mem, *fault, *s;
	uint8_t *buf = store_buffer(4096, 1), *got = store_buffer(4096, 2);
	const struct store_ops *ops;
	struct store_ops lent;

	assert_int_equal(store_mem_new(1 << 20, 0, &mem), 0);
	fault = store_fault_new(mem);
	ops = fault->ops;
	lent = *ops;
	lent.free = stays;
	fault->ops = &lent;
	assert_int_equal(store_slots_count(1 << 20, CHUNK), 64);
	assert_int_equal(store_slots_new(fault, 1024 * GIB, CHUNK, table, &s), 0);
	for (uint64_t i = 0; i < 40; i++)
		assert_int_equal(store_put(s, i * GIB, buf, 4096), 0);
	/* A slot that could not be emptied is not used again... */
	store_fault_fail_writes(fault, 0, 1, -EIO);
	assert_int_equal(store_discard(s, 7 * GIB, SLOT), -EIO);
	assert_int_equal(n_free(s), 24);
	store_free(s);
	fault->ops = ops;
	/* ... until another store finds it half thrown away. */
	assert_int_equal(store_slots_new(fault, 1024 * GIB, CHUNK, table, &s), 0);
	assert_int_equal(n_free(s), 25);
	for (uint64_t i = 0; i < 40; i++) {
		assert_int_equal(store_get(s, i * GIB, got, 4096), 0);
		assert_int_equal(memcmp(got, buf, 4096) == 0, i != 7);
	}
	store_free(s);
	free(buf);
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_contract),
		cmocka_unit_test(sizes),
		cmocka_unit_test(full_and_free_again),
		cmocka_unit_test(like_a_plain_buffer),
		cmocka_unit_test(found_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
