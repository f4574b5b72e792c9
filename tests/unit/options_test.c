/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_test.c - kernel command line, hydroot.conf and argv: right, wrong and hostile
 * values
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/options.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct options o;

static int setup(void **state _unused_)
{
	options_init(&o);
	return 0;
}

static int cmdline(const char *text)
{
	return options_parse_cmdline(&o, text);
}

static int conf(const char *text)
{
	return options_parse_conf(&o, "/etc/hydroot/hydroot.conf", text);
}

static void defaults_are_documented_ones(void **state _unused_)
{
	assert_string_equal(o.name, "root");
	assert_int_equal(o.mode, MODE_HYBRID);
	assert_string_equal(o.store, "zram");
	assert_int_equal(o.connections, 4);
	assert_int_equal(o.connect_timeout_ms, 5000);
	assert_int_equal(o.timeout_ms, 10000);
	assert_int_equal(o.io_timeout_ms, 0);
	assert_int_equal(o.attach_timeout_ms, 300000);
	assert_int_equal(o.min_rate_bytes, 1024);
	assert_int_equal(o.onfail, ONFAIL_REBOOT);
	assert_int_equal(o.kernel_check, CHECK_AUTO);
	assert_int_equal(o.n_servers, 0);
	assert_false(o.has_digest || o.debug || o.read_only || o.is_root || o.root_ro);
}

static void cmdline_of_a_boot(void **state _unused_)
{
	assert_int_equal(
		cmdline("BOOT_IMAGE=/vmlinuz quiet ip=dhcp ip=[2001:db8::2]:::64::eth1:none ro "
			"rd.hydroot.server=http://b/i.hri rd.hydroot.mode=stream "
			"rd.hydroot.rate=10Mbit rd.hydroot.debug rd.hydroot.server=https://c/i.hri "
			"rootflags=noatime,x=\"y\" nameserver=10.0.0.1 nameserver=10.0.0.2 "
			"BOOTIF=01-52-54-00-12-34-56 panic=30 rd.break rw rd.shell=0 rd.neednet=0 "
			"root=hydroot:http://[2001:db8::1]:8080/a=b,c:d.hri?x=1&y=2\n"),
		0);
	assert_true(o.is_root);
	assert_int_equal(o.n_servers, 3);
	assert_string_equal(o.servers[0],
			    "http://[2001:db8::1]:8080/a=b,c:d.hri?x=1&y=2");
	assert_string_equal(o.servers[1], "http://b/i.hri");
	assert_string_equal(o.servers[2], "https://c/i.hri");
	assert_int_equal(o.mode, MODE_STREAM);
	assert_int_equal(o.rate_bytes, 1250000);
	assert_true(o.debug);
	assert_false(o.root_ro || o.rd_shell);
	assert_string_equal(o.rootflags, "noatime,x=\"y\"");
	assert_int_equal(o.n_ip, 2);
	assert_string_equal(o.ip[1], "[2001:db8::2]:::64::eth1:none");
	assert_int_equal(o.n_nameserver, 2);
	assert_string_equal(o.panic, "30");
	assert_string_equal(o.rd_break, "1");
	assert_string_equal(o.rd_neednet, "0");
	assert_int_equal(o.n_warnings, 0);
}

static void quotes_protect_spaces(void **state _unused_)
{
	assert_int_equal(
		cmdline("rootflags=\"a b\" \"init=/my init\" \"rd.hydroot.mode=full\" "
			"dyndbg=\"file x +p; rd.hydroot.mode=stream\" root=hydroot"),
		0);
	assert_string_equal(o.rootflags, "a b");
	assert_string_equal(o.init, "/my init");
	assert_int_equal(o.mode, MODE_FULL);
	assert_true(o.is_root);
	assert_int_equal(o.n_servers, 0);
}

static void unclosed_quote_ends_with_the_text(void **state _unused_)
{
	assert_int_equal(cmdline("rootflags=\"a b rd.hydroot.mode=full"), 0);
	assert_string_equal(o.rootflags, "a b rd.hydroot.mode=full");
	assert_int_equal(o.mode, MODE_HYBRID);
	assert_int_equal(cmdline("\""), 0);
	assert_int_equal(cmdline("=\" \" ="), 0);
	assert_int_equal(cmdline("rd.hydroot.mode=\""), 0);
}

static void words_behind_two_dashes_are_for_init(void **state _unused_)
{
	assert_int_equal(cmdline("rd.hydroot.mode=full -- rd.hydroot.mode=stream"), 0);
	assert_int_equal(o.mode, MODE_FULL);
}

