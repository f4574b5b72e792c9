/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users.c - look through /proc and /sys for the users of a block device
 *
 * Mounts are looked for in every mount namespace that a process lives in.  A process that
 * ends while we look is no user.
 */
#include "ctl/users.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/log.h"
#include "face/blockdev.h"

#define SHOWN_MAX 16u
#define POINT_BYTES 256u
#define COMM_BYTES 32u

struct search {
	const char *name;
	dev_t device;
	unsigned n; /* users so far */
	unsigned n_points;
	char points[SHOWN_MAX][POINT_BYTES]; /* mount points already told */
};

static void found(struct search *s, const char *how, const char *what)
{
	s->n++;
	if (s->n <= SHOWN_MAX)
		log_error("%s: in use: %s %s", s->name, how, what);
	else if (s->n == SHOWN_MAX + 1)
		log_error("%s: in use: and by others", s->name);
}

/* The same mount is seen by every process of its namespace: tell it once. */
static void found_mount(struct search *s, const char *point)
{
	for (unsigned i = 0; i < s->n_points; i++) {
		if (strncmp(s->points[i], point, POINT_BYTES - 1) == 0)
			return;
	}
	if (s->n_points < SHOWN_MAX)
		snprintf(s->points[s->n_points++], POINT_BYTES, "%.*s",
			 (int)POINT_BYTES - 1, point);
	found(s, "mounted on", point);
}

/* The kernel writes blanks and backslashes as three octal digits. */
static void unescape(char *text)
{
	char *out = text;

	for (; *text; out++) {
		if (text[0] == '\\' && text[1] && text[2] && text[3]) {
			*out = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
				      (text[3] - '0'));
			text += 4;
		} else {
			*out = *text++;
		}
	}
	*out = '\0';
}

/*
 * Without asking the filesystem anew: descriptors of others may be of a network
 * filesystem, or of another attachment, that does not answer.
 */
static bool is_device(const struct search *s, int dirfd, const char *path)
{
	struct statx st;

	return statx(dirfd, path, AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0 &&
	       S_ISBLK(st.stx_mode) &&
	       makedev(st.stx_rdev_major, st.stx_rdev_minor) == s->device;
}

/*
 * mountinfo: ID PARENT MAJOR:MINOR ROOT POINT OPTIONS … - TYPE SOURCE …, see proc(5).
 * The numbers of a btrfs are nobody's: there it is the source that tells.
 */
static bool is_mount_of(const struct search *s, const char *line,
			char ret_point[PATH_MAX])
{
	const char *rest = strstr(line, " - ");
	unsigned major_, minor_;
	char source[PATH_MAX];

	if (sscanf(line, "%*u %*u %u:%u %*s %4095s", &major_, &minor_, ret_point) != 3)
		return false;
	unescape(ret_point);
	if (makedev(major_, minor_) == s->device)
		return true;
	if (!rest || sscanf(rest, " - %*s %4095s", source) != 1 || source[0] != '/')
		return false;
	unescape(source);
	return is_device(s, AT_FDCWD, source);
}

static void search_mounts(struct search *s, int proc_fd)
{
	cleanup_fd int fd = openat(proc_fd, "mountinfo", O_RDONLY | O_CLOEXEC);
	cleanup_file FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
	cleanup_free char *line = NULL;
	size_t n_bytes = 0;

	if (!f)
		return;
	fd = -1; /* f has it */
	while (getline(&line, &n_bytes, f) > 0) {
		char point[PATH_MAX];

		if (is_mount_of(s, line, point))
			found_mount(s, point);
	}
}

static DIR *open_folder(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static void search_fds(struct search *s, int proc_fd, const char *pid, const char *comm)
{
	DIR *dir = open_folder(proc_fd, "fd");
	struct dirent *entry;
	char who[64];

	snprintf(who, sizeof who, "%.16s (%s)", pid, comm);
	while (dir && (entry = readdir(dir))) {
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    is_device(s, dirfd(dir), entry->d_name)) {
			found(s, "open by", who);
			break;
		}
	}
	if (dir)
		closedir(dir);
}

static void read_comm(int proc_fd, char ret_comm[COMM_BYTES])
{
	cleanup_fd int fd = openat(proc_fd, "comm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret_comm, COMM_BYTES - 1);

	ret_comm[n < 0 ? 0 : n] = '\0';
	ret_comm[strcspn(ret_comm, "\n")] = '\0';
}

static void search_process(struct search *s, int proc, const char *pid)
{
	cleanup_fd int proc_fd = openat(proc, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char comm[COMM_BYTES];

	if (proc_fd < 0)
		return;
	search_mounts(s, proc_fd);
	read_comm(proc_fd, comm);
	if (strncmp(comm, "hydroot", strlen("hydroot")) != 0)
		search_fds(s, proc_fd, pid, comm);
}

static void search_processes(struct search *s)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		if (isdigit((unsigned char)entry->d_name[0]))
			search_process(s, dirfd(proc), entry->d_name);
	}
	if (proc)
		closedir(proc);
}

static void search_holders(struct search *s)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof path, "/sys/dev/block/%u:%u/holders", major(s->device),
		 minor(s->device));
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			found(s, "part of", entry->d_name);
	}
	if (dir)
		closedir(dir);
}

static void search_loops(struct search *s)
{
	char paths[SHOWN_MAX][LOOP_PATH_BYTES];
	const unsigned n =
		loop_find_over(major(s->device), minor(s->device), paths, SHOWN_MAX);

	for (unsigned i = 0; i < n; i++)
		found(s, "below the loop device", paths[i]);
}

static void search_swaps(struct search *s)
{
	cleanup_file FILE *f = fopen("/proc/swaps", "re");
	cleanup_free char *line = NULL;
	size_t n_bytes = 0;

	while (f && getline(&line, &n_bytes, f) > 0) {
		line[strcspn(line, " \t")] = '\0';
		if (line[0] == '/' && is_device(s, AT_FDCWD, line))
			found(s, "swapped on as", line);
	}
}

unsigned users_report(const char *name, dev_t device)
{
	struct search *s = calloc(1, sizeof *s);
	unsigned n;

	if (!s) {
		log_error("%s: out of memory", name);
		return 1;
	}
	s->name = name;
	s->device = device;
	search_processes(s);
	search_holders(s);
	search_loops(s);
	search_swaps(s);
	n = s->n;
	free(s);
	return n;
}
