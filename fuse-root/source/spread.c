/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spread.c - a number by which this machine differs from its neighbours
 *
 * Addresses of one delivery differ in their last bits only, so these must reach all bits.
 */
#include "source/spread.h"

#include <dirent.h>
#include <fcntl.h>

#include "imgfmt/base.h"

#define MAC_BYTES 6u

struct mac {
	uint8_t b[MAC_BYTES];
};

/* xx:xx:xx:xx:xx:xx, or with dashes; not all zero. */
static bool parse_mac(const char *text, struct mac *ret)
{
	unsigned v[MAC_BYTES], sum = 0;

	if (sscanf(text, "%2x%*1[:-]%2x%*1[:-]%2x%*1[:-]%2x%*1[:-]%2x%*1[:-]%2x", &v[0],
		   &v[1], &v[2], &v[3], &v[4], &v[5]) != MAC_BYTES)
		return false;
	for (unsigned i = 0; i < MAC_BYTES; i++) {
		ret->b[i] = (uint8_t)v[i];
		sum |= v[i];
	}
	return sum != 0;
}

/* 01-52-54-00-12-34-56: the hardware type before it. */
static bool parse_bootif(const char *text, struct mac *ret)
{
	return parse_mac(strlen(text) == 20 ? text + 3 : text, ret);
}

static bool read_address(int folder, const char *name, struct mac *ret)
{
	char path[300], text[64] = "";

	snprintf(path, sizeof path, "%s/address", name);
	cleanup_fd int fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, text, sizeof text - 1) > 0 && parse_mac(text, ret);
}

static bool has_device(int folder, const char *name)
{
	char path[300];

	snprintf(path, sizeof path, "%s/device", name);
	return faccessat(folder, path, F_OK, 0) == 0;
}

static bool find_mac(const char *folder, struct mac *ret)
{
	DIR *dir = opendir(folder);
	char best[256] = "";
	bool best_has_device = false;

	for (struct dirent *e; dir && (e = readdir(dir));) {
		struct mac mac;

		if (e->d_name[0] == '.' || !read_address(dirfd(dir), e->d_name, &mac))
			continue;
		const bool device = has_device(dirfd(dir), e->d_name);
		if (best[0] && (device != best_has_device ? best_has_device
							  : strcmp(e->d_name, best) > 0))
			continue;
		snprintf(best, sizeof best, "%s", e->d_name);
		best_has_device = device;
		*ret = mac;
	}
	if (dir)
		closedir(dir);
	return best[0] != '\0';
}

uint32_t spread_number(const char *folder, const char *bootif)
{
	struct mac mac;
	uint64_t x = 0;

	if (!parse_bootif(bootif, &mac) && !find_mac(folder, &mac))
		return 0;
	for (unsigned i = 0; i < MAC_BYTES; i++)
		x = x << 8 | mac.b[i];
	/* The finalizer of splitmix64. */
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((x ^ (x >> 31)) >> 16);
}
