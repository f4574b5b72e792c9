/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rundir.c - the directory of one attachment
 *
 * Names are checked before they become part of a path.  Removal takes away the files that
 * we make and nothing else: a directory that holds more stays, with -ENOTEMPTY.
 */
#include "base/rundir.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>

#define DEFAULT_DIR "/run/hydroot"
#define NAME_BYTES_MAX 63u

static const char *const known_files[] = {
	"control",   "status.json", ".status.json", "log",	"log.old",
	"trace",     ".trace",	    "report",	    ".report",	"resident",
	".resident", "booted",	    "reported",	    ".reported"};

bool rundir_name_is_valid(const char *name)
{
	size_t n = 0;

	if (name[0] == '-')
		return false;
	for (; name[n]; n++) {
		unsigned char c = (unsigned char)name[n];

		if (n == NAME_BYTES_MAX || c > 0x7f ||
		    !(isalnum(c) || c == '_' || c == '-'))
			return false;
	}
	return n > 0;
}

/* /run/hydroot, or what the environment puts in its place. */
static const char *top_dir(void)
{
	const char *dir = getenv("HYDROOT_RUN_DIR");

	return dir && dir[0] ? dir : DEFAULT_DIR;
}

static int make_dir(const char *path)
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

static int make_with_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		int err;

		*slash = '\0';
		err = make_dir(path);
		*slash = '/';
		if (err)
			return err;
	}
	return make_dir(path);
}

static int attachment_path(const char *name, char *ret_path, size_t n_bytes)
{
	int n;

	if (!rundir_name_is_valid(name))
		return -EINVAL;
	n = snprintf(ret_path, n_bytes, "%s/%s", top_dir(), name);
	return n < 0 || (size_t)n >= n_bytes ? -ENAMETOOLONG : 0;
}

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int rundir_create(const char *name)
{
	char path[PATH_MAX];
	int err = attachment_path(name, path, sizeof path);

	if (err)
		return err;
	err = make_with_parents(path);
	return err ? err : open_dir(path);
}

int rundir_open(const char *name)
{
	char path[PATH_MAX];
	int err = attachment_path(name, path, sizeof path);

	return err ? err : open_dir(path);
}

static int write_all(int fd, const char *text, size_t n_bytes)
{
	while (n_bytes) {
		ssize_t n = write(fd, text, n_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		n_bytes -= (size_t)n;
	}
	return 0;
}

static int write_temp(int dirfd, const char *temp, const char *text)
{
	cleanup_fd int fd = openat(
		dirfd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return -errno;
	err = write_all(fd, text, strlen(text));
	return err ? err : write_all(fd, "\n", 1);
}

int rundir_write(int dirfd, const char *name, const char *text)
{
	char temp[32];
	int err;

	snprintf(temp, sizeof temp, ".%s", name);
	err = write_temp(dirfd, temp, text);
	if (!err && renameat(dirfd, temp, dirfd, name) < 0)
		err = -errno;
	if (err)
		(void)unlinkat(dirfd, temp, 0);
	return err;
}

/* Names are stored one behind the other, at a fixed distance. */
#define NAME_STEP (NAME_BYTES_MAX + 1)

static int is_attachment(const struct dirent *entry)
{
	return (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) &&
	       rundir_name_is_valid(entry->d_name);
}

int rundir_names(char ***ret_names)
{
	struct dirent **entries = NULL;
	int n = scandir(top_dir(), &entries, is_attachment, alphasort);
	char **names, *text;

	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	names = malloc(((size_t)n + 1) * (sizeof *names + NAME_STEP));
	text = (char *)(names + n + 1);
	for (int i = 0; i < n; i++) {
		if (names) {
			names[i] = text + (size_t)i * NAME_STEP;
			snprintf(names[i], NAME_STEP, "%.*s", (int)NAME_BYTES_MAX,
				 entries[i]->d_name);
		}
		free(entries[i]);
	}
	free(entries);
	*ret_names = names;
	return names ? n : -ENOMEM;
}

int rundir_remove(const char *name)
{
	char path[PATH_MAX];
	cleanup_fd int dirfd = -1;
	int err = attachment_path(name, path, sizeof path);

	if (err)
		return err;
	dirfd = open_dir(path);
	if (dirfd < 0)
		return dirfd;
	for (size_t i = 0; i < ARRAY_SIZE(known_files); i++) {
		if (unlinkat(dirfd, known_files[i], 0) < 0 && errno != ENOENT)
			return -errno;
	}
	return rmdir(path) < 0 ? -errno : 0;
}

static int part_path(const char *kernel_name, char *ret, size_t n_bytes)
{
	int n = snprintf(ret, n_bytes, "%s/.devices/%s", top_dir(), kernel_name);

	return n < 0 || (size_t)n >= n_bytes ? -ENAMETOOLONG : 0;
}

void rundir_part_add(const char *kernel_name, uint64_t diskseq)
{
	char path[PATH_MAX];
	int fd;

	if (part_path("", path, sizeof path) < 0)
		return;
	path[strlen(path) - 1] = '\0';
	if (make_with_parents(path) < 0 || part_path(kernel_name, path, sizeof path) < 0)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	if (diskseq)
		dprintf(fd, "%" PRIu64 "\n", diskseq);
	close(fd);
}

static bool is_marked_with(const char *path, uint64_t diskseq)
{
	cleanup_file FILE *f = fopen(path, "re");
	uint64_t marked;

	return f && fscanf(f, "%" SCNu64, &marked) == 1 && marked == diskseq;
}

void rundir_part_remove(const char *kernel_name, uint64_t diskseq)
{
	char path[PATH_MAX];

	if (part_path(kernel_name, path, sizeof path) < 0 ||
	    (diskseq && !is_marked_with(path, diskseq)))
		return;
	unlink(path);
	/* The last one takes the folder along. */
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

int rundir_open_mounting(void)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof path, "%s/.mounting", top_dir());
	int fd;

	if (n < 0 || (size_t)n >= sizeof path)
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

bool rundir_is_removed(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 || st.st_nlink == 0;
}
