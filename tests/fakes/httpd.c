/* SPDX-License-Identifier: Apache-2.0 */
/*
 * httpd.c - a small HTTP server on the loopback that misbehaves on demand
 */
#include "tests/fakes/httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static uint8_t file[HTTPD_FILE_BYTES];

uint8_t httpd_byte(uint64_t i)
{
	return (uint8_t)(i * 31 + i / 4099);
}

static bool send_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		const ssize_t done = send(fd, p, n, MSG_NOSIGNAL);

		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

/* One request's header lines; false when the connection ended. */
static bool read_request(int fd, char *buf, size_t bytes)
{
	size_t n = 0;

	while (n + 1 < bytes) {
		if (recv(fd, buf + n, 1, 0) != 1)
			return false;
		buf[++n] = '\0';
		if (n >= 4 && strcmp(buf + n - 4, "\r\n\r\n") == 0)
			return true;
	}
	return false;
}

static enum httpd_mode mode_now(struct httpd_shared *shared, const char *request)
{
	if (strncmp(request, "GET /final", 10) == 0)
		return HTTPD_OK;
	if (strncmp(request, "GET /page", 9) == 0)
		return HTTPD_HTML;
	if (atomic_fetch_sub(&shared->n_bad, 1) > 0)
		return (enum httpd_mode)atomic_load(&shared->mode);
	atomic_store(&shared->n_bad, 0);
	return HTTPD_OK;
}

static bool send_slowly(int fd, const uint8_t *data, size_t n, size_t step, useconds_t us)
{
	while (n) {
		const size_t now = n < step ? n : step;

		if (!send_all(fd, data, now))
			return false;
		data += now;
		n -= now;
		usleep(us);
	}
	return true;
}

static bool send_body(int fd, enum httpd_mode mode, size_t first, size_t n)
{
	const uint8_t *data = file + first;

	switch (mode) {
	case HTTPD_SHORT:
		send_all(fd, data, n / 2);
		return false;
	case HTTPD_STALL:
		send_all(fd, data, n / 2);
		pause();
		return false;
	case HTTPD_TRICKLE:
		return send_slowly(fd, data, n, 1, 20000);
	case HTTPD_SLOW:
		return send_slowly(fd, data, n, 65536, 5000);
	default:
		return send_all(fd, data, n);
	}
}

static bool answer_text(int fd, const char *status, const char *headers)
{
	char text[512];

	snprintf(
		text, sizeof text,
		"HTTP/1.1 %s\r\nContent-Type: text/html\r\nContent-Length: 6\r\n%s\r\n<html>",
		status, headers);
	return send_all(fd, text, strlen(text));
}

static bool answer_file(int fd, enum httpd_mode mode, size_t first, size_t last)
{
	const char *etag = mode == HTTPD_OTHER_ETAG ? "\"two\"" : "\"one\"";
	char head[512];

	if (mode == HTTPD_WHOLE_UNKNOWN) {
		const char *unknown = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

		if (send_all(fd, unknown, strlen(unknown)))
			send_all(fd, file, sizeof file);
		return false;
	}
	if (mode == HTTPD_WHOLE) {
		first = 0;
		last = HTTPD_FILE_BYTES - 1;
		snprintf(head, sizeof head,
			 "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", last + 1);
	} else {
		const size_t shift = mode == HTTPD_WRONG_RANGE ? 1 : 0;

		snprintf(
			head, sizeof head,
			"HTTP/1.1 206 Partial Content\r\nContent-Length: %zu\r\nETag: %s\r\n"
			"Content-Range: bytes %zu-%zu/%u\r\n\r\n",
			last - first + 1, etag, first + shift, last + shift,
			HTTPD_FILE_BYTES);
	}
	return send_all(fd, head, strlen(head)) &&
	       send_body(fd, mode, first, last - first + 1);
}

/* The header's value, or "". */
static void note(const char *request, const char *name, char *ret, size_t n_bytes)
{
	const char *found = strstr(request, name);

	ret[0] = '\0';
	if (!found)
		return;
	found += strlen(name);
	snprintf(ret, n_bytes, "%.*s", (int)strcspn(found, "\r"), found);
}

static void note_request(struct httpd_shared *shared, const char *request)
{
	note(request, "\r\nHost: ", shared->host, sizeof shared->host);
	note(request, "\r\nAuthorization: ", shared->authorization,
	     sizeof shared->authorization);
	note(request, "\r\nX-Amz-Date: ", shared->date, sizeof shared->date);
	note(request, "\r\nx-amz-content-sha256: ", shared->token_hash,
	     sizeof shared->token_hash);
	snprintf(shared->path, sizeof shared->path, "%.*s",
		 (int)strcspn(request + 4, " "), request + 4);
}

