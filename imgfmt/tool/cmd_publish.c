/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_publish.c - hydroot-image publish: into the folder that a web server serves
 *
 *	DIR/by-digest/HEX.hri	the image, for as long as a node may read it
 *	DIR/NAME.hri		a link to the one that new nodes get
 *
 * A node that is in the middle of an image when the name moves on finds it by its digest.
 * So a file under by-digest is never written to, it only appears and disappears, and the
 * name is switched by rename.  What is made has the modes that a web server needs, whatever
 * the umask: it is made to be read by everybody who can ask that server.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <sys/stat.h>

#include "imgfmt/digest.h"
#include "imgfmt/sign.h"
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
	char hex[IMG_HEX_BYTES];
	char *folder; /* DIR/by-digest */
	char *file; /* DIR/by-digest/HEX.hri */
	char *path; /* DIR/NAME.hri */
	const char *name; /* NAME.hri, in it */
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
	free(p->path);
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
	img_digest_hex(img_info(img)->digest, ret->hex);
	if (asprintf(&ret->folder, "%s/" PUBLISHED_FOLDER, a->dir) < 0)
		ret->folder = NULL;
	if (asprintf(&ret->file, "%s/" PUBLISHED_FOLDER "/%s.hri", a->dir, ret->hex) < 0)
		ret->file = NULL;
	ret->path = link_path(a->dir, a->image_path);
	if (!ret->folder || !ret->file || !ret->path)
		return false;
	ret->name = ret->path + strlen(a->dir) + 1;
	return true;
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

/*
 * Is what lies under its digest already that image, and whole?  What is not is replaced, with a
 * word.
 */
static bool is_whole(const char *path, const uint8_t digest[IMG_DIGEST_BYTES])
{
	const struct image_trust trust = {.digest = digest};
	struct image_file there;
	int r = image_open(path, &trust, &there);

	if (r == EXIT_DONE) {
		r = verify_all(&there, ring_default_jobs());
		image_close(&there);
	}
	if (r != EXIT_DONE)
		tool_warn(path, "is damaged, and is replaced by a good copy");
	return r == EXIT_DONE;
}

/*
 * The head to publish: ours, with the signatures that the published file has, which nodes
 * may ask for.
 */
static int merge_head(const struct image_file *f, const char *path,
		      uint8_t ret_head[IMG_HEAD_BYTES], bool *ret_is_there)
{
	uint8_t theirs[IMG_HEAD_BYTES];
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat ours_st, st;
	int r = image_read(f, 0, ret_head, IMG_HEAD_BYTES);

	*ret_is_there = false;
	if (r != EXIT_DONE || (fd < 0 && errno == ENOENT))
		return r;
	if (fd < 0 || fstat(fd, &st) < 0 || fstat(f->fd, &ours_st) < 0)
		return tool_fail_errno(path, "cannot open");
	*ret_is_there = is_same_file(&st, &ours_st);
	if (*ret_is_there || !is_whole(path, img_info(f->img)->digest))
		return EXIT_DONE;
	if (pread(fd, theirs, sizeof theirs, 0) != (ssize_t)sizeof theirs)
		return tool_fail_errno(path, "cannot read");
	r = img_head_merge(ret_head, theirs);
	if (r == IMG_ERR_SLOTS)
		return tool_fail(f->path,
				 "what is published as %s has signatures of other keys, "
				 "and there is no room for all; nothing was published",
				 path);
	*ret_is_there = r == 0 && memcmp(ret_head, theirs, sizeof theirs) == 0;
	return r < 0 ? tool_fail(f->path, "%s", img_strerror(r)) : EXIT_DONE;
}

static int copy_image(const struct image_file *f, const uint8_t head[IMG_HEAD_BYTES],
		      const char *path)
{
	struct output out = {.fd = -1};
	int r = output_open(path, &out);

	if (r == EXIT_DONE)
		r = output_append_file(&out, "publish", f->fd, f->file_bytes);
	if (r == EXIT_DONE &&
	    (pwrite(out.fd, head, IMG_HEAD_BYTES, 0) != IMG_HEAD_BYTES ||
	     fchmod(out.fd, 0644) < 0))
		r = tool_fail_errno(path, "cannot write");
	if (r == EXIT_DONE)
		r = output_commit(&out);
	output_close(&out);
	return r;
}

static int put_file(const struct image_file *f, const struct places *p)
{
	uint8_t head[IMG_HEAD_BYTES];
	bool is_there;
	int r;

	if (mkdir(p->folder, 0755) == 0) {
		if (chmod(p->folder, 0755) < 0)
			return tool_fail_errno(p->folder, "cannot set its mode");
	} else if (errno != EEXIST) {
		return tool_fail_errno(p->folder, "cannot create");
	}
	r = merge_head(f, p->file, head, &is_there);
	return r == EXIT_DONE && !is_there ? copy_image(f, head, p->file) : r;
}

static int publish_locked(const struct arguments *a, struct image_file *f,
			  const struct places *p, const struct published *folder)
{
	char previous[IMG_HEX_BYTES];
	int r = check_name(f, p->path);

	if (r == EXIT_DONE)
		r = put_file(f, p);
	if (r == EXIT_DONE)
		r = published_switch(folder, p->name, p->hex, previous);
	if (r == EXIT_DONE && a->has_keep)
		r = published_forget(folder, p->name, a->keep, previous);
	return r;
}

static int publish(const struct arguments *a, struct image_file *f,
		   const struct places *p)
{
	struct published folder = {.fd = -1};
	int r = check_name(f, p->path);

	if (r == EXIT_DONE)
		r = verify_all(f, ring_default_jobs());
	if (r == EXIT_DONE)
		r = published_lock(a->dir, &folder);
	if (r == EXIT_DONE)
		r = publish_locked(a, f, p, &folder);
	published_unlock(&folder);
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
	"  --keep=N              of what was published under this name keep the N newest,\n"
	"                        what the name pointed to before, and what other names\n"
	"                        need; default: all\n"
	"\nDIR/by-digest/HEX.hri appears, then DIR/NAME.hri becomes a link to it. Nodes\n"
	"that were reading what NAME was before go on from by-digest.\n",
	run_publish,
};
