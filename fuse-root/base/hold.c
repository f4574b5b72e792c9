/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold.c - see hold.h
 *
 * One SOCK_SEQPACKET pair; messages from the serving process to the keeper, and nothing
 * back but the answer to OP_SYNC.  What was sent before a death is still in the socket
 * after it.
 */
#include "base/hold.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/passfd.h"

#define SYNC_MS 5000
#define SEND_TRIES 500 /* 10 ms each: the keeper may be stopped for a while */

enum op { OP_PUT = 1, OP_DROP, OP_SYNC, OP_END };

struct message {
	uint32_t op, tag; /* OP_SYNC: a number that comes back */
};

struct hold {
	int keeper_fd, serve_fd;
	bool has_ended;
	int fds[HOLD_TAGS];
};

struct hold *hold_new(void)
{
	struct hold *h = calloc(1, sizeof *h);
	int pair[2];

	if (!h)
		return NULL;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		free(h);
		return NULL;
	}
	h->keeper_fd = pair[0];
	h->serve_fd = pair[1];
	for (unsigned i = 0; i < HOLD_TAGS; i++)
		h->fds[i] = -1;
	return h;
}

void hold_free(struct hold *h)
{
	if (!h)
		return;
	for (enum hold_tag tag = 0; tag < HOLD_TAGS; tag++)
		hold_set(h, tag, -1);
	if (h->keeper_fd >= 0)
		close(h->keeper_fd);
	close(h->serve_fd);
	free(h);
}

void hold_child(struct hold *h)
{
	close(h->keeper_fd);
	h->keeper_fd = -1;
}

int hold_keeper_fd(const struct hold *h)
{
	return h->keeper_fd;
}

bool hold_has_ended(const struct hold *h)
{
	return h->has_ended;
}

void hold_set(struct hold *h, enum hold_tag tag, int fd)
{
	if (h->fds[tag] >= 0)
		close(h->fds[tag]);
	h->fds[tag] = fd < 0 ? -1 : fd;
}

int hold_take(struct hold *h, enum hold_tag tag)
{
	int fd = h ? h->fds[tag] : -1;

	if (h)
		h->fds[tag] = -1;
	return fd;
}

static void drop_all(struct hold *h)
{
	for (enum hold_tag tag = 0; tag < HOLD_TAGS; tag++)
		hold_set(h, tag, -1);
	h->has_ended = true;
}

static void act_on(struct hold *h, const struct message *m, int fd)
{
	if (m->op == OP_PUT && m->tag < HOLD_TAGS && !h->has_ended) {
		hold_set(h, m->tag, fd);
		return;
	}
	if (fd >= 0)
		close(fd);
	if (m->op == OP_SYNC)
		(void)!send(h->keeper_fd, m, sizeof *m, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (m->op == OP_DROP && m->tag < HOLD_TAGS)
		hold_set(h, m->tag, -1);
	if (m->op == OP_END)
		drop_all(h);
}

void hold_receive(struct hold *h)
{
	struct message m;
	ssize_t n;
	int fd;

	while ((n = passfd_recv(h->keeper_fd, &m, sizeof m, 0, &fd)) > 0) {
		if (n == (ssize_t)sizeof m)
			act_on(h, &m, fd);
		else if (fd >= 0)
			close(fd);
	}
}

static int send_message(const struct hold *h, struct message m, int fd)
{
	for (int i = 0; i < SEND_TRIES; i++) {
		const int err = passfd_send(h->serve_fd, &m, sizeof m, fd);

		if (err != -EAGAIN && err != -ENOBUFS)
			return err;
		usleep(10000);
	}
	return -ETIMEDOUT;
}

void hold_put(struct hold *h, enum hold_tag tag, int fd)
{
	int err;

	if (!h)
		return;
	err = send_message(h, (struct message){OP_PUT, tag}, fd);
	if (err < 0)
		log_warning("keeper: does not take a descriptor: %s: the death of the "
			    "serving process would be the end of the device",
			    strerror(-err));
}

/* Where there is no keeper any more, nobody holds anything. */
void hold_drop(struct hold *h, enum hold_tag tag)
{
	if (h && send_message(h, (struct message){OP_DROP, tag}, -1) < 0)
		log_debug("keeper: does not hear what to let go of");
}

/* False when nothing came in time. */
static bool hear_answer(const struct hold *h, struct message *ret, int timeout_ms)
{
	struct pollfd fd = {.fd = h->serve_fd, .events = POLLIN};

	return poll(&fd, 1, timeout_ms) > 0 &&
	       recv(h->serve_fd, ret, sizeof *ret, MSG_DONTWAIT) == (ssize_t)sizeof *ret;
}

/* An answer to a process before this one may be there still. */
void hold_sync(struct hold *h)
{
	const struct message m = {OP_SYNC, (uint32_t)getpid()};
	struct message answer = {0};

	if (!h || send_message(h, m, -1) < 0)
		return;
	while (hear_answer(h, &answer, SYNC_MS))
		if (answer.tag == m.tag)
			return;
	log_warning("keeper: does not answer");
}

void hold_end(struct hold *h)
{
	if (h && send_message(h, (struct message){OP_END, 0}, -1) < 0)
		log_debug("keeper: does not hear that this is the end");
	if (h)
		drop_all(h);
}
