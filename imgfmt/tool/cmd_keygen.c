/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_keygen.c - hydroot-image keygen: PREFIX.key to sign with, PREFIX.pub for the nodes
 *
 * A key that is there already is never replaced: images signed with it are out in the
 * world.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>

#include "imgfmt/sign.h"
#include "imgfmt/tool/output.h"
#include "imgfmt/tool/tool.h"

static const struct option long_options[] = {
	{NULL, 0, NULL, 0},
};

/* A new file, whole or not at all. */
static int write_new(const char *path, const char *text, mode_t mode)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0 && errno == EEXIST)
		return tool_fail(path, "is there already; a key is never replaced");
	if (fd < 0)
		return tool_fail_errno(path, "cannot create");
	if (write_all(fd, text, strlen(text)) < 0 || fsync(fd) < 0) {
		tool_fail_errno(path, "cannot write");
		unlink(path);
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

static int write_pair(const char *prefix, const char *private_pem, const char *public_pem)
{
	cleanup_free char *key_path = NULL, *pub_path = NULL;
	int r;

	if (asprintf(&key_path, "%s.key", prefix) < 0 ||
	    asprintf(&pub_path, "%s.pub", prefix) < 0)
		return tool_fail(prefix, "out of memory");
	if (access(pub_path, F_OK) == 0)
		return tool_fail(pub_path, "is there already; a key is never replaced");
	r = write_new(key_path, private_pem, 0600);
	if (r != EXIT_DONE)
		return r;
	r = write_new(pub_path, public_pem, 0666);
	if (r != EXIT_DONE)
		unlink(key_path);
	return r;
}

static int run_keygen(int argc, char **argv)
{
	char private_pem[IMG_PEM_BYTES_MAX], public_pem[IMG_PEM_BYTES_MAX];
	int r;

	if (tool_getopt("keygen", argc, argv, long_options, NULL) != -1)
		return EXIT_USAGE;
	if (argc - optind != 1 || argv[optind][0] == '\0')
		return tool_usage("keygen", "give one PREFIX");
	r = img_keypair_new(private_pem, public_pem);
	r = r < 0 ? tool_fail("keygen", "%s", img_strerror(r))
		  : write_pair(argv[optind], private_pem, public_pem);
	explicit_bzero(private_pem, sizeof private_pem);
	return r;
}

const struct command cmd_keygen = {
	"keygen",
	"Usage: hydroot-image keygen PREFIX\n"
	"Make a key to sign images with.\n\n"
	"PREFIX.key is the private key, PREFIX.pub the public key for the nodes:\n"
	"Ed25519 in PEM, not encrypted, as openssl reads and writes them.\n",
	run_keygen,
};
