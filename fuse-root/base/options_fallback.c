/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_fallback.c - the image that is booted when the first cannot be used
 *
 * It is trusted for no other reasons than the first: by its own digest, or by the public key, which
 * it must be signed with in any case where there is one.
 */
#include "base/options_table.h"

#include <errno.h>

#include "base/log.h"
#include "base/options_url.h"

static int fallback_parse(struct options *o, const struct option_key *k _unused_,
			  const char *text)
{
	struct options_pin pin;
	int err = option_pin_parse(text, &pin);

	if (err)
		return err;
	if (*pin.url && !options_url_is_valid(pin.url) &&
	    !(o->takes_foreign && options_url_is_foreign(pin.url)))
		return -EINVAL;
	o->fallback = pin;
	return 0;
}

const struct option_type option_type_fallback = {fallback_parse, option_pin_print};

void option_keep_fallback(struct options *o, const struct option_trust *floor)
{
	if (!floor->has_digest || *floor->public_key || !*o->fallback.url)
		return;
	if (strcmp(o->fallback.url, floor->fallback.url) == 0 &&
	    option_pin_has_same_digest(&o->fallback, &floor->fallback))
		return;
	/* Another place of the same image is all right. */
	if (o->fallback.has_digest &&
	    memcmp(o->fallback.digest, floor->digest, sizeof floor->digest) == 0)
		return;
	option_warn(o, "fallback: cannot weaken the digest of hydroot.conf: ignored: "
		       "put the fallback there, too");
	o->fallback = floor->fallback;
}

int options_use_fallback(struct options *o)
{
	char shown[256];

	if (!*o->fallback.url) {
		log_error("fallback: none is given: rd.hydroot.fallback=URL#sha256:HEX");
		return -ENOENT;
	}
	options_url_public(o->fallback.url, shown, sizeof shown);
	if (!o->fallback.has_digest && !*o->public_key) {
		log_error("fallback %s: neither a digest nor a public-key: give "
			  "URL#sha256:HEX, or sign it",
			  shown);
		return -EKEYREJECTED;
	}
	memcpy(o->servers[0], o->fallback.url, sizeof o->servers[0]);
	o->n_servers = 1;
	o->has_url = true;
	o->has_digest = o->fallback.has_digest;
	memcpy(o->digest, o->fallback.digest, sizeof o->digest);
	o->pack = (struct options_pin){0};
	return 0;
}
