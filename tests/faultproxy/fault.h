/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault.h - what is done wrong to one answer
 *
 * A fault is written as words, WORD or WORD=VALUE, separated by blanks; the table in fault.c is
 * the list of them.
 */
#ifndef FAULTPROXY_FAULT_H
#define FAULTPROXY_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FAULT_TEXT_BYTES 256u
#define FAULT_CORRUPT_MAX 64u

/* What becomes of the connection after `end_after` bytes of the body. */
enum fault_end {
	FAULT_END_NONE,
	FAULT_END_STALL, /* nothing more comes, until the client gives up */
	FAULT_END_RESET, /* RST */
	FAULT_END_CLOSE, /* FIN */
};

struct fault {
	char text[FAULT_TEXT_BYTES]; /* as it was written; "": none */

	int64_t delay_us; /* before the answer */
	int64_t head_drip_us; /* for each byte of the head */
	int64_t drip_us; /* for each byte of the body */
	uint64_t rate_bytes; /* of the body, a second; 0: no limit */
	enum fault_end end;
	uint64_t end_after;
	bool is_end_before_head; /* not one byte is answered */

	uint64_t n_corrupt; /* bytes of the body that are changed */
	uint64_t status; /* answered with a line of text; 0: not */
	int64_t range_shift; /* Content-Range tells of bytes so much further on */
	int64_t length_shift; /* Content-Length lies by so much */
	int64_t retry_after_s;
	uint64_t n_headers; /* more, of 100 bytes each */
	uint64_t header_bytes; /* one more, so long */
	bool is_whole; /* the request's Range is ignored: 200 with everything */
	bool is_html; /* 200 with a page */
	bool is_chunked; /* Transfer-Encoding: chunked; a right answer */
	bool is_garbage; /* random bytes instead of an answer */
	bool has_no_head; /* the body only, as in HTTP/0.9 */
	bool is_endless_head;
	bool is_endless_body;
	bool is_endless_1xx;
	bool is_endless_line; /* a header line without an end */
	char etag[FAULT_TEXT_BYTES];
	char redirect[FAULT_TEXT_BYTES];
	char header[FAULT_TEXT_BYTES]; /* one more, NAME:VALUE */
	char twice[FAULT_TEXT_BYTES]; /* this header again, with another value */
	char encoding[FAULT_TEXT_BYTES]; /* Content-Encoding, of a body that is not */
	char head_file[FAULT_TEXT_BYTES]; /* the head is what this file has */
	char body_file[FAULT_TEXT_BYTES]; /* the body is */
};

/* false: not understood, *ret_wrong is the word (in `words`, cut off). */
bool fault_parse(char *words, struct fault *ret, const char **ret_wrong);

/* 10ms, 250us, 3s; a number alone counts ms. */
bool fault_parse_time(const char *text, int64_t *ret_us);
/* Bytes a second: 500K, 2M, or 10Mbit; plain bytes too. */
bool fault_parse_rate(const char *text, uint64_t *ret_bytes);

/* The list of words, for --help. */
void fault_help(FILE *to);

#endif
