/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.c - fork, exec, wait
 *
 * The environment stays but for PATH, the locale and what the caller names: fakeroot lives
 * by it.
 */
#include "imgfmt/tool/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "imgfmt/tool/progress.h"
#include "imgfmt/tool/tool.h"

#define SYSTEM_PATH "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
#define PAUSE_MAX_MS 100
#define STATUS_NOT_SET_UP 126
#define STATUS_NOT_FOUND 127

void child_path(int fd, char ret[CHILD_PATH_BYTES])
{
	snprintf(ret, CHILD_PATH_BYTES, "/proc/self/fd/%d", fd);
}

bool child_is_there(const char *program)
{
	cleanup_free char *folders = strdup(SYSTEM_PATH);
	char *rest = folders, *folder;

	while (folders && (folder = strsep(&rest, ":"))) {
		cleanup_free char *path = NULL;

		if (asprintf(&path, "%s/%s", folder, program) >= 0 &&
		    access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static bool set_environment(const char *const *env)
{
	for (; env && *env; env++) {
		cleanup_free char *name = strdup(*env);
		char *value = name ? strchr(name, '=') : NULL;

		if (!name)
			return false;
		if (value)
			*value++ = '\0';
		if (value ? setenv(name, value, 1) < 0 : unsetenv(name) < 0)
			return false;
	}
	return setenv("LC_ALL", "C", 1) == 0 && setenv("PATH", SYSTEM_PATH, 1) == 0;
}

static bool set_files(const struct child *c, int stdout_fd)
{
	cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(stdout_fd, STDOUT_FILENO) < 0)
		return false;
	if (c->quiet && dup2(null, STDERR_FILENO) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(c->fds); i++)
		if (c->fds[i] > 0 && fcntl(c->fds[i], F_SETFD, 0) < 0)
			return false;
	return true;
}

/*
 * SIGPIPE may be ignored where we come from; a tool that writes into a closed pipe has
 * to notice.
 */
static void exec_child(const struct child *c, int stdout_fd)
{
	char *const *argv;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	if (!set_files(c, stdout_fd) || !set_environment(c->env))
		_exit(STATUS_NOT_SET_UP);
	/* execvp changes neither; its type is older than const. */
	memcpy(&argv, &c->argv, sizeof argv);
	execvp(argv[0], argv);
	_exit(errno == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_SET_UP);
}

static int start(const struct child *c, int stdout_fd, pid_t *ret)
{
	pid_t pid = fork();

	if (pid == 0)
		exec_child(c, stdout_fd);
	if (pid < 0)
		return tool_fail(c->subject, "cannot start %s: %s", c->argv[0],
				 strerror(errno));
	*ret = pid;
	return EXIT_DONE;
}

/* As waitpid(2), with a line on a terminal that tells how long it has taken. */
static int wait_with_line(const struct child *c, pid_t pid, int *ret_status)
{
	struct progress progress;
	unsigned pause_ms = 1;
	pid_t ended;

	progress_start(&progress, c->argv[0], 0);
	while ((ended = waitpid(pid, ret_status, progress.is_terminal ? WNOHANG : 0)) <=
	       0) {
		if (ended < 0 && errno != EINTR)
			return -1;
		if (ended < 0)
			continue;
		progress_show_time(&progress);
		usleep(pause_ms * 1000);
		pause_ms = (unsigned)min_u64(2 * pause_ms, PAUSE_MAX_MS);
	}
	progress_stop(&progress);
	return 0;
}

int child_finish(const struct child *c, pid_t pid)
{
	int status;

	if (wait_with_line(c, pid, &status) < 0)
		return tool_fail(c->subject, "cannot wait for %s: %s", c->argv[0],
				 strerror(errno));
	if (WIFSIGNALED(status))
		return tool_fail(c->subject, "%s was ended by signal %d (%s)", c->argv[0],
				 WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) == STATUS_NOT_FOUND)
		return tool_fail(c->subject, "needs %s, which is not there; install %s",
				 c->argv[0], c->package);
	if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != c->ok_status[0] &&
	    WEXITSTATUS(status) != c->ok_status[1])
		return tool_fail(c->subject, "%s failed", c->argv[0]);
	return EXIT_DONE;
}

int child_run(const struct child *c)
{
	pid_t pid = -1;
	int r;

	fflush(stderr);
	r = start(c, c->quiet ? STDIN_FILENO : STDERR_FILENO, &pid);
	return r == EXIT_DONE ? child_finish(c, pid) : r;
}

int child_start(const struct child *c, int *ret_fd, pid_t *ret_pid)
{
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return tool_fail_errno(c->subject, "cannot make a pipe");
	r = start(c, fds[1], ret_pid);
	close(fds[1]);
	if (r == EXIT_DONE)
		*ret_fd = fds[0];
	else
		close(fds[0]);
	return r;
}

void child_abandon(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* The rest is read too: a tool that gets SIGPIPE has failed. */
static void read_output(int fd, char *buf, size_t n)
{
	char rest[4096];
	size_t done = 0;
	ssize_t got = 1;

	while (got != 0) {
		bool full = done + 1 >= n;

		got = read(fd, full ? rest : buf + done,
			   full ? sizeof rest : n - 1 - done);
		if (got < 0 && errno != EINTR)
			break;
		if (!full && got > 0)
			done += (size_t)got;
	}
	buf[done] = '\0';
}

int child_capture(const struct child *c, char *ret, size_t n)
{
	cleanup_fd int fd = -1;
	pid_t pid = -1;
	int r = child_start(c, &fd, &pid);

	if (r != EXIT_DONE)
		return r;
	read_output(fd, ret, n);
	return child_finish(c, pid);
}
