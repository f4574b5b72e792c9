/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.h - parts of an image on a web server
 *
 * For looking, not for copying: one request at a time, each for a range, and nothing is
 * asked for twice.  The server must answer ranges.
 */
#ifndef IMGFMT_HTTP_H
#define IMGFMT_HTTP_H

#include "imgfmt/base.h"

struct http_file;

bool http_is_url(const char *path);

/*
 * Files in PEM for https servers; NULL: the system's CAs, no client certificate, the key in the
 * certificate's file.
 */
struct http_tls {
	const char *ca, *cert, *cert_key;
};

/*
 * All print, and return an exit code.  http_open asks for the first n_first bytes, which
 * tells the file's length too; http_prefetch for a range that http_read will want parts
 * of.  A range is inside the file.
 */
int http_open(const char *url, const struct http_tls *tls, size_t n_first,
	      struct http_file **ret, uint64_t *ret_file_bytes) _must_check_;
int http_prefetch(struct http_file *h, uint64_t src_off, size_t n_bytes) _must_check_;
int http_read(struct http_file *h, uint64_t src_off, void *buf,
	      size_t n_bytes) _must_check_;
void http_close(struct http_file *h);

/* The URL without user name and password; lives as long as h. */
const char *http_name(const struct http_file *h);

#endif
