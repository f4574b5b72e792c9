/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_change.c - `hydroot set`: change mode, rate, cache, reserve and servers of a running daemon
 *
 * Every word is read and checked before anything is changed.  What could still fail is applied
 * before what cannot; when it fails, what was applied before it is taken back, so that a call
 * changes all that it names or nothing.
 */
#include "serve.h"

#include <errno.h>

#include "base/log.h"
#include "base/options_url.h"

/*
 * Bring one key into effect; `next` has the new value and, in a second call, the old one again.
 * 0, or -errno with a reason and nothing changed.
 */
struct setter {
	enum option_change key;
	int (*apply)(struct serve *s, const struct options *next, char *why,
		     size_t why_bytes);
};

static int set_mode(struct serve *s, const struct options *next, char *why,
		    size_t why_bytes)
{
	return serve_set_mode(s, next->mode, why, why_bytes);
}

static int set_cache(struct serve *s, const struct options *next, char *why,
		     size_t why_bytes)
{
	return serve_set_cache(s, next->cache_bytes, why, why_bytes);
}

static int set_reserve(struct serve *s, const struct options *next, char *why _unused_,
		       size_t why_bytes _unused_)
{
	s->d->options.reserve_bytes = next->reserve_bytes;
	return 0;
}

/* Nothing is opened by a path while it runs: the file may be on the very disk that is served. */
static bool is_file_new(const struct options *now, const char *url)
{
	if (!options_url_file(url))
		return false;
	for (unsigned i = 0; i < now->n_servers; i++)
		if (strcmp(now->servers[i], url) == 0)
			return false;
	return true;
}

static int check_servers(const struct options *now, const struct options *next, char *why,
			 size_t why_bytes)
{
	for (unsigned i = 0; i < next->n_servers; i++) {
		if (!is_file_new(now, next->servers[i]))
			continue;
		snprintf(why, why_bytes,
			 "server: %.200s: files cannot be opened any more: attach "
			 "anew with --server",
			 next->servers[i]);
		return -EOPNOTSUPP;
	}
	return 0;
}

void serve_use_servers(struct serve *s, const struct options *o)
{
	const char *urls[OPTIONS_SERVERS_MAX];

	for (unsigned i = 0; i < o->n_servers; i++)
		urls[i] = o->servers[i];
	source_set_servers(s->source, urls, o->n_servers);
	if (net_needs_names(o))
		daemon_tell(s->d->serve_end, KEEPER_NAMES, "");
}

static int set_servers(struct serve *s, const struct options *next, char *why _unused_,
		       size_t why_bytes _unused_)
{
	serve_use_servers(s, next);
	return 0;
}

static int set_rate(struct serve *s, const struct options *next, char *why _unused_,
		    size_t why_bytes _unused_)
{
	engine_set_rate(s->engine, next->rate_bytes);
	return 0;
}

/*
 * The cache before the mode that uses it, or that would begin with a budget which was not
 * meant.  What cannot fail comes last: a server that was let go would come back as a new one.
 */
static const struct setter setters[] = {
	{CHANGE_CACHE, set_cache}, {CHANGE_RESERVE, set_reserve},
	{CHANGE_MODE, set_mode},   {CHANGE_SERVER, set_servers},
	{CHANGE_RATE, set_rate},
};

static void take_back(struct serve *s, const struct options *before, unsigned changed,
		      unsigned n_applied)
{
	char why[128];

	while (n_applied-- > 0) {
		const struct setter *setter = &setters[n_applied];

		if (changed & setter->key &&
		    setter->apply(s, before, why, sizeof why) < 0)
			log_error("set: %s: cannot be taken back: %s",
				  option_change_name(setter->key), why);
	}
}

static int apply(struct serve *s, const struct options *next, unsigned changed, char *why,
		 size_t why_bytes)
{
	static struct options before; /* large; the main thread's alone */

	if (changed & CHANGE_SERVER && check_servers(s->o, next, why, why_bytes) < 0)
		return -EOPNOTSUPP;
	/* A setter may change s->o itself. */
	before = *s->o;
	for (unsigned i = 0; i < ARRAY_SIZE(setters); i++) {
		int err = changed & setters[i].key
				  ? setters[i].apply(s, next, why, why_bytes)
				  : 0;

		if (err < 0) {
			take_back(s, &before, changed, i);
			return err;
		}
	}
	return 0;
}

static int check_state(const struct serve *s, char *why, size_t why_bytes)
{
	if (s->state == STATE_FILLING || s->state == STATE_STREAMING)
		return 0;
	if (s->state == STATE_ATTACHING)
		snprintf(why, why_bytes, "it is not attached yet: try again when it is");
	else
		snprintf(why, why_bytes, "nothing is fetched any more: %s",
			 attach_state_name(s->state));
	return -EAGAIN;
}

static void log_words(const char *const *words, unsigned n_words)
{
	for (unsigned i = 0; i < n_words; i++) {
		/* URLs of servers may have passwords. */
		size_t n = strncmp(words[i], "server=", 7) == 0 ? 6 : strlen(words[i]);

		log_notice("set: %.*s", (int)n, words[i]);
	}
}

int serve_set(void *ctx, const char *const *words, unsigned n_words, char *why,
	      size_t why_bytes)
{
	static struct options next; /* large; the main thread's alone */
	struct serve *s = ctx;
	unsigned changed = 0;
	int err;

	next = *s->o;
	err = options_change(&next, words, n_words, &changed, why, why_bytes);
	if (err == 0)
		err = check_state(s, why, why_bytes);
	if (err == 0)
		err = apply(s, &next, changed, why, why_bytes);
	if (err < 0)
		return err;
	s->d->options = next;
	serve_record_settings(s);
	log_words(words, n_words);
	return 0;
}
