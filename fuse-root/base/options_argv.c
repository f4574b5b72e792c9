/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_argv.c - the key table as long options, and as help
 *
 * getopt_long gets its array from the table.  The caller's argv is left as it is.
 */
#include "base/options_table.h"

#include <errno.h>
#include <getopt.h>

#include "base/log.h"

#define FIRST_KEY 0x100 /* getopt's values of the rows, above all characters */
#define POSITIONAL 1 /* what getopt returns for an argument with "-" in front */
#define HELP_COLUMN 28

static struct option *long_options_new(void)
{
	struct option *options = calloc(n_option_keys + 1, sizeof *options);

	for (size_t i = 0; options && i < n_option_keys; i++) {
		bool is_bool = option_keys[i].flags & OPT_BOOL;

		options[i].name = option_keys[i].name;
		options[i].has_arg = is_bool ? optional_argument : required_argument;
		options[i].val = FIRST_KEY + (int)i;
	}
	return options;
}

static int apply_key(struct options *o, const struct option_source *source,
		     const struct option_key *k, const char *value)
{
	if (k->flags & OPT_BOOT) {
		log_error("--%s: is about the boot; use rd.hydroot.%s= there", k->name,
			  k->name);
		return -EINVAL;
	}
	return option_apply(o, source, k, value ? value : "1");
}

static int apply_positional(struct options *o, const struct option_source *source,
			    const char *url)
{
	const char *key = o->has_url ? "server" : "url";
	struct option_source positional = *source;

	positional.prefix = "";
	return option_apply(o, &positional, option_find(key, strlen(key)), url);
}

static int usage_error(int code, const char *arg)
{
	if (code == ':')
		log_error("%s: needs a value", arg);
	else
		log_error("%s: no such option, or not clear; --help lists them", arg);
	return -EINVAL;
}

static int apply_all(struct options *o, int argc, char **argv,
		     const struct option *options)
{
	struct option_source source;
	int code, err = 0;

	option_source_init(&source, o, "--");
	source.is_strict = true;
	optind = 0; /* glibc: start anew */
	opterr = 0;
	while (!err && (code = getopt_long(argc, argv, "-:", options, NULL)) != -1) {
		if (code == POSITIONAL)
			err = apply_positional(o, &source, optarg);
		else if (code >= FIRST_KEY)
			err = apply_key(o, &source, &option_keys[code - FIRST_KEY],
					optarg);
		else
			err = usage_error(code, argv[optind - 1]);
	}
	for (; !err && optind < argc; optind++)
		err = apply_positional(o, &source, argv[optind]);
	return err;
}

int options_parse_argv(struct options *o, int argc, char **argv)
{
	cleanup_free struct option *options = long_options_new();
	/* getopt wants a program name in front and a NULL behind. */
	cleanup_free char **args = calloc((size_t)argc + 2, sizeof *args);
	static char program[] = "hydroot";
	int err;

	if (!options || !args) {
		log_error("arguments: out of memory");
		return -EINVAL;
	}
	args[0] = program;
	for (int i = 0; i < argc; i++)
		args[i + 1] = argv[i];
	err = apply_all(o, argc + 1, args, options);
	if (!err && o->n_servers == 0) {
		log_error("URL: missing; --help shows the usage");
		err = -EINVAL;
	}
	return err;
}

static const char *shown_default(const struct option_key *k)
{
	if (k->shown)
		return k->shown;
	return k->flags & OPT_BOOL ? "off" : k->initial;
}

static void print_key(const struct option_key *k)
{
	char left[64];
	const char *value = shown_default(k);

	snprintf(left, sizeof left, "--%s%s%s", k->name, k->metavar ? "=" : "",
		 k->metavar ? k->metavar : "");
	printf("  %-*s %s", HELP_COLUMN, left, k->meaning);
	if (value)
		printf(" (%s)", value);
	putchar('\n');
}

static void print_group(const char *title, unsigned mask, unsigned flags)
{
	if (title)
		printf("%s\n", title);
	for (size_t i = 0; i < n_option_keys; i++) {
		if ((option_keys[i].flags & mask) == flags)
			print_key(&option_keys[i]);
	}
}

void options_print_help(void)
{
	print_group(NULL, OPT_BOOT, 0);
	print_group("Keys of the boot, as rd.hydroot.KEY=VALUE or in hydroot.conf only:",
		    OPT_BOOT, OPT_BOOT);
}
