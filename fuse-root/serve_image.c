/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_image.c - the image: which one is wanted, and waiting for it
 */
#include "serve.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/utsname.h>

#include "base/log.h"

/* The image may be long in coming: who asks meanwhile gets an answer. */
static bool on_idle(void *ctx)
{
	struct serve *s = ctx;

	serve_tick(s);
	serve_wait_for_events(s, 0);
	return !s->is_leaving && serve_servers_will_do(s);
}

/* The kernel that the image must have modules for; NULL: any.  In a boot only. */
static const char *wanted_kernel(const struct serve *s)
{
	static struct utsname host;

	if (!s->d->is_boot || s->o->kernel_check == CHECK_WARN ||
	    s->o->kernel_check == CHECK_OFF || uname(&host) < 0)
		return NULL;
	return host.release;
}

struct openimage_trust serve_trust(const struct serve *s)
{
	struct openimage_trust trust = {
		.has_digest = s->o->has_digest,
		.public_key = s->d->public_key,
		.public_key_bytes = s->d->public_key_bytes,
		.min_version = s->o->min_version,
		.kernel = wanted_kernel(s),
	};

	memcpy(trust.digest, s->o->digest, sizeof trust.digest);
	return trust;
}

int serve_open_image(struct serve *s)
{
	struct openimage_config config = {
		.source = s->source,
		.n_servers = s->o->n_servers,
		.trust = serve_trust(s),
		.region = s->d->region,
		.deadline_ms = s->d->start_ms + s->o->attach_timeout_ms,
		.idle = on_idle,
		.ctx = s,
	};
	char why[256] = "", digest[IMG_HEX_BYTES];
	int err;

	if (s->o->mode == MODE_FULL)
		source_allow_sequential(s->source);
	err = openimage_open(&config, &s->image, why, sizeof why);
	if (err == -ECANCELED)
		return s->error[0] ? serve_fail(s, -EOPNOTSUPP, "servers") : err;
	if (err < 0) {
		snprintf(s->error, sizeof s->error, "image: %s", why);
		log_error("image: not attached: %s", s->error + strlen("image: "));
		return serve_fail(s, err, "image");
	}
	img_digest_hex(img_info(s->image.img)->digest, digest);
	log_debug("image: sha256:%s, %" PRIu64 " chunks", digest,
		  img_info(s->image.img)->n_chunks);
	if (!s->o->has_digest && !s->d->public_key)
		serve_keep_warning(s, "image: not authenticated: anybody who can answer "
				      "for the server can replace it: set digest= or "
				      "public-key=");
	return 0;
}
