/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_copy_tree.c - a root filesystem into another one, with all that a root is made of
 *
 * Owners, modes, times, hard links, devices, holes, and every extended attribute: ACLs,
 * SELinux labels and file capabilities.  For root-in=tmpfs, in an initramfs whose cp
 * knows nothing of attributes. Nothing may be mounted within; subvolumes of btrfs, which
 * look like that, are copied too.  With --top, what the root's own directory is and has: for
 * the upper layer of an overlay, which has the properties of "/".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/bar.h"
#include "base/log.h"
#include "ctl/ctl.h"

#define ATTRIBUTE_BYTES                                                                  \
	(64u * 1024) /* of a value, and of all names: XATTR_SIZE_MAX, XATTR_LIST_MAX */
#define COPY_BYTES (1u << 20)
#define PATH_BYTES 4096u
#define DEPTH_MAX 200u /* each has a directory open twice */

/* A file with several names; the path is below the new root. */
struct linked {
	dev_t device; /* each subvolume has inodes of its own */
	ino_t inode;
	char *path;
};

struct copy {
	int to; /* the new root */
	unsigned depth;
	bool is_said; /* what went wrong */
	bool is_top; /* the directory itself, nothing in it */
	struct linked *linked; /* open addressing, a power of two */
	size_t n_linked, n_slots;
	char path
		[PATH_BYTES]; /* of what is being copied, below both roots; "" the root */
	char *names, *value, *data;
	struct bar bar;
	uint64_t n_done,
		n_all; /* bytes; n_all is what the filesystem says it holds, 0: not known */
};

static void show(struct copy *c)
{
	const uint64_t done = min_u64(c->n_done, c->n_all ? c->n_all : UINT64_MAX);
	char text[48];

	if (!bar_is_due(&c->bar))
		return;
	snprintf(text, sizeof text, "%llu MiB", (unsigned long long)(c->n_done >> 20));
	bar_draw(&c->bar, "copy-tree",
		 c->n_all ? (int)((double)done / (double)c->n_all * 100) : -1, text);
}

static int complain(struct copy *c, const char *what, int err)
{
	if (!c->is_said) {
		bar_stop(&c->bar);
		log_error("/%s: %s: %s", c->path, what, strerror(-err));
	}
	c->is_said = true;
	return err;
}

/* -- hard links --------------------------------------------------------------------------- */

static struct linked *slot_of(struct linked *slots, size_t n_slots, dev_t device,
			      ino_t inode)
{
	size_t i = (size_t)((inode ^ device << 40) * UINT64_C(0x9e3779b97f4a7c15) >> 20) &
		   (n_slots - 1);

	while (slots[i].path && (slots[i].inode != inode || slots[i].device != device))
		i = (i + 1) & (n_slots - 1);
	return &slots[i];
}

static int make_slots(struct copy *c)
{
	size_t n_slots = c->n_slots ? 2 * c->n_slots : 1024;
	struct linked *slots = calloc(n_slots, sizeof *slots);

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_slots; i++)
		if (c->linked[i].path)
			*slot_of(slots, n_slots, c->linked[i].device,
				 c->linked[i].inode) = c->linked[i];
	free(c->linked);
	c->linked = slots;
	c->n_slots = n_slots;
	return 0;
}

/* 1: it was there already, and is linked to now; 0: it is new, and known from now on. */
static int link_again(struct copy *c, const struct stat *st, int to, const char *name)
{
	int err = c->n_linked * 2 >= c->n_slots ? make_slots(c) : 0;
	struct linked *l;

	if (err < 0)
		return err;
	l = slot_of(c->linked, c->n_slots, st->st_dev, st->st_ino);
	if (l->path)
		return linkat(c->to, l->path, to, name, 0) < 0 ? -errno : 1;
	l->path = strdup(c->path);
	if (!l->path)
		return -ENOMEM;
	l->device = st->st_dev;
	l->inode = st->st_ino;
	c->n_linked++;
	return 0;
}

/* -- one file ----------------------------------------------------------------------------- */

/*
 * Attributes are named by /proc/self/fd/N/NAME, which works for what cannot be opened,
 * too.  Those of the class user, which some filesystems do not have (tmpfs before 6.6),
 * are no part of a system.
 */
