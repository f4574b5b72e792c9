/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zram.h - a zram device of our own: create, look at, give back
 *
 * Never zram0 by name: ids come from /sys/class/zram-control/hot_add, so that zram-generator and
 * others keep theirs.  See Documentation/admin-guide/blockdev/zram.rst in the kernel.
 */
#ifndef STORE_ZRAM_H
#define STORE_ZRAM_H

#include <stdint.h>

#include "imgfmt/base.h"

struct zram {
	unsigned id;
	char path[32]; /* "/dev/zram1" */
	uint32_t major, minor;
	uint64_t diskseq; /* see zram_diskseq */
	int fd; /* O_RDWR|O_DIRECT, or -1 */
	int sysfs_fd; /* of /sys/block/zramN, or -1 */
	int compact_fd; /* of its file `compact`, or -1 */
	unsigned
		table_bytes_per_page; /* of what the kernel keeps for each page of disksize */
	char algorithms
		[256]; /* of this kernel, separated by blanks; "" of one that was adopted */
};

/* True also for "". */
bool zram_has_algorithm(const struct zram *z, const char *algorithm);
/*
 * algorithm "" or one that the kernel has not: the best of lz4, lzo-rle, zstd that it
 * has.  limit_bytes 0: none.  Logs, but for such an algorithm.
 */
int zram_create(uint64_t n_bytes, const char *algorithm, uint64_t limit_bytes,
		struct zram *ret) _must_check_;
/*
 * One that another process has created, from its descriptors, which are the caller's no
 * more.  -ENODEV when they are not of a zram device.
 */
int zram_adopt(int fd, int sysfs_fd, unsigned table_bytes_per_page,
	       struct zram *ret) _must_check_;
/* Close our fds; the device stays. */
void zram_close(struct zram *z);
/*
 * What the kernel has numbered this device with, and never another one (Documentation/ABI/stable/
 * sysfs-block), unlike its id, which is free again as soon as it is gone.  0: there is no
 * device with this id, or the kernel is older than 5.15.
 */
uint64_t zram_diskseq(unsigned id);
/*
 * Reset and hot_remove by id.  -EBUSY while it is open or mounted; -ENODEV: there is none,
 * or only one with another diskseq, which somebody else has made since.
 */
int zram_remove(unsigned id, uint64_t diskseq) _must_check_;
/* Change mem_limit; 0: none. */
int zram_set_limit(const struct zram *z, uint64_t limit_bytes) _must_check_;
/* mem_used_total of mm_stat: what mem_limit is about. */
int zram_mem_used(const struct zram *z, uint64_t *ret_bytes) _must_check_;
/* That plus the table the kernel keeps for disksize; and what is stored, before compression. */
int zram_used_bytes(const struct zram *z, uint64_t *ret_used,
		    uint64_t *ret_stored) _must_check_;
/* Have the kernel gather what is scattered over half-empty pages. */
int zram_compact(const struct zram *z) _must_check_;

#endif
