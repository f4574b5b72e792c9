/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_pack.c - the hot pack beside the image
 *
 * It is trusted by its own digest, or by the public key, which it must be signed with in any case
 * where there is one: the digest of an image says nothing of a pack.
 */
#include "base/options_table.h"

#include <errno.h>

#include "base/options_url.h"

/* A URL, or the name of a file in the folder of the image's URL. */
static int pack_parse(struct options *o, const struct option_key *k _unused_,
		      const char *text)
{
	struct options_pin pin;
	int err = option_pin_parse(text, &pin);

	if (err)
		return err;
	if (*pin.url && !options_url_is_valid(pin.url) && !options_url_is_name(pin.url))
		return -EINVAL;
	o->pack = pin;
	return 0;
}

const struct option_type option_type_pack = {pack_parse, option_pin_print};

int options_resolve_pack(struct options *o)
{
	char url[OPTIONS_URL_BYTES];

	if (!o->pack.url[0] || options_url_is_valid(o->pack.url))
		return 0;
	if (!options_url_beside(o->servers[0], o->pack.url, url, sizeof url))
		return -E2BIG;
	return option_copy(o->pack.url, sizeof o->pack.url, url);
}

void option_keep_pack(struct options *o, const struct option_trust *floor)
{
	if (!floor->has_digest || *o->public_key || !*o->pack.url)
		return;
	/* Another place of the same pack is all right. */
	if (option_pin_has_same_digest(&o->pack, &floor->pack) &&
	    (o->pack.has_digest || strcmp(o->pack.url, floor->pack.url) == 0))
		return;
	option_warn(o, "pack: cannot weaken the digest of hydroot.conf: ignored: put "
		       "pack=URL#sha256:HEX there, too");
	o->pack = floor->pack;
}
