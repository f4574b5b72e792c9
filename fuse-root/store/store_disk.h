/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_disk.h - a store on a block device or in a file, which survives reboots
 *
 * The image lies on the device in its own order, behind superblock and journal
 * (STORE.md).  Blocks that were not written read as zeros whatever the device has there.
 * Writes are in the device when they return, not
 * flushed: what the running system writes is not wanted after a reboot, which starts from
 * the image again.
 */
#ifndef STORE_STORE_DISK_H
#define STORE_STORE_DISK_H

#include "store/disk.h"
#include "store/layout.h"

struct store_disk_config {
	const char *where; /* PATH, PARTLABEL=NAME or PARTUUID=UUID */
	bool may_format; /* also over something that is not ours */
	struct layout_image image;
	unsigned n_threads; /* callers at a time */
	unsigned wait_ms; /* for a device that is not there yet */
	/*
	 * What a process that goes on after this one has to know: zeros, of
	 * store_disk_memory_bytes, borrowed.  NULL: none will.
	 */
	void *memory;
};

uint64_t store_disk_memory_bytes(const struct layout_image *image);
/* Descriptors to hold for such a process, borrowed; claim_fd may be -1. */
void store_disk_fds(const struct store *s, int *ret_fd, int *ret_claim_fd);
/*
 * Go on with what a process that died has left: its memory and descriptors, which are
 * taken over.  Starts a thread.
 */
int store_disk_adopt(const struct store_disk_config *config, int fd, int claim_fd,
		     struct store **ret) _must_check_;

/*
 * Open, format if need be, read the journal.  Starts a thread.  Logs what fails and what
 * was found.
 */
int store_disk_new(const struct store_disk_config *config,
		   struct store **ret) _must_check_;

/*
 * The same on a disk that is open, which is taken over, also on error.  No thread:
 * journal_sync by store_disk_sync.
 */
int store_disk_over(struct disk *d, const struct store_disk_config *config,
		    struct store **ret) _must_check_;
/* Everything that was remembered so far is on the device. */
int store_disk_sync(struct store *s) _must_check_;

#endif
