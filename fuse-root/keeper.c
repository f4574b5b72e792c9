/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper.c - the process that forks the others
 *
 * It has one thread and does nothing but wait, so that fork is safe at any time: a
 * network process that was killed (PID 1 kills what is not root at switch_root) is
 * replaced within milliseconds, and so is the serving process, with the descriptors
 * (base/hold.h) and the memory (base/region.h) that the keeper has for it.  The keeper
 * maps none of that memory: the network process must not inherit it. Nothing is executed
 * and no path is opened but in the run directory, because after switch_root there are none.
 */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "face/status.h"
#include "source/net_open.h"

/* A network process that ends at once, again and again, must not keep a core busy. */
#define NET_RESPAWN_MS 20
#define NET_RESPAWN_SLOW_MS 1000
#define NET_QUICK_DEATHS_MAX 20u
#define NET_DEATHS_SAID 3u
/* A killed one that has not ended by then waits in the kernel, for a file that does not answer. */
#define NET_STUCK_MS 1000
#define NAMES_MS 5000
/* The same for a serving process that ends at once. */
#define SERVE_RESPAWN_MS 10
#define SERVE_RESPAWN_SLOW_MS 1000
#define SERVE_QUICK_DEATHS_MAX 20u

void daemon_tell(int fd, enum keeper_msg_kind kind, const char *text)
{
	struct keeper_msg msg = {.kind = kind};

	snprintf(msg.text, sizeof msg.text, "%s", text);
	while (send(fd, &msg, sizeof msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
	       errno == EINTR)
		;
}

bool daemon_hear(int fd, struct keeper_msg *ret)
{
	ssize_t n;

	do {
		n = recv(fd, ret, sizeof *ret, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof *ret)
		return false;
	ret->text[sizeof ret->text - 1] = '\0';
	return true;
}

void daemon_leave_terminal(const struct daemon *d)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	log_daemon(d->kmsg_fd, d->log_fd);
	if (null < 0)
		return;
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	close(null);
}

void keeper_become_child(struct keeper *k)
{
	sigprocmask(SIG_SETMASK, &k->old_mask, NULL);
	close(k->signal_fd);
	if (k->ready_fd >= 0)
		close(k->ready_fd);
	if (k->post.pid)
		close(k->post.why_fd);
}

void keeper_forget_held(struct keeper *k)
{
	hold_free(k->d->hold);
	region_free(k->d->region);
	k->d->hold = NULL;
	k->d->region = NULL;
}

static void fork_net(struct keeper *k)
{
	pid_t pid;

	k->net_since_ms = clock_ms();
	k->net_not_before_ms = k->net_since_ms + NET_RESPAWN_SLOW_MS;
	k->net_killed_ms = 0;
	/* What has been opened by now no network process can take from the next. */
	net_open_take(k->d->net);
	const int fd = channel_renew(k->d->channel, ++k->generation);
	if (fd < 0) {
		log_error("keeper: socket for the network process: %s", strerror(-fd));
		return;
	}
	pid = fork();
	if (pid == 0) {
		keeper_become_child(k);
		keeper_forget_held(k);
		timeline_free(k->d->timeline);
		_exit(-net_main(k->d->channel, k->d->net, fd));
	}
	if (pid < 0)
		log_error("keeper: fork the network process: %s", strerror(errno));
	k->net = pid > 0 ? pid : 0;
	close(fd);
}

/*
 * The system's resolver files change: by DHCP, and at switch_root they become others.
 * Reading them may have to wait for the disk that we serve, so a child does it and nobody
 * waits for that.
 */
static void fork_names(struct keeper *k)
{
	k->names_ms = clock_ms();
	const pid_t pid = fork();
	if (pid == 0) {
		keeper_become_child(k);
		keeper_forget_held(k);
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		_exit(-net_root_refresh(k->d->net));
	}
	k->names = pid > 0 ? pid : 0;
}

static bool needs_names(const struct keeper *k)
{
	return k->wants_net && k->has_names && k->d->net->root_fd >= 0 &&
	       k->d->net->proc_fd >= 0;
}

static int fork_serve(struct keeper *k)
{
	k->serve_since_ms = clock_ms();
	k->serve_not_before_ms = k->serve_since_ms + SERVE_RESPAWN_SLOW_MS;
	k->serve = fork();
	if (k->serve < 0) {
		int err = -errno;

		log_error("keeper: fork the serving process: %s", strerror(-err));
		k->serve = 0;
		return err;
	}
	if (k->serve == 0) {
		keeper_become_child(k);
		/* Its own end of the pair: it is to notice when the keeper is gone. */
		close(k->d->keeper_end);
		channel_leave_keeper(k->d->channel);
		hold_child(k->d->hold);
		/* It knows no secrets, and needs no root of net's. */
		net_config_fini(k->d->net);
		process_harden(false);
		_exit(serve_run(k->d));
	}
	return 0;
}

/* The first few times, and when it has become a habit. */
static void say_net_death(const struct keeper *k, int status)
{
	const char *next = "starting another";

	if (k->n_quick_deaths > NET_DEATHS_SAID &&
	    k->n_quick_deaths != NET_QUICK_DEATHS_MAX + 1)
		return;
	if (k->n_quick_deaths > NET_QUICK_DEATHS_MAX)
		next = "and always at once: trying every second from now on";
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		log_error(
			"network process: tried a system call that only an intruder needs "
			"and was ended: %s",
			next);
	else if (WIFSIGNALED(status))
		log_notice("network process: ended by signal %d: %s", WTERMSIG(status),
			   next);
	else if (WEXITSTATUS(status) || k->n_quick_deaths > 1)
		log_notice("network process: ended: %s: %s",
			   strerror(WEXITSTATUS(status)), next);
}

static void net_ended(struct keeper *k, int status)
{
	int64_t now_ms = clock_ms();
	bool was_quick = now_ms - k->net_since_ms < 1000;

	k->net = 0;
	/* The serving process has let go of it, and does not when another one is wanted. */
	if (!k->wants_net || (!k->serve && !k->wants_serve))
		return;
	k->n_quick_deaths = was_quick ? k->n_quick_deaths + 1 : 0;
	k->net_not_before_ms =
		now_ms + (k->n_quick_deaths > NET_QUICK_DEATHS_MAX ? NET_RESPAWN_SLOW_MS
								   : NET_RESPAWN_MS);
	say_net_death(k, status);
}

static void tell_parent(struct keeper *k, const char *device)
{
	if (k->ready_fd < 0)
		return;
	if (dprintf(k->ready_fd, "R%s\n", device) < 0)
		log_warning("keeper: nobody hears that %s is ready", device);
	close(k->ready_fd);
	k->ready_fd = -1;
	daemon_leave_terminal(k->d);
}

static void end_net(struct keeper *k, bool for_good)
{
	if (for_good) {
		k->wants_net = false;
		net_open_end(k->d->net);
	}
	if (!k->net)
		return;
	kill(k->net, SIGKILL);
	if (!k->net_killed_ms)
		k->net_killed_ms = clock_ms();
}

/* When a killed network process counts as stuck; INT64_MAX: there is none. */
static int64_t net_stuck_ms(const struct keeper *k)
{
	return k->wants_net && k->net && k->net_killed_ms
		       ? k->net_killed_ms + NET_STUCK_MS
		       : INT64_MAX;
}

/*
 * It runs no more, but a read of a file on FUSE, or on a disk that hangs, can keep it in the kernel
 * as long as that likes.  It is reaped whenever it ends, and nobody waits for that.
 */
static void forget_stuck_net(struct keeper *k)
{
	if (clock_ms() < net_stuck_ms(k))
		return;
	log_notice("network process: killed, and still waits for a file: starting "
		   "another");
	k->net = 0;
	k->net_not_before_ms = 0;
}

static void hear_serve(struct keeper *k)
{
	struct keeper_msg msg;

	hold_receive(k->d->hold);
	while (daemon_hear(k->d->keeper_end, &msg)) {
		switch (msg.kind) {
		case KEEPER_READY:
			k->is_ready = true;
			tell_parent(k, msg.text);
			break;
		case KEEPER_RESTART_NET:
			/* Unless another has taken its place meanwhile. */
			if (strtoul(msg.text, NULL, 10) == k->generation)
				end_net(k, false);
			break;
		case KEEPER_NET_DONE:
			end_net(k, true);
			break;
		case KEEPER_NAMES:
			k->has_names = true;
			break;
		case KEEPER_RESIDENT:
			keeper_post_start(k);
			break;
		case KEEPER_TERMINATE:
			break;
		}
	}
}

static void say_serve_death(const struct keeper *k)
{
	const char *next = "started again, no read or write is lost";

	if (k->n_quick_serve_deaths > SERVE_QUICK_DEATHS_MAX + 1)
		return;
	if (k->n_quick_serve_deaths == SERVE_QUICK_DEATHS_MAX + 1)
		next = "and always at once: reads and writes wait; trying every second from "
		       "now on";
	if (WIFSIGNALED(k->serve_status))
		log_warning("serving process: ended by signal %d: %s",
			    WTERMSIG(k->serve_status), next);
	else
		log_warning("serving process: could not go on: %s", next);
}

/*
 * The network process goes too: with its next one comes a socket that the next serving
 * process can have.
 */
static void serve_ended(struct keeper *k, int status)
{
	int64_t now_ms = clock_ms();
	bool was_quick = now_ms - k->serve_since_ms < 1000;

	k->serve = 0;
	k->serve_status = status;
	/* Its last words, sent before it died. */
	hear_serve(k);
	k->wants_serve = k->is_ready && !hold_has_ended(k->d->hold) &&
			 (WIFSIGNALED(status) || WEXITSTATUS(status) == SERVE_AGAIN);
	if (!k->wants_serve)
		return;
	k->d->n_serve_deaths++;
	k->d->last_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	k->n_quick_serve_deaths = was_quick ? k->n_quick_serve_deaths + 1 : 0;
	k->serve_not_before_ms = now_ms;
	if (was_quick)
		k->serve_not_before_ms += k->n_quick_serve_deaths > SERVE_QUICK_DEATHS_MAX
						  ? SERVE_RESPAWN_SLOW_MS
						  : SERVE_RESPAWN_MS;
	say_serve_death(k);
	end_net(k, false);
}

static void reap_children(struct keeper *k)
{
	int status;
	pid_t pid;

	/* The serving process first: whether another network process is wanted depends on it. */
	if (k->serve && waitpid(k->serve, &status, WNOHANG) == k->serve)
		serve_ended(k, status);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == k->net)
			net_ended(k, status);
		if (pid == k->names)
			k->names = 0;
		if (pid == k->post.pid)
			keeper_post_ended(k, status);
		if (pid == k->serve)
			serve_ended(k, status);
	}
}