static int copy_attributes(struct copy *c, const char *from, const char *to)
{
	const ssize_t n = llistxattr(from, c->names, ATTRIBUTE_BYTES);

	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	for (const char *name = c->names; name < c->names + n; name += strlen(name) + 1) {
		ssize_t n_value;

		/* In an upper layer they would say what that layer is. */
		if (c->is_top && strncmp(name, "trusted.overlay.", 16) == 0)
			continue;
		n_value = lgetxattr(from, name, c->value, ATTRIBUTE_BYTES);
		if (n_value < 0)
			return -errno;
		if (lsetxattr(to, name, c->value, (size_t)n_value, 0) == 0)
			continue;
		if (errno == EOPNOTSUPP && strncmp(name, "user.", 5) == 0)
			continue;
		return complain(c, name, -errno);
	}
	return 0;
}

/* In this order: a new owner takes capabilities away, and a new mode changes the ACL's mask. */
static int copy_properties(struct copy *c, const struct stat *st, int from_dir,
			   int to_dir, const char *name)
{
	const struct timespec times[] = {st->st_atim, st->st_mtim};
	char from[PATH_BYTES], to[PATH_BYTES];
	int err;

	if (fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISLNK(st->st_mode) && fchmodat(to_dir, name, st->st_mode & 07777, 0) < 0))
		return -errno;
	snprintf(from, sizeof from, "/proc/self/fd/%d/%.3000s", from_dir, name);
	snprintf(to, sizeof to, "/proc/self/fd/%d/%.3000s", to_dir, name);
	err = copy_attributes(c, from, to);
	if (err == 0 && utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		err = -errno;
	return err;
}

static int write_all(int fd, const char *data, size_t n_bytes, off_t off)
{
	while (n_bytes > 0) {
		const ssize_t n = pwrite(fd, data, n_bytes, off);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			off += n;
			n_bytes -= (size_t)n;
		}
	}
	return 0;
}

/* From `off` to `end`, or to the end of the file if that is nearer. */
static int copy_range(struct copy *c, int from, int to, off_t off, off_t end)
{
	while (off < end) {
		const size_t want = min_u64(COPY_BYTES, (uint64_t)(end - off));
		const ssize_t n = pread(from, c->data, want, off);
		int err;

		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		err = write_all(to, c->data, (size_t)n, off);
		if (err < 0)
			return err;
		off += n;
		c->n_done += (uint64_t)n;
		show(c);
	}
	return 0;
}

/* Holes stay holes where the filesystem tells of them. */
static int copy_data(struct copy *c, int from, int to, off_t n_bytes)
{
	off_t off = 0;

	if (ftruncate(to, n_bytes) < 0)
		return -errno;
	while (off < n_bytes) {
		off_t data = lseek(from, off, SEEK_DATA), hole;
		int err;

		if (data < 0 && errno == ENXIO)
			return 0;
		if (data < 0)
			data = off;
		hole = lseek(from, data, SEEK_HOLE);
		if (hole < 0)
			hole = n_bytes;
		err = copy_range(c, from, to, data, hole);
		if (err < 0)
			return err;
		off = hole;
	}
	return 0;
}

static int copy_regular(struct copy *c, const struct stat *st, int from_dir, int to_dir,
			const char *name)
{
	cleanup_fd int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_fd int to = -1;

	if (from < 0)
		return -errno;
	to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	return copy_data(c, from, to, st->st_size);
}

static int copy_symlink(int from_dir, int to_dir, const char *name)
{
	char target[PATH_BYTES];
	const ssize_t n = readlinkat(from_dir, name, target, sizeof target - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to_dir, name) < 0 ? -errno : 0;
}

/* -- the tree ----------------------------------------------------------------------------- */

static int copy_entries(struct copy *c, int from, int to);

static int copy_directory(struct copy *c, int from_dir, int to_dir, const char *name)
{
	int from, to, err;

	if (mkdirat(to_dir, name, 0700) < 0)
		return -errno;
	from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || to < 0)
		err = -errno;
	else if (c->depth == DEPTH_MAX)
		err = complain(c, "more than 200 directories deep", -ELOOP);
	else {
		c->depth++;
		err = copy_entries(c, from, to);
		c->depth--;
	}
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return err;
}

