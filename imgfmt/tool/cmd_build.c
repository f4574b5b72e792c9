/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_build.c - hydroot-image build: a filesystem image or a directory into a hydroot
 * image
 *
 * Where the tables end is known only when the last chunk is compressed, and they come
 * first.  So the frames go to a scratch file and are appended behind the tables in the
 * end.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>

#include "imgfmt/tool/encode.h"
#include "imgfmt/tool/hot_build.h"
#include "imgfmt/tool/input.h"
#include "imgfmt/tool/meta_text.h"
#include "imgfmt/tool/mkfs.h"
#include "imgfmt/tool/output.h"
#include "imgfmt/tool/probe.h"
#include "imgfmt/tool/ring.h"
#include "imgfmt/tool/signing.h"
#include "imgfmt/tool/tool.h"
#include "imgfmt/tool/treeinfo.h"

struct build {
	struct encode_options encode;
	uint64_t version_number;
	const char *meta_path;
	const char *key_path;
	const char *trace_path;
	const char *input_path;
	const char *output_path;
	struct input_options input;

	struct signing_key key; /* pem NULL: not to be signed */
	struct trace trace;
	struct hot_pack hot; /* hot_bytes 0: none */
	bool any_content;
	const char *filesystem;
	uint64_t filesystem_bytes; /* as it says itself; 0: it does not */
	char *meta;
	size_t meta_bytes;
};

enum {
	OPT_CHUNK_SIZE = 256,
	OPT_LEVEL,
	OPT_JOBS,
	OPT_META,
	OPT_VERSION,
	OPT_FS,
	OPT_KEY,
	OPT_TRACE,
	OPT_PARTITION,
	OPT_ANY_CONTENT
};

static const struct option long_options[] = {
	{"chunk-size", required_argument, NULL, OPT_CHUNK_SIZE},
	{"level", required_argument, NULL, OPT_LEVEL},
	{"jobs", required_argument, NULL, OPT_JOBS},
	{"meta", required_argument, NULL, OPT_META},
	{"version-number", required_argument, NULL, OPT_VERSION},
	{"fs", required_argument, NULL, OPT_FS},
	{"trace", required_argument, NULL, OPT_TRACE},
	{"key", required_argument, NULL, OPT_KEY},
	{"partition", required_argument, NULL, OPT_PARTITION},
	{"any-content", no_argument, NULL, OPT_ANY_CONTENT},
	{NULL, 0, NULL, 0},
};

static int parse_chunk_size(const char *text, struct build *b)
{
	uint64_t n;

	if (!tool_parse_size(text, &n) || n < IMG_CHUNK_BYTES_MIN ||
	    n > IMG_CHUNK_BYTES_MAX || (n & (n - 1)) != 0)
		return tool_usage("build",
				  "--chunk-size=%s: not a power of two from 64K to 4M",
				  text);
	b->encode.chunk_bytes = (uint32_t)n;
	return EXIT_DONE;
}

static int parse_level(const char *text, struct build *b)
{
	uint64_t n;
	int min, max;

	img_level_range(&min, &max);
	if (!tool_parse_number(text, &n) || n < (uint64_t)min || n > (uint64_t)max)
		return tool_usage("build", "--level=%s: not a number from %d to %d", text,
				  min, max);
	b->encode.level = (int)n;
	return EXIT_DONE;
}

static int parse_version(const char *text, struct build *b)
{
	if (!tool_parse_number(text, &b->version_number) || b->version_number > INT64_MAX)
		return tool_usage("build", "--version-number=%s: not a number below 2^63",
				  text);
	return EXIT_DONE;
}

static int parse_fs(const char *text, struct build *b)
{
	if (!mkfs_is_known(text))
		return tool_usage("build",
				  "--fs=%s: not one of ext4, squashfs, erofs, xfs", text);
	b->input.filesystem = text;
	return EXIT_DONE;
}

static int parse_partition(const char *text, struct build *b)
{
	if (!partition_is_valid(text))
		return tool_usage("build", "--partition=%s: not a number from 1, or auto",
				  text);
	b->input.partition = text;
	return EXIT_DONE;
}

