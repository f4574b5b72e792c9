/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_verify.c - hydroot-image verify: is every byte of the file what the digest says
 */
#include <getopt.h>

#include "imgfmt/digest.h"
#include "imgfmt/tool/image_file.h"
#include "imgfmt/tool/ring.h"
#include "imgfmt/tool/tool.h"
#include "imgfmt/tool/verify.h"
#include "imgfmt/tool/verify_pack.h"

enum { OPT_DIGEST = 256, OPT_PUBLIC_KEY, OPT_JOBS, OPT_PACK, OPT_MIN_VERSION };

static const struct option long_options[] = {
	{"digest", required_argument, NULL, OPT_DIGEST},
	{"public-key", required_argument, NULL, OPT_PUBLIC_KEY},
	{"jobs", required_argument, NULL, OPT_JOBS},
	{"pack", required_argument, NULL, OPT_PACK},
	{"min-version", required_argument, NULL, OPT_MIN_VERSION},
	{NULL, 0, NULL, 0},
};

struct arguments {
	struct image_trust trust;
	uint8_t digest[IMG_DIGEST_BYTES];
	const char *path;
	const char *pack_path;
	unsigned n_jobs;
};

static int parse_option(int option, struct arguments *a)
{
	switch (option) {
	case OPT_PUBLIC_KEY:
		a->trust.public_key_path = optarg;
		return EXIT_DONE;
	case OPT_DIGEST:
		if (!img_digest_parse(optarg, a->digest))
			return tool_usage("verify",
					  "--digest=%s: not sha256: and 64 hex digits",
					  optarg);
		a->trust.digest = a->digest;
		return EXIT_DONE;
	case OPT_PACK:
		a->pack_path = optarg;
		return EXIT_DONE;
	case OPT_MIN_VERSION:
		if (!tool_parse_number(optarg, &a->trust.min_version))
			return tool_usage("verify", "--min-version=%s: not a number",
					  optarg);
		return EXIT_DONE;
	case OPT_JOBS:
		return ring_parse_jobs("verify", optarg, &a->n_jobs);
	}
	return EXIT_USAGE;
}

static int parse_arguments(int argc, char **argv, struct arguments *a)
{
	int option, r;

	a->n_jobs = ring_default_jobs();
	while ((option = tool_getopt("verify", argc, argv, long_options, NULL)) != -1) {
		r = parse_option(option, a);
		if (r != EXIT_DONE)
			return r;
	}
	if (argc - optind != 1)
		return tool_usage("verify", "give one IMAGE");
	a->path = argv[optind];
	return EXIT_DONE;
}

static int run_verify(int argc, char **argv)
{
	struct arguments a = {0};
	struct image_file f;
	int r = parse_arguments(argc, argv, &a);

	if (r != EXIT_DONE)
		return r;
	r = image_open(a.path, &a.trust, &f);
	if (r != EXIT_DONE)
		return r;
	if (a.pack_path)
		r = verify_pack(&f, a.pack_path, a.trust.public_key_path, a.n_jobs);
	else
		r = verify_all(&f, a.n_jobs);
	image_close(&f);
	return r;
}

const struct command cmd_verify = {
	"verify",
	"Usage: hydroot-image verify [OPTION...] IMAGE\n"
	"Check every byte of an image against its digest.\n\n"
	"  --digest=sha256:HEX   the digest must be this one, as 'info' prints it\n"
	"  --public-key=FILE     a signature must verify with this Ed25519 key (PEM)\n"
	"  --min-version=N       its version number must not be lower\n"
	"  --jobs=N              threads that check; default: one for each CPU\n"
	"  --pack=PACK           check this hot pack of IMAGE instead, and its signature\n"
	"\nExit status: 0 good, 3 refused, 1 could not be read.\n",
	run_verify,
};
