/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_url.h - is this a URL we can be given, and how may it be shown
 */
#ifndef BASE_OPTIONS_URL_H
#define BASE_OPTIONS_URL_H

#include "imgfmt/base.h"

/* http or https with a host, or file:///; with a path, without blanks and control characters. */
bool options_url_is_valid(const char *url);

/*
 * Of a scheme that only the initramfs can bring: SCHEME://HOST/PATH in lower case, without what
 * means something to sh.
 */
bool options_url_is_foreign(const char *url);

/* The path of a file: URL, or NULL: it is another. */
const char *options_url_file(const char *url);

/* [SCHEME://][USER:PASSWORD@]HOST[:PORT][/] of a scheme that a proxy may have. */
bool options_url_is_proxy(const char *text);

/*
 * The name of a file, or a relative path to one: no scheme, no / in front, no ? # \
 * blanks or "..".
 */
bool options_url_is_name(const char *text);

/*
 * The URL of a file `name` in the folder of the file that `url` names; a query stays.
 * False: it does not fit.
 */
bool options_url_beside(const char *url, const char *name, char *ret, size_t ret_bytes);

/*
 * A copy without user, password and query, cut at n_bytes; for messages and the status.
 */
void options_url_public(const char *url, char *ret, size_t n_bytes);

#endif
