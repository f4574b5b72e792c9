/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_detach.c - give device and memory back
 *
 * While the daemon lives it does the work and we watch it go.  After the handover nobody
 * is left but the kernel's devices, which are taken down here: the device itself, a loop
 * device under it, the zram device, then what names them.  Nothing in use is touched, and
 * what cannot be taken down keeps its run directory, so that a second try finds it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/bar.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rundir.h"
#include "ctl/peer.h"
#include "ctl/ctl.h"
#include "ctl/ours.h"
#include "ctl/users.h"
#include "face/blockdev.h"
#include "store/zram.h"

#define GONE_MS 60000
#define SILENT_MS 20000
#define POLL_MS 100

/*
 * What /dev/hydroot/NAME leads to; without the link what the status says; 0 when neither
 * is there, or both are no more than a number.
 */
static dev_t device_of(const struct peer *a, const json_t *status)
{
	char link[128];
	struct stat st;

	snprintf(link, sizeof link, "/dev/hydroot/%s", a->name);
	if ((stat(link, &st) < 0 || !S_ISBLK(st.st_mode)) &&
	    (stat(status_text(status, "block_device"), &st) < 0 || !S_ISBLK(st.st_mode)))
		return 0;
	return ours_is(a->name, st.st_rdev, status) ? st.st_rdev : 0;
}

/* The first device under `name` whose name starts with `kind`, or "". */
static void find_under(const char *name, const char *kind,
		       char ret[OURS_KERNEL_NAME_BYTES])
{
	char path[96];
	struct dirent *entry;
	DIR *dir;

	ret[0] = '\0';
	snprintf(path, sizeof path, "/sys/class/block/%s/slaves", name);
	dir = opendir(path);
	while (dir && !ret[0] && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, kind, strlen(kind)) == 0)
			snprintf(ret, OURS_KERNEL_NAME_BYTES, "%.*s",
				 (int)OURS_KERNEL_NAME_BYTES - 1, entry->d_name);
	}
	if (dir)
		closedir(dir);
}

static int remove_loop(const char *name, const char *loop_name)
{
	struct blockdev loop = {.fd = -1};
	struct stat st;

	snprintf(loop.path, sizeof loop.path, "/dev/%.32s", loop_name);
	loop.fd = open(loop.path, O_RDONLY | O_CLOEXEC);
	/* Without a node, or without a device behind it, there is none any more. */
	if (loop.fd < 0 && (errno == ENOENT || errno == ENXIO))
		return 0;
	if (loop.fd < 0 || fstat(loop.fd, &st) < 0) {
		int err = -errno;

		log_error("%s: %s", loop.path, strerror(-err));
		if (loop.fd >= 0)
			close(loop.fd);
		return err;
	}
	/* A number alone may have become somebody else's device. */
	if (!loop_is_of(&loop, name)) {
		close(loop.fd);
		return 0;
	}
	loop.major = major(st.st_rdev);
	loop.minor = minor(st.st_rdev);
	return loop_detach(&loop);
}

/*
 * Behind the search for users, for those that it does not know: whoever claims a device
 * cannot have it then.
 */
static int check_unclaimed(const char *name, const char *top)
{
	char path[OURS_KERNEL_NAME_BYTES + 8];

	snprintf(path, sizeof path, "/dev/%s", top);
	if (blockdev_check_unused(path) != -EBUSY)
		return 0;
	log_error("%s: in use: claimed by the kernel: mounted, or part of another device",
		  name);
	return -EBUSY;
}

/* The device that carries the image and what is under it, down to the store. */
static int remove_device(const struct peer *a, dev_t device)
{
	char top[OURS_KERNEL_NAME_BYTES], loop[OURS_KERNEL_NAME_BYTES];
	int err;

	if (!device || ours_kernel_name(device, top))
		return 0; /* gone already */
	err = check_unclaimed(a->name, top);
	if (err)
		return err;
	if (strncmp(top, "loop", 4) == 0)
		return remove_loop(a->name, top);
	if (strncmp(top, "dm-", 3) != 0)
		return 0; /* the store itself */
	find_under(top, "loop", loop);
	err = dm_is_available() ? dm_remove(a->name) : -ENODEV;
	if (err)
		return err;
	return loop[0] ? remove_loop(a->name, loop) : 0;
}

/* False for a store in a file and for a device of another name's daemon. */
static bool zram_of(const struct peer *a, const json_t *status, unsigned *ret_id)
{
	const char *path = status_text(status, "store.device");
	int n = 0;

	return status_is(status, "name", a->name) &&
	       sscanf(path, "/dev/zram%u%n", ret_id, &n) == 1 && path[n] == '\0';
}

