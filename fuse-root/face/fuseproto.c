/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuseproto.c - see fuseproto.h
 *
 * An answer to what has been answered, by the process before this one, is refused by the
 * kernel with ENOENT, which libfuse takes for a request that was withdrawn: nothing
 * happens.
 */
#include "face/fuseproto.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/log.h"

#define IMAGE_INO 2u
#define RECEIVE_AGAIN_US 10000u
#define FOREVER 86400.0 /* nothing about the file ever changes */

/* What this thread has given to libfuse, which calls the operations below before it returns. */
static _Thread_local struct {
	unsigned thread; /* of the mailbox */
	const struct fuse_in_header *in;
	struct read_note *note; /* of a read that a process before this one has noted */
} in_hand;

int fuseproto_init(struct fuseproto *p)
{
	unsigned n = p->underway->n_reads;

	p->dev_fd = -1;
	p->reads = calloc(n, sizeof *p->reads);
	if (!p->reads)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++)
		p->reads[i] = (struct fuseproto_read){.proto = p,
						      .note = &p->underway->notes[i]};
	return 0;
}

void fuseproto_fini(struct fuseproto *p)
{
	if (p->session)
		fuse_session_destroy(p->session);
	free(p->reads);
}

/* -- operations --------------------------------------------------------------------------- */

static void fill_attr(const struct fuseproto *p, fuse_ino_t ino, struct stat *st)
{
	*st = (struct stat){.st_ino = ino, .st_nlink = 1, .st_blksize = 4096};
	if (ino == IMAGE_INO) {
		st->st_mode = S_IFREG | (p->read_only ? 0400 : 0600);
		st->st_size = (off_t)p->n_bytes;
		st->st_blocks = (blkcnt_t)(p->n_bytes / 512);
	} else {
		st->st_mode = S_IFDIR | 0500;
		st->st_nlink = 2;
	}
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	const struct fuseproto *p = userdata;

	conn->max_write = READ_BYTES_MAX;
	conn->max_read = READ_BYTES_MAX;
	conn->max_readahead = 0;
	conn->max_background = p->background_max;
	conn->congestion_threshold = p->background_max;
	/* Requests have to lie in a mailbox, and pages are copied once anyway. */
	conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				  FUSE_CAP_SPLICE_MOVE);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	const struct fuseproto *p = fuse_req_userdata(req);
	struct fuse_entry_param entry = {
		.ino = IMAGE_INO,
		.attr_timeout = FOREVER,
		.entry_timeout = FOREVER,
	};

	if (parent != FUSE_ROOT_ID || strcmp(name, FUSEPROTO_IMAGE_NAME) != 0) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fill_attr(p, IMAGE_INO, &entry.attr);
	fuse_reply_entry(req, &entry);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	fill_attr(fuse_req_userdata(req), ino, &st);
	fuse_reply_attr(req, &st, FOREVER);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	const struct fuseproto *p = fuse_req_userdata(req);

	if (ino != IMAGE_INO)
		fuse_reply_err(req, EISDIR);
	else if (p->read_only && (fi->flags & O_ACCMODE) != O_RDONLY)
		fuse_reply_err(req, EROFS);
	else
		fuse_reply_open(req, fi);
}

void fuseproto_reply_read(void *handle, int err, const void *buf, size_t n_bytes)
{
	struct fuseproto_read *read = handle;

	if (err < 0)
		fuse_reply_err(read->req, -err);
	else
		fuse_reply_buf(read->req, buf, n_bytes);
	underway_read_end(read->proto->underway, read->note);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t n_bytes, off_t off,
		    struct fuse_file_info *fi)
{
	struct fuseproto *p = fuse_req_userdata(req);
	struct read_note *note = in_hand.note;
	struct fuseproto_read *read;
	uint64_t start = (uint64_t)off;

	(void)ino;
	(void)fi;
	if (start >= p->n_bytes) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	if (!note)
		note = underway_read_begin(p->underway, in_hand.in->unique, start,
					   min_u64(n_bytes, p->n_bytes - start));
	/* There are more notes than reads can be set aside. */
	assert(note);
	read = &p->reads[note - p->underway->notes];
	read->req = req;
	readpath_read(p->rp, read, note->img_off, note->n_bytes);
}