static int parse_option(int option, struct build *b)
{
	switch (option) {
	case OPT_CHUNK_SIZE:
		return parse_chunk_size(optarg, b);
	case OPT_LEVEL:
		return parse_level(optarg, b);
	case OPT_JOBS:
		return ring_parse_jobs("build", optarg, &b->encode.n_jobs);
	case OPT_META:
		b->meta_path = optarg;
		return EXIT_DONE;
	case OPT_VERSION:
		return parse_version(optarg, b);
	case OPT_FS:
		return parse_fs(optarg, b);
	case OPT_TRACE:
		b->trace_path = optarg;
		return EXIT_DONE;
	case OPT_KEY:
		b->key_path = optarg;
		return EXIT_DONE;
	case OPT_PARTITION:
		return parse_partition(optarg, b);
	case OPT_ANY_CONTENT:
		b->any_content = true;
		return EXIT_DONE;
	}
	return EXIT_USAGE;
}

static int parse_arguments(int argc, char **argv, struct build *b)
{
	int option, index = 0, r;

	b->encode = (struct encode_options){IMG_CHUNK_BYTES_DEFAULT, IMG_LEVEL_DEFAULT,
					    ring_default_jobs()};
	while ((option = tool_getopt("build", argc, argv, long_options, &index)) != -1) {
		r = parse_option(option, b);
		if (r != EXIT_DONE)
			return r;
	}
	if (argc - optind != 2)
		return tool_usage("build", "give INPUT and OUTPUT");
	b->input_path = argv[optind];
	b->output_path = argv[optind + 1];
	b->input.output_path = b->output_path;
	return EXIT_DONE;
}

/* The tree inside, when there is a way to look into it. */
static bool open_tree(const struct build *b, const struct input *in, struct tree *ret)
{
	if (in->tree_path)
		return tree_open_dir(in->tree_path, ret);
	if (!in->can_seek)
		return false;
	return tree_open(b->filesystem, in->fd, in->base, in->n_bytes, b->output_path,
			 ret);
}

/* A node could not refuse an image for another CPU: better known now. */
static void warn_closed_tree(const struct build *b, const struct input *in)
{
	if (strcmp(b->filesystem, "unknown") == 0 || strcmp(b->filesystem, "vfat") == 0)
		return;
	if (in->can_seek)
		tool_warn(in->name,
			  "cannot look into its %s%s, so nothing is known of its CPU and "
			  "kernels; name \"architecture\" in --meta",
			  b->filesystem,
			  geteuid() == 0 ? " (was it unmounted?)" : " but as root");
	else
		tool_warn(in->name, "a stream cannot be looked into, so nothing is known "
				    "of its CPU and kernels; name \"architecture\" in "
				    "--meta");
}

static int make_meta(struct build *b, const struct input *in)
{
	struct meta_text_config config = {.version_number = b->version_number,
					  .filesystem = b->filesystem,
					  .user_path = b->meta_path};
	struct tree tree;
	int r;

	if (open_tree(b, in, &tree)) {
		config.tree = &tree;
		treeinfo_warn(&tree, in->name);
	} else {
		warn_closed_tree(b, in);
	}
	r = meta_text_make(&config, &b->meta, &b->meta_bytes);
	if (config.tree)
		tree_close(&tree);
	return r;
}

static int write_image(const struct build *b, const struct img_writer_tables *t,
		       int scratch_fd)
{
	struct output out = {.fd = -1};
	int r = output_open(b->output_path, &out);

	if (r == EXIT_DONE)
		r = output_write(&out, t->front, t->front_bytes);
	if (r == EXIT_DONE && b->hot.hot_bytes > 0)
		r = output_append_file(&out, "write", b->hot.fd, b->hot.frames_bytes);
	if (r == EXIT_DONE)
		r = output_append_file(&out, "write", scratch_fd, t->info.data_bytes);
	if (r == EXIT_DONE)
		r = output_write(&out, t->seek, t->seek_bytes);
	if (r == EXIT_DONE)
		r = output_commit(&out);
	output_close(&out);
	return r;
}

static int finish_image(const struct build *b, struct img_writer *w,
			const uint8_t *raw_digest, int scratch_fd)
{
	struct img_writer_head head = {
		.meta = b->meta,
		.meta_bytes = b->meta_bytes,
		.version_number = b->version_number,
		.raw_digest = raw_digest,
		.hot_table = b->hot.table,
		.hot_table_bytes = b->hot.table_bytes,
		.hot_bytes = b->hot.hot_bytes,
	};
	struct img_writer_tables tables;
	int r = img_writer_finish(w, &head, &tables);

	if (r < 0)
		return tool_fail(b->output_path, "%s", img_strerror(r));
	r = b->key.pem ? signing_sign_head(&b->key, b->output_path, tables.front)
		       : EXIT_DONE;
	if (r == EXIT_DONE)
		r = write_image(b, &tables, scratch_fd);
	free(tables.front);
	free(tables.seek);
	return r;
}

