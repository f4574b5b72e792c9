/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel.c - what the serving and the network process share
 *
 * No state but fds and a mapping, so nothing has to be repaired when one side dies in the middle.
 */
#include "source/channel.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/passfd.h"

#define BUFFERS_BYTES ((size_t)TRANSPORT_SLOTS * SOURCE_REQUEST_BYTES_MAX)

_Static_assert(SOURCE_REQUEST_BYTES_MAX % 4096 == 0, "buffers start on a page");
_Static_assert(sizeof(struct channel_msg) ==
		       80 + IMG_DIGEST_BYTES + TRANSPORT_ETAG_BYTES +
			       TRANSPORT_TEXT_BYTES + TRANSPORT_ADDRESS_BYTES,
	       "messages have no holes that would carry stack contents across");

struct channel *channel_new(void)
{
	struct channel *ch = calloc(1, sizeof *ch);
	int fds[2];

	if (!ch)
		return NULL;
	ch->keeper_end = ch->serve_end = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		goto fail;
	ch->keeper_end = fds[0];
	ch->serve_end = fds[1];
	void *p = mmap(NULL, BUFFERS_BYTES, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		goto fail;
	ch->buffers = p;
	return ch;
fail:
	channel_free(ch);
	return NULL;
}

void channel_leave_keeper(struct channel *ch)
{
	if (ch->keeper_end >= 0)
		close(ch->keeper_end);
	ch->keeper_end = -1;
}

void channel_free(struct channel *ch)
{
	const int saved = errno;

	if (!ch)
		return;
	if (ch->buffers)
		munmap(ch->buffers, BUFFERS_BYTES);
	channel_leave_keeper(ch);
	if (ch->serve_end >= 0)
		close(ch->serve_end);
	free(ch);
	errno = saved;
}

/* fd, -EAGAIN, or -EPIPE.  The keeper is believed. */
static int link_recv(int link, uint32_t *ret_generation)
{
	int fd;
	const ssize_t n =
		passfd_recv(link, ret_generation, sizeof *ret_generation, 0, &fd);

	if (n < 0)
		return n == -EAGAIN ? -EAGAIN : -EPIPE;
	return fd < 0 ? -EPIPE : fd;
}

int channel_take(const struct channel *ch, uint32_t *ret_generation)
{
	int fd = link_recv(ch->serve_end, ret_generation);

	while (fd >= 0) {
		uint32_t generation;
		const int newer = link_recv(ch->serve_end, &generation);

		if (newer < 0)
			break;
		close(fd);
		fd = newer;
		*ret_generation = generation;
	}
	return fd;
}

int channel_renew(const struct channel *ch, uint32_t generation)
{
	uint32_t old_generation;
	int fds[2];

	/* A serving process that is stopped must not let sockets of dead processes pile up. */
	const int old = channel_take(ch, &old_generation);
	if (old >= 0)
		close(old);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	const int r = passfd_send(ch->keeper_end, &generation, sizeof generation, fds[0]);
	close(fds[0]);
	if (r < 0)
		close(fds[1]);
	return r < 0 ? r : fds[1];
}

uint8_t *channel_buffer(const struct channel *ch, unsigned slot)
{
	return ch->buffers + (size_t)slot * SOURCE_REQUEST_BYTES_MAX;
}

int channel_send(int fd, const struct channel_msg *msg)
{
	ssize_t n;

	do
		n = send(fd, msg, sizeof *msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof *msg)
		return 0;
	if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM))
		return -EAGAIN;
	return -EPIPE;
}

static bool is_range_sane(const struct channel_msg *m)
{
	uint64_t end;

	return checked_add(m->src_off, m->n_bytes, &end) && end <= INT64_MAX &&
	       m->buf_off <= SOURCE_REQUEST_BYTES_MAX &&
	       m->n_bytes <= SOURCE_REQUEST_BYTES_MAX - m->buf_off;
}

static bool is_request_sane(const struct channel_msg *m)
{
	return m->n_bytes > 0 && m->server <= SOURCE_SERVERS_MAX &&
	       m->class <= SOURCE_FILL && m->may_end <= 1 && m->is_by_digest <= 1 &&
	       m->probe_ms <= TRANSPORT_PROBE_MS && m->is_sequential <= 1;
}

static bool is_server_sane(const struct channel_msg *m)
{
	return m->server < SOURCE_SERVERS_MAX && m->may_end <= 1 &&
	       m->n_bytes == strnlen(m->text, sizeof m->text) &&
	       m->buf_off + m->n_bytes < OPTIONS_URL_BYTES;
}

static bool is_sane(const struct channel_msg *m)
{
	if (m->slot >= TRANSPORT_SLOTS || !is_range_sane(m))
		return false;
	switch (m->kind) {
	case CHANNEL_REQUEST:
		return is_request_sane(m);
	case CHANNEL_SERVER:
		return is_server_sane(m);
	case CHANNEL_CANCEL:
	case CHANNEL_PROMOTE:
	case CHANNEL_PING:
	case CHANNEL_PONG:
	case CHANNEL_REFUSED:
		return true;
	case CHANNEL_BYTES:
	case CHANNEL_DONE:
		return m->is_sequential <= 1;
	case CHANNEL_FAILED:
		return m->fault > TRANSPORT_FAULT_NONE && m->fault <= TRANSPORT_LOCAL;
	default:
		return false;
	}
}

/* False when it does not end inside its array. */
static bool make_printable(char *text, size_t bytes)
{
	const size_t n = strnlen(text, bytes);

	for (size_t i = 0; i < n; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			text[i] = '?';
	return n < bytes;
}

int channel_recv(int fd, struct channel_msg *ret)
{
	ssize_t n;

	do
		n = recv(fd, ret, sizeof *ret, MSG_DONTWAIT | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : -EPIPE;
	if (n == 0)
		return -EPIPE;
	if (n != (ssize_t)sizeof *ret || !is_sane(ret))
		return -EBADMSG;
	if (!make_printable(ret->etag, sizeof ret->etag) ||
	    (ret->kind == CHANNEL_SERVER
		     ? ret->n_bytes == sizeof ret->text
		     : !make_printable(ret->text, sizeof ret->text)) ||
	    !make_printable(ret->address, sizeof ret->address))
		return -EBADMSG;
	return 0;
}
