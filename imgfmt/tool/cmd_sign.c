/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_sign.c - hydroot-image sign: one more signature of an image or hot pack, in place
 *
 * HEAD, or PACK HEAD, is the first block of the file and is written with one aligned write of that
 * block; the file keeps its inode, which other names or a web server may hold.  Killed,
 * we leave the old HEAD or the new one.  When the power fails, a disk with sectors of less
 * than 4096 bytes may keep parts of both: no reader takes that, since the checksum is
 * wrong, and the next `sign` mends it, since what the digest covers is the same in both.
 * Nothing else of the file changes, and neither does its digest.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sys/file.h>

#include "imgfmt/sign.h"
#include "imgfmt/tool/hot_table.h"
#include "imgfmt/tool/signing.h"
#include "imgfmt/tool/tool.h"

enum { OPT_KEY = 256, OPT_IMPORT, OPT_PUBLIC_KEY };

static const struct option long_options[] = {
	{"key", required_argument, NULL, OPT_KEY},
	{"import", required_argument, NULL, OPT_IMPORT},
	{"public-key", required_argument, NULL, OPT_PUBLIC_KEY},
	{NULL, 0, NULL, 0},
};

struct arguments {
	const char *key_path;
	const char *import_path;
	const char *public_key_path;
	const char *path;
};

static int parse_arguments(int argc, char **argv, struct arguments *a)
{
	int option;

	while ((option = tool_getopt("sign", argc, argv, long_options, NULL)) != -1) {
		if (option == OPT_KEY)
			a->key_path = optarg;
		else if (option == OPT_IMPORT)
			a->import_path = optarg;
		else if (option == OPT_PUBLIC_KEY)
			a->public_key_path = optarg;
		else
			return EXIT_USAGE;
	}
	if (!a->key_path == !a->import_path)
		return tool_usage("sign", "give either --key or --import");
	if (a->public_key_path && !a->import_path)
		return tool_usage("sign", "--public-key goes with --import only");
	if (argc - optind != 1)
		return tool_usage("sign", "give one IMAGE or PACK");
	a->path = argv[optind];
	return EXIT_DONE;
}

static int add_with_key(const struct arguments *a, void *head)
{
	struct signing_key key = {0};
	int r = signing_load(a->key_path, &key);

	if (r == EXIT_DONE)
		r = signing_sign_head(&key, a->path, head);
	signing_free(&key);
	return r;
}

static int fail_import(const struct arguments *a, int err)
{
	switch (err) {
	case IMG_ERR_KEY:
		return tool_fail(a->public_key_path, "%s", img_strerror(err));
	case IMG_ERR_SIGNATURE:
		return tool_fail(a->import_path,
				 "is not the signature of %s by the key in %s", a->path,
				 a->public_key_path);
	case IMG_ERR_SLOTS:
		return tool_fail(a->path, "%s; build it anew to drop them",
				 img_strerror(err));
	default:
		return tool_fail(a->path, "%s", img_strerror(err));
	}
}

static int add_imported(const struct arguments *a, void *head)
{
	cleanup_free char *signature = NULL, *pem = NULL;
	size_t n, n_pem = 0;
	int r = tool_read_file(a->import_path, SIGNING_PEM_BYTES_MAX, &signature, &n);

	if (r != EXIT_DONE)
		return r;
	if (n != IMG_SIGNATURE_BYTES)
		return tool_fail(
			a->import_path,
			"has %zu bytes; an Ed25519 signature has %u, as 'openssl "
			"pkeyutl -sign -rawin' writes them",
			n, IMG_SIGNATURE_BYTES);
	if (a->public_key_path)
		r = tool_read_file(a->public_key_path, SIGNING_PEM_BYTES_MAX, &pem,
				   &n_pem);
	if (r != EXIT_DONE)
		return r;
	r = img_head_import(head, (const uint8_t *)signature, pem, n_pem);
	return r < 0 ? fail_import(a, r) : EXIT_DONE;
}

