/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.c - see trace.h
 *
 * Its own lock, held for some instructions a block; the chunk map's is never touched.  After the mark
 * a read costs one look at a flag.
 */
#include "face/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/lock.h"

#define TRACE_NAME "trace"
#define TRACE_NEW_NAME ".trace"

struct run {
	uint64_t first;
	uint64_t n;
};

struct trace {
	/* set before threads start */
	uint64_t n_blocks; /* of the image */
	size_t seen_bytes;

	/* any thread */
	atomic_bool has_ended;

	/* guarded by lock */
	struct lock lock;
	uint8_t *seen; /* a bit a block */
	struct run *runs; /* only ever appended to, or the last one made longer */
	uint64_t n_runs, n_noted;
};

static void *lazy_zeros(size_t n_bytes)
{
	void *p = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int trace_new(uint64_t image_bytes, struct trace **ret)
{
	struct trace *t = calloc(1, sizeof *t);

	if (!t)
		return -ENOMEM;
	lock_init(&t->lock);
	atomic_init(&t->has_ended, false);
	t->n_blocks = image_bytes / IMG_BLOCK_BYTES;
	t->seen_bytes = t->n_blocks / 8 + 1;
	t->seen = lazy_zeros(t->seen_bytes);
	t->runs = lazy_zeros(TRACE_RUNS_MAX * sizeof *t->runs);
	if (!t->seen || !t->runs) {
		trace_free(t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

void trace_free(struct trace *t)
{
	if (!t)
		return;
	if (t->seen)
		munmap(t->seen, t->seen_bytes);
	if (t->runs)
		munmap(t->runs, TRACE_RUNS_MAX * sizeof *t->runs);
	lock_fini(&t->lock);
	free(t);
}

/* False when there is no room. */
static bool note_block_locked(struct trace *t, uint64_t block)
{
	struct run *last = t->n_runs ? &t->runs[t->n_runs - 1] : NULL;

	lock_assert_held(&t->lock);
	if (t->seen[block / 8] >> (block % 8) & 1)
		return true;
	if (t->n_noted == TRACE_BLOCKS_MAX)
		return false;
	if (last && last->first + last->n == block) {
		last->n++;
	} else {
		if (t->n_runs == TRACE_RUNS_MAX)
			return false;
		t->runs[t->n_runs++] = (struct run){block, 1};
	}
	t->seen[block / 8] |= (uint8_t)(1u << (block % 8));
	t->n_noted++;
	return true;
}

void trace_note(struct trace *t, uint64_t img_off, size_t n_bytes)
{
	uint64_t block = img_off / IMG_BLOCK_BYTES;
	uint64_t end = min_u64(block + n_bytes / IMG_BLOCK_BYTES, t->n_blocks);
	bool has_room = true;

	if (atomic_load_explicit(&t->has_ended, memory_order_relaxed))
		return;
	lock_acquire(&t->lock);
	for (; has_room && block < end; block++)
		has_room = note_block_locked(t, block);
	lock_release(&t->lock);
	if (!has_room)
		trace_end(t);
}

void trace_end(struct trace *t)
{
	atomic_store(&t->has_ended, true);
}

void trace_counts(struct trace *t, struct trace_counts *ret)
{
	lock_acquire(&t->lock);
	*ret = (struct trace_counts){
		.n_runs = t->n_runs,
		.n_blocks = t->n_noted,
		.has_ended = atomic_load(&t->has_ended),
	};
	lock_release(&t->lock);
}

static struct run run_at(struct trace *t, uint64_t i)
{
	struct run run;

	lock_acquire(&t->lock);
	run = t->runs[i];
	lock_release(&t->lock);
	return run;
}

static int print(struct trace *t, const struct img_info *info, FILE *to)
{
	char image[IMG_HEX_BYTES], raw[IMG_HEX_BYTES];
	struct trace_counts counts;

	trace_counts(t, &counts);
	img_digest_hex(info->digest, image);
	img_digest_hex(info->raw_digest, raw);
	fprintf(to, "hydroot-trace 1 %u sha256:%s sha256:%s\n", IMG_BLOCK_BYTES, image,
		raw);
	for (uint64_t i = 0; i < counts.n_runs; i++) {
		struct run run = run_at(t, i);

		fprintf(to, "%" PRIu64 " %" PRIu64 "\n", run.first, run.n);
	}
	return fflush(to) != 0 || ferror(to) ? -EIO : 0;
}

int trace_write(struct trace *t, const struct img_info *info, int dirfd)
{
	cleanup_file FILE *to = NULL;
	cleanup_fd int fd =
		openat(dirfd, TRACE_NEW_NAME,
		       O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return -errno;
	to = fdopen(fd, "w");
	if (!to)
		return -errno;
	(void)steal_fd(&fd);
	err = print(t, info, to);
	if (err == 0 && renameat(dirfd, TRACE_NEW_NAME, dirfd, TRACE_NAME) < 0)
		err = -errno;
	if (err < 0)
		(void)unlinkat(dirfd, TRACE_NEW_NAME, 0);
	return err;
}
