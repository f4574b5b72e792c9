/* SPDX-License-Identifier: Apache-2.0 */
/*
 * httpcheck.h - is this HTTP answer the range that was asked for
 *
 * Pure functions over header lines: no I/O, no clock of its own, no state but the struct.  The
 * rule: only a 206 with exactly the range asked for, of a file of the pinned length and ETag, is
 * data; a 200 is data only when the whole file may be read up to the range.  Everything else gets a
 * sentence.
 */
#ifndef SOURCE_HTTPCHECK_H
#define SOURCE_HTTPCHECK_H

#include <time.h>

#include "source/transport.h"

#define HTTPCHECK_RETRY_AFTER_MAX_MS (5 * 60 * 1000)

struct httpcheck {
	int status; /* 0: no status line yet */
	bool has_range; /* Content-Range: bytes first-last/total */
	bool is_range_bad; /* a Content-Range that cannot be read, or two */
	uint64_t range_first, range_last;
	bool has_total;
	uint64_t total;
	bool has_length;
	bool is_length_bad;
	uint64_t length;
	bool is_encoded; /* Content-Encoding other than identity */
	bool is_html;
	int64_t retry_after_ms; /* 0: none */
	char etag[TRANSPORT_ETAG_BYTES];
};

/* What was asked for; etag "" and file_bytes 0: not known. */
struct httpcheck_want {
	uint64_t src_off;
	uint32_t n_bytes;
	bool may_end;
	bool is_sequential; /* a 200 will do: the range is cut out of the whole file */
	uint64_t file_bytes;
	const char *etag;
};

struct httpcheck_verdict {
	enum transport_fault fault; /* TRANSPORT_FAULT_NONE: the body is data */
	uint32_t n_bytes; /* exactly so long */
	bool is_whole; /* it begins at the file's start and goes on behind the range */
	uint64_t file_bytes; /* 0: not told */
	char text[TRANSPORT_TEXT_BYTES];
};

/* One header line with or without its line end; a status line starts anew. */
void httpcheck_line(struct httpcheck *h, const char *line, size_t n, time_t now);

void httpcheck_judge(const struct httpcheck *h, const struct httpcheck_want *want,
		     struct httpcheck_verdict *ret);

/* Whether two ETags name the same bytes here: a weak mark (W/) does not make a difference. */
bool httpcheck_same_etag(const char *a, const char *b);

#endif
