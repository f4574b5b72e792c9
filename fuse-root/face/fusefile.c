/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fusefile.c - see fusefile.h
 *
 * The mount and the threads: few, named, with small stacks, and none of them ever waits for the
 * network.  What a request means is in fuseproto.c, how it survives this process in underway.h.
 */
#include "face/fusefile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"
#include "face/fuseproto.h"

/* Those that are set aside, and those that threads and workers have in hand. */
#define READS_MAX (2 * FUSEFILE_BACKGROUND_MAX + 256)

struct fuse_thread {
	struct fusefile *file;
	unsigned index; /* of its mailbox */
	pthread_t thread;
};

struct fusefile {
	/* set before threads start */
	struct fusefile_config config;
	struct underway underway;
	struct fuseproto proto;
	unsigned n_started;
	struct fuse_thread threads[FUSEFILE_THREADS_MAX];

	atomic_bool is_stopping, has_ended;
};

_Static_assert(READS_MAX <= UNDERWAY_READS_MAX &&
		       FUSEFILE_THREADS_MAX <= UNDERWAY_THREADS_MAX,
	       "there is room for all requests");

size_t fusefile_memory_bytes(unsigned n_threads)
{
	return underway_bytes(n_threads, READS_MAX, READ_BYTES_MAX);
}

int fusefile_new(const struct fusefile_config *config, struct fusefile **ret)
{
	struct fusefile *f = calloc(1, sizeof *f);
	struct readpath_config rp = {
		.cm = config->cm,
		.store = config->store,
		.n_waiting_max = 2 * FUSEFILE_BACKGROUND_MAX,
		.n_threads = config->n_threads + config->n_workers,
		.trace = config->trace,
		.timeline = config->timeline,
		.io_timeout_ms = config->io_timeout_ms,
		.deadline_ms = config->deadline_ms,
		.deadline_counts = config->deadline_counts,
		.noted = config->noted,
		.ctx = config->ctx,
		.reply = fuseproto_reply_read,
	};
	int err;

	if (!f)
		return -ENOMEM;
	assert(config->n_threads >= 1 && config->n_threads <= FUSEFILE_THREADS_MAX);
	f->config = *config;
	atomic_init(&f->is_stopping, false);
	atomic_init(&f->has_ended, false);
	underway_init(&f->underway, config->memory, config->n_threads, READS_MAX,
		      READ_BYTES_MAX);
	f->proto = (struct fuseproto){
		.n_bytes = config->n_bytes,
		.read_only = config->read_only,
		.background_max = FUSEFILE_BACKGROUND_MAX,
		.underway = &f->underway,
	};
	err = fuseproto_init(&f->proto);
	if (err == 0)
		err = readpath_new(&rp, &f->proto.rp);
	if (err == 0)
		err = writepath_new(config->cm, config->store, f->proto.rp,
				    config->n_threads, &f->proto.wp);
	if (err < 0) {
		fusefile_free(f);
		return err;
	}
	*ret = f;
	return 0;
}

void fusefile_free(struct fusefile *f)
{
	if (!f)
		return;
	assert(f->n_started == 0);
	fuseproto_fini(&f->proto);
	writepath_free(f->proto.wp);
	readpath_free(f->proto.rp);
	underway_fini(&f->underway);
	free(f);
}

/* A FUSE superblock on dev_fd, mounted but attached to nothing.  fd of the mount, or -errno */
static int mount_detached(int dev_fd)
{
	cleanup_fd int fs = (int)syscall(SYS_fsopen, "fuse", FSOPEN_CLOEXEC);
	char number[16], max_read[16];
	int mnt;

	if (fs < 0)
		return -errno;
	snprintf(number, sizeof number, "%d", dev_fd);
	snprintf(max_read, sizeof max_read, "%u", READ_BYTES_MAX);
	if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", "hydroot", 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "fd", number, 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "rootmode", "40500", 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "user_id", "0", 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "group_id", "0", 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "max_read", max_read, 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	mnt = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	return mnt < 0 ? -errno : mnt;
}

/* The keeper has opened it already where it could. */
static int open_device(struct fusefile *f)
{
	int fd = hold_take(f->config.hold, HOLD_FUSE);

	if (fd >= 0)
		return fd;
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		log_error("/dev/fuse: %s: load the module fuse", strerror(errno));
		return -errno;
	}
	hold_put(f->config.hold, HOLD_FUSE, fd);
	return fd;
}

