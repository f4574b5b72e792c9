/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_zram.c - see store_zram.h
 *
 * Always O_DIRECT: pages in the block device's own cache would be bypassed when the root is
 * switched onto the device.
 */
#include "store/store_zram.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "store/aio.h"
#include "store/zram.h"

#define FULL_SLACK_BYTES (256u * 1024)

struct store_zram {
	struct store store;
	struct zram zram;
	struct aio *aio;
	atomic_uint_fast64_t limit_bytes;
	bool leave_device;
};

static struct store_zram *self(struct store *s)
{
	return (struct store_zram *)s;
}

static int zram_store_read(struct store *s, const struct store_io *io, unsigned n)
{
	return aio_run(self(s)->aio, AIO_READ, self(s)->zram.fd, io, n);
}

/* zsmalloc takes pages by the handful, and gives back what was over the limit. */
static bool is_full(const struct store_zram *z)
{
	uint64_t limit = atomic_load(&z->limit_bytes), used;

	return limit && zram_mem_used(&z->zram, &used) == 0 &&
	       used + FULL_SLACK_BYTES >= limit;
}

static int zram_store_write(struct store *s, const struct store_io *io, unsigned n)
{
	int err = aio_run(self(s)->aio, AIO_WRITE, self(s)->zram.fd, io, n);

	/* The block layer has no word for a zram that has reached its limit. */
	return err == -EIO && is_full(self(s)) ? -ENOSPC : err;
}

/* BLKDISCARD on zram frees the pages at once, and free pages read as zeros. */
static int zram_store_discard(struct store *s, uint64_t slot_off, uint64_t n_bytes)
{
	uint64_t range[2] = {slot_off, n_bytes};

	return ioctl(self(s)->zram.fd, BLKDISCARD, range) < 0 ? -errno : 0;
}

static void zram_store_usage(struct store *s, struct store_usage *ret)
{
	struct store_usage usage = {.limit_bytes = atomic_load(&self(s)->limit_bytes)};

	if (zram_used_bytes(&self(s)->zram, &usage.used_bytes, &usage.stored_bytes) < 0)
		usage.used_bytes = usage.stored_bytes = 0;
	*ret = usage;
}

static int zram_store_compact(struct store *s)
{
	return zram_compact(&self(s)->zram);
}

static void zram_store_free(struct store *s)
{
	struct store_zram *z = self(s);
	const struct zram gone = z->zram;
	int err;

	aio_free(z->aio);
	zram_close(&z->zram);
	if (!z->leave_device) {
		err = zram_remove(gone.id, gone.diskseq);
		if (err < 0)
			log_warning("%s: remove: %s", z->store.device, strerror(-err));
	}
	free(z);
}

static void zram_store_leave(struct store *s)
{
	self(s)->leave_device = true;
}

static const struct store_ops ops = {
	.kind = "zram",
	.read = zram_store_read,
	.write = zram_store_write,
	.discard = zram_store_discard,
	.usage = zram_store_usage,
	.compact = zram_store_compact,
	.free = zram_store_free,
	.leave = zram_store_leave,
};

/* Without a device yet. */
static int new_store(unsigned n_threads, struct store_zram **ret)
{
	struct store_zram *z = calloc(1, sizeof *z);
	int err;

	if (!z)
		return -ENOMEM;
	err = aio_new(n_threads, &z->aio);
	if (err < 0) {
		log_error("zram: set up libaio: %s", strerror(-err));
		free(z);
		return err;
	}
	*ret = z;
	return 0;
}

static int finish(struct store_zram *z, int err, uint64_t n_bytes, uint64_t limit_bytes,
		  struct store **ret)
{
	if (err < 0) {
		aio_free(z->aio);
		free(z);
		return err;
	}
	atomic_init(&z->limit_bytes, limit_bytes);
	z->store = (struct store){
		.ops = &ops,
		.bytes = n_bytes,
		.dev_major = z->zram.major,
		.dev_minor = z->zram.minor,
		.dev_fd = z->zram.fd,
		.given = {.fd = -1},
	};
	snprintf(z->store.device, sizeof z->store.device, "%s", z->zram.path);
	*ret = &z->store;
	return 0;
}

int store_zram_new(uint64_t n_bytes, const char *algorithm, uint64_t limit_bytes,
		   unsigned n_threads, struct store **ret)
{
	struct store_zram *z = NULL;
	int err = new_store(n_threads, &z);

	if (err < 0)
		return err;
	err = zram_create(n_bytes, algorithm, limit_bytes, &z->zram);
	return finish(z, err, n_bytes, limit_bytes, ret);
}

const char *store_zram_algorithms(const struct store *s)
{
	return ((const struct store_zram *)s)->zram.algorithms;
}

bool store_zram_has_algorithm(const struct store *s, const char *algorithm)
{
	return zram_has_algorithm(&((const struct store_zram *)s)->zram, algorithm);
}

uint64_t store_zram_diskseq(const struct store *s)
{
	return ((const struct store_zram *)s)->zram.diskseq;
}

unsigned store_zram_entry_bytes(const struct store *s)
{
	return ((const struct store_zram *)s)->zram.table_bytes_per_page;
}

void store_zram_hold(struct store *s, struct hold *hold)
{
	hold_put(hold, HOLD_STORE, self(s)->zram.fd);
	hold_put(hold, HOLD_STORE_SYSFS, self(s)->zram.sysfs_fd);
}

int store_zram_adopt(struct hold *hold, uint64_t n_bytes, uint64_t limit_bytes,
		     unsigned n_threads, unsigned entry_bytes, struct store **ret)
{
	int fd = hold_take(hold, HOLD_STORE);
	int sysfs_fd = hold_take(hold, HOLD_STORE_SYSFS);
	struct store_zram *z = NULL;
	int err = new_store(n_threads, &z);

	if (err < 0)
		return err;
	err = zram_adopt(fd, sysfs_fd, entry_bytes, &z->zram);
	return finish(z, err, n_bytes, limit_bytes, ret);
}
