/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_open.c - see net_open.h
 *
 * The one message of a child stays in the socket: who takes it only looks, so that the next network
 * process finds it, too, when the keeper has not come to it meanwhile.
 */
#include "source/net_open.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/options_url.h"
#include "base/passfd.h"
#include "source/url.h"

/* The descriptor is beside it, if there is one. */
struct opened {
	char why[sizeof((struct net_file *)NULL)->why];
};

/* A descriptor, or -1 and why not. */
static int open_file(const char *path, struct opened *ret)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		snprintf(ret->why, sizeof ret->why, "%s", strerror(errno));
		return -1;
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		snprintf(ret->why, sizeof ret->why, "neither a file nor a block device");
		return -1;
	}
	return steal_fd(&fd);
}

/* The child.  While it hangs it must keep nothing else open, nor outlive the daemon. */
static void open_and_send(const char *path, int sock, pid_t keeper)
{
	struct opened opened = {0};

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != keeper ||
	    dup2(sock, 0) < 0 || close_range(1, ~0u, 0) < 0)
		return;
	const int fd = open_file(path, &opened);
	/* Nobody listens any more: then nobody misses it. */
	(void)!passfd_send(0, &opened, sizeof opened, fd);
}

static void start_one(struct net_file *file, const char *path)
{
	const pid_t keeper = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		snprintf(file->why, sizeof file->why, "%s", strerror(errno));
		return;
	}
	/* Where there is no child, its end of the pair is closed as if it had died. */
	if (fork() == 0) {
		open_and_send(path, pair[1], keeper);
		_exit(0);
	}
	close(pair[1]);
	file->opening_fd = pair[0];
}

void net_open_start(struct net_config *cfg)
{
	char beside[OPTIONS_URL_BYTES + 128];

	for (unsigned i = 0; i <= SOURCE_SERVERS_MAX; i++) {
		const char *path = cfg->urls[i] ? options_url_file(cfg->urls[i]) : NULL;

		if (!path)
			continue;
		start_one(&cfg->files[net_file_number(i, false)], path);
		/* Only where it is known by now: later nothing is opened by path. */
		if (i < SOURCE_SERVERS_MAX && cfg->o->has_digest &&
		    url_by_digest(cfg->urls[i], cfg->o->digest, beside, sizeof beside))
			start_one(&cfg->files[net_file_number(i, true)],
				  options_url_file(beside));
	}
}

static void take_one(struct net_file *file)
{
	struct opened opened = {0};
	const ssize_t n = passfd_recv(file->opening_fd, &opened, sizeof opened, MSG_PEEK,
				      &file->fd);

	if (n == -EAGAIN)
		return;
	if (file->fd < 0 && !opened.why[0])
		snprintf(opened.why, sizeof opened.why, "who was to open it has ended");
	memcpy(file->why, opened.why, sizeof file->why);
	close(file->opening_fd);
	file->opening_fd = -1;
}

void net_open_take(struct net_config *cfg)
{
	for (unsigned i = 0; i < ARRAY_SIZE(cfg->files); i++)
		if (cfg->files[i].opening_fd >= 0)
			take_one(&cfg->files[i]);
}

void net_open_end(struct net_config *cfg)
{
	for (unsigned i = 0; i < ARRAY_SIZE(cfg->files); i++) {
		if (cfg->files[i].fd >= 0)
			close(cfg->files[i].fd);
		if (cfg->files[i].opening_fd >= 0)
			close(cfg->files[i].opening_fd);
		cfg->files[i] = NET_FILE_NONE;
	}
}
