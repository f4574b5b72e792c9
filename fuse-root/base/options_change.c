/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_change.c - see options_change.h
 *
 * All words are applied to a copy, which replaces the options only when every one was right.
 */
#include "base/options_change.h"

#include <errno.h>

#include "base/options_table.h"
#include "base/options_url.h"

static const char *const names[] = {"mode", "rate", "cache", "reserve", "server"};

#define KEYS_ACCEPTED "mode, rate, cache, reserve, server"

struct change {
	struct options next;
	unsigned changed;
	char *why;
	size_t why_bytes;
};

const char *option_change_name(enum option_change key)
{
	return names[__builtin_ctz(key)];
}

/* The index of the key in `names`, which is the number of its bit; -1: not one of them. */
static int find_name(const char *word, size_t n_bytes)
{
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (strlen(names[i]) == n_bytes && memcmp(names[i], word, n_bytes) == 0)
			return (int)i;
	}
	return -1;
}

static int refuse(struct change *c, const struct option_key *k, const char *value,
		  const char *accepted)
{
	char shown[128];

	options_url_public(value, shown, sizeof shown);
	snprintf(c->why, c->why_bytes, "%s=%s: wrong value: accepted: %s", k->name, shown,
		 accepted);
	return -EINVAL;
}

/* The first server is the URL itself; the places behind it move up. */
static int remove_server(struct change *c, const char *url)
{
	struct options *o = &c->next;

	for (unsigned i = 0; i < o->n_servers; i++) {
		if (strcmp(o->servers[i], url) != 0)
			continue;
		if (o->n_servers == 1) {
			snprintf(c->why, c->why_bytes, "server: the last one must stay");
			return -EINVAL;
		}
		o->n_servers--;
		memmove(o->servers[i], o->servers[i + 1],
			(o->n_servers - i) * sizeof o->servers[0]);
		return 0;
	}
	snprintf(c->why, c->why_bytes, "server: there is none of that URL to remove");
	return -EINVAL;
}

/* What is there already is not added twice. */
static bool has_server(const struct options *o, const char *url)
{
	for (unsigned i = 0; i < o->n_servers; i++) {
		if (strcmp(o->servers[i], url) == 0)
			return true;
	}
	return false;
}

static int parse(struct change *c, const struct option_key *k, const char *value)
{
	int err = k->type->parse(&c->next, k, value);

	if (err == -E2BIG)
		snprintf(c->why, c->why_bytes, "%s: the value is too long", k->name);
	else if (err == -ENOSPC)
		snprintf(c->why, c->why_bytes, "%s: at most %u servers", k->name,
			 OPTIONS_SERVERS_MAX);
	else if (err)
		return refuse(c, k, value, k->accepted);
	return err ? -EINVAL : 0;
}

static int change_server(struct change *c, const struct option_key *k, const char *value)
{
	if (value[0] == '-')
		return remove_server(c, value + 1);
	return has_server(&c->next, value) ? 0 : parse(c, k, value);
}

static int change_mode(struct change *c, const struct option_key *k, const char *value)
{
	static const char accepted[] = "stream, hybrid";

	if (k->type->parse(&c->next, k, value) || c->next.mode == MODE_FULL)
		return refuse(c, k, value, accepted);
	return 0;
}

static int change(struct change *c, const char *word)
{
	size_t n_name = strcspn(word, "=");
	int i = find_name(word, n_name);
	const struct option_key *k;

	if (i < 0 || word[n_name] != '=') {
		snprintf(c->why, c->why_bytes,
			 "%.64s: not KEY=VALUE of a key that can be "
			 "set: " KEYS_ACCEPTED,
			 word);
		return -EINVAL;
	}
	k = option_find(names[i], n_name);
	c->changed |= 1u << i;
	switch (1u << i) {
	case CHANGE_MODE:
		return change_mode(c, k, word + n_name + 1);
	case CHANGE_SERVER:
		return change_server(c, k, word + n_name + 1);
	default:
		return parse(c, k, word + n_name + 1);
	}
}

int options_change(struct options *next, const char *const *words, unsigned n_words,
		   unsigned *ret_changed, char *why, size_t why_bytes)
{
	struct change *c = malloc(sizeof *c); /* too big for a stack */
	int err = 0;

	if (!c) {
		snprintf(why, why_bytes, "out of memory");
		return -ENOMEM;
	}
	c->next = *next;
	c->changed = 0;
	c->why = why;
	c->why_bytes = why_bytes;
	if (n_words == 0) {
		snprintf(why, why_bytes, "KEY=VALUE: missing");
		err = -EINVAL;
	}
	for (unsigned i = 0; !err && i < n_words; i++)
		err = change(c, words[i]);
	if (!err) {
		*next = c->next;
		*ret_changed = c->changed;
	}
	free(c);
	return err;
}
