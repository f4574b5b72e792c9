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
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "base/rundir.h"

int attachment_open(struct attachment *a, int backing_fd)
{
	int err;

	a->has_dm = dm_is_available();
	err = loop_attach(backing_fd, a->read_only, a->has_dm, &a->loop);
	if (err < 0)
		return err;
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

/* The store's own device becomes the attachment: it is a part no more. */
static int use_store(struct attachment *a, const struct store *store)
{
	const int read_only = 1;
	cleanup_fd int fd = open(store->device, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (a->read_only && ioctl(fd, BLKROSET, &read_only) < 0)) {
		log_error("%s: %s", store->device, strerror(errno));
		return -errno;
	}
	rundir_part_remove(strrchr(store->device, '/') + 1);
	snprintf(a->loop.path, sizeof a->loop.path, "%s", store->device);
	return 0;
}

int attachment_open_store(struct attachment *a, const struct store *store)
{
	const struct blockdev target = {
		.major = store->dev_major,
		.minor = store->dev_minor,
		.fd = -1,
	};
	int err;

	a->has_dm = dm_is_available();
	if (a->has_dm)
		err = dm_create(a->name, &target, a->n_bytes, a->read_only, &a->dm);
	else
		err = use_store(a, store);
	if (err == 0)
		err = blockdev_link(a->name, attachment_device(a)->path);
	if (err < 0 && a->has_dm && a->dm.path[0])
		(void)!dm_remove(a->name);
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

int attachment_close(struct attachment *a)
{
	int err = 0;

	if (a->has_dm && a->dm.path[0])
		err = dm_remove(a->name);
	else if (!a->has_dm)
		err = check_unused(&a->loop);
	if (err < 0)
		return err;
	a->dm.path[0] = '\0';
	blockdev_unlink(a->name);
	return loop_detach(&a->loop);
}

enum handover_method handover_choose(const struct attachment *a,
				     const struct store *store)
{
	/*
	 * On a persistent store somebody has to note which chunks are written to, or nothing of it could be
	 * believed after a reboot: what is writable stays with the daemon.
	 */
	if (store_is_persistent(store)) {
		if (!a->read_only || store->given.fd < 0)
			return HANDOVER_NONE;
		return a->has_dm ? HANDOVER_DM : HANDOVER_LOOP;
	}
	if (!store->device[0])
		return HANDOVER_NONE;
	if (a->has_dm)
		return HANDOVER_DM;
	return a->read_only ? HANDOVER_LOOP : HANDOVER_NONE;
}

static int change_loop(struct attachment *a, const char *device)
{
	cleanup_fd int fd = open(device, O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0) {
		err = -errno;
		log_error("%s: %s", device, strerror(-err));
		return err;
	}
	err = loop_change_backing(&a->loop, fd);
	if (err == 0) {
		close(a->loop.fd);
		a->loop.fd = -1;
	}
	return err;
}

/* The store's image as a device that begins where the image does: a loop device where needed. */
static int open_target(const struct attachment *a, const struct store *store,
		       enum handover_method method, struct blockdev *ret,
		       bool *ret_is_loop)
{
	*ret = (struct blockdev){
		.major = store->dev_major,
		.minor = store->dev_minor,
		.fd = -1,
	};
	*ret_is_loop = false;
	if (!store_is_persistent(store)) {
		snprintf(ret->path, sizeof ret->path, "%.63s", store->device);
		return 0;
	}
	ret->off = store->given.off;
	/* device-mapper knows offsets, but no files. */
	if (method == HANDOVER_DM && ret->major)
		return 0;
	*ret_is_loop = true;
	return loop_attach_range(store->given.fd, store->given.off, a->n_bytes, ret);
}

static int switch_to(struct attachment *a, const struct blockdev *target,
		     enum handover_method method)
{
	int err;

	if (method == HANDOVER_LOOP)
		return change_loop(a, target->path);
	err = dm_swap(a->name, target, a->n_bytes, a->read_only);
	if (err < 0)
		return err;
	/* Nothing refers to the loop device any more; it takes the FUSE file along. */
	(void)!loop_detach(&a->loop);
	return 0;
}

int handover_run(struct attachment *a, struct store *store, enum handover_method method)
{
	struct blockdev target;
	bool is_loop;
	int err = open_target(a, store, method, &target, &is_loop);

	if (err < 0)
		return err;
	err = switch_to(a, &target, method);
	if (!is_loop)
		return err;
	if (err < 0) {
		(void)!loop_detach(&target);
		return err;
	}
	/* hydroot detach finds it by this name. */
	snprintf(store->device, sizeof store->device, "%s", target.path);
	close(target.fd);
	return 0;
}
