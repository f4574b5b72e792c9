/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scratch.h - a folder of a unit test, with small files, gone at the end
 */
#ifndef UNIT_SCRATCH_H
#define UNIT_SCRATCH_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "imgfmt/base.h"

struct scratch {
	char path[32];
};

static inline void scratch_new(struct scratch *dir)
{
	snprintf(dir->path, sizeof dir->path, "/tmp/hydroot-XXXXXX");
	assert_non_null(mkdtemp(dir->path));
}

static inline void scratch_mkdir(const struct scratch *dir, const char *name)
{
	char path[160];

	snprintf(path, sizeof path, "%s/%s", dir->path, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static inline void scratch_write(const struct scratch *dir, const char *name,
				 const char *text)
{
	char path[160];

	snprintf(path, sizeof path, "%s/%s", dir->path, name);
	cleanup_file FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
}

static inline int scratch_remove(const char *path, const struct stat *st, int flag,
				 struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void scratch_free(const struct scratch *dir)
{
	assert_int_equal(nftw(dir->path, scratch_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
