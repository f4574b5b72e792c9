/* SPDX-License-Identifier: Apache-2.0 */
/*
 * url.h - which name a URL makes libcurl look up
 */
#ifndef SOURCE_URL_H
#define SOURCE_URL_H

#include "imgfmt/base.h"

/*
 * Host and port of an http or https URL; false when it is none, does not fit, or is an IPv6
 * address in brackets, which nobody looks up.
 */
bool url_host_port(const char *url, char *ret_host, size_t host_bytes,
		   unsigned *ret_port);

#endif
