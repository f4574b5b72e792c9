/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk.h - a block device or file as the persistent store sees it: blocks of 4096 bytes,
 * and a flush
 *
 * A contract with one real implementation (disk.c) and one in the tests that loses power.
 * Offsets are bytes on the device (`disk_off`; in struct store_io, which is reused, the
 * field slot_off); they, lengths and buffers are multiples of 4096.  Calls may come from
 * any thread and return 0 or -errno.
 *
 * What was written may be lost by a power cut, whole or in part and in any order, until a
 * flush that began after it has returned 0.
 */
#ifndef STORE_DISK_H
#define STORE_DISK_H

#include "store/store.h"

struct disk;

struct disk_ops {
	int (*read)(struct disk *d, const struct store_io *io, unsigned n);
	int (*write)(struct disk *d, const struct store_io *io, unsigned n);
	int (*flush)(struct disk *d);
	/* The range reads as zeros; its space is given back if the device can.  May take long. */
	int (*zero)(struct disk *d, uint64_t disk_off, uint64_t n_bytes);
	/* Zero, but only where that is quick: -EOPNOTSUPP else. */
	int (*punch)(struct disk *d, uint64_t disk_off, uint64_t n_bytes);
	void (*free)(struct disk *d);
};

struct disk {
	const struct disk_ops *ops;
	uint64_t bytes; /* of the device; what a file can grow to */
	bool is_file; /* a file, which grows, with holes */
	char path[256]; /* for messages */
	int fd; /* O_DIRECT where possible; or -1 */
	uint32_t dev_major, dev_minor; /* of a block device */
};

struct disk_config {
	const char *where; /* PATH, PARTLABEL=NAME or PARTUUID=UUID */
	unsigned n_threads; /* how many callers at a time are to find a context free */
	unsigned wait_ms; /* for a device that is not there yet */
};

/*
 * Find and open, create a file that is not there.  Nobody else may have it open.  Logs
 * what fails.
 */
int disk_open(const struct disk_config *config, struct disk **ret) _must_check_;

/*
 * One that another process has opened, from its descriptors, which are taken over, also
 * on error; claim_fd may be -1.
 */
int disk_adopt(const char *where, int fd, int claim_fd, unsigned n_threads,
	       struct disk **ret) _must_check_;
/* The claim on a device that keeps others from mounting it, borrowed; or -1. */
int disk_claim_fd(const struct disk *d);

/*
 * -EEXIST when there is something that is not ours to overwrite: a filesystem, a partition table or
 * another signature that libblkid knows; in a file, anything but zeros.  Logs.
 */
int disk_check_blank(struct disk *d) _must_check_;

/*
 * A file gets its size, and space for its first n_reserved bytes.  is_new: what lies
 * behind those is given back, where device or filesystem can do that.  Logs.
 */
int disk_prepare(struct disk *d, uint64_t n_bytes, uint64_t n_reserved,
		 bool is_new) _must_check_;

/* Others may open the device exclusively from now on: device-mapper does. */
void disk_release_claim(struct disk *d);

static inline int disk_read(struct disk *d, const struct store_io *io, unsigned n)
{
	return d->ops->read(d, io, n);
}

static inline int disk_write(struct disk *d, const struct store_io *io, unsigned n)
{
	return d->ops->write(d, io, n);
}

static inline int disk_flush(struct disk *d)
{
	return d->ops->flush(d);
}

static inline void disk_free(struct disk *d)
{
	if (d)
		d->ops->free(d);
}

#endif
