/* SPDX-License-Identifier: Apache-2.0 */
/*
 * numa.h - spread what a thread allocates over the memory of all NUMA nodes
 *
 * zram takes its pages in the context of the thread that writes.  Left alone, an image
 * that is filled by a few threads would fill the memory of the node they happen to run
 * on.
 */
#ifndef BASE_NUMA_H
#define BASE_NUMA_H

#include "imgfmt/base.h"

#define NUMA_NODES_MAX 1024u

struct numa_nodes {
	unsigned n; /* with memory */
	unsigned long mask[NUMA_NODES_MAX / (8 * sizeof(unsigned long))];
};

/* A list as in sysfs: "0-1,3\n".  -EINVAL; *ret is then empty. */
int numa_parse(const char *list, struct numa_nodes *ret) _must_check_;
/*
 * The nodes with memory, of the file has_memory in `dir`, /sys/devices/system/node.  None
 * when it cannot be read.
 */
void numa_read(const char *dir, struct numa_nodes *ret);

/*
 * Interleave the calling thread's allocations if there is more than one node.  The nodes
 * are looked up once, by the first caller.  Best effort: it costs speed only.
 */
void numa_interleave_thread(void);

#endif
