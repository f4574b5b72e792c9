/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_url.c - a first look at URLs; libcurl takes them apart for real
 */
#include "base/options_url.h"

#include <strings.h>

/* Past "http://" or "https://", or NULL. */
static const char *after_scheme(const char *url)
{
	if (strncasecmp(url, "http://", 7) == 0)
		return url + 7;
	if (strncasecmp(url, "https://", 8) == 0)
		return url + 8;
	return NULL;
}

static bool is_clean(const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c <= ' ' || *c == 0x7f)
			return false;
	}
	return true;
}

const char *options_url_file(const char *url)
{
	return strncasecmp(url, "file:///", 8) == 0 && url[8] ? url + 7 : NULL;
}

bool options_url_is_valid(const char *url)
{
	const char *host = after_scheme(url);

	if (options_url_file(url))
		return is_clean(url);
	return host && host[strcspn(host, "/?#")] == '/' && host[0] != '/' &&
	       host[0] != ':' && is_clean(url);
}

/* "[" stands at most once, before an address of IPv6 that is the host: nothing for a shell to expand. */
static bool has_fair_brackets(const char *authority)
{
	const char *bracket = strchr(authority, '['), *end;

	if (!bracket)
		return true;
	end = bracket + 1 + strspn(bracket + 1, "0123456789abcdefABCDEF:.");
	return bracket < authority + strcspn(authority, "/") &&
	       (bracket == authority || bracket[-1] == '@') && end > bracket + 1 &&
	       *end == ']' && (end[1] == '/' || end[1] == ':') && !strchr(end, '[');
}

bool options_url_is_foreign(const char *url)
{
	static const char *const ours[] = {"http", "https", "file"};
	const size_t n = strspn(url, "abcdefghijklmnopqrstuvwxyz0123456789+-");
	const char *host = url + n + 3;

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (strlen(ours[i]) == n && memcmp(ours[i], url, n) == 0)
			return false;
	return n > 0 && url[0] >= 'a' && url[0] <= 'z' &&
	       strncmp(url + n, "://", 3) == 0 && host[0] != '/' && strchr(host, '/') &&
	       !strpbrk(url, "'\"\\`$*?#") && has_fair_brackets(host) &&
	       !strstr(url, "/../") && is_clean(url);
}

bool options_url_is_proxy(const char *text)
{
	static const char *const schemes[] = {
		"http://", "https://", "socks4://", "socks5://", "socks5h://",
	};
	const char *host = text;

	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		if (strncasecmp(text, schemes[i], strlen(schemes[i])) == 0)
			host = text + strlen(schemes[i]);
	}
	const size_t n = strcspn(host, "/?#");
	return n > 0 && host[0] != ':' && (!host[n] || strcmp(host + n, "/") == 0) &&
	       is_clean(text);
}

bool options_url_is_name(const char *text)
{
	if (!*text || *text == '/' || strchr(text, ':') || strstr(text, ".."))
		return false;
	for (const unsigned char *c = (const unsigned char *)text; *c; c++)
		if (*c <= ' ' || *c == 0x7f || strchr("?#\\", *c))
			return false;
	return true;
}

bool options_url_beside(const char *url, const char *name, char *ret, size_t ret_bytes)
{
	const char *authority = after_scheme(url);
	const size_t n_path = strcspn(url, "?#");
	const char *slash = memrchr(url, '/', n_path);
	int n;

	if (!authority || !slash || slash < authority)
		return false;
	n = snprintf(ret, ret_bytes, "%.*s/%s%s", (int)(slash - url), url, name,
		     url + n_path);
	return n >= 0 && (size_t)n < ret_bytes;
}

void options_url_public(const char *url, char *ret, size_t n_bytes)
{
	const char *host = strstr(url, "://");
	size_t n_authority, n_shown, n_user = 0;

	host = host ? host + 3 : url;
	n_authority = strcspn(host, "/?#");
	n_shown = strcspn(host, "?#");
	for (size_t i = 0; i < n_authority; i++) {
		if (host[i] == '@')
			n_user = i + 1;
	}
	snprintf(ret, n_bytes, "%.*s%.*s%s", (int)(host - url), url,
		 (int)(n_shown - n_user), host + n_user, host[n_shown] ? "?…" : "");
}
