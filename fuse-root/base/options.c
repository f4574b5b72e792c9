/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c - the key table, and what happens when a key gets a value
 *
 * Adding a key is adding a row here and a paragraph to hydroot.cmdline.7, which a test compares
 * with this table.  The readers of the three sources are in options_cmdline.c and
 * options_argv.c, the types in options_type.c.
 */
#include "base/options_table.h"

#include <errno.h>
#include <stdarg.h>

#include "base/log.h"
#include "base/options_url.h"

#define WEEK_MS (7ull * 24 * 3600 * 1000)
#define TIME_ACCEPTED "a time like 500ms, 10s, 5m, 1h, up to seven days"
#define SIZE_ACCEPTED "a size like 512M, 2G or 50%, which is of the RAM"
#define RATE_ACCEPTED "bytes per second like 500K, 20M, or bits like 10Mbit"
#define URL_ACCEPTED "http://HOST/PATH, https://HOST/PATH or file:///PATH"

static const char *const mode_words[] = {"hybrid", "full", "stream", NULL};
static const char *const fill_words[] = {"now", "boot", "manual", NULL};
static const char *const onfail_words[] = {"reboot", "poweroff", "rescue", NULL};
static const char *const policy_words[] = {"order", "spread", NULL};
static const char *const check_words[] = {"warn", "fail", "off", "auto", NULL};
static const char *const overlay_words[] = {"auto", "tmpfs", "zram", "none", NULL};
static const char *const root_in_words[] = {"store", "tmpfs", NULL};
static const char *const low_memory_words[] = {"stream", "fallback", "fail", NULL};

const char *option_mode_name(enum option_mode mode)
{
	return mode_words[mode];
}

_Static_assert(sizeof(enum option_mode) == sizeof(unsigned),
	       "word_parse stores an unsigned");
_Static_assert(sizeof(enum option_fill) == sizeof(unsigned),
	       "word_parse stores an unsigned");
_Static_assert(sizeof(enum option_onfail) == sizeof(unsigned),
	       "word_parse stores an unsigned");
_Static_assert(sizeof(enum option_policy) == sizeof(unsigned),
	       "word_parse stores an unsigned");
_Static_assert(sizeof(enum option_check) == sizeof(unsigned),
	       "word_parse stores an unsigned");
_Static_assert(sizeof(enum option_overlay) == sizeof(unsigned),
	       "word_parse stores an unsigned");
_Static_assert(sizeof(enum option_root_in) == sizeof(unsigned),
	       "word_parse stores an unsigned");
_Static_assert(sizeof(enum option_low_memory) == sizeof(unsigned),
	       "word_parse stores an unsigned");

#define FIELD(f)                                                                         \
	.offset = offsetof(struct options, f), .n_bytes = sizeof(((struct options *)0)->f)

