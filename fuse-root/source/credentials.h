/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials.h - which secret is for which server
 *
 * A file of lines, read before the first fork; hydrootd(8) has its format.  A secret is
 * for one host, on one port or all, and goes nowhere else.  Messages name the line, never
 * what is in it.
 */
#ifndef SOURCE_CREDENTIALS_H
#define SOURCE_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#include "imgfmt/base.h"

#define CREDENTIALS_MAX 64u

enum credential_kind { CREDENTIAL_BASIC, CREDENTIAL_BEARER, CREDENTIAL_S3 };

/* Strings are parts of credentials.text. */
struct credential {
	enum credential_kind kind;
	const char *scheme; /* "http", "https"; NULL: both */
	const char *host; /* an IPv6 address without brackets */
	unsigned port; /* 0: any */
	const char *user; /* BASIC; S3: the access key */
	const char *secret; /* the password, token or secret key */
	const char *region; /* S3 */
};

struct credentials {
	char *text; /* owned */
	size_t n_bytes;
	unsigned n;
	struct credential list[CREDENTIALS_MAX];
};

/* Takes `text`, which it cuts up.  -EINVAL with a message that names `path` and the line. */
int credentials_parse(struct credentials *c, const char *path, char *text,
		      size_t n_bytes) _must_check_;

/* Wipes the secrets. */
void credentials_fini(struct credentials *c);

/* The first that is for this server; NULL: none. */
const struct credential *credentials_find(const struct credentials *c, const char *scheme,
					  const char *host, unsigned port);

#endif
