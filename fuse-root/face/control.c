/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.c - the server's side of the control socket
 *
 * Nothing here waits: the listener and the clients are non-blocking, and a client whose
 * answer does not fit into its socket's buffer is dropped.  Memory is bounded by the
 * number of clients and by the size of a request.
 */
#include "face/control.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "face/control_address.h"

#define IDLE_MS 5000
#define WHY_BYTES 512u

struct client {
	int fd; /* -1: a free slot */
	int64_t since_ms; /* of the last packet, or of the connection */
};

struct control {
	int dirfd, listen_fd;
	const struct control_ops *ops;
	void *ctx;
	struct client clients[CONTROL_CLIENTS_MAX];
	/* Too big for a stack. */
	struct status status;
	struct control_request request;
	char packet[CONTROL_REQUEST_BYTES + 1];
};

/* A socket file that nobody answers on is left over: take it away. */
static int remove_stale(int dirfd, const struct sockaddr_un *address)
{
	cleanup_fd int fd =
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
	    errno == EAGAIN)
		return -EADDRINUSE;
	if (unlinkat(dirfd, CONTROL_NAME, 0) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

/* fchmod before bind: the file never has another mode, whatever the umask. */
static int bind_socket(int dirfd, int fd)
{
	struct sockaddr_un address;
	int err;

	control_address(dirfd, &address);
	err = remove_stale(dirfd, &address);
	if (err)
		return err;
	if (fchmod(fd, 0600) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
	    listen(fd, CONTROL_CLIENTS_MAX) < 0)
		return -errno;
	return 0;
}

int control_listen(int dirfd)
{
	cleanup_fd int fd =
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err = fd < 0 ? -errno : bind_socket(dirfd, fd);

	if (err < 0) {
		log_error("control: socket: %s", strerror(-err));
		return err;
	}
	return steal_fd(&fd);
}

int control_open_on(int listen_fd, int dirfd, const struct control_ops *ops, void *ctx,
		    struct control **ret)
{
	struct control *c = calloc(1, sizeof *c);

	if (!c) {
		close(listen_fd);
		return -ENOMEM;
	}
	c->ops = ops;
	c->ctx = ctx;
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		c->clients[i].fd = -1;
	c->listen_fd = listen_fd;
	c->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 0); /* from here on the file is ours */
	if (c->dirfd < 0) {
		int err = -errno;

		control_close(c);
		return err;
	}
	*ret = c;
	return 0;
}

int control_open(int dirfd, const struct control_ops *ops, void *ctx,
		 struct control **ret)
{
	int fd = control_listen(dirfd);

	return fd < 0 ? fd : control_open_on(fd, dirfd, ops, ctx, ret);
}

static void client_drop(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

void control_close(struct control *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		client_drop(&c->clients[i]);
	if (c->dirfd >= 0) {
		(void)unlinkat(c->dirfd, CONTROL_NAME, 0);
		close(c->dirfd);
	}
	if (c->listen_fd >= 0)
		close(c->listen_fd);
	free(c);
}

static void drop_idle(struct control *c)
{
	int64_t now = clock_ms();

	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (c->clients[i].fd >= 0 && now - c->clients[i].since_ms >= IDLE_MS)
			client_drop(&c->clients[i]);
	}
}

static struct client *free_slot(struct control *c)
{
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (c->clients[i].fd < 0)
			return &c->clients[i];
	}
	return NULL;
}

unsigned control_pollfds(struct control *c, struct pollfd *ret_fds)
{
	unsigned n = 0;

	drop_idle(c);
	ret_fds[n++] = (struct pollfd){.fd = c->listen_fd, .events = POLLIN};
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (c->clients[i].fd >= 0)
			ret_fds[n++] =
				(struct pollfd){.fd = c->clients[i].fd, .events = POLLIN};
	}
	return n;
}

/* False when it could not be sent at once: such a client is not waited for. */
static bool send_text(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

static bool send_error(int fd, const char *why)
{
	json_t *answer = json_pack("{s:b, s:s}", "ok", 0, "error", why);
	char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	bool is_sent = text && send_text(fd, text);

	json_decref(answer);
	free(text);
	return is_sent;
}

static bool is_allowed(int fd)
{
	struct ucred peer;
	socklen_t n_bytes = sizeof peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n_bytes) < 0)
		return false;
	return peer.uid == 0 || peer.uid == geteuid();
}

