/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk.c - I/O of a device or file that is open; disk_open.c opens it
 *
 * Zeroing is fallocate(2), for both: on a block device the kernel makes PUNCH_HOLE a
 * WRITE ZEROES that may unmap, and refuses it where the device has none; ZERO_RANGE then
 * writes zeros.  BLKDISCARD promises nothing about what is read afterwards, so it is only
 * used where nothing will be read.
 */
#include "store/disk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "base/log.h"

static struct disk_file *self(struct disk *d)
{
	return (struct disk_file *)d;
}

static int file_read(struct disk *d, const struct store_io *io, unsigned n)
{
	return aio_run(self(d)->aio, AIO_READ, d->fd, io, n);
}

static int file_write(struct disk *d, const struct store_io *io, unsigned n)
{
	return aio_run(self(d)->aio, AIO_WRITE, d->fd, io, n);
}

static int file_flush(struct disk *d)
{
	return fdatasync(d->fd) < 0 ? -errno : 0;
}

static int file_fallocate(struct disk *d, int mode, uint64_t disk_off, uint64_t n_bytes)
{
	int err;

	do {
		err = fallocate(d->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)disk_off,
				(off_t)n_bytes);
	} while (err < 0 && errno == EINTR);
	return err < 0 ? -errno : 0;
}

static int file_punch(struct disk *d, uint64_t disk_off, uint64_t n_bytes)
{
	int err;

	if (atomic_load(&self(d)->cannot_punch))
		return -EOPNOTSUPP;
	err = file_fallocate(d, FALLOC_FL_PUNCH_HOLE, disk_off, n_bytes);
	if (err == -EOPNOTSUPP)
		atomic_store(&self(d)->cannot_punch, true);
	return err;
}

/* The last resort: a filesystem that has neither. */
static int write_zeros(struct disk *d, uint64_t disk_off, uint64_t n_bytes)
{
	static const uint32_t step = 1024 * 1024;
	uint8_t *zeros = aligned_alloc(4096, step);
	int err = 0;

	if (!zeros)
		return -ENOMEM;
	memset(zeros, 0, step);
	for (uint64_t done = 0; err == 0 && done < n_bytes;) {
		struct store_io io = {
			.slot_off = disk_off + done,
			.buf = zeros,
			.n_bytes = (uint32_t)min_u64(step, n_bytes - done),
		};

		err = disk_write(d, &io, 1);
		done += io.n_bytes;
	}
	free(zeros);
	return err;
}

static int file_zero(struct disk *d, uint64_t disk_off, uint64_t n_bytes)
{
	int err = file_punch(d, disk_off, n_bytes);

	if (err == -EOPNOTSUPP)
		err = file_fallocate(d, FALLOC_FL_ZERO_RANGE, disk_off, n_bytes);
	return err == -EOPNOTSUPP ? write_zeros(d, disk_off, n_bytes) : err;
}

static void file_free(struct disk *d)
{
	struct disk_file *f = self(d);

	aio_free(f->aio);
	disk_release_claim(d);
	if (d->fd >= 0)
		close(d->fd);
	free(f);
}

const struct disk_ops disk_file_ops = {
	.read = file_read,
	.write = file_write,
	.flush = file_flush,
	.zero = file_zero,
	.punch = file_punch,
	.free = file_free,
};

void disk_release_claim(struct disk *d)
{
	int *fd = d->ops == &disk_file_ops ? &self(d)->claim_fd : NULL;

	if (fd && *fd >= 0)
		close(steal_fd(fd));
}

static int grow_file(struct disk *d, uint64_t n_bytes, uint64_t n_reserved)
{
	off_t now = lseek(d->fd, 0, SEEK_END);
	int err = 0;

	if (now < 0 ||
	    ((uint64_t)now < n_bytes && ftruncate(d->fd, (off_t)n_bytes) < 0)) {
		err = -errno;
		log_error("store %s: make it %llu bytes long: %s", d->path,
			  (unsigned long long)n_bytes, strerror(-err));
		return err;
	}
	/* A full filesystem must not keep the journal from being written. */
	if (fallocate(d->fd, 0, 0, (off_t)n_reserved) < 0 && errno == ENOSPC) {
		log_error("store %s: the filesystem has no room for the journal of %llu "
			  "bytes",
			  d->path, (unsigned long long)n_reserved);
		err = -ENOSPC;
	}
	return err;
}

int disk_prepare(struct disk *d, uint64_t n_bytes, uint64_t n_reserved, bool is_new)
{
	uint64_t range[2] = {n_reserved, n_bytes - n_reserved};
	int err = 0;

	if (d->ops != &disk_file_ops)
		return 0;
	if (d->is_file)
		err = grow_file(d, n_bytes, n_reserved);
	if (err < 0 || !is_new)
		return err;
	if (d->is_file)
		(void)!file_punch(d, range[0], range[1]);
	else
		(void)!ioctl(d->fd, BLKDISCARD, range);
	return 0;
}
