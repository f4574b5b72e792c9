/* SPDX-License-Identifier: Apache-2.0 */
/*
 * url.c - which name a URL makes libcurl look up
 *
 * Only for libcurl's own cache of names: a mistake here costs a lookup, never sends anything
 * anywhere.
 */
#include "source/url.h"

#include <strings.h>

/* The part behind the last @ of the authority. */
static const char *host_start(const char *start, size_t n)
{
	const char *at = memrchr(start, '@', n);

	return at ? at + 1 : start;
}

static bool parse_port(const char *text, size_t n, unsigned *ret)
{
	unsigned port = 0;

	if (n == 0 || n > 5)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		port = port * 10 + (unsigned)(text[i] - '0');
	}
	*ret = port;
	return port > 0 && port < 65536;
}

bool url_host_port(const char *url, char *ret_host, size_t host_bytes, unsigned *ret_port)
{
	const bool is_https = strncasecmp(url, "https://", 8) == 0;
	const char *start = url + (is_https ? 8 : 7);

	if (!is_https && strncasecmp(url, "http://", 7) != 0)
		return false;
	size_t n = strcspn(start, "/?#");
	const char *host = host_start(start, n);
	n -= (size_t)(host - start);
	if (n == 0 || host[0] == '[')
		return false;
	const char *colon = memchr(host, ':', n);
	const size_t host_n = colon ? (size_t)(colon - host) : n;
	*ret_port = is_https ? 443 : 80;
	if (colon && !parse_port(colon + 1, n - host_n - 1, ret_port))
		return false;
	if (host_n == 0 || host_n >= host_bytes)
		return false;
	memcpy(ret_host, host, host_n);
	ret_host[host_n] = '\0';
	return true;
}
