// SPDX-License-Identifier: Apache-2.0
/*
 * journal_power_test.c - the power fails behind every single write and flush of a store's
 * life
 *
 * Twelve chunks are stored, written to, discarded, found damaged and stored again, at
 * random.  Then, for each
 * moment: what a store opened after a power cut at that moment believes to have is the
 * image's, byte for byte, by the journal alone and by the check; whatever was flushed,
 * torn, lost or garbled.
 * sanitizers: asan (there is one thread)
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "store/store_disk.h"
#include "tests/fakes/disk_power.h"

#define CHUNK (32u * 1024)
#define BLOCK 4096u
#define N_CHUNKS 12u
#define IMAGE_BYTES (N_CHUNKS * CHUNK - BLOCK) /* the last one is shorter */
#define MIB (1024u * 1024)
#define DISK_BYTES (4u * MIB)

static const struct store_disk_config config = {
	.image = {.digest = {1, 2, 3}, .image_bytes = IMAGE_BYTES, .chunk_bytes = CHUNK},
};

static uint64_t seed;

static unsigned dice(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static uint8_t *buffer;

/* The image's chunk, in `buffer`; its length. */
static uint32_t image_chunk(uint64_t ci)
{
	uint32_t n = ci + 1 == N_CHUNKS ? CHUNK - BLOCK : CHUNK;

	for (uint32_t i = 0; i < n; i++)
		buffer[i] = (uint8_t)(ci * 31 + i * 7 + i / 251);
	return n;
}

static void put(struct store *s, uint64_t slot_off, uint32_t n_bytes)
{
	const struct store_io io = {slot_off, buffer, n_bytes};

	assert_int_equal(store_write(s, &io, 1), 0);
}

static void fetch(struct store *s, uint64_t ci)
{
	uint32_t n = image_chunk(ci);

	put(s, ci * CHUNK, n);
	store_chunk_stored(s, ci, buffer, n);
}

static void user_write(struct store *s, uint64_t ci)
{
	uint64_t off = ci * CHUNK + dice(7) * BLOCK;

	memset(buffer, (int)dice(256), BLOCK);
	store_before_write(s, off, BLOCK);
	put(s, off, BLOCK);
}

static void user_discard(struct store *s, uint64_t ci)
{
	uint64_t off = ci * CHUNK + dice(4) * BLOCK, n = 3 * BLOCK;

	store_before_write(s, off, n);
	assert_int_equal(store_discard(s, off, n), 0);
}

static struct store *open_store(struct disk *d)
{
	struct store *s;

	assert_int_equal(store_disk_over(d, &config, &s), 0);
	return s;
}

static uint64_t data_off;

/* What the store says it has: right on the medium, and right to the check. */
static unsigned expect_right(struct disk *d, bool journal_is_sound)
{
	uint8_t *bytes = disk_power_bytes(d);
	uint8_t *read = aligned_alloc(BLOCK, CHUNK);
	struct store *s = open_store(d);
	unsigned n_found = 0;

	for (uint64_t ci = 0; ci < N_CHUNKS; ci++) {
		uint32_t n = image_chunk(ci);
		int err;

		if (!s->ops->persistence->has_chunk(s, ci))
			continue;
		n_found++;
		if (journal_is_sound)
			assert_memory_equal(bytes + data_off + ci * CHUNK, buffer, n);
		err = s->ops->persistence->check_chunk(s, ci, read, n);
		if (journal_is_sound)
			assert_int_equal(err, 0);
		if (err == 0)
			assert_memory_equal(read, buffer, n);
	}
	store_free(s);
	free(read);
	return n_found;
}

static void cut_everywhere(struct disk *d, unsigned from, unsigned step)
{
	unsigned end = disk_power_n_events(d);

	for (unsigned k = from; k <= end; k += step)
		for (unsigned mode = 0; mode < POWER_MODES; mode++)
			/*
			 * Noise where a write was under way is no write of ours: the hash
			 * finds it.
			 */
			expect_right(disk_power_cut(d, k, mode, k),
				     mode != POWER_GARBLED);
}

/* One random thing; a chunk that was written to is not stored as the image's any more. */
static void live(struct store *s, bool *written)
{
	uint64_t ci = dice(N_CHUNKS);

	switch (dice(8)) {
	case 0:
	case 1:
	case 2:
	case 3:
		if (!written[ci])
			fetch(s, ci);
		break;
	case 4:
		user_write(s, ci);
		written[ci] = true;
		break;
	case 5:
		if (dice(2) == 0)
			break;
		user_discard(s, ci);
		written[ci] = true;
		break;
	default:
		assert_int_equal(store_disk_sync(s), 0);
	}
}

static int setup(void **state _unused_)
{
	struct layout l;

	log_daemon(-1, -1);
	buffer = aligned_alloc(BLOCK, CHUNK);
	assert_true(layout_init(&l, &config.image));
	data_off = l.data_off;
	assert_true(l.end <= DISK_BYTES);
	return 0;
}

static int teardown(void **state _unused_)
{
	free(buffer);
	return 0;
}

/* The disk outlives its store. */
static void no_free(struct disk *d _unused_)
{
}

static struct disk_ops keeping;

static struct disk *keep(struct disk *d)
{
	keeping = *d->ops;
	keeping.free = no_free;
	d->ops = &keeping;
	return d;
}

static void drop(struct disk *d, const struct disk_ops *was)
{
	d->ops = was;
	disk_free(d);
}

static void random_lives(void **state _unused_)
{
	for (uint64_t life = 1; life <= 6; life++) {
		struct disk *d = disk_power_new(DISK_BYTES);
		const struct disk_ops *was = d->ops;
		bool written[N_CHUNKS] = {0};
		struct store *s;

		seed = life * 77;
		s = open_store(keep(d));
		for (unsigned i = 0; i < 30; i++)
			live(s, written);
		/* A reboot: what was written to can be fetched again. */
		store_free(s);
		memset(written, 0, sizeof written);
		s = open_store(d);
		for (unsigned i = 0; i < 15; i++)
			live(s, written);
		store_free(s);
		cut_everywhere(d, 0, 1);
		drop(d, was);
	}
}

/*
 * Nothing is lost that was flushed: without that the tests above would be passed by an
 * empty store.
 */
static void what_is_synced_is_found(void **state _unused_)
{
	struct disk *d = disk_power_new(DISK_BYTES);
	const struct disk_ops *was = d->ops;
	struct store *s = open_store(keep(d));
	unsigned n;

	for (uint64_t ci = 0; ci < N_CHUNKS; ci++)
		fetch(s, ci);
	assert_int_equal(store_disk_sync(s), 0);
	n = disk_power_n_events(d);
	assert_int_equal(expect_right(disk_power_cut(d, n, POWER_LOSES_ALL, 1), true),
			 N_CHUNKS);
	user_write(s, 3);
	/* The revocation, not the write, is on the medium. */
	n = disk_power_n_events(d);
	assert_int_equal(expect_right(disk_power_cut(d, n, POWER_LOSES_ALL, 1), true),
			 N_CHUNKS - 1);
	user_write(s, 3);
	user_discard(s, 3);
	fetch(s, 3);
	assert_int_equal(store_disk_sync(s), 0);
	n = disk_power_n_events(d);
	assert_int_equal(expect_right(disk_power_cut(d, n, POWER_LOSES_ALL, 1), true),
			 N_CHUNKS - 1);
	store_free(s);
	drop(d, was);
}

/* True when one of the two has changed. */
static bool remember_supers(struct disk *d, uint8_t supers[2][BLOCK])
{
	bool changed = false;

	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *now = disk_power_bytes(d) + layout_super_off(i);

		changed = changed || memcmp(supers[i], now, BLOCK) != 0;
		memcpy(supers[i], now, BLOCK);
	}
	return changed;
}

