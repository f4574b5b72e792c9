/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_open.c - find the device or file, see that it may be used, open it
 */
#include "store/disk_file.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/partition.h"

#define POLL_US 100000
#define BLANK_BYTES                                                                      \
	(1024u * 1024) /* of a file: where one of ours begins, and most others */

/* -- finding ------------------------------------------------------------------------------ */

/* "PARTLABEL=NAME", "PARTUUID=UUID" */
static bool is_tag(const char *where)
{
	return where[0] != '/' && strchr(where, '=');
}

static int find_once(const char *where, char *ret, size_t n_bytes)
{
	size_t n = strlen(where);
	struct stat st;

	if (is_tag(where))
		return partition_find(where, ret, n_bytes);
	if (n >= n_bytes)
		return -ENAMETOOLONG;
	memcpy(ret, where, n + 1);
	return stat(where, &st) < 0 ? -errno : 0;
}

/* A disk's driver may need a moment in a boot; a file that is not there is made. */
static int find(const struct disk_config *config, char *ret, size_t n_bytes)
{
	int64_t until_ms = clock_ms() + config->wait_ms;
	bool is_device = is_tag(config->where) || strncmp(config->where, "/dev/", 5) == 0;
	int err = find_once(config->where, ret, n_bytes);

	if (err == -ENOENT && is_device && config->wait_ms)
		log_notice("store %s: not there yet: waiting up to %u s", config->where,
			   config->wait_ms / 1000);
	while (err == -ENOENT && is_device && clock_ms() < until_ms) {
		usleep(POLL_US);
		err = find_once(config->where, ret, n_bytes);
	}
	if (err == -ENOENT && is_device) {
		log_error("store %s: there is no such device", config->where);
		return err;
	}
	return err == -ENOENT ? 0 : err;
}

/* -- opening ------------------------------------------------------------------------------ */

/* O_DIRECT, or without where the filesystem cannot do that. */
static int open_direct(const char *path, int flags)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_DIRECT | flags, 0600);

	if (fd >= 0)
		return fd;
	if (errno != EINVAL)
		return -errno;
	fd = open(path, O_RDWR | O_CLOEXEC | (flags & ~O_EXCL), 0600);
	if (fd < 0)
		return -errno;
	log_warning("store %s: no direct I/O there: what is read is cached twice", path);
	return fd;
}

