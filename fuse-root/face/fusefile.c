/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fusefile.c - see fusefile.h
 *
 * libfuse's low-level interface, with our own threads: few, named, with small stacks, and none
 * of them ever waits for the network.  Inode 1 is the root directory, inode 2 the file "image".
 */
#include "face/fusefile.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"

#define IMAGE_INO 2u
#define IMAGE_NAME "image"
#define FOREVER 86400.0 /* nothing about the file ever changes */

struct fusefile {
	/* set before threads start */
	struct fusefile_config config;
	struct readpath *rp;
	struct writepath *wp;
	struct fuse_session *session;
	unsigned n_started;
	pthread_t threads[FUSEFILE_THREADS_MAX];

	atomic_bool has_ended;
};

/* -- operations --------------------------------------------------------------------------- */

static void fill_attr(const struct fusefile *f, fuse_ino_t ino, struct stat *st)
{
	*st = (struct stat){.st_ino = ino, .st_nlink = 1, .st_blksize = 4096};
	if (ino == IMAGE_INO) {
		st->st_mode = S_IFREG | (f->config.read_only ? 0400 : 0600);
		st->st_size = (off_t)f->config.n_bytes;
		st->st_blocks = (blkcnt_t)(f->config.n_bytes / 512);
	} else {
		st->st_mode = S_IFDIR | 0500;
		st->st_nlink = 2;
	}
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	conn->max_write = READ_BYTES_MAX;
	conn->max_read = READ_BYTES_MAX;
	conn->max_readahead = 0;
	conn->max_background = FUSEFILE_BACKGROUND_MAX;
	conn->congestion_threshold = FUSEFILE_BACKGROUND_MAX;
	/* Pages are copied once anyway; splicing would need pipes, which are memory to wait for. */
	conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				  FUSE_CAP_SPLICE_MOVE);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fusefile *f = fuse_req_userdata(req);
	struct fuse_entry_param entry = {
		.ino = IMAGE_INO,
		.attr_timeout = FOREVER,
		.entry_timeout = FOREVER,
	};

	if (parent != FUSE_ROOT_ID || strcmp(name, IMAGE_NAME) != 0) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fill_attr(f, IMAGE_INO, &entry.attr);
	fuse_reply_entry(req, &entry);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	fill_attr(fuse_req_userdata(req), ino, &st);
	fuse_reply_attr(req, &st, FOREVER);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fusefile *f = fuse_req_userdata(req);

	if (ino != IMAGE_INO)
		fuse_reply_err(req, EISDIR);
	else if (f->config.read_only && (fi->flags & O_ACCMODE) != O_RDONLY)
		fuse_reply_err(req, EROFS);
	else
		fuse_reply_open(req, fi);
}

static void reply_read(void *handle, int err, const void *buf, size_t n_bytes)
{
	fuse_req_t req = handle;

	if (err < 0)
		fuse_reply_err(req, -err);
	else
		fuse_reply_buf(req, buf, n_bytes);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t n_bytes, off_t off,
		    struct fuse_file_info *fi)
{
	struct fusefile *f = fuse_req_userdata(req);
	uint64_t start = (uint64_t)off;

	(void)ino;
	(void)fi;
	if (start >= f->config.n_bytes)
		fuse_reply_buf(req, NULL, 0);
	else
		readpath_read(f->rp, req, start,
			      min_u64(n_bytes, f->config.n_bytes - start));
}

/* The file has one size for ever: nothing may reach past it. */
static bool is_inside(const struct fusefile *f, off_t off, uint64_t n_bytes)
{
	return off >= 0 && (uint64_t)off <= f->config.n_bytes &&
	       n_bytes <= f->config.n_bytes - (uint64_t)off;
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t n_bytes,
		     off_t off, struct fuse_file_info *fi)
{
	struct fusefile *f = fuse_req_userdata(req);
	int err = -ENOSPC;

	(void)ino;
	(void)fi;
	if (f->config.read_only)
		err = -EROFS;
	else if (is_inside(f, off, n_bytes))
		err = writepath_write(f->wp, (uint64_t)off, buf, n_bytes);
	if (err < 0)
		fuse_reply_err(req, -err);
	else
		fuse_reply_write(req, n_bytes);
}

/*
 * From the loop device: PUNCH_HOLE|KEEP_SIZE for discards, ZERO_RANGE|KEEP_SIZE for write-zeroes.
 * Both mean that the range reads as zeros.
 */
static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off,
			 off_t n_bytes, struct fuse_file_info *fi)
{
	struct fusefile *f = fuse_req_userdata(req);
	int zeroing = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);
	int err = -EOPNOTSUPP;

	(void)ino;
	(void)fi;
	if (f->config.read_only)
		err = -EROFS;
	else if (n_bytes < 0 || !is_inside(f, off, (uint64_t)n_bytes))
		err = -EINVAL;
	else if (zeroing && !(mode & ~(zeroing | FALLOC_FL_KEEP_SIZE)))
		err = writepath_discard(f->wp, (uint64_t)off, (uint64_t)n_bytes);
	fuse_reply_err(req, -err);
}

