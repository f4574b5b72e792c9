/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head.h - the head of an HTTP message: read, looked at, changed
 */
#ifndef FAULTPROXY_HEAD_H
#define FAULTPROXY_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAD_BYTES_MAX (1024u * 1024)

struct head {
	char *text; /* ends with the empty line, and a NUL */
	size_t n_bytes;
	size_t n_room; /* of `text` */
};

/* What was read behind a head, or before the next. */
struct inbox {
	char data[64 * 1024];
	size_t n_bytes;
};

bool head_init(struct head *h);
void head_fini(struct head *h);

/* From a connection; the rest stays in the inbox.  false: it ended, or the head is too long. */
bool head_receive(struct head *h, struct inbox *in, int fd);

/* The status line or request line, without its end, into ret; cut off when longer. */
void head_first_line(const struct head *h, char *ret, size_t ret_bytes);
void head_set_first_line(struct head *h, const char *line);

/* false: not there. */
bool head_get(const struct head *h, const char *name, char *ret, size_t ret_bytes);
void head_drop(struct head *h, const char *name);
void head_add(struct head *h, const char *name, const char *value);
void head_set(struct head *h, const char *name, const char *value);
void head_set_number(struct head *h, const char *name, uint64_t value);

/* A head of our own; more can be added. */
void head_make(struct head *h, const char *first_line);
/* Any bytes; ends with what it ends with. */
void head_take(struct head *h, const char *data, size_t n_bytes);

#endif