static bool redirect_elsewhere(int fd, const struct httpd_shared *shared,
			       const char *path)
{
	char location[128];

	snprintf(location, sizeof location, "Location: http://localhost:%u/%s\r\n",
		 shared->port, path);
	return answer_text(fd, "302 Found", location);
}

static bool answer(const struct httpd_shared *shared, int fd, enum httpd_mode mode,
		   const char *request)
{
	const char *range = strstr(request, "\r\nRange: bytes=");
	size_t first = 0, last = HTTPD_FILE_BYTES - 1;

	if (range)
		sscanf(range, "\r\nRange: bytes=%zu-%zu", &first, &last);
	if (last >= HTTPD_FILE_BYTES)
		last = HTTPD_FILE_BYTES - 1;
	switch (mode) {
	case HTTPD_UNAVAILABLE:
		return answer_text(fd, "503 Service Unavailable", "Retry-After: 1\r\n");
	case HTTPD_REDIRECT:
		return answer_text(fd, "302 Found", "Location: /final\r\n");
	case HTTPD_LOOP:
		return answer_text(fd, "302 Found", "Location: /again\r\n");
	case HTTPD_BUSY:
		return answer_text(fd, "429 Too Many Requests", "Retry-After: 1\r\n");
	case HTTPD_PORTAL:
		return answer_text(fd, "511 Network Authentication Required", "");
	case HTTPD_ELSEWHERE:
		return redirect_elsewhere(fd, shared, "page");
	case HTTPD_ELSEWHERE_OK:
		return redirect_elsewhere(fd, shared, "final");
	case HTTPD_HTML:
		return answer_text(fd, "200 OK", "");
	default:
		return answer_file(fd, mode, first, last);
	}
}

static void serve_connection(struct httpd_shared *shared, int fd)
{
	char request[4096];
	bool goes_on = true;

	while (goes_on && read_request(fd, request, sizeof request)) {
		atomic_fetch_add(&shared->n_requests, 1);
		atomic_fetch_add(&shared->n_open, 1);
		note_request(shared, request);
		goes_on = answer(shared, fd, mode_now(shared, request), request);
		atomic_fetch_sub(&shared->n_open, 1);
	}
	_exit(0);
}

static void serve(struct httpd_shared *shared, int listen_fd)
{
	const int one = 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	/* The test's sockets: whoever waits for their end would wait for ours. */
	if (listen_fd > 3)
		close_range(3, (unsigned)listen_fd - 1, 0);
	close_range((unsigned)listen_fd + 1, ~0u, 0);
	for (;;) {
		const int fd = accept(listen_fd, NULL, NULL);

		if (fd < 0)
			continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		atomic_fetch_add(&shared->n_connections, 1);
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(listen_fd);
			serve_connection(shared, fd);
		}
		close(fd);
	}
}

static int listen_on(uint32_t address, unsigned *port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(address ? address : INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)*port),
	};
	socklen_t n = sizeof a;
	const int one = 1;
	cleanup_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 64) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return -errno;
	*port = ntohs(a.sin_port);
	return steal_fd(&fd);
}

int httpd_restart(struct httpd *h)
{
	cleanup_fd int fd = listen_on(h->address, &h->port);

	if (fd < 0)
		return fd;
	h->shared->port = h->port;
	h->pid = fork();
	if (h->pid == 0)
		serve(h->shared, fd);
	return h->pid < 0 ? -errno : 0;
}

int httpd_start(struct httpd *h)
{
	return httpd_start_at(h, 0, 0);
}

int httpd_start_at(struct httpd *h, uint32_t address, unsigned port)
{
	*h = (struct httpd){.address = address, .port = port};
	for (size_t i = 0; i < sizeof file; i++)
		file[i] = httpd_byte(i);
	void *p = mmap(NULL, sizeof *h->shared, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	h->shared = p;
	return httpd_restart(h);
}

void httpd_kill(struct httpd *h)
{
	if (h->pid <= 0)
		return;
	kill(h->pid, SIGKILL);
	waitpid(h->pid, NULL, 0);
	h->pid = 0;
}

void httpd_stop(struct httpd *h)
{
	httpd_kill(h);
	if (h->shared)
		munmap(h->shared, sizeof *h->shared);
	h->shared = NULL;
}

void httpd_misbehave(struct httpd *h, enum httpd_mode mode, int n)
{
	atomic_store(&h->shared->mode, mode);
	atomic_store(&h->shared->n_bad, n);
}
