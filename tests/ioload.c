/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioload.c - reads, writes, zeroes and discards a block device at random, and knows what
 * must be there
 *
 *	ioload DEVICE IMAGE STOP SEED [--read-only | --write-mib=N]
 *
 * Eight threads, each with blocks of its own, O_DIRECT.  A block holds what IMAGE has
 * there until it is written (a pattern of its number and of how often it was written),
 * discarded or zeroed.  Some writes are to be durable at once, which the kernel asks for
 * by FUA or a flush.  Every read is compared.  Half of the writes go to a few blocks again
 * and again, so that an old write that is done once more, late, is seen.  With --write-mib
 * only so much of the device is written to, at its front.  When the file STOP exists,
 * every block is read once more, and a line says how much was done.  Any error or
 * difference ends it at once with exit code 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

enum { THREADS = 8, BLOCK_BYTES = 4096, STRIPE = 64, HOT = 4 };

static const uint32_t as_image = 0, zeros = UINT32_MAX;
static int device_fd, image_fd;
static uint64_t n_blocks, n_writable; /* of these so many at the front are written to */
static uint32_t
	*writes; /* of each block: how often it was written, or one of the above */
static const char *stop_path;
static int is_read_only;
static atomic_ulong n_reads, n_writes, n_durable, n_zeroings, n_discards;

struct worker {
	pthread_t thread;
	unsigned index;
	uint64_t random;
	uint8_t *buf, *want;
};

static void die(const char *what, uint64_t block)
{
	fprintf(stderr, "ioload: block %llu: %s: %s\n", (unsigned long long)block, what,
		errno ? strerror(errno) : "not what was written last");
	exit(1);
}

static uint64_t next_random(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static void pattern(uint64_t block, uint32_t n, uint8_t *ret)
{
	uint64_t x = block * 0x9e3779b97f4a7c15u + n;

	for (size_t i = 0; i < BLOCK_BYTES; i += sizeof x) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		memcpy(ret + i, &x, sizeof x);
	}
}

static void expected(uint64_t block, uint8_t *ret)
{
	if (writes[block] == zeros)
		memset(ret, 0, BLOCK_BYTES);
	else if (writes[block] != as_image)
		pattern(block, writes[block], ret);
	else if (pread(image_fd, ret, BLOCK_BYTES, (off_t)(block * BLOCK_BYTES)) !=
		 BLOCK_BYTES)
		die("read the image", block);
}

static void read_blocks(struct worker *w, uint64_t first, unsigned n)
{
	size_t n_bytes = (size_t)n * BLOCK_BYTES;

	errno = 0;
	if (pread(device_fd, w->buf, n_bytes, (off_t)(first * BLOCK_BYTES)) !=
	    (ssize_t)n_bytes)
		die("read", first);
	errno = 0;
	for (unsigned i = 0; i < n; i++) {
		expected(first + i, w->want);
		if (memcmp(w->buf + (size_t)i * BLOCK_BYTES, w->want, BLOCK_BYTES) != 0)
			die("compare", first + i);
	}
	n_reads++;
}

static void write_blocks(struct worker *w, uint64_t first, unsigned n, int flags)
{
	const struct iovec v = {w->buf, (size_t)n * BLOCK_BYTES};

	for (unsigned i = 0; i < n; i++) {
		uint32_t *count = &writes[first + i];

		*count = *count == zeros ? 1 : *count + 1;
		pattern(first + i, *count, w->buf + (size_t)i * BLOCK_BYTES);
	}
	errno = 0;
	if (pwritev2(device_fd, &v, 1, (off_t)(first * BLOCK_BYTES), flags) !=
	    (ssize_t)v.iov_len)
		die("write", first);
	n_writes++;
	n_durable += flags != 0;
}

/* By BLKDISCARD or BLKZEROOUT. */
static void clear_blocks(uint64_t first, unsigned n, unsigned long how)
{
	uint64_t range[2] = {first * BLOCK_BYTES, (uint64_t)n * BLOCK_BYTES};

	errno = 0;
	if (ioctl(device_fd, how, range) < 0)
		die(how == BLKDISCARD ? "discard" : "zero", first);
	for (unsigned i = 0; i < n; i++)
		writes[first + i] = zeros;
	if (how == BLKDISCARD)
		n_discards++;
	else
		n_zeroings++;
}

