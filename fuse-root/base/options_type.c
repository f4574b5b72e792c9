/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_type.c - how a value of each type is read, checked and printed for sh
 *
 * A parse function changes its field only when the whole value is right.
 */
#include "base/options_table.h"

#include <errno.h>
#include <strings.h>

#include "imgfmt/imgfmt.h"

#include "base/options_url.h"
#include "base/rundir.h"

#define DIGEST_PREFIX "sha256:"

static void *field(struct options *o, const struct option_key *k)
{
	return (char *)o + k->offset;
}

static const void *field_const(const struct options *o, const struct option_key *k)
{
	return (const char *)o + k->offset;
}

int option_copy(char *dst, size_t dst_bytes, const char *text)
{
	size_t n = strlen(text);

	if (n >= dst_bytes)
		return -E2BIG;
	memcpy(dst, text, n + 1);
	return 0;
}

/* What 0 stands for, with the keys that have such a word. */
static bool means_off(const char *word)
{
	return strcmp(word, "off") == 0 || strcmp(word, "none") == 0;
}

/* All option enums have the size of an unsigned int, which the table's rows assert. */
static int word_parse(struct options *o, const struct option_key *k, const char *text)
{
	/* The only alias there is, of a word that no other key has. */
	const char *name = strcmp(text, "full-copy") == 0 ? "full" : text;
	const bool is_off = strcmp(text, "0") == 0;

	for (unsigned i = 0; k->words[i]; i++) {
		if (strcmp(name, k->words[i]) == 0 ||
		    (is_off && means_off(k->words[i]))) {
			memcpy(field(o, k), &i, sizeof i);
			return 0;
		}
	}
	return -EINVAL;
}

static void word_print(const struct options *o, const struct option_key *k)
{
	unsigned i;

	memcpy(&i, field_const(o, k), sizeof i);
	option_print_var(k->name, k->words[i]);
}

const struct option_type option_type_word = {word_parse, word_print};

int option_bool_parse(const char *text, bool *ret)
{
	static const char *const words[] = {
		"0", "1", "no", "yes", "off", "on", "n", "y", "false", "true",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(text, words[i]) == 0) {
			*ret = i % 2;
			return 0;
		}
	}
	return -EINVAL;
}

static int bool_parse(struct options *o, const struct option_key *k, const char *text)
{
	return option_bool_parse(text, field(o, k));
}

static void bool_print(const struct options *o, const struct option_key *k)
{
	option_print_number(k->name, *(const bool *)field_const(o, k));
}

const struct option_type option_type_bool = {bool_parse, bool_print};

static bool is_within(const struct option_key *k, uint64_t n)
{
	return n >= k->min && (k->max == 0 || n <= k->max);
}

static int u64_store(struct options *o, const struct option_key *k, int err, uint64_t n)
{
	if (err || !is_within(k, n))
		return -EINVAL;
	*(uint64_t *)field(o, k) = n;
	return 0;
}

static int size_parse(struct options *o, const struct option_key *k, const char *text)
{
	uint64_t n = 0;
	int err = options_memory(text, &n);

	if (err == 0 && n == 0 && k->flags & OPT_ZERO_OFF) {
		*(uint64_t *)field(o, k) = OPTIONS_RESERVE_OFF;
		return 0;
	}
	return u64_store(o, k, err, n);
}

static int rate_parse(struct options *o, const struct option_key *k, const char *text)
{
	uint64_t n = 0;
	/* As the default is shown, if there is none. */
	int err = k->shown && strcmp(text, k->shown) == 0 ? 0 : options_rate(text, &n);

	return u64_store(o, k, err, n);
}

/* A plain number: the size syntax without its units. */
static int plain_number(const char *text, uint64_t *ret)
{
	if (text[strspn(text, "0123456789")] != '\0')
		return -EINVAL;
	return options_size(text, ret);
}

static int number_parse(struct options *o, const struct option_key *k, const char *text)
{
	uint64_t n = 0;
	int err = plain_number(text, &n);

	return u64_store(o, k, err, n);
}

static void u64_print(const struct options *o, const struct option_key *k)
{
	option_print_number(k->name, *(const uint64_t *)field_const(o, k));
}

const struct option_type option_type_size = {size_parse, u64_print};
const struct option_type option_type_rate = {rate_parse, u64_print};
const struct option_type option_type_number = {number_parse, u64_print};

static int count_parse(struct options *o, const struct option_key *k, const char *text)
{
	uint64_t n = 0;

	if (plain_number(text, &n) || !is_within(k, n))
		return -EINVAL;
	*(unsigned *)field(o, k) = (unsigned)n;
	return 0;
}

static void count_print(const struct options *o, const struct option_key *k)
{
	option_print_number(k->name, *(const unsigned *)field_const(o, k));
}

const struct option_type option_type_count = {count_parse, count_print};

static int time_parse(struct options *o, const struct option_key *k, const char *text)
{
	int64_t ms;

	if (options_time(text, &ms) || !is_within(k, (uint64_t)ms))
		return -EINVAL;
	*(int64_t *)field(o, k) = ms;
	return 0;
}

/* Shell counts whole seconds; a time that is not zero does not become zero. */
static void time_print(const struct options *o, const struct option_key *k)
{
	uint64_t ms = (uint64_t) * (const int64_t *)field_const(o, k);

	option_print_number(k->name, div_round_up(ms, 1000));
}

const struct option_type option_type_time = {time_parse, time_print};

