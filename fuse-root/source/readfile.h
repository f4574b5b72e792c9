/* SPDX-License-Identifier: Apache-2.0 */
/*
 * readfile.h - the whole of a small file
 */
#ifndef SOURCE_READFILE_H
#define SOURCE_READFILE_H

#include <stddef.h>

#include "imgfmt/base.h"

/*
 * *ret is malloc'ed, of the file's size, with a NUL behind it that *ret_n does not count.
 * -EFBIG when it has more than `max` bytes, -ENOMEM, or what open and read say.
 */
int readfile_fd(int fd, size_t max, uint8_t **ret, size_t *ret_n) _must_check_;
int readfile_path(const char *path, size_t max, uint8_t **ret,
		  size_t *ret_n) _must_check_;

#endif