static void last_one_wins(void **state _unused_)
{
	assert_int_equal(conf("mode=full\nconnections=7\nurl=http://conf/i.hri\n"), 0);
	assert_int_equal(
		cmdline("rd.hydroot.mode=hybrid rd.hydroot.mode=stream root=/dev/sda1 "
			"root=hydroot:http://first/i root=hydroot:http://last/i"),
		0);
	assert_int_equal(o.mode, MODE_STREAM);
	assert_int_equal(o.connections, 7);
	assert_int_equal(o.n_servers, 1);
	assert_string_equal(o.servers[0], "http://last/i");
	assert_int_equal(cmdline("root=hydroot root=/dev/sda1"), 0);
	assert_false(o.is_root);
}

static void wrong_value_leaves_default_and_warning(void **state _unused_)
{
	assert_int_equal(cmdline("rd.hydroot.mode=fast rd.hydroot.connections=0 "
				 "rd.hydroot.timeout=soon rd.hydroot.server=ftp:/x/y "
				 "rd.hydroot.store-limit=-1 rd.hydroot.debug=maybe"),
			 0);
	assert_int_equal(o.mode, MODE_HYBRID);
	assert_int_equal(o.connections, 4);
	assert_int_equal(o.timeout_ms, 10000);
	assert_int_equal(o.n_servers, 0);
	assert_int_equal(o.n_warnings, 6);
	assert_non_null(strstr(o.warnings[0], "rd.hydroot.mode=fast"));
	assert_non_null(strstr(o.warnings[0], "hybrid, full"));
}

static void empty_values_are_wrong_values(void **state _unused_)
{
	assert_int_equal(
		cmdline("rd.hydroot.mode= rd.hydroot.store= rd.hydroot.debug= "
			"rd.hydroot.zram-algorithm= rd.hydroot.server= rd.hydroot.rate="),
		0);
	assert_int_equal(o.n_warnings, 6);
	assert_string_equal(o.store, "zram");
	assert_int_equal(cmdline("ip= nameserver= rootflags= rd.hydroot. rd.hydroot.="),
			 0);
	assert_int_equal(o.n_ip + o.n_nameserver, 0);
	assert_int_equal(cmdline("rd.hydroot.digest="), -EINVAL);
	assert_int_equal(cmdline("rd.hydroot.public-key="), -EINVAL);
}

/*
 * What is a path or a name without a default can be taken back; a key without a value is
 * no path.
 */
static void zero_is_off(void **state _unused_)
{
	static const char off[] =
		"rd.hydroot.ca=0 rd.hydroot.cert=0 rd.hydroot.cert-key=0 "
		"rd.hydroot.credentials=0 rd.hydroot.zram-algorithm=0 rd.hydroot.pack=0 "
		"rd.hydroot.report=0 rd.hydroot.fallback=0 rd.hydroot.public-key=0 "
		"rd.hydroot.kernel-check=0 rd.hydroot.overlay=0 rd.hydroot.reserve=0 "
		"rd.hydroot.rate=unlimited rd.hydroot.digest=0 rd.hydroot.debug=0";

	assert_int_equal(
		cmdline("rd.hydroot.cert=/c rd.hydroot.cert-key=/k rd.hydroot.ca=/ca "
			"rd.hydroot.credentials=/s rd.hydroot.zram-algorithm=lz4 "
			"rd.hydroot.pack=p.hrp rd.hydroot.report=http://h/r "
			"rd.hydroot.public-key=/p rd.hydroot.rate=1M "
			"rd.hydroot.digest=sha256:" HEX_A " rd.hydroot.debug "
			"rd.hydroot.fallback=file:///f.hri#sha256:" HEX_A),
		0);
	assert_true(o.has_digest);
	/* Within one source: what another one trusts stays. */
	options_init(&o);
	assert_int_equal(cmdline(off), 0);
	assert_int_equal(o.n_warnings, 0);
	assert_string_equal(o.ca, "");
	assert_string_equal(o.cert, "");
	assert_string_equal(o.cert_key, "");
	assert_string_equal(o.credentials, "");
	assert_string_equal(o.zram_algorithm, "");
	assert_string_equal(o.pack.url, "");
	assert_string_equal(o.report, "");
	assert_string_equal(o.fallback.url, "");
	assert_string_equal(o.public_key, "");
	assert_int_equal(o.kernel_check, CHECK_OFF);
	assert_int_equal(o.overlay, OVERLAY_NONE);
	assert_int_equal(o.reserve_bytes, OPTIONS_RESERVE_OFF);
	assert_int_equal(o.rate_bytes, 0);
	assert_false(o.has_digest);
}

