/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_auth.c - the secret for the server and the proxy of a transfer, and for nobody else
 *
 * Secrets are given to libcurl as credentials, never as headers of our own: those would go along
 * with a redirect.
 */
#include "source/net_auth.h"

#include "source/url.h"

static void set_basic(CURL *easy, const struct credential *c)
{
	curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
	curl_easy_setopt(easy, CURLOPT_USERNAME, c->user);
	curl_easy_setopt(easy, CURLOPT_PASSWORD, c->secret);
}

static void set_bearer(CURL *easy, const struct credential *c)
{
	curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
	curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, c->secret);
}

/* Version 4 of the signature.  The header says that there is no body; it is no secret. */
static void set_s3(struct net_auth *a, CURL *easy, const struct credential *c)
{
	char provider[128];

	snprintf(provider, sizeof provider, "aws:amz:%s:s3", c->region);
	curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, provider);
	curl_easy_setopt(easy, CURLOPT_USERNAME, c->user);
	curl_easy_setopt(easy, CURLOPT_PASSWORD, c->secret);
	struct curl_slist *with = curl_slist_append(
		a->headers, "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb924"
			    "27ae41e4649b934ca495991b7852b855");
	if (with)
		a->headers = with;
}

static const struct credential *find(const struct net_config *cfg, const char *url,
				     bool is_proxy)
{
	struct url_place place;

	if (cfg->credentials.n == 0)
		return NULL;
	url_place(url, is_proxy, &place);
	/* What stands in the URL itself was given for it. */
	return place.has_user ? NULL
			      : credentials_find(&cfg->credentials, place.scheme,
						 place.host, place.port);
}

static void set_proxy(CURL *easy, const struct net_config *cfg)
{
	const char *proxy = cfg->o->proxy;

	if (!proxy[0])
		return;
	curl_easy_setopt(easy, CURLOPT_PROXY, proxy);
	/* It was named for the image: no_proxy of somebody's shell is not about that. */
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	const struct credential *c = find(cfg, proxy, true);
	if (!c || c->kind != CREDENTIAL_BASIC)
		return;
	curl_easy_setopt(easy, CURLOPT_PROXYAUTH, CURLAUTH_BASIC);
	curl_easy_setopt(easy, CURLOPT_PROXYUSERNAME, c->user);
	curl_easy_setopt(easy, CURLOPT_PROXYPASSWORD, c->secret);
}

void net_auth_set(struct net_auth *a, CURL *easy, const struct net_config *cfg,
		  const char *url)
{
	const struct credential *c = find(cfg, url, false);

	net_auth_fini(a);
	a->headers = curl_slist_append(NULL, "Accept-Encoding: identity");
	set_proxy(easy, cfg);
	if (c && c->kind == CREDENTIAL_BASIC)
		set_basic(easy, c);
	else if (c && c->kind == CREDENTIAL_BEARER)
		set_bearer(easy, c);
	else if (c)
		set_s3(a, easy, c);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, a->headers);
}

void net_auth_fini(struct net_auth *a)
{
	curl_slist_free_all(a->headers);
	a->headers = NULL;
}

bool net_auth_has_proxy(const struct net_config *cfg)
{
	static const char *const names[] = {
		"http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		if (value && value[0])
			return true;
	}
	return cfg->o->proxy[0] != '\0';
}