/* A chunk is found damaged and stored anew until both halves of the journal were full. */
static void the_journal_turns_over(void **state _unused_)
{
	struct disk *d = disk_power_new(DISK_BYTES);
	const struct disk_ops *was = d->ops;
	struct store *s = open_store(keep(d));
	unsigned turns[2], n_turns = 0, n;
	uint8_t supers[2][BLOCK] = {{0}};

	for (uint64_t ci = 1; ci < N_CHUNKS; ci++)
		fetch(s, ci);
	remember_supers(d, supers);
	for (unsigned i = 0; i < 400 && n_turns < 2; i++) {
		fetch(s, 0);
		assert_int_equal(store_disk_sync(s), 0);
		/* Behind the store's back. */
		disk_power_bytes(d)[data_off + 5] ^= 1;
		assert_int_equal(s->ops->persistence->check_chunk(s, 0, buffer, CHUNK),
				 -ESTALE);
		if (remember_supers(d, supers))
			turns[n_turns++] = disk_power_n_events(d);
	}
	assert_int_equal(n_turns, 2);
	fetch(s, 0);
	assert_int_equal(store_disk_sync(s), 0);
	n = disk_power_n_events(d);
	assert_int_equal(expect_right(disk_power_cut(d, n, POWER_LOSES_ALL, 1), true),
			 N_CHUNKS);
	for (unsigned i = 0; i < n_turns; i++)
		for (unsigned k = turns[i] - 14; k <= turns[i] + 4; k++)
			for (unsigned mode = 0; mode < POWER_MODES; mode++) {
				struct disk *cut = disk_power_cut(d, k, mode, k);

				/* Eleven are never touched. */
				assert_true(expect_right(cut, mode != POWER_GARBLED) >=
					    N_CHUNKS - 1);
			}
	store_free(s);
	drop(d, was);
}