/*
 * A write is in the store when it is answered, and the store is memory: there is nothing to
 * flush.  ENOSYS once makes the kernel stop asking, and fsync succeeds without a round trip.
 */
static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
		     struct fuse_file_info *fi)
{
	(void)ino;
	(void)datasync;
	(void)fi;
	fuse_reply_err(req, ENOSYS);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	fuse_reply_err(req, ENOSYS);
}

/* The loop device takes its discard granularity from f_bsize. */
static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	const struct fusefile *f = fuse_req_userdata(req);
	struct statvfs st = {
		.f_bsize = 4096,
		.f_frsize = 4096,
		.f_blocks = f->config.n_bytes / 4096,
		.f_namemax = 255,
	};

	(void)ino;
	fuse_reply_statfs(req, &st);
}

static const struct fuse_lowlevel_ops operations = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.fallocate = op_fallocate,
	.fsync = op_fsync,
	.flush = op_flush,
	.statfs = op_statfs,
};

/* -- life --------------------------------------------------------------------------------- */

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
		.noted = config->noted,
		.ctx = config->ctx,
		.reply = reply_read,
	};
	int err;

	if (!f)
		return -ENOMEM;
	assert(config->n_threads >= 1 && config->n_threads <= FUSEFILE_THREADS_MAX);
	f->config = *config;
	atomic_init(&f->has_ended, false);
	err = readpath_new(&rp, &f->rp);
	if (err == 0)
		err = writepath_new(config->cm, config->store, f->rp, config->n_threads,
				    &f->wp);
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
	if (f->session)
		fuse_session_destroy(f->session);
	writepath_free(f->wp);
	readpath_free(f->rp);
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

static int open_session(struct fusefile *f, int *ret_mount)
{
	char arg0[] = "hydrootd", arg1[32], *argv[] = {arg0, arg1, NULL}, mountpoint[32];
	struct fuse_args args = FUSE_ARGS_INIT(2, argv);
	int dev_fd, mnt;

	dev_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (dev_fd < 0) {
		log_error("/dev/fuse: %s: load the module fuse", strerror(errno));
		return -errno;
	}
	mnt = mount_detached(dev_fd);
	if (mnt < 0) {
		log_error("fuse: mount: %s", strerror(-mnt));
		close(dev_fd);
		return mnt;
	}
	/* libfuse wants to hear what the mount was told. */
	snprintf(arg1, sizeof arg1, "-omax_read=%u", READ_BYTES_MAX);
	f->session = fuse_session_new(&args, &operations, sizeof operations, f);
	/* libfuse takes the descriptor over when it is given in this form. */
	snprintf(mountpoint, sizeof mountpoint, "/dev/fd/%d", dev_fd);
	if (!f->session || fuse_session_mount(f->session, mountpoint) != 0) {
		log_error("fuse: libfuse does not take the connection");
		close(dev_fd);
		close(mnt);
		return -EIO;
	}
	*ret_mount = mnt;
	return 0;
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
 * One of the threads that take requests from the kernel.  Owns its receive buffer; woken by
 * requests; ends when the kernel ends the connection or fusefile_stop asks for it.
 */
static void *fuse_thread(void *arg)
{
	struct fusefile *f = arg;
	struct fuse_buf buf = {.mem = NULL};

	accept_stop_signal();
	while (!fuse_session_exited(f->session)) {
		int n = fuse_session_receive_buf(f->session, &buf);

		if (n == -EINTR || n == -EAGAIN || n == -ENOENT)
			continue;
		if (n <= 0)
			break;
		fuse_session_process_buf(f->session, &buf);
	}
	free(buf.mem);
	fuse_session_exit(f->session);
	if (!atomic_exchange(&f->has_ended, true))
		f->config.ended(f->config.ctx);
	return NULL;
}

/* The first fstat makes the kernel ask for the size; without it the loop device had none. */
static int open_image(const struct fusefile *f, int mnt)
{
	int flags = (f->config.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	int fd = openat(mnt, IMAGE_NAME, flags);
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
	int err = open_session(f, &mnt);

	while (err == 0 && f->n_started < f->config.n_threads) {
		err = thread_start(&f->threads[f->n_started], "fuse", fuse_thread, f);
		if (err == 0)
			f->n_started++;
	}
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

void fusefile_stop(struct fusefile *f)
{
	/* While the session can still take the answers. */
	readpath_fail_all(f->rp, -EIO);
	if (f->session)
		fuse_session_exit(f->session);
	for (; f->n_started; f->n_started--) {
		pthread_t thread = f->threads[f->n_started - 1];

		/* Again and again: the signal may come just before the read. */
		while (pthread_tryjoin_np(thread, NULL) == EBUSY) {
			pthread_kill(thread, SIGUSR1);
			usleep(1000);
		}
	}
}

void fusefile_resume(struct fusefile *f, struct chunk_waiter *list)
{
	readpath_resume(f->rp, list);
}

int64_t fusefile_expire(struct fusefile *f)
{
	return readpath_expire(f->rp);
}

void fusefile_stats(struct fusefile *f, struct readpath_stats *ret)
{
	readpath_stats(f->rp, ret);
}
