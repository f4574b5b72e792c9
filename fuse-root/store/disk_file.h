/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_file.h - a disk that is a real device or file; for disk*.c only
 */
#ifndef STORE_DISK_FILE_H
#define STORE_DISK_FILE_H

#include <stdatomic.h>

#include "store/aio.h"
#include "store/disk.h"

struct disk_file {
	struct disk disk;
	struct aio *aio;
	int claim_fd; /* of a device: held so that nobody mounts it; or -1 */
	atomic_bool cannot_punch;
};

extern const struct disk_ops disk_file_ops;

#endif
