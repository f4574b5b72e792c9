/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunkmap.c - one byte a chunk, one bit a block, one lock
 *
 * The valid bits of the whole image lie in one array that is touched only where a chunk is
 * PARTIAL: a READY chunk needs none, an ABSENT one has none set.  The array and the bytes can lie in
 * memory that outlives the process.  So that a map is legal wherever its process was killed, every
 * change is made in an order that holds at each single write (set_marks, region_order): a state or mark
 * that says "look at the bits" is set before the first bit and goes after the last, a state that says
 * "the bits do not matter" is one write.  recover() tidies up what such an order leaves.
 *
 * Two more arrays say which blocks came from the hot pack, and which are on their way from it.  A mark
 * of the chunk says whether they have to be looked at, so what no pack touches takes no memory.
 *
 * Writers and the storing of fetched bytes exclude each other chunk by chunk: a registered
 * writer keeps store_begin waiting, and a chunk in `storing` keeps new writers waiting.  storing
 * is entered before waiting for the writers to leave, so a stream of writes cannot starve it.
 */
#include "map/chunkmap.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/lock.h"
#include "base/region.h"
#include "map/queue.h"

#define STATE_MASK 0x03u
#define MARK_DEMANDED 0x04u
#define MARK_CLAIMED 0x08u
#define MARK_PACKED 0x10u /* bits of `packed` may be set */
#define MARK_PROMISED 0x20u /* bits of `promised` may be set */

#define BLOCK_BYTES 4096u
#define WAITER_BUCKETS 1024u
#define STORING_MAX 64u
/* More than all reads that the kernel can have outstanding, times the chunks each can span. */
#define DEMAND_MAX (128u * 1024)

struct chunkmap {
	/* set before threads start */
	uint64_t n_blocks, n_chunks;
	uint64_t blocks_per_chunk;
	void (*wake)(void *ctx);
	void *wake_ctx;
	void *own_memory; /* of the arrays; NULL: the caller's */
	size_t own_bytes;

	/* guarded by lock */
	struct lock lock;
	pthread_cond_t writer_left; /* a registered writer has ended */
	pthread_cond_t storing_ended;
	uint8_t *marks; /* a chunk: state and marks */
	uint8_t *valid; /* a bit a block */
	uint8_t *packed; /* a bit a block: valid, from the hot pack, to be compared */
	uint8_t *promised; /* a bit a block: the hot pack brings it soon */
	struct queue demand;
	struct chunk_waiter *waiters[WAITER_BUCKETS]; /* oldest first */
	struct chunk_writer *writers;
	uint64_t storing[STORING_MAX];
	unsigned n_storing;
	uint64_t n_ready, ready_blocks, n_waiting, n_demanded;
	bool demand_overflowed; /* reads wait for chunks that found no place in demand */
};

const char *chunk_state_name(enum chunk_state state)
{
	static const char *const names[] = {"absent", "partial", "ready"};

	return names[state];
}

static enum chunk_state state_of(const struct chunkmap *cm, uint64_t ci)
{
	return cm->marks[ci] & STATE_MASK;
}

static uint64_t first_block_of(const struct chunkmap *cm, uint64_t ci)
{
	return ci * cm->blocks_per_chunk;
}

static uint64_t end_block_of(const struct chunkmap *cm, uint64_t ci)
{
	return min_u64((ci + 1) * cm->blocks_per_chunk, cm->n_blocks);
}

