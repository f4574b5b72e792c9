/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunkmap.c - one byte a chunk, one bit a block, one lock
 *
 * The valid bits of the whole image lie in one array that is touched only where a chunk is PARTIAL or
 * was written to: an ABSENT chunk has none set.  Where a chunk is READY its bits say instead which
 * blocks were written or discarded here: these are what stays when it leaves, so they are the valid
 * bits it then has.  In a PARTIAL chunk a valid block that is not `packed` was written here.
 *
 * The arrays can lie in memory that outlives the process.  So that a map is legal wherever its process was
 * killed, every change is made in an order that holds at each single write (chunkmap_set_marks_locked,
 * region_order): a state or mark that says "look at the bits" is set before the first bit and goes after
 * the last, a state that says "the bits do not matter" is one write, and bits that are subsets of
 * others go in the order that keeps a block from seeming to be written here.  chunkmap_recover.c tidies
 * up what such an order leaves.
 *
 * Two more arrays say which blocks came from the hot pack, and which are on their way from it.  A mark
 * of the chunk says whether they have to be looked at, so what no pack touches takes no memory.
 *
 * Writers and the storing of fetched bytes exclude each other chunk by chunk: a registered
 * writer keeps store_begin waiting, and a chunk in `storing` keeps new writers waiting.  storing
 * is entered before waiting for the writers to leave, so a stream of writes cannot starve it.  Readers
 * and writers of what is there are registered too, because a chunk that one of them uses cannot leave.
 */
#include "map/chunkmap.h"

#include <errno.h>
#include <sys/mman.h>

#include "map/chunkmap_internal.h"

const char *chunk_state_name(enum chunk_state state)
{
	static const char *const names[] = {"absent", "partial", "ready"};

	return names[state];
}

/* Read where nothing was written, it takes no memory, as shared memory would. */
static void *private_zeros(uint64_t n_bytes)
{
	void *p = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
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
	cm->clock = 1;
	cm->urgent_ci = UINT64_MAX;
	lock_init(&cm->lock);
	cond_init(&cm->writer_left);
	cond_init(&cm->storing_ended);
	set_arrays(cm, memory, image_bytes, chunk_bytes);
	cm->stamps = private_zeros(cm->n_chunks * sizeof *cm->stamps);
	if (!cm->stamps ||
	    queue_init(&cm->demand, min_u64(cm->n_chunks, DEMAND_MAX)) < 0) {
		chunkmap_free(cm);
		return -ENOMEM;
	}
	chunkmap_recover(cm);
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
	assert(cm->n_waiting == 0 && !cm->writers && !cm->readers);
	if (cm->own_memory)
		munmap(cm->own_memory, cm->own_bytes);
	if (cm->stamps)
		munmap(cm->stamps, cm->n_chunks * sizeof *cm->stamps);
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
	uint64_t n_ready = 0, ready_blocks = 0, n_waiting = 0, clean_blocks = 0;
	uint64_t n_present = 0;

	lock_assert_held(&cm->lock);
	if (cm->n_chunks > 4096)
		return;
	for (uint64_t ci = 0; ci < cm->n_chunks; ci++) {
		uint64_t n_valid = 0, n = end_block_of(cm, ci) - first_block_of(cm, ci);
		bool is_ready = state_of(cm, ci) == CHUNK_READY;

		for (uint64_t b = first_block_of(cm, ci); b < end_block_of(cm, ci); b++) {
			n_valid += bit_is_set(cm->valid, b);
			assert(!bit_is_set(cm->packed, b) ||
			       (cm->marks[ci] & MARK_PACKED && bit_is_set(cm->valid, b)));
			assert(!bit_is_set(cm->promised, b) ||
			       cm->marks[ci] & MARK_PROMISED);
		}
		assert(state_of(cm, ci) <= CHUNK_READY);
		assert(!(cm->marks[ci] & (MARK_DIRTY | MARK_ZERO)) || is_ready);
		assert(!is_ready || !(cm->marks[ci] & MARK_DIRTY) == !n_valid);
		clean_blocks += chunkmap_clean_locked(cm, ci);
		assert(state_of(cm, ci) != CHUNK_ABSENT || n_valid == 0);
		assert(state_of(cm, ci) != CHUNK_PARTIAL || n_valid > 0);
		assert(state_of(cm, ci) != CHUNK_PARTIAL || n_valid < n ||
		       cm->marks[ci] & MARK_PACKED);
		if (is_ready) {
			n_ready++;
			ready_blocks += n;
		}
		n_present += is_present(cm, ci);
		assert(!is_present(cm, ci) || cm->marks[ci] & MARK_CLAIMED);
	}
	for (struct chunk_reader *r = cm->readers; r; r = r->next)
		for (uint64_t ci = r->first_ci; ci <= r->last_ci; ci++)
			assert(state_of(cm, ci) != CHUNK_ABSENT);
	for (unsigned i = 0; i < WAITER_BUCKETS; i++)
		for (struct chunk_waiter *w = cm->waiters[i]; w; w = w->next) {
			assert(state_of(cm, w->ci) != CHUNK_READY);
			n_waiting++;
		}
	assert(n_ready == cm->n_ready && ready_blocks == cm->ready_blocks);
	assert(n_waiting == cm->n_waiting && clean_blocks == cm->clean_blocks);
	assert(n_present == cm->n_present);
}
#else
static void check_locked(struct chunkmap *cm)
{
	lock_assert_held(&cm->lock);
}
#endif

