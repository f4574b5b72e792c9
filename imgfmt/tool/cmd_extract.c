/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_extract.c - hydroot-image extract: the filesystem image, or a part of it, back
 * again
 *
 * Each chunk is checked against its digest before it is written; zero chunks become
 * holes.  The output is not the image's to vouch for unless the caller did: see verify.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>

#include "imgfmt/digest.h"
#include "imgfmt/tool/image_file.h"
#include "imgfmt/tool/output.h"
#include "imgfmt/tool/progress.h"
#include "imgfmt/tool/ring.h"
#include "imgfmt/tool/tool.h"

enum { OPT_OFFSET = 256, OPT_LENGTH, OPT_JOBS };

static const struct option long_options[] = {
	{"offset", required_argument, NULL, OPT_OFFSET},
	{"length", required_argument, NULL, OPT_LENGTH},
	{"jobs", required_argument, NULL, OPT_JOBS},
	{NULL, 0, NULL, 0},
};

struct arguments {
	uint64_t img_off, n_bytes;
	bool has_length;
	const char *path;
	const char *output_path;
	unsigned n_jobs;
};

/* set before threads start, but for what the main thread goes forward with */
struct extract {
	struct image_file *f;
	const struct arguments *a;
	int out_fd;
	uint64_t next_ci, end_ci;
	struct progress progress;
};

struct slot {
	struct img_chunk chunk;
	int error, error_number;
	bool write_failed; /* then error_number is that of the output */
};

static int parse_option(int option, struct arguments *a)
{
	uint64_t *n = option == OPT_OFFSET ? &a->img_off : &a->n_bytes;

	if (option == OPT_JOBS)
		return ring_parse_jobs("extract", optarg, &a->n_jobs);
	if (option != OPT_OFFSET && option != OPT_LENGTH)
		return EXIT_USAGE;
	if (!tool_parse_size(optarg, n))
		return tool_usage("extract", "%s: not a size", optarg);
	a->has_length = a->has_length || option == OPT_LENGTH;
	return EXIT_DONE;
}

static int parse_arguments(int argc, char **argv, struct arguments *a)
{
	int option, r;

	a->n_jobs = ring_default_jobs();
	while ((option = tool_getopt("extract", argc, argv, long_options, NULL)) != -1) {
		r = parse_option(option, a);
		if (r != EXIT_DONE)
			return r;
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

/* How many bytes from p on are blocks of one kind, zero or not. */
static size_t run_bytes(const uint8_t *p, size_t n_bytes, bool *ret_zero)
{
	size_t at = 0;

	do {
		size_t n = min_u64(n_bytes - at, IMG_BLOCK_BYTES);
		bool is_zero = img_is_zero(p + at, n);

		if (at == 0)
			*ret_zero = is_zero;
		else if (is_zero != *ret_zero)
			break;
		at += n;
	} while (at < n_bytes);
	return at;
}

/* Blocks of zeros become holes: nothing was written there before. */
static int write_sparse(int fd, const uint8_t *p, size_t n_bytes, uint64_t out_off)
{
	while (n_bytes > 0) {
		bool is_zero;
		size_t n = run_bytes(p, n_bytes, &is_zero);

		if (!is_zero && pwrite_all(fd, p, n, out_off) < 0)
			return -1;
		p += n;
		out_off += n;
		n_bytes -= n;
	}
	return 0;
}

static int fill(void *arg, void *p, enum ring_fill *ret)
{
	struct extract *x = arg;
	struct slot *slot = p;
	uint32_t chunk_bytes = img_info(x->f->img)->chunk_bytes;
	int r = EXIT_DONE;

	*ret = RING_END;
	for (; *ret == RING_END && x->next_ci < x->end_ci; x->next_ci++) {
		uint64_t img_off = x->next_ci * chunk_bytes;

		r = image_chunk(x->f, x->next_ci, &slot->chunk);
		if (r != EXIT_DONE)
			return r;
		progress_show(&x->progress, img_off - min_u64(img_off, x->a->img_off));
		*ret = slot->chunk.is_zero ? RING_END : RING_WORK;
	}
	return r;
}

/* The order of writes does not matter: each chunk has its place. */
static void work(void *arg, void *p, void *q)
{
	const struct extract *x = arg;
	struct image_reader *reader = p;
	struct slot *slot = q;
	uint64_t chunk_off = slot->chunk.ci * img_info(x->f->img)->chunk_bytes;
	uint64_t start = max_u64(x->a->img_off, chunk_off);
	uint64_t end =
		min_u64(x->a->img_off + x->a->n_bytes, chunk_off + slot->chunk.raw_bytes);

	slot->error = IMG_ERR_MEMORY;
	slot->write_failed = false;
	if (!reader)
		return;
	slot->error = image_reader_chunk(x->f, reader, &slot->chunk, reader->raw,
					 &slot->error_number);
	if (slot->error < 0 || write_sparse(x->out_fd, reader->raw + (start - chunk_off),
					    end - start, start - x->a->img_off) == 0)
		return;
	slot->write_failed = true;
	slot->error_number = errno;
}

static int drain(void *arg, void *p)
{
	const struct extract *x = arg;
	const struct slot *slot = p;

	if (slot->error < 0)
		return image_fail_chunk(x->f, &slot->chunk, slot->error,
					slot->error_number);
	if (!slot->write_failed)
		return EXIT_DONE;
	errno = slot->error_number;
	return tool_fail_errno(x->a->output_path, "cannot write");
}

static void *new_reader(void *arg)
{
	const struct extract *x = arg;

	return image_reader_new(x->f);
}

static void free_reader(void *reader)
{
	image_reader_free(reader);
}

static const struct ring_ops ops = {
	.slot_bytes = sizeof(struct slot),
	.worker_new = new_reader,
	.worker_free = free_reader,
	.fill = fill,
	.drain = drain,
	.work = work,
};

static int copy_range(struct image_file *f, const struct arguments *a,
		      const struct output *out)
{
	uint32_t chunk_bytes = img_info(f->img)->chunk_bytes;
	struct extract x = {
		.f = f,
		.a = a,
		.out_fd = out->fd,
		.next_ci = a->img_off / chunk_bytes,
		.end_ci = div_round_up(a->img_off + a->n_bytes, chunk_bytes),
	};
	int r;

	/* First, so that what ends in a hole, or is one, has its length. */
	if (ftruncate(out->fd, (off_t)a->n_bytes) < 0)
		return tool_fail_errno(out->path, "cannot write");
	if (a->n_bytes == 0)
		return EXIT_DONE;
	progress_start(&x.progress, "extract", a->n_bytes);
	r = ring_run(&ops, a->n_jobs, image_reader_room(f), &x);
	progress_stop(&x.progress);
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
	const struct output_source sources[] = {{"IMAGE", a.path}, {NULL, NULL}};

	if (r == EXIT_DONE)
		r = output_check("extract", "OUTPUT", a.output_path, sources);
	return r == EXIT_DONE ? image_with(a.path, extract, &a) : r;
}

const struct command cmd_extract = {
	"extract",
	"Usage: hydroot-image extract [OPTION...] IMAGE OUTPUT\n"
	"Write the filesystem image, or a part of it, to a file with holes.\n\n"
	"  --offset=SIZE         from this byte of the filesystem image on\n"
	"  --length=SIZE         so many bytes\n"
	"  --jobs=N              threads that decompress; default: one for each CPU\n"
	"\nOUTPUT appears whole or not at all.\n",
	run_extract,
};
