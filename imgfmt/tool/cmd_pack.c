/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_pack.c - hydroot-image pack: a hot pack beside the image, so that each kind of node has its
 * own
 */
#include <getopt.h>

#include "imgfmt/tool/hot_build.h"
#include "imgfmt/tool/output.h"
#include "imgfmt/tool/signing.h"
#include "imgfmt/tool/tool.h"

enum { OPT_TRACE = 256, OPT_KEY };

static const struct option long_options[] = {
	{"trace", required_argument, NULL, OPT_TRACE},
	{"key", required_argument, NULL, OPT_KEY},
	{NULL, 0, NULL, 0},
};

struct arguments {
	const char *trace_path, *key_path;
	const char *image_path, *pack_path;
	struct signing_key key;
	struct trace trace;
};

static int parse_arguments(int argc, char **argv, struct arguments *a)
{
	int option;

	while ((option = tool_getopt("pack", argc, argv, long_options, NULL)) != -1) {
		if (option == OPT_TRACE)
			a->trace_path = optarg;
		else if (option == OPT_KEY)
			a->key_path = optarg;
		else
			return EXIT_USAGE;
	}
	if (!a->trace_path)
		return tool_usage("pack", "give --trace=FILE");
	if (argc - optind != 2)
		return tool_usage("pack", "give IMAGE and PACK");
	a->image_path = argv[optind];
	a->pack_path = argv[optind + 1];
	return EXIT_DONE;
}

static int write_pack(const struct arguments *a, const uint8_t *front,
		      const struct hot_pack *hot)
{
	struct output out = {.fd = -1};
	int r = output_open(a->pack_path, &out);

	if (r == EXIT_DONE)
		r = output_write(&out, front, IMG_PACK_FRONT_BYTES);
	if (r == EXIT_DONE)
		r = output_write(&out, hot->table, hot->table_bytes);
	if (r == EXIT_DONE)
		r = output_append_file(&out, "write", hot->fd, hot->frames_bytes);
	if (r == EXIT_DONE)
		r = output_commit(&out);
	output_close(&out);
	return r;
}

static int finish_pack(const struct arguments *a, const struct image_file *f,
		       const struct hot_pack *hot)
{
	uint8_t front[IMG_PACK_FRONT_BYTES];
	int r;

	if (hot->hot_bytes == 0)
		return tool_fail(a->pack_path, "nothing to put into it");
	r = img_pack_front(img_info(f->img)->digest, hot->table, hot->table_bytes,
			   hot->hot_bytes, front);
	if (r < 0)
		return tool_fail(a->pack_path, "%s", img_strerror(r));
	r = a->key.pem ? signing_sign_head(&a->key, a->pack_path, front) : EXIT_DONE;
	return r == EXIT_DONE ? write_pack(a, front, hot) : r;
}

static int make_pack(struct image_file *f, void *arguments)
{
	struct arguments *a = arguments;
	const struct hot_options options = {
		.trace_path = a->trace_path,
		.output_path = a->pack_path,
		.level = IMG_LEVEL_DEFAULT,
		.raw_digest = img_info(f->img)->raw_digest,
	};
	struct hot_pack hot = {.fd = -1};
	int r = hot_of_image(&a->trace, f, &options, &hot);

	if (r == EXIT_DONE)
		r = finish_pack(a, f, &hot);
	hot_free(&hot);
	return r;
}

static int check_output(const struct arguments *a)
{
	const struct output_source sources[] = {
		{"IMAGE", a->image_path},
		{"the file of --key", a->key_path},
		{"the file of --trace", a->trace_path},
		{NULL, NULL},
	};

	return output_check("pack", "PACK", a->pack_path, sources);
}

static int run_pack(int argc, char **argv)
{
	struct arguments a = {0};
	int r = parse_arguments(argc, argv, &a);

	if (r == EXIT_DONE)
		r = check_output(&a);
	if (r != EXIT_DONE)
		return r;
	if (a.key_path)
		r = signing_load(a.key_path, &a.key);
	if (r == EXIT_DONE)
		r = trace_read(a.trace_path, &a.trace);
	if (r == EXIT_DONE)
		r = image_with(a.image_path, make_pack, &a);
	trace_free(&a.trace);
	signing_free(&a.key);
	return r;
}

const struct command cmd_pack = {
	"pack",
	"Usage: hydroot-image pack --trace=FILE [--key=FILE] IMAGE PACK\n"
	"Make a hot pack as a file beside an image.\n\n"
	"  --trace=FILE          what a boot read, as 'hydroot trace' prints it\n"
	"  --key=FILE            sign it with this Ed25519 private key (PEM)\n"
	"\nPACK appears whole or not at all; it is of use for this IMAGE only.\n",
	run_pack,
};