static int make_hot_pack(struct build *b, const struct img_writer *w,
			 const uint8_t *raw_digest, int scratch_fd)
{
	const struct hot_options options = {
		.trace_path = b->trace_path,
		.output_path = b->output_path,
		.level = b->encode.level,
		.raw_digest = raw_digest,
	};

	return hot_of_building(&b->trace, w, scratch_fd, b->encode.chunk_bytes, &options,
			       &b->hot);
}

static int build_from(struct build *b, struct input *in)
{
	cleanup_fd int scratch_fd = -1;
	uint8_t raw_digest[IMG_DIGEST_BYTES];
	struct img_writer *w = NULL;
	int r = probe_filesystem(in, b->any_content, &b->filesystem,
				 &b->filesystem_bytes);

	if (r == EXIT_DONE)
		r = encode_check_size(in->name, max_u64(in->n_bytes, b->filesystem_bytes),
				      b->encode.chunk_bytes);
	if (r == EXIT_DONE)
		r = make_meta(b, in);
	if (r != EXIT_DONE)
		return r;
	scratch_fd = output_scratch(b->output_path);
	if (scratch_fd < 0)
		return tool_fail_errno(b->output_path, "cannot create a file beside it");
	if (img_writer_new(b->encode.chunk_bytes, &w) < 0)
		return tool_fail("build", "out of memory");
	r = encode_input(in, &b->encode, scratch_fd, w, raw_digest);
	if (r == EXIT_DONE)
		r = probe_check_length(in->name, b->filesystem_bytes, in->pos);
	if (r == EXIT_DONE && b->trace_path)
		r = make_hot_pack(b, w, raw_digest, scratch_fd);
	if (r == EXIT_DONE)
		r = finish_image(b, w, raw_digest, scratch_fd);
	img_writer_free(w);
	return r;
}

static int check_output(const struct build *b)
{
	const struct output_source sources[] = {
		{"INPUT", b->input_path},
		{"the file of --key", b->key_path},
		{"the file of --trace", b->trace_path},
		{"the file of --meta", b->meta_path},
		{NULL, NULL},
	};

	return output_check("build", "OUTPUT", b->output_path, sources);
}

static int run_build(int argc, char **argv)
{
	struct build b = {.hot = {.fd = -1}};
	struct input in = INPUT_NONE;
	int r = parse_arguments(argc, argv, &b);

	if (r == EXIT_DONE)
		r = check_output(&b);
	if (r != EXIT_DONE)
		return r;
	if (b.key_path)
		r = signing_load(b.key_path, &b.key);
	if (r == EXIT_DONE && b.trace_path)
		r = trace_read(b.trace_path, &b.trace);
	if (r == EXIT_DONE)
		r = input_open(b.input_path, &b.input, &in);
	if (r == EXIT_DONE)
		r = build_from(&b, &in);
	input_close(&in);
	free(b.meta);
	trace_free(&b.trace);
	hot_free(&b.hot);
	signing_free(&b.key);
	return r;
}

const struct command cmd_build = {
	"build",
	"Usage: hydroot-image build [OPTION...] INPUT OUTPUT\n"
	"Make an image from a filesystem, a disk, a directory, a tar or an OCI layout.\n\n"
	"  --chunk-size=SIZE     64K to 4M, a power of two; default 512K\n"
	"  --level=N             1 to 22, as of zstd; default 6\n"
	"  --jobs=N              threads that compress; default: one for each CPU\n"
	"  --meta=FILE           JSON object: \"name\", \"architecture\", annotations\n"
	"  --version-number=N    grows with each release, against rollback; default 0\n"
	"  --key=FILE            sign it with this Ed25519 private key (PEM)\n"
	"  --trace=FILE          put in a hot pack of what a boot read, as 'hydroot trace'\n"
	"                        prints it\n"
	"  --fs=NAME             ext4 (default), squashfs, erofs, xfs: what is made from a\n"
	"                        directory, a tar or an OCI layout\n"
	"  --partition=N|auto    which one of a partitioned disk; default: auto\n"
	"  --any-content         take also what no node can have its root on\n"
	"\nINPUT - is standard input. OUTPUT appears whole or not at all.\n",
	run_build,
};
