/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_slots.c - see store_slots.h
 *
 * The table says for each slot which unit of the image it holds; the index over it, the
 * free slots and who is at a slot follow from it and live in this process only.  A slot
 * that somebody is at is `busy`, and goes to no other unit until he has left: whoever
 * discards waits for that, so for memory only.
 *
 * A free slot holds nothing: it is discarded before it is free, so a unit's first write
 * need not fill it.
 */
#include "store/store_slots.h"

#include <errno.h>

#include "base/lock.h"

#define BLOCK_BYTES 4096u
#define SLOT_BYTES_MIN (16u * 1024)
#define SLOTS_MAX (512u * 1024)
/* A cache of data that compresses eight to one fits; its table is 3 to 5% of the budget. */
#define DEVICE_PER_BUDGET 8u
#define DEVICE_CHUNKS_MIN 128u
/* What the kernel keeps for a page of the device, at most. */
#define TABLE_BYTES_PER_PAGE 24u

/* In the table, beside 0: free, and unit + 1. */
#define SLOT_LEAVING UINT64_MAX

struct store_slots {
	struct store base;

	/* set before threads start */
	struct store_ops ops;
	struct store *inner;
	uint32_t slot_bytes;
	uint32_t n_slots;
	uint32_t index_mask;
	bool owns_table;

	/* guarded by lock */
	struct lock lock;
	pthread_cond_t left; /* a slot is no longer busy */
	uint64_t *table; /* a slot */
	uint32_t *index; /* open addressing over units: slot + 1, 0: empty */
	uint16_t *busy; /* a slot: how many are at it */
	uint64_t *free_bits; /* a bit a slot */
	uint32_t next_free; /* where the search goes on: neighbours stay neighbours */
	uint32_t n_free;
};

static struct store_slots *self(struct store *s)
{
	return (struct store_slots *)s;
}

/* -- sizes -------------------------------------------------------------------------------- */

bool store_slots_are_needed(uint64_t image_bytes, uint64_t budget_bytes)
{
	return image_bytes / BLOCK_BYTES * TABLE_BYTES_PER_PAGE > budget_bytes / 10;
}

uint64_t store_slots_device_bytes(uint64_t image_bytes, uint32_t chunk_bytes,
				  uint64_t budget_bytes)
{
	uint64_t whole = div_round_up(image_bytes, chunk_bytes) * chunk_bytes;
	uint64_t n_bytes;

	if (!checked_mul(budget_bytes, DEVICE_PER_BUDGET, &n_bytes))
		return whole;
	n_bytes = max_u64(n_bytes, (uint64_t)DEVICE_CHUNKS_MIN * chunk_bytes);
	return min_u64(div_round_up(n_bytes, chunk_bytes) * chunk_bytes, whole);
}

static uint32_t slot_bytes_for(uint64_t device_bytes, uint32_t chunk_bytes)
{
	uint32_t slot_bytes = SLOT_BYTES_MIN;

	while (slot_bytes < chunk_bytes && device_bytes / slot_bytes > SLOTS_MAX)
		slot_bytes *= 2;
	return slot_bytes;
}

uint64_t store_slots_count(uint64_t device_bytes, uint32_t chunk_bytes)
{
	uint64_t n = device_bytes / slot_bytes_for(device_bytes, chunk_bytes);

	/* With 4 MiB chunks that is a device of 16 PiB. */
	return min_u64(n, UINT32_MAX / 4);
}

/* -- the index ---------------------------------------------------------------------------- */

static uint32_t home_of(const struct store_slots *s, uint64_t unit)
{
	return (uint32_t)(unit * UINT64_C(0x9e3779b97f4a7c15) >> 32) & s->index_mask;
}

/* Where unit is in the index, or the empty place where it would be. */
static uint32_t place_locked(struct store_slots *s, uint64_t unit)
{
	uint32_t at = home_of(s, unit);

	lock_assert_held(&s->lock);
	while (s->index[at] && s->table[s->index[at] - 1] != unit + 1)
		at = (at + 1) & s->index_mask;
	return at;
}

/* False: the unit has no slot. */
static bool find_locked(struct store_slots *s, uint64_t unit, uint32_t *ret_slot)
{
	uint32_t at = place_locked(s, unit);

	lock_assert_held(&s->lock);
	if (s->index[at] == 0)
		return false;
	*ret_slot = s->index[at] - 1;
	return true;
}

