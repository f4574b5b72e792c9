/* SPDX-License-Identifier: Apache-2.0 */
/*
 * post.c - see post.h
 *
 * The URL may have a password in it, so it is neither an argument nor part of a message.
 */
#include "source/post.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "source/net_auth.h"
#include "source/net_tls.h"

#define POST_MS 10000

struct post {
	CURL *easy;
	struct net_auth auth;
	struct net_tls tls;
	char url[OPTIONS_URL_BYTES + 32];
	char error[CURL_ERROR_SIZE];
};

static size_t forget_answer(char *data, size_t size, size_t n, void *arg)
{
	(void)data;
	(void)arg;
	return size * n;
}

static void set_request(struct post *p, const struct net_config *cfg, const char *text,
			size_t n_bytes)
{
	CURL *e = p->easy;

	net_tls_set(e, cfg, &p->tls);
	net_auth_set(&p->auth, e, cfg, p->url);
	curl_easy_setopt(e, CURLOPT_PROXY, ""); /* that is for the image's servers */
	p->auth.headers =
		curl_slist_append(p->auth.headers, "Content-Type: application/json");
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, p->auth.headers);
	curl_easy_setopt(e, CURLOPT_URL, p->url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_POST, 1L);
	curl_easy_setopt(e, CURLOPT_POSTFIELDS, text);
	curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n_bytes);
	curl_easy_setopt(e, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	/* Nor for a lookup that was given up. */
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)POST_MS);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "hydroot/" HYDROOT_VERSION);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, forget_answer);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, p->error);
}

int post_report(const struct net_config *cfg, const char *event, const char *text,
		size_t n_bytes, char ret_why[POST_WHY_BYTES])
{
	const char *url = cfg->o->report;
	struct post p = {.easy = curl_easy_init()};
	CURLcode code;

	if (!p.easy) {
		snprintf(ret_why, POST_WHY_BYTES, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	snprintf(p.url, sizeof p.url, "%s%cevent=%s", url, strchr(url, '?') ? '&' : '?',
		 event);
	set_request(&p, cfg, text, n_bytes);
	code = curl_easy_perform(p.easy);
	if (code != CURLE_OK)
		snprintf(ret_why, POST_WHY_BYTES, "%s",
			 p.error[0] ? p.error : curl_easy_strerror(code));
	curl_easy_cleanup(p.easy);
	net_auth_fini(&p.auth);
	return code == CURLE_OK ? 0 : -EIO;
}

int post_main(const struct net_config *cfg, const char *event, const char *text,
	      size_t n_bytes, int why_fd)
{
	char why[POST_WHY_BYTES] = "";
	int err = net_confine(cfg, &why_fd);

	if (err == 0)
		err = post_report(cfg, event, text, n_bytes, why);
	if (why[0])
		(void)!write(why_fd, why, strlen(why));
	return err;
}