static void zero_does_not_weaken_trust(void **state _unused_)
{
	static const char *const words[] = {"ca", "public-key", "digest"};
	char text[64];

	assert_int_equal(conf("ca=/ca\npublic-key=/p\ndigest=sha256:" HEX_A "\n"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		snprintf(text, sizeof text, "rd.hydroot.%s=0", words[i]);
		assert_int_equal(cmdline(text), -EINVAL);
	}
	assert_string_equal(o.ca, "/ca");
	assert_string_equal(o.public_key, "/p");
	assert_true(o.has_digest);
}

static void a_bare_path_is_a_wrong_value(void **state _unused_)
{
	assert_int_equal(cmdline("rd.hydroot.cert rd.hydroot.zram-algorithm "
				 "rd.hydroot.connections=9"),
			 0);
	assert_int_equal(o.n_warnings, 3);
	assert_non_null(strstr(o.warnings[0], "rd.hydroot.cert=1: wrong value: accepted: "
					      "the path of a certificate"));
	assert_non_null(strstr(o.warnings[2], "accepted: 1 to 8"));
	assert_string_equal(o.cert, "");
	assert_int_equal(cmdline("rd.hydroot.public-key"), -EINVAL);
}

static void packs_beside_the_image(void **state _unused_)
{
	static const char *const wrong[] = {"/etc/p",	 "a b",	   "a?b", "../p",
					    "ftp://h/p", "http:p", "p#x"};

	assert_int_equal(cmdline("root=hydroot:http://h/d/i.hri?k=1"), 0);
	assert_int_equal(options_resolve_pack(&o), 0);
	assert_string_equal(o.pack.url, "");
	assert_int_equal(cmdline("rd.hydroot.pack=http://other/p"), 0);
	assert_int_equal(options_resolve_pack(&o), 0);
	assert_string_equal(o.pack.url, "http://other/p");
	assert_int_equal(cmdline("rd.hydroot.pack=packs/web.hot"), 0);
	assert_int_equal(options_resolve_pack(&o), 0);
	assert_string_equal(o.pack.url, "http://h/d/packs/web.hot?k=1");
	assert_int_equal(cmdline("rd.hydroot.pack=0"), 0);
	assert_string_equal(o.pack.url, "");
	assert_int_equal(o.n_warnings, 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char text[64];

		snprintf(text, sizeof text, "rd.hydroot.pack=\"%s\"", wrong[i]);
		assert_int_equal(cmdline(text), 0);
		assert_int_equal(o.n_warnings, i + 1);
		assert_string_equal(o.pack.url, "");
	}
}

static void packs_of_a_digest(void **state _unused_)
{
	static const char *const wrong[] = {"http://h/p#", "p#sha256:12", "p#md5:0",
					    "#sha256:" HEX_A,
					    "http://h/p#sha256:" HEX_A "a"};

	assert_int_equal(cmdline("root=hydroot:http://h/d/i.hri "
				 "rd.hydroot.pack=http://other/p#sha256:" HEX_A),
			 0);
	assert_string_equal(o.pack.url, "http://other/p");
	assert_true(o.pack.has_digest);
	assert_int_equal(o.pack.digest[31], 0xaa);
	assert_int_equal(cmdline("rd.hydroot.pack=packs/p#sha256:" HEX_B), 0);
	assert_int_equal(options_resolve_pack(&o), 0);
	assert_string_equal(o.pack.url, "http://h/d/packs/p");
	assert_int_equal(o.pack.digest[0], 0xbb);
	assert_int_equal(cmdline("rd.hydroot.pack=p"), 0);
	assert_false(o.pack.has_digest);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char text[160];

		assert_int_equal(cmdline("rd.hydroot.pack=p#sha256:" HEX_A), 0);
		snprintf(text, sizeof text, "rd.hydroot.pack=%s", wrong[i]);
		assert_int_equal(cmdline(text), 0);
		assert_int_equal(o.n_warnings, i + 1);
		assert_string_equal(o.pack.url, "");
		assert_false(o.pack.has_digest);
	}
}