#define GARBLE_STEP 5u

/*
 * Any byte of superblocks and journal is wrong: less is found, or nothing, and nothing
 * wrong.
 */
static void garbled_at_every_record(void **state _unused_)
{
	struct disk *d = disk_power_new(DISK_BYTES);
	const struct disk_ops *was = d->ops;
	struct store *s = open_store(keep(d));
	unsigned n_lost = 0;
	struct layout l;
	uint64_t half;

	assert_true(layout_init(&l, &config.image));
	for (uint64_t ci = 0; ci < N_CHUNKS; ci++) {
		fetch(s, ci);
		assert_int_equal(store_disk_sync(s), 0);
	}
	user_write(s, 2);
	user_write(s, 7);
	store_free(s);
	/* The format is generation 1, opening makes it 2: the first half. */
	half = layout_journal_off(&l, 2, 0);
	for (unsigned block = 0; block < N_CHUNKS + 3; block++)
		for (unsigned at = 0; at < 200; at += GARBLE_STEP) {
			struct disk *cut = disk_power_cut(d, disk_power_n_events(d),
							  POWER_KEEPS_ALL, 1);

			disk_power_bytes(cut)[half + block * BLOCK + at] ^= 0x10;
			/* With a revocation lost, it is for the hash to tell. */
			n_lost += expect_right(cut, false) < 10;
		}
	assert_true(n_lost > 500 / GARBLE_STEP);
	for (unsigned at = 0; at < BLOCK; at += 3 * GARBLE_STEP) {
		struct disk *cut =
			disk_power_cut(d, disk_power_n_events(d), POWER_KEEPS_ALL, 1);

		disk_power_bytes(cut)[at] ^= 0x10;
		expect_right(cut, true);
	}
	drop(d, was);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_synced_is_found),
		cmocka_unit_test(random_lives),
		cmocka_unit_test(the_journal_turns_over),
		cmocka_unit_test(garbled_at_every_record),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
