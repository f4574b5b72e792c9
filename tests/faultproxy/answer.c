/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer.c - the answer: its head with what is wrong in it, its body with what is wrong in that
 */
#include "tests/faultproxy/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char page[] =
	"<!DOCTYPE html><html><head><title>Welcome</title></head>"
	"<body><h1>Please log in to use this network</h1></body></html>\n";

static bool send_bytes(struct exchange *x, const void *p, size_t n)
{
	return line_send(&x->proxy->line, x->client, p, n);
}

static uint64_t random_of(const struct exchange *x, uint64_t i)
{
	return script_random(&x->proxy->script, x->number, 100 + i);
}

/*
 * --- answers that have no end, and no server
 * ---------------------------------------------------
 */

/* The same again and again, until the client goes away. */
static bool send_for_ever(struct exchange *x, const char *text)
{
	char piece[LINE_PIECE_BYTES];
	const size_t n = strlen(text);
	size_t n_piece = 0;

	for (; n_piece + n <= sizeof piece; n_piece += n)
		memcpy(piece + n_piece, text, n);
	while (send_bytes(x, piece, n_piece))
		x->n_body_sent += n_piece;
	return false;
}

static bool send_garbage(struct exchange *x)
{
	uint64_t garbage[512];

	for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++)
		garbage[i] = random_of(x, i);
	send_bytes(x, garbage, sizeof garbage);
	return false;
}

static bool send_text(struct exchange *x, const char *status_line, const char *type,
		      const char *body)
{
	head_make(&x->head, status_line);
	head_add(&x->head, "Content-Type", type);
	head_set_number(&x->head, "Content-Length", strlen(body));
	if (x->fault.redirect[0])
		head_add(&x->head, "Location", x->fault.redirect);
	if (x->fault.retry_after_s)
		head_set_number(&x->head, "Retry-After",
				(uint64_t)x->fault.retry_after_s);
	return send_bytes(x, x->head.text, x->head.n_bytes) &&
	       (x->is_head || send_bytes(x, body, strlen(body)));
}

static bool send_status(struct exchange *x)
{
	char line[64];

	snprintf(line, sizeof line, "HTTP/1.1 %" PRIu64 " Fault", x->fault.status);
	return send_text(x, line, "text/plain", "as the script says\n");
}

bool answer_needs_server(const struct exchange *x)
{
	const struct fault *f = &x->fault;

	return !(f->is_garbage || f->is_endless_head || f->is_endless_line ||
		 f->is_endless_1xx || f->is_html || f->status || f->redirect[0]);
}

static bool send_without_server(struct exchange *x)
{
	const struct fault *f = &x->fault;

	if (f->is_garbage)
		return send_garbage(x);
	if (f->is_endless_1xx)
		return send_for_ever(x, "HTTP/1.1 100 Continue\r\n\r\n");
	if (f->is_html)
		return send_text(x, "HTTP/1.1 200 OK", "text/html; charset=utf-8", page);
	if (f->redirect[0])
		return send_text(x, "HTTP/1.1 302 Found", "text/plain", "elsewhere\n");
	if (f->status)
		return send_status(x);
	send_bytes(x, "HTTP/1.1 206 Partial Content\r\nX: ", 33);
	return send_for_ever(x, f->is_endless_line ? "endless" : "endless\r\nX: ");
}

/*
 * --- the head
 * ----------------------------------------------------------------------------------
 */

static void shift_range(struct exchange *x)
{
	char value[128];
	uint64_t first, last, total;

	if (!head_get(&x->head, "Content-Range", value, sizeof value) ||
	    sscanf(value, "bytes %" SCNu64 "-%" SCNu64 "/%" SCNu64, &first, &last,
		   &total) != 3)
		return;
	first += (uint64_t)x->fault.range_shift;
	last += (uint64_t)x->fault.range_shift;
	snprintf(value, sizeof value, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, first,
		 last, total);
	head_set(&x->head, "Content-Range", value);
}