/* clang-format off */
const struct option_key option_keys[] = {
	{"name", &option_type_name, FIELD(name), .initial = "root", .metavar = "NAME",
	 .accepted = "1 to 63 of A-Z a-z 0-9 _ -, not starting with -",
	 .meaning = "name of the attachment, /dev/hydroot/NAME", .flags = OPT_ARGV},
	{"read-only", &option_type_bool, FIELD(read_only), .initial = "0",
	 .accepted = "0 or 1", .meaning = "make the device read-only",
	 .flags = OPT_ARGV | OPT_BOOL},
	{"url", &option_type_url, .metavar = "URL", .accepted = URL_ACCEPTED,
	 .meaning = "the image, for root=hydroot without a URL", .flags = OPT_BOOT},
	{"server", &option_type_server, .metavar = "URL", .accepted = URL_ACCEPTED,
	 .meaning = "one more place that has the same image; may be repeated",
	 .flags = OPT_REPEATED},
	{"mode", &option_type_word, FIELD(mode), .initial = "hybrid", .metavar = "MODE",
	 .accepted = "hybrid, full (also full-copy), stream", .words = mode_words,
	 .meaning = "attach at once and fill later, copy all first, or on demand only"},
	{"low-memory", &option_type_word, FIELD(low_memory), .initial = "stream",
	 .metavar = "ACTION", .accepted = "stream, fallback, fail",
	 .words = low_memory_words,
	 .meaning = "what to do when the image does not fit into memory"},
	{"reserve", &option_type_size, FIELD(reserve_bytes), .metavar = "SIZE",
	 .shown = "5%, at least 64M, at most 4G", .accepted = SIZE_ACCEPTED ", at least 1M; 0 for none",
	 .min = 1024 * 1024, .flags = OPT_ZERO_OFF, .meaning = "available memory below which filling stops"},
	{"digest", &option_type_digest, FIELD(digest), .metavar = "sha256:HEX",
	 .accepted = "sha256: and 64 hexadecimal digits", .flags = OPT_TRUST,
	 .meaning = "take this image and no other"},
	{"public-key", &option_type_text, FIELD(public_key), .metavar = "PATH",
	 .shown = "/etc/hydroot/image.pub in the initramfs, if there", .flags = OPT_TRUST,
	 .accepted = "the path of an Ed25519 public key in PEM",
	 .meaning = "the image must be signed by this key"},
	{"min-version", &option_type_number, FIELD(min_version), .initial = "0",
	 .metavar = "N", .accepted = "a whole number", .flags = OPT_TRUST,
	 .meaning = "refuse images with a lower version number"},
	{"ca", &option_type_text, FIELD(ca), .metavar = "PATH",
	 .shown = "the system bundle", .flags = OPT_TRUST,
	 .accepted = "the path of a file of CA certificates in PEM",
	 .meaning = "whom to believe about https servers"},
	{"cert", &option_type_text, FIELD(cert), .metavar = "PATH",
	 .shown = "none", .accepted = "the path of a certificate in PEM",
	 .meaning = "client certificate for https servers"},
	{"cert-key", &option_type_text, FIELD(cert_key), .metavar = "PATH",
	 .shown = "in the file of cert", .accepted = "the path of a private key in PEM",
	 .meaning = "private key of the client certificate"},
	{"credentials", &option_type_text, FIELD(credentials), .metavar = "PATH",
	 .shown = "none", .accepted = "the path of a file, see hydrootd(8)",
	 .meaning = "file with passwords, tokens and keys for the servers"},
	{"proxy", &option_type_proxy, FIELD(proxy), .metavar = "URL",
	 .shown = "none",
	 .accepted = "[http://]HOST[:PORT], https, socks4, socks5 and socks5h too",
	 .meaning = "reach the servers through this proxy", .flags = OPT_STANDARD},
	{"server-policy", &option_type_word, FIELD(server_policy), .initial = "order",
	 .metavar = "POLICY", .accepted = "order, spread", .words = policy_words,
	 .meaning = "order, or spread: start at one chosen by MAC address"},
	{"store", &option_type_store, FIELD(store), .initial = "zram", .metavar = "STORE",
	 .accepted = "zram, memory, /PATH, PARTLABEL=LABEL or PARTUUID=UUID",
	 .meaning = "where the image is: compressed RAM, plain RAM, a device or file"},
	{"zram-algorithm", &option_type_algorithm, FIELD(zram_algorithm),
	 .metavar = "NAME", .shown = "the kernel's best of lz4, lzo-rle, zstd",
	 .accepted = "an algorithm that the kernel's zram lists, like lz4",
	 .meaning = "how zram compresses"},
	{"store-limit", &option_type_size, FIELD(store_limit_bytes), .initial = "0",
	 .metavar = "SIZE", .shown = "none", .accepted = SIZE_ACCEPTED,
	 .meaning = "hard limit of the RAM store"},
	{"cache", &option_type_size, FIELD(cache_bytes), .initial = "50%",
	 .metavar = "SIZE", .accepted = "a size of 16M or more, or a part of RAM like 25%",
	 .min = 16 << 20, .meaning = "RAM budget of the store in mode stream"},
	{"store-format", &option_type_bool, FIELD(store_format), .initial = "0",
	 .accepted = "0 or 1", .shown = "off", .flags = OPT_BOOL,
	 .meaning = "a disk store may overwrite what is not hydroot's"},
	{"fill", &option_type_word, FIELD(fill), .initial = "now", .metavar = "WHEN",
	 .accepted = "now, boot, manual", .words = fill_words,
	 .meaning = "when the background fill starts"},
	{"pack", &option_type_pack, FIELD(pack), .metavar = "URL[#sha256:HEX]",
	 .shown = "none", .accepted = URL_ACCEPTED
	 ", or the name of a file beside the image; then #sha256:HEX, or nothing",
	 .meaning = "a hot pack beside the image"},
	{"rate", &option_type_rate, FIELD(rate_bytes), .initial = "0", .metavar = "RATE",
	 .shown = "unlimited", .accepted = RATE_ACCEPTED ", 0 or unlimited",
	 .meaning = "cap on the background fill"},
	{"connections", &option_type_count, FIELD(connections), .initial = "4",
	 .metavar = "N", .accepted = "1 to 8", .min = 1, .max = OPTIONS_CONNECTIONS_MAX,
	 .meaning = "connections in all, per server"},
	{"connect-timeout", &option_type_time, FIELD(connect_timeout_ms), .initial = "5s",
	 .metavar = "TIME", .accepted = TIME_ACCEPTED, .min = 1, .max = WEEK_MS,
	 .meaning = "no connection for this long: next server"},
	{"timeout", &option_type_time, FIELD(timeout_ms), .initial = "10s",
	 .metavar = "TIME", .accepted = TIME_ACCEPTED, .min = 1, .max = WEEK_MS,
	 .meaning = "no byte for this long: next server"},
	{"min-rate", &option_type_rate, FIELD(min_rate_bytes), .initial = "1K",
	 .metavar = "RATE", .accepted = RATE_ACCEPTED ", 0 for no limit",
	 .meaning = "slower than this for timeout: next server"},
	{"io-timeout", &option_type_time, FIELD(io_timeout_ms), .initial = "0",
	 .metavar = "TIME", .accepted = TIME_ACCEPTED ", 0 to wait for ever",
	 .max = WEEK_MS,
	 .meaning = "how long a read may wait for the network before it fails"},
	{"attach-timeout", &option_type_time, FIELD(attach_timeout_ms), .initial = "5m",
	 .metavar = "TIME", .accepted = TIME_ACCEPTED, .min = 1, .max = WEEK_MS,
	 .meaning = "how long attaching may take; full: how long without progress"},
	{"onfail", &option_type_word, FIELD(onfail), .initial = "reboot",
	 .metavar = "ACTION", .accepted = "reboot, poweroff, rescue",
	 .words = onfail_words, .flags = OPT_BOOT,
	 .meaning = "what to do when the image cannot be booted"},
	{"kernel-check", &option_type_word, FIELD(kernel_check), .initial = "auto",
	 .metavar = "ACTION", .shown = "fail where the image lists its kernels, else warn",
	 .accepted = "warn, fail, off, auto", .words = check_words,
	 .meaning = "the root has no modules of the running kernel", .flags = OPT_BOOT},
	{"fallback", &option_type_fallback, FIELD(fallback),
	 .metavar = "URL[#sha256:HEX]", .shown = "none",
	 .accepted = URL_ACCEPTED ", then #sha256:HEX unless it is signed",
	 .meaning = "image to boot when the first cannot be used at all",
	 .flags = OPT_BOOT},
	{"overlay", &option_type_word, FIELD(overlay), .initial = "auto",
	 .metavar = "KIND", .accepted = "auto, tmpfs, zram, none", .words = overlay_words,
	 .meaning = "where writes to the root go", .flags = OPT_BOOT},
	{"root-in", &option_type_word, FIELD(root_in), .initial = "store",
	 .metavar = "WHERE", .accepted = "store, tmpfs", .words = root_in_words,
	 .meaning = "tmpfs: copy the root there, in mode full", .flags = OPT_BOOT},
	{"report", &option_type_report, FIELD(report), .metavar = "URL", .shown = "nowhere",
	 .accepted = "http://HOST/PATH or https://HOST/PATH",
	 .meaning = "post the status there at milestones", .flags = OPT_BOOT},
	{"debug", &option_type_bool, FIELD(debug), .initial = "0", .accepted = "0 or 1",
	 .shown = "off", .meaning = "log each step to the console", .flags = OPT_BOOL},
};
/* clang-format on */

