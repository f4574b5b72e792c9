/* SPDX-License-Identifier: Apache-2.0 */
/*
 * readcheck.c - reads a device at random and compares each read with what it must be
 *
 *	readcheck DEVICE RAW READS THREADS SEED [SECONDS]
 *
 * Each read takes 1 to 32 blocks of 4096 bytes with O_DIRECT; THREADS of them are under
 * way.  With SECONDS it goes on for so long, READS being the least.  Prints "N reads, B
 * bytes, p50 U us, p99 U us, max U us"; exit code 1 when a read failed or a byte was
 * wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK_BYTES = 4096, BLOCKS_MAX = 32, THREADS_MAX = 256, WRONG_SHOWN = 20 };

static int device, raw;
static uint64_t seed, n_blocks, n_least;
static int64_t end_us;
static atomic_uint_least64_t n_started, n_done, n_bytes, n_wrong;
static uint32_t *times_us; /* of the first n_times reads */
static uint64_t n_times;

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static void wrong(uint64_t offset, size_t n, const char *what)
{
	if (atomic_fetch_add(&n_wrong, 1) < WRONG_SHOWN)
		fprintf(stderr, "readcheck: %zu bytes at %llu: %s\n", n,
			(unsigned long long)offset, what);
}

static void read_one(uint64_t number, uint8_t *got, uint8_t *want)
{
	const uint64_t r = mix(mix(seed) ^ number);
	const uint64_t block = r % n_blocks;
	uint64_t n = 1 + mix(r) % BLOCKS_MAX;

	if (n > n_blocks - block)
		n = n_blocks - block;
	const size_t bytes = n * BLOCK_BYTES;
	const off_t offset = (off_t)(block * BLOCK_BYTES);
	const int64_t start = now_us();
	const ssize_t got_bytes = pread(device, got, bytes, offset);
	const int64_t us = now_us() - start;

	if (got_bytes != (ssize_t)bytes)
		wrong((uint64_t)offset, bytes,
		      got_bytes < 0 ? strerror(errno) : "a short read");
	else if (pread(raw, want, bytes, offset) != (ssize_t)bytes)
		wrong((uint64_t)offset, bytes, "the file with the right bytes is short");
	else if (memcmp(got, want, bytes))
		wrong((uint64_t)offset, bytes, "wrong bytes");
	if (number < n_times)
		times_us[number] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
	atomic_fetch_add(&n_done, 1);
	atomic_fetch_add(&n_bytes, bytes);
}

static void *reader_main(void *arg)
{
	void *got, *want;

	(void)arg;
	if (posix_memalign(&got, BLOCK_BYTES, BLOCKS_MAX * BLOCK_BYTES) ||
	    posix_memalign(&want, BLOCK_BYTES, BLOCKS_MAX * BLOCK_BYTES))
		abort();
	for (;;) {
		const uint64_t number = atomic_fetch_add(&n_started, 1);

		if (number >= n_least && now_us() >= end_us)
			break;
		read_one(number, got, want);
	}
	free(got);
	free(want);
	return NULL;
}

static int compare_times(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void report(void)
{
	const uint64_t done = atomic_load(&n_done);
	const uint64_t n = done < n_times ? done : n_times;

	qsort(times_us, n, sizeof *times_us, compare_times);
	printf("%llu reads, %llu bytes, p50 %u us, p99 %u us, max %u us\n",
	       (unsigned long long)done, (unsigned long long)atomic_load(&n_bytes),
	       n ? times_us[n / 2] : 0, n ? times_us[n * 99 / 100] : 0,
	       n ? times_us[n - 1] : 0);
}

static int open_both(const char *device_path, const char *raw_path)
{
	struct stat st;

	device = open(device_path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	raw = open(raw_path, O_RDONLY | O_CLOEXEC);
	if (device < 0 || raw < 0 || fstat(raw, &st) < 0) {
		fprintf(stderr, "readcheck: %s: %s\n",
			device < 0 ? device_path : raw_path, strerror(errno));
		return -1;
	}
	n_blocks = (uint64_t)st.st_size / BLOCK_BYTES;
	return n_blocks ? 0 : -1;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS_MAX];
	unsigned n_threads;

	if (argc < 6 || argc > 7) {
		fprintf(stderr,
			"usage: readcheck DEVICE RAW READS THREADS SEED [SECONDS]\n");
		return 2;
	}
	n_least = strtoull(argv[3], NULL, 10);
	n_threads = (unsigned)strtoul(argv[4], NULL, 10);
	seed = strtoull(argv[5], NULL, 10);
	if (argc > 6)
		end_us = now_us() + (int64_t)(strtod(argv[6], NULL) * 1e6);
	n_times = n_least > 1000000 ? n_least : 1000000;
	times_us = calloc(n_times, sizeof *times_us);
	if (!times_us || n_threads > THREADS_MAX || open_both(argv[1], argv[2]) < 0)
		return 2;
	for (unsigned i = 0; i < n_threads; i++)
		if (pthread_create(&threads[i], NULL, reader_main, NULL))
			return 2;
	for (unsigned i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);
	report();
	return atomic_load(&n_wrong) != 0;
}