/* Nothing vouches for it there but the digest that hydroot.conf gives it. */
static void packs_cannot_get_around_a_pinned_digest(void **state _unused_)
{
	static const char *const other[] = {"http://evil/p#sha256:" HEX_B, "http://c/p",
					    "http://evil/p"};

	assert_int_equal(
		conf("digest=sha256:" HEX_A "\npack=http://c/p#sha256:" HEX_A "\n"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		char text[160];

		snprintf(text, sizeof text, "rd.hydroot.pack=%s", other[i]);
		assert_int_equal(cmdline(text), 0);
		assert_int_equal(o.n_warnings, i + 1);
		assert_non_null(strstr(o.warnings[i], "pack: cannot weaken the digest"));
		assert_string_equal(o.pack.url, "http://c/p");
		assert_int_equal(o.pack.digest[31], 0xaa);
	}
	options_init(&o);
	assert_int_equal(conf("digest=sha256:" HEX_A "\n"), 0);
	assert_int_equal(cmdline("rd.hydroot.pack=http://evil/p#sha256:" HEX_B), 0);
	assert_int_equal(o.n_warnings, 1);
	assert_string_equal(o.pack.url, "");
}

static void packs_that_weaken_nothing(void **state _unused_)
{
	assert_int_equal(
		conf("digest=sha256:" HEX_A "\npack=http://c/p#sha256:" HEX_B "\n"), 0);
	assert_int_equal(cmdline("rd.hydroot.pack=http://d/p#sha256:" HEX_B), 0);
	assert_string_equal(o.pack.url, "http://d/p");
	assert_int_equal(cmdline("rd.hydroot.pack=0"), 0);
	assert_string_equal(o.pack.url, "");
	/* With a key it has to be signed. */
	assert_int_equal(conf("public-key=/p\n"), 0);
	assert_int_equal(cmdline("rd.hydroot.pack=http://e/p#sha256:" HEX_A), 0);
	assert_string_equal(o.pack.url, "http://e/p");
	options_init(&o);
	assert_int_equal(cmdline("rd.hydroot.digest=sha256:" HEX_A
				 " rd.hydroot.pack=http://e/p#sha256:" HEX_B),
			 0);
	assert_string_equal(o.pack.url, "http://e/p");
	assert_int_equal(o.n_warnings, 0);
}

static void unknown_keys_are_warnings(void **state _unused_)
{
	assert_int_equal(
		cmdline("rd.hydroot.modus=full rd.hydroot.overlays=x rd.hydroot.name=x "
			"rd.hydrootx=1 hydroot.mode=full"),
		0);
	assert_int_equal(o.n_warnings, 3);
	assert_non_null(strstr(o.warnings[0], "rd.hydroot.modus: no such key"));
	assert_non_null(strstr(o.warnings[1], "rd.hydroot.overlays: no such key"));
	assert_string_equal(o.name, "root");
	assert_int_equal(o.mode, MODE_HYBRID);
}

#define FALLBACK_HEX "00000000000000000000000000000000000000000000000000000000000000ab"

#define OTHER_HEX "11111111111111111111111111111111111111111111111111111111111111cd"

static void fallback_takes_the_place_of_the_image(void **state _unused_)
{
	assert_int_equal(
		cmdline("root=hydroot:http://a/i rd.hydroot.server=http://b/i "
			"rd.hydroot.pack=x.hot rd.hydroot.min-version=3 "
			"rd.hydroot.digest=sha256:" OTHER_HEX
			" rd.hydroot.fallback=file:///f.hri#sha256:" FALLBACK_HEX),
		0);
	assert_int_equal(o.n_warnings, 0);
	assert_string_equal(o.servers[0], "http://a/i");
	assert_int_equal(options_use_fallback(&o), 0);
	assert_int_equal(o.n_servers, 1);
	assert_string_equal(o.servers[0], "file:///f.hri");
	assert_true(o.has_digest);
	assert_int_equal(o.digest[31], 0xab);
	assert_string_equal(o.pack.url, "");
	assert_int_equal(o.min_version, 3);
}

/* Neither digest nor key: nobody vouches for it.  Nor does the digest of the other image. */
static void fallback_must_be_trusted(void **state _unused_)
{
	assert_int_equal(cmdline("root=hydroot:http://a/i"), 0);
	assert_int_equal(options_use_fallback(&o), -ENOENT);
	assert_int_equal(
		cmdline("rd.hydroot.fallback=http://f/i rd.hydroot.digest=sha256:" OTHER_HEX),
		0);
	assert_int_equal(options_use_fallback(&o), -EKEYREJECTED);
	assert_string_equal(o.servers[0], "http://a/i");
	snprintf(o.public_key, sizeof o.public_key, "/k");
	assert_int_equal(options_use_fallback(&o), 0);
	assert_false(o.has_digest);
}

static void wrong_fallbacks_are_warnings(void **state _unused_)
{
	static const char *const wrong[] = {
		"f.hri",
		"http://f/i#",
		"http://f/i#md5:0",
		"http://f/i#sha256:12",
		"#sha256:" FALLBACK_HEX,
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char text[160];

		snprintf(text, sizeof text, "rd.hydroot.fallback=%s", wrong[i]);
		assert_int_equal(cmdline(text), 0);
		assert_int_equal(o.n_warnings, i + 1);
		assert_string_equal(o.fallback.url, "");
	}
}

static void fallback_cannot_get_around_a_pinned_digest(void **state _unused_)
{
	assert_int_equal(options_parse_conf(&o, "c",
					    "digest=sha256:" OTHER_HEX
					    "\nfallback=http://c/i#sha256:" FALLBACK_HEX),
			 0);
	assert_int_equal(
		cmdline("rd.hydroot.fallback=http://evil/i#sha256:" FALLBACK_HEX), 0);
	assert_int_equal(o.n_warnings, 1);
	assert_string_equal(o.fallback.url, "http://c/i");
	assert_int_equal(cmdline("rd.hydroot.fallback=http://d/i#sha256:" OTHER_HEX), 0);
	assert_int_equal(o.n_warnings, 1);
	assert_string_equal(o.fallback.url, "http://d/i");
}

static void mounted_images_take_the_place_of_foreign_urls(void **state _unused_)
{
	assert_int_equal(
		cmdline("root=hydroot:nfs://s/e/i.hri rd.hydroot.server=glusterfs://g/v/i.hri "
			"rd.hydroot.server=http://h/i.hri rd.hydroot.server=nfs://s/e/i"),
		0);
	assert_int_equal(o.n_servers, 4);
	options_map_transports(&o,
			       "nfs://s/e/i.hri.old file:///wrong\nnfs://s/e/i.hri "
			       "file:///m/1/i.hri\nglusterfs://g/v/i.hri http://evil/\n\n"
			       "nfs://s/e/i file:///m/4/i");
	assert_int_equal(o.n_servers, 3);
	assert_string_equal(o.servers[0], "file:///m/1/i.hri");
	assert_string_equal(o.servers[1], "http://h/i.hri");
	assert_string_equal(o.servers[2], "file:///m/4/i");
	assert_int_equal(o.n_warnings, 1);
	assert_non_null(strstr(o.warnings[0], "glusterfs://g/v/i.hri: not mounted"));
	options_map_transports(&o, "");
	assert_int_equal(o.n_servers, 3);
}

static void foreign_urls_are_for_the_boot(void **state _unused_)
{
	static const char *const wrong[] = {
		"nfs:///i",	 "nfs://h",	    "NFS://h/i",       "nfs://h/$(id)",
		"nfs://h/../i",	 "1://h/i",	    "nfs:/h/i",	       "nfs://h/[ab]",
		"nfs://[ab]x/i", "nfs://a[::1]/i",  "nfs://[::1/i",    "nfs://[*]/i",
		"nfs://[]/i",	 "nfs://[::1]/[a]", "nfs://h/@[::1]/i"};
	static const char *const right[] = {"nfs://h:2049/i", "nfs://[fd00::1]/i",
					    "nfs://[fd00::1]:2049/e/i", "x://u@[::1]/i"};
	char arg[] = "nfs://s/e/i.hri", *argv[] = {arg};

	assert_int_equal(options_parse_argv(&o, 1, argv), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char text[64];

		snprintf(text, sizeof text, "rd.hydroot.server=%s", wrong[i]);
		assert_int_equal(cmdline(text), 0);
		assert_int_equal(o.n_servers, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(right); i++) {
		char text[64];

		snprintf(text, sizeof text, "rd.hydroot.server=%s", right[i]);
		assert_int_equal(cmdline(text), 0);
		assert_string_equal(o.servers[i], right[i]);
	}
}

static void warnings_have_an_end(void **state _unused_)
{
	for (int i = 0; i < 100; i++)
		assert_int_equal(cmdline("rd.hydroot.mode=x"), 0);
	assert_int_equal(o.n_warnings, OPTIONS_WARNINGS_MAX);
}

static void trust_keys_must_be_right(void **state _unused_)
{
	assert_int_equal(cmdline("rd.hydroot.digest=sha256:abc"), -EINVAL);
	assert_int_equal(cmdline("rd.hydroot.digest"), -EINVAL);
	assert_int_equal(cmdline("rd.hydroot.digest=" HEX_A), -EINVAL);
	assert_int_equal(cmdline("rd.hydroot.digest=sha256:" HEX_A "a"), -EINVAL);
	assert_int_equal(cmdline("rd.hydroot.min-version=1K"), -EINVAL);
	assert_false(o.has_digest);
	assert_int_equal(cmdline("rd.hydroot.digest=sha256:" HEX_A), 0);
	assert_true(o.has_digest);
	assert_int_equal(o.digest[31], 0xaa);
}

static void cmdline_cannot_weaken_trust(void **state _unused_)
{
	assert_int_equal(conf("digest=sha256:" HEX_A "\npublic-key=/etc/k.pub\n"
			      "min-version=5\nca=/etc/ca.pem\n"),
			 0);
	assert_int_equal(cmdline("rd.hydroot.digest=sha256:" HEX_B), -EINVAL);
	assert_int_equal(cmdline("rd.hydroot.digest=0"), -EINVAL);
	assert_int_equal(cmdline("rd.hydroot.public-key=/other"), -EINVAL);
	assert_int_equal(cmdline("rd.hydroot.min-version=4"), -EINVAL);
	assert_int_equal(cmdline("rd.hydroot.min-version=0 rd.hydroot.min-version=9"),
			 -EINVAL);
	assert_int_equal(cmdline("rd.hydroot.ca=/other"), -EINVAL);
	assert_int_equal(o.digest[0], 0xaa);
	assert_string_equal(o.public_key, "/etc/k.pub");
	assert_string_equal(o.ca, "/etc/ca.pem");
	assert_true(o.min_version >= 5);
}

static void cmdline_can_strengthen_trust(void **state _unused_)
{
	assert_int_equal(conf("min-version=5\npublic-key=/etc/k.pub"), 0);
	assert_int_equal(
		cmdline("rd.hydroot.min-version=7 rd.hydroot.public-key=/etc/k.pub "
			"rd.hydroot.digest=sha256:" HEX_B
			" rd.hydroot.digest=sha256:" HEX_A),
		0);
	assert_int_equal(o.min_version, 7);
	assert_int_equal(o.digest[0], 0xaa);
}

static void conf_is_lines_with_comments(void **state _unused_)
{
	assert_int_equal(
		conf("# a comment\n\n  mode = full \r\n\tdebug\nrate=\"2M\"\n"
		     "#store=memory\nserver=http://b/i\nurl=http://a/i\nwhat=1\nfill=boot"),
		0);
	assert_int_equal(o.mode, MODE_FULL);
	assert_true(o.debug);
	assert_int_equal(o.rate_bytes, 2 << 20);
	assert_string_equal(o.store, "zram");
	assert_string_equal(o.servers[0], "http://a/i");
	assert_string_equal(o.servers[1], "http://b/i");
	assert_int_equal(o.fill, FILL_BOOT);
	assert_int_equal(o.n_warnings, 1);
	assert_int_equal(cmdline("root=hydroot:http://c/i rd.hydroot.server=http://d/i"),
			 0);
	assert_int_equal(o.n_servers, 3);
	assert_string_equal(o.servers[0], "http://c/i");
	assert_string_equal(o.servers[2], "http://d/i");
}

/* KEY= and n times x, malloc'ed. */
static char *long_value(const char *key, size_t n)
{
	size_t n_key = strlen(key);
	char *text = malloc(n_key + n + 1);

	assert_non_null(text);
	memcpy(text, key, n_key);
	memset(text + n_key, 'x', n);
	text[n_key + n] = '\0';
	return text;
}

static void too_long_values_are_errors(void **state _unused_)
{
	static const char *const keys[] = {
		"root=hydroot:http://h/",
		"rd.hydroot.server=http://h/",
		"rd.hydroot.store=/",
		"rd.hydroot.public-key=/",
		"rd.hydroot.zram-algorithm=",
		"rootflags=",
		"ip=",
		"ifname=",
		"nameserver=",
		"BOOTIF=",
		"init=/",
		"panic=",
		"rd.break=",
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		cleanup_free char *text = long_value(keys[i], 1100);

		assert_int_equal(cmdline(text), -EINVAL);
	}
	assert_int_equal(o.n_servers + o.n_ip + o.n_ifname + o.n_nameserver, 0);
	assert_string_equal(o.store, "zram");
	assert_string_equal(o.rootflags, "");

	cleanup_free char *huge = long_value("x=", 1 << 20);

	assert_int_equal(cmdline(huge), -EINVAL);
	assert_int_equal(conf(huge), -EINVAL);
}

static void url_of_the_greatest_length_fits(void **state _unused_)
{
	cleanup_free char *text =
		long_value("root=hydroot:http://h/", OPTIONS_URL_BYTES - 1 - 9);

	assert_int_equal(cmdline(text), 0);
	assert_int_equal(strlen(o.servers[0]), OPTIONS_URL_BYTES - 1);
}

static void too_many_are_warnings(void **state _unused_)
{
	for (int i = 0; i < 20; i++)
		assert_int_equal(
			cmdline("rd.hydroot.server=http://h/i ip=dhcp nameserver=1.1.1.1 "
				"ifname=a:b"),
			0);
	assert_int_equal(o.n_servers, OPTIONS_SERVERS_MAX);
	assert_int_equal(o.n_ip, 8);
	assert_int_equal(o.n_nameserver, 4);
	assert_int_equal(o.n_ifname, 4);
	assert_true(o.n_warnings > 0);
	assert_int_equal(cmdline("root=hydroot:http://h/j"), -EINVAL);
}

static void wrong_root_url_is_an_error(void **state _unused_)
{
	assert_int_equal(conf("url=http://conf/i\n"), 0);
	assert_int_equal(cmdline("root=hydroot:nonsense"), -EINVAL);
	assert_int_equal(cmdline("root=hydroot:http:///i"), -EINVAL);
	assert_int_equal(cmdline("root=\"hydroot:http://h/a b\""), -EINVAL);
	assert_int_equal(cmdline("root=hydroot:http://h"), -EINVAL);
	assert_int_equal(cmdline("root=hydroot:"), 0);
}

static void classic_ram_root(void **state _unused_)
{
	assert_int_equal(cmdline("rootimage=http://h/i.hri root=ram"), 0);
	assert_true(o.is_root);
	assert_int_equal(o.mode, MODE_FULL);
	assert_string_equal(o.servers[0], "http://h/i.hri");
}

static void rootimage_alone_is_not_ours(void **state _unused_)
{
	assert_int_equal(cmdline("rootimage=whatever root=/dev/sda1"), 0);
	assert_false(o.is_root);
	assert_int_equal(o.n_servers, 0);
}

static void netroot_is_another_name(void **state _unused_)
{
	assert_int_equal(cmdline("ro netroot=hydroot:http://h/i.hri"), 0);
	assert_true(o.is_root);
	assert_string_equal(o.servers[0], "http://h/i.hri");
	assert_int_equal(cmdline("netroot=hydroot:nonsense"), -EINVAL);
}

static void netroot_is_no_other_root(void **state _unused_)
{
	assert_int_equal(cmdline("netroot=hydroot:http://h/i.hri root=/dev/sda1"), 0);
	assert_int_equal(cmdline("netroot=iscsi:1.2.3.4::::iqn"), 0);
	assert_int_equal(cmdline("netroot=hydroot:http://h/i.hri netroot=nbd:h:1"), 0);
	assert_false(o.is_root);
	assert_int_equal(cmdline("root=hydroot:http://a/i netroot=hydroot:http://b/i"),
			 0);
	assert_int_equal(o.n_servers, 1);
	assert_string_equal(o.servers[0], "http://a/i");
}

static void netroot_with_root_that_has_no_url(void **state _unused_)
{
	assert_int_equal(cmdline("netroot=hydroot:http://b/i root=hydroot"), 0);
	assert_true(o.is_root);
	assert_string_equal(o.servers[0], "http://b/i");
}

static void a_shell_is_for_who_asks_for_it(void **state _unused_)
{
	static const char *const no[] = {"=0",	   "=no", "=n",	   "=off",
					 "=false", "=",	  "=never"};
	static const char *const yes[] = {"", "=1", "=yes", "=y", "=on"};
	char text[32];

	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		snprintf(text, sizeof text, "rd.shell rd.shell%s", no[i]);
		assert_int_equal(cmdline(text), 0);
		assert_false(o.rd_shell);
	}
	assert_int_equal(o.n_warnings, 2);
	assert_non_null(strstr(o.warnings[1], "rd.shell=never: wrong value"));
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		snprintf(text, sizeof text, "rd.shell=0 rd.shell%s", yes[i]);
		assert_int_equal(cmdline(text), 0);
		assert_true(o.rd_shell);
	}
}