/* The file has one size for ever: nothing may reach past it. */
static bool is_inside(const struct fuseproto *p, off_t off, uint64_t n_bytes)
{
	return off >= 0 && (uint64_t)off <= p->n_bytes &&
	       n_bytes <= p->n_bytes - (uint64_t)off;
}

/* What changes the image is settled between being done and being answered; false: it is already. */
static bool is_to_be_done(const struct fuseproto *p, int *ret_result)
{
	return !underway_is_settled(p->underway, in_hand.thread, ret_result);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t n_bytes,
		     off_t off, struct fuse_file_info *fi)
{
	struct fuseproto *p = fuse_req_userdata(req);
	int err;

	(void)ino;
	(void)fi;
	if (is_to_be_done(p, &err)) {
		err = -ENOSPC;
		if (p->read_only)
			err = -EROFS;
		else if (is_inside(p, off, n_bytes))
			err = writepath_write(p->wp, (uint64_t)off, buf, n_bytes);
		underway_settle(p->underway, in_hand.thread, err);
	}
	if (err < 0)
		fuse_reply_err(req, -err);
	else
		fuse_reply_write(req, n_bytes);
}

/*
 * From the loop device: PUNCH_HOLE|KEEP_SIZE for discards, ZERO_RANGE|KEEP_SIZE for write-zeroes.
 * Both mean that the range reads as zeros.
 */
static int allocate(struct fuseproto *p, int mode, off_t off, off_t n_bytes)
{
	int zeroing = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);

	if (p->read_only)
		return -EROFS;
	if (n_bytes < 0 || !is_inside(p, off, (uint64_t)n_bytes))
		return -EINVAL;
	if (!zeroing || mode & ~(zeroing | FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	return writepath_discard(p->wp, (uint64_t)off, (uint64_t)n_bytes);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off,
			 off_t n_bytes, struct fuse_file_info *fi)
{
	struct fuseproto *p = fuse_req_userdata(req);
	int err;

	(void)ino;
	(void)fi;
	if (is_to_be_done(p, &err)) {
		err = allocate(p, mode, off, n_bytes);
		underway_settle(p->underway, in_hand.thread, err);
	}
	fuse_reply_err(req, -err);
}

/*
 * A write is in the store when it is answered, and the store is memory: there is nothing to
 * flush.  ENOSYS once makes the kernel stop asking, and fsync succeeds without a round trip.
 */
static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
		     struct fuse_file_info *fi)
{
	(void)ino;
	(void)datasync;
	(void)fi;
	fuse_reply_err(req, ENOSYS);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	fuse_reply_err(req, ENOSYS);
}

/* The loop device takes its discard granularity from f_bsize. */
static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	const struct fuseproto *p = fuse_req_userdata(req);
	struct statvfs st = {
		.f_bsize = 4096,
		.f_frsize = 4096,
		.f_blocks = p->n_bytes / 4096,
		.f_namemax = 255,
	};

	(void)ino;
	fuse_reply_statfs(req, &st);
}

static const struct fuse_lowlevel_ops operations = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.fallocate = op_fallocate,
	.fsync = op_fsync,
	.flush = op_flush,
	.statfs = op_statfs,
};

/* -- the connection ----------------------------------------------------------------------- */

int fuseproto_open(struct fuseproto *p, int dev_fd)
{
	char arg0[] = "hydrootd", arg1[32], *argv[] = {arg0, arg1, NULL}, mountpoint[32];
	struct fuse_args args = FUSE_ARGS_INIT(2, argv);

	/* libfuse wants to hear what the mount was told. */
	snprintf(arg1, sizeof arg1, "-omax_read=%u", READ_BYTES_MAX);
	p->session = fuse_session_new(&args, &operations, sizeof operations, p);
	fuse_opt_free_args(
		&args); /* libfuse has put arguments of its own in their place */
	/* libfuse takes the descriptor over when it is given in this form. */
	snprintf(mountpoint, sizeof mountpoint, "/dev/fd/%d", dev_fd);
	if (!p->session || fuse_session_mount(p->session, mountpoint) != 0) {
		log_error("fuse: libfuse does not take the connection");
		close(dev_fd);
		return -EIO;
	}
	p->dev_fd = dev_fd;
	return 0;
}