static int open_device(struct disk_file *f)
{
	struct disk *d = &f->disk;
	int logical = 0;
	struct stat st;

	f->claim_fd = open(d->path, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (f->claim_fd < 0) {
		int err = -errno;

		log_error("store %s: %s", d->path,
			  err == -EBUSY ? "in use: mounted, or part of something else"
					: strerror(-err));
		return err;
	}
	d->fd = open_direct(d->path, 0);
	if (d->fd < 0 || fstat(d->fd, &st) < 0 ||
	    ioctl(d->fd, BLKGETSIZE64, &d->bytes) < 0 ||
	    ioctl(d->fd, BLKSSZGET, &logical) < 0) {
		int err = d->fd < 0 ? d->fd : -errno;

		log_error("store %s: %s", d->path, strerror(-err));
		return err;
	}
	if (logical > 4096) {
		log_error("store %s: its sectors have %d bytes: at most 4096 will do",
			  d->path, logical);
		return -EINVAL;
	}
	d->dev_major = major(st.st_rdev);
	d->dev_minor = minor(st.st_rdev);
	return 0;
}

/* The lock goes with the open file: whoever inherits the descriptor has it too. */
static int open_file(struct disk_file *f)
{
	struct disk *d = &f->disk;
	int err;

	d->is_file = true;
	d->bytes = INT64_MAX;
	d->fd = open_direct(d->path, O_CREAT);
	if (d->fd < 0) {
		err = d->fd;
		log_error("store %s: %s%s", d->path, strerror(-err),
			  err == -ENOENT ? ": its directory must be there" : "");
		return err;
	}
	if (flock(d->fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	log_error("store %s: %s", d->path,
		  err == -EBUSY ? "another attachment uses it" : strerror(-err));
	return err;
}

static int open_either(struct disk_file *f)
{
	struct stat st;
	bool exists = stat(f->disk.path, &st) == 0;

	if (exists && S_ISBLK(st.st_mode))
		return open_device(f);
	if (!exists || S_ISREG(st.st_mode))
		return open_file(f);
	log_error("store %s: neither a block device nor a file", f->disk.path);
	return -EINVAL;
}

int disk_open(const struct disk_config *config, struct disk **ret)
{
	struct disk_file *f = calloc(1, sizeof *f);
	int err;

	if (!f)
		return -ENOMEM;
	f->disk = (struct disk){.ops = &disk_file_ops, .fd = -1};
	f->claim_fd = -1;
	atomic_init(&f->cannot_punch, false);
	err = aio_new(config->n_threads, &f->aio);
	if (err < 0)
		log_error("store %s: set up libaio: %s", config->where, strerror(-err));
	if (err == 0)
		err = find(config, f->disk.path, sizeof f->disk.path);
	if (err == 0)
		err = open_either(f);
	if (err < 0) {
		disk_free(&f->disk);
		return err;
	}
	*ret = &f->disk;
	return 0;
}

int disk_adopt(const char *where, int fd, int claim_fd, unsigned n_threads,
	       struct disk **ret)
{
	struct disk_file *f = calloc(1, sizeof *f);
	struct stat st;
	int err = -ENOMEM;

	if (!f) {
		close(fd);
		if (claim_fd >= 0)
			close(claim_fd);
		return err;
	}
	f->disk = (struct disk){.ops = &disk_file_ops, .fd = fd, .bytes = INT64_MAX};
	f->claim_fd = claim_fd;
	atomic_init(&f->cannot_punch, false);
	snprintf(f->disk.path, sizeof f->disk.path, "%s", where);
	err = aio_new(n_threads, &f->aio);
	if (err == 0 && fstat(fd, &st) < 0)
		err = -errno;
	if (err < 0) {
		disk_free(&f->disk);
		return err;
	}
	f->disk.is_file = !S_ISBLK(st.st_mode);
	if (!f->disk.is_file) {
		f->disk.dev_major = major(st.st_rdev);
		f->disk.dev_minor = minor(st.st_rdev);
		(void)!ioctl(fd, BLKGETSIZE64, &f->disk.bytes);
	}
	*ret = &f->disk;
	return 0;
}

int disk_claim_fd(const struct disk *d)
{
	return d->ops == &disk_file_ops ? ((const struct disk_file *)d)->claim_fd : -1;
}

/* -- what is there already ---------------------------------------------------------------- */

/* The first signature that libblkid finds, in words; "" when there is none.  -errno */
static int probe(int fd, char *ret, size_t n_bytes)
{
	blkid_probe pr = blkid_new_probe();
	const char *type = NULL;
	int found;

	ret[0] = '\0';
	if (!pr)
		return -ENOMEM;
	if (blkid_probe_set_device(pr, fd, 0, 0) < 0) {
		blkid_free_probe(pr);
		return -EIO;
	}
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_BADCSUM);
	blkid_probe_enable_partitions(pr, 1);
	/* -2: more than one, which is more than none. */
	found = blkid_do_safeprobe(pr);
	if (found == -2)
		snprintf(ret, n_bytes, "several filesystems");
	else if (found == 0 && (blkid_probe_lookup_value(pr, "TYPE", &type, NULL) == 0 ||
				blkid_probe_lookup_value(pr, "PTTYPE", &type, NULL) == 0))
		snprintf(ret, n_bytes, "%s", type);
	blkid_free_probe(pr);
	return found == -1 ? -EIO : 0;
}

/* True when the file is empty or begins with nothing but zeros. */
static int file_is_blank(int fd, bool *ret)
{
	cleanup_free uint8_t *buf = malloc(65536);

	if (!buf)
		return -ENOMEM;
	*ret = true;
	for (off_t off = 0; *ret && off < BLANK_BYTES;) {
		ssize_t n = pread(fd, buf, 65536, off);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		*ret = buf[0] == 0 && memcmp(buf, buf + 1, (size_t)n - 1) == 0;
		off += n;
	}
	return 0;
}

int disk_check_blank(struct disk *d)
{
	bool is_real = d->ops == &disk_file_ops;
	/* Not direct: libblkid reads as it likes. */
	cleanup_fd int fd = is_real ? open(d->path, O_RDONLY | O_CLOEXEC) : -1;
	bool is_blank = true;
	char what[64] = "";
	int err = fd < 0 ? -errno : 0;

	if (!is_real)
		return 0;
	if (err == 0)
		err = probe(fd, what, sizeof what);
	if (err == 0 && !what[0] && d->is_file)
		err = file_is_blank(fd, &is_blank);
	if (err < 0) {
		log_error("store %s: look at what is there: %s", d->path, strerror(-err));
		return err;
	}
	if (!what[0] && is_blank)
		return 0;
	log_error("store %s: it has other data (%s) and is left alone; store-format lets "
		  "hydroot overwrite it",
		  d->path, what[0] ? what : "not known");
	return -EEXIST;
}
