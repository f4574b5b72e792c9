/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_trace.c - what was read first: the FILE that hydroot-image build --trace takes
 *
 * The daemon writes it into the run directory, where it also leaves it when it goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>

#include "base/log.h"
#include "ctl/ctl.h"
#include "ctl/peer.h"

#define COPY_BYTES 65536

static int print_file(const struct peer *a)
{
	cleanup_fd int fd = openat(a->dirfd, "trace", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_free char *buf = malloc(COPY_BYTES);
	ssize_t n = 0;

	if (fd < 0) {
		log_error("%s: trace: %s", a->name,
			  errno == ENOENT ? "no daemon answers, and it left none"
					  : strerror(errno));
		return CTL_FAILED;
	}
	while (buf && (n = read(fd, buf, COPY_BYTES)) > 0)
		if (fwrite(buf, 1, (size_t)n, stdout) != (size_t)n)
			break;
	if (!buf || n != 0 || fflush(stdout) != 0) {
		log_error("%s: trace: cannot be copied: %s", a->name, strerror(errno));
		return CTL_FAILED;
	}
	return CTL_DONE;
}

/* NULL: the boot's end was marked, or the recording goes on. */
static const char *what_is_missing(const json_t *status, bool is_live)
{
	const char *ended = status_text(status, "trace.ended");

	if (strcmp(ended, "handover") == 0)
		return "it ended at the handover, before the boot was said to be "
		       "complete: record with fill=boot or fill=manual";
	if (strcmp(ended, "full") == 0)
		return "it was full before the boot was said to be complete: what was "
		       "read later is not in it";
	if (ended[0] || is_live)
		return NULL;
	return "the daemon went before the boot was said to be complete: this is what it "
	       "had when it was last asked";
}

/* An incomplete trace looks like any other. */
static void say_what_is_missing(const struct peer *a)
{
	const char *missing;
	json_t *status;
	bool is_live;

	if (peer_status(a, &status, &is_live))
		return;
	missing = what_is_missing(status, is_live);
	if (missing)
		log_warning("%s: trace: %s", a->name, missing);
	json_decref(status);
}

static int print(const struct peer *a)
{
	int status = print_file(a);

	if (status == CTL_DONE)
		say_what_is_missing(a);
	return status;
}

/* Without a daemon the recording has ended, and what it left behind is all there is. */
static int trace(const char *name, bool ends)
{
	struct peer a;
	int err = peer_open(name, &a);
	int status;

	if (err)
		return CTL_FAILED;
	err = peer_command(&a, ends ? "trace-end" : "trace");
	if (err && err != -ENOENT)
		status = CTL_FAILED;
	else
		status = ends ? CTL_DONE : print(&a);
	peer_close(&a);
	return status;
}

int cmd_trace(int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'}, {"end", no_argument, NULL, 'e'}, {0}};
	bool ends = false;
	const char *name;
	int code, err;

	while ((code = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (code == 'e') {
			ends = true;
			continue;
		}
		if (code != 'h')
			return ctl_wrong_option(code, argv);
		ctl_print_usage("trace");
		return CTL_DONE;
	}
	err = ctl_take_name(argc, argv, &name);
	return err ? err : trace(name, ends);
}
