/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.c - see process.h
 */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/log.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

static void set_oom_score(bool say)
{
	cleanup_fd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if ((fd < 0 || write(fd, "-1000", 5) != 5) && say)
		log_warning("process: the OOM killer may end this daemon: %s",
			    strerror(errno));
}

void process_harden(bool say)
{
	/* MCL_FUTURE alone would lock whole thread stacks: 80 MB instead of 6. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0 && say)
		log_warning("process: memory is not locked: %s", strerror(errno));
	/* Allocations must not wait for write-back to the disk that we are. */
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) < 0 && say)
		log_warning("process: not marked as an I/O flusher: %s", strerror(errno));
	set_oom_score(say);
}

void process_ignore_signals(void)
{
	static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM};

	for (unsigned i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
}

/* Zero, or it cannot be read: the kernel does not do it. */
static unsigned long number_in(const char *file)
{
	cleanup_fd int fd = open(file, O_RDONLY | O_CLOEXEC);
	char text[32] = "";

	if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
		return 0;
	return strtoul(text, NULL, 10);
}

static void check_timeout(const char *file)
{
	unsigned long seconds = number_in(file);

	if (seconds)
		log_warning("%s is %lu: the kernel would abort the root after a server "
			    "outage that long: set it to 0",
			    file, seconds);
}

void process_check_kernel_limits(void)
{
	const char *panic_file = "/proc/sys/kernel/hung_task_panic";

	check_timeout("/proc/sys/fs/fuse/default_request_timeout");
	check_timeout("/proc/sys/fs/fuse/max_request_timeout");
	if (number_in(panic_file))
		log_warning(
			"%s is on: the kernel would panic in a server outage of %lu s: "
			"set it to 0",
			panic_file, number_in("/proc/sys/kernel/hung_task_timeout_secs"));
}
