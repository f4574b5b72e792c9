/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel.h - what can be known about a kernel from files below a root folder
 *
 * lib/modules/VERSION/modules.dep and modules.builtin, boot/config-VERSION, and, when VERSION is
 * the one that runs there (proc/sys/kernel/osrelease), proc and sys.  Nothing is loaded, nothing
 * is changed.
 */
#ifndef KMOD_HINTS_KERNEL_H
#define KMOD_HINTS_KERNEL_H

#include "kmod-hints/names.h"

/* UNKNOWN: nothing that could tell is at hand. */
enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN };

struct kernel {
	char root[256]; /* "" for / */
	char version[128];
	bool is_running; /* proc and sys speak of this kernel */
	bool has_modules; /* modules.dep was read */
	bool has_builtin; /* modules.builtin was read */
	bool has_config; /* a configuration was read */
	bool has_net_driver; /* one of class:net, as a module or built in */
	struct names modules; /* loadable or built in */
	struct names config_y; /* symbols without CONFIG_ */
	struct names config_m;
	struct names filesystems; /* /proc/filesystems */
};

/*
 * root "" is the running system; version "" is the kernel that runs there, or else the only one
 * in lib/modules and usr/lib/modules.  -errno, with a message on stderr.  kernel_fini takes a
 * half-read one.
 */
int kernel_read(struct kernel *k, const char *root, const char *version) _must_check_;
void kernel_fini(struct kernel *k);

/* `config` may be NULL: not looked at then. */
enum answer kernel_has_module(const struct kernel *k, const char *name,
			      const char *config);
enum answer kernel_has_config(const struct kernel *k, const char *symbol);
enum answer kernel_has_filesystem(const struct kernel *k, const char *name);
enum answer kernel_has_path(const struct kernel *k, const char *path);
/* The number in a file of the running kernel; false where there is none. */
bool kernel_read_value(const struct kernel *k, const char *path, long *ret);
enum answer kernel_is_at_least(const struct kernel *k, const char *version);

#endif