static bool answer_status(struct control *c, int fd)
{
	cleanup_free char *text = NULL;
	cleanup_free char *answer = NULL;
	int err;

	memset(&c->status, 0, sizeof c->status);
	c->ops->status(c->ctx, &c->status);
	err = status_to_json(&c->status, &text);
	if (err)
		return send_error(fd, strerror(-err));
	if (asprintf(&answer, "{\"ok\":true,\"status\":%s}", text) < 0) {
		answer = NULL;
		return false;
	}
	return send_text(fd, answer) || send_error(fd, "the status is too large");
}

static bool answer_result(int fd, int err, const char *why)
{
	if (err)
		return send_error(fd, why[0] ? why : strerror(-err));
	return send_text(fd, "{\"ok\":true}");
}

static int run_command(struct control *c, const struct control_request *rq, char *why,
		       size_t why_bytes)
{
	const struct control_ops *ops = c->ops;

	switch (rq->command) {
	case CONTROL_PAUSE:
	case CONTROL_RESUME:
		return ops->pause(c->ctx, rq->command == CONTROL_PAUSE, why, why_bytes);
	case CONTROL_TRACE:
	case CONTROL_TRACE_END:
		return ops->trace(c->ctx, rq->command == CONTROL_TRACE_END, why,
				  why_bytes);
	case CONTROL_REPORT:
		return ops->report(c->ctx, why, why_bytes);
	case CONTROL_SET:
		return ops->set(c->ctx, rq->values, rq->n_values, why, why_bytes);
	case CONTROL_DETACH:
		return ops->detach(c->ctx, why, why_bytes);
	case CONTROL_STATUS:
		break;
	}
	return -ENOSYS;
}

/* False when the client is to be dropped. */
static bool answer_request(struct control *c, int fd, size_t n_bytes)
{
	int err = control_request_parse(c->packet, n_bytes, &c->request);
	char why[WHY_BYTES] = "";

	if (err == -ENOSYS)
		return send_error(fd, "unknown command");
	if (err)
		return send_error(fd, "not a request");
	if (c->request.command == CONTROL_STATUS)
		return answer_status(c, fd);
	err = run_command(c, &c->request, why, sizeof why);
	return answer_result(fd, err, why);
}

/* False when the client is to be dropped. */
static bool serve_client(struct control *c, struct client *client)
{
	ssize_t n = recv(client->fd, c->packet, sizeof c->packet, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	client->since_ms = clock_ms();
	if (n > (ssize_t)CONTROL_REQUEST_BYTES) {
		(void)send_error(client->fd, "request is too large");
		return false;
	}
	return answer_request(c, client->fd, (size_t)n);
}

/* A free place, or that of the client who has been silent for longest. */
static struct client *make_room(struct control *c)
{
	struct client *slot = free_slot(c);

	if (slot)
		return slot;
	slot = &c->clients[0];
	for (unsigned i = 1; i < CONTROL_CLIENTS_MAX; i++) {
		if (c->clients[i].since_ms < slot->since_ms)
			slot = &c->clients[i];
	}
	client_drop(slot);
	return slot;
}

/* What it asks is mostly there already: answered now, it needs its place no longer. */
static void accept_client(struct control *c)
{
	cleanup_fd int fd =
		accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *slot;

	if (fd < 0)
		return;
	if (!is_allowed(fd)) {
		(void)send_error(fd, "only root may ask");
		return;
	}
	slot = make_room(c);
	slot->since_ms = clock_ms();
	slot->fd = steal_fd(&fd);
	if (!serve_client(c, slot))
		client_drop(slot);
}

static struct client *client_of(struct control *c, int fd)
{
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (c->clients[i].fd == fd)
			return &c->clients[i];
	}
	return NULL;
}

/*
 * New clients last: their fds are not in `fds`, but might be numbers that were dropped
 * above.
 */
void control_handle(struct control *c, const struct pollfd *fds, unsigned n)
{
	bool is_knocking = false;

	for (unsigned i = 0; i < n; i++) {
		struct client *client;

		if (!fds[i].revents || fds[i].fd < 0)
			continue;
		if (fds[i].fd == c->listen_fd) {
			is_knocking = true;
			continue;
		}
		client = client_of(c, fds[i].fd);
		if (client && !serve_client(c, client))
			client_drop(client);
	}
	if (is_knocking)
		accept_client(c);
}
