/* SPDX-License-Identifier: Apache-2.0 */
/*
 * underway.c - see underway.h
 *
 * Memory: a page of struct underway_header, the notes, the mailboxes.  Every function
 * leaves something that can be taken over after each single write: what makes a record
 * count is written last, what ends it first.
 */
#include "face/underway.h"

#include "base/region.h"

#define PAGE_BYTES 4096u

_Static_assert(sizeof(struct underway_header) <= PAGE_BYTES, "the header is one page");

static size_t whole_pages(size_t n_bytes)
{
	return (n_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

size_t underway_bytes(unsigned n_threads, unsigned n_reads, uint32_t write_bytes_max)
{
	return PAGE_BYTES + whole_pages(n_reads * sizeof(struct read_note)) +
	       n_threads * whole_pages(UNDERWAY_HEADER_BYTES + write_bytes_max);
}

void underway_init(struct underway *u, void *memory, unsigned n_threads, unsigned n_reads,
		   uint32_t write_bytes_max)
{
	uint8_t *at = memory;

	assert(n_threads <= UNDERWAY_THREADS_MAX && n_reads <= UNDERWAY_READS_MAX);
	region_touch(memory, underway_bytes(n_threads, n_reads, write_bytes_max));
	*u = (struct underway){
		.n_threads = n_threads,
		.n_reads = n_reads,
		.mailbox_bytes = whole_pages(UNDERWAY_HEADER_BYTES + write_bytes_max),
		.header = memory,
		.notes = (void *)(at + PAGE_BYTES),
		.mailboxes =
			at + PAGE_BYTES + whole_pages(n_reads * sizeof(struct read_note)),
	};
	lock_init(&u->lock);
	for (unsigned i = n_reads; i > 0; i--)
		if (u->notes[i - 1].unique == 0)
			u->free[u->n_free++] = (uint16_t)(i - 1);
}

void underway_fini(struct underway *u)
{
	lock_fini(&u->lock);
}

struct fuse_in_header *underway_mailbox(const struct underway *u, unsigned thread)
{
	return (void *)(u->mailboxes + thread * u->mailbox_bytes);
}

bool underway_is_empty(const struct underway *u, unsigned thread)
{
	return underway_mailbox(u, thread)->len == 0;
}

void underway_empty(struct underway *u, unsigned thread)
{
	volatile uint32_t *len = &underway_mailbox(u, thread)->len;

	region_order();
	*len = 0;
	region_order();
}

void underway_settle(struct underway *u, unsigned thread, int result)
{
	volatile struct mailbox_state *state = &u->header->mailboxes[thread];

	region_order();
	state->result = result;
	region_order();
	state->settled = underway_mailbox(u, thread)->unique;
	region_order();
}

bool underway_is_settled(const struct underway *u, unsigned thread, int *ret_result)
{
	const struct mailbox_state *state = &u->header->mailboxes[thread];

	if (state->settled != underway_mailbox(u, thread)->unique)
		return false;
	*ret_result = (int)state->result;
	return true;
}

void underway_keep_init(struct underway *u, unsigned thread)
{
	const struct fuse_in_header *in = underway_mailbox(u, thread);

	if (in->len > UNDERWAY_INIT_BYTES_MAX)
		return;
	memcpy(u->header->init, in, in->len);
	region_order();
	u->header->init_bytes = in->len;
}

size_t underway_init_request(const struct underway *u,
			     uint64_t ret[UNDERWAY_INIT_BYTES_MAX / 8])
{
	memcpy(ret, u->header->init, u->header->init_bytes);
	return u->header->init_bytes;
}

struct read_note *underway_read_begin(struct underway *u, uint64_t unique,
				      uint64_t img_off, uint64_t n_bytes)
{
	struct read_note *note = NULL;

	lock_acquire(&u->lock);
	if (u->n_free)
		note = &u->notes[u->free[--u->n_free]];
	lock_release(&u->lock);
	if (!note)
		return NULL;
	note->img_off = img_off;
	note->n_bytes = n_bytes;
	region_order();
	*(volatile uint64_t *)&note->unique = unique;
	region_order();
	return note;
}

void underway_read_end(struct underway *u, struct read_note *note)
{
	region_order();
	*(volatile uint64_t *)&note->unique = 0;
	region_order();
	lock_acquire(&u->lock);
	u->free[u->n_free++] = (uint16_t)(note - u->notes);
	lock_release(&u->lock);
}
