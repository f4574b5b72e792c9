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
	err = loop_attach(a->name, backing_fd, a->read_only, a->has_dm, &a->loop);
	if (err < 0)
		return err;
	hold_put(a->hold, HOLD_LOOP, a->loop.fd);
	if (a->has_dm)
		err = dm_create(a->name, &a->loop, a->n_bytes, a->read_only, &a->dm);
	else
		log_notice("device-mapper: not in this kernel: %s",
			   a->read_only ? "the loop device takes the store over when it "
					  "is complete"
					: "a writable device stays with the daemon");
	if (err == 0)
		err = blockdev_link(a->name, attachment_device(a)->path);
	if (err < 0)
		(void)!attachment_close(a);
	return err;
}

/*
 * The store's image as a device that begins where the image does: a loop device where
 * needed, and the same one in a process that goes on with this.
 */
static int open_target(const struct attachment *a, const struct store *store,
		       enum handover_method method, struct blockdev *ret,
		       bool *ret_is_loop)
{
	const struct loop_range range = {store->given.fd, store->given.off, a->n_bytes};
	int fd, err;

	*ret = (struct blockdev){
		.major = store->dev_major,
		.minor = store->dev_minor,
		.off = store->given.off,
		.fd = store->dev_fd,
	};
	*ret_is_loop = false;
	if (range.fd < 0) {
		snprintf(ret->path, sizeof ret->path, "%.63s", store->device);
		return 0;
	}
	/* device-mapper knows offsets, but no files. */
	if (method == HANDOVER_DM && ret->major)
		return 0;
	*ret_is_loop = true;
	fd = hold_take(a->hold, HOLD_TARGET);
	if (fd >= 0 && loop_adopt(fd, ret) == 0)
		return 0;
	err = loop_attach_range(a->name, &range, a->read_only, method != HANDOVER_PLAIN,
				ret);
	ret->off = 0;
	if (err == 0)
		hold_put(a->hold, HOLD_TARGET, ret->fd);
	return err;
}

/* Whoever holds it has let it go first. */
static void drop_target(const struct attachment *a, struct blockdev *target)
{
	(void)!loop_clear(target);
	hold_drop(a->hold, HOLD_TARGET);
	loop_forget(target);
}

/* The store's own device becomes the attachment: it is a part no more. */
static int use_device(struct attachment *a, const struct blockdev *target)
{
	const int read_only = 1;
	cleanup_fd int fd = open(target->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (a->read_only && ioctl(fd, BLKROSET, &read_only) < 0)) {
		log_error("%s: %s", target->path, strerror(errno));
		return -errno;
	}
	rundir_part_remove(strrchr(target->path, '/') + 1, 0);
	a->loop = *target;
	a->loop.fd = -1;
	return 0;
}

static int use_target(struct attachment *a, struct blockdev *target)
{
	int err;

	if (a->has_dm)
		err = dm_create(a->name, target, a->n_bytes, a->read_only, &a->dm);
	else
		err = use_device(a, target);
	if (err == 0)
		err = blockdev_link(a->name, attachment_device(a)->path);
	if (err < 0 && a->has_dm && a->dm.path[0])
		(void)!dm_remove(a->name);
	return err;
}

int attachment_open_store(struct attachment *a, struct store *store)
{
	struct blockdev target;
	bool is_loop;
	int err;

	a->has_dm = dm_is_available();
	err = open_target(a, store, a->has_dm ? HANDOVER_DM : HANDOVER_PLAIN, &target,
			  &is_loop);
	if (err < 0)
		return err;
	err = use_target(a, &target);
	if (err < 0) {
		if (is_loop)
			drop_target(a, &target);
		return err;
	}
	if (!is_loop)
		return 0;
	/* hydroot detach finds it by this name. */
	snprintf(store->device, sizeof store->device, "%s", target.path);
	close(target.fd);
	return 0;
}

const struct blockdev *attachment_device(const struct attachment *a)
{
	return a->has_dm ? &a->dm : &a->loop;
}

bool attachment_is_below_loop(const struct attachment *a, char ret[LOOP_PATH_BYTES])
{
	const struct blockdev *device = attachment_device(a);
	char found[1][LOOP_PATH_BYTES];

	if (!device->path[0] ||
	    loop_find_over(device->major, device->minor, found, 1) == 0)
		return false;
	snprintf(ret, LOOP_PATH_BYTES, "%s", found[0]);
	return true;
}

/*
 * Cleared first: from then on nobody needs to have it open for it to go.  Newer kernels
 * take the file away with the last close, and the keeper's is one.
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
		/* It lets go only when the last user closes it: see that there is none. */
		err = blockdev_check_unused(a->loop.path);
	if (err < 0)
		return err;
	a->dm.path[0] = '\0';
	blockdev_unlink(a->name);
	return let_loop_go(a);
}

enum handover_method handover_choose(const struct attachment *a,
				     const struct store *store)
{
	/*
	 * On a persistent store somebody has to note which chunks are written to, or
	 * nothing of it could be believed after a reboot: what is writable stays with the
	 * daemon.
	 */
	if (store_is_persistent(store)) {
		if (!a->read_only || store->given.fd < 0)
			return HANDOVER_NONE;
		return a->has_dm ? HANDOVER_DM : HANDOVER_LOOP;
	}
	if (!store->device[0] && store->given.fd < 0)
		return HANDOVER_NONE;
	if (a->has_dm)
		return HANDOVER_DM;
	return a->read_only ? HANDOVER_LOOP : HANDOVER_NONE;
}

int handover_run(struct attachment *a, struct store *store, enum handover_method method)
{
	struct blockdev target;
	bool is_loop;
	int err = open_target(a, store, method, &target, &is_loop);

	if (err < 0)
		return err;
	log_debug("handover: by %s onto %s", handover_method_name(method),
		  target.path[0] ? target.path : store->device);
	if (method == HANDOVER_LOOP)
		err = loop_change_backing(&a->loop, target.fd);
	else
		err = dm_swap(a->name, &target, a->n_bytes, a->read_only);
	if (!is_loop)
		return err;
	if (err < 0) {
		drop_target(a, &target);
		return err;
	}
	/* hydroot detach finds it by this name. */
	snprintf(store->device, sizeof store->device, "%s", target.path);
	close(target.fd);
	return 0;
}

bool handover_has_run(const struct attachment *a, enum handover_method method)
{
	return method == HANDOVER_LOOP && loop_is_over_device(&a->loop);
}

void handover_adopt(struct attachment *a, struct store *store)
{
	int fd = hold_take(a->hold, HOLD_TARGET);
	struct blockdev target;

	if (fd < 0 || loop_adopt(fd, &target) < 0)
		return;
	snprintf(store->device, sizeof store->device, "%s", target.path);
	close(target.fd);
}

void handover_finish(struct attachment *a, enum handover_method method)
{
	hold_drop(a->hold, HOLD_TARGET);
	if (method == HANDOVER_PLAIN)
		return;
	if (method != HANDOVER_LOOP) {
		/* Nothing refers to the loop device any more; it takes the FUSE file along. */
		(void)!let_loop_go(a);
		return;
	}
	hold_drop(a->hold, HOLD_LOOP);
	if (a->loop.fd >= 0)
		close(a->loop.fd);
	a->loop.fd = -1;
}
