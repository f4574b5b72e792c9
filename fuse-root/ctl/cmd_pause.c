/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_pause.c - stop and restart the background fill
 */
#include <errno.h>
#include <getopt.h>

#include "base/log.h"
#include "ctl/peer.h"
#include "ctl/ctl.h"

static int send_command(const char *name, const char *command)
{
	struct peer a;
	int err = peer_open(name, &a);

	if (err)
		return CTL_FAILED;
	err = peer_command(&a, command);
	if (err == -ENOENT)
		log_error("%s: %s: the daemon is gone, nothing is being filled", name,
			  command);
	peer_close(&a);
	return err ? CTL_FAILED : CTL_DONE;
}

static int run(int argc, char **argv, const char *command)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
	const char *name;
	int code, err;

	while ((code = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (code != 'h')
			return ctl_wrong_option(code, argv);
		ctl_print_usage(command);
		return CTL_DONE;
	}
	err = ctl_take_name(argc, argv, &name);
	return err ? err : send_command(name, command);
}

int cmd_pause(int argc, char **argv)
{
	return run(argc, argv, "pause");
}

int cmd_resume(int argc, char **argv)
{
	return run(argc, argv, "resume");
}
