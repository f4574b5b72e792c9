/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partition.h - find a partition by its name or UUID, without udev
 *
 * Only partitions and the disks they are on are looked at: other block devices may be
 * such that a read of them does not come back, other attachments of ours for one.
 */
#ifndef STORE_PARTITION_H
#define STORE_PARTITION_H

#include "imgfmt/base.h"

/*
 * tag: "PARTLABEL=NAME" or "PARTUUID=UUID".  The path of the first partition that has it.
 * -ENOENT: none.  Reads partition tables; blocks as long as those disks do.
 */
int partition_find(const char *tag, char *ret_path, size_t n_bytes) _must_check_;

#endif