/* Those behind it move up, so that no search ends too early. */
static void forget_locked(struct store_slots *s, uint64_t unit)
{
	uint32_t hole = place_locked(s, unit), at = hole;

	lock_assert_held(&s->lock);
	s->index[hole] = 0;
	for (;;) {
		uint32_t home;

		at = (at + 1) & s->index_mask;
		if (s->index[at] == 0)
			return;
		home = home_of(s, s->table[s->index[at] - 1] - 1);
		/* Does its search, from home to `at`, pass the hole? */
		if (((at - home) & s->index_mask) < ((at - hole) & s->index_mask))
			continue;
		s->index[hole] = s->index[at];
		s->index[at] = 0;
		hole = at;
	}
}

static void mark_free_locked(struct store_slots *s, uint32_t slot)
{
	lock_assert_held(&s->lock);
	s->table[slot] = 0;
	s->free_bits[slot / 64] |= UINT64_C(1) << (slot % 64);
	s->n_free++;
}

/* n_free is not 0. */
static uint32_t take_free_locked(struct store_slots *s)
{
	uint32_t n_words = (s->n_slots + 63) / 64, word = s->next_free / 64, slot;
	/* What lies before next_free in its word comes last. */
	uint64_t bits = s->free_bits[word] & UINT64_MAX << (s->next_free % 64);

	lock_assert_held(&s->lock);
	while (bits == 0) {
		word = (word + 1) % n_words;
		bits = s->free_bits[word];
	}
	slot = word * 64 + (uint32_t)__builtin_ctzll(bits);
	s->free_bits[word] &= ~(UINT64_C(1) << (slot % 64));
	s->n_free--;
	s->next_free = (slot + 1) % s->n_slots;
	return slot;
}

static int add_locked(struct store_slots *s, uint64_t unit, uint32_t *ret_slot)
{
	uint32_t at = place_locked(s, unit);

	lock_assert_held(&s->lock);
	if (s->n_free == 0)
		return -ENOSPC;
	*ret_slot = take_free_locked(s);
	s->table[*ret_slot] = unit + 1;
	s->index[at] = *ret_slot + 1;
	return 0;
}

/* -- reading and writing ------------------------------------------------------------------ */

/* Pieces on their way to the inner store; their slots are busy. */
struct batch {
	struct store_slots *s;
	int (*run)(struct store *s, const struct store_io *io, unsigned n);
	struct store_io io[STORE_IO_MAX];
	struct {
		uint32_t first, n;
	} slots[STORE_IO_MAX];
	unsigned n;
};

static int flush(struct batch *b)
{
	struct store_slots *s = b->s;
	int err = b->n ? b->run(s->inner, b->io, b->n) : 0;

	if (b->n == 0)
		return 0;
	lock_acquire(&s->lock);
	for (unsigned i = 0; i < b->n; i++)
		for (uint32_t k = 0; k < b->slots[i].n; k++)
			s->busy[b->slots[i].first + k]--;
	PTHREAD_OK(pthread_cond_broadcast(&s->left));
	lock_release(&s->lock);
	b->n = 0;
	return err;
}

/*
 * A part of one slot, which is busy by now; joined with the piece before it where that
 * goes on there.
 */
static int add_piece(struct batch *b, uint32_t slot, uint32_t at, uint8_t *buf,
		     uint32_t n_bytes)
{
	uint64_t slot_off = (uint64_t)slot * b->s->slot_bytes + at;
	struct store_io *last = &b->io[b->n ? b->n - 1 : 0];

	if (b->n && at == 0 && last->slot_off + last->n_bytes == slot_off &&
	    (uint8_t *)last->buf + last->n_bytes == buf) {
		last->n_bytes += n_bytes;
		b->slots[b->n - 1].n++;
		return 0;
	}
	b->io[b->n] = (struct store_io){slot_off, buf, n_bytes};
	b->slots[b->n].first = slot;
	b->slots[b->n].n = 1;
	return ++b->n == STORE_IO_MAX ? flush(b) : 0;
}

static bool is_zero(const uint8_t *buf, size_t n_bytes)
{
	return buf[0] == 0 && memcmp(buf, buf + 1, n_bytes - 1) == 0;
}

/* Part of one unit. */
static int write_piece(struct batch *b, uint64_t unit, uint32_t at, uint8_t *buf,
		       uint32_t n_bytes)
{
	struct store_slots *s = b->s;
	uint32_t slot = 0;
	bool found;
	int err = 0;

	lock_acquire(&s->lock);
	found = find_locked(s, unit, &slot);
	if (found)
		s->busy[slot]++;
	lock_release(&s->lock);
	if (!found) {
		/* It reads as zeros already. */
		if (is_zero(buf, n_bytes))
			return 0;
		lock_acquire(&s->lock);
		if (!find_locked(s, unit, &slot))
			err = add_locked(s, unit, &slot);
		if (err == 0)
			s->busy[slot]++;
		lock_release(&s->lock);
	}
	return err < 0 ? err : add_piece(b, slot, at, buf, n_bytes);
}

