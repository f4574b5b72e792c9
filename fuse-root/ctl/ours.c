/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ours.c - see ours.h
 */
#include "ctl/ours.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "ctl/peer.h"
#include "face/blockdev.h"
#include "store/zram.h"

int ours_kernel_name(dev_t device, char ret[OURS_KERNEL_NAME_BYTES])
{
	char path[64], target[256];
	const char *slash;
	ssize_t n;

	snprintf(path, sizeof path, "/sys/dev/block/%u:%u", major(device), minor(device));
	n = readlink(path, target, sizeof target - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	slash = strrchr(target, '/');
	snprintf(ret, OURS_KERNEL_NAME_BYTES, "%.*s", (int)OURS_KERNEL_NAME_BYTES - 1,
		 slash ? slash + 1 : target);
	return 0;
}

static bool is_our_loop(const char *name, const char *kernel)
{
	struct blockdev loop;
	bool is_ours;

	snprintf(loop.path, sizeof loop.path, "/dev/%.32s", kernel);
	loop.fd = open(loop.path, O_RDONLY | O_CLOEXEC);
	is_ours = loop.fd >= 0 && loop_is_of(&loop, name);
	if (loop.fd >= 0)
		close(loop.fd);
	return is_ours;
}

bool ours_is(const char *name, dev_t device, const json_t *status)
{
	const uint64_t diskseq = status_number(status, "store.diskseq");
	char kernel[OURS_KERNEL_NAME_BYTES];
	unsigned id;

	if (ours_kernel_name(device, kernel))
		return false;
	if (strncmp(kernel, "loop", 4) == 0)
		return is_our_loop(name, kernel);
	if (strncmp(kernel, "dm-", 3) == 0)
		return dm_is_of(kernel, name);
	if (diskseq && sscanf(kernel, "zram%u", &id) == 1)
		return zram_diskseq(id) == diskseq;
	return true;
}