static int argv(char **args)
{
	int n = 0;

	while (args[n])
		n++;
	return options_parse_argv(&o, n, args);
}

#define ARGV(...) argv((char *[]){__VA_ARGS__, NULL})

static char name_[] = "--name", data[] = "data", mode_full[] = "--mode=full-copy",
	    url_a[] = "http://u:p@a/i", url_b[] = "http://b/i", url_c[] = "http://c/i",
	    server[] = "--server", read_only[] = "--read-only", dashes[] = "--",
	    unknown[] = "--no-such-key", onfail[] = "--onfail=reboot",
	    mode_bad[] = "--mode=x", digest_bad[] = "--digest=x", debug0[] = "--debug=0",
	    name_bad[] = "--name=a/b", rate[] = "--rate", cache[] = "--cache=1G",
	    file[] = "/x.hri", cache_small[] = "--cache=8M";

static void argv_of_attach(void **state _unused_)
{
	assert_int_equal(ARGV(name_, data, url_a, mode_full, server, url_b, read_only,
			      debug0, cache, dashes, url_c),
			 0);
	assert_string_equal(o.name, "data");
	assert_int_equal(o.mode, MODE_FULL);
	assert_true(o.read_only);
	assert_false(o.debug);
	assert_int_equal(o.n_servers, 3);
	assert_string_equal(o.servers[0], url_a);
	assert_string_equal(o.servers[1], url_b);
	assert_string_equal(o.servers[2], url_c);
	assert_int_equal(o.cache_bytes, 1u << 30);
	assert_int_equal(o.n_warnings, 0);
}

