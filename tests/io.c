/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.c - block and file operations for the tests, timed, in one static program
 *
 * Used on the host and inside the guests, where it must not need the root disk.
 *
 *	io readers DEVICE OUTPUT OFFSETS	one thread per line of OFFSETS (bytes) reads
 *						4096 bytes with O_DIRECT, all at once; block i
 *						goes to OUTPUT at 4096 * i; prints
 *						"N reads, max M ms"
 *	io read DEVICE OFFSET			one such read; prints its milliseconds
 *	io write PATH				writes 4096 bytes, fsync; prints its milliseconds
 *	io punch PATH OFFSET LENGTH		punches a hole, in a file or block device; same
 *	io kill-when PATH BYTE PID		kills PID as soon as the file begins with BYTE;
 *						gives up after five minutes
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	BLOCK_BYTES = 4096,
	READERS_MAX = 4096,
	STACK_BYTES = 64 * 1024,
	KILL_WHEN_MS = 300000
};

struct reader {
	pthread_t thread;
	int in, out;
	unsigned index;
	off_t offset;
	long ms;
	int err;
};

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000L + ts.tv_nsec / 1000000L;
}

static int fail(const char *what)
{
	fprintf(stderr, "io: %s: %s\n", what, strerror(errno));
	return 1;
}

static int read_block(int fd, off_t offset, void *buf)
{
	ssize_t n = pread(fd, buf, BLOCK_BYTES, offset);

	if (n == BLOCK_BYTES)
		return 0;
	return n < 0 ? errno : EIO;
}

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	long start = now_ms();
	void *buf = NULL;

	r->err = posix_memalign(&buf, BLOCK_BYTES, BLOCK_BYTES);
	if (!r->err)
		r->err = read_block(r->in, r->offset, buf);
	if (!r->err && pwrite(r->out, buf, BLOCK_BYTES, (off_t)r->index * BLOCK_BYTES) !=
			       BLOCK_BYTES)
		r->err = EIO;
	free(buf);
	r->ms = now_ms() - start;
	return NULL;
}

static unsigned readers_load(struct reader *readers, const char *path)
{
	FILE *f = fopen(path, "r");
	unsigned n = 0;
	char line[64];

	if (!f)
		return 0;
	while (n < READERS_MAX && fgets(line, sizeof line, f))
		readers[n++].offset = (off_t)strtoull(line, NULL, 0);
	fclose(f);
	return n;
}

static int readers_run(struct reader *readers, unsigned n)
{
	pthread_attr_t attr;
	unsigned n_errors = 0;
	long max_ms = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (unsigned i = 0; i < n; i++)
		if (pthread_create(&readers[i].thread, &attr, reader_main, &readers[i]))
			return fail("thread");
	for (unsigned i = 0; i < n; i++) {
		pthread_join(readers[i].thread, NULL);
		if (readers[i].ms > max_ms)
			max_ms = readers[i].ms;
		if (!readers[i].err)
			continue;
		n_errors++;
		fprintf(stderr, "io: read at %lld: %s\n", (long long)readers[i].offset,
			strerror(readers[i].err));
	}
	printf("%u reads, max %ld ms\n", n - n_errors, max_ms);
	return n_errors != 0;
}

static int cmd_readers(char **argv)
{
	static struct reader readers[READERS_MAX];
	int in = open(argv[0], O_RDONLY | O_DIRECT | O_CLOEXEC);
	int out = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	unsigned n = readers_load(readers, argv[2]);

	if (in < 0 || out < 0 || n == 0)
		return fail("readers");
	for (unsigned i = 0; i < n; i++) {
		readers[i].in = in;
		readers[i].out = out;
		readers[i].index = i;
	}
	return readers_run(readers, n);
}

static int cmd_read(char **argv)
{
	int fd = open(argv[0], O_RDONLY | O_DIRECT | O_CLOEXEC);
	struct reader r = {.in = fd, .out = open("/dev/null", O_WRONLY | O_CLOEXEC)};

	if (fd < 0)
		return fail(argv[0]);
	r.offset = (off_t)strtoull(argv[1], NULL, 0);
	reader_main(&r);
	errno = r.err;
	if (r.err)
		return fail(argv[0]);
	printf("%ld\n", r.ms);
	return 0;
}

static int cmd_write(char **argv)
{
	static char buf[BLOCK_BYTES];
	long start = now_ms();
	int fd = open(argv[0], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	memset(buf, 'w', sizeof buf);
	if (fd < 0 || write(fd, buf, sizeof buf) != (ssize_t)sizeof buf || fsync(fd))
		return fail(argv[0]);
	printf("%ld\n", now_ms() - start);
	return 0;
}

static int cmd_punch(char **argv)
{
	int fd = open(argv[0], O_RDWR | O_CLOEXEC);
	off_t offset = (off_t)strtoull(argv[1], NULL, 0);
	off_t length = (off_t)strtoull(argv[2], NULL, 0);
	long start = now_ms();

	if (fd < 0 ||
	    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length))
		return fail(argv[0]);
	printf("%ld\n", now_ms() - start);
	return 0;
}

/* What is looked for may last for a millisecond: no process is started for each look. */
static int cmd_kill_when(char **argv)
{
	int fd = open(argv[0], O_RDONLY | O_CLOEXEC);
	long start = now_ms();
	char byte = '\0';

	while (byte != argv[1][0]) {
		if (fd < 0 || pread(fd, &byte, 1, 0) < 0)
			return fail(argv[0]);
		if (now_ms() - start > KILL_WHEN_MS) {
			errno = ETIMEDOUT;
			return fail(argv[0]);
		}
	}
	return kill((pid_t)strtol(argv[2], NULL, 10), SIGKILL) < 0 ? fail(argv[2]) : 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int n_args;
		int (*run)(char **argv);
	} commands[] = {
		{"readers", 3, cmd_readers},	 {"read", 2, cmd_read},
		{"write", 1, cmd_write},	 {"punch", 3, cmd_punch},
		{"kill-when", 3, cmd_kill_when},
	};

	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (argc > 1 && !strcmp(argv[1], commands[i].name) &&
		    argc - 2 == commands[i].n_args)
			return commands[i].run(argv + 2);
	fprintf(stderr, "usage: io readers|read|write|punch|kill-when ARGUMENT...\n");
	return 2;
}
