/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_publish.c - hydroot-image publish: into the folder that a web server serves
 *
 *	DIR/by-digest/HEX.hri	the image, for as long as a node may read it
 *	DIR/NAME.hri		a link to the one that new nodes get
 *
 * A node that is in the middle of an image when the name moves on finds it by its digest.
 * So a file under by-digest is never written to, it only appears and disappears, and the
 * name is switched by rename.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <sys/stat.h>

#include "imgfmt/tool/image_file.h"
#include "imgfmt/tool/output.h"
#include "imgfmt/tool/published.h"
#include "imgfmt/tool/ring.h"
#include "imgfmt/tool/tool.h"
#include "imgfmt/tool/verify.h"

enum { OPT_KEEP = 256 };

static const struct option long_options[] = {
	{"keep", required_argument, NULL, OPT_KEEP},
	{NULL, 0, NULL, 0},
};

struct arguments {
	bool has_keep;
	uint64_t keep;
	const char *image_path;
	const char *dir;
};

/* Paths of one publication, all the caller's to free. */
struct places {
	char *folder; /* DIR/by-digest */
	char *file; /* DIR/by-digest/HEX.hri */
	char *target; /* by-digest/HEX.hri */
	char *name; /* DIR/NAME.hri */
};

static int parse_arguments(int argc, char **argv, struct arguments *a)
{
	int option;

	while ((option = tool_getopt("publish", argc, argv, long_options, NULL)) != -1) {
		if (option != OPT_KEEP)
			return EXIT_USAGE;
		if (!tool_parse_number(optarg, &a->keep) || a->keep < 1)
			return tool_usage("publish", "--keep=%s: not a number from 1 on",
					  optarg);
		a->has_keep = true;
	}
	if (argc - optind != 2)
		return tool_usage("publish", "give IMAGE and DIR");
	a->image_path = argv[optind];
	a->dir = argv[optind + 1];
	return EXIT_DONE;
}

static void places_free(struct places *p)
{
	free(p->folder);
	free(p->file);
	free(p->target);
	free(p->name);
}

/* NAME.hri, whether or not IMAGE has the ending. */
static char *link_path(const char *dir, const char *image_path)
{
	cleanup_free char *copy = strdup(image_path);
	char *path = NULL, *base;
	size_t n;

	if (!copy)
		return NULL;
	base = basename(copy);
	n = strlen(base);
	if (n > 4 && strcmp(base + n - 4, ".hri") == 0)
		base[n - 4] = '\0';
	return asprintf(&path, "%s/%s.hri", dir, base) < 0 ? NULL : path;
}

static bool find_places(const struct arguments *a, const struct img *img,
			struct places *ret)
{
	char hex[IMG_HEX_BYTES];

	img_digest_hex(img_info(img)->digest, hex);
	if (asprintf(&ret->folder, "%s/" PUBLISHED_FOLDER, a->dir) < 0)
		ret->folder = NULL;
	if (asprintf(&ret->target, PUBLISHED_FOLDER "/%s.hri", hex) < 0)
		ret->target = NULL;
	if (asprintf(&ret->file, "%s/" PUBLISHED_FOLDER "/%s.hri", a->dir, hex) < 0)
		ret->file = NULL;
	ret->name = link_path(a->dir, a->image_path);
	return ret->folder && ret->target && ret->file && ret->name;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* A file of that name that somebody put there may be what nodes are reading. */
static int check_name(const struct image_file *f, const char *name)
{
	struct stat of_name, of_image;

	if (lstat(name, &of_name) < 0)
		return errno == ENOENT ? EXIT_DONE : tool_fail_errno(name, "cannot stat");
	if (S_ISLNK(of_name.st_mode))
		return EXIT_DONE;
	if (S_ISREG(of_name.st_mode) && fstat(f->fd, &of_image) == 0 &&
	    is_same_file(&of_name, &of_image))
		return EXIT_DONE;
	return tool_fail(name, "is there and not a link: publish never replaces a file "
			       "that nodes may be reading; publish it too, or move it");
}

/* The same image with the same signatures, whole? */
static bool is_there(const struct image_file *f, const char *path)
{
	uint8_t ours[IMG_HEAD_BYTES], theirs[IMG_HEAD_BYTES];
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_size == f->file_bytes &&
	       pread(fd, theirs, sizeof theirs, 0) == (ssize_t)sizeof theirs &&
	       pread(f->fd, ours, sizeof ours, 0) == (ssize_t)sizeof ours &&
	       memcmp(ours, theirs, sizeof ours) == 0;
}

static int copy_image(const struct image_file *f, const char *path)
{
	struct output out = {.fd = -1};
	int r = output_open(path, &out);

	if (r == EXIT_DONE)
		r = output_append_file(&out, f->fd, f->file_bytes);
	if (r == EXIT_DONE)
		r = output_commit(&out);
	output_close(&out);
	return r;
}

static int put_file(const struct image_file *f, const struct places *p)
{
	if (mkdir(p->folder, 0777) < 0 && errno != EEXIST)
		return tool_fail_errno(p->folder, "cannot create");
	return is_there(f, p->file) ? EXIT_DONE : copy_image(f, p->file);
}

static int publish(const struct arguments *a, struct image_file *f,
		   const struct places *p)
{
	int r = check_name(f, p->name);

	if (r == EXIT_DONE)
		r = verify_all(f, ring_default_jobs());
	if (r == EXIT_DONE)
		r = put_file(f, p);
	if (r == EXIT_DONE)
		r = published_switch(p->name, p->target);
	if (r == EXIT_DONE && a->has_keep)
		r = published_forget(a->dir, a->keep);
	return r;
}

static int publish_image(struct image_file *f, void *arguments)
{
	const struct arguments *a = arguments;
	struct places p = {0};
	struct stat st;
	int r;

	if (stat(a->dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return tool_fail(a->dir, "is not a folder");
	r = find_places(a, f->img, &p) ? publish(a, f, &p)
				       : tool_fail(a->dir, "out of memory");
	places_free(&p);
	return r;
}

static int run_publish(int argc, char **argv)
{
	struct arguments a = {0};
	int r = parse_arguments(argc, argv, &a);

	return r == EXIT_DONE ? image_with(a.image_path, publish_image, &a) : r;
}

const struct command cmd_publish = {
	"publish",
	"Usage: hydroot-image publish [--keep=N] IMAGE DIR\n"
	"Put an image where a web server serves it, under its digest and its name.\n\n"
	"  --keep=N              of the files under by-digest keep the N newest, and\n"
	"                        those that a name points to; default: all\n"
	"\nDIR/by-digest/HEX.hri appears, then DIR/NAME.hri becomes a link to it. Nodes\n"
	"that were reading what NAME was before go on from by-digest.\n",
	run_publish,
};