static void argv_is_strict(void **state _unused_)
{
	assert_int_equal(ARGV(unknown, url_a), -EINVAL);
	assert_int_equal(ARGV(onfail, url_a), -EINVAL);
	assert_int_equal(ARGV(mode_bad, url_a), -EINVAL);
	assert_int_equal(ARGV(digest_bad, url_a), -EINVAL);
	assert_int_equal(ARGV(name_bad, url_a), -EINVAL);
	assert_int_equal(ARGV(cache_small, url_a), -EINVAL);
	assert_int_equal(ARGV(url_a, rate), -EINVAL);
	assert_int_equal(ARGV(file), -EINVAL);
	options_init(&o);
	assert_int_equal(ARGV(read_only), -EINVAL);
}

static void proxy_is_a_standard_key(void **state _unused_)
{
	static const char *const good[] = {
		"p", "p:3128", "http://p:3128/", "socks5h://[::1]:1080", "u:pw@p:1",
	};
	static const char *const wrong[] = {"", ":80", "ftp://p", "http://p/path", "a b"};
	char text[128];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		options_init(&o);
		snprintf(text, sizeof text, "proxy=%s", good[i]);
		assert_int_equal(options_parse_cmdline(&o, text), 0);
		assert_string_equal(o.proxy, good[i]);
		assert_int_equal(o.n_warnings, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		options_init(&o);
		snprintf(text, sizeof text, "\"proxy=%s\"", wrong[i]);
		assert_int_equal(options_parse_cmdline(&o, text), 0);
		assert_string_equal(o.proxy, "");
		assert_int_equal(o.n_warnings, i > 0);
	}
	/* Never doubled. */
	options_init(&o);
	assert_int_equal(options_parse_cmdline(&o, "rd.hydroot.proxy=p"), 0);
	assert_string_equal(o.proxy, "");
	assert_int_equal(o.n_warnings, 1);
	options_init(&o);
	assert_int_equal(options_parse_conf(&o, "conf", "proxy=p\n"), 0);
	assert_string_equal(o.proxy, "p");
}