static int open_connection(struct fusefile *f, int *ret_mount)
{
	int mnt, fd = open_device(f);

	if (fd < 0)
		return fd;
	mnt = mount_detached(fd);
	if (mnt < 0) {
		log_error("fuse: mount: %s", strerror(-mnt));
		close(fd);
		return mnt;
	}
	*ret_mount = mnt;
	return fuseproto_open(&f->proto, fd);
}

static void ignore_signal(int signal)
{
	(void)signal;
}

/* fusefile_stop gets a thread out of its read with SIGUSR1. */
static void accept_stop_signal(void)
{
	struct sigaction action = {.sa_handler = ignore_signal};
	sigset_t set;

	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	PTHREAD_OK(pthread_sigmask(SIG_UNBLOCK, &set, NULL));
}

/*
 * One of the threads that take requests from the kernel.  Owns its mailbox; woken by
 * requests; ends when the kernel ends the connection or fusefile_stop asks for it.
 */
static void *fuse_thread(void *arg)
{
	struct fuse_thread *t = arg;
	struct fusefile *f = t->file;

	accept_stop_signal();
	while (!atomic_load(&f->is_stopping) && fuseproto_receive(&f->proto, t->index)) {
		if (underway_is_empty(&f->underway, t->index))
			continue;
		fuseproto_handle(&f->proto, t->index);
		underway_empty(&f->underway, t->index);
	}
	if (!atomic_exchange(&f->has_ended, true))
		f->config.ended(f->config.ctx);
	return NULL;
}

static int start_threads(struct fusefile *f)
{
	int err = 0;

	while (err == 0 && f->n_started < f->config.n_threads) {
		struct fuse_thread *t = &f->threads[f->n_started];

		*t = (struct fuse_thread){.file = f, .index = f->n_started};
		err = thread_start(&t->thread, "fuse", fuse_thread, t);
		if (err == 0)
			f->n_started++;
	}
	return err;
}

/* The first fstat makes the kernel ask for the size; without it the loop device had none. */
static int open_image(const struct fusefile *f, int mnt)
{
	int flags = (f->config.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	int fd = openat(mnt, FUSEPROTO_IMAGE_NAME, flags);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size != f->config.n_bytes) {
		close(fd);
		return -EIO;
	}
	return fd;
}

int fusefile_start(struct fusefile *f, int *ret_fd)
{
	int mnt = -1;
	int err = open_connection(f, &mnt);

	if (err == 0)
		err = start_threads(f);
	if (err == 0) {
		*ret_fd = open_image(f, mnt);
		if (*ret_fd < 0) {
			err = *ret_fd;
			log_error("fuse: open the image file: %s", strerror(-err));
		}
	}
	/* The open file keeps the mount. */
	if (mnt >= 0)
		close(mnt);
	if (err < 0)
		fusefile_stop(f);
	return err;
}

int fusefile_take_over(struct fusefile *f, unsigned *ret_n)
{
	int fd = hold_take(f->config.hold, HOLD_FUSE);
	int err = fd < 0 ? -ENOTCONN : fuseproto_open(&f->proto, fd);

	if (err < 0)
		return err;
	*ret_n = fuseproto_replay(&f->proto);
	return start_threads(f);
}

void fusefile_stop(struct fusefile *f)
{
	/* While the connection can still take the answers. */
	readpath_fail_all(f->proto.rp, -EIO);
	atomic_store(&f->is_stopping, true);
	for (; f->n_started; f->n_started--) {
		pthread_t thread = f->threads[f->n_started - 1].thread;

		/* Again and again: the signal may come just before the read. */
		while (pthread_tryjoin_np(thread, NULL) == EBUSY) {
			pthread_kill(thread, SIGUSR1);
			usleep(1000);
		}
	}
}

void fusefile_resume(struct fusefile *f, struct chunk_waiter *list)
{
	readpath_resume(f->proto.rp, list);
}

int64_t fusefile_expire(struct fusefile *f)
{
	return readpath_expire(f->proto.rp);
}

void fusefile_stats(struct fusefile *f, struct readpath_stats *ret)
{
	readpath_stats(f->proto.rp, ret);
}
