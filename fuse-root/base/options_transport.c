/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_transport.c - servers that the initramfs has mounted, as nfs:// is
 */
#include "base/options_table.h"

#include "base/options_url.h"

/* The file of `url` in the lines of `text`, into `ret`. */
static bool find_file(const char *text, const char *url, char ret[OPTIONS_URL_BYTES])
{
	const size_t n_url = strlen(url);

	for (const char *line = text; *line;
	     line += strcspn(line, "\n"), line += *line != 0) {
		const size_t n_line = strcspn(line, "\n");

		if (n_line <= n_url || strncmp(line, url, n_url) != 0 ||
		    line[n_url] != ' ' || n_line - n_url > OPTIONS_URL_BYTES)
			continue;
		memcpy(ret, line + n_url + 1, n_line - n_url - 1);
		ret[n_line - n_url - 1] = '\0';
		return options_url_file(ret) && options_url_is_valid(ret);
	}
	return false;
}

/* False: it is not there, and left out. */
static bool map(struct options *o, const char *text, char url[OPTIONS_URL_BYTES])
{
	char file[OPTIONS_URL_BYTES], shown[128];

	if (!options_url_is_foreign(url))
		return true;
	if (find_file(text, url, file))
		return option_copy(url, OPTIONS_URL_BYTES, file) == 0;
	options_url_public(url, shown, sizeof shown);
	option_warn(o, "%s: not mounted by the initramfs; ignored", shown);
	return false;
}

void options_map_transports(struct options *o, const char *text)
{
	unsigned n = 0;

	for (unsigned i = 0; i < o->n_servers; i++) {
		if (!map(o, text, o->servers[i])) {
			o->has_url = o->has_url && i > 0;
			continue;
		}
		if (n != i)
			memcpy(o->servers[n], o->servers[i], sizeof o->servers[n]);
		n++;
	}
	o->n_servers = n;
	o->takes_foreign = false;
}