void chunkmap_enter(struct chunkmap *cm)
{
	lock_acquire(&cm->lock);
}

void chunkmap_leave(struct chunkmap *cm)
{
	check_locked(cm);
	lock_release(&cm->lock);
}

/* -- state changes ------------------------------------------------------------------------ */

void chunkmap_set_marks_locked(struct chunkmap *cm, uint64_t ci, unsigned marks)
{
	volatile uint8_t *byte = &cm->marks[ci];

	region_order();
	*byte = (uint8_t)marks;
	region_order();
}

bool chunkmap_any_locked(struct chunkmap *cm, uint8_t *bits, uint64_t ci)
{
	const uint8_t *at = bits_of(cm, bits, ci);

	lock_assert_held(&cm->lock);
	for (uint64_t i = 0; i < cm->blocks_per_chunk / 8; i++)
		if (at[i])
			return true;
	return false;
}

static uint64_t count_bits(const struct chunkmap *cm, uint8_t *bits, uint64_t ci)
{
	const uint8_t *at = bits_of(cm, bits, ci);
	uint64_t n = 0;

	for (uint64_t i = 0; i < cm->blocks_per_chunk / 8; i++)
		n += (unsigned)__builtin_popcount(at[i]);
	return n;
}

uint64_t chunkmap_clean_locked(struct chunkmap *cm, uint64_t ci)
{
	uint8_t marks = cm->marks[ci];

	lock_assert_held(&cm->lock);
	if (marks & MARK_ZERO)
		return 0;
	if (state_of(cm, ci) != CHUNK_READY)
		return marks & MARK_PACKED ? count_bits(cm, cm->packed, ci) : 0;
	return end_block_of(cm, ci) - first_block_of(cm, ci) -
	       (marks & MARK_DIRTY ? count_bits(cm, cm->valid, ci) : 0);
}

void chunkmap_note_clean_locked(struct chunkmap *cm, uint64_t ci, uint64_t before)
{
	cm->clean_blocks += chunkmap_clean_locked(cm, ci) - before;
}

void chunkmap_clear_locked(struct chunkmap *cm, uint8_t *bits, unsigned mark, uint64_t ci,
			   uint64_t first, uint64_t end)
{
	lock_assert_held(&cm->lock);
	if (!(cm->marks[ci] & mark))
		return;
	for (uint64_t b = first; b < end; b++)
		bits[b / 8] &= (uint8_t) ~(1u << (b % 8));
	if (!chunkmap_any_locked(cm, bits, ci))
		chunkmap_set_marks_locked(cm, ci, cm->marks[ci] & ~mark);
}

