/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connecting.h - what became of a connection that was begun
 */
#ifndef SOURCE_CONNECTING_H
#define SOURCE_CONNECTING_H

#include "imgfmt/base.h"

/*
 * Of a non-blocking socket after connect(2): 0 when it is connected, -EINPROGRESS while
 * nobody knows, else -errno, why it will never be.  Never blocks.  Its error is told once:
 * close it then.
 */
int connecting_result(int fd) _must_check_;

#endif
