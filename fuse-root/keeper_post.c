/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper_post.c - the keeper's child that posts to report= that the root is resident
 *
 * It has the network's secrets and is confined like the network process, which is gone by then, as
 * are the files of file: URLs.  PID 1 may kill it at switch_root, as it does what is not root's:
 * then there is another.
 */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rundir.h"
#include "source/post.h"
#include "source/readfile.h"

#define EVENT "resident"
/* All tries together; hydroot-release.service waits for a little longer. */
#define POST_ALL_MS 12000
#define TRIES_MAX 3u

static int read_status(struct keeper *k)
{
	cleanup_fd int fd = openat(k->d->rundir_fd, "status.json", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno
		      : readfile_fd(fd, POST_BYTES_MAX, &k->post.text, &k->post.n_bytes);
}

/* The child: its exit status.  Nobody looked after the names while servers had none. */
static int post_status(const struct keeper *k, int why_fd)
{
	const struct net_config *net = k->d->net;

	if (net->root_fd >= 0 && net->proc_fd >= 0)
		(void)!net_root_refresh(net);
	return -post_main(net, EVENT, (char *)k->post.text, k->post.n_bytes, why_fd);
}

/* Whatever has become of it. */
static void settle(struct keeper *k, const char *why)
{
	int err;

	k->post.until_ms = 0;
	if (why)
		log_warning("report=: " EVENT ": not posted: %s", why);
	if (rundir_is_removed(k->d->rundir_fd))
		return;
	err = rundir_write(k->d->rundir_fd, "reported", "");
	if (err < 0)
		log_warning("/run/hydroot/%s/reported: %s", k->d->options.name,
			    strerror(-err));
}

static int fork_child(struct keeper *k)
{
	int pair[2];
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		keeper_become_child(k);
		keeper_forget_held(k);
		channel_free(k->d->channel);
		timeline_free(k->d->timeline);
		_exit(post_status(k, pair[1]));
	}
	const int err = pid < 0 ? -errno : 0;
	close(pair[1]);
	if (err < 0) {
		close(pair[0]);
		return err;
	}
	k->post.pid = pid;
	k->post.why_fd = pair[0];
	k->post.n_tries++;
	return 0;
}

static void settle_if(struct keeper *k, int err)
{
	if (err < 0)
		settle(k, strerror(-err));
}

void keeper_post_start(struct keeper *k)
{
	int err;

	if (!k->d->options.report[0] || k->post.n_tries)
		return;
	k->post.until_ms = clock_ms() + POST_ALL_MS;
	err = read_status(k);
	settle_if(k, err == 0 ? fork_child(k) : err);
}

/* What the child said, or could not say any more. */
static void take_why(struct keeper *k, int status, char *why, size_t n_bytes)
{
	const ssize_t n = read(k->post.why_fd, why, n_bytes - 1);

	close(k->post.why_fd);
	if (n > 0)
		why[n] = '\0';
	else if (WIFSIGNALED(status))
		snprintf(why, n_bytes, "ended by signal %d", WTERMSIG(status));
	else
		snprintf(why, n_bytes, "%s", strerror(WEXITSTATUS(status)));
}

void keeper_post_ended(struct keeper *k, int status)
{
	const bool is_good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	char why[POST_WHY_BYTES];

	k->post.pid = 0;
	take_why(k, status, why, sizeof why);
	/* One that has had its time. */
	if (!k->post.until_ms)
		return;
	if (WIFSIGNALED(status) && k->post.n_tries < TRIES_MAX)
		settle_if(k, fork_child(k));
	else
		settle(k, is_good ? NULL : why);
}

int64_t keeper_post_due_ms(const struct keeper *k)
{
	return k->post.pid && k->post.until_ms ? k->post.until_ms : INT64_MAX;
}

void keeper_post_check(struct keeper *k)
{
	if (clock_ms() < keeper_post_due_ms(k))
		return;
	kill(k->post.pid, SIGKILL);
	settle(k, "no answer in time");
}

void keeper_post_last(struct keeper *k)
{
	/* Detached: nobody is to be told any more. */
	if (k->post.pid && rundir_is_removed(k->d->rundir_fd)) {
		k->post.until_ms = 0;
		kill(k->post.pid, SIGKILL);
	}
}