static void add_twice(struct exchange *x)
{
	char value[512];

	if (!head_get(&x->head, x->fault.twice, value, sizeof value - 1))
		snprintf(value, sizeof value, "1");
	/* A number more at the end: another value, and a plausible one. */
	memcpy(value + strlen(value), "1", 2);
	head_add(&x->head, x->fault.twice, value);
}

static void add_headers(struct exchange *x)
{
	char name[32], value[80];
	char *longer;

	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	for (uint64_t i = 0;
	     i < x->fault.n_headers && x->head.n_bytes < HEAD_BYTES_MAX - 200; i++) {
		snprintf(name, sizeof name, "X-Fault-%" PRIu64, i);
		head_add(&x->head, name, value);
	}
	const size_t n = x->fault.header_bytes < HEAD_BYTES_MAX / 2
				 ? x->fault.header_bytes
				 : HEAD_BYTES_MAX / 2;
	if (!n || !(longer = malloc(n + 1)))
		return;
	memset(longer, 'l', n);
	longer[n] = '\0';
	head_add(&x->head, "X-Fault-Long", longer);
	free(longer);
}

static void add_header(struct exchange *x)
{
	char name[FAULT_TEXT_BYTES];
	char *colon;

	snprintf(name, sizeof name, "%s", x->fault.header);
	colon = strchr(name, ':');
	if (!colon)
		return;
	*colon = '\0';
	head_add(&x->head, name, colon + 1);
}

static char *read_file(const char *path, size_t *ret_bytes)
{
	FILE *f = fopen(path, "re");
	char *data = malloc(HEAD_BYTES_MAX + 1);

	*ret_bytes = 0;
	if (f && data)
		*ret_bytes = fread(data, 1, HEAD_BYTES_MAX, f);
	else
		perror(path);
	if (f)
		fclose(f);
	return data;
}

/* %FIRST% and the like become numbers. */
static void fill_in(const char *data, size_t n, const struct exchange *x, struct head *to)
{
	const struct {
		const char *mark;
		uint64_t value;
	} marks[] = {
		{"%FIRST%", x->first},
		{"%LAST%", x->first + x->body_bytes - 1},
		{"%LENGTH%", x->body_bytes},
	};
	size_t n_to = 0;

	for (size_t i = 0; i < n && n_to + 32 < to->n_room;) {
		size_t skip = 0;

		for (size_t m = 0; m < sizeof marks / sizeof *marks && !skip; m++) {
			if (strncmp(data + i, marks[m].mark, strlen(marks[m].mark)))
				continue;
			skip = strlen(marks[m].mark);
			n_to += (size_t)snprintf(to->text + n_to, 32, "%" PRIu64,
						 marks[m].value);
		}
		if (!skip)
			to->text[n_to++] = data[i];
		i += skip ? skip : 1;
	}
	to->text[n_to] = '\0';
	to->n_bytes = n_to;
}

static void take_head_file(struct exchange *x)
{
	size_t n;
	char *data = read_file(x->fault.head_file, &n);

	if (data) {
		data[n] = '\0';
		fill_in(data, n, x, &x->head);
	}
	free(data);
}

static void spoil_head(struct exchange *x)
{
	const struct fault *f = &x->fault;

	if (f->range_shift)
		shift_range(x);
	if (f->length_shift)
		head_set_number(&x->head, "Content-Length",
				x->body_bytes + (uint64_t)f->length_shift);
	if (f->etag[0])
		head_set(&x->head, "ETag", f->etag);
	if (f->encoding[0])
		head_set(&x->head, "Content-Encoding", f->encoding);
	if (f->header[0])
		add_header(x);
	if (f->twice[0])
		add_twice(x);
	add_headers(x);
	if (f->is_chunked) {
		head_drop(&x->head, "Content-Length");
		head_add(&x->head, "Transfer-Encoding", "chunked");
	}
	if (f->is_endless_body)
		head_drop(&x->head, "Content-Length");
	if (f->head_file[0])
		take_head_file(x);
}

static bool send_head(struct exchange *x)
{
	const int64_t drip_us = x->fault.head_drip_us;

	if (x->fault.has_no_head)
		return true;
	if (!drip_us)
		return send_bytes(x, x->head.text, x->head.n_bytes);
	for (size_t i = 0; i < x->head.n_bytes; i++) {
		line_sleep_us(drip_us);
		if (!send_bytes(x, x->head.text + i, 1))
			return false;
	}
	return true;
}

