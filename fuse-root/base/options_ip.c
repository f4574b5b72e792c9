/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_ip.c - one ip= word taken apart for the initramfs scripts
 *
 * The forms are those of the kernel (Documentation/admin-guide/nfs/nfsroot.rst) with what
 * dracut.cmdline(7) adds:
 *
 *	ip=METHOD
 *	ip=DEVICE:METHOD[:MTU[:MACADDR]]
 *	ip=CLIENT:SERVER:GATEWAY:NETMASK:HOSTNAME:DEVICE:AUTOCONF[:DNS0[:DNS1[:NTP0]]]
 *	ip=CLIENT:SERVER:GATEWAY:NETMASK:HOSTNAME:DEVICE:AUTOCONF[:MTU[:MACADDR]]
 *
 * IPv6 addresses stand in brackets, which are taken off; CLIENT may carry /PREFIX.
 */
#include "base/options_table.h"

#define FIELDS_MAX 16u
#define N_FIELDS_WITH_MACADDR 14u /* seven, MTU, six bytes of the address */

static const char *const method_words[] = {
	"dhcp", "on",	 "any",	  "off",   "none",    "bootp", "rarp",
	"both", "dhcp6", "auto6", "link6", "either6", "ibft",  "single-dhcp",
};

enum ip_part {
	IP_CLIENT,
	IP_SERVER,
	IP_GATEWAY,
	IP_NETMASK,
	IP_HOSTNAME,
	IP_DEVICE,
	IP_AUTOCONF,
	IP_DNS0,
	IP_DNS1,
	IP_NTP0,
	IP_MTU,
	IP_MACADDR,
	N_IP_PARTS,
};

static const char *const part_names[N_IP_PARTS] = {
	"client",   "server", "gateway", "netmask", "hostname", "device",
	"autoconf", "dns0",   "dns1",	 "ntp0",    "mtu",	"macaddr",
};

static const char empty[] = "";

static bool is_method(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(method_words); i++) {
		if (strcmp(text, method_words[i]) == 0)
			return true;
	}
	return false;
}

static bool is_number(const char *text)
{
	return text[0] && text[strspn(text, "0123456789")] == '\0';
}

/*
 * Cut at colons outside brackets, and take the brackets off.  Returns the number of
 * fields.
 */
static unsigned split(char *text, const char *fields[FIELDS_MAX])
{
	unsigned n = 1;
	bool in_brackets = false;
	char *out = text;

	fields[0] = text;
	for (const char *in = text; *in; in++) {
		if (*in == '[' || *in == ']') {
			in_brackets = *in == '[';
		} else if (*in == ':' && !in_brackets && n < FIELDS_MAX) {
			*out++ = '\0';
			fields[n++] = out;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
	return n;
}

/*
 * A MAC address at the end was cut at its colons too: its place in the word as written.
 */
static const char *macaddr_at(const char *text, unsigned n_colons)
{
	bool in_brackets = false;

	for (; *text && n_colons; text++) {
		if (*text == '[' || *text == ']')
			in_brackets = *text == '[';
		else if (*text == ':' && !in_brackets)
			n_colons--;
	}
	return text;
}

static void assign_device_form(const char *text, const char **fields, unsigned n,
			       const char *parts[N_IP_PARTS])
{
	parts[IP_DEVICE] = fields[0];
	parts[IP_AUTOCONF] = fields[1];
	if (n > 2)
		parts[IP_MTU] = fields[2];
	if (n > 3)
		parts[IP_MACADDR] = macaddr_at(text, 3);
}

static void assign_long_form(const char *text, const char **fields, unsigned n,
			     const char *parts[N_IP_PARTS])
{
	bool has_mtu = n > 7 && (is_number(fields[7]) || n == N_FIELDS_WITH_MACADDR);

	for (unsigned i = 0; i < n && i <= (has_mtu ? IP_AUTOCONF : IP_NTP0); i++)
		parts[i] = fields[i];
	if (has_mtu) {
		parts[IP_MTU] = fields[7];
		parts[IP_MACADDR] = n > 8 ? macaddr_at(text, 8) : empty;
	}
}

/* CLIENT/PREFIX: the prefix is a netmask, where none is given. */
static void split_prefix(char *client, const char *parts[N_IP_PARTS])
{
	char *slash = strchr(client, '/');

	if (!slash)
		return;
	*slash = '\0';
	if (!parts[IP_NETMASK][0])
		parts[IP_NETMASK] = slash + 1;
}

static void print_parts(unsigned n, const char *const parts[N_IP_PARTS])
{
	for (unsigned i = 0; i < N_IP_PARTS; i++) {
		char key[32];

		snprintf(key, sizeof key, "ip-%u-%s", n, part_names[i]);
		option_print_var(key, parts[i]);
	}
}

void option_print_ip(unsigned n, const char *text)
{
	char copy[sizeof((struct options *)0)->ip[0]];
	const char *fields[FIELDS_MAX], *parts[N_IP_PARTS];
	unsigned n_fields;

	if (option_copy(copy, sizeof copy, text))
		return;
	for (unsigned i = 0; i < N_IP_PARTS; i++)
		parts[i] = empty;
	n_fields = split(copy, fields);
	if (n_fields == 1 && is_method(fields[0]))
		parts[IP_AUTOCONF] = fields[0];
	else if (n_fields > 1 && is_method(fields[1]))
		assign_device_form(text, fields, n_fields, parts);
	else
		assign_long_form(text, fields, n_fields, parts);
	if (parts[IP_CLIENT] == fields[0])
		split_prefix(copy, parts);
	print_parts(n, parts);
}
