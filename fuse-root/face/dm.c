/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dm.c - one linear table, and its swap under a running system, through libdevmapper
 *
 * libdevmapper's control device is held open and udev cookies are off: after switch_root the
 * library must not look for any file, and while the root is suspended nobody may wait for udev,
 * which would wait for the root.
 */
#include "face/blockdev.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libdevmapper.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "base/log.h"

#define SECTOR 512u
#define UUID_PREFIX "HYDROOT-"

/* libdevmapper's own messages: errors only, with our subject. */
static void log_libdm(int level, const char *file, int line, int err, const char *fmt,
		      ...)
{
	char text[256];
	va_list args;

	(void)file;
	(void)line;
	(void)err;
	if ((level & 7) > 3)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	log_warning("device-mapper: %s", text);
}

bool dm_is_available(void)
{
	static int known; /* 0: not asked yet, 1: yes, -1: no */
	char version[32];

	if (known)
		return known > 0;
	known = -1;
	/* libdevmapper would try to load the module or to make the node: look first. */
	if (access("/dev/mapper/control", R_OK | W_OK) < 0)
		return false;
	dm_log_with_errno_init(log_libdm);
	dm_udev_set_sync_support(0);
	dm_hold_control_dev(1);
	if (dm_driver_version(version, sizeof version))
		known = 1;
	return known > 0;
}

static void full_name(const char *name, char *ret, size_t n_bytes)
{
	snprintf(ret, n_bytes, "hydroot-%s", name);
}

/* A task of this type on the device of `name`; NULL without memory. */
static struct dm_task *new_task(int type, const char *name)
{
	struct dm_task *task = dm_task_create(type);
	char full[96];

	full_name(name, full, sizeof full);
	if (task && dm_task_set_name(task, full))
		return task;
	if (task)
		dm_task_destroy(task);
	return NULL;
}

static int run_and_destroy(struct dm_task *task, const char *name, const char *what)
{
	int err = 0;

	if (!dm_task_run(task)) {
		err = dm_task_get_errno(task) ? -dm_task_get_errno(task) : -EIO;
		if (err != -EBUSY && err != -ENXIO)
			log_error("hydroot-%s: %s: %s", name, what, strerror(-err));
	}
	dm_task_destroy(task);
	return err;
}

static bool set_linear(struct dm_task *task, const struct blockdev *target,
		       uint64_t n_bytes, bool read_only)
{
	char params[64];

	snprintf(params, sizeof params, "%u:%u %" PRIu64, target->major, target->minor,
		 target->off / SECTOR);
	return dm_task_add_target(task, 0, n_bytes / SECTOR, "linear", params) &&
	       (!read_only || dm_task_set_ro(task));
}

int dm_create(const char *name, const struct blockdev *target, uint64_t n_bytes,
	      bool read_only, struct blockdev *ret)
{
	struct dm_task *task = new_task(DM_DEVICE_CREATE, name);
	char uuid[96];
	struct dm_info info;
	int err;

	snprintf(uuid, sizeof uuid, UUID_PREFIX "%s", name);
	if (!task || !dm_task_set_uuid(task, uuid) ||
	    !set_linear(task, target, n_bytes, read_only)) {
		if (task)
			dm_task_destroy(task);
		return -ENOMEM;
	}
	if (!dm_task_run(task) || !dm_task_get_info(task, &info)) {
		err = -dm_task_get_errno(task);
		log_error("hydroot-%s: create: %s", name, strerror(-err));
		dm_task_destroy(task);
		return err ? err : -EIO;
	}
	dm_task_destroy(task);
	dm_task_update_nodes();
	*ret = (struct blockdev){.major = info.major, .minor = info.minor, .fd = -1};
	snprintf(ret->path, sizeof ret->path, "/dev/dm-%u", info.minor);
	log_debug("device-mapper: %s: linear onto %u:%u", ret->path, target->major,
		  target->minor);
	return 0;
}

static int load_table(const char *name, const struct blockdev *target, uint64_t n_bytes,
		      bool read_only)
{
	struct dm_task *task = new_task(DM_DEVICE_RELOAD, name);

	if (!task || !set_linear(task, target, n_bytes, read_only)) {
		if (task)
			dm_task_destroy(task);
		return -ENOMEM;
	}
	return run_and_destroy(task, name, "load table");
}

static int run_simple(int type, const char *name, const char *what)
{
	struct dm_task *task = new_task(type, name);

	/* The filesystem need not be frozen: nothing is snapshotted, I/O only has to drain. */
	if (task && !dm_task_skip_lockfs(task)) {
		dm_task_destroy(task);
		task = NULL;
	}
	return task ? run_and_destroy(task, name, what) : -ENOMEM;
}

int dm_swap(const char *name, const struct blockdev *target, uint64_t n_bytes,
	    bool read_only)
{
	int err = load_table(name, target, n_bytes, read_only);

	/*
	 * Waits until all I/O on the old table has ended; new I/O waits in the kernel.  A
	 * process that is killed while it waits undoes it; one that is killed later
	 * leaves the device suspended, and then all of this is done again: it is no error
	 * to suspend what is suspended.
	 */
	if (err == 0)
		err = run_simple(DM_DEVICE_SUSPEND, name, "suspend");
	/* Resume switches to the loaded table; if it cannot, the old one has to run again. */
	if (err == 0)
		err = run_simple(DM_DEVICE_RESUME, name, "resume");
	if (err < 0) {
		(void)!run_simple(DM_DEVICE_CLEAR, name, "clear table");
		(void)!run_simple(DM_DEVICE_RESUME, name, "resume");
	}
	return err;
}

bool dm_is_of(const char *kernel_name, const char *name)
{
	char path[96], want[96], got[96];
	ssize_t n;

	snprintf(path, sizeof path, "/sys/class/block/%.32s/dm/name", kernel_name);
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, got, sizeof got - 1);
	if (n < 0)
		return false;
	got[n] = '\0';
	got[strcspn(got, "\n")] = '\0';
	full_name(name, want, sizeof want);
	return strcmp(got, want) == 0;
}

static int remove_once(const char *name)
{
	struct dm_task *task = new_task(DM_DEVICE_REMOVE, name);

	return task ? run_and_destroy(task, name, "remove") : -ENOMEM;
}

int dm_remove(const char *name)
{
	int err = remove_once(name);

	for (unsigned i = 1; i < BLOCKDEV_TRIES && err == -EBUSY; i++) {
		poll(NULL, 0, BLOCKDEV_TRY_MS);
		err = remove_once(name);
	}

	if (err == -ENXIO)
		return 0;
	if (err == 0)
		dm_task_update_nodes();
	return err;
}
