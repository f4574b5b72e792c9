/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blockdev.h - loop devices and device-mapper tables, as the attachment needs them
 *
 * All calls are for one thread at a time (libdevmapper is not thread-safe) and may block for
 * the time an ioctl takes.  0 or -errno; a failure is logged here with its subject.
 */
#ifndef FACE_BLOCKDEV_H
#define FACE_BLOCKDEV_H

#include <stdint.h>

#include "imgfmt/base.h"

struct blockdev {
	char path[64]; /* "/dev/loop0", "/dev/dm-0" */
	uint32_t major, minor;
	uint64_t
		off; /* bytes in front of what is meant; 0 but for a persistent store's device */
	int fd; /* open for as long as it is ours, or -1 */
};

/*
 * A free loop device over `backing_fd`: direct I/O, 4096-byte blocks.  is_part: not for
 * users.  It carries the attachment's name, because its number may be somebody else's the
 * next moment.
 */
int loop_attach(const char *name, int backing_fd, bool read_only, bool is_part,
		struct blockdev *ret) _must_check_;
/* The same over a part of the file. */
struct loop_range {
	int fd;
	uint64_t off, n_bytes;
};
int loop_attach_range(const char *name, const struct loop_range *range, bool read_only,
		      bool is_part, struct blockdev *ret) _must_check_;
/* One that another process has attached, from its descriptor, which is taken over.  -ENODEV */
int loop_adopt(int fd, struct blockdev *ret) _must_check_;
/* True when it is bound and carries this name. */
bool loop_is_of(const struct blockdev *loop, const char *name);
/* Before paths go away: what is opened here is inherited by whoever is forked.  Best effort. */
void loop_prepare(void);
/*
 * The same in two steps, for who has the device open in two places.  Clear: the backing
 * file goes now or, in newer kernels, with the last close; clearing what is clear already
 * is no error.  Forget: close it, remove the device node if nobody else wants it.
 */
int loop_clear(const struct blockdev *loop) _must_check_;
void loop_forget(struct blockdev *loop);
/* Both. */
int loop_detach(struct blockdev *loop) _must_check_;
/* True when its backing file is a block device, so not a file of FUSE any more. */
bool loop_is_over_device(const struct blockdev *loop);
/* LOOP_CHANGE_FD of a read-only loop to another file of the same size. */
int loop_change_backing(struct blockdev *loop, int backing_fd) _must_check_;

/*
 * The loop devices whose backing file is this block device, by their paths, n_max at
 * most.  Nobody has the device open for them that could be found in /proc.  How many.
 */
#define LOOP_PATH_BYTES 64u
unsigned loop_find_over(uint32_t major, uint32_t minor, char (*ret)[LOOP_PATH_BYTES],
			unsigned n_max);

/* udev opens a device for a moment after each change: so often it is tried to take one down. */
#define BLOCKDEV_TRIES 5u
#define BLOCKDEV_TRY_MS 100

/*
 * -EBUSY, after some tries: the kernel has it claimed (mounted, part of another device).
 * -errno of open.
 */
int blockdev_check_unused(const char *path) _must_check_;

/* True when /dev/mapper/control answers; opens it and keeps it open. */
bool dm_is_available(void);
/* Map all n_bytes of target onto a new device "hydroot-NAME". */
int dm_create(const char *name, const struct blockdev *target, uint64_t n_bytes,
	      bool read_only, struct blockdev *ret) _must_check_;
/*
 * Load a table onto `target`, suspend, resume: running I/O waits, none is lost.  On error
 * the old table runs on.  May be called again after a process died at any point of it.
 */
int dm_swap(const char *name, const struct blockdev *target, uint64_t n_bytes,
	    bool read_only) _must_check_;
/* True when "dm-N" is the device of this name.  By sysfs. */
bool dm_is_of(const char *kernel_name, const char *name);
/* -EBUSY while it is open, after some tries; 0 when it is not there. */
int dm_remove(const char *name) _must_check_;

/* /dev/hydroot/NAME -> path, and its removal. */
int blockdev_link(const char *name, const char *path) _must_check_;
void blockdev_unlink(const char *name);

#endif