/* The head of now: another `sign` may have added to it since the file was opened. */
static int read_head(const char *path, int fd, bool is_pack, void *head)
{
	int r;

	if (flock(fd, LOCK_EX) < 0)
		return tool_fail_errno(path, "cannot lock");
	if (pread(fd, head, IMG_HEAD_BYTES, 0) != IMG_HEAD_BYTES)
		return tool_fail_errno(path, "cannot read");
	r = img_head_check(head, is_pack);
	return r < 0 ? tool_fail(path, "%s", img_strerror(r)) : EXIT_DONE;
}

static int write_head(const char *path, int fd, const void *head)
{
	ssize_t n;

	do
		n = pwrite(fd, head, IMG_HEAD_BYTES, 0);
	while (n < 0 && errno == EINTR);
	if (n != IMG_HEAD_BYTES || fdatasync(fd) < 0)
		return tool_fail_errno(path, "cannot write");
	return EXIT_DONE;
}

/* What a crash of an earlier `sign` left behind; any other fault is open_checked's to name. */
static int mend_head(const char *path)
{
	_Alignas(IMG_HEAD_BYTES) uint8_t head[IMG_HEAD_BYTES];
	cleanup_fd int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX) < 0 ||
	    pread(fd, head, sizeof head, 0) != (ssize_t)sizeof head ||
	    img_head_mend(head) < 0)
		return EXIT_DONE;
	tool_warn(path, "HEAD was written in part when it was signed before; mended");
	return write_head(path, fd, head);
}

static int add_signature(const struct image_file *f, bool is_pack,
			 const struct arguments *a)
{
	_Alignas(IMG_HEAD_BYTES) uint8_t head[IMG_HEAD_BYTES];
	cleanup_fd int fd = open(f->path, O_RDWR | O_CLOEXEC);
	int r;

	if (fd < 0)
		return tool_fail_errno(f->path, "cannot write");
	r = read_head(f->path, fd, is_pack, head);
	if (r == EXIT_DONE)
		r = a->key_path ? add_with_key(a, head) : add_imported(a, head);
	return r == EXIT_DONE ? write_head(f->path, fd, head) : r;
}

/* Head and table: nobody is to put a name under what is damaged. */
static int check_pack(const struct image_file *f)
{
	struct img_pack *pack = NULL;
	struct img_hot *hot = NULL;
	int r = hot_table_pack(f, &pack);

	if (r == EXIT_DONE)
		r = hot_table_of_pack(f, pack, NULL, &hot);
	img_hot_free(hot);
	img_pack_free(pack);
	return r;
}

static int open_checked(const char *path, struct image_file *f, bool *ret_is_pack)
{
	int r = image_look_local(path, f);

	if (r != EXIT_DONE)
		return r;
	*ret_is_pack = hot_table_is_pack(f);
	r = *ret_is_pack ? check_pack(f) : image_load(f);
	if (r != EXIT_DONE)
		image_close(f);
	return r;
}

static int sign(const struct arguments *a)
{
	struct image_file f;
	bool is_pack = false;
	int r = open_checked(a->path, &f, &is_pack);

	if (r != EXIT_DONE)
		return r == EXIT_REFUSED ? EXIT_FAILED : r;
	r = add_signature(&f, is_pack, a);
	image_close(&f);
	return r;
}

static int run_sign(int argc, char **argv)
{
	struct arguments a = {0};
	int r = parse_arguments(argc, argv, &a);

	if (r == EXIT_DONE)
		r = mend_head(a.path);
	return r == EXIT_DONE ? sign(&a) : r;
}

const struct command cmd_sign = {
	"sign",
	"Usage: hydroot-image sign --key=FILE IMAGE\n"
	"Add a signature to an image or a hot pack, in place; its digest stays the same.\n\n"
	"       hydroot-image sign --import=SIGNATURE [--public-key=FILE] IMAGE\n\n"
	"  --key=FILE            Ed25519 private key in PEM, as 'keygen' makes them\n"
	"  --import=SIGNATURE    64 bytes, made elsewhere over 'info --signed-bytes'\n"
	"  --public-key=FILE     whose it is: then it is checked first\n"
	"\nThere is room for four keys; a signature of the same key is replaced.\n",
	run_sign,
};
