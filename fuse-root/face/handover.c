/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handover.c - see handover.h
 *
 * Store and image have the same size and the same offsets, so the switch is one table: linear onto
 * the loop device before, linear onto the store after.  Without device-mapper a read-only loop
 * device can change its file; a writable one cannot, and stays with the daemon.
 */
#include "face/handover.h"

#include <errno.h>
#include <fcntl.h>

#include "base/log.h"

int attachment_open(struct attachment *a, int backing_fd)
{
	int err;

	a->has_dm = dm_is_available();
	err = loop_attach(a->name, backing_fd, a->read_only, a->has_dm, &a->loop);
	if (err < 0)
		return err;
	hold_put(a->hold, HOLD_LOOP, a->loop.fd);
	if (a->has_dm)
		err = dm_create(a->name, &a->loop, a->n_bytes, a->read_only, &a->dm);
	else
		log_notice("device-mapper: not in this kernel: %s",
			   a->read_only ? "the loop device changes over by itself"
					: "a writable device stays with the daemon");
	if (err == 0)
		err = blockdev_link(a->name, attachment_device(a)->path);
	if (err < 0)
		(void)!attachment_close(a);
	return err;
}

const struct blockdev *attachment_device(const struct attachment *a)
{
	return a->has_dm ? &a->dm : &a->loop;
}

/* A loop device lets go only when the last user closes it: see that there is none. */
static int check_unused(const struct blockdev *loop)
{
	int fd = open(loop->path, O_RDONLY | O_EXCL | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/*
 * Cleared first: from then on nobody needs to have it open for it to go.  Newer kernels take the file away
 * with the last close, and the keeper's is one.
 */
static int let_loop_go(struct attachment *a)
{
	int err = 0;

	if (a->loop.fd < 0)
		return 0;
	err = loop_clear(&a->loop);
	hold_drop(a->hold, HOLD_LOOP);
	loop_forget(&a->loop);
	return err;
}

int attachment_close(struct attachment *a)
{
	int err = 0;

	if (a->has_dm && a->dm.path[0])
		err = dm_remove(a->name);
	else if (!a->has_dm && a->loop.fd >= 0)
		err = check_unused(&a->loop);
	if (err < 0)
		return err;
	a->dm.path[0] = '\0';
	blockdev_unlink(a->name);
	return let_loop_go(a);
}

enum handover_method handover_choose(const struct attachment *a,
				     const struct store *store)
{
	if (!store->device[0])
		return HANDOVER_NONE;
	if (a->has_dm)
		return HANDOVER_DM;
	return a->read_only ? HANDOVER_LOOP : HANDOVER_NONE;
}

int handover_run(struct attachment *a, const struct store *store,
		 enum handover_method method)
{
	struct blockdev target = {
		.major = store->dev_major,
		.minor = store->dev_minor,
		.fd = -1,
	};

	if (method == HANDOVER_LOOP)
		return loop_change_backing(&a->loop, store->dev_fd);
	return dm_swap(a->name, &target, a->n_bytes, a->read_only);
}

bool handover_has_run(const struct attachment *a, const struct store *store,
		      enum handover_method method)
{
	return method == HANDOVER_LOOP &&
	       loop_is_on(&a->loop, store->dev_major, store->dev_minor);
}

void handover_finish(struct attachment *a, enum handover_method method)
{
	if (method != HANDOVER_LOOP) {
		/* Nothing refers to the loop device any more; it takes the FUSE file along. */
		(void)!let_loop_go(a);
		return;
	}
	hold_drop(a->hold, HOLD_LOOP);
	close(a->loop.fd);
	a->loop.fd = -1;
}
