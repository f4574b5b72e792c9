/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.h - one table of keys: command-line options, kernel command line, hydroot.conf
 *
 * Every key of rd.hydroot.KEY, of /etc/hydroot/hydroot.conf and of --KEY is one row of one table
 * in options.c, with its default and the values it accepts.  Sources are read in the order
 * conf file, kernel command line (or argv): the last one wins, except that trust keys of the conf
 * file cannot be weakened.  A wrong value is reported with the key, the value and what is
 * accepted, leaves an entry in warnings[], and the default stays; for a trust key it is an error.
 */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "imgfmt/base.h"

#define OPTIONS_URL_BYTES 1024u
#define OPTIONS_SERVERS_MAX 16u
#define OPTIONS_WARNINGS_MAX 16u
#define OPTIONS_WARNING_BYTES 256u
#define OPTIONS_PATH_BYTES 256u
#define OPTIONS_CONNECTIONS_MAX 8u /* what the shared buffers have room for */
#define OPTIONS_RESERVE_OFF 1u /* bytes, as good as none: 0 stands for the default */

enum option_mode { MODE_HYBRID, MODE_FULL, MODE_STREAM };
enum option_fill { FILL_NOW, FILL_BOOT, FILL_MANUAL };
enum option_onfail { ONFAIL_REBOOT, ONFAIL_POWEROFF, ONFAIL_RESCUE };
enum option_policy { POLICY_ORDER, POLICY_SPREAD };
enum option_check { CHECK_WARN, CHECK_FAIL, CHECK_OFF, CHECK_AUTO };
enum option_overlay { OVERLAY_AUTO, OVERLAY_TMPFS, OVERLAY_ZRAM, OVERLAY_NONE };
enum option_root_in { ROOT_IN_STORE, ROOT_IN_TMPFS };
enum store_kind { STORE_ZRAM, STORE_MEMORY, STORE_DISK };
enum option_low_memory { LOW_MEMORY_STREAM, LOW_MEMORY_FALLBACK, LOW_MEMORY_FAIL };

/* A place, and the digest of what must be there, if one was given. */
struct options_pin {
	char url[OPTIONS_URL_BYTES]; /* "": none */
	bool has_digest;
	uint8_t digest[32];
};

struct options {
	char name[64]; /* NAME; "root" unless given */
	bool takes_foreign; /* URLs of other schemes, until options_map_transports */
	bool has_url; /* servers[0] is the URL itself, not a server= */
	unsigned n_servers; /* [0] is the URL itself, then server= in order */
	char servers[OPTIONS_SERVERS_MAX][OPTIONS_URL_BYTES];
	enum option_mode mode;
	enum option_low_memory low_memory;
	uint64_t
		reserve_bytes; /* 0: the default, which preflight.h computes; OPTIONS_RESERVE_OFF */
	char store[OPTIONS_PATH_BYTES]; /* "zram", "memory", … */
	bool store_format; /* the disk store may overwrite what is not ours */
	char zram_algorithm[32]; /* "" : the kernel's best */
	uint64_t store_limit_bytes; /* 0: none */
	uint64_t cache_bytes; /* of the store in mode stream */
	enum option_fill fill;
	uint64_t rate_bytes; /* per second, 0: unlimited */
	unsigned connections;
	int64_t connect_timeout_ms, timeout_ms, io_timeout_ms, attach_timeout_ms;
	uint64_t min_rate_bytes;
	enum option_onfail onfail;
	enum option_check kernel_check;
	struct options_pin fallback; /* the image to boot when the first cannot be used */
	enum option_overlay overlay;
	enum option_root_in root_in;
	char report[OPTIONS_URL_BYTES]; /* where to post the status, "" nowhere */
	bool debug;
	bool read_only; /* attach --read-only: the device itself */
	/* A hot pack beside the image; its URL is a bare name until options_resolve_pack. */
	struct options_pin pack;
	bool has_digest; /* trust: digest=sha256:HEX */
	uint8_t digest[32];
	char public_key[OPTIONS_PATH_BYTES]; /* trust: PATH or "" */
	uint64_t min_version; /* trust */
	char ca[OPTIONS_PATH_BYTES]; /* trust: PATH or "": the system bundle */
	char cert[OPTIONS_PATH_BYTES], cert_key[OPTIONS_PATH_BYTES]; /* PATH or "" */
	char credentials[OPTIONS_PATH_BYTES]; /* PATH or "" */
	char proxy[OPTIONS_URL_BYTES]; /* "" none but those of the environment */
	enum option_policy server_policy;
	uint32_t spread; /* POLICY_SPREAD: of spread_number */

