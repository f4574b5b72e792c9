/* SPDX-License-Identifier: Apache-2.0 */
/*
 * httpd.h - a small HTTP server on the loopback that misbehaves on demand
 *
 * It serves one pattern file under every path, in a process of its own (one more for each
 * connection), and dies with its parent.  What it does and has seen is in memory shared with the
 * test.
 */
#ifndef FAKES_HTTPD_H
#define FAKES_HTTPD_H

#include <stdatomic.h>
#include <sys/types.h>

#include "imgfmt/base.h"

#define HTTPD_FILE_BYTES (1024u * 1024)

enum httpd_mode {
	HTTPD_OK,
	HTTPD_WHOLE, /* 200 with everything, whatever was asked for */
	HTTPD_WRONG_RANGE, /* 206, but of other bytes */
	HTTPD_SHORT, /* half of the body, then the connection is closed */
	HTTPD_STALL, /* half of the body, then nothing */
	HTTPD_TRICKLE, /* a byte every 20 ms */
	HTTPD_SLOW, /* 64 KiB every 5 ms */
	HTTPD_UNAVAILABLE, /* 503, Retry-After: 1 */
	HTTPD_REDIRECT, /* to /final, which is OK */
	HTTPD_LOOP, /* to itself */
	HTTPD_HTML, /* 200 with a page */
	HTTPD_OTHER_ETAG,
};

struct httpd_shared {
	_Atomic int mode;
	_Atomic int n_bad; /* so many requests are treated so, then all is OK */
	_Atomic int n_connections;
	_Atomic int n_requests;
	_Atomic int n_open; /* requests being answered */
};

struct httpd {
	struct httpd_shared *shared;
	pid_t pid;
	unsigned port;
};

/* The byte at offset i of the file. */
uint8_t httpd_byte(uint64_t i);

int httpd_start(struct httpd *h) _must_check_;
/* SIGKILL, connections too; the port stays known.  Start again with httpd_restart. */
void httpd_kill(struct httpd *h);
int httpd_restart(struct httpd *h) _must_check_;
void httpd_stop(struct httpd *h);

/* The next n requests are answered like this. */
void httpd_misbehave(struct httpd *h, enum httpd_mode mode, int n);

#endif
