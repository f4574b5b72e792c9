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
	HTTPD_WHOLE_UNKNOWN, /* as WHOLE, but the length is not told */
	HTTPD_BUSY, /* 429, Retry-After: 1 */
	HTTPD_PORTAL, /* 511 */
	HTTPD_ELSEWHERE, /* redirected to another name of this server, which gives a page */
	HTTPD_ELSEWHERE_OK, /* the same, and there is the file */
};

struct httpd_shared {
	_Atomic int mode;
	_Atomic int n_bad; /* so many requests are treated so, then all is OK */
	_Atomic int n_connections;
	_Atomic int n_requests;
	_Atomic int n_open; /* requests being answered */
	unsigned port;
	/* of the last request, headers that were not there are "" */
	char host[128], authorization[512], date[32], token_hash[80], path[128];
};

struct httpd {
	struct httpd_shared *shared;
	pid_t pid;
	unsigned port;
	uint32_t address; /* 0: 127.0.0.1 */
};

/* The byte at offset i of the file. */
uint8_t httpd_byte(uint64_t i);

int httpd_start(struct httpd *h) _must_check_;
/* On another address and a port that is given. */
int httpd_start_at(struct httpd *h, uint32_t address, unsigned port) _must_check_;
/* SIGKILL, connections too; the port stays known.  Start again with httpd_restart. */
void httpd_kill(struct httpd *h);
int httpd_restart(struct httpd *h) _must_check_;
void httpd_stop(struct httpd *h);

/* The next n requests are answered like this. */
void httpd_misbehave(struct httpd *h, enum httpd_mode mode, int n);

#endif
