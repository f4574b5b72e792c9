/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aio.h - batches of reads or writes of a file, through libaio
 *
 * A batch is submitted as one and waited for: a RAM disk has done it by then, a real disk works
 * on all pieces at once.  Contexts are set up at the start, one for each batch that may run at
 * a time, and handed out from a small stack.
 */
#ifndef STORE_AIO_H
#define STORE_AIO_H

#include "store/store.h"

struct aio;

/* n_contexts batches can run at a time; more wait.  -errno */
int aio_new(unsigned n_contexts, struct aio **ret) _must_check_;
void aio_free(struct aio *a);

enum aio_direction { AIO_READ, AIO_WRITE };

/* Up to STORE_IO_MAX pieces on fd.  A short transfer is -EIO.  Any thread; blocks. */
int aio_run(struct aio *a, enum aio_direction direction, int fd,
	    const struct store_io *io, unsigned n) _must_check_;

#endif
