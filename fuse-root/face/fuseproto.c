/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuseproto.c - see fuseproto.h
 *
 * The kernel is trusted, but lengths are looked at: what is too short for its opcode is EINVAL.
 */
#include "face/fuseproto.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/log.h"

#define IMAGE_INO 2u
#define FOREVER_SECONDS 86400u /* nothing about the file ever changes */

/* Of what the kernel offers. */
#define WANTED_FLAGS                                                                     \
	(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES |                       \
	 FUSE_AUTO_INVAL_DATA | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS |                  \
	 FUSE_HANDLE_KILLPRIV | FUSE_MAX_PAGES)

int fuseproto_init(struct fuseproto *p)
{
	unsigned n = p->underway->n_reads;

	p->reads = calloc(n, sizeof *p->reads);
	if (!p->reads)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++)
		p->reads[i] = (struct fuseproto_read){p, &p->underway->notes[i]};
	return 0;
}

void fuseproto_fini(struct fuseproto *p)
{
	free(p->reads);
}

/* -- answers ------------------------------------------------------------------------------ */

/* ENOENT: the kernel has it already, from the process before this one; or nobody waits any more. */
static void answer(const struct fuseproto *p, uint64_t unique, int err, const void *body,
		   size_t n_bytes)
{
	struct fuse_out_header out = {
		.len = (uint32_t)(sizeof out + n_bytes),
		.error = err,
		.unique = unique,
	};
	struct iovec iov[] = {
		{&out, sizeof out},
		{.iov_len = n_bytes},
	};
	ssize_t n;

	memcpy(&iov[1].iov_base, &body, sizeof body);
	do {
		n = writev(p->dev_fd, iov, n_bytes ? 2 : 1);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != ENOENT && errno != ENODEV)
		log_warning("fuse: answer: %s", strerror(errno));
}

static void answer_error(const struct fuseproto *p, const struct fuse_in_header *in,
			 int err)
{
	answer(p, in->unique, err, NULL, 0);
}

/* The bytes behind the header, at least n_bytes of them; NULL when they are fewer. */
static const void *body_of(const struct fuse_in_header *in, size_t n_bytes)
{
	return in->len >= sizeof *in + n_bytes ? in + 1 : NULL;
}

/* -- operations --------------------------------------------------------------------------- */

static void do_init(const struct fuseproto *p, const struct fuse_in_header *in)
{
	const struct fuse_init_in *arg =
		body_of(in, offsetof(struct fuse_init_in, flags2));
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_background = p->background_max,
		.congestion_threshold = p->background_max,
		.max_write = READ_BYTES_MAX,
		.time_gran = 1,
		.max_pages = READ_BYTES_MAX / 4096,
	};

	if (!arg || arg->major < FUSE_KERNEL_VERSION) {
		answer_error(p, in, -EPROTO);
		return;
	}
	out.flags = arg->flags & WANTED_FLAGS;
	answer(p, in->unique, 0, &out, sizeof out);
}

static struct fuse_attr attributes(const struct fuseproto *p, uint64_t ino)
{
	if (ino != IMAGE_INO)
		return (struct fuse_attr){
			.ino = ino,
			.mode = S_IFDIR | 0500,
			.nlink = 2,
			.blksize = 4096,
		};
	return (struct fuse_attr){
		.ino = ino,
		.size = p->n_bytes,
		.blocks = p->n_bytes / 512,
		.mode = S_IFREG | (p->read_only ? 0400 : 0600),
		.nlink = 1,
		.blksize = 4096,
	};
}

static void do_lookup(const struct fuseproto *p, const struct fuse_in_header *in)
{
	const char *name = body_of(in, sizeof FUSEPROTO_IMAGE_NAME);
	struct fuse_entry_out out = {
		.nodeid = IMAGE_INO,
		.entry_valid = FOREVER_SECONDS,
		.attr_valid = FOREVER_SECONDS,
		.attr = attributes(p, IMAGE_INO),
	};

	if (in->nodeid != FUSE_ROOT_ID || !name ||
	    memcmp(name, FUSEPROTO_IMAGE_NAME, sizeof FUSEPROTO_IMAGE_NAME) != 0)
		answer_error(p, in, -ENOENT);
	else
		answer(p, in->unique, 0, &out, sizeof out);
}

static void do_getattr(const struct fuseproto *p, const struct fuse_in_header *in)
{
	struct fuse_attr_out out = {
		.attr_valid = FOREVER_SECONDS,
		.attr = attributes(p, in->nodeid),
	};

	answer(p, in->unique, 0, &out, sizeof out);
}

static void do_open(const struct fuseproto *p, const struct fuse_in_header *in)
{
	const struct fuse_open_in *arg = body_of(in, sizeof *arg);
	struct fuse_open_out out = {0};

	if (!arg)
		answer_error(p, in, -EINVAL);
	else if (in->nodeid != IMAGE_INO)
		answer_error(p, in, -EISDIR);
	else if (p->read_only && (arg->flags & O_ACCMODE) != O_RDONLY)
		answer_error(p, in, -EROFS);
	else
		answer(p, in->unique, 0, &out, sizeof out);
}

/* The loop device takes its discard granularity from bsize. */
static void do_statfs(const struct fuseproto *p, const struct fuse_in_header *in)
{
	struct fuse_statfs_out out = {
		.st = {.blocks = p->n_bytes / 4096,
		       .bsize = 4096,
		       .frsize = 4096,
		       .namelen = 255},
	};

	answer(p, in->unique, 0, &out, sizeof out);
}

