/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_pin.c - URL#sha256:HEX: a place, and the digest of what must be there
 *
 * Which places are good is for the types of the keys that take such a value.
 */
#include "base/options_table.h"

#include <errno.h>

#include "imgfmt/imgfmt.h"

#define DIGEST_PREFIX "sha256:"

int option_pin_parse(const char *text, struct options_pin *ret)
{
	const char *hash = strrchr(text, '#');
	const size_t n = hash ? (size_t)(hash - text) : strlen(text);
	struct options_pin pin = {.has_digest = hash != NULL};

	if (strcmp(text, "0") == 0) {
		*ret = (struct options_pin){0};
		return 0;
	}
	if (n == 0)
		return -EINVAL;
	if (n >= sizeof pin.url)
		return -E2BIG;
	if (hash && (strncmp(hash + 1, DIGEST_PREFIX, strlen(DIGEST_PREFIX)) != 0 ||
		     !img_digest_parse(hash + 1, pin.digest)))
		return -EINVAL;
	memcpy(pin.url, text, n);
	*ret = pin;
	return 0;
}

void option_pin_print(const struct options *o, const struct option_key *k)
{
	const struct options_pin *pin = (const void *)((const char *)o + k->offset);
	char text[OPTIONS_URL_BYTES + sizeof DIGEST_PREFIX + IMG_HEX_BYTES + 1];
	char hex[IMG_HEX_BYTES];

	img_digest_hex(pin->digest, hex);
	snprintf(text, sizeof text, "%s%s%s", pin->url,
		 pin->has_digest ? "#" DIGEST_PREFIX : "", pin->has_digest ? hex : "");
	option_print_var(k->name, text);
}

bool option_pin_has_same_digest(const struct options_pin *a, const struct options_pin *b)
{
	return a->has_digest == b->has_digest &&
	       memcmp(a->digest, b->digest, sizeof a->digest) == 0;
}
