/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_attach.c - become the daemon
 *
 * hydrootd reads the arguments, prints the device's path and returns when the device is
 * ready; here it is only found: beside this program, in the sbin beside its folder, in
 * PATH.
 */
#include <errno.h>
#include <limits.h>

#include "base/log.h"
#include "base/options.h"
#include "ctl/ctl.h"

#define DAEMON "hydrootd"

/* Starts with '@': systemd then leaves the process alone when it ends all others. */
static char daemon_argv0[] = "@" DAEMON;

static int own_folder(char *ret_path, size_t n_bytes)
{
	ssize_t n = readlink("/proc/self/exe", ret_path, n_bytes - 1);
	char *slash;

	if (n < 0)
		return -errno;
	ret_path[n] = '\0';
	slash = strrchr(ret_path, '/');
	if (!slash)
		return -ENOENT;
	*slash = '\0';
	return 0;
}

/* Returns only when it failed. */
static void exec_beside(const char *where, char **argv)
{
	char folder[PATH_MAX], path[PATH_MAX + 32];

	if (own_folder(folder, sizeof folder))
		return;
	snprintf(path, sizeof path, "%s/%s" DAEMON, folder, where);
	execv(path, argv);
}

int cmd_attach(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			ctl_print_usage(argv[0]);
			options_print_help();
			return CTL_DONE;
		}
	}
	if (argc < 2) {
		log_error("URL: missing; hydroot attach --help shows the usage");
		return CTL_USAGE;
	}
	argv[0] = daemon_argv0;
	exec_beside("", argv);
	exec_beside("../sbin/", argv);
	execvp(DAEMON, argv);
	log_error(DAEMON ": %s", strerror(errno));
	return CTL_FAILED;
}
