/* SPDX-License-Identifier: Apache-2.0 */
/*
 * numa.c - see numa.h; the system call itself, because libnuma is not worth a library in
 * an initramfs
 */
#include "base/numa.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include "base/lock.h"
#include "base/log.h"

#define NODE_DIR "/sys/devices/system/node"
#define MPOL_INTERLEAVE 3
#define WORD_BITS (8 * sizeof(unsigned long))

static bool read_number(const char **at, unsigned *ret)
{
	char *end;
	unsigned long n;

	if (**at < '0' || **at > '9')
		return false;
	n = strtoul(*at, &end, 10);
	if (n >= NUMA_NODES_MAX)
		return false;
	*at = end;
	*ret = (unsigned)n;
	return true;
}

static void add_nodes(struct numa_nodes *nodes, unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++) {
		unsigned long bit = 1ul << (i % WORD_BITS);

		nodes->n += !(nodes->mask[i / WORD_BITS] & bit);
		nodes->mask[i / WORD_BITS] |= bit;
	}
}

int numa_parse(const char *list, struct numa_nodes *ret)
{
	struct numa_nodes nodes = {0};

	*ret = nodes;
	for (const char *at = list; *at && *at != '\n';) {
		unsigned first, last;

		if (!read_number(&at, &first))
			return -EINVAL;
		last = first;
		if (*at == '-') {
			at++;
			if (!read_number(&at, &last) || last < first)
				return -EINVAL;
		}
		add_nodes(&nodes, first, last);
		if (*at == ',')
			at++;
		else if (*at && *at != '\n')
			return -EINVAL;
	}
	*ret = nodes;
	return 0;
}

void numa_read(const char *dir, struct numa_nodes *ret)
{
	char path[256], text[1024];
	cleanup_fd int fd = -1;
	ssize_t n;

	memset(ret, 0, sizeof *ret);
	snprintf(path, sizeof path, "%s/has_memory", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, text, sizeof text - 1);
	if (n <= 0)
		return;
	text[n] = '\0';
	(void)!numa_parse(text, ret);
}

static struct numa_nodes all_nodes;

static void read_once(void)
{
	numa_read(NODE_DIR, &all_nodes);
	if (all_nodes.n > 1)
		log_notice("memory: the store is spread over %u NUMA nodes", all_nodes.n);
}

void numa_interleave_thread(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	PTHREAD_OK(pthread_once(&once, read_once));
	if (all_nodes.n < 2)
		return;
	/* The kernel looks at one bit less than it is told. */
	if (syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, all_nodes.mask,
		    NUMA_NODES_MAX + 1ul) < 0)
		log_warning("memory: not spread over the NUMA nodes: %s",
			    strerror(errno));
}