const size_t n_option_keys = ARRAY_SIZE(option_keys);

const struct option_key *option_find(const char *name, size_t n_bytes)
{
	for (size_t i = 0; i < n_option_keys; i++) {
		const struct option_key *k = &option_keys[i];

		if (strlen(k->name) == n_bytes && memcmp(k->name, name, n_bytes) == 0)
			return k;
	}
	return NULL;
}

/* A default of the table that does not parse is our bug. */
static void set_default(struct options *o, const struct option_key *k)
{
	if (k->initial && k->type->parse(o, k, k->initial) != 0)
		abort();
	if (!k->initial && !(k->flags & OPT_REPEATED))
		memset((char *)o + k->offset, 0, k->n_bytes);
}

void options_init(struct options *o)
{
	memset(o, 0, sizeof *o);
	for (size_t i = 0; i < n_option_keys; i++) {
		set_default(o, &option_keys[i]);
	}
}

void option_warn(struct options *o, const char *fmt, ...)
{
	char text[OPTIONS_WARNING_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	log_warning("%s", text);
	if (o->n_warnings < OPTIONS_WARNINGS_MAX)
		memcpy(o->warnings[o->n_warnings++], text, sizeof text);
}

void option_source_init(struct option_source *s, const struct options *o,
			const char *prefix)
{
	memset(s, 0, sizeof *s);
	s->prefix = prefix;
	s->floor.has_digest = o->has_digest;
	memcpy(s->floor.digest, o->digest, sizeof o->digest);
	memcpy(s->floor.public_key, o->public_key, sizeof o->public_key);
	memcpy(s->floor.ca, o->ca, sizeof o->ca);
	s->floor.min_version = o->min_version;
	s->floor.fallback = o->fallback;
	s->floor.pack = o->pack;
}

static bool is_other_file(const char *was, const char *is)
{
	return was[0] && strcmp(was, is) != 0;
}

static bool is_weaker(const struct options *o, const struct option_trust *floor)
{
	return (floor->has_digest &&
		memcmp(floor->digest, o->digest, sizeof o->digest) != 0) ||
	       is_other_file(floor->public_key, o->public_key) ||
	       is_other_file(floor->ca, o->ca) || o->min_version < floor->min_version;
}

static void restore_trust(struct options *o, const struct option_trust *floor)
{
	o->has_digest = floor->has_digest;
	memcpy(o->digest, floor->digest, sizeof o->digest);
	memcpy(o->public_key, floor->public_key, sizeof o->public_key);
	memcpy(o->ca, floor->ca, sizeof o->ca);
	o->min_version = floor->min_version;
}

/*
 * A wrong value: an error where the key or the source is strict, else the default and a
 * warning.
 */
static int refuse(struct options *o, const struct option_source *s,
		  const struct option_key *k, const char *text)
{
	const char *instead = k->shown ? k->shown : k->initial;
	char shown[128];

	options_url_public(text, shown, sizeof shown);
	if (s->is_strict || (k->flags & OPT_TRUST)) {
		log_error("%s%s=%s: wrong value: accepted: %s", s->prefix, k->name, shown,
			  k->accepted);
		return -EINVAL;
	}
	if (k->type == &option_type_url || (k->flags & OPT_REPEATED)) {
		option_warn(o, "%s%s=%s: wrong value: accepted: %s; ignored", s->prefix,
			    k->name, shown, k->accepted);
		return 0;
	}
	option_warn(o, "%s%s=%s: wrong value: accepted: %s; using the default, %s",
		    s->prefix, k->name, shown, k->accepted, instead);
	set_default(o, k);
	return 0;
}

static int refuse_too_many(struct options *o, const struct option_source *s,
			   const struct option_key *k)
{
	if (s->is_strict) {
		log_error("%s%s: at most %u servers", s->prefix, k->name,
			  OPTIONS_SERVERS_MAX);
		return -EINVAL;
	}
	option_warn(o, "%s%s: at most %u servers; ignored", s->prefix, k->name,
		    OPTIONS_SERVERS_MAX);
	return 0;
}

int option_apply(struct options *o, const struct option_source *s,
		 const struct option_key *k, const char *text)
{
	char shown[128];
	int err;

	err = k->type->parse(o, k, text);
	if (err == -E2BIG) {
		log_error("%s%s: the value is too long", s->prefix, k->name);
		return -EINVAL;
	}
	if (err == -ENOSPC)
		return refuse_too_many(o, s, k);
	if (err)
		return refuse(o, s, k, text);
	if ((k->flags & OPT_TRUST) && is_weaker(o, &s->floor)) {
		options_url_public(text, shown, sizeof shown);
		log_error("%s%s=%s: cannot weaken what hydroot.conf says", s->prefix,
			  k->name, shown);
		restore_trust(o, &s->floor);
		return -EINVAL;
	}
	return 0;
}