/* 0 takes back what was said before; 1 is what a key without a value has, and no path. */
static int text_parse(struct options *o, const struct option_key *k, const char *text)
{
	if (strcmp(text, "0") == 0 && !k->initial)
		text = "";
	else if (!text[0] || strcmp(text, "1") == 0)
		return -EINVAL;
	return option_copy(field(o, k), k->n_bytes, text);
}

static void text_print(const struct options *o, const struct option_key *k)
{
	option_print_var(k->name, field_const(o, k));
}

const struct option_type option_type_text = {text_parse, text_print};

static int algorithm_parse(struct options *o, const struct option_key *k,
			   const char *text)
{
	if (text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_")] != '\0')
		return -EINVAL;
	return text_parse(o, k, text);
}

const struct option_type option_type_algorithm = {algorithm_parse, text_print};

enum store_kind options_store_kind(const struct options *o)
{
	if (strcmp(o->store, "zram") == 0)
		return STORE_ZRAM;
	return strcmp(o->store, "memory") == 0 ? STORE_MEMORY : STORE_DISK;
}

static int store_parse(struct options *o, const struct option_key *k, const char *text)
{
	static const char *const tags[] = {"PARTLABEL=", "PARTUUID="};
	bool ok = strcmp(text, "zram") == 0 || strcmp(text, "memory") == 0 ||
		  text[0] == '/';

	/* No LABEL= or UUID=: those name a filesystem, which a store is not. */
	for (unsigned i = 0; i < ARRAY_SIZE(tags); i++)
		ok = ok || (strncmp(text, tags[i], strlen(tags[i])) == 0 &&
			    text[strlen(tags[i])]);
	if (!ok)
		return -EINVAL;
	return text_parse(o, k, text);
}

const struct option_type option_type_store = {store_parse, text_print};

static int name_parse(struct options *o, const struct option_key *k, const char *text)
{
	return rundir_name_is_valid(text) ? option_copy(o->name, k->n_bytes, text)
					  : -EINVAL;
}

const struct option_type option_type_name = {name_parse, text_print};

static int url_check(const struct options *o, const char *text)
{
	if (strlen(text) >= OPTIONS_URL_BYTES)
		return -E2BIG;
	return options_url_is_valid(text) ||
			       (o->takes_foreign && options_url_is_foreign(text))
		       ? 0
		       : -EINVAL;
}

/* The URL goes to the front, in the place of an earlier URL; servers stay behind it. */
static int url_parse(struct options *o, const struct option_key *k _unused_,
		     const char *text)
{
	int err = url_check(o, text);

	if (err)
		return err;
	if (!o->has_url && o->n_servers == OPTIONS_SERVERS_MAX)
		return -ENOSPC;
	if (!o->has_url) {
		memmove(o->servers[1], o->servers[0],
			o->n_servers * sizeof o->servers[0]);
		o->n_servers++;
		o->has_url = true;
	}
	return option_copy(o->servers[0], sizeof o->servers[0], text);
}

static int server_parse(struct options *o, const struct option_key *k _unused_,
			const char *text)
{
	int err = url_check(o, text);

	if (err)
		return err;
	if (o->n_servers == OPTIONS_SERVERS_MAX)
		return -ENOSPC;
	o->n_servers++;
	return option_copy(o->servers[o->n_servers - 1], sizeof o->servers[0], text);
}

static int proxy_parse(struct options *o, const struct option_key *k, const char *text)
{
	if (strlen(text) >= k->n_bytes)
		return -E2BIG;
	if (strcmp(text, "0") == 0)
		return text_parse(o, k, text);
	return options_url_is_proxy(text) ? text_parse(o, k, text) : -EINVAL;
}

const struct option_type option_type_proxy = {proxy_parse, text_print};

static void url_print(const struct options *o, const struct option_key *k)
{
	option_print_var(k->name, o->has_url ? o->servers[0] : "");
}

const struct option_type option_type_url = {url_parse, url_print};
const struct option_type option_type_server = {server_parse, NULL};

static int digest_parse(struct options *o, const struct option_key *k _unused_,
			const char *text)
{
	if (strcmp(text, "0") == 0) {
		o->has_digest = false;
		memset(o->digest, 0, sizeof o->digest);
		return 0;
	}
	if (strncmp(text, DIGEST_PREFIX, strlen(DIGEST_PREFIX)) != 0 ||
	    !img_digest_parse(text, o->digest))
		return -EINVAL;
	o->has_digest = true;
	return 0;
}

static void digest_print(const struct options *o, const struct option_key *k)
{
	char text[sizeof DIGEST_PREFIX + 2 * sizeof o->digest] = "";

	if (o->has_digest) {
		int n = snprintf(text, sizeof text, DIGEST_PREFIX);

		for (size_t i = 0; i < sizeof o->digest; i++)
			n += snprintf(text + n, sizeof text - (size_t)n, "%02x",
				      o->digest[i]);
	}
	option_print_var(k->name, text);
}

const struct option_type option_type_digest = {digest_parse, digest_print};

static int report_parse(struct options *o, const struct option_key *k, const char *text)
{
	if (strcmp(text, "0") == 0)
		text = "";
	else if (!options_url_is_valid(text) || options_url_file(text) ||
		 strpbrk(text, "'\"\\`$"))
		return -EINVAL;
	return option_copy(o->report, k->n_bytes, text);
}

const struct option_type option_type_report = {report_parse, text_print};
