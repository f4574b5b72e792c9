/* SPDX-License-Identifier: Apache-2.0 */
/*
 * temptree.c - a process that makes a folder, and removes it when we are gone
 *
 * A tree cannot be nameless as a file can, and a signal handler cannot remove one.  So a
 * child is started first, with all signals blocked: it makes the folder, so that there is
 * never one without a remover, waits until the socket that we hold open closes, and removes.
 * Tools that still write are killed by the same death (child.c), so it tries more than once.
 */
#include "imgfmt/tool/temptree.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "imgfmt/tool/tool.h"

#define REMOVE_TRIES 50
#define SETTLED_TIME 1
/* Files get the time of the last tick, which is never longer. */
#define TICK_MS 20

static int remove_entry(const char *path, const struct stat *st _unused_, int type,
			struct FTW *ftw _unused_)
{
	if (type == FTW_DP || type == FTW_DNR)
		return rmdir(path) < 0 && errno != ENOENT ? -1 : 0;
	return unlink(path) < 0 && errno != ENOENT ? -1 : 0;
}

/* Folders of an archive may forbid to be emptied. */
static int open_folder(const char *path, const struct stat *st, int type,
		       struct FTW *ftw _unused_)
{
	if ((type == FTW_D || type == FTW_DNR) && (st->st_mode & 0700) != 0700 &&
	    chmod(path, 0700) < 0)
		return errno == ENOENT ? 0 : -1;
	return 0;
}

static void remove_tree(const char *path)
{
	for (int i = 0; i < REMOVE_TRIES; i++) {
		if (geteuid() != 0 && nftw(path, open_folder, 32, FTW_PHYS) < 0)
			continue;
		if (nftw(path, remove_entry, 32, FTW_PHYS | FTW_DEPTH) == 0)
			return;
		usleep(100 * 1000);
	}
}

/*
 * All signals are blocked, and stay so.  Tells the folder's name, and waits for the other
 * end to close.
 */
static void run_remover(char *path, int fd)
{
	ssize_t n_bytes = (ssize_t)strlen(path);
	char byte;

	/* Whoever waits for the end of our output must not wait for this. */
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	if (!mkdtemp(path))
		_exit(errno);
	if (send(fd, path, (size_t)n_bytes, MSG_NOSIGNAL) == n_bytes)
		while (read(fd, &byte, 1) < 0 && errno == EINTR)
			;
	remove_tree(path);
	_exit(0);
}

/* The name as the remover has made it; else it says by its exit status why there is no folder. */
static int hear_name(struct temptree *t, const char *output_path)
{
	ssize_t n_bytes = (ssize_t)strlen(t->path);
	int status = 0;

	if (recv(t->alive_fd, t->path, (size_t)n_bytes, MSG_WAITALL) == n_bytes)
		return EXIT_DONE;
	while (waitpid(t->remover, &status, 0) < 0 && errno == EINTR)
		;
	t->remover = 0;
	return tool_fail(output_path, "cannot create a folder beside it: %s",
			 WIFEXITED(status) ? strerror(WEXITSTATUS(status))
					   : "its process was ended");
}

static int start_remover(struct temptree *t, const char *output_path)
{
	sigset_t all, old;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return tool_fail_errno(output_path, "cannot make a socket pair");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	t->remover = fork();
	if (t->remover == 0) {
		close(fds[1]);
		run_remover(t->path, fds[0]);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(fds[0]);
	t->alive_fd = fds[1];
	if (t->remover < 0)
		return tool_fail_errno(output_path, "cannot start a process");
	return hear_name(t, output_path);
}

static bool make_names(const char *output_path, struct temptree *t)
{
	cleanup_free char *copy = strdup(output_path), *copy2 = strdup(output_path);
	const char *folder = copy ? dirname(copy) : NULL;

	if (!copy || !copy2 ||
	    asprintf(&t->path, "%s/.%s.tree.XXXXXX", folder, basename(copy2)) < 0)
		return false;
	return true;
}

static int make_root(struct temptree *t)
{
	struct stat st;

	free(t->root);
	t->root = NULL;
	/* What was put into the archive a moment ago is older than our root. */
	usleep(TICK_MS * 1000);
	/* chmod, because of the umask */
	if (asprintf(&t->root, "%s/root", t->path) < 0)
		t->root = NULL;
	if (!t->root || mkdir(t->root, 0755) < 0 || chmod(t->root, 0755) < 0 ||
	    stat(t->root, &st) < 0)
		return tool_fail_errno(t->path, "cannot create a folder in it");
	t->born = st.st_mtim;
	return EXIT_DONE;
}

int temptree_new(const char *output_path, struct temptree *ret)
{
	struct temptree t = TEMPTREE_NONE;
	int r;

	if (!make_names(output_path, &t))
		return tool_fail(output_path, "out of memory");
	r = start_remover(&t, output_path);
	if (r == EXIT_DONE)
		r = make_root(&t);
	if (r == EXIT_DONE)
		*ret = t;
	else
		temptree_free(&t);
	return r;
}

int temptree_set_aside(struct temptree *t, char **ret_path)
{
	cleanup_free char *path = NULL;
	int r;

	if (asprintf(&path, "%s/aside", t->path) < 0)
		return tool_fail(t->path, "out of memory");
	if (rename(t->root, path) < 0)
		return tool_fail_errno(path, "cannot rename to it");
	r = make_root(t);
	if (r == EXIT_DONE)
		*ret_path = steal_pointer(&path);
	return r;
}

void temptree_free(struct temptree *t)
{
	if (t->alive_fd >= 0)
		close(t->alive_fd);
	t->alive_fd = -1;
	if (t->remover > 0)
		while (waitpid(t->remover, NULL, 0) < 0 && errno == EINTR)
			;
	t->remover = 0;
	free(t->path);
	free(t->root);
	t->path = t->root = NULL;
}

/* nftw has no argument to hand on. */
static struct timespec first, last;

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static int settle_entry(const char *path, const struct stat *st, int type,
			struct FTW *ftw _unused_)
{
	struct timespec times[2] = {{.tv_sec = SETTLED_TIME}, {.tv_sec = SETTLED_TIME}};

	if (type == FTW_NS)
		return -1;
	if (!S_ISDIR(st->st_mode) || is_before(&st->st_mtim, &first) ||
	    is_before(&last, &st->st_mtim))
		return 0;
	return utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

/* By the same clock that gave the folders their times. */
static bool read_clock(const struct temptree *t, struct timespec *ret)
{
	cleanup_free char *path = NULL;
	struct stat st;

	if (asprintf(&path, "%s/clock", t->path) < 0 || mkdir(path, 0700) < 0 ||
	    stat(path, &st) < 0)
		return false;
	*ret = st.st_mtim;
	return true;
}

int temptree_settle_times(const struct temptree *t)
{
	first = t->born;
	if (!read_clock(t, &last) || nftw(t->root, settle_entry, 32, FTW_PHYS) != 0)
		return tool_fail_errno(t->root, "cannot set times");
	return EXIT_DONE;
}
