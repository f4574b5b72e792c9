/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_mem.c - see store_mem.h
 *
 * A memfd: its pages come when written and go by punching holes, and what is used can be asked.
 */
#include "store/store_mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct store_mem {
	struct store store;
	uint64_t limit_bytes;
	int fd;
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
	struct stat st;

	return m->limit_bytes && fstat(m->fd, &st) == 0 &&
	       (uint64_t)st.st_blocks * 512 >= m->limit_bytes;
}

static int mem_write(struct store *s, const struct store_io *io, unsigned n)
{
	int err = 0;

	if (is_full(self(s)))
		return -ENOSPC;
	for (unsigned i = 0; err == 0 && i < n; i++)
		err = move_piece(self(s)->fd, &io[i], true);
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

	*ret = (struct store_usage){.limit_bytes = self(s)->limit_bytes};
	if (fstat(self(s)->fd, &st) == 0)
		ret->used_bytes = (uint64_t)st.st_blocks * 512;
}

static void mem_free(struct store *s)
{
	close(self(s)->fd);
	free(self(s));
}

static const struct store_ops ops = {
	.kind = "memory",
	.read = mem_read,
	.write = mem_write,
	.discard = mem_discard,
	.usage = mem_usage,
	.free = mem_free,
};

/* Takes the fd over, also when it fails. */
static int new_store(int fd, uint64_t n_bytes, uint64_t limit_bytes, struct store **ret)
{
	struct store_mem *m = calloc(1, sizeof *m);

	if (!m) {
		close(fd);
		return -ENOMEM;
	}
	m->store = (struct store){.ops = &ops, .bytes = n_bytes, .dev_fd = -1};
	m->limit_bytes = limit_bytes;
	m->fd = fd;
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