void fuseproto_reply_read(void *handle, int err, const void *buf, size_t n_bytes)
{
	const struct fuseproto_read *read = handle;

	answer(read->proto, read->note->unique, err, buf, err < 0 ? 0 : n_bytes);
	underway_read_end(read->proto->underway, read->note);
}

static void start_read(struct fuseproto *p, struct read_note *note)
{
	readpath_read(p->rp, &p->reads[note - p->underway->notes], note->img_off,
		      note->n_bytes);
}

static void do_read(struct fuseproto *p, const struct fuse_in_header *in)
{
	const struct fuse_read_in *arg = body_of(in, sizeof *arg);
	struct read_note *note;

	if (!arg) {
		answer_error(p, in, -EINVAL);
		return;
	}
	if (arg->offset >= p->n_bytes) {
		answer(p, in->unique, 0, NULL, 0);
		return;
	}
	note = underway_read_begin(p->underway, in->unique, arg->offset,
				   min_u64(arg->size, p->n_bytes - arg->offset));
	/* There are more notes than reads can be set aside. */
	assert(note);
	start_read(p, note);
}

/* The file has one size for ever: nothing may reach past it. */
static bool is_inside(const struct fuseproto *p, uint64_t off, uint64_t n_bytes)
{
	return off <= p->n_bytes && n_bytes <= p->n_bytes - off;
}

static int write_image(struct fuseproto *p, const struct fuse_in_header *in)
{
	const struct fuse_write_in *arg = body_of(in, sizeof *arg);
	int err;

	if (!arg || in->len - sizeof *in - sizeof *arg < arg->size)
		return -EINVAL;
	if (p->read_only)
		return -EROFS;
	if (!is_inside(p, arg->offset, arg->size))
		return -ENOSPC;
	err = writepath_write(p->wp, arg->offset, arg + 1, arg->size);
	return err < 0 ? err : (int)arg->size;
}

/*
 * From the loop device: PUNCH_HOLE|KEEP_SIZE for discards, ZERO_RANGE|KEEP_SIZE for write-zeroes.
 * Both mean that the range reads as zeros.
 */
static int allocate(struct fuseproto *p, const struct fuse_in_header *in)
{
	const struct fuse_fallocate_in *arg = body_of(in, sizeof *arg);
	const uint32_t zeroing = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;

	if (!arg)
		return -EINVAL;
	if (p->read_only)
		return -EROFS;
	if (!is_inside(p, arg->offset, arg->length))
		return -EINVAL;
	if (!(arg->mode & zeroing) || arg->mode & ~(zeroing | FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	return writepath_discard(p->wp, arg->offset, arg->length);
}

static void answer_change(const struct fuseproto *p, const struct fuse_in_header *in,
			  int result)
{
	struct fuse_write_out out = {.size = (uint32_t)result};

	if (in->opcode == FUSE_WRITE && result >= 0)
		answer(p, in->unique, 0, &out, sizeof out);
	else
		answer_error(p, in, result);
}

/* What changes the image is settled between being done and being answered. */
static void do_change(struct fuseproto *p, unsigned thread,
		      const struct fuse_in_header *in)
{
	int result;

	if (!underway_is_settled(p->underway, thread, &result)) {
		result = in->opcode == FUSE_WRITE ? write_image(p, in) : allocate(p, in);
		underway_settle(p->underway, thread, result);
	}
	answer_change(p, in, result);
}

void fuseproto_handle(struct fuseproto *p, unsigned thread)
{
	const struct fuse_in_header *in = underway_mailbox(p->underway, thread);

	switch (in->opcode) {
	case FUSE_READ:
		do_read(p, in);
		break;
	case FUSE_WRITE:
	case FUSE_FALLOCATE:
		do_change(p, thread, in);
		break;
	case FUSE_INIT:
		do_init(p, in);
		break;
	case FUSE_LOOKUP:
		do_lookup(p, in);
		break;
	case FUSE_GETATTR:
		do_getattr(p, in);
		break;
	case FUSE_OPEN:
		do_open(p, in);
		break;
	case FUSE_STATFS:
		do_statfs(p, in);
		break;
	case FUSE_RELEASE:
	case FUSE_DESTROY:
		answer_error(p, in, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET: /* take no answer */
		break;
	default:
		/*
		 * FSYNC and FLUSH among them: a write is in the store when it is answered, and the store is
		 * memory.  ENOSYS once makes the kernel stop asking, and fsync succeeds without a round trip.
		 */
		answer_error(p, in, -ENOSYS);
	}
}

/* -- after another process ---------------------------------------------------------------- */

static unsigned replay_reads(struct fuseproto *p)
{
	struct underway *u = p->underway;
	unsigned n = 0;

	for (unsigned i = 0; i < u->n_reads; i++) {
		struct read_note *note = &u->notes[i];

		if (note->unique == 0)
			continue;
		start_read(p, note);
		n++;
	}
	return n;
}

unsigned fuseproto_replay(struct fuseproto *p)
{
	/* First: a request from a mailbox may take a note for itself. */
	unsigned n = replay_reads(p);

	for (unsigned i = 0; i < p->underway->n_threads; i++) {
		if (underway_is_empty(p->underway, i))
			continue;
		fuseproto_handle(p, i);
		underway_empty(p->underway, i);
		n++;
	}
	return n;
}
