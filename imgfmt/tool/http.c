/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.c - parts of an image on a web server
 *
 * Only a 206 with exactly the range that was asked for is data.
 */
#include "imgfmt/tool/http.h"

#include <inttypes.h>
#include <strings.h>

#include <curl/curl.h>

#include "imgfmt/tool/tool.h"

#define CONNECT_SECONDS 10L
#define STALL_SECONDS 30L
#define REDIRECTS_MAX 5L

/* What is there of the file: one range, the last one that was asked for ahead. */
struct kept {
	uint8_t *bytes;
	uint64_t src_off;
	size_t n_bytes;
};

/* The answer that is coming in. */
struct answer {
	uint8_t *to;
	size_t n_room, n_have;
	uint64_t first, last, total;
	bool has_range;
};

struct http_file {
	CURL *easy;
	char *url;
	char *name;
	uint64_t file_bytes; /* 0: not known yet */
	struct kept kept;
	struct answer answer;
	char error[CURL_ERROR_SIZE];
};

bool http_is_url(const char *path)
{
	return strncasecmp(path, "http://", 7) == 0 ||
	       strncasecmp(path, "https://", 8) == 0;
}

const char *http_name(const struct http_file *h)
{
	return h->name;
}

/* Without what stands before the last @ of the authority. */
static char *public_name(const char *url)
{
	const char *authority = strstr(url, "://") + 3;
	const char *at = memrchr(authority, '@', strcspn(authority, "/?#"));
	char *name = NULL;

	if (asprintf(&name, "%.*s%s", (int)(authority - url), url,
		     at ? at + 1 : authority) < 0)
		return NULL;
	return name;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct answer *a = arg;
	char text[128];
	uint64_t first, last, total;

	n *= size;
	if (n >= 5 && memcmp(line, "HTTP/", 5) == 0)
		a->has_range = false; /* of an earlier answer, that led here */
	if (n >= sizeof text || strncasecmp(line, "content-range:", 14) != 0)
		return n;
	memcpy(text, line, n);
	text[n] = '\0';
	if (sscanf(text + 14, " bytes %" SCNu64 "-%" SCNu64 "/%" SCNu64, &first, &last,
		   &total) == 3) {
		a->first = first;
		a->last = last;
		a->total = total;
		a->has_range = true;
	}
	return n;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct answer *a = arg;

	n *= size;
	if (!a->has_range || n > a->n_room - a->n_have)
		return 0;
	memcpy(a->to + a->n_have, data, n);
	a->n_have += n;
	return n;
}

static int check_answer(const struct http_file *h, CURLcode code, uint64_t src_off,
			uint64_t n_bytes)
{
	const struct answer *a = &h->answer;
	long status = 0;

	curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		return tool_fail(h->name, "the server gives whole files only; download "
					  "it first");
	if (status != 0 && status != 206)
		return tool_fail(h->name, "the server answers %ld", status);
	if (status == 206 &&
	    (!a->has_range || a->first != src_off || a->last - a->first >= n_bytes))
		return tool_fail(h->name, "the server gives another range than was "
					  "asked for");
	if (code != CURLE_OK)
		return tool_fail(h->name, "%s",
				 h->error[0] ? h->error : curl_easy_strerror(code));
	if (h->file_bytes && a->total != h->file_bytes)
		return tool_fail(h->name, "was replaced while it was read");
	return EXIT_DONE;
}

/* Up to n_bytes: less only where the file ends.  *ret_n may be NULL. */
static int fetch(struct http_file *h, uint64_t src_off, void *buf, size_t n_bytes,
		 size_t *ret_n)
{
	char range[64];
	CURLcode code;
	int r;

	snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, src_off,
		 src_off + n_bytes - 1);
	h->answer = (struct answer){.to = buf, .n_room = n_bytes};
	h->error[0] = '\0';
	curl_easy_setopt(h->easy, CURLOPT_RANGE, range);
	code = curl_easy_perform(h->easy);
	r = check_answer(h, code, src_off, n_bytes);
	if (r != EXIT_DONE)
		return r;
	if (h->answer.n_have != min_u64(n_bytes, h->answer.total - src_off))
		return tool_fail(h->name, "the answer ends after %zu bytes",
				 h->answer.n_have);
	if (ret_n)
		*ret_n = h->answer.n_have;
	return EXIT_DONE;
}

static bool set_options(struct http_file *h)
{
	CURL *e = h->easy;

	if (curl_easy_setopt(e, CURLOPT_URL, h->url) != CURLE_OK)
		return false;
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(e, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, STALL_SECONDS);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "hydroot-image/" HYDROOT_VERSION);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, &h->answer);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, &h->answer);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, h->error);
	return true;
}

/* As the daemon's keys of these names: a CA of one's own takes the place of the system's. */
static void set_tls(CURL *e, const struct http_tls *tls)
{
	if (tls->ca) {
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
		curl_easy_setopt(e, CURLOPT_CAINFO, tls->ca);
		curl_easy_setopt(e, CURLOPT_PROXY_CAPATH, NULL);
		curl_easy_setopt(e, CURLOPT_PROXY_CAINFO, tls->ca);
	}
	if (tls->cert) {
		curl_easy_setopt(e, CURLOPT_SSLCERT, tls->cert);
		curl_easy_setopt(e, CURLOPT_SSLKEY,
				 tls->cert_key ? tls->cert_key : tls->cert);
	}
}

static struct http_file *new_file(const char *url)
{
	struct http_file *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->url = strdup(url);
	h->name = public_name(url);
	h->easy = curl_easy_init();
	if (!h->url || !h->name || !h->easy || !set_options(h)) {
		http_close(h);
		return NULL;
	}
	return h;
}

int http_open(const char *url, const struct http_tls *tls, size_t n_first,
	      struct http_file **ret, uint64_t *ret_file_bytes)
{
	struct http_file *h = new_file(url);
	int r;

	if (!h)
		return tool_fail("libcurl", "out of memory");
	set_tls(h->easy, tls);
	r = http_prefetch(h, 0, n_first);
	if (r != EXIT_DONE) {
		http_close(h);
		return r;
	}
	h->file_bytes = h->answer.total;
	*ret_file_bytes = h->file_bytes;
	*ret = h;
	return EXIT_DONE;
}

int http_prefetch(struct http_file *h, uint64_t src_off, size_t n_bytes)
{
	struct kept kept = {.bytes = malloc(n_bytes), .src_off = src_off};
	int r = kept.bytes ? fetch(h, src_off, kept.bytes, n_bytes, &kept.n_bytes)
			   : tool_fail(h->name, "out of memory");

	if (r != EXIT_DONE) {
		free(kept.bytes);
		return r;
	}
	free(h->kept.bytes);
	h->kept = kept;
	return EXIT_DONE;
}

int http_read(struct http_file *h, uint64_t src_off, void *buf, size_t n_bytes)
{
	const struct kept *k = &h->kept;

	if (n_bytes == 0)
		return EXIT_DONE;
	if (src_off >= k->src_off && src_off - k->src_off <= k->n_bytes &&
	    n_bytes <= k->n_bytes - (src_off - k->src_off)) {
		memcpy(buf, k->bytes + (src_off - k->src_off), n_bytes);
		return EXIT_DONE;
	}
	return fetch(h, src_off, buf, n_bytes, NULL);
}

void http_close(struct http_file *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->easy);
	free(h->kept.bytes);
	free(h->url);
	free(h->name);
	free(h);
}
