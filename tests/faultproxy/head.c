/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head.c - the head of an HTTP message as text
 *
 * What does not fit into HEAD_BYTES_MAX is left out.
 */
#include "tests/faultproxy/head.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

bool head_init(struct head *h)
{
	*h = (struct head){.text = calloc(1, HEAD_BYTES_MAX + 1),
			   .n_room = HEAD_BYTES_MAX};
	return h->text != NULL;
}

void head_fini(struct head *h)
{
	free(h->text);
	h->text = NULL;
}

void head_take(struct head *h, const char *data, size_t n_bytes)
{
	h->n_bytes = n_bytes < h->n_room ? n_bytes : h->n_room;
	memcpy(h->text, data, h->n_bytes);
	h->text[h->n_bytes] = '\0';
}

static bool fill(struct inbox *in, int fd)
{
	if (in->n_bytes == sizeof in->data)
		return false;
	for (;;) {
		const ssize_t r = recv(fd, in->data + in->n_bytes,
				       sizeof in->data - in->n_bytes, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r > 0)
			in->n_bytes += (size_t)r;
		return r > 0;
	}
}

bool head_receive(struct head *h, struct inbox *in, int fd)
{
	char *end;

	while (!(end = memmem(in->data, in->n_bytes, "\r\n\r\n", 4)))
		if (!fill(in, fd))
			return false;
	const size_t n = (size_t)(end + 4 - in->data);
	head_take(h, in->data, n);
	in->n_bytes -= n;
	memmove(in->data, in->data + n, in->n_bytes);
	return true;
}

void head_first_line(const struct head *h, char *ret, size_t ret_bytes)
{
	snprintf(ret, ret_bytes, "%.*s", (int)strcspn(h->text, "\r\n"), h->text);
}

/* Puts `with` where [at, at + n) was. */
static void replace(struct head *h, size_t at, size_t n, const char *with)
{
	const size_t n_with = strlen(with);

	if (h->n_bytes - n + n_with > h->n_room)
		return;
	memmove(h->text + at + n_with, h->text + at + n, h->n_bytes - at - n + 1);
	memcpy(h->text + at, with, n_with);
	h->n_bytes = h->n_bytes - n + n_with;
}

void head_set_first_line(struct head *h, const char *line)
{
	replace(h, 0, strcspn(h->text, "\r\n"), line);
}

void head_make(struct head *h, const char *first_line)
{
	head_take(h, "\r\n\r\n", 4);
	head_set_first_line(h, first_line);
}

/* The header's line, or NULL. */
static char *find(const struct head *h, const char *name)
{
	const size_t n = strlen(name);
	char *p = h->text;

	while ((p = strstr(p, "\r\n"))) {
		p += 2;
		if (!strncasecmp(p, name, n) && p[n] == ':')
			return p;
	}
	return NULL;
}

bool head_get(const struct head *h, const char *name, char *ret, size_t ret_bytes)
{
	const char *p = find(h, name);

	if (!p)
		return false;
	p += strlen(name) + 1;
	p += strspn(p, " \t");
	snprintf(ret, ret_bytes, "%.*s", (int)strcspn(p, "\r\n"), p);
	return true;
}

void head_drop(struct head *h, const char *name)
{
	char *p;

	while ((p = find(h, name)))
		replace(h, (size_t)(p - h->text), strcspn(p, "\r") + 2, "");
}

void head_add(struct head *h, const char *name, const char *value)
{
	if (h->n_bytes < 2)
		return;
	const size_t end = h->n_bytes - 2; /* before the empty line */

	replace(h, end, 0, "\r\n");
	replace(h, end, 0, value);
	replace(h, end, 0, ": ");
	replace(h, end, 0, name);
}

void head_set(struct head *h, const char *name, const char *value)
{
	head_drop(h, name);
	head_add(h, name, value);
}

void head_set_number(struct head *h, const char *name, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof text, "%" PRIu64, value);
	head_set(h, name, text);
}
