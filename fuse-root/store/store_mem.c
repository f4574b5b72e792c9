/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_mem.c - see store_mem.h
 *
 * A memfd: its pages come when written and go by punching holes, and what is used can be
 * asked.  Writes are write(2), which reports a lack of memory where a store into a
 * mapping would be a signal.
 *
 * Its pages could be swapped out, to a swap device that may lie on this very root.  A
 * memfd cannot be locked, a mapping of it can: what was written is touched once in one
 * that is, and stays.
 */
#include "store/store_mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/log.h"

#define PAGE_BYTES 4096u

struct store_mem {
	struct store store;
	atomic_uint_fast64_t limit_bytes;
	int fd;
	void *map; /* of the whole of it, locked as it is touched; or NULL */
};

static struct store_mem *self(struct store *s)
{
	return (struct store_mem *)s;
}

static int move_piece(int fd, const struct store_io *io, bool is_write)
{
	for (size_t done = 0; done < io->n_bytes;) {
		uint8_t *at = (uint8_t *)io->buf + done;
		size_t left = io->n_bytes - done;
		off_t off = (off_t)(io->slot_off + done);
		ssize_t n =
			is_write ? pwrite(fd, at, left, off) : pread(fd, at, left, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

static int mem_read(struct store *s, const struct store_io *io, unsigned n)
{
	int err = 0;

	for (unsigned i = 0; err == 0 && i < n; i++)
		err = move_piece(self(s)->fd, &io[i], false);
	return err;
}

/* Checked before a write: the limit can be passed by what is written at the same time. */
static bool is_full(const struct store_mem *m)
{
	uint64_t limit = atomic_load(&m->limit_bytes);
	struct stat st;

	return limit && fstat(m->fd, &st) == 0 && (uint64_t)st.st_blocks * 512 >= limit;
}

static void lock_pages(const struct store_mem *m, const struct store_io *io)
{
	const volatile uint8_t *at = (const uint8_t *)m->map + io->slot_off;

	for (uint64_t off = 0; m->map && off < io->n_bytes; off += PAGE_BYTES)
		(void)at[off];
}

static int mem_write(struct store *s, const struct store_io *io, unsigned n)
{
	int err = 0;

	if (is_full(self(s)))
		return -ENOSPC;
	for (unsigned i = 0; err == 0 && i < n; i++) {
		err = move_piece(self(s)->fd, &io[i], true);
		if (err == 0)
			lock_pages(self(s), &io[i]);
	}
	return err;
}

static int mem_discard(struct store *s, uint64_t slot_off, uint64_t n_bytes)
{
	int err = fallocate(self(s)->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			    (off_t)slot_off, (off_t)n_bytes);

	return err < 0 ? -errno : 0;
}

static void mem_usage(struct store *s, struct store_usage *ret)
{
	struct stat st;

	*ret = (struct store_usage){.limit_bytes = atomic_load(&self(s)->limit_bytes)};
	if (fstat(self(s)->fd, &st) == 0)
		ret->used_bytes = ret->stored_bytes = (uint64_t)st.st_blocks * 512;
}

static void mem_free(struct store *s)
{
	struct store_mem *m = self(s);

	if (m->map)
		munmap(m->map, s->bytes);
	if (m->fd >= 0)
		close(m->fd);
	free(m);
}

static const struct store_ops ops = {
	.kind = "memory",
	.read = mem_read,
	.write = mem_write,
	.discard = mem_discard,
	.usage = mem_usage,
	.free = mem_free,
};

/* Best effort: who may not lock memory has a store all the same. */
static void map_mlocked(struct store_mem *m)
{
	void *map = mmap(NULL, m->store.bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE,
			 m->fd, 0);

	if (map == MAP_FAILED)
		return;
	m->map = map;
	if (mlock2(map, m->store.bytes, MLOCK_ONFAULT) == 0)
		return;
	log_debug("store: memory: not locked: %s", strerror(errno));
	munmap(map, m->store.bytes);
	m->map = NULL;
}

/* What another process has written: touched, and so locked, in this one. */
static void lock_what_is_there(const struct store_mem *m)
{
	off_t end = 0, start;

	while (m->map && (start = lseek(m->fd, end, SEEK_DATA)) >= 0) {
		end = lseek(m->fd, start, SEEK_HOLE);
		if (end <= start)
			break;
		for (off_t off = start; off < end; off += PAGE_BYTES)
			(void)((const volatile uint8_t *)m->map)[off];
	}
}

/* Takes the fd over, also when it fails. */
static int new_store(int fd, uint64_t n_bytes, uint64_t limit_bytes, struct store **ret)
{
	struct store_mem *m = calloc(1, sizeof *m);

	if (!m) {
		close(fd);
		return -ENOMEM;
	}
	m->store = (struct store){
		.ops = &ops, .bytes = n_bytes, .dev_fd = -1, .given = {.fd = fd}};
	atomic_init(&m->limit_bytes, limit_bytes);
	m->fd = fd;
	map_mlocked(m);
	lock_what_is_there(m);
	*ret = &m->store;
	return 0;
}

int store_mem_new(uint64_t n_bytes, uint64_t limit_bytes, struct store **ret)
{
	int fd = memfd_create("hydroot-store", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)n_bytes) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return new_store(fd, n_bytes, limit_bytes, ret);
}

void store_mem_hold(struct store *s, struct hold *hold)
{
	hold_put(hold, HOLD_STORE, self(s)->fd);
}

int store_mem_adopt(struct hold *hold, uint64_t n_bytes, uint64_t limit_bytes,
		    struct store **ret)
{
	int fd = hold_take(hold, HOLD_STORE);

	return fd < 0 ? -ENODEV : new_store(fd, n_bytes, limit_bytes, ret);
}
