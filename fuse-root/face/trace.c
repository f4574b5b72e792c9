/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.c - see trace.h
 *
 * Its own lock, held for some instructions a block; the chunk map's is never touched.
 * After the mark a read costs one look at a flag.
 */
#include "face/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/lock.h"
#include "base/region.h"

#define TRACE_NAME "trace"
#define TRACE_NEW_NAME ".trace"

struct run {
	uint64_t first;
	uint64_t n;
};

/* Starts the memory; runs and bits follow. */
struct kept {
	uint64_t n_runs;
	uint64_t end; /* enum trace_end */
};

struct trace {
	/* set before threads start */
	uint64_t n_blocks; /* of the image */
	void *own_memory; /* NULL: the caller's */
	struct kept *kept;

	/* any thread */
	atomic_bool has_ended;

	/* guarded by lock */
	struct lock lock;
	uint8_t *seen; /* a bit a block */
	struct run *runs; /* only ever appended to, or the last one made longer */
	uint64_t n_noted;
};

#define RUNS_OFF 4096u
#define SEEN_OFF (RUNS_OFF + TRACE_RUNS_MAX * sizeof(struct run))

_Static_assert(SEEN_OFF % 4096 == 0, "bits start on a page");

size_t trace_memory_bytes(uint64_t image_bytes)
{
	return SEEN_OFF + image_bytes / IMG_BLOCK_BYTES / 8 + 1;
}

/* The bits once more from the runs: the process may have died between the one and the other. */
static void recover(struct trace *t)
{
	for (uint64_t i = 0; i < t->kept->n_runs; i++)
		for (uint64_t b = t->runs[i].first; b < t->runs[i].first + t->runs[i].n;
		     b++) {
			t->seen[b / 8] |= (uint8_t)(1u << (b % 8));
			t->n_noted++;
		}
}

int trace_new_in(void *memory, uint64_t image_bytes, struct trace **ret)
{
	struct trace *t = calloc(1, sizeof *t);

	if (!t)
		return -ENOMEM;
	lock_init(&t->lock);
	t->n_blocks = image_bytes / IMG_BLOCK_BYTES;
	t->kept = memory;
	t->runs = (void *)((uint8_t *)memory + RUNS_OFF);
	t->seen = (uint8_t *)memory + SEEN_OFF;
	atomic_init(&t->has_ended, t->kept->end != TRACE_GOES_ON);
	recover(t);
	*ret = t;
	return 0;
}

int trace_new(uint64_t image_bytes, struct trace **ret)
{
	void *memory = mmap(NULL, trace_memory_bytes(image_bytes), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int err;

	if (memory == MAP_FAILED)
		return -ENOMEM;
	err = trace_new_in(memory, image_bytes, ret);
	if (err < 0)
		munmap(memory, trace_memory_bytes(image_bytes));
	else
		(*ret)->own_memory = memory;
	return err;
}

void trace_free(struct trace *t)
{
	if (!t)
		return;
	if (t->own_memory)
		munmap(t->own_memory, trace_memory_bytes(t->n_blocks * IMG_BLOCK_BYTES));
	lock_fini(&t->lock);
	free(t);
}

/* False when there is no room. */
static bool note_block_locked(struct trace *t, uint64_t block)
{
	struct run *last = t->kept->n_runs ? &t->runs[t->kept->n_runs - 1] : NULL;

	lock_assert_held(&t->lock);
	if (t->seen[block / 8] >> (block % 8) & 1)
		return true;
	if (t->n_noted == TRACE_BLOCKS_MAX)
		return false;
	if (last && last->first + last->n == block) {
		last->n++;
	} else {
		if (t->kept->n_runs == TRACE_RUNS_MAX)
			return false;
		t->runs[t->kept->n_runs] = (struct run){block, 1};
		region_order();
		t->kept->n_runs++;
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
		trace_end(t, TRACE_FULL);
}

const char *trace_end_name(enum trace_end end)
{
	switch (end) {
	case TRACE_MARK:
		return "mark";
	case TRACE_FULL:
		return "full";
	case TRACE_HANDOVER:
		return "handover";
	case TRACE_GOES_ON:
		break;
	}
	return NULL;
}

void trace_end(struct trace *t, enum trace_end why)
{
	atomic_store(&t->has_ended, true);
	lock_acquire(&t->lock);
	if (t->kept->end == TRACE_GOES_ON)
		t->kept->end = why;
	lock_release(&t->lock);
}

void trace_counts(struct trace *t, struct trace_counts *ret)
{
	lock_acquire(&t->lock);
	*ret = (struct trace_counts){
		.n_runs = t->kept->n_runs,
		.n_blocks = t->n_noted,
		.end = (enum trace_end)t->kept->end,
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
