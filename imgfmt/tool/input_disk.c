/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input_disk.c - qcow2 and the other disk formats that qemu-img reads
 *
 * qemu-img makes a raw scratch file of it, with holes.  The format is told by its magic
 * number and named to qemu-img, and what refers to other files is refused: a disk that
 * somebody else made must not get at files of this machine.
 */
#include "imgfmt/tool/input.h"

#include <jansson.h>

#include "imgfmt/tool/child.h"
#include "imgfmt/tool/output.h"
#include "imgfmt/tool/tool.h"

#define INFO_BYTES (256u * 1024)
#define PACKAGE "qemu-utils"

static const struct format {
	const char *name;
	size_t off;
	const char *magic;
	size_t n;
} formats[] = {
	{"qcow2", 0, "QFI\xfb", 4},
	{"vmdk", 0, "KDMV", 4},
	{"vdi", 0x40, "\x7f\x10\xda\xbe", 4},
	{"vhdx", 0, "vhdxfile", 8},
	{"vpc", 0, "conectix", 8},
	{"qed", 0, "QED\0", 4},
	{"parallels", 0, "WithoutFreeSpace", 16},
	{"parallels", 0, "WithouFreSpacExt", 16},
};

const char *disk_format(const struct input *in)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (in->n_peek >= formats[i].off + formats[i].n &&
		    memcmp(in->peek + formats[i].off, formats[i].magic, formats[i].n) ==
			    0)
			return formats[i].name;
	return NULL;
}

static int check_references(const struct input *in, const json_t *info)
{
	const json_t *data =
		json_object_get(json_object_get(info, "format-specific"), "data");
	const char *type = json_string_value(json_object_get(data, "create-type"));

	if (json_object_get(info, "backing-filename"))
		return tool_fail(in->name,
				 "has a backing file; make it whole first, with "
				 "'qemu-img convert -O qcow2'");
	if (json_object_get(data, "data-file") || json_object_get(data, "data-file-raw"))
		return tool_fail(in->name, "has its data in another file; make it whole "
					   "first, with 'qemu-img convert -O qcow2'");
	if (type && strcmp(type, "monolithicSparse") != 0 &&
	    strcmp(type, "streamOptimized") != 0)
		return tool_fail(in->name,
				 "a vmdk of type %s has its data in other files; make it "
				 "whole first, with 'qemu-img convert -O qcow2'",
				 type);
	return EXIT_DONE;
}

static int check_info(const struct input *in, const char *format, const char *path)
{
	cleanup_free char *text = malloc(INFO_BYTES);
	const char *argv[] = {"qemu-img",      "info", "-f", format,
			      "--output=json", path,   NULL};
	const struct child child = {
		.subject = in->name, .package = PACKAGE, .argv = argv, .fds = {in->fd}};
	json_t *info;
	int r;

	if (!text)
		return tool_fail(in->name, "out of memory");
	r = child_capture(&child, text, INFO_BYTES);
	if (r != EXIT_DONE)
		return r;
	info = json_loads(text, 0, NULL);
	if (!info)
		return tool_fail(in->name, "qemu-img says of it what is no JSON");
	r = check_references(in, info);
	json_decref(info);
	return r;
}

/* Reading what lies behind the end of a file cut short gives zeros; this finds it out. */
static int check_whole(const struct input *in, const char *format, const char *path)
{
	const char *argv[] = {"qemu-img", "check", "-q", "-f", format, path, NULL};
	const struct child child = {
		.subject = in->name,
		.package = PACKAGE,
		.argv = argv,
		.fds = {in->fd},
		.ok_status = {3, 63}, /* clusters in no use; no check for this format */
	};

	return child_run(&child);
}

int input_convert(struct input *in, const struct input_options *o)
{
	const char *format = disk_format(in);
	char from[CHILD_PATH_BYTES], to[CHILD_PATH_BYTES];
	const char *argv[] = {"qemu-img", "convert", "-f", format, "-O", "raw",
			      "-S",	  "4k",	     from, to,	   NULL};
	cleanup_fd int fd = output_scratch(o->output_path);
	const struct child child = {.subject = in->name,
				    .package = PACKAGE,
				    .argv = argv,
				    .fds = {in->fd, fd}};
	int r;

	if (fd < 0)
		return tool_fail_errno(o->output_path, "cannot create a file beside it");
	child_path(in->fd, from);
	child_path(fd, to);
	r = check_info(in, format, from);
	if (r == EXIT_DONE)
		r = check_whole(in, format, from);
	if (r == EXIT_DONE)
		r = child_run(&child);
	return r == EXIT_DONE ? input_replace(in, steal_fd(&fd)) : r;
}
