/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - messages to stderr, later to /dev/kmsg and a bounded file
 *
 * One message is one write to each sink, so threads never mix lines and no lock is
 * needed.  Text that came from outside (URLs, server answers) cannot forge a line:
 * control characters become '?'.  Nothing is allocated: the messages tell why memory ran
 * out, too.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#define LINE_BYTES 1024u
#define FILE_BYTES_MAX (1024 * 1024)

/* Set before threads start, but for the change to the daemon's sinks. */
static struct {
	const char *program;
	bool debug;
	atomic_bool is_daemon; /* set after kmsg_fd */
	atomic_int kmsg_fd;
	atomic_int file_fd;
	char name[72]; /* "NAME: ", or "" */
} sink = {.program = "hydroot", .kmsg_fd = -1, .file_fd = -1};

void log_init(const char *program, bool debug)
{
	sink.program = program;
	sink.debug = debug;
}

void log_daemon(int kmsg_fd, int file_fd)
{
	atomic_store(&sink.kmsg_fd, kmsg_fd);
	atomic_store(&sink.file_fd, file_fd);
	atomic_store(&sink.is_daemon, true);
}

void log_file(int file_fd)
{
	atomic_store(&sink.file_fd, file_fd);
}

void log_set_name(const char *name)
{
	if (name && name[0])
		snprintf(sink.name, sizeof sink.name, "%.63s: ", name);
	else
		sink.name[0] = '\0';
}

static void hide_control_characters(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
}

/* A sink that fails has nowhere to complain to. */
static void put_line(int fd, const char *line, size_t n_bytes)
{
	ssize_t n;

	do {
		n = write(fd, line, n_bytes);
	} while (n < 0 && errno == EINTR);
}

/* A short text cut at the buffer's end still ends in a newline. */
static size_t close_line(char *line, int length)
{
	size_t n = length < 0 ? 0 : min_u64((uint64_t)length, LINE_BYTES - 2);

	line[n] = '\n';
	return n + 1;
}

static void put_kmsg(enum log_level level, const char *message)
{
	char line[LINE_BYTES];
	int n = snprintf(line, sizeof line, "<%d>%s: %s%s", (int)level, sink.program,
			 sink.name, message);

	put_line(sink.kmsg_fd, line, close_line(line, n));
}

static void put_stderr(const char *message)
{
	char line[LINE_BYTES];
	int n = snprintf(line, sizeof line, "%s: %s%s", sink.program, sink.name, message);

	put_line(STDERR_FILENO, line, close_line(line, n));
}

static const char *level_word(enum log_level level)
{
	switch (level) {
	case LOG_L_ERROR:
		return "error: ";
	case LOG_L_WARNING:
		return "warning: ";
	case LOG_L_NOTICE:
	case LOG_L_DEBUG:
		break;
	}
	return "";
}

/* Without O_APPEND the offset would stay behind the new end and leave a hole. */
static void bound_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_size > FILE_BYTES_MAX && ftruncate(fd, 0) == 0)
		(void)lseek(fd, 0, SEEK_SET);
}

static void put_file(enum log_level level, const char *message)
{
	struct timespec now = {0};
	char line[LINE_BYTES];
	int n;

	clock_gettime(CLOCK_BOOTTIME, &now);
	n = snprintf(line, sizeof line, "[%lld.%03ld] %s%s%s", (long long)now.tv_sec,
		     now.tv_nsec / 1000000, level_word(level), sink.name, message);
	bound_file(sink.file_fd);
	put_line(sink.file_fd, line, close_line(line, n));
}

void log_at(enum log_level level, const char *fmt, ...)
{
	int saved_errno = errno;
	char message[LINE_BYTES - 128];
	va_list ap;

	if (level == LOG_L_DEBUG && !sink.debug)
		return;
	va_start(ap, fmt);
	vsnprintf(message, sizeof message, fmt, ap);
	va_end(ap);
	hide_control_characters(message);
	if (!sink.is_daemon)
		put_stderr(message);
	if (sink.kmsg_fd >= 0)
		put_kmsg(level, message);
	if (sink.file_fd >= 0)
		put_file(level, message);
	errno = saved_errno;
}
