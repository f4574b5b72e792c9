/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_sh.c - all that was parsed, as assignments for the initramfs scripts to eval
 *
 * Every value stands in single quotes, the one quoting of sh in which nothing is special
 * but the quote itself: a command line cannot run anything by being parsed.  The names
 * are a contract with the scripts; hydrootd(8) lists them.
 */
#include "base/options_table.h"

#include <ctype.h>
#include <errno.h>

/* For the inside of single quotes. */
static void put_escaped(const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*text);
	}
}

void option_print_var(const char *key, const char *value)
{
	fputs("hydroot_", stdout);
	for (; *key; key++)
		putchar(*key == '-' ? '_' : *key);
	fputs("='", stdout);
	put_escaped(value);
	fputs("'\n", stdout);
}

void option_print_number(const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%llu", (unsigned long long)value);
	option_print_var(key, text);
}

/* hydroot_KEY_1= and so on, as written. */
static void print_numbered(const char *key, const char *rows, size_t row_bytes,
			   unsigned n)
{
	char name[32];

	snprintf(name, sizeof name, "n-%s", key);
	option_print_number(name, n);
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof name, "%s-%u", key, i + 1);
		option_print_var(name, rows + i * row_bytes);
	}
}

/* hydroot_KEY='A B C': for lists whose items hold no blanks. */
static void print_list(const char *key, const char *rows, size_t row_bytes, unsigned n)
{
	printf("hydroot_%s='", key);
	for (unsigned i = 0; i < n; i++) {
		if (i)
			putchar(' ');
		put_escaped(rows + i * row_bytes);
	}
	fputs("'\n", stdout);
}

/* BOOTIF=01-52-54-00-12-34-56: the hardware type, then the address. */
static void print_bootif(const char *text)
{
	char mac[18] = "";

	option_print_var("bootif", text);
	if (strlen(text) == 20 && strncmp(text, "01-", 3) == 0)
		text += 3;
	for (unsigned i = 0; strlen(text) == 17 && i < 17; i++) {
		if (text[i] == '-' || text[i] == ':')
			mac[i] = ':';
		else
			mac[i] = (char)tolower((unsigned char)text[i]);
	}
	option_print_var("bootif-mac", mac);
}

static void print_keys(const struct options *o)
{
	for (size_t i = 0; i < n_option_keys; i++) {
		const struct option_key *k = &option_keys[i];

		if (k->type->print)
			k->type->print(o, k);
	}
}

static void print_standard(const struct options *o)
{
	option_print_number("is-root", o->is_root);
	option_print_var("rootfstype", o->rootfstype);
	option_print_var("rootflags", o->rootflags);
	option_print_number("root-ro", o->root_ro);
	option_print_var("init", o->init);
	option_print_var("panic", o->panic);
	option_print_var("rd-break", o->rd_break);
	option_print_number("rd-shell", o->rd_shell);
	option_print_var("rd-neednet", o->rd_neednet);
}

static void print_network(const struct options *o)
{
	print_numbered("ip", o->ip[0], sizeof o->ip[0], o->n_ip);
	for (unsigned i = 0; i < o->n_ip; i++)
		option_print_ip(i + 1, o->ip[i]);
	print_numbered("ifname", o->ifname[0], sizeof o->ifname[0], o->n_ifname);
	print_numbered("vlan", o->vlan[0], sizeof o->vlan[0], o->n_vlan);
	print_bootif(o->bootif);
	option_print_number("n-nameservers", o->n_nameserver);
	print_list("nameservers", o->nameserver[0], sizeof o->nameserver[0],
		   o->n_nameserver);
}

int options_print_sh(const struct options *o)
{
	print_keys(o);
	option_print_number("n-servers", o->n_servers);
	print_list("servers", o->servers[0], sizeof o->servers[0], o->n_servers);
	print_standard(o);
	print_network(o);
	print_numbered("warning", o->warnings[0], sizeof o->warnings[0], o->n_warnings);
	if (fflush(stdout) != 0 || ferror(stdout))
		return errno ? -errno : -EIO;
	return 0;
}
