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
	unsigned port; /* the usual one where the URL has none; 0: libcurl knows none */
	bool has_user; /* a user name is in the URL itself */
};

/* A proxy may come without a scheme, and has other usual ports than a server. */
void url_place(const char *url, bool is_proxy, struct url_place *ret);

/* Whether its host has to be looked up. */
bool url_has_name(const char *url, bool is_proxy);

/*
 * Where `hydroot-image publish` puts the image with this digest: by-digest/HEX.hri in the folder of
 * the URL's file.  A query stays.  False when it does not fit or the URL has no path.
 */
bool url_by_digest(const char *url, const uint8_t digest[IMG_DIGEST_BYTES], char *ret,
		   size_t ret_bytes);

#endif
