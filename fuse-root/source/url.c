/* SPDX-License-Identifier: Apache-2.0 */
/*
 * url.c - names in URLs, and the file beside the one that a URL names
 *
 * The host is only for libcurl's own cache of names: a mistake there costs a lookup, never sends
 * anything anywhere.
 */
#include "source/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
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

/* The part as text, or "". */
static void take_part(CURLU *u, CURLUPart part, char *ret, size_t n_bytes)
{
	char *text = NULL;

	ret[0] = '\0';
	if (curl_url_get(u, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	    strlen(text) < n_bytes)
		memcpy(ret, text, strlen(text) + 1);
	curl_free(text);
}

/* libcurl gives an IPv6 address with its brackets. */
static void strip_brackets(char *host)
{
	const size_t n = strlen(host);

	if (n < 2 || host[0] != '[' || host[n - 1] != ']')
		return;
	memmove(host, host + 1, n - 2);
	host[n - 2] = '\0';
}

void url_place(const char *url, const char *scheme, struct url_place *ret)
{
	CURLU *u = curl_url();
	char port[8] = "", full[1100];

	*ret = (struct url_place){.scheme = ""};
	snprintf(full, sizeof full, "%s%s%s", scheme && !strstr(url, "://") ? scheme : "",
		 scheme && !strstr(url, "://") ? "://" : "", url);
	if (u &&
	    curl_url_set(u, CURLUPART_URL, full, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK) {
		char *text = NULL;

		take_part(u, CURLUPART_SCHEME, ret->scheme, sizeof ret->scheme);
		take_part(u, CURLUPART_HOST, ret->host, sizeof ret->host);
		take_part(u, CURLUPART_PORT, port, sizeof port);
		ret->has_user = curl_url_get(u, CURLUPART_USER, &text, 0) == CURLUE_OK;
		curl_free(text);
		ret->port = (unsigned)strtoul(port, NULL, 10);
		strip_brackets(ret->host);
	}
	curl_url_cleanup(u);
}

bool url_has_name(const char *url, const char *scheme)
{
	struct url_place place;
	uint8_t address[16];

	url_place(url, scheme, &place);
	return place.host[0] && inet_pton(AF_INET, place.host, address) != 1 &&
	       inet_pton(AF_INET6, place.host, address) != 1;
}

bool url_by_digest(const char *url, const uint8_t digest[IMG_DIGEST_BYTES], char *ret,
		   size_t ret_bytes)
{
	const char *authority = strstr(url, "://");
	char hex[IMG_HEX_BYTES];

	if (!authority)
		return false;
	authority += 3;
	const size_t n_path = strcspn(url, "?#");
	const char *slash = memrchr(url, '/', n_path);
	if (!slash || slash < authority)
		return false;
	img_digest_hex(digest, hex);
	const int n = snprintf(ret, ret_bytes, "%.*s/by-digest/%s.hri%s",
			       (int)(slash - url), url, hex, url + n_path);
	return n >= 0 && (size_t)n < ret_bytes;
}
