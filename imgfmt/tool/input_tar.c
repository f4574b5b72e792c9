/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input_tar.c - a tar archive, compressed or not: GNU tar unpacks it into a folder
 *
 * GNU tar, because it is on every Debian, knows all dialects and compressors, keeps
 * extended attributes and holes, and does not follow links out of the folder.
 */
#include "imgfmt/tool/input.h"

#include "imgfmt/tool/child.h"
#include "imgfmt/tool/mkfs.h"
#include "imgfmt/tool/tool.h"

#define TAR_MAGIC_OFF 257
#define TAR_HEAD_BYTES 512
#define TAR_SUM_OFF 148
#define TAR_SUM_BYTES 8

/* Archives of before 1988, and of some tools of today, have no magic, but a sum. */
static bool has_old_head(const uint8_t *head)
{
	char text[TAR_SUM_BYTES + 1] = "", *end;
	unsigned long sum = TAR_SUM_BYTES * ' ';

	memcpy(text, head + TAR_SUM_OFF, TAR_SUM_BYTES);
	for (size_t i = 0; i < TAR_HEAD_BYTES; i++)
		if (i < TAR_SUM_OFF || i >= TAR_SUM_OFF + TAR_SUM_BYTES)
			sum += head[i];
	return head[0] != '\0' && strtoul(text, &end, 8) == sum && end > text + 3 &&
	       text[strspn(text, " 01234567")] == '\0';
}

bool tar_matches(const struct input *in)
{
	return in->n_peek >= TAR_HEAD_BYTES &&
	       (memcmp(in->peek + TAR_MAGIC_OFF, "ustar", 5) == 0 ||
		has_old_head(in->peek));
}

/*
 * tar takes an archive that ends between two members for whole.  Of a compressed one the
 * decompressor knows better.
 */
static int check_end(const struct input *in)
{
	static const uint8_t zeros[512];
	uint8_t last[512];

	if (!tar_matches(in))
		return EXIT_DONE;
	if (in->n_bytes % sizeof last == 0 &&
	    pread(in->fd, last, sizeof last, (off_t)(in->n_bytes - sizeof last)) ==
		    (ssize_t)sizeof last &&
	    memcmp(last, zeros, sizeof last) == 0)
		return EXIT_DONE;
	return tool_fail(in->name,
			 "a tar without the zeros at its end; it was cut short");
}

static int run_tar(const struct input *in, const char *folder)
{
	char path[CHILD_PATH_BYTES];
	const char *argv[] = {"tar",
			      "--extract",
			      "--file",
			      path,
			      "--directory",
			      folder,
			      "--same-owner",
			      "--same-permissions",
			      "--numeric-owner",
			      "--acls",
			      "--selinux",
			      "--xattrs",
			      "--xattrs-include=*",
			      "--delay-directory-restore",
			      NULL};
	static const char *const env[] = {"TAR_OPTIONS", "TAPE", NULL};
	const struct child child = {.subject = in->name,
				    .package = "tar",
				    .argv = argv,
				    .env = env,
				    .fds = {in->fd}};

	child_path(in->fd, path);
	return child_run(&child);
}

int input_unpack_tar(struct input *in, const struct input_options *o)
{
	bool is_made = false;
	int r;

	if (geteuid() != 0)
		return tool_fail(in->name, "unpacking a tar keeps its owners only for "
					   "root; run this as root or under fakeroot");
	r = check_end(in);
	if (r == EXIT_DONE)
		r = temptree_new(o->output_path, &in->tree);
	if (r == EXIT_DONE)
		r = run_tar(in, in->tree.root);
	if (r == EXIT_DONE)
		r = input_unpack_layers(in, o, &is_made);
	if (r != EXIT_DONE || is_made)
		return r;
	r = temptree_settle_times(&in->tree);
	if (r == EXIT_DONE)
		r = mkfs_input(in, in->tree.root, o);
	return r;
}