static int remove_store(const struct peer *a, const json_t *status)
{
	const char *path = status_text(status, "store.device");
	int err = -EBUSY;
	unsigned id;

	/* The loop device over a persistent store; one that is not ours is left alone. */
	if (status_is(status, "name", a->name) && strncmp(path, "/dev/loop", 9) == 0)
		return remove_loop(a->name, path + strlen("/dev/"));
	if (!zram_of(a, status, &id))
		return 0;
	for (unsigned i = 0; err == -EBUSY && i < BLOCKDEV_TRIES; i++)
		err = zram_remove(id, status_number(status, "store.diskseq"));
	if (err && err != -ENOENT && err != -ENODEV) {
		log_error("%s: %s: remove: %s", a->name, path, strerror(-err));
		return err;
	}
	return 0;
}

/* Files of a daemon that has tidied up itself are gone already. */
static int remove_names(const struct peer *a)
{
	int err;

	blockdev_unlink(a->name);
	err = rundir_remove(a->name);
	if (err == 0 || err == -ENOENT)
		return 0;
	log_error("%s: run directory: remove: %s", a->name, strerror(-err));
	return err;
}

static int detach_left_behind(const struct peer *a, const json_t *status, dev_t device)
{
	int err = remove_device(a, device);

	if (!err)
		err = remove_store(a, status);
	return err ? err : remove_names(a);
}

static bool is_gone(const struct peer *a)
{
	cleanup_fd int fd = rundir_open(a->name);

	return fd == -ENOENT;
}

/* 0: its run directory is gone; -ENODATA: the daemon is, and that is not; -ETIMEDOUT. */
static int await_end(const struct peer *a, struct bar *bar)
{
	int64_t live_ms = clock_ms(), deadline_ms = live_ms + GONE_MS;

	while (!is_gone(a)) {
		int64_t now_ms = clock_ms();

		if (peer_is_live(a))
			live_ms = now_ms;
		if (now_ms - live_ms > SILENT_MS)
			return -ENODATA;
		if (now_ms > deadline_ms)
			return -ETIMEDOUT;
		if (bar_is_due(bar))
			bar_draw(bar, a->name, -1, "the daemon gives the memory back");
		poll(NULL, 0, POLL_MS);
	}
	return 0;
}

/* The daemon leaves a zram that somebody else has open, because nothing of ours is in it. */
static int check_memory(const struct peer *a, const json_t *status)
{
	uint64_t diskseq = status_number(status, "store.diskseq");
	unsigned id;

	if (!diskseq || !zram_of(a, status, &id) || zram_diskseq(id) != diskseq)
		return 0;
	log_error(
		"%s: /dev/zram%u: somebody else has it open, so its memory is not given back; "
		"close it and run: zramctl --reset /dev/zram%u",
		a->name, id, id);
	return -EBUSY;
}

/*
 * The daemon has agreed: it takes its devices down and ends.  Its run directory goes
 * last, when the memory is free; one that dies before that leaves the rest to us.
 */
static int detach_live(const struct peer *a, const json_t *status)
{
	int err = peer_command(a, "detach");
	struct bar bar;

	if (err && err != -ENOENT)
		return err;
	bar_start(&bar);
	err = await_end(a, &bar);
	bar_stop(&bar);
	if (err == -ENODATA)
		return detach_left_behind(a, status, device_of(a, status));
	if (!err)
		return check_memory(a, status);
	log_error("%s: the daemon agreed to detach but is still there", a->name);
	return err;
}

static int detach(const struct peer *a)
{
	json_t *status = NULL;
	bool is_live;
	dev_t device;
	int err = peer_status(a, &status, &is_live);

	if (err == -ENODATA) { /* nothing but names is left */
		is_live = false;
		status = json_object();
	} else if (err) {
		return err;
	}
	device = device_of(a, status);
	if (device && users_report(a->name, device) > 0)
		err = -EBUSY;
	else if (is_live)
		err = detach_live(a, status);
	else
		err = detach_left_behind(a, status, device);
	json_decref(status);
	return err;
}

int cmd_detach(int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
	struct peer a;
	const char *name;
	int code, err;

	while ((code = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (code != 'h')
			return ctl_wrong_option(code, argv);
		ctl_print_usage(argv[0]);
		return CTL_DONE;
	}
	err = ctl_take_name(argc, argv, &name);
	if (err)
		return err;
	if (peer_open(name, &a))
		return CTL_FAILED;
	err = detach(&a);
	peer_close(&a);
	return err ? CTL_FAILED : CTL_DONE;
}
