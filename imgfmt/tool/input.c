/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input.c - look at what INPUT is, and go on until there is one filesystem
 */
#include "imgfmt/tool/input.h"

#include <sys/stat.h>

#include "imgfmt/tool/probe.h"
#include "imgfmt/tool/tool.h"

/* A qcow2 in an xz in a …: somebody plays. */
#define LAYERS_MAX 4
/* HEAD is a skippable frame of zstd, and this is behind its header (FORMAT.md). */
#define IMAGE_MAGIC "HYDROOT1"
#define IMAGE_MAGIC_OFF 8

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* LAYOUT:TAG, as umoci and skopeo have it; a path that is there goes first. */
static bool is_tagged_layout(const char *path)
{
	cleanup_free char *copy = NULL;
	const char *colon = strrchr(path, ':');

	if (!colon || access(path, F_OK) == 0)
		return false;
	copy = strndup(path, (size_t)(colon - path));
	return copy && oci_matches(copy);
}

static bool is_hydroot_image(const struct input *in)
{
	return in->n_peek >= IMAGE_MAGIC_OFF + 8 &&
	       memcmp(in->peek + IMAGE_MAGIC_OFF, IMAGE_MAGIC, 8) == 0;
}

static bool has_wrapping(const struct input *in)
{
	return compressed_program(in) || disk_format(in) || tar_matches(in);
}

/* One layer off; *ret_again: look at what came out. */
static int unwrap(struct input *in, const struct input_options *o, bool *ret_again)
{
	bool is_tar = tar_matches(in);
	int r = EXIT_DONE;

	*ret_again = !is_tar;
	if (compressed_program(in)) {
		r = input_decompress(in, o, &is_tar);
		*ret_again = !is_tar;
	} else if (disk_format(in)) {
		return input_convert(in, o);
	}
	return r == EXIT_DONE && is_tar ? input_unpack_tar(in, o) : r;
}

static int settle(struct input *in, const struct input_options *o)
{
	bool again = true;
	int r = EXIT_DONE;

	if (!is_hydroot_image(in) && !in->can_seek &&
	    (!probe_name(in->peek, in->n_peek) ||
	     probe_is_partitioned(in->peek, in->n_peek)))
		r = input_spool(in, o);
	for (int i = 0;
	     r == EXIT_DONE && again && !is_hydroot_image(in) && has_wrapping(in); i++) {
		if (i == LAYERS_MAX)
			return tool_fail(in->name, "is packed more than %d times",
					 LAYERS_MAX);
		r = unwrap(in, o, &again);
	}
	if (r == EXIT_DONE && is_hydroot_image(in))
		return tool_fail(in->name, "is a hydroot image already; 'hydroot-image "
					   "extract' gives the filesystem in it");
	return r == EXIT_DONE && !in->tree_path ? input_choose_partition(in, o) : r;
}

int input_open(const char *path, const struct input_options *o, struct input *ret)
{
	struct input in = INPUT_NONE;
	int r;

	if (strcmp(path, "-") != 0) {
		if (oci_matches(path) || is_tagged_layout(path))
			return input_open_oci(path, o, ret);
		if (is_folder(path))
			return input_open_dir(path, o, ret);
	}
	r = input_open_file(path, &in);
	if (r == EXIT_DONE)
		r = settle(&in, o);
	if (r == EXIT_DONE && o->filesystem && !in.tree_path)
		tool_warn(in.name, "holds a filesystem already; --fs=%s changes nothing",
			  o->filesystem);
	if (r == EXIT_DONE)
		*ret = in;
	else
		input_close(&in);
	return r;
}
