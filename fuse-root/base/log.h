/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - messages of the daemon and its tool
 *
 * "subject: action: reason", lower case, no full stop, no newline.  A failure is logged once,
 * where the facts are.  Before log_daemon() messages go to stderr as "hydrootd: ..."; after it to
 * the sinks opened before: /dev/kmsg with a <N> prefix, and a bounded file.  Functions allocate
 * nothing, keep errno, may be called from any thread, but not with a lock held.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "imgfmt/base.h"

/* syslog levels, which /dev/kmsg understands */
enum log_level { LOG_L_ERROR = 3, LOG_L_WARNING = 4, LOG_L_NOTICE = 5, LOG_L_DEBUG = 7 };

/* `program` is kept, not copied.  debug: show log_debug. */
void log_init(const char *program, bool debug);

/* To this file as well as to stderr; before log_daemon. */
void log_file(int file_fd);

/*
 * From now on to kmsg_fd and file_fd instead of stderr; -1 for neither.  The fds are kept.
 * The file is bounded: when it has grown past LOG_FILE_BYTES it starts anew, with a line that
 * says so.  The kernel's log gets no more than the kernel takes of one writer by default,
 * LOG_KMSG_BURST messages in LOG_KMSG_SECONDS, the last places for an error and for a line that
 * says that there are more.
 */
void log_daemon(int kmsg_fd, int file_fd);

/*
 * A bar (base/bar.h) is drawn where messages go: each clears its line first.  Before a
 * fork, for children too.
 */
void log_over_bar(bool has_bar);

/*
 * The last error that this thread has logged since it called log_forget_error, or "".
 * For the status: what failed is known where it is logged.
 */
const char *log_last_error(void);
void log_forget_error(void);

/* What the file held before it starts anew goes into this one; open for writing, not appending. */
void log_old_file(int old_fd);

/* /proc/sys/kernel/printk_devkmsg, which tells whether the kernel has a limit; -1: it has. */
void log_kmsg_control(int control_fd);

#define LOG_FILE_BYTES (512 * 1024)
#define LOG_KMSG_BURST 10u
#define LOG_KMSG_SECONDS 5

/* Prepended to each message as "NAME: ", so that several attachments can be told apart. */
void log_set_name(const char *name);

void log_at(enum log_level level, const char *fmt, ...) _printf_(2, 3);

#define log_error(...) log_at(LOG_L_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_L_WARNING, __VA_ARGS__)
#define log_notice(...) log_at(LOG_L_NOTICE, __VA_ARGS__)
#define log_debug(...) log_at(LOG_L_DEBUG, __VA_ARGS__)

#endif