/* Stripes of 64 blocks go round the threads. */
static uint64_t own_stripe(struct worker *w, uint64_t i)
{
	uint64_t n_own = n_blocks / STRIPE / THREADS;

	return (i % n_own * THREADS + w->index) * STRIPE;
}

static void do_something(struct worker *w)
{
	uint64_t what = next_random(w) % 100;
	bool is_read = is_read_only || what < 40;
	uint64_t n_own = (is_read ? n_blocks : n_writable) / STRIPE / THREADS;
	uint64_t stripe = own_stripe(w, next_random(w) % n_own);
	unsigned first = (unsigned)(next_random(w) % STRIPE);
	unsigned n = (unsigned)(next_random(w) % (STRIPE - first)) + 1;

	if (is_read) {
		read_blocks(w, stripe + first, n);
	} else if (what < 65) {
		write_blocks(w, own_stripe(w, 3) + what % HOT, 1,
			     what < 45 ? RWF_DSYNC : 0);
	} else if (what < 75) {
		read_blocks(w, own_stripe(w, 3) + what % HOT, 1);
	} else if (what < 93) {
		write_blocks(w, stripe + first, n, what < 77 ? RWF_DSYNC : 0);
	} else {
		clear_blocks(stripe + first, n, what < 97 ? BLKDISCARD : BLKZEROOUT);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	while (access(stop_path, F_OK) < 0)
		do_something(w);
	for (uint64_t i = 0; i < n_blocks / STRIPE / THREADS; i++)
		read_blocks(w, own_stripe(w, i), STRIPE);
	return NULL;
}

static void start(struct worker *w, unsigned index, uint64_t seed)
{
	*w = (struct worker){
		.index = index,
		.random = (seed + 1) * 0x9e3779b97f4a7c15u + index * 7919,
	};
	if (posix_memalign((void **)&w->buf, BLOCK_BYTES, (size_t)STRIPE * BLOCK_BYTES) ||
	    posix_memalign((void **)&w->want, BLOCK_BYTES, BLOCK_BYTES) ||
	    pthread_create(&w->thread, NULL, work, w))
		die("start", index);
}

int main(int argc, char **argv)
{
	static struct worker workers[THREADS];
	uint64_t n_bytes = 0;
	unsigned write_mib = 0;

	is_read_only = argc == 6 && strcmp(argv[5], "--read-only") == 0;
	if (argc != 5 && !is_read_only &&
	    (argc != 6 || sscanf(argv[5], "--write-mib=%u", &write_mib) != 1)) {
		fprintf(stderr, "usage: ioload DEVICE IMAGE STOP SEED "
				"[--read-only | --write-mib=N]\n");
		return 2;
	}
	device_fd =
		open(argv[1], (is_read_only ? O_RDONLY : O_RDWR) | O_DIRECT | O_CLOEXEC);
	image_fd = open(argv[2], O_RDONLY | O_CLOEXEC);
	stop_path = argv[3];
	if (device_fd < 0 || image_fd < 0 || ioctl(device_fd, BLKGETSIZE64, &n_bytes) < 0)
		die("open", 0);
	n_blocks = n_writable = n_bytes / BLOCK_BYTES;
	if (write_mib && n_writable > (uint64_t)write_mib * 256)
		n_writable = (uint64_t)write_mib * 256;
	writes = calloc(n_blocks, sizeof *writes);
	if (!writes)
		die("start", 0);
	for (unsigned i = 0; i < THREADS; i++)
		start(&workers[i], i, strtoull(argv[4], NULL, 0));
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	printf("%lu reads, %lu writes, %lu of them durable at once, %lu discards, %lu "
	       "zeroings\n",
	       n_reads, n_writes, n_durable, n_discards, n_zeroings);
	return 0;
}