/*
 * --- the body
 * ----------------------------------------------------------------------------------
 */

/* A few bits in places that depend on the request's number and the seed. */
static void corrupt(const struct exchange *x, char *piece, size_t n)
{
	for (uint64_t i = 0; i < x->fault.n_corrupt && x->body_bytes; i++) {
		const uint64_t at = random_of(x, 2 * i) % x->body_bytes;

		if (at >= x->n_body_sent && at - x->n_body_sent < n)
			piece[at - x->n_body_sent] ^=
				(char)(1 + random_of(x, 2 * i + 1) % 255);
	}
}

static bool send_piece(struct exchange *x, char *piece, size_t n)
{
	char frame[32];

	corrupt(x, piece, n);
	if (x->fault.is_chunked &&
	    !send_bytes(x, frame, (size_t)snprintf(frame, sizeof frame, "%zx\r\n", n)))
		return false;
	if (!send_bytes(x, piece, n) ||
	    (x->fault.is_chunked && !send_bytes(x, "\r\n", 2)))
		return false;
	x->n_body_sent += n;
	line_sleep_us(x->fault.drip_us);
	if (x->fault.rate_bytes)
		line_sleep_us((int64_t)(n * 1000000 / x->fault.rate_bytes));
	return true;
}

/* How much to take at once, so that the fault's moment is met. */
static size_t piece_bytes(const struct exchange *x)
{
	uint64_t n = LINE_PIECE_BYTES;

	if (x->fault.drip_us)
		n = 1;
	if (x->fault.rate_bytes && n > x->fault.rate_bytes / 50 + 1)
		n = x->fault.rate_bytes / 50 + 1;
	if (x->fault.end && n > x->fault.end_after - x->n_body_sent)
		n = x->fault.end_after - x->n_body_sent;
	return n < x->body_left ? n : x->body_left;
}

/* The server's next bytes. */
static size_t take_piece(struct exchange *x, char *piece, size_t n)
{
	struct inbox *in = &x->from_server;
	ssize_t r;

	if (in->n_bytes) {
		n = n < in->n_bytes ? n : in->n_bytes;
		memcpy(piece, in->data, n);
		in->n_bytes -= n;
		memmove(in->data, in->data + n, in->n_bytes);
		return n;
	}
	do
		r = recv(x->server, piece, n, 0);
	while (r < 0 && errno == EINTR);
	return r > 0 ? (size_t)r : 0;
}

/* true: all of it was sent. */
static bool send_body(struct exchange *x)
{
	char piece[LINE_PIECE_BYTES];

	while (x->body_left) {
		size_t n = piece_bytes(x);

		if (n == 0 || !(n = take_piece(x, piece, n)))
			return false;
		x->body_left -= n;
		if (!send_piece(x, piece, n))
			return false;
	}
	return !x->fault.end;
}

static bool send_body_file(struct exchange *x)
{
	size_t n;
	char *data = read_file(x->fault.body_file, &n);

	if (data && send_bytes(x, data, n))
		x->n_body_sent = n;
	free(data);
	return false;
}

bool answer_send(struct exchange *x)
{
	const struct fault *f = &x->fault;
	char length[32];

	if (!answer_needs_server(x))
		return send_without_server(x);
	const bool has_length =
		head_get(&x->head, "Content-Length", length, sizeof length);
	x->body_bytes = has_length ? strtoull(length, NULL, 10) : UINT64_MAX;
	x->body_left = x->is_head ? 0 : x->body_bytes;
	spoil_head(x);
	line_delay(&x->proxy->line);
	if (!send_head(x))
		return false;
	if (f->body_file[0])
		return send_body_file(x);
	if (!send_body(x))
		return false;
	if (f->is_endless_body)
		return send_for_ever(x, "endless ");
	if (f->is_chunked && !x->is_head && !send_bytes(x, "0\r\n\r\n", 5))
		return false;
	return has_length && !f->length_shift && !f->has_no_head && !f->head_file[0];
}
