/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outfile.c - see outfile.h
 *
 * The temporary name is the file's with a suffix, in the same folder: renaming then
 * replaces, and who collects files by their ending (node_exporter takes *.prom) does not
 * see it.
 */
#include "ctl/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/log.h"

static int fail(struct outfile *o, const char *what)
{
	int err = errno ? -errno : -EIO;

	log_error("%s: %s: %s", o->path ? o->path : "standard output", what,
		  strerror(-err));
	return err;
}

int outfile_open(const char *path, struct outfile *ret)
{
	cleanup_fd int fd = -1;

	*ret = (struct outfile){.path = path, .to = stdout};
	if (!path)
		return 0;
	ret->to = NULL;
	if (asprintf(&ret->temp, "%s.XXXXXX", path) < 0) {
		ret->temp = NULL;
		errno = ENOMEM;
		return fail(ret, "write");
	}
	fd = mkostemp(ret->temp, O_CLOEXEC);
	if (fd >= 0 && fchmod(fd, 0644) == 0)
		ret->to = fdopen(fd, "w");
	if (!ret->to) {
		int err = fail(ret, "write");

		if (fd >= 0)
			unlink(ret->temp);
		free(ret->temp);
		return err;
	}
	(void)steal_fd(&fd);
	return 0;
}

int outfile_close(struct outfile *o, bool ok)
{
	bool has_failed = fflush(o->to) != 0 || ferror(o->to);
	int err = 0;

	if (has_failed)
		err = fail(o, "write");
	if (!o->path)
		return err;
	if (fclose(o->to) != 0 && !err)
		err = fail(o, "write");
	if (!err && ok && rename(o->temp, o->path) < 0)
		err = fail(o, "rename");
	if (err || !ok)
		unlink(o->temp);
	free(o->temp);
	return err;
}
