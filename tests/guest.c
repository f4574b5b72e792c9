/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest.c - runs one shell script inside a guest, through the agent on its second serial
 * port
 *
 *	guest SOCKET SECONDS SCRIPT
 *
 * Prints what the script printed and exits with its exit code; 124 when no answer came in
 * time, 125 when the guest cannot be talked to.  An answer is printed whole or not at
 * all: a guest that is slow must not look like one that said something else.  The
 * protocol is described in image/agent.sh.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_TIMEOUT = 124, EXIT_TROUBLE = 125, LINE_BYTES = 4096 };

static const char digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000L + ts.tv_nsec / 1000000L;
}

static char *encode(const char *text)
{
	size_t n = strlen(text), o = 0;
	char *out = malloc((n + 2) / 3 * 4 + 1);

	if (!out)
		return NULL;
	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		uint32_t v = (uint32_t)(unsigned char)text[i] << 16;

		if (left > 1)
			v |= (uint32_t)(unsigned char)text[i + 1] << 8;
		if (left > 2)
			v |= (unsigned char)text[i + 2];
		out[o++] = digits[v >> 18];
		out[o++] = digits[v >> 12 & 63];
		out[o++] = left > 1 ? digits[v >> 6 & 63] : '=';
		out[o++] = left > 2 ? digits[v & 63] : '=';
	}
	out[o] = '\0';
	return out;
}

/* One line of base64 to `to`; the agent's lines are whole groups of four. */
static void decode(const char *line, FILE *to)
{
	for (; strlen(line) >= 4; line += 4) {
		uint32_t v = 0;
		int n_bytes = 3;

		for (int i = 0; i < 4; i++) {
			const char *p = line[i] == '=' ? NULL : strchr(digits, line[i]);

			v = v << 6 | (p ? (uint32_t)(p - digits) : 0);
			if (line[i] == '=')
				n_bytes--;
		}
		for (int i = 0; i < n_bytes; i++)
			putc((int)(v >> (16 - 8 * i) & 255), to);
	}
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof addr.sun_path)
		return -1;
	memcpy(addr.sun_path, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
		return -1;
	return fd;
}

static int send_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t n = send(fd, text, left, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			text += n;
			left -= (size_t)n;
		}
	}
	return 0;
}

/* The next line without its end; 0, or the exit code when none came. */
static int read_line(int fd, long deadline_ms, char line[LINE_BYTES])
{
	size_t n = 0;

	for (;;) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		long left_ms = deadline_ms - now_ms();
		char c;

		if (left_ms <= 0 || poll(&pfd, 1, (int)left_ms) == 0)
			return EXIT_TIMEOUT;
		if (recv(fd, &c, 1, 0) <= 0)
			return EXIT_TROUBLE;
		if (c == '\n')
			break;
		if (c != '\r' && n < LINE_BYTES - 1)
			line[n++] = c;
	}
	line[n] = '\0';
	return 0;
}

/* What the script printed goes to `to`.  0: all of it came, and its exit code is in *ret_code. */
static int read_answer(int fd, const char *id, long deadline_ms, FILE *to, int *ret_code)
{
	char line[LINE_BYTES], begin[64], end[64];
	int is_inside = 0, err;

	snprintf(begin, sizeof begin, "BEGIN %s", id);
	snprintf(end, sizeof end, "END %s ", id);
	while (!(err = read_line(fd, deadline_ms, line))) {
		if (!strncmp(line, end, strlen(end))) {
			*ret_code = (int)strtol(line + strlen(end), NULL, 10);
			return 0;
		}
		if (is_inside)
			decode(line, to);
		else if (!strcmp(line, begin))
			is_inside = 1;
	}
	if (is_inside && err == EXIT_TIMEOUT)
		fprintf(stderr, "guest: the answer was cut off\n");
	return err;
}

static int print_answer(int fd, const char *id, long deadline_ms)
{
	char *text = NULL;
	size_t n_bytes = 0;
	FILE *to = open_memstream(&text, &n_bytes);
	int code = 0, err;

	if (!to)
		return EXIT_TROUBLE;
	err = read_answer(fd, id, deadline_ms, to, &code);
	if (fclose(to) != 0)
		return EXIT_TROUBLE;
	if (!err)
		fwrite(text, 1, n_bytes, stdout);
	free(text);
	return err ? err : code;
}

int main(int argc, char **argv)
{
	char id[32];
	char *text;
	int fd;

	if (argc != 4) {
		fprintf(stderr, "usage: guest SOCKET SECONDS SCRIPT\n");
		return 2;
	}
	fd = connect_to(argv[1]);
	text = encode(argv[3]);
	snprintf(id, sizeof id, "R%d-%ld", (int)getpid(), now_ms() % 1000000);
	if (fd < 0 || !text || send_all(fd, "\n") || send_all(fd, id) ||
	    send_all(fd, " ") || send_all(fd, text) || send_all(fd, "\n")) {
		fprintf(stderr, "guest: %s: %s\n", argv[1], strerror(errno));
		return EXIT_TROUBLE;
	}
	free(text);
	return print_answer(fd, id, now_ms() + 1000L * strtol(argv[2], NULL, 10));
}
