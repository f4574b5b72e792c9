/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aio.c - see aio.h
 */
#include "store/aio.h"

#include <errno.h>
#include <libaio.h>

#include "base/lock.h"

struct aio {
	/* set before threads start */
	unsigned n_contexts;
	io_context_t *contexts;

	/* guarded by lock */
	struct lock lock;
	pthread_cond_t context_back;
	unsigned n_free; /* contexts[0 .. n_free) are free */
};

int aio_new(unsigned n_contexts, struct aio **ret)
{
	struct aio *a = calloc(1, sizeof *a);
	int err = -ENOMEM;

	if (!a)
		return -ENOMEM;
	lock_init(&a->lock);
	cond_init(&a->context_back);
	a->contexts = calloc(n_contexts, sizeof *a->contexts);
	if (!a->contexts)
		goto fail;
	for (; a->n_contexts < n_contexts; a->n_contexts++) {
		err = io_setup(STORE_IO_MAX, &a->contexts[a->n_contexts]);
		if (err < 0)
			goto fail;
	}
	a->n_free = n_contexts;
	*ret = a;
	return 0;
fail:
	a->n_free = a->n_contexts;
	aio_free(a);
	return err;
}

void aio_free(struct aio *a)
{
	if (!a)
		return;
	assert(a->n_free == a->n_contexts);
	for (unsigned i = 0; i < a->n_contexts; i++)
		io_destroy(a->contexts[i]);
	free(a->contexts);
	PTHREAD_OK(pthread_cond_destroy(&a->context_back));
	lock_fini(&a->lock);
	free(a);
}

static io_context_t get_context(struct aio *a)
{
	io_context_t context;

	lock_acquire(&a->lock);
	while (a->n_free == 0)
		cond_wait(&a->context_back, &a->lock);
	context = a->contexts[--a->n_free];
	lock_release(&a->lock);
	return context;
}

static void put_context(struct aio *a, io_context_t context)
{
	lock_acquire(&a->lock);
	a->contexts[a->n_free++] = context;
	PTHREAD_OK(pthread_cond_signal(&a->context_back));
	lock_release(&a->lock);
}

/* Wait for n events; each must have moved all of its bytes. */
static int reap(io_context_t context, unsigned n)
{
	struct io_event events[STORE_IO_MAX];
	int err = 0;

	while (n) {
		int got = io_getevents(context, 1, n, events, NULL);

		if (got == -EINTR)
			continue;
		if (got < 0)
			return got;
		for (int i = 0; i < got; i++) {
			long res = (long)events[i].res;

			if (res < 0)
				err = (int)res;
			else if ((unsigned long)res != events[i].obj->u.c.nbytes)
				err = -EIO;
		}
		n -= (unsigned)got;
	}
	return err;
}

static int submit_and_reap(io_context_t context, struct iocb **cbs, unsigned n)
{
	int err = 0;

	for (unsigned done = 0; done < n && err == 0;) {
		int got = io_submit(context, n - done, cbs + done);

		if (got == -EINTR)
			continue;
		/* The kernel is short of memory: do not keep a core busy until it has some. */
		if (got == -EAGAIN) {
			usleep(1000);
			continue;
		}
		if (got <= 0)
			return got < 0 ? got : -EIO;
		err = reap(context, (unsigned)got);
		done += (unsigned)got;
	}
	return err;
}

int aio_run(struct aio *a, enum aio_direction direction, int fd,
	    const struct store_io *io, unsigned n)
{
	struct iocb cbs[STORE_IO_MAX], *list[STORE_IO_MAX];
	io_context_t context;
	int err;

	assert(n <= STORE_IO_MAX);
	for (unsigned i = 0; i < n; i++) {
		long long off = (long long)io[i].slot_off;

		if (direction == AIO_READ)
			io_prep_pread(&cbs[i], fd, io[i].buf, io[i].n_bytes, off);
		else
			io_prep_pwrite(&cbs[i], fd, io[i].buf, io[i].n_bytes, off);
		list[i] = &cbs[i];
	}
	context = get_context(a);
	err = submit_and_reap(context, list, n);
	put_context(a, context);
	return err;
}
