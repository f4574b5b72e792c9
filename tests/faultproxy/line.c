/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line.c - when bytes may go out
 */
#include "tests/faultproxy/line.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>

#define NS_PER_S 1000000000

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void sleep_until(int64_t ns)
{
	const struct timespec ts = {ns / NS_PER_S, ns % NS_PER_S};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

void line_sleep_us(int64_t us)
{
	if (us > 0)
		sleep_until(now_ns() + us * 1000);
}

void line_delay(const struct line *l)
{
	line_sleep_us(l->delay_us);
}

/* The line is taken for as long as these bytes need, after all that was asked for before. */
static void line_take(struct line *l, size_t n_bytes)
{
	const int64_t now = now_ns();

	if (!l->rate_bytes)
		return;
	pthread_mutex_lock(&l->lock);
	if (l->free_ns < now)
		l->free_ns = now;
	l->free_ns += (int64_t)(n_bytes * NS_PER_S / l->rate_bytes);
	const int64_t until = l->free_ns;
	pthread_mutex_unlock(&l->lock);
	sleep_until(until);
}

static bool send_all(int fd, const char *p, size_t n)
{
	while (n) {
		const ssize_t r = send(fd, p, n, MSG_NOSIGNAL);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		p += r;
		n -= (size_t)r;
	}
	return true;
}

bool line_send(struct line *l, int fd, const void *data, size_t n_bytes)
{
	const char *p = data;

	while (n_bytes) {
		const size_t n = n_bytes < LINE_PIECE_BYTES ? n_bytes : LINE_PIECE_BYTES;

		line_take(l, n);
		if (!send_all(fd, p, n))
			return false;
		p += n;
		n_bytes -= n;
	}
	return true;
}
