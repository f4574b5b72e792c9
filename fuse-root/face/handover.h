/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handover.h - from a device that the daemon serves to one that the kernel has alone
 */
#ifndef FACE_HANDOVER_H
#define FACE_HANDOVER_H

#include "base/hold.h"
#include "face/blockdev.h"
#include "face/status.h"
#include "store/store.h"

/* The block devices of one attachment; `loop` over the FUSE file, `dm` over the loop if has_dm. */
struct attachment {
	const char *name;
	struct hold *hold; /* has the loop device open as well; or NULL */
	bool read_only;
	bool has_dm;
	uint64_t n_bytes;
	struct blockdev loop,
		dm; /* loop: the store's own device after attachment_open_store without dm */
};

/* Loop over backing_fd, device-mapper over it where there is one, /dev/hydroot/NAME.  Logs. */
int attachment_open(struct attachment *a, int backing_fd) _must_check_;
/*
 * Without the daemon in between: device-mapper over the store's device or a loop device
 * over its file, or one of these itself.  Logs.
 */
int attachment_open_store(struct attachment *a, struct store *store) _must_check_;
/* What a user opens. */
const struct blockdev *attachment_device(const struct attachment *a);
/*
 * Take it all away again.  -EBUSY while anybody has the device open; then nothing has
 * changed.  May be called again after a process died in the middle of it.
 */
int attachment_close(struct attachment *a) _must_check_;
/*
 * Another reason for -EBUSY, to be asked for before: the path of a loop device over ours,
 * or false.
 */
bool attachment_is_below_loop(const struct attachment *a, char ret[LOOP_PATH_BYTES]);

/*
 * What can be done for this attachment on this store and kernel; a persistent store was
 * given before (its persistence->give).
 */
enum handover_method handover_choose(const struct attachment *a,
				     const struct store *store);

/*
 * Every chunk is in the store: put the store's device in the place of the FUSE file, under the
 * running system.  -errno: nothing has changed.  May be called again after a process died in it.
 */
int handover_run(struct attachment *a, struct store *store,
		 enum handover_method method) _must_check_;
/* Did a process that died get so far?  Only for what cannot be run again then. */
bool handover_has_run(const struct attachment *a, enum handover_method method);
/* After such a process: where the store is now, as handover_run would have said. */
void handover_adopt(struct attachment *a, struct store *store);
/* After it: let go of the loop device.  The FUSE connection ends as a consequence. */
void handover_finish(struct attachment *a, enum handover_method method);

#endif
