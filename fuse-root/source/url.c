/* SPDX-License-Identifier: Apache-2.0 */
/*
 * url.c - names in URLs, and the file beside the one that a URL names
 *
 * URLs are read by libcurl's own parser: another one could find another host in them.
 */
#include "source/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>

/* The part as text, or "". */
static void take_part(CURLU *u, CURLUPart part, unsigned flags, char *ret, size_t n_bytes)
{
	char *text = NULL;

	ret[0] = '\0';
	if (curl_url_get(u, part, &text, flags) == CURLUE_OK && strlen(text) < n_bytes)
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

/* Without one in its URL: see CURLOPT_PROXY(3). */
static unsigned proxy_port(const struct url_place *proxy)
{
	return strcmp(proxy->scheme, "https") == 0 ? 443 : 1080;
}

void url_place(const char *url, bool is_proxy, struct url_place *ret)
{
	CURLU *u = curl_url();
	char port[8] = "", full[1100];

	*ret = (struct url_place){.scheme = ""};
	snprintf(full, sizeof full, "%s%s",
		 is_proxy && !strstr(url, "://") ? "http://" : "", url);
	if (u &&
	    curl_url_set(u, CURLUPART_URL, full, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK) {
		char *text = NULL;

		take_part(u, CURLUPART_SCHEME, 0, ret->scheme, sizeof ret->scheme);
		take_part(u, CURLUPART_HOST, 0, ret->host, sizeof ret->host);
		take_part(u, CURLUPART_PORT, is_proxy ? 0 : CURLU_DEFAULT_PORT, port,
			  sizeof port);
		ret->has_user = curl_url_get(u, CURLUPART_USER, &text, 0) == CURLUE_OK;
		curl_free(text);
		ret->port = (unsigned)strtoul(port, NULL, 10);
		if (is_proxy && !port[0])
			ret->port = proxy_port(ret);
		strip_brackets(ret->host);
	}
	curl_url_cleanup(u);
}

bool url_has_name(const char *url, bool is_proxy)
{
	struct url_place place;
	uint8_t address[16];

	url_place(url, is_proxy, &place);
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
