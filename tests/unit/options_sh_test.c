/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_sh_test.c - what options_print_sh prints means to a real sh what was parsed
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/options.h"

#define SET(field, text) snprintf(field, sizeof(field), "%s", text)

static char path[] = "/tmp/hydroot-sh-XXXXXX";
static struct options o;

/* options_print_sh into the file `path`. */
static void print_to_file(void)
{
	int saved = dup(STDOUT_FILENO);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(saved >= 0 && fd >= 0);
	fflush(stdout);
	assert_true(dup2(fd, STDOUT_FILENO) >= 0);
	assert_int_equal(options_print_sh(&o), 0);
	assert_true(dup2(saved, STDOUT_FILENO) >= 0);
	close(saved);
	close(fd);
}

/* In the child: let sh eval the file and print the variable to `fd`. */
static void exec_sh(int fd, const char *variable)
{
	char script[256];

	snprintf(script, sizeof script, "eval \"$(cat %s)\" && printf %%s \"$%s\"", path,
		 variable);
	if (dup2(fd, STDOUT_FILENO) >= 0)
		execl("/bin/sh", "sh", "-c", script, (char *)NULL);
	_exit(127);
}

static const char *sh_value(const char *variable)
{
	static char value[8192];
	int ends[2], status;
	size_t n_bytes = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		exec_sh(ends[1], variable);
	close(ends[1]);
	while ((n = read(ends[0], value + n_bytes, sizeof value - 1 - n_bytes)) > 0)
		n_bytes += (size_t)n;
	close(ends[0]);
	value[n_bytes] = '\0';
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return value;
}

#define assert_sh(variable, expected) assert_string_equal(sh_value(variable), expected)

static int setup(void **state _unused_)
{
	SET(path, "/tmp/hydroot-sh-XXXXXX");
	int fd = mkstemp(path);

	options_init(&o);
	return fd < 0 || close(fd);
}

static int teardown(void **state _unused_)
{
	return unlink(path);
}

static void parse_and_print(const char *text)
{
	assert_int_equal(options_parse_cmdline(&o, text), 0);
	print_to_file();
}

static void hostile_values_stay_text(void **state _unused_)
{
	static const char hostile[] =
		"'; touch /tmp/hydroot-was-here; $(touch /tmp/hydroot-was-here) `id` \\ '' \n\"x*?~";

	SET(o.rootflags, hostile);
	SET(o.nameserver[0], "'$(id)'");
	o.n_nameserver = 1;
	SET(o.warnings[0], "\n'\n");
	o.n_warnings = 1;
	print_to_file();
	assert_sh("hydroot_rootflags", hostile);
	assert_sh("hydroot_nameservers", "'$(id)'");
	assert_sh("hydroot_warning_1", "\n'\n");
	assert_int_not_equal(access("/tmp/hydroot-was-here", F_OK), 0);
}

static void keys_and_lists(void **state _unused_)
{
	parse_and_print(
		"root=hydroot:http://a/i rd.hydroot.server=http://b/i;$x "
		"rd.hydroot.attach-timeout=1500ms rd.hydroot.zram-algorithm=lz4 "
		"rd.hydroot.digest=sha256:"
		"ABcdef0000000000000000000000000000000000000000000000000000000000 "
		"nameserver=1.1.1.1 nameserver=2.2.2.2 BOOTIF=01-52-54-00-12-AB-56 ro");
	assert_sh("hydroot_is_root", "1");
	assert_sh("hydroot_url", "http://a/i");
	assert_sh("hydroot_servers", "http://a/i http://b/i;$x");
	assert_sh("hydroot_n_servers", "2");
	assert_sh("hydroot_mode", "hybrid");
	assert_sh("hydroot_attach_timeout", "2");
	assert_sh("hydroot_zram_algorithm", "lz4");
	assert_sh(
		"hydroot_digest",
		"sha256:abcdef0000000000000000000000000000000000000000000000000000000000");
	assert_sh("hydroot_nameservers", "1.1.1.1 2.2.2.2");
	assert_sh("hydroot_bootif_mac", "52:54:00:12:ab:56");
	assert_sh("hydroot_root_ro", "1");
	assert_sh("hydroot_n_ip", "0");
}

