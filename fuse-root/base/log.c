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
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"

#define LINE_BYTES 1024u
#define COPY_BYTES 4096u

/* Set before threads start, but for the change to the daemon's sinks. */
static struct {
	const char *program;
	bool debug, has_bar;
	atomic_bool is_daemon; /* set after kmsg_fd */
	atomic_int kmsg_fd;
	atomic_int file_fd;
	atomic_int old_fd, control_fd;
	char name[72]; /* "NAME: ", or "" */
} sink = {
	.program = "hydroot",
	.kmsg_fd = -1,
	.file_fd = -1,
	.old_fd = -1,
	.control_fd = -1,
};

/* How much of its share of the kernel's log this process has used; any thread. */
static struct {
	atomic_llong window_ms; /* when the window began */
	atomic_uint n_used;
	atomic_bool is_full; /* and said so */
} kmsg;

static _Thread_local char last_error[LINE_BYTES - 128];

static atomic_flag is_rotating = ATOMIC_FLAG_INIT;

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

void log_old_file(int old_fd)
{
	atomic_store(&sink.old_fd, old_fd);
}

void log_kmsg_control(int control_fd)
{
	atomic_store(&sink.control_fd, control_fd);
}

void log_over_bar(bool has_bar)
{
	sink.has_bar = has_bar;
}

const char *log_last_error(void)
{
	return last_error;
}

void log_forget_error(void)
{
	last_error[0] = '\0';
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

static bool kmsg_is_limited(void)
{
	char word[4] = "";

	return pread(sink.control_fd, word, sizeof word - 1, 0) < 2 ||
	       strncmp(word, "on", 2) != 0;
}

static void begin_window(void)
{
	long long now_ms = clock_ms(), began_ms = atomic_load(&kmsg.window_ms);

	if (began_ms && now_ms - began_ms <= LOG_KMSG_SECONDS * 1000)
		return;
	if (!atomic_compare_exchange_strong(&kmsg.window_ms, &began_ms, now_ms))
		return; /* another thread has */
	atomic_store(&kmsg.n_used, 0);
	atomic_store(&kmsg.is_full, false);
}

/* The last two places of a window: one for an error, one for saying that it is full. */
static bool kmsg_has_room(enum log_level level)
{
	unsigned n_places = LOG_KMSG_BURST - (level <= LOG_L_ERROR ? 1 : 2);

	begin_window();
	if (atomic_load(&kmsg.n_used) < n_places) {
		atomic_fetch_add(&kmsg.n_used, 1);
		return true;
	}
	return !kmsg_is_limited();
}

static void put_kmsg_line(enum log_level level, const char *message)
{
	char line[LINE_BYTES];
	/*
	 * Who asked for steps wants them on the console, which by default leaves out what
	 * is for debugging.
	 */
	const int shown = level == LOG_L_DEBUG ? LOG_L_NOTICE : level;
	int n = snprintf(line, sizeof line, "<%d>%s: %s%s", shown, sink.program,
			 sink.name, message);

	put_line(sink.kmsg_fd, line, close_line(line, n));
}

static void put_kmsg(enum log_level level, const char *message)
{
	if (kmsg_has_room(level))
		put_kmsg_line(level, message);
	else if (!atomic_exchange(&kmsg.is_full, true))
		put_kmsg_line(LOG_L_NOTICE,
			      "log: there are more messages than the "
			      "kernel takes: all are in the log in /run/hydroot");
}

static void put_stderr(const char *message)
{
	char line[LINE_BYTES];
	int n = snprintf(line, sizeof line, "%s%s: %s%s", sink.has_bar ? "\r\x1b[K" : "",
			 sink.program, sink.name, message);

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

static void copy_file(int from, int to)
{
	char buf[COPY_BYTES];
	off_t off = 0;
	ssize_t n;

	if (to < 0 || ftruncate(to, 0) < 0)
		return;
	while ((n = pread(from, buf, sizeof buf, off)) > 0 &&
	       pwrite(to, buf, (size_t)n, off) == n)
		off += n;
}

/* Between processes, which share the open file: a lock that belongs to the process. */
static bool lock_file(int fd, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET};

	return fcntl(fd, F_SETLK, &lock) == 0;
}

static bool is_too_long(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size > LOG_FILE_BYTES;
}

/*
 * Only one at a time; others meanwhile write on, and what they write just then may be lost.
 * Without O_APPEND the offset would stay behind the new end and leave a hole.
 */
static void bound_file(int fd)
{
	static const char moved[] = "log: begins anew: what was here is in log.old\n";
	static const char dropped[] = "log: begins anew: it had grown too long\n";
	const char *note = sink.old_fd >= 0 ? moved : dropped;

	if (!is_too_long(fd) || atomic_flag_test_and_set(&is_rotating))
		return;
	if (lock_file(fd, F_WRLCK) && is_too_long(fd)) {
		copy_file(fd, sink.old_fd);
		if (ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0)
			put_line(fd, note, strlen(note));
	}
	(void)lock_file(fd, F_UNLCK);
	atomic_flag_clear(&is_rotating);
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
	if (level == LOG_L_ERROR)
		memcpy(last_error, message, sizeof last_error);
	if (!sink.is_daemon)
		put_stderr(message);
	if (sink.kmsg_fd >= 0)
		put_kmsg(level, message);
	if (sink.file_fd >= 0)
		put_file(level, message);
	errno = saved_errno;
}
