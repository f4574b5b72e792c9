/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.h - what is in an INPUT: one of the filesystems that META names, or something else
 */
#ifndef IMGFMT_PROBE_H
#define IMGFMT_PROBE_H

#include "imgfmt/tool/input.h"

/* Of the root disk: zram has them. */
#define PROBE_SECTOR_BYTES 4096u

/*
 * Which filesystem starts like this, by the name that META knows ("unknown" if none).
 * Refuses, with a message that names the remedy, what a disk with 4096-byte sectors
 * cannot carry, what is cut short, and, unless `any_content`, what is certainly no root.
 * *ret_bytes: as many as the filesystem says that it has, 0 when it does not.  Prints;
 * returns an exit code.
 */
int probe_filesystem(const struct input *in, bool any_content, const char **ret_name,
		     uint64_t *ret_bytes) _must_check_;

/* Its name alone, or NULL. */
const char *probe_name(const uint8_t *p, size_t n);

/* Does it look like a disk with partitions?  Only a look: libblkid knows better. */
bool probe_is_partitioned(const uint8_t *p, size_t n);

/* For a stream, whose length is known at its end.  Prints; returns an exit code. */
int probe_check_length(const char *input_name, uint64_t filesystem_bytes,
		       uint64_t n_bytes) _must_check_;

/* The rest of probe_filesystem, for what is none that META names. */
int probe_kind(const struct input *in, bool any_content) _must_check_;

#endif
