/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input_stdin.c - a stream that has to be looked at in more than one place
 *
 * A filesystem is compressed as it comes and never gets here.  All else, a disk, a tar,
 * a qcow2, goes to a scratch file first, with holes for zeros.
 */
#include "imgfmt/tool/input.h"

#include "imgfmt/tool/output.h"
#include "imgfmt/tool/progress.h"
#include "imgfmt/tool/tool.h"

#define SPOOL_BYTES (64u * 1024)

static bool is_zero(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

static int copy(struct input *in, const struct input_options *o, int fd,
		struct progress *progress)
{
	cleanup_free uint8_t *buf = malloc(SPOOL_BYTES);
	size_t n = 1;
	bool hole;

	if (!buf)
		return tool_fail(in->name, "out of memory");
	while (n > 0) {
		int r = input_read(in, buf, SPOOL_BYTES, &n, &hole);

		if (r != EXIT_DONE)
			return r;
		progress_show(progress, in->pos);
		if (is_zero(buf, n) ? lseek(fd, (off_t)n, SEEK_CUR) < 0
				    : write_all(fd, buf, n) < 0)
			return tool_fail_errno(o->output_path,
					       "cannot write a scratch file beside it");
	}
	if (ftruncate(fd, (off_t)in->pos) < 0)
		return tool_fail_errno(o->output_path,
				       "cannot write a scratch file beside it");
	return EXIT_DONE;
}

int input_spool(struct input *in, const struct input_options *o)
{
	cleanup_fd int fd = output_scratch(o->output_path);
	struct progress progress;
	int r;

	if (fd < 0)
		return tool_fail_errno(o->output_path, "cannot create a file beside it");
	progress_start(&progress, "read", in->n_bytes);
	r = copy(in, o, fd, &progress);
	progress_stop(&progress);
	return r == EXIT_DONE ? input_replace(in, steal_fd(&fd)) : r;
}