static bool bit_is_set(const uint8_t *bits, uint64_t i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

/* The only way to change more than one mark at a time: nothing else is written before or after it. */
static void set_marks(struct chunkmap *cm, uint64_t ci, unsigned marks)
{
	volatile uint8_t *byte = &cm->marks[ci];

	region_order();
	*byte = (uint8_t)marks;
	region_order();
}

static size_t whole_pages(uint64_t n_bytes)
{
	return div_round_up(n_bytes, 4096) * 4096;
}

static size_t marks_bytes(uint64_t image_bytes, uint32_t chunk_bytes)
{
	return whole_pages(div_round_up(image_bytes, chunk_bytes));
}

static size_t bits_bytes(uint64_t image_bytes, uint32_t chunk_bytes)
{
	return whole_pages(div_round_up(image_bytes, chunk_bytes) *
			   (chunk_bytes / BLOCK_BYTES / 8));
}

size_t chunkmap_memory_bytes(uint64_t image_bytes, uint32_t chunk_bytes)
{
	return marks_bytes(image_bytes, chunk_bytes) +
	       3 * bits_bytes(image_bytes, chunk_bytes);
}

static void clear_chunk_bits(const struct chunkmap *cm, uint8_t *bits, uint64_t ci)
{
	size_t n_bytes = cm->blocks_per_chunk / 8;

	memset(bits + ci * n_bytes, 0, n_bytes);
}

/* Bits of the pack without the block itself: the process died between the two. */
static bool recover_packed(struct chunkmap *cm, uint64_t ci)
{
	size_t n_bytes = cm->blocks_per_chunk / 8, start = ci * n_bytes;
	bool any = false;

	for (size_t i = start; i < start + n_bytes; i++) {
		cm->packed[i] &= cm->valid[i];
		any = any || cm->packed[i];
	}
	return any;
}

static bool has_block(const struct chunkmap *cm, uint64_t ci, bool value)
{
	for (uint64_t b = first_block_of(cm, ci); b < end_block_of(cm, ci); b++)
		if (bit_is_set(cm->valid, b) == value)
			return true;
	return false;
}

/* One chunk as the last process left it: no promises, no claims, and a state that its bits say. */
static void recover_chunk(struct chunkmap *cm, uint64_t ci)
{
	unsigned state = state_of(cm, ci), packed = cm->marks[ci] & MARK_PACKED;

	if (cm->marks[ci] & MARK_PROMISED)
		clear_chunk_bits(cm, cm->promised, ci);
	if (packed && !recover_packed(cm, ci))
		packed = 0;
	if (state == CHUNK_PARTIAL && !has_block(cm, ci, true))
		state = CHUNK_ABSENT;
	if (state == CHUNK_PARTIAL && !packed && !has_block(cm, ci, false))
		state = CHUNK_READY;
	set_marks(cm, ci, state == CHUNK_READY ? state : state | packed);
	if (state != CHUNK_READY)
		return;
	cm->n_ready++;
	cm->ready_blocks += end_block_of(cm, ci) - first_block_of(cm, ci);
}

/* May itself be killed and run again.  Memory of zeros is a map of nothing but ABSENT chunks. */
static void recover(struct chunkmap *cm)
{
	for (uint64_t ci = 0; ci < cm->n_chunks; ci++)
		if (cm->marks[ci])
			recover_chunk(cm, ci);
}

static void set_arrays(struct chunkmap *cm, void *memory, uint64_t image_bytes,
		       uint32_t chunk_bytes)
{
	size_t n_bytes = bits_bytes(image_bytes, chunk_bytes);

	cm->marks = memory;
	cm->valid = cm->marks + marks_bytes(image_bytes, chunk_bytes);
	cm->packed = cm->valid + n_bytes;
	cm->promised = cm->packed + n_bytes;
}

int chunkmap_new_in(void *memory, uint64_t image_bytes, uint32_t chunk_bytes,
		    void (*wake)(void *ctx), void *ctx, struct chunkmap **ret)
{
	struct chunkmap *cm = calloc(1, sizeof *cm);

	if (!cm)
		return -ENOMEM;
	/* Eight blocks or more, so that each chunk's bits start at a byte. */
	assert(image_bytes && image_bytes % BLOCK_BYTES == 0);
	assert(chunk_bytes % (8 * BLOCK_BYTES) == 0);
	cm->n_blocks = image_bytes / BLOCK_BYTES;
	cm->blocks_per_chunk = chunk_bytes / BLOCK_BYTES;
	cm->n_chunks = div_round_up(image_bytes, chunk_bytes);
	cm->wake = wake;
	cm->wake_ctx = ctx;
	lock_init(&cm->lock);
	cond_init(&cm->writer_left);
	cond_init(&cm->storing_ended);
	set_arrays(cm, memory, image_bytes, chunk_bytes);
	recover(cm);
	if (queue_init(&cm->demand, min_u64(cm->n_chunks, DEMAND_MAX)) < 0) {
		chunkmap_free(cm);
		return -ENOMEM;
	}
	*ret = cm;
	return 0;
}

int chunkmap_new(uint64_t image_bytes, uint32_t chunk_bytes, void (*wake)(void *ctx),
		 void *ctx, struct chunkmap **ret)
{
	size_t n_bytes = chunkmap_memory_bytes(image_bytes, chunk_bytes);
	void *memory = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int err;

	if (memory == MAP_FAILED)
		return -ENOMEM;
	err = chunkmap_new_in(memory, image_bytes, chunk_bytes, wake, ctx, ret);
	if (err < 0) {
		munmap(memory, n_bytes);
		return err;
	}
	(*ret)->own_memory = memory;
	(*ret)->own_bytes = n_bytes;
	return 0;
}

void chunkmap_free(struct chunkmap *cm)
{
	if (!cm)
		return;
	assert(cm->n_waiting == 0 && !cm->writers);
	if (cm->own_memory)
		munmap(cm->own_memory, cm->own_bytes);
	queue_fini(&cm->demand);
	PTHREAD_OK(pthread_cond_destroy(&cm->writer_left));
	PTHREAD_OK(pthread_cond_destroy(&cm->storing_ended));
	lock_fini(&cm->lock);
	free(cm);
}

#ifdef HYDROOT_CHECK
/* Everything that must hold whenever the lock is free; too slow for production. */
static void check_locked(struct chunkmap *cm)
{
	uint64_t n_ready = 0, ready_blocks = 0, n_waiting = 0;

	lock_assert_held(&cm->lock);
	if (cm->n_chunks > 4096)
		return;
	for (uint64_t ci = 0; ci < cm->n_chunks; ci++) {
		uint64_t n_valid = 0, n = end_block_of(cm, ci) - first_block_of(cm, ci);

		for (uint64_t b = first_block_of(cm, ci); b < end_block_of(cm, ci); b++)
			n_valid += bit_is_set(cm->valid, b);
		assert(state_of(cm, ci) <= CHUNK_READY);
		assert(state_of(cm, ci) != CHUNK_ABSENT || n_valid == 0);
		assert(state_of(cm, ci) != CHUNK_PARTIAL || n_valid > 0);
		assert(state_of(cm, ci) != CHUNK_PARTIAL || n_valid < n ||
		       cm->marks[ci] & MARK_PACKED);
		if (state_of(cm, ci) == CHUNK_READY) {
			n_ready++;
			ready_blocks += n;
		}
	}
	for (unsigned i = 0; i < WAITER_BUCKETS; i++)
		for (struct chunk_waiter *w = cm->waiters[i]; w; w = w->next) {
			assert(state_of(cm, w->ci) != CHUNK_READY);
			n_waiting++;
		}
	assert(n_ready == cm->n_ready && ready_blocks == cm->ready_blocks);
	assert(n_waiting == cm->n_waiting);
}
#else
static void check_locked(struct chunkmap *cm)
{
	lock_assert_held(&cm->lock);
}
#endif

static void enter(struct chunkmap *cm)
{
	lock_acquire(&cm->lock);
}

static void leave(struct chunkmap *cm)
{
	check_locked(cm);
	lock_release(&cm->lock);
}

/* -- state changes ------------------------------------------------------------------------ */

static void make_ready_locked(struct chunkmap *cm, uint64_t ci)
{
	lock_assert_held(&cm->lock);
	if (state_of(cm, ci) == CHUNK_READY)
		return;
	set_marks(cm, ci,
		  (cm->marks[ci] & ~(STATE_MASK | MARK_PACKED | MARK_PROMISED)) |
			  CHUNK_READY);
	cm->n_ready++;
	cm->ready_blocks += end_block_of(cm, ci) - first_block_of(cm, ci);
}

static bool all_valid_locked(struct chunkmap *cm, uint64_t first, uint64_t end)
{
	lock_assert_held(&cm->lock);
	for (uint64_t b = first; b < end; b++)
		if (!bit_is_set(cm->valid, b))
			return false;
	return true;
}

static bool any_set(const uint8_t *bits, uint64_t first, uint64_t end)
{
	for (uint64_t b = first; b < end; b++)
		if (bit_is_set(bits, b))
			return true;
	return false;
}

/* Clear bits [first, end) of chunk ci in an array, and the mark when none is left. */
static void clear_bits_locked(struct chunkmap *cm, uint8_t *bits, unsigned mark,
			      uint64_t ci, uint64_t first, uint64_t end)
{
	lock_assert_held(&cm->lock);
	if (!(cm->marks[ci] & mark))
		return;
	for (uint64_t b = first; b < end; b++)
		bits[b / 8] &= (uint8_t) ~(1u << (b % 8));
	if (!any_set(bits, first_block_of(cm, ci), end_block_of(cm, ci)))
		set_marks(cm, ci, cm->marks[ci] & ~mark);
}

/*
 * Blocks [first, end) of chunk ci have become valid.  A chunk with blocks of the hot pack is not READY
 * before these were compared with the image.
 */
static void make_valid_locked(struct chunkmap *cm, uint64_t ci, uint64_t first,
			      uint64_t end)
{
	lock_assert_held(&cm->lock);
	if (state_of(cm, ci) == CHUNK_READY)
		return;
	set_marks(cm, ci, (cm->marks[ci] & ~STATE_MASK) | CHUNK_PARTIAL);
	for (uint64_t b = first; b < end; b++)
		cm->valid[b / 8] |= (uint8_t)(1u << (b % 8));
	if (!(cm->marks[ci] & MARK_PACKED) &&
	    all_valid_locked(cm, first_block_of(cm, ci), end_block_of(cm, ci)))
		make_ready_locked(cm, ci);
}

/* -- waiters and demand ------------------------------------------------------------------- */

static struct chunk_waiter **bucket_of(struct chunkmap *cm, uint64_t ci)
{
	return &cm->waiters[ci % WAITER_BUCKETS];
}

static void add_waiter_locked(struct chunkmap *cm, struct chunk_waiter *w)
{
	struct chunk_waiter **at = bucket_of(cm, w->ci);

	lock_assert_held(&cm->lock);
	while (*at)
		at = &(*at)->next;
	w->next = NULL;
	*at = w;
	cm->n_waiting++;
}

/* Unlink all waiters of ci and put them in front of `list`. */
static struct chunk_waiter *take_waiters_locked(struct chunkmap *cm, uint64_t ci,
						struct chunk_waiter *list)
{
	struct chunk_waiter **at = bucket_of(cm, ci);

	lock_assert_held(&cm->lock);
	while (*at) {
		struct chunk_waiter *w = *at;

		if (w->ci != ci) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = list;
		list = w;
		cm->n_waiting--;
	}
	return list;
}

static bool has_waiters_locked(struct chunkmap *cm, uint64_t ci)
{
	lock_assert_held(&cm->lock);
	for (struct chunk_waiter *w = *bucket_of(cm, ci); w; w = w->next)
		if (w->ci == ci)
			return true;
	return false;
}

static void demand_locked(struct chunkmap *cm, uint64_t ci)
{
	lock_assert_held(&cm->lock);
	if (state_of(cm, ci) == CHUNK_READY ||
	    cm->marks[ci] & (MARK_DEMANDED | MARK_CLAIMED))
		return;
	if (!queue_push(&cm->demand, ci)) {
		cm->demand_overflowed = true;
		return;
	}
	cm->marks[ci] |= MARK_DEMANDED;
	cm->n_demanded++;
}

/* In an outage the queue can fill up with chunks that were written over since. */
static void demand_overflowed_locked(struct chunkmap *cm)
{
	lock_assert_held(&cm->lock);
	if (!cm->demand_overflowed || queue_length(&cm->demand))
		return;
	cm->demand_overflowed = false;
	for (unsigned i = 0; i < WAITER_BUCKETS; i++)
		for (struct chunk_waiter *w = cm->waiters[i]; w; w = w->next)
			demand_locked(cm, w->ci);
}

/* The part of [first, end) that lies in chunk ci is valid. */
static bool part_is_valid_locked(struct chunkmap *cm, uint64_t ci, uint64_t first,
				 uint64_t end)
{
	lock_assert_held(&cm->lock);
	if (state_of(cm, ci) == CHUNK_READY)
		return true;
	if (state_of(cm, ci) == CHUNK_ABSENT)
		return false;
	return all_valid_locked(cm, max_u64(first, first_block_of(cm, ci)),
				min_u64(end, end_block_of(cm, ci)));
}

/* What is missing of [first, end) in chunk ci is on its way from the hot pack. */
static bool part_is_promised_locked(struct chunkmap *cm, uint64_t ci, uint64_t first,
				    uint64_t end)
{
	lock_assert_held(&cm->lock);
	if (!(cm->marks[ci] & MARK_PROMISED))
		return false;
	first = max_u64(first, first_block_of(cm, ci));
	end = min_u64(end, end_block_of(cm, ci));
	for (uint64_t b = first; b < end; b++)
		if (!bit_is_set(cm->promised, b) &&
		    !(state_of(cm, ci) == CHUNK_PARTIAL && bit_is_set(cm->valid, b)))
			return false;
	return true;
}

bool chunkmap_want(struct chunkmap *cm, struct chunk_waiter *w)
{
	uint64_t first = w->img_off / BLOCK_BYTES;
	uint64_t end = div_round_up(w->img_off + w->n_bytes, BLOCK_BYTES);
	bool is_missing = false;

	assert(first < end && end <= cm->n_blocks);
	enter(cm);
	for (uint64_t ci = first / cm->blocks_per_chunk;
	     ci <= (end - 1) / cm->blocks_per_chunk; ci++) {
		if (part_is_valid_locked(cm, ci, first, end))
			continue;
		if (!is_missing) {
			is_missing = true;
			w->ci = ci;
			add_waiter_locked(cm, w);
		}
		if (!part_is_promised_locked(cm, ci, first, end))
			demand_locked(cm, ci);
	}
	leave(cm);
	if (is_missing)
		cm->wake(cm->wake_ctx);
	return !is_missing;
}

bool chunkmap_is_valid(struct chunkmap *cm, uint64_t img_off, uint64_t n_bytes)
{
	uint64_t first = img_off / BLOCK_BYTES;
	uint64_t end = div_round_up(img_off + n_bytes, BLOCK_BYTES);
	bool valid = true;

	enter(cm);
	for (uint64_t ci = first / cm->blocks_per_chunk;
	     valid && ci <= (end - 1) / cm->blocks_per_chunk; ci++)
		valid = part_is_valid_locked(cm, ci, first, end);
	leave(cm);
	return valid;
}

bool chunkmap_next_demand(struct chunkmap *cm, uint64_t *ret_ci)
{
	bool found = false;
	uint64_t ci = 0;

	enter(cm);
	while (!found && queue_pop(&cm->demand, &ci)) {
		cm->marks[ci] &= (uint8_t)~MARK_DEMANDED;
		cm->n_demanded--;
		found = state_of(cm, ci) != CHUNK_READY &&
			!(cm->marks[ci] & MARK_CLAIMED);
		demand_overflowed_locked(cm);
	}
	leave(cm);
	if (found)
		*ret_ci = ci;
	return found;
}

bool chunkmap_is_demanded(struct chunkmap *cm, uint64_t ci)
{
	bool demanded;

	enter(cm);
	demanded = ci < cm->n_chunks && cm->marks[ci] & MARK_DEMANDED &&
		   !(cm->marks[ci] & MARK_CLAIMED) && state_of(cm, ci) != CHUNK_READY;
	leave(cm);
	return demanded;
}

bool chunkmap_has_waiters(struct chunkmap *cm, uint64_t ci)
{
	bool has;

	enter(cm);
	has = has_waiters_locked(cm, ci);
	leave(cm);
	return has;
}

bool chunkmap_next_absent(struct chunkmap *cm, uint64_t from, uint64_t *ret_ci)
{
	uint64_t ci;

	enter(cm);
	for (ci = from; ci < cm->n_chunks; ci++)
		if (state_of(cm, ci) != CHUNK_READY && !(cm->marks[ci] & MARK_CLAIMED))
			break;
	leave(cm);
	if (ci >= cm->n_chunks)
		return false;
	*ret_ci = ci;
	return true;
}

/* -- writers ------------------------------------------------------------------------------ */

static bool is_storing_locked(struct chunkmap *cm, uint64_t first_ci, uint64_t last_ci)
{
	lock_assert_held(&cm->lock);
	for (unsigned i = 0; i < cm->n_storing; i++)
		if (cm->storing[i] >= first_ci && cm->storing[i] <= last_ci)
			return true;
	return false;
}

static bool all_ready_locked(struct chunkmap *cm, uint64_t first_ci, uint64_t last_ci)
{
	lock_assert_held(&cm->lock);
	for (uint64_t ci = first_ci; ci <= last_ci; ci++)
		if (state_of(cm, ci) != CHUNK_READY)
			return false;
	return true;
}

void chunkmap_write_begin(struct chunkmap *cm, struct chunk_writer *w, uint64_t img_off,
			  uint64_t n_bytes)
{
	uint64_t first_ci, last_ci;

	assert(img_off % BLOCK_BYTES == 0 && n_bytes && n_bytes % BLOCK_BYTES == 0);
	w->first_block = img_off / BLOCK_BYTES;
	w->end_block = w->first_block + n_bytes / BLOCK_BYTES;
	assert(w->end_block <= cm->n_blocks);
	first_ci = w->first_block / cm->blocks_per_chunk;
	last_ci = (w->end_block - 1) / cm->blocks_per_chunk;
	enter(cm);
	while (is_storing_locked(cm, first_ci, last_ci))
		cond_wait(&cm->storing_ended, &cm->lock);
	/* Nobody fetches for READY chunks: nothing to keep apart. */
	w->is_registered = !all_ready_locked(cm, first_ci, last_ci);
	if (w->is_registered) {
		w->next = cm->writers;
		cm->writers = w;
	}
	leave(cm);
}

static void unregister_locked(struct chunkmap *cm, struct chunk_writer *w)
{
	struct chunk_writer **at = &cm->writers;

	lock_assert_held(&cm->lock);
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	PTHREAD_OK(pthread_cond_broadcast(&cm->writer_left));
}

struct chunk_waiter *chunkmap_write_end(struct chunkmap *cm, struct chunk_writer *w,
					bool ok)
{
	struct chunk_waiter *list = NULL;
	bool is_complete;

	if (!w->is_registered)
		return NULL;
	enter(cm);
	for (uint64_t b = w->first_block; b < w->end_block;) {
		uint64_t ci = b / cm->blocks_per_chunk;
		uint64_t end = min_u64(w->end_block, end_block_of(cm, ci));

		/* Also where the write failed: the user may have been told so, and it is his now. */
		clear_bits_locked(cm, cm->packed, MARK_PACKED, ci, b, end);
		if (ok) {
			make_valid_locked(cm, ci, b, end);
			list = take_waiters_locked(cm, ci, list);
		}
		b = end;
	}
	unregister_locked(cm, w);
	is_complete = cm->n_ready == cm->n_chunks;
	leave(cm);
	/* No fetch will tell the engine that nothing is missing any more. */
	if (is_complete)
		cm->wake(cm->wake_ctx);
	return list;
}

/* -- fetches ------------------------------------------------------------------------------ */

bool chunkmap_claim(struct chunkmap *cm, uint64_t ci)
{
	bool ok;

	enter(cm);
	ok = state_of(cm, ci) != CHUNK_READY && !(cm->marks[ci] & MARK_CLAIMED);
	if (ok)
		cm->marks[ci] |= MARK_CLAIMED;
	leave(cm);
	return ok;
}

void chunkmap_unclaim(struct chunkmap *cm, uint64_t ci)
{
	enter(cm);
	assert(cm->marks[ci] & MARK_CLAIMED);
	cm->marks[ci] &= (uint8_t)~MARK_CLAIMED;
	if (has_waiters_locked(cm, ci))
		demand_locked(cm, ci);
	leave(cm);
}

static bool has_writer_locked(struct chunkmap *cm, uint64_t ci)
{
	lock_assert_held(&cm->lock);
	for (struct chunk_writer *w = cm->writers; w; w = w->next)
		if (w->first_block < end_block_of(cm, ci) &&
		    w->end_block > first_block_of(cm, ci))
			return true;
	return false;
}

/* One stores at a time, and nobody writes meanwhile. */
static void begin_storing_locked(struct chunkmap *cm, uint64_t ci)
{
	lock_assert_held(&cm->lock);
	while (is_storing_locked(cm, ci, ci))
		cond_wait(&cm->storing_ended, &cm->lock);
	assert(cm->n_storing < STORING_MAX);
	cm->storing[cm->n_storing++] = ci;
	while (has_writer_locked(cm, ci))
		cond_wait(&cm->writer_left, &cm->lock);
}

static void copy_valid_locked(struct chunkmap *cm, uint64_t ci, uint8_t *ret)
{
	size_t n_bytes = cm->blocks_per_chunk / 8;

	lock_assert_held(&cm->lock);
	if (state_of(cm, ci) == CHUNK_PARTIAL)
		memcpy(ret, cm->valid + ci * n_bytes, n_bytes);
	else
		memset(ret, state_of(cm, ci) == CHUNK_READY ? 0xff : 0, n_bytes);
}

void chunkmap_store_begin(struct chunkmap *cm, uint64_t ci, uint8_t *valid)
{
	enter(cm);
	assert(cm->marks[ci] & MARK_CLAIMED);
	begin_storing_locked(cm, ci);
	copy_valid_locked(cm, ci, valid);
	leave(cm);
}

static void end_storing_locked(struct chunkmap *cm, uint64_t ci)
{
	unsigned i = 0;

	lock_assert_held(&cm->lock);
	while (cm->storing[i] != ci)
		i++;
	assert(i < cm->n_storing);
	cm->storing[i] = cm->storing[--cm->n_storing];
	PTHREAD_OK(pthread_cond_broadcast(&cm->storing_ended));
}

struct chunk_waiter *chunkmap_store_end(struct chunkmap *cm, uint64_t ci, bool ok)
{
	struct chunk_waiter *list = NULL;

	enter(cm);
	end_storing_locked(cm, ci);
	cm->marks[ci] &= (uint8_t)~MARK_CLAIMED;
	if (ok)
		make_ready_locked(cm, ci);
	if (ok)
		list = take_waiters_locked(cm, ci, NULL);
	leave(cm);
	return list;
}

bool chunkmap_store_packed(struct chunkmap *cm, uint64_t ci, uint8_t *packed)
{
	size_t n_bytes = cm->blocks_per_chunk / 8;
	bool any;

	enter(cm);
	assert(is_storing_locked(cm, ci, ci));
	any = cm->marks[ci] & MARK_PACKED;
	if (any)
		memcpy(packed, cm->packed + ci * n_bytes, n_bytes);
	leave(cm);
	return any;
}

struct chunk_waiter *chunkmap_mark_zero(struct chunkmap *cm, uint64_t ci)
{
	struct chunk_waiter *list = NULL;

	enter(cm);
	/* A pack has put something where the image has zeros: it goes the way of other chunks. */
	if (!(cm->marks[ci] & MARK_PACKED) && !is_storing_locked(cm, ci, ci)) {
		make_ready_locked(cm, ci);
		list = take_waiters_locked(cm, ci, NULL);
	}
	leave(cm);
	return list;
}

/* -- the hot pack ------------------------------------------------------------------------- */

/* Demand ci again for those who relied on the promise. */
static bool unpromise_locked(struct chunkmap *cm, uint64_t ci, uint64_t first,
			     uint64_t end)
{
	lock_assert_held(&cm->lock);
	if (!(cm->marks[ci] & MARK_PROMISED))
		return false;
	clear_bits_locked(cm, cm->promised, MARK_PROMISED, ci, first, end);
	if (!has_waiters_locked(cm, ci))
		return false;
	demand_locked(cm, ci);
	return true;
}

void chunkmap_promise(struct chunkmap *cm, uint64_t ci, uint32_t first, uint32_t n)
{
	uint64_t start = first_block_of(cm, ci) + first;

	enter(cm);
	assert(n && start + n <= end_block_of(cm, ci));
	if (state_of(cm, ci) != CHUNK_READY) {
		set_marks(cm, ci, cm->marks[ci] | MARK_PROMISED);
		for (uint64_t b = start; b < start + n; b++)
			cm->promised[b / 8] |= (uint8_t)(1u << (b % 8));
	}
	leave(cm);
}

void chunkmap_unpromise(struct chunkmap *cm, uint64_t ci, uint32_t first, uint32_t n)
{
	uint64_t start = first_block_of(cm, ci) + first;
	bool is_wanted;

	enter(cm);
	is_wanted = unpromise_locked(cm, ci, start, start + n);
	leave(cm);
	if (is_wanted)
		cm->wake(cm->wake_ctx);
}

bool chunkmap_part_begin(struct chunkmap *cm, uint64_t ci, uint8_t *valid)
{
	bool ok;

	enter(cm);
	ok = state_of(cm, ci) != CHUNK_READY;
	if (ok) {
		begin_storing_locked(cm, ci);
		ok = state_of(cm, ci) != CHUNK_READY;
		if (ok)
			copy_valid_locked(cm, ci, valid);
		else
			end_storing_locked(cm, ci);
	}
	leave(cm);
	return ok;
}

/* Blocks [first, end) that were not valid at begin are in the store now. */
static void add_part_locked(struct chunkmap *cm, uint64_t ci, uint64_t first,
			    uint64_t end)
{
	lock_assert_held(&cm->lock);
	/* First of all, so that the chunk does not become READY. */
	for (uint64_t b = first; b < end; b++)
		if (state_of(cm, ci) == CHUNK_ABSENT || !bit_is_set(cm->valid, b)) {
			set_marks(cm, ci, cm->marks[ci] | MARK_PACKED);
			cm->packed[b / 8] |= (uint8_t)(1u << (b % 8));
		}
	region_order();
	make_valid_locked(cm, ci, first, end);
}

struct chunk_waiter *chunkmap_part_end(struct chunkmap *cm, uint64_t ci, uint32_t first,
				       uint32_t n, bool ok)
{
	uint64_t start = first_block_of(cm, ci) + first;
	struct chunk_waiter *list = NULL;

	enter(cm);
	assert(n && start + n <= end_block_of(cm, ci));
	end_storing_locked(cm, ci);
	if (ok) {
		add_part_locked(cm, ci, start, start + n);
		clear_bits_locked(cm, cm->promised, MARK_PROMISED, ci, start, start + n);
		list = take_waiters_locked(cm, ci, NULL);
	}
	leave(cm);
	return list;
}

/* -- the whole map ------------------------------------------------------------------------ */

struct chunk_waiter *chunkmap_take_all_waiters(struct chunkmap *cm)
{
	struct chunk_waiter *list = NULL;

	enter(cm);
	for (unsigned i = 0; i < WAITER_BUCKETS; i++)
		while (cm->waiters[i])
			list = take_waiters_locked(cm, cm->waiters[i]->ci, list);
	leave(cm);
	return list;
}

bool chunkmap_is_complete(struct chunkmap *cm)
{
	bool complete;

	enter(cm);
	complete = cm->n_ready == cm->n_chunks;
	leave(cm);
	return complete;
}

void chunkmap_counts(struct chunkmap *cm, struct chunkmap_counts *ret)
{
	enter(cm);
	*ret = (struct chunkmap_counts){
		.n_chunks = cm->n_chunks,
		.n_ready = cm->n_ready,
		.ready_bytes = cm->ready_blocks * BLOCK_BYTES,
		.n_waiting = cm->n_waiting,
		.n_demanded = cm->n_demanded,
	};
	leave(cm);
}

enum chunk_state chunkmap_state(struct chunkmap *cm, uint64_t ci)
{
	enum chunk_state state;

	enter(cm);
	state = state_of(cm, ci);
	leave(cm);
	return state;
}
