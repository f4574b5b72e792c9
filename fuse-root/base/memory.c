/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - see memory.h
 */
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int memory_open(void)
{
	int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* "NAME:   123 kB" at the start of a line. */
static bool find_line(const char *text, const char *name, uint64_t *ret_bytes)
{
	const size_t n = strlen(name);

	for (const char *at = text; at; at = strchr(at, '\n')) {
		char *end;

		at += *at == '\n';
		if (strncmp(at, name, n) != 0 || at[n] != ':')
			continue;
		*ret_bytes = strtoull(at + n + 1, &end, 10) * 1024;
		return strncmp(end, " kB", 3) == 0;
	}
	return false;
}

int memory_parse(const char *text, struct memory *ret)
{
	struct memory m;

	if (!find_line(text, "MemTotal", &m.total_bytes) ||
	    !find_line(text, "MemAvailable", &m.available_bytes))
		return -EBADMSG;
	*ret = m;
	return 0;
}

int memory_read(int fd, struct memory *ret)
{
	char text[4096];
	ssize_t n = pread(fd, text, sizeof text - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	return memory_parse(text, ret);
}
