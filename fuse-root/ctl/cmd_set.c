/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_set.c - change keys of a running attachment, all that are named or none
 *
 * The daemon decides.  Words that are wrong whatever it does are refused here, as a wrong use.
 */
#include <errno.h>
#include <getopt.h>

#include "base/log.h"
#include "base/options_change.h"
#include "base/options_url.h"
#include "ctl/ctl.h"
#include "ctl/peer.h"

/* server=-URL: whether there is such a one, the daemon knows; whether it is a URL, we do. */
static bool is_server_to_remove(const char *word)
{
	return strncmp(word, "server=-", 8) == 0 && options_url_is_valid(word + 8);
}

static int check_word(const char *word)
{
	static struct options options; /* large */
	char why[256] = "";
	unsigned changed;

	options_init(&options);
	if (is_server_to_remove(word) ||
	    options_change(&options, &word, 1, &changed, why, sizeof why) != -EINVAL)
		return CTL_DONE;
	log_error("%s", why);
	return CTL_USAGE;
}

static int set(const char *name, char *const *words, unsigned n_words)
{
	struct peer a;
	int err;

	if (peer_open(name, &a))
		return CTL_FAILED;
	err = peer_set(&a, words, n_words);
	if (err == -ENOENT)
		log_error("%s: set: the daemon is gone, there is nothing to change",
			  name);
	peer_close(&a);
	return err ? CTL_FAILED : CTL_DONE;
}

int cmd_set(int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
	const char *name = "root";
	int code, err = CTL_DONE;

	while ((code = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (code != 'h')
			return ctl_wrong_option(code, argv);
		ctl_print_usage(argv[0]);
		return CTL_DONE;
	}
	if (optind < argc && !strchr(argv[optind], '=')) {
		err = ctl_check_name(argv[optind]);
		name = argv[optind++];
	}
	if (!err && optind == argc) {
		log_error("KEY=VALUE: missing; hydroot set --help shows the usage");
		err = CTL_USAGE;
	}
	for (int i = optind; !err && i < argc; i++)
		err = check_word(argv[i]);
	return err ? err : set(name, argv + optind, (unsigned)(argc - optind));
}
