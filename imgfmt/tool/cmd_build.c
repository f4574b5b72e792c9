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
#include <sys/stat.h>

#include <jansson.h>

#include "imgfmt/tool/encode.h"
#include "imgfmt/tool/input.h"
#include "imgfmt/tool/output.h"
#include "imgfmt/tool/tool.h"

struct build {
	struct encode_options encode;
	uint64_t version_number;
	const char *meta_path;
	const char *input_path;
	const char *output_path;

	const char *filesystem;
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
	OPT_LATER
};

static const struct option long_options[] = {
	{"chunk-size", required_argument, NULL, OPT_CHUNK_SIZE},
	{"level", required_argument, NULL, OPT_LEVEL},
	{"jobs", required_argument, NULL, OPT_JOBS},
	{"meta", required_argument, NULL, OPT_META},
	{"version-number", required_argument, NULL, OPT_VERSION},
	{"fs", required_argument, NULL, OPT_FS},
	{"trace", required_argument, NULL, OPT_LATER},
	{"key", required_argument, NULL, OPT_LATER},
	{"partition", required_argument, NULL, OPT_LATER},
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

static int parse_jobs(const char *text, struct build *b)
{
	uint64_t n;

	if (!tool_parse_number(text, &n) || n < 1 || n > ENCODE_JOBS_MAX)
		return tool_usage("build", "--jobs=%s: not a number from 1 to %u", text,
				  ENCODE_JOBS_MAX);
	b->encode.n_jobs = (unsigned)n;
	return EXIT_DONE;
}

static int parse_version(const char *text, struct build *b)
{
	if (!tool_parse_number(text, &b->version_number) || b->version_number > INT64_MAX)
		return tool_usage("build", "--version-number=%s: not a number below 2^63",
				  text);
	return EXIT_DONE;
}

static int parse_fs(const char *text)
{
	if (strcmp(text, "squashfs") == 0 || strcmp(text, "erofs") == 0)
		return tool_usage("build",
				  "--fs=%s is not supported yet; make the image and give "
				  "it as INPUT",
				  text);
	if (strcmp(text, "ext4") != 0)
		return tool_usage("build", "--fs=%s: not one of ext4, squashfs, erofs",
				  text);
	return EXIT_DONE;
}

static int parse_option(int option, const char *name, struct build *b)
{
	switch (option) {
	case OPT_CHUNK_SIZE:
		return parse_chunk_size(optarg, b);
	case OPT_LEVEL:
		return parse_level(optarg, b);
	case OPT_JOBS:
		return parse_jobs(optarg, b);
	case OPT_META:
		b->meta_path = optarg;
		return EXIT_DONE;
	case OPT_VERSION:
		return parse_version(optarg, b);
	case OPT_FS:
		return parse_fs(optarg);
	case OPT_LATER:
		return tool_usage("build", "--%s is not supported yet", name);
	}
	return EXIT_USAGE;
}

static unsigned default_jobs(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (unsigned)min_u64((uint64_t)n, ENCODE_JOBS_MAX);
}

static int parse_arguments(int argc, char **argv, struct build *b)
{
	int option, index = 0, r;

	b->encode = (struct encode_options){IMG_CHUNK_BYTES_DEFAULT, IMG_LEVEL_DEFAULT,
					    default_jobs()};
	while ((option = tool_getopt("build", argc, argv, long_options, &index)) != -1) {
		r = parse_option(option, long_options[index].name, b);
		if (r != EXIT_DONE)
			return r;
	}
	if (argc - optind != 2)
		return tool_usage("build", "give INPUT and OUTPUT");
	b->input_path = argv[optind];
	b->output_path = argv[optind + 1];
	return EXIT_DONE;
}

/* The user's object: its "name" is the image's name, all else are annotations. */
static int merge_meta_file(const struct build *b, json_t *meta)
{
	cleanup_free char *text = NULL;
	json_error_t error;
	json_t *user, *name;
	size_t n;
	int r = tool_read_file(b->meta_path, IMG_META_BYTES_MAX, &text, &n);

	if (r != EXIT_DONE)
		return r;
	user = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
	if (!user)
		return tool_fail(b->meta_path, "line %d: %s", error.line, error.text);
	if (!json_is_object(user)) {
		json_decref(user);
		return tool_fail(b->meta_path, "not a JSON object");
	}
	name = json_object_get(user, "name");
	if (name && (!json_is_string(name) || json_string_length(name) < 1 ||
		     json_string_length(name) > 255)) {
		json_decref(user);
		return tool_fail(b->meta_path,
				 "\"name\" is not a string of 1 to 255 bytes");
	}
	if (name)
		json_object_set(meta, "name", name);
	json_object_del(user, "name");
	if (json_object_size(user) > 0)
		json_object_set(meta, "annotations", user);
	json_decref(user);
	return EXIT_DONE;
}

/* Sorted and compact, so that the same content always gives the same bytes. */
static int make_meta(struct build *b)
{
	json_t *meta =
		json_pack("{s:I, s:s}", "version_number", (json_int_t)b->version_number,
			  "filesystem", b->filesystem);
	int r = EXIT_DONE;

	if (meta && b->meta_path)
		r = merge_meta_file(b, meta);
	if (r == EXIT_DONE) {
		b->meta = json_dumps(meta, JSON_SORT_KEYS | JSON_COMPACT);
		b->meta_bytes = b->meta ? strlen(b->meta) : 0;
		if (!b->meta)
			r = tool_fail("build", "out of memory");
		else if (b->meta_bytes > IMG_META_BYTES_MAX)
			r = tool_fail(b->meta_path, "larger than %u bytes",
				      IMG_META_BYTES_MAX);
	}
	json_decref(meta);
	return r;
}

static int write_image(const struct build *b, const struct img_writer_tables *t,
		       int scratch_fd)
{
	struct output out = {.fd = -1};
	int r = output_open(b->output_path, &out);

	if (r == EXIT_DONE)
		r = output_write(&out, t->front, t->front_bytes);
	if (r == EXIT_DONE)
		r = output_append_file(&out, scratch_fd, t->info.data_bytes);
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
	struct img_writer_head head = {b->meta, b->meta_bytes, b->version_number,
				       raw_digest};
	struct img_writer_tables tables;
	int r = img_writer_finish(w, &head, &tables);

	if (r < 0)
		return tool_fail(b->output_path, "%s", img_strerror(r));
	r = write_image(b, &tables, scratch_fd);
	free(tables.front);
	free(tables.seek);
	return r;
}

static int build_from(struct build *b, struct input *in)
{
	cleanup_fd int scratch_fd = -1;
	uint8_t raw_digest[IMG_DIGEST_BYTES];
	struct img_writer *w = NULL;
	int r = probe_filesystem(in, &b->filesystem);

	if (r == EXIT_DONE)
		r = make_meta(b);
	if (r != EXIT_DONE)
		return r;
	scratch_fd = output_scratch(b->output_path);
	if (scratch_fd < 0)
		return tool_fail_errno(b->output_path, "cannot create a file beside it");
	if (img_writer_new(b->encode.chunk_bytes, &w) < 0)
		return tool_fail("build", "out of memory");
	r = encode_input(in, &b->encode, scratch_fd, w, raw_digest);
	if (r == EXIT_DONE)
		r = finish_image(b, w, raw_digest, scratch_fd);
	img_writer_free(w);
	return r;
}

/* An image in place of what it was made from is never what was meant. */
static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

static int open_input(const struct build *b, struct input *ret)
{
	struct stat st;

	if (is_same_file(b->input_path, b->output_path))
		return tool_fail(b->output_path, "is INPUT and OUTPUT");
	if (strcmp(b->input_path, "-") != 0 && stat(b->input_path, &st) == 0 &&
	    S_ISDIR(st.st_mode))
		return input_open_dir(b->input_path, b->output_path, ret);
	return input_open_file(b->input_path, ret);
}

static int run_build(int argc, char **argv)
{
	struct build b = {0};
	struct input in = {.fd = -1};
	int r = parse_arguments(argc, argv, &b);

	if (r != EXIT_DONE)
		return r;
	r = open_input(&b, &in);
	if (r == EXIT_DONE)
		r = build_from(&b, &in);
	input_close(&in);
	free(b.meta);
	return r;
}

const struct command cmd_build = {
	"build",
	"Usage: hydroot-image build [OPTION...] INPUT OUTPUT\n"
	"Make an image from a filesystem image, a directory, or standard input.\n\n"
	"  --chunk-size=SIZE     64K to 4M, a power of two; default 512K\n"
	"  --level=N             zstd level; default 9\n"
	"  --jobs=N              threads that compress; default: one for each CPU\n"
	"  --meta=FILE           JSON object: \"name\" of the image, and annotations\n"
	"  --version-number=N    grows with each release, against rollback; default 0\n"
	"  --fs=ext4             what is made from a directory\n"
	"\nINPUT - is standard input. OUTPUT appears whole or not at all.\n",
	run_build,
};