/*
 * ENOENT: the request was withdrawn.  ENODEV, ECONNABORTED: the kernel has ended the
 * connection.  Nothing else ends a root disk: want of memory, say, may pass.  False: it
 * is the end.
 */
static bool receive_failed(struct fuseproto *p, int err)
{
	if (err == ENODEV || err == ECONNABORTED)
		return false;
	if (err == EINTR || err == EAGAIN || err == ENOENT)
		return true;
	if (!atomic_exchange(&p->has_complained, true))
		log_error("fuse: receive: %s: trying again", strerror(err));
	usleep(RECEIVE_AGAIN_US);
	return true;
}

bool fuseproto_receive(struct fuseproto *p, unsigned thread)
{
	struct underway *u = p->underway;
	ssize_t n;
	int err;

	/* A read that failed may have left something: only what a whole one brought counts. */
	underway_empty(u, thread);
	n = read(p->dev_fd, underway_mailbox(u, thread), u->mailbox_bytes);
	if (n >= (ssize_t)sizeof(struct fuse_in_header))
		return true;
	err = errno;
	underway_empty(u, thread);
	return n < 0 && receive_failed(p, err);
}

static void process(struct fuseproto *p, void *request, size_t n_bytes)
{
	const struct fuse_buf buf = {.size = n_bytes, .mem = request};

	in_hand.in = request;
	fuse_session_process_buf(p->session, &buf);
	in_hand.in = NULL;
}

/* libfuse believes the kernel about the length of what is written. */
static bool is_whole(const struct fuse_in_header *in)
{
	const struct fuse_write_in *arg = (const void *)(in + 1);

	return in->opcode != FUSE_WRITE ||
	       (in->len >= sizeof *in + sizeof *arg &&
		in->len - sizeof *in - sizeof *arg >= arg->size);
}

void fuseproto_handle(struct fuseproto *p, unsigned thread)
{
	struct fuse_in_header *in = underway_mailbox(p->underway, thread);

	if (!is_whole(in)) {
		log_error("fuse: a write of %u bytes has fewer", in->len);
		in->opcode = 0; /* libfuse answers what is unknown */
	}
	if (in->opcode == FUSE_INIT)
		underway_keep_init(p->underway, thread);
	in_hand.thread = thread;
	process(p, in, in->len);
}

/* -- after another process ---------------------------------------------------------------- */

/* Its answer meets nothing: the kernel had one. */
static void replay_init(struct fuseproto *p)
{
	uint64_t request[UNDERWAY_INIT_BYTES_MAX / 8];
	size_t n_bytes = underway_init_request(p->underway, request);

	if (n_bytes)
		process(p, request, n_bytes);
}

/* The request as it was, for its reply. */
static void replay_read(struct fuseproto *p, struct read_note *note)
{
	struct {
		struct fuse_in_header in;
		struct fuse_read_in arg;
	} request = {
		.in = {.len = sizeof request,
		       .opcode = FUSE_READ,
		       .unique = note->unique,
		       .nodeid = IMAGE_INO},
		.arg = {.offset = note->img_off, .size = (uint32_t)note->n_bytes},
	};

	in_hand.note = note;
	process(p, &request, sizeof request);
	in_hand.note = NULL;
}

static unsigned replay_reads(struct fuseproto *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->underway->n_reads; i++) {
		struct read_note *note = &p->underway->notes[i];

		if (note->unique == 0)
			continue;
		replay_read(p, note);
		n++;
	}
	return n;
}

unsigned fuseproto_replay(struct fuseproto *p)
{
	unsigned n;

	replay_init(p);
	/* First: a request from a mailbox may take a note for itself. */
	n = replay_reads(p);
	for (unsigned i = 0; i < p->underway->n_threads; i++) {
		if (underway_is_empty(p->underway, i))
			continue;
		fuseproto_handle(p, i);
		underway_empty(p->underway, i);
		n++;
	}
	return n;
}