static int read_piece(struct batch *b, uint64_t unit, uint32_t at, uint8_t *buf,
		      uint32_t n_bytes)
{
	struct store_slots *s = b->s;
	uint32_t slot = 0;
	bool found;

	lock_acquire(&s->lock);
	found = find_locked(s, unit, &slot);
	if (found)
		s->busy[slot]++;
	lock_release(&s->lock);
	if (found)
		return add_piece(b, slot, at, buf, n_bytes);
	memset(buf, 0, n_bytes);
	return 0;
}

static int move(struct batch *b, const struct store_io *io,
		int (*piece)(struct batch *b, uint64_t unit, uint32_t at, uint8_t *buf,
			     uint32_t n_bytes))
{
	uint32_t slot_bytes = b->s->slot_bytes, n;
	int err = 0;

	if (io->slot_off > b->s->base.bytes ||
	    io->n_bytes > b->s->base.bytes - io->slot_off)
		return -EIO;
	for (uint32_t done = 0; err == 0 && done < io->n_bytes; done += n) {
		uint64_t off = io->slot_off + done;
		uint32_t at = (uint32_t)(off % slot_bytes);

		n = (uint32_t)min_u64(slot_bytes - at, io->n_bytes - done);
		err = piece(b, off / slot_bytes, at, (uint8_t *)io->buf + done, n);
	}
	return err;
}

static int move_all(struct batch *b, const struct store_io *io, unsigned n,
		    int (*piece)(struct batch *b, uint64_t unit, uint32_t at,
				 uint8_t *buf, uint32_t n_bytes))
{
	int err = 0, flush_err;

	for (unsigned i = 0; err == 0 && i < n; i++)
		err = move(b, &io[i], piece);
	/* Also after an error: it lets go of the slots. */
	flush_err = flush(b);
	return err < 0 ? err : flush_err;
}

static int slots_read(struct store *s, const struct store_io *io, unsigned n)
{
	struct batch b = {.s = self(s), .run = self(s)->inner->ops->read};

	return move_all(&b, io, n, read_piece);
}

static int slots_write(struct store *s, const struct store_io *io, unsigned n)
{
	struct batch b = {.s = self(s), .run = self(s)->inner->ops->write};

	return move_all(&b, io, n, write_piece);
}

/* -- discarding --------------------------------------------------------------------------- */

/* Slots side by side that no unit has any more. */
struct leaving {
	uint32_t first, n;
};

/* One discard for all of them, then they are free; where it fails they are lost. */
static int free_slots(struct store_slots *s, struct leaving *l)
{
	int err;

	if (l->n == 0)
		return 0;
	lock_acquire(&s->lock);
	for (uint32_t i = 0; i < l->n; i++)
		while (s->busy[l->first + i])
			cond_wait(&s->left, &s->lock);
	lock_release(&s->lock);
	err = store_discard(s->inner, (uint64_t)l->first * s->slot_bytes,
			    (uint64_t)l->n * s->slot_bytes);
	lock_acquire(&s->lock);
	for (uint32_t i = 0; err == 0 && i < l->n; i++)
		mark_free_locked(s, l->first + i);
	lock_release(&s->lock);
	l->n = 0;
	return err;
}

static int discard_unit(struct store_slots *s, uint64_t unit, struct leaving *l)
{
	uint32_t slot = 0;
	bool found;
	int err = 0;

	lock_acquire(&s->lock);
	found = find_locked(s, unit, &slot);
	if (found) {
		forget_locked(s, unit);
		s->table[slot] = SLOT_LEAVING;
	}
	lock_release(&s->lock);
	if (!found)
		return 0;
	if (l->n && l->first + l->n != slot)
		err = free_slots(s, l);
	if (l->n == 0)
		l->first = slot;
	l->n++;
	return err;
}

static int discard_part(struct store_slots *s, uint64_t unit, uint32_t at,
			uint32_t n_bytes)
{
	uint32_t slot = 0;
	bool found;
	int err = 0;

	lock_acquire(&s->lock);
	found = find_locked(s, unit, &slot);
	if (found)
		s->busy[slot]++;
	lock_release(&s->lock);
	if (!found)
		return 0;
	err = store_discard(s->inner, (uint64_t)slot * s->slot_bytes + at, n_bytes);
	lock_acquire(&s->lock);
	s->busy[slot]--;
	PTHREAD_OK(pthread_cond_broadcast(&s->left));
	lock_release(&s->lock);
	return err;
}

