/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_table.h - the key table and what its readers share; for options*.c only
 *
 * A row names a key, where its value goes and which type reads and prints it.  The three
 * readers (kernel command line, hydroot.conf, argv) all end in option_apply.
 */
#ifndef BASE_OPTIONS_TABLE_H
#define BASE_OPTIONS_TABLE_H

#include "base/options.h"

enum option_flag {
	OPT_TRUST = 1 << 0, /* a wrong value is an error; cannot be weakened */
	OPT_BOOT = 1 << 1, /* about the boot: not an option of attach */
	OPT_ARGV = 1 << 2, /* an option of attach only */
	OPT_REPEATED = 1 << 3, /* each one adds */
	OPT_ZERO_OFF = 1 << 4, /* a size: 0 is below the least there is, and means none */
	OPT_STANDARD = 1 << 6, /* on the kernel command line without rd.hydroot. */
	OPT_BOOL = 1 << 5, /* as an option it needs no value */
};

struct option_key;

/*
 * parse: 0, -EINVAL wrong, -E2BIG too long, -ENOSPC too many; nothing is changed on
 * error.
 */
struct option_type {
	int (*parse)(struct options *o, const struct option_key *k, const char *text);
	void (*print)(const struct options *o, const struct option_key *k); /* or NULL */
};

struct option_key {
	const char *name;
	const struct option_type *type;
	size_t offset, n_bytes; /* the field in struct options */
	const char *initial; /* parsed by options_init; NULL: the field stays zero */
	const char *shown; /* the default in words where `initial` does not say it */
	const char *metavar; /* NULL: OPT_BOOL */
	const char *accepted;
	const char *meaning;
	unsigned flags;
	const char *const *words; /* of an enum, in its order, ended by NULL */
	uint64_t min, max; /* of a number or time */
};

extern const struct option_key option_keys[];
extern const size_t n_option_keys;

extern const struct option_type option_type_word, option_type_bool, option_type_size,
	option_type_rate, option_type_time, option_type_count, option_type_number,
	option_type_text, option_type_algorithm, option_type_store, option_type_name,
	option_type_url, option_type_server, option_type_digest, option_type_proxy,
	option_type_pack, option_type_fallback, option_type_report;

/* The trust keys as they were before a source was read. */
struct option_trust {
	bool has_digest;
	uint8_t digest[32];
	char public_key[OPTIONS_PATH_BYTES];
	char ca[OPTIONS_PATH_BYTES];
	uint64_t min_version;
	struct options_pin fallback, pack;
};

/* Where a value comes from. */
struct option_source {
	const char *prefix; /* before the key in messages: "rd.hydroot." */
	bool is_strict; /* every wrong value is an error */
	struct option_trust floor; /* not to be weakened */
};

void option_source_init(struct option_source *s, const struct options *o,
			const char *prefix);

/* NULL when there is no such key.  n_bytes: length of the name. */
const struct option_key *option_find(const char *name, size_t n_bytes);

/* Set one key; logs.  -EINVAL: not to be gone on with. */
int option_apply(struct options *o, const struct option_source *s,
		 const struct option_key *k, const char *text) _must_check_;

/* 0 or 1, and the words for them.  -EINVAL: none of these. */
int option_bool_parse(const char *text, bool *ret) _must_check_;

/* Copy a value into a field.  -E2BIG when it does not fit. */
int option_copy(char *dst, size_t dst_bytes, const char *text) _must_check_;

/*
 * What hydroot.conf pins by a digest, the command line cannot get around by a fallback: a warning,
 * and the fallback of the file stays.
 */
void option_keep_fallback(struct options *o, const struct option_trust *floor);

/* Nor by a pack of its own digest. */
void option_keep_pack(struct options *o, const struct option_trust *floor);

/*
 * URL#sha256:HEX, or the URL alone, which is not looked at but is not empty; "0" is none.
 * -EINVAL, -E2BIG as of a type.
 * option_pin_print is for a type.  Two without a digest have the same.
 */
int option_pin_parse(const char *text, struct options_pin *ret) _must_check_;
void option_pin_print(const struct options *o, const struct option_key *k);
bool option_pin_has_same_digest(const struct options_pin *a, const struct options_pin *b);

/* hydroot_KEY='VALUE' with the dashes of the key made underscores. */
void option_print_var(const char *key, const char *value);
void option_print_number(const char *key, uint64_t value);

/* One ip= word as hydroot_ip_N_client= and so on. */
void option_print_ip(unsigned n, const char *text);

#endif
