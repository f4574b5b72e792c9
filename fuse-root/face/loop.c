/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.c - the loop device over the FUSE file
 *
 * Direct I/O, because otherwise every page is cached twice, and blocks of 4096 bytes, because
 * zram has them and limits must not change under a mounted filesystem.  See loop(4) and
 * LOOP_CONFIGURE (Linux 5.8).
 */
#include "face/blockdev.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/rundir.h"

#define TRIES 50

/* Opened once: after switch_root no path leads to it. */
static int control_fd = -1;

static int loop_control(void)
{
	if (control_fd < 0)
		control_fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	return control_fd < 0 ? -errno : control_fd;
}

void loop_prepare(void)
{
	(void)!loop_control();
}

static int open_free(int control, struct blockdev *loop)
{
	int number = ioctl(control, LOOP_CTL_GET_FREE);
	struct stat st;

	if (number < 0)
		return -errno;
	snprintf(loop->path, sizeof loop->path, "/dev/loop%d", number);
	loop->fd = open(loop->path, O_RDWR | O_CLOEXEC);
	if (loop->fd < 0)
		return -errno;
	if (fstat(loop->fd, &st) < 0)
		return -errno;
	loop->major = major(st.st_rdev);
	loop->minor = minor(st.st_rdev);
	return 0;
}

/* What a loop device is to show. */
struct backing {
	const char *name; /* of the attachment */
	int fd;
	uint64_t off, n_bytes; /* 0, 0: all of it */
	bool read_only, is_part;
};

/* As far as it fits. */
static void make_mark(const char *name, char ret[LO_NAME_SIZE])
{
	snprintf(ret, LO_NAME_SIZE, "hydroot %.*s", LO_NAME_SIZE - 9, name);
}

static int configure(const struct blockdev *loop, const struct backing *b)
{
	struct loop_config config = {
		.fd = (uint32_t)b->fd,
		.block_size = 4096,
		.info = {.lo_flags = LO_FLAGS_DIRECT_IO |
				     (b->read_only ? LO_FLAGS_READ_ONLY : 0),
			 .lo_offset = b->off,
			 .lo_sizelimit = b->n_bytes},
	};
	struct loop_info64 info;

	make_mark(b->name, (char *)config.info.lo_file_name);
	if (ioctl(loop->fd, LOOP_CONFIGURE, &config) < 0)
		return -errno;
	/* Of a file in memory the cache is all there is. */
	if (fcntl(b->fd, F_GET_SEALS) < 0 &&
	    ioctl(loop->fd, LOOP_GET_STATUS64, &info) == 0 &&
	    !(info.lo_flags & LO_FLAGS_DIRECT_IO))
		log_warning("%s: no direct I/O: what is read is cached twice",
			    loop->path);
	return 0;
}

static const char *kernel_name(const struct blockdev *dev)
{
	return strrchr(dev->path, '/') + 1;
}

bool loop_is_of(const struct blockdev *loop, const char *name)
{
	struct loop_info64 info;
	char mark[LO_NAME_SIZE];

	make_mark(name, mark);
	return ioctl(loop->fd, LOOP_GET_STATUS64, &info) == 0 &&
	       strncmp((const char *)info.lo_file_name, mark, sizeof mark) == 0;
}

static int attach(const struct backing *b, struct blockdev *ret)
{
	int control = loop_control();
	int err = control;

	if (control < 0) {
		log_error("/dev/loop-control: %s: load the module loop",
			  strerror(-control));
		return control;
	}
	/* Somebody else may take the free one first, and udev needs a moment for the node. */
	for (int i = 0; i < TRIES; i++) {
		struct blockdev loop = {.fd = -1};

		err = open_free(control, &loop);
		if (err == 0 && b->is_part)
			rundir_part_add(kernel_name(&loop), 0);
		if (err == 0)
			err = configure(&loop, b);
		if (err == 0) {
			log_debug("loop: %s over %s, block size 4096", loop.path,
				  b->is_part ? "what is not for users" : "the image");
			*ret = loop;
			return 0;
		}
		if (loop.fd >= 0) {
			rundir_part_remove(kernel_name(&loop), 0);
			close(loop.fd);
		}
		if (err != -EBUSY && err != -ENOENT && err != -ENXIO)
			break;
		usleep(20000);
	}
	log_error("loop: set up: %s", strerror(-err));
	return err;
}

int loop_attach(const char *name, int backing_fd, bool read_only, bool is_part,
		struct blockdev *ret)
{
	const struct backing b = {
		.name = name,
		.fd = backing_fd,
		.read_only = read_only,
		.is_part = is_part,
	};

	return attach(&b, ret);
}

int loop_attach_range(const char *name, const struct loop_range *range, bool read_only,
		      bool is_part, struct blockdev *ret)
{
	const struct backing b = {
		.name = name,
		.fd = range->fd,
		.off = range->off,
		.n_bytes = range->n_bytes,
		.read_only = read_only,
		.is_part = is_part,
	};

	return attach(&b, ret);
}

