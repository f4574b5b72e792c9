/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line.h - a line of limited speed and with a delay, and sending over it
 *
 * The rate is shared by all connections, first come first served in pieces of 16 KiB.  The delay is
 * that of one direction.  There is no model of TCP's slow start or of loss.
 */
#ifndef FAULTPROXY_LINE_H
#define FAULTPROXY_LINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_PIECE_BYTES (16u * 1024)

struct line {
	uint64_t rate_bytes; /* a second; 0: no limit */
	int64_t delay_us;
	pthread_mutex_t lock;
	int64_t free_ns; /* guarded by lock: when what was sent before is through */
};

void line_sleep_us(int64_t us);

/* One direction's delay. */
void line_delay(const struct line *l);

/* Everything, at the line's speed.  false: the other end is gone. */
bool line_send(struct line *l, int fd, const void *data, size_t n_bytes);

#endif
