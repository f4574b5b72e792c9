/* SPDX-License-Identifier: Apache-2.0 */
/*
 * url.h - names in URLs, and the file beside the one that a URL names
 */
#ifndef SOURCE_URL_H
#define SOURCE_URL_H

#include <stdbool.h>

#include "imgfmt/imgfmt.h"

/* What libcurl takes a URL for: "" and 0 when it cannot read it. */
struct url_place {
	char scheme[16];
	char host[256]; /* an IPv6 address without brackets */
	unsigned port; /* that of the scheme where the URL has none */
	bool has_user; /* a user name is in the URL itself */
};

/* `scheme` is for a URL that may come without one (a proxy); NULL: it has to have one. */
void url_place(const char *url, const char *scheme, struct url_place *ret);

/* Whether its host has to be looked up; `scheme` as for url_place. */
bool url_has_name(const char *url, const char *scheme);

/*
 * Where `hydroot-image publish` puts the image with this digest: by-digest/HEX.hri in the folder of
 * the URL's file.  A query stays.  False when it does not fit or the URL has no path.
 */
bool url_by_digest(const char *url, const uint8_t digest[IMG_DIGEST_BYTES], char *ret,
		   size_t ret_bytes);

#endif
