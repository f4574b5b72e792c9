/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_power.c - see disk_power.h
 */
#include "tests/fakes/disk_power.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>

#define SECTOR 512u

struct event {
	bool is_flush;
	uint64_t off;
	uint32_t n_bytes;
	uint8_t *data;
};

struct disk_power {
	struct disk disk;
	pthread_mutex_t lock;
	uint8_t *now; /* what a read sees */
	struct event *events;
	unsigned n_events, n_room, n_flushes;
	unsigned write_fails_in, flush_fails_in; /* 0: not */
	int write_err, flush_err;
};

static struct disk_power *self(struct disk *d)
{
	return (struct disk_power *)d;
}

static void add_event(struct disk_power *p, struct event e)
{
	if (p->n_events == p->n_room) {
		p->n_room = p->n_room ? 2 * p->n_room : 64;
		p->events = realloc(p->events, p->n_room * sizeof e);
		assert(p->events);
	}
	p->events[p->n_events++] = e;
}

static int power_read(struct disk *d, const struct store_io *io, unsigned n)
{
	struct disk_power *p = self(d);
	int err = 0;

	pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < n; i++) {
		if (io[i].slot_off + io[i].n_bytes > d->bytes)
			err = -EIO;
		else
			memcpy(io[i].buf, p->now + io[i].slot_off, io[i].n_bytes);
	}
	pthread_mutex_unlock(&p->lock);
	return err;
}

static void write_locked(struct disk_power *p, uint64_t off, const void *data,
			 uint32_t n_bytes)
{
	struct event e = {.off = off, .n_bytes = n_bytes, .data = malloc(n_bytes)};

	assert(e.data && off + n_bytes <= p->disk.bytes);
	memcpy(e.data, data, n_bytes);
	memcpy(p->now + off, data, n_bytes);
	add_event(p, e);
}

/* True when this call is to fail. */
static bool counts_down(unsigned *left)
{
	if (*left > 1)
		(*left)--;
	else if (*left == 1)
		return true;
	return false;
}

static int power_write(struct disk *d, const struct store_io *io, unsigned n)
{
	struct disk_power *p = self(d);
	int err = 0;

	pthread_mutex_lock(&p->lock);
	if (counts_down(&p->write_fails_in))
		err = p->write_err;
	for (unsigned i = 0; err == 0 && i < n; i++)
		write_locked(p, io[i].slot_off, io[i].buf, io[i].n_bytes);
	pthread_mutex_unlock(&p->lock);
	return err;
}

static int power_flush(struct disk *d)
{
	struct disk_power *p = self(d);
	int err = 0;

	pthread_mutex_lock(&p->lock);
	if (counts_down(&p->flush_fails_in))
		err = p->flush_err;
	else
		add_event(p, (struct event){.is_flush = true});
	p->n_flushes++;
	pthread_mutex_unlock(&p->lock);
	return err;
}

static int power_zero(struct disk *d, uint64_t disk_off, uint64_t n_bytes)
{
	struct disk_power *p = self(d);
	uint8_t *zeros = calloc(1, n_bytes);

	assert(zeros);
	pthread_mutex_lock(&p->lock);
	write_locked(p, disk_off, zeros, (uint32_t)n_bytes);
	pthread_mutex_unlock(&p->lock);
	free(zeros);
	return 0;
}

static void power_free(struct disk *d)
{
	struct disk_power *p = self(d);

	for (unsigned i = 0; i < p->n_events; i++)
		free(p->events[i].data);
	free(p->events);
	free(p->now);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static const struct disk_ops ops = {
	.read = power_read,
	.write = power_write,
	.flush = power_flush,
	.zero = power_zero,
	.punch = power_zero,
	.free = power_free,
};

struct disk *disk_power_new(uint64_t n_bytes)
{
	struct disk_power *p = calloc(1, sizeof *p);

	assert(p);
	p->disk = (struct disk){.ops = &ops, .bytes = n_bytes, .path = "power", .fd = -1};
	p->now = calloc(1, n_bytes);
	assert(p->now);
	pthread_mutex_init(&p->lock, NULL);
	return &p->disk;
}

unsigned disk_power_n_events(const struct disk *d)
{
	return ((const struct disk_power *)d)->n_events;
}

unsigned disk_power_n_flushes(const struct disk *d)
{
	return ((const struct disk_power *)d)->n_flushes;
}

uint8_t *disk_power_bytes(struct disk *d)
{
	return self(d)->now;
}

static uint64_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

/* One write that may or may not have reached the medium. */
static void apply_perhaps(struct disk_power *to, const struct event *e, bool is_last,
			  enum disk_power_mode mode, uint64_t *seed)
{
	if (mode == POWER_LOSES_ALL || (mode == POWER_LAST_ONLY && !is_last))
		return;
	for (uint32_t at = 0; at < e->n_bytes; at += SECTOR) {
		uint64_t dice = next(seed) % 8;

		if (mode >= POWER_TORN && dice < 4)
			continue;
		memcpy(to->now + e->off + at, e->data + at, SECTOR);
		if (mode == POWER_GARBLED && dice == 7)
			memset(to->now + e->off + at, (int)next(seed), SECTOR);
	}
}

struct disk *disk_power_cut(const struct disk *d, unsigned n_events,
			    enum disk_power_mode mode, uint64_t seed)
{
	const struct disk_power *p = (const struct disk_power *)d;
	struct disk *cut = disk_power_new(d->bytes);
	unsigned flushed = 0;

	assert(n_events <= p->n_events);
	for (unsigned i = 0; i < n_events; i++)
		if (p->events[i].is_flush)
			flushed = i;
	for (unsigned i = 0; i < n_events; i++) {
		const struct event *e = &p->events[i];

		if (e->is_flush)
			continue;
		if (i < flushed)
			memcpy(self(cut)->now + e->off, e->data, e->n_bytes);
		else
			apply_perhaps(self(cut), e, i + 1 == n_events, mode, &seed);
	}
	return cut;
}

void disk_power_fail(struct disk *d, bool is_flush, unsigned n, int err)
{
	struct disk_power *p = self(d);

	pthread_mutex_lock(&p->lock);
	*(is_flush ? &p->flush_fails_in : &p->write_fails_in) = n;
	*(is_flush ? &p->flush_err : &p->write_err) = err;
	pthread_mutex_unlock(&p->lock);
}