int loop_adopt(int fd, struct blockdev *ret)
{
	struct loop_info64 info;
	struct stat st;

	if (fstat(fd, &st) < 0 || ioctl(fd, LOOP_GET_STATUS64, &info) < 0) {
		close(fd);
		return -ENODEV;
	}
	*ret = (struct blockdev){
		.major = major(st.st_rdev), .minor = minor(st.st_rdev), .fd = fd};
	snprintf(ret->path, sizeof ret->path, "/dev/loop%u", info.lo_number);
	return 0;
}

int loop_clear(const struct blockdev *loop)
{
	int err = ioctl(loop->fd, LOOP_CLR_FD) < 0 ? -errno : 0;

	if (err == 0 || err == -ENXIO)
		return 0;
	log_error("%s: detach: %s", loop->path, strerror(-err));
	return err;
}

int loop_detach(struct blockdev *loop)
{
	int err = loop_clear(loop);

	if (err == 0) {
		loop_forget(loop);
		return 0;
	}
	close(loop->fd);
	loop->fd = -1;
	return err;
}

void loop_forget(struct blockdev *loop)
{
	close(loop->fd);
	loop->fd = -1;
	rundir_part_remove(kernel_name(loop), 0);
	/* Only tidiness: devices that the module made at the start stay. */
	for (int i = 0;
	     i < 10 && ioctl(loop_control(), LOOP_CTL_REMOVE, loop->minor) < 0 &&
	     errno == EBUSY;
	     i++)
		usleep(20000);
}

bool loop_is_over_device(const struct blockdev *loop)
{
	struct loop_info64 info;

	return ioctl(loop->fd, LOOP_GET_STATUS64, &info) == 0 && info.lo_rdevice;
}

/*
 * By the name of the backing file and without asking a filesystem anew: other loop
 * devices may be over files of one that does not answer.
 */
static bool is_over(const char *loop_name, uint32_t device_major, uint32_t device_minor)
{
	char file[NAME_MAX + 64], path[PATH_MAX];
	struct statx st;
	ssize_t n;

	snprintf(file, sizeof file, "/sys/block/%s/loop/backing_file", loop_name);
	cleanup_fd int fd = open(file, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, path, sizeof path - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	path[strcspn(path, "\n")] = '\0';
	return statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0 &&
	       S_ISBLK(st.stx_mode) && st.stx_rdev_major == device_major &&
	       st.stx_rdev_minor == device_minor;
}

unsigned loop_find_over(uint32_t device_major, uint32_t device_minor,
			char (*ret)[LOOP_PATH_BYTES], unsigned n_max)
{
	DIR *dir = opendir("/sys/block");
	struct dirent *entry;
	unsigned n = 0;

	while (dir && n < n_max && (entry = readdir(dir)))
		if (strncmp(entry->d_name, "loop", 4) == 0 &&
		    is_over(entry->d_name, device_major, device_minor))
			snprintf(ret[n++], LOOP_PATH_BYTES, "/dev/%.32s", entry->d_name);
	if (dir)
		closedir(dir);
	return n;
}

struct change {
	int loop_fd, backing_fd;
	int err;
};

static int change(void *arg)
{
	struct change *c = arg;

	c->err = ioctl(c->loop_fd, LOOP_CHANGE_FD, c->backing_fd) < 0 ? -errno : 0;
	return 0;
}

/*
 * The ioctl waits, and cannot be interrupted, for reads under way, which this process
 * answers.  Killed in it, the process could not end, and no other one would be started to
 * answer them.  So it is left to a process beside us, which shares our memory and keeps
 * us waiting as vfork would; that wait can be killed.
 */
int loop_change_backing(struct blockdev *loop, int backing_fd)
{
	static char stack[64 * 1024] __attribute__((aligned(16)));
	static struct change c;
	pid_t pid;

	c = (struct change){loop->fd, backing_fd, -EIO};
	pid = clone(change, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &c);
	if (pid < 0)
		c.err = -errno;
	else
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	if (c.err < 0)
		log_error("%s: switch to the store: %s", loop->path, strerror(-c.err));
	return c.err;
}

int blockdev_check_unused(const char *path)
{
	int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);

	for (unsigned i = 1; i < BLOCKDEV_TRIES && fd < 0 && errno == EBUSY; i++) {
		poll(NULL, 0, BLOCKDEV_TRY_MS);
		fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	}
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int blockdev_link(const char *name, const char *path)
{
	char link[128], target[80];

	if (mkdir("/dev/hydroot", 0755) < 0 && errno != EEXIST)
		return -errno;
	snprintf(link, sizeof link, "/dev/hydroot/%s", name);
	snprintf(target, sizeof target, "..%s", path + strlen("/dev"));
	unlink(link);
	if (symlink(target, link) == 0)
		return 0;
	log_error("%s: %s", link, strerror(errno));
	return -errno;
}

void blockdev_unlink(const char *name)
{
	char link[128];

	snprintf(link, sizeof link, "/dev/hydroot/%s", name);
	unlink(link);
	rmdir("/dev/hydroot");
}
