/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input_file.c - bytes from a file, a block device, or a stream
 */
#include "imgfmt/tool/input.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "imgfmt/tool/tool.h"

/* Reads until n or the end; -1 with errno. */
static ssize_t read_all(int fd, void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = read(fd, (char *)buf + done, n - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

static int fill_peek(struct input *in)
{
	ssize_t n;

	in->peek = malloc(INPUT_PEEK_BYTES);
	if (!in->peek)
		return tool_fail(in->name, "out of memory");
	n = read_all(in->fd, in->peek, INPUT_PEEK_BYTES);
	if (n < 0)
		return tool_fail_errno(in->name, "cannot read");
	in->n_peek = (size_t)n;
	if (in->can_seek && lseek(in->fd, 0, SEEK_SET) != 0)
		return tool_fail_errno(in->name, "cannot seek");
	return EXIT_DONE;
}

/* What is written while it is read makes an image of no moment at all. */
static void warn_of_mount(const char *name, int fd)
{
	char path[32];
	int exclusive;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	exclusive = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (exclusive < 0 && errno == EBUSY)
		tool_warn(name, "is mounted or in use; if that writes to it, the image "
				"will be damaged");
	if (exclusive >= 0)
		close(exclusive);
}

static int open_fd(const char *name, int fd, bool is_stream, struct input *ret)
{
	struct input in = {.name = name, .fd = fd, .tree = TEMPTREE_NONE};
	struct stat st;
	off_t end;
	int r;

	if (fstat(fd, &st) < 0) {
		close(fd);
		return tool_fail_errno(name, "cannot stat");
	}
	if (!is_stream && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))) {
		end = lseek(fd, 0, SEEK_END);
		in.can_seek = end >= 0 && lseek(fd, 0, SEEK_SET) == 0;
		in.n_bytes = in.can_seek ? (uint64_t)end : 0;
	}
	if (S_ISBLK(st.st_mode))
		warn_of_mount(name, fd);
	r = fill_peek(&in);
	if (r == EXIT_DONE && in.n_peek == 0)
		r = tool_fail(name, "is empty");
	if (r != EXIT_DONE) {
		input_close(&in);
		return r;
	}
	*ret = in;
	return EXIT_DONE;
}

int input_open_fd(const char *name, int fd, struct input *ret)
{
	return open_fd(name, fd, false, ret);
}

/* Somebody may have read the start of it, as the head of a container: then it is a stream. */
static int open_stdin(struct input *ret)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return tool_fail_errno("standard input", "cannot open");
	return open_fd("standard input", fd, lseek(fd, 0, SEEK_CUR) > 0, ret);
}

int input_open_file(const char *path, struct input *ret)
{
	int fd;

	if (strcmp(path, "-") == 0)
		return open_stdin(ret);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return tool_fail_errno(path, "cannot open");
	return input_open_fd(path, fd, ret);
}

void input_close(struct input *in)
{
	free(in->peek);
	in->peek = NULL;
	if (in->fd >= 0)
		close(in->fd);
	in->fd = -1;
	in->tree_path = NULL;
	temptree_free(&in->tree);
}

int input_replace(struct input *in, int fd)
{
	struct input other;
	int r = input_open_fd(in->name, fd, &other);

	if (r != EXIT_DONE)
		return r;
	other.tree = in->tree;
	other.tree_path = in->tree_path;
	in->tree = (struct temptree)TEMPTREE_NONE;
	input_close(in);
	*in = other;
	return EXIT_DONE;
}

int input_narrow(struct input *in, uint64_t base, uint64_t n_bytes)
{
	ssize_t n;

	if (base > in->n_bytes || n_bytes > in->n_bytes - base)
		return tool_fail(in->name, "ends inside the partition");
	n = pread(in->fd, in->peek, min_u64(INPUT_PEEK_BYTES, n_bytes), (off_t)base);
	if (n < 0)
		return tool_fail_errno(in->name, "cannot read");
	in->n_peek = (size_t)n;
	in->base = base;
	in->n_bytes = n_bytes;
	return EXIT_DONE;
}

/*
 * Find the stretch of data that ends behind pos.  A filesystem without holes answers
 * "all is data".
 */
static void find_data(struct input *in)
{
	off_t start = lseek(in->fd, (off_t)(in->base + in->pos), SEEK_DATA), end;

	if (start < 0) {
		/* ENXIO: nothing but hole up to the end; else it cannot tell */
		in->data_start = errno == ENXIO ? in->n_bytes : in->pos;
		in->data_end = in->n_bytes;
		return;
	}
	end = lseek(in->fd, start, SEEK_HOLE);
	in->data_start = min_u64((uint64_t)start - in->base, in->n_bytes);
	in->data_end =
		end < 0 ? in->n_bytes : min_u64((uint64_t)end - in->base, in->n_bytes);
}

static int read_seekable(struct input *in, void *buf, size_t n, size_t *ret_n,
			 bool *ret_hole)
{
	ssize_t got = 0;

	n = min_u64(n, in->n_bytes - in->pos);
	if (in->pos >= in->data_end)
		find_data(in);
	*ret_hole = n > 0 && in->data_start >= in->pos + n;
	*ret_n = n;
	if (*ret_hole)
		return EXIT_DONE;
	if (lseek(in->fd, (off_t)(in->base + in->pos), SEEK_SET) < 0 ||
	    (got = read_all(in->fd, buf, n)) < 0)
		return tool_fail_errno(in->name, "cannot read");
	if ((size_t)got < n)
		return tool_fail(in->name, "became shorter while it was read");
	return EXIT_DONE;
}

static int read_stream(struct input *in, void *buf, size_t n, size_t *ret_n)
{
	size_t n_kept = 0;
	ssize_t got;

	if (in->pos < in->n_peek) {
		n_kept = min_u64(n, in->n_peek - in->pos);
		memcpy(buf, in->peek + in->pos, n_kept);
	}
	got = read_all(in->fd, (char *)buf + n_kept, n - n_kept);
	if (got < 0)
		return tool_fail_errno(in->name, "cannot read");
	*ret_n = n_kept + (size_t)got;
	return EXIT_DONE;
}

int input_read(struct input *in, void *buf, size_t n, size_t *ret_n, bool *ret_hole)
{
	int r;

	*ret_hole = false;
	r = in->can_seek ? read_seekable(in, buf, n, ret_n, ret_hole)
			 : read_stream(in, buf, n, ret_n);
	if (r == EXIT_DONE)
		in->pos += *ret_n;
	return r;
}
