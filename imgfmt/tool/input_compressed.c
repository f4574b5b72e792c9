/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input_compressed.c - what gzip, bzip2, xz or zstd has made smaller
 *
 * What is in it decides, not its name.  A tar is left to tar, which unpacks as it reads;
 * anything else is unpacked into a scratch file and looked at again.
 */
#include "imgfmt/tool/input.h"

#include "imgfmt/tool/child.h"
#include "imgfmt/tool/output.h"
#include "imgfmt/tool/tool.h"

#define ZSTD 3 /* in the table */

static const struct compressed {
	const char *magic;
	size_t n;
	const char *program;
	const char *package;
} compresseds[] = {
	{"\x1f\x8b\x08", 3, "gzip", "gzip"},
	{"BZh", 3, "bzip2", "bzip2"},
	{"\xfd"
	 "7zXZ\0",
	 6, "xz", "xz-utils"},
	{"\x28\xb5\x2f\xfd", 4, "zstd", "zstd"},
};

/* pzstd and others put skippable frames in front: 16 magic numbers.  So do we. */
static bool starts_skippable(const struct input *in)
{
	return in->n_peek >= 16 && (le32_load(in->peek) & 0xfffffff0) == 0x184d2a50 &&
	       memcmp(in->peek + 8, "HYDR", 4) != 0;
}

static const struct compressed *find(const struct input *in)
{
	if (starts_skippable(in))
		return &compresseds[ZSTD];
	for (size_t i = 0; i < ARRAY_SIZE(compresseds); i++)
		if (in->n_peek >= compresseds[i].n &&
		    memcmp(in->peek, compresseds[i].magic, compresseds[i].n) == 0)
			return &compresseds[i];
	return NULL;
}

const char *compressed_program(const struct input *in)
{
	const struct compressed *c = find(in);

	return c ? c->program : NULL;
}

int input_decompress(struct input *in, const struct input_options *o, bool *ret_tar)
{
	const struct compressed *c = find(in);
	char path[CHILD_PATH_BYTES];
	const char *argv[] = {c->program, "-dc", "-f", path, NULL};
	const struct child child = {.subject = in->name,
				    .package = c->package,
				    .argv = argv,
				    .fds = {in->fd}};
	struct input out = INPUT_NONE;
	int r, fd = -1;
	pid_t pid = -1;

	*ret_tar = false;
	child_path(in->fd, path);
	r = child_start(&child, &fd, &pid);
	if (r != EXIT_DONE)
		return r;
	r = input_open_fd(in->name, fd, &out);
	if (r == EXIT_DONE && tar_matches(&out)) {
		*ret_tar = true;
		input_close(&out);
		child_abandon(pid);
		return EXIT_DONE;
	}
	if (r == EXIT_DONE)
		r = input_spool(&out, o);
	if (r != EXIT_DONE) {
		input_close(&out);
		child_abandon(pid);
		return r;
	}
	r = child_finish(&child, pid);
	if (r == EXIT_DONE)
		r = input_replace(in, steal_fd(&out.fd));
	input_close(&out);
	return r;
}
