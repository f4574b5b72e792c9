/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_confine.c - what becomes of a child of the keeper before it talks to the network
 *
 * It keeps the descriptors that it works with and no others, the rights of nobody, and the system
 * calls of net_filter.h.
 */
#include "source/net.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "source/net_filter.h"

/* File descriptors that stay open, ascending. */
struct kept {
	int fds[1 + NET_FILES];
	unsigned n;
};

static void keep(struct kept *k, int fd)
{
	unsigned i = k->n;

	if (fd < 0)
		return;
	for (; i > 0 && k->fds[i - 1] > fd; i--)
		k->fds[i] = k->fds[i - 1];
	k->fds[i] = fd;
	k->n++;
}

/* 0-2 stay, too. */
static int close_others(const struct kept *k)
{
	unsigned from = 3;

	for (unsigned i = 0; i < k->n; i++) {
		const unsigned fd = (unsigned)k->fds[i];

		if (fd > from && close_range(from, fd - 1, 0) < 0)
			return -errno;
		from = fd + 1;
	}
	return close_range(from, ~0u, 0) < 0 ? -errno : 0;
}

/*
 * Keeps the standard fds and the caller's, which moves out of their way: a keeper without them may
 * have handed out their numbers.  When it has begun with that nothing can be logged any more.
 */
static int isolate(const struct net_config *cfg, int *fd)
{
	/* There is none after switch_root; then the standard fds are that already. */
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int r = cfg->root_fd < 0 ? 0 : net_enter_sandbox(cfg);

	if (r < 0)
		return r;
	log_daemon(-1, -1);
	for (int std = 0; null >= 0 && std <= 2; std++)
		dup2(null, std);
	*fd = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
	if (*fd < 0)
		return -errno;
	struct kept kept = {.n = 0};
	keep(&kept, *fd);
	for (unsigned i = 0; i < ARRAY_SIZE(cfg->files); i++) {
		keep(&kept, cfg->files[i].fd);
		keep(&kept, cfg->files[i].opening_fd);
	}
	return close_others(&kept);
}

/* Changing the user clears the parent's death signal, so it is asked for after that. */
static int die_with(pid_t keeper)
{
	if (!keeper)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return getppid() == keeper ? 0 : -ESRCH;
}

int net_confine(const struct net_config *cfg, int *fd)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	/* Threads of the resolver would each map an arena of 64 MiB. */
	mallopt(M_ARENA_MAX, 1);
	int r = isolate(cfg, fd);
	if (r == 0)
		r = die_with(cfg->keeper);
	if (r == 0)
		r = net_limit_resources();
	if (r == 0 && cfg->has_filter)
		r = net_filter_enter();
	return r;
}
