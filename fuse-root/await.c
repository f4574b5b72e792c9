/* SPDX-License-Identifier: Apache-2.0 */
/*
 * await.c - the process that was called, while the others make the device
 *
 * It shows a bar on a terminal, takes the daemon along when it is interrupted, and sees
 * to it that an attach that failed has left a status, however its processes ended.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/bar.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rundir.h"
#include "daemon.h"
#include "face/status.h"
#include "face/status_bar.h"

#define LOOK_MS 200
#define END_MS 20000
#define READY_BYTES 160u

static volatile sig_atomic_t interrupted; /* the number of the signal */

static void on_signal(int number)
{
	interrupted = number;
}

/*
 * What is to end us ends the daemon first; blocked but for the waits, so that none is
 * missed.  The mask for those.
 */
static void catch_signals(sigset_t *ret_mask)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	const struct sigaction action = {.sa_handler = on_signal};
	struct sigaction before;
	sigset_t ours;

	sigemptyset(&ours);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (sigaction(numbers[i], NULL, &before) < 0 ||
		    before.sa_handler == SIG_IGN)
			continue;
		sigaction(numbers[i], &action, NULL);
		sigaddset(&ours, numbers[i]);
	}
	sigprocmask(SIG_BLOCK, &ours, ret_mask);
}

/*
 * "R" and the device's path, or "" at the end of the daemon; nothing yet when it was
 * interrupted.
 */
static void read_line(const struct daemon *d, int ready_fd, const sigset_t *mask,
		      char ret[READY_BYTES])
{
	const struct timespec look = {.tv_nsec = LOOK_MS * 1000000};
	struct pollfd fds = {.fd = ready_fd, .events = POLLIN};
	struct bar bar;
	size_t n = 0;
	ssize_t got = 1;

	bar_start(&bar);
	while (got > 0 && n < READY_BYTES - 1 && !interrupted) {
		if (ppoll(&fds, 1, bar.is_terminal ? &look : NULL, mask) <= 0) {
			if (!d->is_boot)
				status_bar_show(&bar, d->rundir_fd);
			continue;
		}
		got = read(ready_fd, ret + n, READY_BYTES - 1 - n);
		n += got > 0 ? (size_t)got : 0;
	}
	ret[n] = '\0';
	bar_stop(&bar);
}

static bool is_removed(const struct daemon *d)
{
	struct stat st;

	return fstat(d->rundir_fd, &st) < 0 || st.st_nlink == 0;
}

/* It did not return, so nothing must be left. */
static int end_interrupted(const struct daemon *d, pid_t keeper)
{
	const int64_t until_ms = clock_ms() + END_MS;
	bool has_ended;

	log_notice("interrupted: ending the daemon");
	kill(keeper, SIGTERM);
	while (!(has_ended = waitpid(keeper, NULL, WNOHANG) == keeper) &&
	       clock_ms() < until_ms)
		poll(NULL, 0, LOOK_MS / 4);
	if (!has_ended)
		log_error("interrupted: the daemon is still there: hydroot detach %s",
			  d->options.name);
	else if (!is_removed(d))
		(void)!rundir_remove(d->options.name);
	/* As if nobody had caught it. */
	signal(interrupted, SIG_DFL);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, interrupted);
	raise(interrupted);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 1;
}

/* Most failures have been said and written down by the serving process. */
static void see_to_status(const struct daemon *d)
{
	static const char died[] = "the daemon ended before the device was ready";

	if (is_removed(d)) {
		log_error("detached before it was ready");
		return;
	}
	if (status_has_failed(d->rundir_fd))
		return;
	log_error("%s", died);
	(void)!status_write_failed(d->rundir_fd, &d->options, died);
}

int daemon_await_ready(const struct daemon *d, int ready_fd, pid_t keeper)
{
	char line[READY_BYTES];
	sigset_t mask;
	int status;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	/* In a boot nobody ends us but who ends everything. */
	if (!d->is_boot)
		catch_signals(&mask);
	read_line(d, ready_fd, &mask, line);
	if (interrupted)
		return end_interrupted(d, keeper);
	if (line[0] == 'R') {
		printf("%s", line + 1);
		return 0;
	}
	while (waitpid(keeper, &status, 0) < 0 && errno == EINTR)
		;
	see_to_status(d);
	return WIFEXITED(status) && WEXITSTATUS(status) == DAEMON_NO_FALLBACK
		       ? DAEMON_NO_FALLBACK
		       : 1;
}