/* A fallback and a pack with their digests; none leaves nothing behind of one before it. */
static void digests_behind_urls(void **state _unused_)
{
#define PIN "#sha256:abcdef0000000000000000000000000000000000000000000000000000000000"
	parse_and_print("rd.hydroot.pack=http://p/p" PIN
			" rd.hydroot.fallback=http://f/i" PIN);
	assert_sh("hydroot_pack", "http://p/p" PIN);
	assert_sh("hydroot_fallback", "http://f/i" PIN);
	parse_and_print("rd.hydroot.pack=p rd.hydroot.fallback=nonsense");
	assert_sh("hydroot_pack", "p");
	assert_sh("hydroot_fallback", "");
}

static void ip_words_of_the_kernel(void **state _unused_)
{
	parse_and_print(
		"ip=10.0.0.2:10.0.0.1:10.0.0.254:255.255.255.0:node:eth0:off:9.9.9.9:8.8.8.8 "
		"ip=dhcp ip=10.0.0.9");
	assert_sh("hydroot_n_ip", "3");
	assert_sh("hydroot_ip_1_client", "10.0.0.2");
	assert_sh("hydroot_ip_1_server", "10.0.0.1");
	assert_sh("hydroot_ip_1_gateway", "10.0.0.254");
	assert_sh("hydroot_ip_1_netmask", "255.255.255.0");
	assert_sh("hydroot_ip_1_hostname", "node");
	assert_sh("hydroot_ip_1_device", "eth0");
	assert_sh("hydroot_ip_1_autoconf", "off");
	assert_sh("hydroot_ip_1_dns0", "9.9.9.9");
	assert_sh("hydroot_ip_1_dns1", "8.8.8.8");
	assert_sh("hydroot_ip_1_mtu", "");
	assert_sh("hydroot_ip_2", "dhcp");
	assert_sh("hydroot_ip_2_autoconf", "dhcp");
	assert_sh("hydroot_ip_2_client", "");
	assert_sh("hydroot_ip_3_client", "10.0.0.9");
}

static void ip_words_of_dracut(void **state _unused_)
{
	parse_and_print(
		"ip=eth1:dhcp6:1400:52:54:00:12:34:56 "
		"ip=[2001:db8::2]/64::[2001:db8::1]:::eth0:none:9000:52:54:00:12:34:57 "
		"ip=10.0.0.2::10.0.0.1:24::eth2:none::52:54:00:12:34:58 "
		"ip=10.0.0.2::::::::[2001:4860::8888]");
	assert_sh("hydroot_ip_1_device", "eth1");
	assert_sh("hydroot_ip_1_autoconf", "dhcp6");
	assert_sh("hydroot_ip_1_mtu", "1400");
	assert_sh("hydroot_ip_1_macaddr", "52:54:00:12:34:56");
	assert_sh("hydroot_ip_2_client", "2001:db8::2");
	assert_sh("hydroot_ip_2_netmask", "64");
	assert_sh("hydroot_ip_2_gateway", "2001:db8::1");
	assert_sh("hydroot_ip_2_device", "eth0");
	assert_sh("hydroot_ip_2_mtu", "9000");
	assert_sh("hydroot_ip_2_macaddr", "52:54:00:12:34:57");
	assert_sh("hydroot_ip_3_netmask", "24");
	assert_sh("hydroot_ip_3_mtu", "");
	assert_sh("hydroot_ip_3_macaddr", "52:54:00:12:34:58");
	assert_sh("hydroot_ip_4_dns0", "");
	assert_sh("hydroot_ip_4_dns1", "2001:4860::8888");
}

static void strange_ip_words_do_no_harm(void **state _unused_)
{
	parse_and_print(
		"ip=: ip=:::::::::::::::::::::::::: ip=[ ip=[[::: ip=] ip=/ ip=eth0:dhcp: "
		"ip=';id;'");
	assert_sh("hydroot_n_ip", "8");
	assert_sh("hydroot_ip_7_device", "eth0");
	assert_sh("hydroot_ip_8_client", "';id;'");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(hostile_values_stay_text), TEST(keys_and_lists),
		TEST(digests_behind_urls),	TEST(ip_words_of_the_kernel),
		TEST(ip_words_of_dracut),	TEST(strange_ip_words_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