	/* Standard keys of the kernel command line, kept as written; "" when absent. */
	bool is_root; /* root=hydroot or root=hydroot:URL was there */
	char rootfstype[64];
	char rootflags[256];
	bool root_ro; /* the last of ro, rw; rw unless said */
	char init[OPTIONS_PATH_BYTES];
	char ip[8][192]; /* each ip= as written */
	unsigned n_ip;
	char ifname[4][64];
	unsigned n_ifname;
	char bootif[64];
	char nameserver[4][64];
	unsigned n_nameserver;
	char vlan[4][64];
	unsigned n_vlan;
	char panic[16];
	char rd_break[64];
	char rd_neednet[16];
	bool rd_shell;

	unsigned n_warnings;
	char warnings[OPTIONS_WARNINGS_MAX][OPTIONS_WARNING_BYTES];
};

/* Every field its default. */
void options_init(struct options *o);

/*
 * /proc/cmdline style text: root=hydroot[:URL], rd.hydroot.KEY[=VALUE], standard keys.  Double
 * quotes protect spaces as in the kernel.  Words of others are ignored; an unknown rd.hydroot. key
 * is a warning.  -EINVAL: a trust key is wrong or weaker than the conf file's (message logged).
 */
int options_parse_cmdline(struct options *o, const char *text) _must_check_;

/*
 * hydroot.conf: KEY=VALUE lines, # comments, blank lines.  `path` is for messages.
 * -EINVAL as above.
 */
int options_parse_conf(struct options *o, const char *path,
		       const char *text) _must_check_;

/*
 * The arguments of `hydroot attach` and of hydrootd after the program name: --KEY=VALUE,
 * --KEY VALUE, --name, --read-only, URL [URL...].  -EINVAL: usage error, message logged: here
 * every wrong value is an error.
 */
int options_parse_argv(struct options *o, int argc, char **argv) _must_check_;

/* Log a warning and keep it for the status. */
void option_warn(struct options *o, const char *fmt, ...) _printf_(2, 3);

/* "hybrid", and so on. */
const char *option_mode_name(enum option_mode mode);
/* Of options.store; a file counts as a disk. */
enum store_kind options_store_kind(const struct options *o);

/* A bare name in `pack` becomes the URL beside servers[0].  -E2BIG: that is too long. */
int options_resolve_pack(struct options *o) _must_check_;

/*
 * Take the fallback in the place of the image: its URL and digest instead of all servers,
 * digest and pack; public-key and min-version stay.  -ENOENT: there is none;
 * -EKEYREJECTED: it has no digest and there is no public-key either.  Logs.
 */
int options_use_fallback(struct options *o) _must_check_;

/*
 * Put the files that the initramfs has mounted in the place of URLs of other schemes:
 * `text` has a line "URL file:///PATH" for each.  A server that is not there is left out
 * with a warning; the caller finds n_servers 0 when none is left.
 */
void options_map_transports(struct options *o, const char *text);

/*
 * KEY=VALUE lines quoted for sh, prefixed hydroot_, for the initramfs scripts to eval.
 * To stdout.
 */
int options_print_sh(const struct options *o) _must_check_;

/* "  --KEY=VALUE   meaning (default)" for every key, for --help; to stdout. */
void options_print_help(void);

/*
 * Sizes: K M G T, powers of 1024.  Memory: also N% of RAM.  Rates: also Kbit Mbit Gbit.
 * Times: s m h, ms; bare = s.
 */
int options_size(const char *text, uint64_t *ret_bytes) _must_check_;
int options_memory(const char *text, uint64_t *ret_bytes) _must_check_;
int options_rate(const char *text, uint64_t *ret_bytes) _must_check_;
int options_time(const char *text, int64_t *ret_ms) _must_check_;

#endif