static int copy_content(struct copy *c, const struct stat *st, int from_dir, int to_dir,
			const char *name)
{
	if (S_ISDIR(st->st_mode))
		return copy_directory(c, from_dir, to_dir, name);
	if (S_ISREG(st->st_mode))
		return copy_regular(c, st, from_dir, to_dir, name);
	if (S_ISLNK(st->st_mode))
		return copy_symlink(from_dir, to_dir, name);
	return mknodat(to_dir, name, st->st_mode, st->st_rdev) < 0 ? -errno : 0;
}

static int copy_entry(struct copy *c, int from_dir, int to_dir, const char *name)
{
	struct stat st;
	int err;

	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
		err = link_again(c, &st, to_dir, name);
		if (err != 0)
			return err < 0 ? err : 0;
	}
	err = copy_content(c, &st, from_dir, to_dir, name);
	return err < 0 ? err : copy_properties(c, &st, from_dir, to_dir, name);
}

static int copy_named(struct copy *c, int from, int to, const char *name)
{
	const size_t n = strlen(c->path);
	int err;

	if (n + strlen(name) + 2 > sizeof c->path)
		return complain(c, name, -ENAMETOOLONG);
	snprintf(c->path + n, sizeof c->path - n, "%s%s", n ? "/" : "", name);
	err = copy_entry(c, from, to, name);
	if (err < 0)
		complain(c, "copy", err);
	c->path[n] = '\0';
	return err;
}

static int copy_entries(struct copy *c, int from, int to)
{
	const int again = fcntl(from, F_DUPFD_CLOEXEC, 0);
	DIR *dir = again < 0 ? NULL : fdopendir(again);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return -errno;
	while (err == 0 && (errno = 0, entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			err = copy_named(c, from, to, entry->d_name);
	if (err == 0 && errno)
		err = -errno;
	closedir(dir);
	return err;
}

static int copy_root(struct copy *c, const char *from_path, const char *to_path)
{
	cleanup_fd int from = open(from_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statvfs fs;
	struct stat st;
	int err;

	if (from < 0 || fstat(from, &st) < 0) {
		log_error("%s: %s", from_path, strerror(errno));
		return -errno;
	}
	c->to = open(to_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->to < 0) {
		log_error("%s: %s", to_path, strerror(errno));
		return -errno;
	}
	if (!c->is_top) {
		if (fstatvfs(from, &fs) == 0)
			c->n_all = (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize;
		bar_start(&c->bar);
		err = copy_entries(c, from, c->to);
		bar_stop(&c->bar);
		if (err < 0)
			return err;
	}
	err = copy_properties(c, &st, from, c->to, ".");
	return err < 0 ? complain(c, "copy", err) : 0;
}

static int copy_tree(const char *from, const char *to, bool is_top)
{
	struct copy c = {.to = -1, .is_top = is_top};
	int err = -ENOMEM;

	c.names = malloc(ATTRIBUTE_BYTES);
	c.value = malloc(ATTRIBUTE_BYTES);
	c.data = malloc(COPY_BYTES);
	if (c.names && c.value && c.data)
		err = copy_root(&c, from, to);
	else
		log_error("copy-tree: out of memory");
	for (size_t i = 0; i < c.n_slots; i++)
		free(c.linked[i].path);
	free(c.linked);
	free(c.names);
	free(c.value);
	free(c.data);
	if (c.to >= 0)
		close(c.to);
	return err < 0 ? CTL_FAILED : CTL_DONE;
}

int cmd_copy_tree(int argc, char **argv)
{
	static const struct option options[] = {
		{"top", no_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	bool is_top = false;
	int code;

	while ((code = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (code == 't') {
			is_top = true;
			continue;
		}
		if (code != 'h')
			return ctl_wrong_option(code, argv);
		ctl_print_usage("copy-tree");
		return CTL_DONE;
	}
	if (argc - optind != 2) {
		log_error("copy-tree: FROM and TO: two directories are needed");
		return CTL_USAGE;
	}
	umask(0);
	return copy_tree(argv[optind], argv[optind + 1], is_top);
}
