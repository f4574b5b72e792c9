// SPDX-License-Identifier: Apache-2.0
/* aio_test.c - batches on a temporary file: whole, failing, and more threads than contexts */
#include <errno.h>
#include <fcntl.h>
#include <assert.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/aio.h"

#define BLOCK 4096u
#define FILE_BLOCKS 256u

static struct aio *aio;
static int fd = -1;

static int setup(void **state _unused_)
{
	char path[] = "/tmp/hydroot-aio-XXXXXX";
	int err = aio_new(2, &aio);

	/* The kernel's aio-max-nr may be used up by others. */
	if (err < 0)
		return err == -EAGAIN || err == -ENOSYS ? 0 : -1;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -1;
	unlink(path);
	return ftruncate(fd, FILE_BLOCKS * BLOCK);
}

static int teardown(void **state _unused_)
{
	aio_free(aio);
	if (fd >= 0)
		close(fd);
	aio = NULL;
	return 0;
}

static void need_aio(void)
{
	if (!aio)
		skip();
}

static struct store_io piece(unsigned block, uint8_t *buf, unsigned n_blocks)
{
	return (struct store_io){
		.slot_off = (uint64_t)block * BLOCK,
		.buf = buf,
		.n_bytes = n_blocks * BLOCK,
	};
}

static void a_full_batch(void **state _unused_)
{
	uint8_t *out = aligned_alloc(BLOCK, 32 * BLOCK), *in = calloc(32, BLOCK);
	struct store_io io[STORE_IO_MAX];

	need_aio();
	for (unsigned i = 0; i < 32 * BLOCK; i++)
		out[i] = (uint8_t)(i * 31 + i / BLOCK);
	for (unsigned i = 0; i < STORE_IO_MAX; i++)
		io[i] = piece(200 - i * 5, out + i * 2 * BLOCK, 1 + i % 2);
	assert_int_equal(aio_run(aio, AIO_WRITE, fd, io, STORE_IO_MAX), 0);
	for (unsigned i = 0; i < STORE_IO_MAX; i++)
		io[i].buf = in + i * 2 * BLOCK;
	assert_int_equal(aio_run(aio, AIO_READ, fd, io, STORE_IO_MAX), 0);
	for (unsigned i = 0; i < STORE_IO_MAX; i++)
		assert_memory_equal(in + i * 2 * BLOCK, out + i * 2 * BLOCK,
				    io[i].n_bytes);
	assert_int_equal(aio_run(aio, AIO_READ, fd, io, 0), 0);
	free(out);
	free(in);
}

/* The contexts are as good as new after each of these. */
static void failures(void **state _unused_)
{
	uint8_t *buf = aligned_alloc(BLOCK, 4 * BLOCK);
	struct store_io io[3];
	int readonly;

	need_aio();
	memset(buf, 1, 4 * BLOCK);
	readonly = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (unsigned i = 0; i < 10; i++) {
		io[0] = piece(0, buf, 1);
		io[1] = piece(FILE_BLOCKS - 1, buf + BLOCK, 2); /* ends too early */
		io[2] = piece(2, buf + 3 * BLOCK, 1);
		assert_int_equal(aio_run(aio, AIO_READ, fd, io, 3), -EIO);
		assert_int_equal(aio_run(aio, AIO_READ, -1, io, 3), -EBADF);
		assert_int_equal(aio_run(aio, AIO_WRITE, readonly, io, 3), -EBADF);
		io[1] = piece(1, NULL, 1);
		assert_true(aio_run(aio, AIO_READ, fd, io, 3) < 0);
		io[1] = piece(1, buf + BLOCK, 1);
		assert_int_equal(aio_run(aio, AIO_READ, fd, io, 3), 0);
	}
	close(readonly);
	free(buf);
}

static void *user(void *arg)
{
	unsigned start = (unsigned)(uintptr_t)arg * 32;
	uint8_t *out = aligned_alloc(BLOCK, 8 * BLOCK), *in = calloc(8, BLOCK);

	for (unsigned i = 0; i < 50; i++) {
		struct store_io io[8];
		int err;

		memset(out, (int)(start + i), 8 * BLOCK);
		for (unsigned k = 0; k < 8; k++)
			io[k] = piece(start + 3 * k, out + k * BLOCK, 1);
		err = aio_run(aio, AIO_WRITE, fd, io, 8);
		assert(err == 0);
		for (unsigned k = 0; k < 8; k++)
			io[k].buf = in + k * BLOCK;
		err = aio_run(aio, AIO_READ, fd, io, 8);
		assert(err == 0 && memcmp(in, out, 8 * BLOCK) == 0);
	}
	free(out);
	free(in);
	return NULL;
}

static void more_threads_than_contexts(void **state _unused_)
{
	pthread_t threads[8];

	need_aio();
	for (uintptr_t i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, user, (void *)i);
	for (unsigned i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_batch),
		cmocka_unit_test(failures),
		cmocka_unit_test(more_threads_than_contexts),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
