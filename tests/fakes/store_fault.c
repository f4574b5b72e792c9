/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_fault.c - see store_fault.h
 */
#include "tests/fakes/store_fault.h"

#include <limits.h>
#include <pthread.h>

struct store_fault {
	struct store base;
	struct store *inner;

	/* guarded by lock */
	pthread_mutex_t lock;
	struct store_fault_counts counts;
	unsigned n_good, n_bad, n_bad_reads;
	int write_err, read_err;
	unsigned delay_us;
};

static struct store_fault *fault_of(struct store *s)
{
	return (struct store_fault *)s;
}

static int fault_read(struct store *s, const struct store_io *io, unsigned n)
{
	struct store_fault *f = fault_of(s);
	int err = 0;

	pthread_mutex_lock(&f->lock);
	f->counts.n_reads++;
	if (f->n_bad_reads) {
		f->n_bad_reads--;
		f->counts.n_failed++;
		err = f->read_err;
	}
	pthread_mutex_unlock(&f->lock);
	return err < 0 ? err : store_read(f->inner, io, n);
}

static int next_write_locked(struct store_fault *f)
{
	if (f->n_good) {
		f->n_good--;
		return 0;
	}
	if (f->n_bad == 0)
		return 0;
	if (f->n_bad != UINT_MAX)
		f->n_bad--;
	f->counts.n_failed++;
	return f->write_err;
}

static int fault_write(struct store *s, const struct store_io *io, unsigned n)
{
	struct store_fault *f = fault_of(s);

	pthread_mutex_lock(&f->lock);
	int err = next_write_locked(f);
	unsigned delay_us = f->delay_us;
	f->counts.n_writes++;
	for (unsigned i = 0; i < n; i++)
		f->counts.written_bytes += io[i].n_bytes;
	pthread_mutex_unlock(&f->lock);
	if (delay_us)
		usleep(delay_us);
	/* A write that fails may well have written something. */
	if (err < 0 && n > 1)
		(void)!store_write(f->inner, io, n / 2);
	return err < 0 ? err : store_write(f->inner, io, n);
}

static int fault_discard(struct store *s, uint64_t slot_off, uint64_t n_bytes)
{
	struct store_fault *f = fault_of(s);

	pthread_mutex_lock(&f->lock);
	int err = next_write_locked(f);
	unsigned delay_us = f->delay_us;
	f->counts.n_discards++;
	pthread_mutex_unlock(&f->lock);
	if (delay_us)
		usleep(delay_us);
	return err < 0 ? err : store_discard(f->inner, slot_off, n_bytes);
}

static void fault_usage(struct store *s, struct store_usage *ret)
{
	store_usage(fault_of(s)->inner, ret);
}

static void fault_free(struct store *s)
{
	struct store_fault *f = fault_of(s);

	store_free(f->inner);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static const struct store_ops ops = {
	.kind = "fault",
	.read = fault_read,
	.write = fault_write,
	.discard = fault_discard,
	.usage = fault_usage,
	.free = fault_free,
};

struct store *store_fault_new(struct store *inner)
{
	struct store_fault *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->base = *inner;
	f->base.ops = &ops;
	f->inner = inner;
	pthread_mutex_init(&f->lock, NULL);
	return &f->base;
}

void store_fault_fail_writes(struct store *s, unsigned n_good, unsigned n_bad, int err)
{
	struct store_fault *f = fault_of(s);

	pthread_mutex_lock(&f->lock);
	f->n_good = n_good;
	f->n_bad = n_bad;
	f->write_err = err;
	pthread_mutex_unlock(&f->lock);
}

void store_fault_fail_reads(struct store *s, unsigned n_bad, int err)
{
	struct store_fault *f = fault_of(s);

	pthread_mutex_lock(&f->lock);
	f->n_bad_reads = n_bad;
	f->read_err = err;
	pthread_mutex_unlock(&f->lock);
}

void store_fault_set_delay(struct store *s, unsigned delay_us)
{
	struct store_fault *f = fault_of(s);

	pthread_mutex_lock(&f->lock);
	f->delay_us = delay_us;
	pthread_mutex_unlock(&f->lock);
}

void store_fault_counts(struct store *s, struct store_fault_counts *ret)
{
	struct store_fault *f = fault_of(s);

	pthread_mutex_lock(&f->lock);
	*ret = f->counts;
	pthread_mutex_unlock(&f->lock);
}
