/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signing.c - a private key in a file, and what is signed with it
 */
#include "imgfmt/tool/signing.h"

#include "imgfmt/sign.h"
#include "imgfmt/tool/tool.h"

int signing_load(const char *path, struct signing_key *ret)
{
	struct signing_key key = {.path = path};
	int r = tool_read_file(path, SIGNING_PEM_BYTES_MAX, &key.pem, &key.n_bytes);

	if (r != EXIT_DONE)
		return r;
	r = img_check_private_key(key.pem, key.n_bytes);
	if (r < 0) {
		signing_free(&key);
		return tool_fail(path, "%s", img_strerror(r));
	}
	*ret = key;
	return EXIT_DONE;
}

int signing_sign_head(const struct signing_key *key, const char *image_path, void *head)
{
	int r = img_head_sign(head, key->pem, key->n_bytes);

	if (r == IMG_ERR_SLOTS)
		return tool_fail(image_path, "%s; build it anew to drop them",
				 img_strerror(r));
	return r < 0 ? tool_fail(key->path, "%s", img_strerror(r)) : EXIT_DONE;
}

void signing_free(struct signing_key *key)
{
	if (key->pem)
		explicit_bzero(key->pem, key->n_bytes);
	free(key->pem);
	key->pem = NULL;
}
