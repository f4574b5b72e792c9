/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.c - O_TMPFILE and linkat, or a temporary name; then rename
 *
 * linkat cannot replace a file, rename can; so even the nameless file gets a temporary
 * name for the moment between the two.
 */
#include "imgfmt/tool/output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sys/stat.h>

#include "imgfmt/tool/progress.h"
#include "imgfmt/tool/tool.h"

#define COPY_BYTES (1u << 20)
#define APPEND_BYTES (32u << 20)

/* For the signal handler: what to remove.  Written with the signals blocked. */
static char *volatile remove_at_signal;

static const int ending_signals[] = {SIGHUP, SIGINT, SIGTERM, SIGPIPE};

static void remove_and_die(int sig)
{
	if (remove_at_signal)
		unlink(remove_at_signal);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void block_signals(sigset_t *ret_old)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(ending_signals); i++)
		sigaddset(&set, ending_signals[i]);
	sigprocmask(SIG_BLOCK, &set, ret_old);
}

static void set_remove_at_signal(char *path)
{
	sigset_t old;

	block_signals(&old);
	remove_at_signal = path;
	for (size_t i = 0; path && i < ARRAY_SIZE(ending_signals); i++)
		signal(ending_signals[i], remove_and_die);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/* The folder of a path, "." when it names none; the caller's. */
static char *folder_of(const char *path)
{
	cleanup_free char *copy = strdup(path);

	return copy ? strdup(dirname(copy)) : NULL;
}

/* Hidden, in the same folder, so that rename is atomic. */
static char *make_temp_path(const char *path)
{
	cleanup_free char *folder = folder_of(path);
	cleanup_free char *copy = strdup(path);
	char *temp = NULL;

	if (!folder || !copy ||
	    asprintf(&temp, "%s/.%s.XXXXXX", folder, basename(copy)) < 0)
		return NULL;
	return temp;
}

static int open_nameless(const char *path)
{
	cleanup_free char *folder = folder_of(path);

	if (!folder) {
		errno = ENOMEM;
		return -1;
	}
	return open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
}

/* mkstemp gives 0600; this gives what open would have given. */
static void apply_umask(int fd)
{
	mode_t mask = umask(0);

	umask(mask);
	if (fchmod(fd, 0666 & ~mask) < 0)
		return; /* some filesystems have no modes */
}

static int open_named(const char *path, char **ret_temp)
{
	cleanup_free char *temp = make_temp_path(path);
	int fd;

	if (!temp) {
		errno = ENOMEM;
		return -1;
	}
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return -1;
	apply_umask(fd);
	*ret_temp = steal_pointer(&temp);
	return fd;
}

static bool lacks_nameless_files(int error)
{
	return error == EOPNOTSUPP || error == EISDIR || error == EINVAL ||
	       error == ENOENT;
}

int output_scratch(const char *path)
{
	cleanup_free char *temp = NULL;
	int fd = open_nameless(path);

	if (fd >= 0 || !lacks_nameless_files(errno))
		return fd;
	fd = open_named(path, &temp);
	if (fd >= 0)
		unlink(temp);
	return fd;
}

int output_open(const char *path, struct output *ret)
{
	struct output o = {.fd = -1, .path = path};
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return tool_fail(path, "is there and not a regular file");
	if (access("/proc/self/fd", X_OK) == 0)
		o.fd = open_nameless(path);
	if (o.fd < 0) {
		o.fd = open_named(path, &o.temp_path);
		if (o.fd < 0)
			return tool_fail_errno(path, "cannot create");
		set_remove_at_signal(o.temp_path);
	}
	*ret = o;
	return EXIT_DONE;
}

int write_all(int fd, const void *buf, size_t n_bytes)
{
	const char *p = buf;

	while (n_bytes > 0) {
		ssize_t n = write(fd, p, n_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		n_bytes -= (size_t)n;
	}
	return 0;
}

int pwrite_all(int fd, const void *buf, size_t n_bytes, uint64_t off)
{
	const char *p = buf;

	while (n_bytes > 0) {
		ssize_t n = pwrite(fd, p, n_bytes, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		off += (uint64_t)n;
		n_bytes -= (size_t)n;
	}
	return 0;
}

int output_write(struct output *o, const void *buf, size_t n_bytes)
{
	if (write_all(o->fd, buf, n_bytes) < 0)
		return tool_fail_errno(o->path, "cannot write");
	return EXIT_DONE;
}

static int copy_by_hand(struct output *o, int from_fd, uint64_t from, uint64_t end,
			struct progress *progress)
{
	cleanup_free char *buf = malloc(COPY_BYTES);

	if (!buf)
		return tool_fail(o->path, "out of memory");
	while (from < end) {
		ssize_t n =
			pread(from_fd, buf, min_u64(COPY_BYTES, end - from), (off_t)from);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return tool_fail_errno(o->path, "cannot read the scratch file");
		if (write_all(o->fd, buf, (size_t)n) < 0)
			return tool_fail_errno(o->path, "cannot write");
		from += (uint64_t)n;
		progress_show(progress, from);
	}
	return EXIT_DONE;
}

static int append(struct output *o, int from_fd, uint64_t n_bytes,
		  struct progress *progress)
{
	loff_t from = 0;

	while ((uint64_t)from < n_bytes) {
		uint64_t want = min_u64(n_bytes - (uint64_t)from, APPEND_BYTES);
		ssize_t n = copy_file_range(from_fd, &from, o->fd, NULL, want, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ENOSPC)
			return tool_fail_errno(o->path, "cannot write");
		if (n <= 0) /* not on this filesystem */
			return copy_by_hand(o, from_fd, (uint64_t)from, n_bytes,
					    progress);
		progress_show(progress, (uint64_t)from);
	}
	return EXIT_DONE;
}

int output_append_file(struct output *o, const char *what, int from_fd, uint64_t n_bytes)
{
	struct progress progress;
	int r;

	progress_start(&progress, what, n_bytes);
	r = append(o, from_fd, n_bytes, &progress);
	progress_stop(&progress);
	return r;
}

static int give_temp_name(struct output *o)
{
	char link[64];
	char *temp = make_temp_path(o->path);
	int fd;

	if (!temp)
		return tool_fail(o->path, "out of memory");
	/* A free name: taken by mkstemp, and then at once by us. */
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0) {
		free(temp);
		return tool_fail_errno(o->path, "cannot create");
	}
	close(fd);
	unlink(temp);
	snprintf(link, sizeof link, "/proc/self/fd/%d", o->fd);
	if (linkat(AT_FDCWD, link, AT_FDCWD, temp, AT_SYMLINK_FOLLOW) < 0) {
		free(temp);
		return tool_fail_errno(o->path, "cannot create");
	}
	o->temp_path = temp;
	return EXIT_DONE;
}

static void sync_folder(const char *path)
{
	cleanup_free char *folder = folder_of(path);
	cleanup_fd int fd =
		folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	/* Not every filesystem can; the file itself is safe already. */
	if (fd >= 0 && fsync(fd) < 0)
		return;
}

static int commit_blocked(struct output *o)
{
	int r = o->temp_path ? EXIT_DONE : give_temp_name(o);

	if (r != EXIT_DONE)
		return r;
	if (rename(o->temp_path, o->path) < 0)
		return tool_fail_errno(o->path, "cannot rename to it");
	remove_at_signal = NULL;
	free(o->temp_path);
	o->temp_path = NULL;
	return EXIT_DONE;
}

int output_commit(struct output *o)
{
	sigset_t old;
	int r;

	if (fsync(o->fd) < 0)
		return tool_fail_errno(o->path, "cannot write");
	block_signals(&old);
	r = commit_blocked(o);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (r == EXIT_DONE)
		sync_folder(o->path);
	return r;
}

void output_close(struct output *o)
{
	if (o->temp_path) {
		unlink(o->temp_path);
		set_remove_at_signal(NULL);
		free(o->temp_path);
		o->temp_path = NULL;
	}
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
}