static int slots_discard(struct store *base, uint64_t slot_off, uint64_t n_bytes)
{
	struct store_slots *s = self(base);
	uint64_t end = slot_off + n_bytes, n;
	struct leaving leaving = {0};
	int err = 0, free_err;

	if (end < slot_off || end > base->bytes)
		return -EINVAL;
	for (uint64_t off = slot_off; err == 0 && off < end; off += n) {
		uint32_t at = (uint32_t)(off % s->slot_bytes);

		n = min_u64(s->slot_bytes - at, end - off);
		/* The image's end may lie in the middle of a unit. */
		if (at == 0 && (n == s->slot_bytes || off + n == base->bytes))
			err = discard_unit(s, off / s->slot_bytes, &leaving);
		else
			err = discard_part(s, off / s->slot_bytes, at, (uint32_t)n);
	}
	free_err = free_slots(s, &leaving);
	return err < 0 ? err : free_err;
}

/* -- the rest ----------------------------------------------------------------------------- */

static uint64_t table_bytes(const struct store_slots *s)
{
	return s->n_slots * (uint64_t)(sizeof *s->table + sizeof *s->busy) +
	       ((uint64_t)s->index_mask + 1) * sizeof *s->index;
}

static void slots_usage(struct store *base, struct store_usage *ret)
{
	struct store_slots *s = self(base);

	store_usage(s->inner, ret);
	ret->used_bytes += table_bytes(s);
	ret->slot_bytes = s->slot_bytes;
	lock_acquire(&s->lock);
	ret->n_free_slots = s->n_free;
	lock_release(&s->lock);
}

static int slots_compact(struct store *base)
{
	return store_compact(self(base)->inner);
}

static void free_tables(struct store_slots *s)
{
	if (s->owns_table)
		free(s->table);
	free(s->index);
	free(s->busy);
	free(s->free_bits);
	PTHREAD_OK(pthread_cond_destroy(&s->left));
	lock_fini(&s->lock);
	free(s);
}

static void slots_free(struct store *base)
{
	store_free(self(base)->inner);
	free_tables(self(base));
}

static const struct store_ops slots_ops = {
	.read = slots_read,
	.write = slots_write,
	.discard = slots_discard,
	.usage = slots_usage,
	.compact = slots_compact,
	.free = slots_free,
};

/* What the table of an earlier store says. */
static int take_table(struct store_slots *s)
{
	struct leaving one = {.n = 0};
	int err = 0;

	for (uint32_t slot = 0; err == 0 && slot < s->n_slots; slot++) {
		if (s->table[slot] == SLOT_LEAVING) {
			one = (struct leaving){slot, 1};
			err = free_slots(s, &one);
			continue;
		}
		lock_acquire(&s->lock);
		if (s->table[slot] == 0)
			mark_free_locked(s, slot);
		else
			s->index[place_locked(s, s->table[slot] - 1)] = slot + 1;
		lock_release(&s->lock);
	}
	return err < 0 ? -EIO : 0;
}

static uint32_t index_size(uint32_t n_slots)
{
	uint32_t n = 64;

	while (n < 2 * n_slots)
		n *= 2;
	return n;
}

int store_slots_new(struct store *inner, uint64_t image_bytes, uint32_t chunk_bytes,
		    uint64_t *table, struct store **ret)
{
	struct store_slots *s = calloc(1, sizeof *s);
	int err = -ENOMEM;

	if (!s)
		return -ENOMEM;
	s->ops = slots_ops;
	s->ops.kind = inner->ops->kind;
	/* No device: nobody may take it for the image. */
	s->base = (struct store){
		.ops = &s->ops, .bytes = image_bytes, .dev_fd = -1, .given = {.fd = -1}};
	s->inner = inner;
	s->slot_bytes = slot_bytes_for(inner->bytes, chunk_bytes);
	s->n_slots = (uint32_t)store_slots_count(inner->bytes, chunk_bytes);
	s->index_mask = index_size(s->n_slots) - 1;
	s->owns_table = !table;
	lock_init(&s->lock);
	cond_init(&s->left);
	s->table = table ? table : calloc(s->n_slots, sizeof *s->table);
	s->index = calloc((size_t)s->index_mask + 1, sizeof *s->index);
	s->busy = calloc(s->n_slots, sizeof *s->busy);
	s->free_bits = calloc(s->n_slots / 64 + 1, sizeof *s->free_bits);
	if (s->table && s->index && s->busy && s->free_bits)
		err = take_table(s);
	if (err < 0) {
		free_tables(s);
		return err;
	}
	*ret = &s->base;
	return 0;
}
