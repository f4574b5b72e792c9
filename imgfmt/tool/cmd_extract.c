/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_extract.c - hydroot-image extract: the filesystem image, or a part of it, back
 * again
 *
 * Each chunk is checked against its digest before it is written; zero chunks become
 * holes.  The output is not the image's to vouch for unless the caller did: see verify.
 */
#include <getopt.h>
#include <inttypes.h>

#include "imgfmt/digest.h"
#include "imgfmt/tool/image_file.h"
#include "imgfmt/tool/output.h"
#include "imgfmt/tool/progress.h"
#include "imgfmt/tool/tool.h"

enum { OPT_OFFSET = 256, OPT_LENGTH };

static const struct option long_options[] = {
	{"offset", required_argument, NULL, OPT_OFFSET},
	{"length", required_argument, NULL, OPT_LENGTH},
	{NULL, 0, NULL, 0},
};

struct arguments {
	uint64_t img_off, n_bytes;
	bool has_length;
	const char *path;
	const char *output_path;
};

static int parse_arguments(int argc, char **argv, struct arguments *a)
{
	int option;

	while ((option = tool_getopt("extract", argc, argv, long_options, NULL)) != -1) {
		uint64_t *n = option == OPT_OFFSET ? &a->img_off : &a->n_bytes;

		if (option != OPT_OFFSET && option != OPT_LENGTH)
			return EXIT_USAGE;
		if (!tool_parse_size(optarg, n))
			return tool_usage("extract", "%s: not a size", optarg);
		a->has_length = a->has_length || option == OPT_LENGTH;
	}
	if (argc - optind != 2)
		return tool_usage("extract", "give IMAGE and OUTPUT");
	a->path = argv[optind];
	a->output_path = argv[optind + 1];
	return EXIT_DONE;
}

static int check_range(const struct image_file *f, struct arguments *a)
{
	uint64_t image_bytes = img_info(f->img)->image_bytes;

	if (a->img_off > image_bytes ||
	    (a->has_length && a->n_bytes > image_bytes - a->img_off))
		return tool_fail(f->path,
				 "the image has %" PRIu64
				 " bytes, less than was asked for",
				 image_bytes);
	if (!a->has_length)
		a->n_bytes = image_bytes - a->img_off;
	return EXIT_DONE;
}

/* Blocks of zeros become holes, whether in a zero chunk or not. */
static int write_sparse(struct output *out, const uint8_t *p, uint64_t n_bytes)
{
	while (n_bytes > 0) {
		size_t n = min_u64(n_bytes, IMG_BLOCK_BYTES);
		int r = EXIT_DONE;

		if (!img_is_zero(p, n))
			r = output_write(out, p, n);
		else if (lseek(out->fd, (off_t)n, SEEK_CUR) < 0)
			r = tool_fail_errno(out->path, "cannot seek");
		if (r != EXIT_DONE)
			return r;
		p += n;
		n_bytes -= n;
	}
	return EXIT_DONE;
}

static int copy_chunk(struct image_file *f, uint64_t ci, const struct arguments *a,
		      uint8_t *buf, struct output *out)
{
	uint64_t chunk_off = ci * img_info(f->img)->chunk_bytes;
	uint64_t start = max_u64(a->img_off, chunk_off);
	uint64_t end;
	struct img_chunk chunk;
	int r = image_chunk(f, ci, &chunk);

	if (r != EXIT_DONE)
		return r;
	end = min_u64(a->img_off + a->n_bytes, chunk_off + chunk.raw_bytes);
	if (chunk.is_zero) {
		if (lseek(out->fd, (off_t)(end - start), SEEK_CUR) < 0)
			return tool_fail_errno(out->path, "cannot seek");
		return EXIT_DONE;
	}
	r = image_chunk_read(f, &chunk, buf);
	return r == EXIT_DONE ? write_sparse(out, buf + (start - chunk_off), end - start)
			      : r;
}

static int copy_range(struct image_file *f, const struct arguments *a, struct output *out)
{
	uint32_t chunk_bytes = img_info(f->img)->chunk_bytes;
	cleanup_free uint8_t *buf = malloc(chunk_bytes);
	uint64_t end = a->img_off + a->n_bytes;
	struct progress progress;
	int r = buf ? EXIT_DONE : tool_fail(f->path, "out of memory");

	progress_start(&progress, "extract", a->n_bytes);
	for (uint64_t ci = a->img_off / chunk_bytes;
	     r == EXIT_DONE && ci * chunk_bytes < end; ci++) {
		r = copy_chunk(f, ci, a, buf, out);
		progress_show(&progress,
			      ci * chunk_bytes - min_u64(ci * chunk_bytes, a->img_off));
	}
	progress_stop(&progress);
	/* What ends in a hole has its length from here. */
	if (r == EXIT_DONE && ftruncate(out->fd, (off_t)a->n_bytes) < 0)
		r = tool_fail_errno(out->path, "cannot write");
	return r;
}

static int extract(struct image_file *f, void *arguments)
{
	struct arguments *a = arguments;
	struct output out;
	int r = check_range(f, a);

	if (r == EXIT_DONE)
		r = output_open(a->output_path, &out);
	if (r != EXIT_DONE)
		return r;
	r = copy_range(f, a, &out);
	if (r == EXIT_DONE)
		r = output_commit(&out);
	output_close(&out);
	return r;
}

static int run_extract(int argc, char **argv)
{
	struct arguments a = {0};
	int r = parse_arguments(argc, argv, &a);

	return r == EXIT_DONE ? image_with(a.path, extract, &a) : r;
}

const struct command cmd_extract = {
	"extract",
	"Usage: hydroot-image extract [OPTION...] IMAGE OUTPUT\n"
	"Write the filesystem image, or a part of it, to a file with holes.\n\n"
	"  --offset=SIZE         from this byte of the filesystem image on\n"
	"  --length=SIZE         so many bytes\n"
	"\nOUTPUT appears whole or not at all.\n",
	run_extract,
};