static void hear_signals(struct keeper *k)
{
	struct signalfd_siginfo info;

	while (read(k->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGCHLD)
			reap_children(k);
		else if (!k->d->is_boot)
			daemon_tell(k->d->keeper_end, KEEPER_TERMINATE, "");
	}
}

static int open_signals(struct keeper *k)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, &k->old_mask);
	k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return k->signal_fd < 0 ? -errno : 0;
}

static bool wants_names(const struct keeper *k, int64_t *ret_ms)
{
	*ret_ms = k->names_ms + NAMES_MS;
	return !k->names && needs_names(k);
}

/* How long to wait: for ever, or until a child may be forked again. */
static int poll_timeout_ms(const struct keeper *k)
{
	int64_t names_ms, when_ms = INT64_MAX, left_ms;

	if (k->wants_serve)
		when_ms = k->serve_not_before_ms;
	if (k->wants_net && !k->net && k->net_not_before_ms < when_ms)
		when_ms = k->net_not_before_ms;
	if (wants_names(k, &names_ms) && names_ms < when_ms)
		when_ms = names_ms;
	if (net_stuck_ms(k) < when_ms)
		when_ms = net_stuck_ms(k);
	if (keeper_post_due_ms(k) < when_ms)
		when_ms = keeper_post_due_ms(k);
	if (when_ms == INT64_MAX)
		return -1;
	left_ms = when_ms - clock_ms();
	return left_ms > 0 ? (int)left_ms : 0;
}