static void servers_may_be_files(void **state _unused_)
{
	options_init(&o);
	assert_int_equal(options_parse_cmdline(&o, "root=hydroot:file:///a/b.hri "
						   "rd.hydroot.server=file:/x "
						   "rd.hydroot.server-policy=spread"),
			 0);
	assert_string_equal(o.servers[0], "file:///a/b.hri");
	assert_int_equal(o.n_servers, 1);
	assert_int_equal(o.n_warnings, 1);
	assert_int_equal(o.server_policy, POLICY_SPREAD);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		TEST(defaults_are_documented_ones),
		TEST(cmdline_of_a_boot),
		TEST(quotes_protect_spaces),
		TEST(unclosed_quote_ends_with_the_text),
		TEST(words_behind_two_dashes_are_for_init),
		TEST(last_one_wins),
		TEST(wrong_value_leaves_default_and_warning),
		TEST(empty_values_are_wrong_values),
		TEST(zero_is_off),
		TEST(zero_does_not_weaken_trust),
		TEST(a_bare_path_is_a_wrong_value),
		TEST(packs_beside_the_image),
		TEST(packs_of_a_digest),
		TEST(packs_cannot_get_around_a_pinned_digest),
		TEST(packs_that_weaken_nothing),
		TEST(unknown_keys_are_warnings),
		TEST(fallback_takes_the_place_of_the_image),
		TEST(fallback_must_be_trusted),
		TEST(mounted_images_take_the_place_of_foreign_urls),
		TEST(foreign_urls_are_for_the_boot),
		TEST(wrong_fallbacks_are_warnings),
		TEST(fallback_cannot_get_around_a_pinned_digest),
		TEST(warnings_have_an_end),
		TEST(trust_keys_must_be_right),
		TEST(cmdline_cannot_weaken_trust),
		TEST(cmdline_can_strengthen_trust),
		TEST(conf_is_lines_with_comments),
		TEST(too_long_values_are_errors),
		TEST(url_of_the_greatest_length_fits),
		TEST(too_many_are_warnings),
		TEST(wrong_root_url_is_an_error),
		TEST(classic_ram_root),
		TEST(rootimage_alone_is_not_ours),
		TEST(netroot_is_another_name),
		TEST(netroot_is_no_other_root),
		TEST(netroot_with_root_that_has_no_url),
		TEST(a_shell_is_for_who_asks_for_it),
		TEST(argv_of_attach),
		TEST(argv_is_strict),
		cmocka_unit_test(proxy_is_a_standard_key),
		cmocka_unit_test(servers_may_be_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
