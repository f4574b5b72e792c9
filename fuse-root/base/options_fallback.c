/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_fallback.c - the image that is booted when the first cannot be used
 *
 * It is trusted for no other reasons than the first: by its own digest, or by the public key, which
 * it must be signed with in any case where there is one.
 */
#include "base/options_table.h"

#include <errno.h>

#include "imgfmt/imgfmt.h"

#include "base/log.h"
#include "base/options_url.h"

#define DIGEST_PREFIX "sha256:"

/* URL#sha256:HEX, or the URL alone. */
static int fallback_parse(struct options *o, const struct option_key *k _unused_,
			  const char *text)
{
	const char *hash = strrchr(text, '#');
	const size_t n = hash ? (size_t)(hash - text) : strlen(text);
	uint8_t digest[sizeof o->fallback_digest] = {0};
	char url[OPTIONS_URL_BYTES];

	if (strcmp(text, "0") == 0) {
		o->fallback[0] = '\0';
		o->fallback_has_digest = false;
		return 0;
	}
	if (n >= sizeof url)
		return -E2BIG;
	if (hash && (strncmp(hash + 1, DIGEST_PREFIX, strlen(DIGEST_PREFIX)) != 0 ||
		     !img_digest_parse(hash + 1, digest)))
		return -EINVAL;
	memcpy(url, text, n);
	url[n] = '\0';
	if (!options_url_is_valid(url) &&
	    !(o->takes_foreign && options_url_is_foreign(url)))
		return -EINVAL;
	memcpy(o->fallback, url, n + 1);
	o->fallback_has_digest = hash != NULL;
	memcpy(o->fallback_digest, digest, sizeof digest);
	return 0;
}

static void fallback_print(const struct options *o, const struct option_key *k)
{
	char text[OPTIONS_URL_BYTES + sizeof DIGEST_PREFIX + IMG_HEX_BYTES + 1];
	char hex[IMG_HEX_BYTES];

	img_digest_hex(o->fallback_digest, hex);
	snprintf(text, sizeof text, "%s%s%s", o->fallback,
		 o->fallback_has_digest ? "#" DIGEST_PREFIX : "",
		 o->fallback_has_digest ? hex : "");
	option_print_var(k->name, text);
}

const struct option_type option_type_fallback = {fallback_parse, fallback_print};

static bool is_same_fallback(const struct options *o, const struct option_trust *floor)
{
	return strcmp(o->fallback, floor->fallback) == 0 &&
	       o->fallback_has_digest == floor->fallback_has_digest &&
	       memcmp(o->fallback_digest, floor->fallback_digest,
		      sizeof o->fallback_digest) == 0;
}

void option_keep_fallback(struct options *o, const struct option_trust *floor)
{
	if (!floor->has_digest || *floor->public_key || !*o->fallback ||
	    is_same_fallback(o, floor))
		return;
	/* Another place of the same image is all right. */
	if (o->fallback_has_digest &&
	    memcmp(o->fallback_digest, floor->digest, sizeof floor->digest) == 0)
		return;
	option_warn(o, "fallback: cannot weaken the digest of hydroot.conf: ignored: "
		       "put the fallback there, too");
	memcpy(o->fallback, floor->fallback, sizeof o->fallback);
	o->fallback_has_digest = floor->fallback_has_digest;
	memcpy(o->fallback_digest, floor->fallback_digest, sizeof o->fallback_digest);
}

int options_use_fallback(struct options *o)
{
	char shown[256];

	if (!*o->fallback) {
		log_error("fallback: none is given: rd.hydroot.fallback=URL#sha256:HEX");
		return -ENOENT;
	}
	options_url_public(o->fallback, shown, sizeof shown);
	if (!o->fallback_has_digest && !*o->public_key) {
		log_error("fallback %s: neither a digest nor a public-key: give "
			  "URL#sha256:HEX, or sign it",
			  shown);
		return -EKEYREJECTED;
	}
	memcpy(o->servers[0], o->fallback, sizeof o->servers[0]);
	o->n_servers = 1;
	o->has_url = true;
	o->has_digest = o->fallback_has_digest;
	memcpy(o->digest, o->fallback_digest, sizeof o->digest);
	o->pack[0] = '\0';
	return 0;
}