static void fork_what_is_due(struct keeper *k)
{
	int64_t names_ms;

	if (k->wants_serve && clock_ms() >= k->serve_not_before_ms && fork_serve(k) == 0)
		k->wants_serve = false;
	forget_stuck_net(k);
	if (k->wants_net && !k->net && clock_ms() >= k->net_not_before_ms)
		fork_net(k);
	if (wants_names(k, &names_ms) && clock_ms() >= names_ms)
		fork_names(k);
	keeper_post_check(k);
}

/* The serving process left without a word of its own: say it, for those who ask later. */
static void record_death(const struct keeper *k)
{
	char error[80];

	if (hold_has_ended(k->d->hold)) {
		log_warning("serving process: ended by signal %d when all but tidying up "
			    "was done",
			    WTERMSIG(k->serve_status));
		return;
	}
	snprintf(error, sizeof error, "the serving process was ended by signal %d",
		 WTERMSIG(k->serve_status));
	log_error("%s: the device is lost", error);
	if (status_amend(k->d->rundir_fd, STATE_FAILED, error) < 0)
		(void)!status_write_failed(k->d->rundir_fd, &k->d->options, error);
}

static void take_turn(struct keeper *k)
{
	struct pollfd fds[] = {
		{.fd = k->signal_fd, .events = POLLIN},
		{.fd = k->d->keeper_end, .events = POLLIN},
		{.fd = hold_keeper_fd(k->d->hold), .events = POLLIN},
	};

	fork_what_is_due(k);
	(void)!poll(fds, ARRAY_SIZE(fds), poll_timeout_ms(k));
	hear_serve(k);
	hear_signals(k);
}

/* Nobody serves any more: what is held goes first. */
static void end_post(struct keeper *k)
{
	struct pollfd signals = {.fd = k->signal_fd, .events = POLLIN};

	if (!k->post.pid)
		return;
	keeper_forget_held(k);
	channel_free(k->d->channel);
	k->d->channel = NULL;
	keeper_post_last(k);
	/* One that is killed and does not end is nobody's business any more. */
	while (k->post.pid && k->post.until_ms) {
		(void)!poll(&signals, 1, poll_timeout_ms(k));
		hear_signals(k);
		keeper_post_check(k);
	}
}

int keeper_run(struct daemon *d, int ready_fd)
{
	struct keeper k = {
		.d = d,
		.ready_fd = ready_fd,
		.wants_net = true,
		.has_names = net_needs_names(&d->options),
		.names_ms = clock_ms(),
	};

	if (open_signals(&k) < 0) {
		log_error("keeper: signals: %s", strerror(errno));
		return 1;
	}
	net_open_start(d->net);
	if (fork_serve(&k) < 0)
		return 1;
	while (k.serve || k.wants_serve)
		take_turn(&k);
	end_net(&k, true);
	if (WIFSIGNALED(k.serve_status))
		record_death(&k);
	end_post(&k);
	return WIFEXITED(k.serve_status) ? WEXITSTATUS(k.serve_status) : 1;
}