/* Not `packed` first: what is valid and not packed counts as written here. */
void chunkmap_drop_packed_locked(struct chunkmap *cm, uint64_t ci)
{
	uint8_t *valid = bits_of(cm, cm->valid, ci),
		*packed = bits_of(cm, cm->packed, ci);

	lock_assert_held(&cm->lock);
	if (!(cm->marks[ci] & MARK_PACKED))
		return;
	for (uint64_t i = 0; i < cm->blocks_per_chunk / 8; i++)
		valid[i] &= (uint8_t)~packed[i];
	region_order();
	memset(packed, 0, cm->blocks_per_chunk / 8);
}

/* What is left of the valid bits are the blocks that were written here. */
void chunkmap_make_ready_locked(struct chunkmap *cm, uint64_t ci)
{
	unsigned marks;

	lock_assert_held(&cm->lock);
	if (state_of(cm, ci) == CHUNK_READY)
		return;
	chunkmap_leave_present_locked(cm, ci);
	marks = CHUNK_READY | (cm->marks[ci] & (MARK_DEMANDED | MARK_CLAIMED));
	chunkmap_drop_packed_locked(cm, ci);
	if (cm->marks[ci] & MARK_PROMISED)
		memset(bits_of(cm, cm->promised, ci), 0, cm->blocks_per_chunk / 8);
	if (state_of(cm, ci) == CHUNK_PARTIAL && chunkmap_any_locked(cm, cm->valid, ci))
		marks |= MARK_DIRTY;
	chunkmap_set_marks_locked(cm, ci, marks);
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

/* The mark alone says only that a pack may have put something into the store. */
static bool has_packed_locked(struct chunkmap *cm, uint64_t ci)
{
	lock_assert_held(&cm->lock);
	return cm->marks[ci] & MARK_PACKED && chunkmap_any_locked(cm, cm->packed, ci);
}

/*
 * A chunk with blocks of the hot pack is not READY before these were compared with the image.  One
 * that is READY remembers what was written to it.
 */
void chunkmap_make_valid_locked(struct chunkmap *cm, uint64_t ci, uint64_t first,
				uint64_t end)
{
	lock_assert_held(&cm->lock);
	if (state_of(cm, ci) == CHUNK_READY) {
		chunkmap_set_marks_locked(cm, ci, cm->marks[ci] | MARK_DIRTY);
		set_bits(cm->valid, first, end);
		return;
	}
	chunkmap_leave_present_locked(cm, ci);
	chunkmap_set_marks_locked(cm, ci, (cm->marks[ci] & ~STATE_MASK) | CHUNK_PARTIAL);
	set_bits(cm->valid, first, end);
	if (!has_packed_locked(cm, ci) &&
	    all_valid_locked(cm, first_block_of(cm, ci), end_block_of(cm, ci)))
		chunkmap_make_ready_locked(cm, ci);
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
struct chunk_waiter *chunkmap_take_waiters_locked(struct chunkmap *cm, uint64_t ci,
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

bool chunkmap_has_waiters_locked(struct chunkmap *cm, uint64_t ci)
{
	lock_assert_held(&cm->lock);
	for (struct chunk_waiter *w = *bucket_of(cm, ci); w; w = w->next)
		if (w->ci == ci)
			return true;
	return false;
}

void chunkmap_demand_locked(struct chunkmap *cm, uint64_t ci, bool before_others)
{
	lock_assert_held(&cm->lock);
	if (state_of(cm, ci) == CHUNK_READY ||
	    cm->marks[ci] & (MARK_DEMANDED | MARK_CLAIMED))
		return;
	if (!(before_others ? queue_push_front(&cm->demand, ci)
			    : queue_push(&cm->demand, ci))) {
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
			chunkmap_demand_locked(cm, w->ci, false);
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

/* -- readers ------------------------------------------------------------------------------ */

static bool range_is_valid_locked(struct chunkmap *cm, const struct chunk_reader *r,
				  uint64_t first, uint64_t end)
{
	lock_assert_held(&cm->lock);
	for (uint64_t ci = r->first_ci; ci <= r->last_ci; ci++)
		if (!part_is_valid_locked(cm, ci, first, end))
			return false;
	return true;
}

static void add_reader_locked(struct chunkmap *cm, struct chunk_reader *r)
{
	lock_assert_held(&cm->lock);
	for (uint64_t ci = r->first_ci; ci <= r->last_ci; ci++)
		chunkmap_touch_locked(cm, ci);
	r->next = cm->readers;
	cm->readers = r;
}

static void init_reader(const struct chunkmap *cm, struct chunk_reader *r, uint64_t first,
			uint64_t end)
{
	assert(first < end && end <= cm->n_blocks);
	r->first_ci = first / cm->blocks_per_chunk;
	r->last_ci = (end - 1) / cm->blocks_per_chunk;
}

bool chunkmap_read_begin(struct chunkmap *cm, struct chunk_reader *r, uint64_t img_off,
			 uint64_t n_bytes)
{
	uint64_t first = img_off / BLOCK_BYTES;
	uint64_t end = div_round_up(img_off + n_bytes, BLOCK_BYTES);
	bool valid;

	init_reader(cm, r, first, end);
	chunkmap_enter(cm);
	valid = range_is_valid_locked(cm, r, first, end);
	if (valid)
		add_reader_locked(cm, r);
	chunkmap_leave(cm);
	return valid;
}

void chunkmap_read_end(struct chunkmap *cm, struct chunk_reader *r)
{
	struct chunk_reader **at = &cm->readers;

	chunkmap_enter(cm);
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	chunkmap_leave(cm);
}

/*
 * Demand what a read misses and nobody has promised; is_urgent: before what others have demanded.  Returns the
 * first chunk that it misses.
 */
static uint64_t demand_missing_locked(struct chunkmap *cm, struct chunk_waiter *w,
				      bool is_urgent)
{
	uint64_t first = w->img_off / BLOCK_BYTES;
	uint64_t end = div_round_up(w->img_off + w->n_bytes, BLOCK_BYTES);
	uint64_t missing = UINT64_MAX;

	lock_assert_held(&cm->lock);
	for (uint64_t ci = w->reader.first_ci; ci <= w->reader.last_ci; ci++) {
		if (part_is_valid_locked(cm, ci, first, end)) {
			chunkmap_touch_locked(cm, ci);
			continue;
		}
		if (missing == UINT64_MAX)
			missing = ci;
		if (part_is_promised_locked(cm, ci, first, end))
			continue;
		w->is_demand = true;
		chunkmap_demand_locked(cm, ci, is_urgent);
	}
	return missing;
}

/*
 * Something is missing: wait for the first chunk of it, demand all of it.  A read that has waited before
 * goes before others: else, where the store holds less than what is waited for, the chunks of a read
 * could leave in turn and never be there together.
 */
static void wait_locked(struct chunkmap *cm, struct chunk_waiter *w)
{
	lock_assert_held(&cm->lock);
	w->ci = demand_missing_locked(cm, w, w->has_waited);
	w->has_waited = true;
	add_waiter_locked(cm, w);
}

bool chunkmap_want(struct chunkmap *cm, struct chunk_waiter *w)
{
	uint64_t first = w->img_off / BLOCK_BYTES;
	uint64_t end = div_round_up(w->img_off + w->n_bytes, BLOCK_BYTES);
	bool valid;

	init_reader(cm, &w->reader, first, end);
	chunkmap_enter(cm);
	valid = range_is_valid_locked(cm, &w->reader, first, end);
	if (valid)
		add_reader_locked(cm, &w->reader);
	else
		wait_locked(cm, w);
	chunkmap_leave(cm);
	if (!valid)
		cm->wake(cm->wake_ctx);
	return valid;
}

bool chunkmap_is_valid(struct chunkmap *cm, uint64_t img_off, uint64_t n_bytes)
{
	uint64_t first = img_off / BLOCK_BYTES;
	uint64_t end = div_round_up(img_off + n_bytes, BLOCK_BYTES);
	bool valid = true;

	chunkmap_enter(cm);
	for (uint64_t ci = first / cm->blocks_per_chunk;
	     valid && ci <= (end - 1) / cm->blocks_per_chunk; ci++)
		valid = part_is_valid_locked(cm, ci, first, end);
	chunkmap_leave(cm);
	return valid;
}

bool chunkmap_next_demand(struct chunkmap *cm, uint64_t *ret_ci)
{
	bool found = false;
	uint64_t ci = 0;

	chunkmap_enter(cm);
	while (!found && queue_pop(&cm->demand, &ci)) {
		cm->marks[ci] &= (uint8_t)~MARK_DEMANDED;
		cm->n_demanded--;
		found = state_of(cm, ci) != CHUNK_READY &&
			!(cm->marks[ci] & MARK_CLAIMED);
		demand_overflowed_locked(cm);
	}
	chunkmap_leave(cm);
	if (found)
		*ret_ci = ci;
	return found;
}

bool chunkmap_is_demanded(struct chunkmap *cm, uint64_t ci)
{
	bool demanded;

	chunkmap_enter(cm);
	demanded = ci < cm->n_chunks && cm->marks[ci] & MARK_DEMANDED &&
		   !(cm->marks[ci] & MARK_CLAIMED) && state_of(cm, ci) != CHUNK_READY;
	chunkmap_leave(cm);
	return demanded;
}

bool chunkmap_has_waiters(struct chunkmap *cm, uint64_t ci)
{
	bool has;

	chunkmap_enter(cm);
	has = chunkmap_has_waiters_locked(cm, ci);
	chunkmap_leave(cm);
	return has;
}

bool chunkmap_next_absent(struct chunkmap *cm, uint64_t from, uint64_t *ret_ci)
{
	uint64_t ci;

	chunkmap_enter(cm);
	for (ci = from; ci < cm->n_chunks; ci++)
		if (state_of(cm, ci) != CHUNK_READY && !(cm->marks[ci] & MARK_CLAIMED))
			break;
	chunkmap_leave(cm);
	if (ci >= cm->n_chunks)
		return false;
	*ret_ci = ci;
	return true;
}

/* -- writers ------------------------------------------------------------------------------ */

/* The mark stays: of other blocks, too, something may be in the store, which zeros must not be taken for. */
static void unpack_locked(struct chunkmap *cm, uint64_t ci, uint64_t first, uint64_t end)
{
	lock_assert_held(&cm->lock);
	if (!(cm->marks[ci] & MARK_PACKED))
		return;
	for (uint64_t b = first; b < end; b++)
		cm->packed[b / 8] &= (uint8_t) ~(1u << (b % 8));
	region_order();
}

bool chunkmap_is_storing_locked(struct chunkmap *cm, uint64_t first_ci, uint64_t last_ci)
{
	lock_assert_held(&cm->lock);
	for (unsigned i = 0; i < cm->n_storing; i++)
		if (cm->storing[i] >= first_ci && cm->storing[i] <= last_ci)
			return true;
	return false;
}

/*
 * Before the store is touched: these blocks are the user's from now on, whatever becomes of the write,
 * and must not leave.  Where the chunk is not READY, chunkmap_write_end says so by making them valid.
 */
static void note_written_locked(struct chunkmap *cm, uint64_t first, uint64_t end)
{
	lock_assert_held(&cm->lock);
	for (uint64_t b = first; b < end;) {
		uint64_t ci = b / cm->blocks_per_chunk;
		uint64_t stop = min_u64(end, end_block_of(cm, ci));

		if (state_of(cm, ci) == CHUNK_READY) {
			uint64_t before = chunkmap_clean_locked(cm, ci);

			chunkmap_make_valid_locked(cm, ci, b, stop);
			chunkmap_note_clean_locked(cm, ci, before);
		}
		b = stop;
	}
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
	chunkmap_enter(cm);
	while (chunkmap_is_storing_locked(cm, first_ci, last_ci) ||
	       chunkmap_awaits_check_locked(cm, w))
		cond_wait(&cm->storing_ended, &cm->lock);
	note_written_locked(cm, w->first_block, w->end_block);
	w->next = cm->writers;
	cm->writers = w;
	chunkmap_leave(cm);
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
	uint64_t n_ready;

	chunkmap_enter(cm);
	n_ready = cm->n_ready;
	for (uint64_t b = w->first_block; b < w->end_block;) {
		uint64_t ci = b / cm->blocks_per_chunk;
		uint64_t end = min_u64(w->end_block, end_block_of(cm, ci));
		uint64_t before = chunkmap_clean_locked(cm, ci);

		/* Also where the write failed: the user may have been told so, and it is his now. */
		unpack_locked(cm, ci, b, end);
		if (ok) {
			chunkmap_make_valid_locked(cm, ci, b, end);
			chunkmap_touch_locked(cm, ci);
			list = chunkmap_take_waiters_locked(cm, ci, list);
		}
		chunkmap_note_clean_locked(cm, ci, before);
		b = end;
	}
	unregister_locked(cm, w);
	is_complete = cm->n_ready == cm->n_chunks && cm->n_ready != n_ready;
	chunkmap_leave(cm);
	/* No fetch will tell the engine that nothing is missing any more. */
	if (is_complete)
		cm->wake(cm->wake_ctx);
	return list;
}

/* -- fetches ------------------------------------------------------------------------------ */

bool chunkmap_claim(struct chunkmap *cm, uint64_t ci)
{
	bool ok;

	chunkmap_enter(cm);
	ok = state_of(cm, ci) != CHUNK_READY && !(cm->marks[ci] & MARK_CLAIMED);
	if (ok)
		cm->marks[ci] |= MARK_CLAIMED;
	chunkmap_leave(cm);
	return ok;
}

void chunkmap_unclaim(struct chunkmap *cm, uint64_t ci)
{
	chunkmap_enter(cm);
	assert(cm->marks[ci] & MARK_CLAIMED);
	cm->marks[ci] &= (uint8_t)~MARK_CLAIMED;
	if (chunkmap_has_waiters_locked(cm, ci))
		chunkmap_demand_locked(cm, ci, false);
	chunkmap_leave(cm);
}

bool chunkmap_has_writer_locked(struct chunkmap *cm, uint64_t ci)
{
	lock_assert_held(&cm->lock);
	for (struct chunk_writer *w = cm->writers; w; w = w->next)
		if (w->first_block < end_block_of(cm, ci) &&
		    w->end_block > first_block_of(cm, ci))
			return true;
	return false;
}

/* One stores at a time, and nobody writes meanwhile. */
void chunkmap_begin_storing_locked(struct chunkmap *cm, uint64_t ci)
{
	lock_assert_held(&cm->lock);
	while (chunkmap_is_storing_locked(cm, ci, ci))
		cond_wait(&cm->storing_ended, &cm->lock);
	assert(cm->n_storing < STORING_MAX);
	cm->storing[cm->n_storing++] = ci;
	while (chunkmap_has_writer_locked(cm, ci))
		cond_wait(&cm->writer_left, &cm->lock);
}

void chunkmap_copy_valid_locked(struct chunkmap *cm, uint64_t ci, uint8_t *ret)
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
	chunkmap_enter(cm);
	assert(cm->marks[ci] & MARK_CLAIMED);
	chunkmap_begin_storing_locked(cm, ci);
	chunkmap_copy_valid_locked(cm, ci, valid);
	chunkmap_leave(cm);
}

void chunkmap_end_storing_locked(struct chunkmap *cm, uint64_t ci)
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
	uint64_t before;

	chunkmap_enter(cm);
	chunkmap_end_storing_locked(cm, ci);
	cm->marks[ci] &= (uint8_t)~MARK_CLAIMED;
	if (ok) {
		before = chunkmap_clean_locked(cm, ci);
		chunkmap_make_ready_locked(cm, ci);
		chunkmap_note_clean_locked(cm, ci, before);
		chunkmap_touch_locked(cm, ci);
		list = chunkmap_take_waiters_locked(cm, ci, NULL);
	}
	chunkmap_leave(cm);
	return list;
}

bool chunkmap_store_packed(struct chunkmap *cm, uint64_t ci, uint8_t *packed)
{
	size_t n_bytes = cm->blocks_per_chunk / 8;
	bool any;

	chunkmap_enter(cm);
	assert(chunkmap_is_storing_locked(cm, ci, ci));
	any = cm->marks[ci] & MARK_PACKED;
	if (any)
		memcpy(packed, cm->packed + ci * n_bytes, n_bytes);
	chunkmap_leave(cm);
	return any;
}

struct chunk_waiter *chunkmap_mark_zero(struct chunkmap *cm, uint64_t ci)
{
	struct chunk_waiter *list = NULL;
	uint64_t before;

	chunkmap_enter(cm);
	/* A pack has put something where the image has zeros: it goes the way of other chunks. */
	if (state_of(cm, ci) != CHUNK_READY && !(cm->marks[ci] & MARK_PACKED) &&
	    !chunkmap_is_storing_locked(cm, ci, ci)) {
		before = chunkmap_clean_locked(cm, ci);
		chunkmap_make_ready_locked(cm, ci);
		chunkmap_set_marks_locked(cm, ci, cm->marks[ci] | MARK_ZERO);
		chunkmap_note_clean_locked(cm, ci, before);
		list = chunkmap_take_waiters_locked(cm, ci, NULL);
	}
	chunkmap_leave(cm);
	return list;
}

/* -- reads that waited too long ------------------------------------------------------------ */

/* Only what somebody still waits for stays demanded. */
static void demand_anew_locked(struct chunkmap *cm)
{
	uint64_t ci;

	lock_assert_held(&cm->lock);
	while (queue_pop(&cm->demand, &ci))
		cm->marks[ci] &= (uint8_t)~MARK_DEMANDED;
	cm->n_demanded = 0;
	cm->demand_overflowed = false;
	for (unsigned i = 0; i < WAITER_BUCKETS; i++)
		for (struct chunk_waiter *w = cm->waiters[i]; w; w = w->next)
			(void)demand_missing_locked(cm, w, false);
}

struct chunk_waiter *chunkmap_take_older(struct chunkmap *cm, int64_t before_ns,
					 int64_t *ret_oldest_ns)
{
	struct chunk_waiter *list = NULL;

	*ret_oldest_ns = INT64_MAX;
	chunkmap_enter(cm);
	for (unsigned i = 0; i < WAITER_BUCKETS; i++)
		for (struct chunk_waiter **at = &cm->waiters[i]; *at;) {
			struct chunk_waiter *w = *at;

			if (w->since_ns > before_ns) {
				if (w->since_ns < *ret_oldest_ns)
					*ret_oldest_ns = w->since_ns;
				at = &w->next;
				continue;
			}
			*at = w->next;
			w->next = list;
			list = w;
			cm->n_waiting--;
		}
	if (list)
		demand_anew_locked(cm);
	chunkmap_leave(cm);
	return list;
}

/* -- the whole map ------------------------------------------------------------------------ */

struct chunk_waiter *chunkmap_take_all_waiters(struct chunkmap *cm)
{
	struct chunk_waiter *list = NULL;

	chunkmap_enter(cm);
	for (unsigned i = 0; i < WAITER_BUCKETS; i++)
		while (cm->waiters[i])
			list = chunkmap_take_waiters_locked(cm, cm->waiters[i]->ci, list);
	chunkmap_leave(cm);
	return list;
}

bool chunkmap_is_complete(struct chunkmap *cm)
{
	bool complete;

	chunkmap_enter(cm);
	complete = cm->n_ready == cm->n_chunks;
	chunkmap_leave(cm);
	return complete;
}

uint64_t chunkmap_ready_in(struct chunkmap *cm, uint64_t ci, uint64_t n)
{
	uint64_t n_ready = 0;

	chunkmap_enter(cm);
	for (uint64_t end = min_u64(ci + n, cm->n_chunks); ci < end; ci++)
		n_ready += state_of(cm, ci) == CHUNK_READY;
	chunkmap_leave(cm);
	return n_ready;
}

void chunkmap_counts(struct chunkmap *cm, struct chunkmap_counts *ret)
{
	chunkmap_enter(cm);
	*ret = (struct chunkmap_counts){
		.n_chunks = cm->n_chunks,
		.n_ready = cm->n_ready,
		.ready_bytes = cm->ready_blocks * BLOCK_BYTES,
		.n_waiting = cm->n_waiting,
		.n_demanded = cm->n_demanded,
		.clean_bytes = cm->clean_blocks * BLOCK_BYTES,
	};
	chunkmap_leave(cm);
}

enum chunk_state chunkmap_state(struct chunkmap *cm, uint64_t ci)
{
	enum chunk_state state;

	chunkmap_enter(cm);
	state = state_of(cm, ci);
	chunkmap_leave(cm);
	return state;
}
