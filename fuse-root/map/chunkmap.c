/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunkmap.c - one byte a chunk, one bit a block, one lock
 *
 * The valid bits of the whole image lie in one array that is touched only where a chunk
 * is PARTIAL or was written to: an ABSENT chunk has none set.  Where a chunk is READY its
 * bits say instead which blocks were written or discarded here: these are what stays when
 * it leaves, so they are the valid bits it then has.  In a PARTIAL chunk a valid block
 * that is not `packed` was written here.
 *
 * The arrays can lie in memory that outlives the process.  So that a map is legal
 * wherever its process was killed, every change is made in an order that holds at each
 * single write (chunkmap_set_marks_locked, region_order): a state or mark that says "look
 * at the bits" is set before the first bit and goes after the last, a state that says
 * "the bits do not matter" is one write, and bits that are subsets of others go in the
 * order that keeps a block from seeming to be written here.  chunkmap_recover.c tidies up
 * what such an order leaves.
 *
 * Two more arrays say which blocks came from the hot pack, and which are on their way
 * from it.  A mark of the chunk says whether they have to be looked at, so what no pack
 * touches takes no memory.
 *
 * This file has the map itself and its transitions; chunkmap_wait.c, chunkmap_write.c,
 * chunkmap_fetch.c, chunkmap_pack.c and chunkmap_evict.c have those who bring them about.
 *
 * Writers and the storing of fetched bytes exclude each other chunk by chunk: a
 * registered writer keeps store_begin waiting, and a chunk in `storing` keeps new writers
 * waiting.  storing is entered before waiting for the writers to leave, so a stream of
 * writes cannot starve it.  Readers and writers of what is there are registered too,
 * because a chunk that one of them uses cannot leave.
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

void chunkmap_enter(struct chunkmap *cm)
{
	lock_acquire(&cm->lock);
}

void chunkmap_leave(struct chunkmap *cm)
{
	chunkmap_check_locked(cm);
	lock_release(&cm->lock);
}

/* -- state changes ------------------------------------------------------------------------ */

void chunkmap_set_marks_locked(struct chunkmap *cm, uint64_t ci, unsigned marks)
{
	volatile uint8_t *byte = &cm->marks[ci];

	lock_assert_held(&cm->lock);
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
	lock_assert_held(&cm->lock);
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

bool chunkmap_all_valid_locked(struct chunkmap *cm, uint64_t first, uint64_t end)
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
	    chunkmap_all_valid_locked(cm, first_block_of(cm, ci), end_block_of(cm, ci)))
		chunkmap_make_ready_locked(cm, ci);
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
		.moving_bytes = cm->n_storing * cm->blocks_per_chunk * BLOCK_BYTES,
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
