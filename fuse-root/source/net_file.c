/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_file.c - see net_file.h
 *
 * The thread reads into a buffer of its own: the slot's may be another request's by the time that a
 * read returns which was given up.
 */
#include "source/net_file.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/options_url.h"
#include "base/thread.h"

#define PIECE_BYTES (256u * 1024)

enum piece_state {
	PIECE_NONE,
	PIECE_WANTED, /* being read, or about to be */
	PIECE_READ,
};

struct net_file_reader {
	/* set before the thread starts */
	CURLM *multi;
	pthread_t thread;

	/* guarded by lock */
	struct lock lock;
	pthread_cond_t changed;
	enum piece_state state;
	bool is_over;

	/* the thread's while PIECE_WANTED, else the loop's */
	int fd;
	uint64_t src_off;
	uint32_t n_bytes;
	int err; /* 0 or -errno */
	uint64_t file_bytes;
	uint32_t n_read;
	uint8_t data[PIECE_BYTES];

	/* the loop's */
	bool is_stale; /* what is being read is of an earlier request */
};

bool net_file_is_url(const struct net_config *cfg, unsigned server)
{
	const char *url = net_xfer_url(cfg, server);

	return url && options_url_file(url);
}

static bool fail(struct httpcheck_verdict *ret, enum transport_fault fault,
		 const char *text)
{
	*ret = (struct httpcheck_verdict){.fault = fault};
	snprintf(ret->text, sizeof ret->text, "%s", text);
	return false;
}

/*
 * Of a network filesystem even the length may not come.  Not by lseek: that locks the open file,
 * and who waits for the one that hangs would be reported as hung.  Of a block device fstat knows
 * none.
 */
static off_t length_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	return S_ISREG(st.st_mode) ? st.st_size : lseek(fd, 0, SEEK_END);
}

static void read_piece(struct net_file_reader *reader)
{
	const off_t size = length_of(reader->fd);
	ssize_t got;

	reader->err = 0;
	reader->n_read = 0;
	reader->file_bytes = size < 0 ? 0 : (uint64_t)size;
	do
		got = size < 0 ? -1
			       : pread(reader->fd, reader->data, reader->n_bytes,
				       (off_t)reader->src_off);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		reader->err = -errno;
	else
		reader->n_read = (uint32_t)got;
}

static void *reader_thread(void *arg)
{
	struct net_file_reader *reader = arg;

	lock_acquire(&reader->lock);
	for (;;) {
		while (reader->state != PIECE_WANTED && !reader->is_over)
			cond_wait(&reader->changed, &reader->lock);
		if (reader->is_over)
			break;
		lock_release(&reader->lock);
		read_piece(reader);
		lock_acquire(&reader->lock);
		reader->state = PIECE_READ;
		/* Under the lock: after is_over there is no multi any more. */
		if (!reader->is_over)
			curl_multi_wakeup(reader->multi);
	}
	lock_release(&reader->lock);
	return NULL;
}

/* One for the life of the transfer's slot, made for the first file. */
static int reader_new(CURLM *multi, struct net_file_reader **ret)
{
	struct net_file_reader *reader = calloc(1, sizeof *reader);

	if (!reader)
		return -ENOMEM;
	reader->multi = multi;
	lock_init(&reader->lock);
	cond_init(&reader->changed);
	/* Without a name: giving it one opens a file for writing, which the filter forbids. */
	int err = thread_start(&reader->thread, NULL, reader_thread, reader);
	if (err < 0) {
		PTHREAD_OK(pthread_cond_destroy(&reader->changed));
		lock_fini(&reader->lock);
		free(reader);
		return err;
	}
	*ret = reader;
	return 0;
}

void net_file_fini(struct net_xfer *x)
{
	struct net_file_reader *reader = x->reader;

	if (!reader)
		return;
	lock_acquire(&reader->lock);
	const bool is_reading = reader->state == PIECE_WANTED;
	reader->is_over = true;
	PTHREAD_OK(pthread_cond_signal(&reader->changed));
	lock_release(&reader->lock);
	x->reader = NULL;
	if (is_reading)
		return;
	PTHREAD_OK(pthread_join(reader->thread, NULL));
	PTHREAD_OK(pthread_cond_destroy(&reader->changed));
	lock_fini(&reader->lock);
	free(reader);
}

static enum piece_state state_of(struct net_file_reader *reader)
{
	lock_acquire(&reader->lock);
	const enum piece_state state = reader->state;
	lock_release(&reader->lock);
	return state;
}

static void set_state(struct net_file_reader *reader, enum piece_state state)
{
	lock_acquire(&reader->lock);
	reader->state = state;
	PTHREAD_OK(pthread_cond_signal(&reader->changed));
	lock_release(&reader->lock);
}

bool net_file_begin(struct net_xfer *x, CURLM *multi, const struct channel_msg *rq,
		    struct httpcheck_verdict *ret)
{
	net_xfer_reset(x, rq);
	x->file = &x->cfg->files[net_file_number(rq->server, rq->is_by_digest)];
	if (!x->reader && reader_new(multi, &x->reader) < 0)
		return fail(ret, TRANSPORT_LOCAL, "no thread to read the file with");
	x->asked_ms = clock_ms();
	x->reader->is_stale = state_of(x->reader) == PIECE_WANTED;
	if (!x->reader->is_stale)
		set_state(x->reader, PIECE_NONE);
	return true;
}

/* Whether it is the file that was asked for, and how much of it. */
static bool judge_length(struct net_xfer *x, struct httpcheck_verdict *ret)
{
	const struct channel_msg *rq = &x->rq;
	const uint64_t file_bytes = x->reader->file_bytes;

	if (rq->file_bytes && rq->file_bytes != file_bytes)
		return fail(ret, TRANSPORT_REFUSED, "the file has another length now");
	if (file_bytes <= rq->src_off)
		return fail(ret, TRANSPORT_REFUSED, "the file ends before the range");
	x->verdict.file_bytes = file_bytes;
	x->verdict.n_bytes = (uint32_t)min_u64(file_bytes - rq->src_off, rq->n_bytes);
	if (x->verdict.n_bytes < rq->n_bytes && !rq->may_end)
		return fail(ret, TRANSPORT_REFUSED, "the file ends inside the range");
	return true;
}

/* True: it is over, and ret says how. */
static bool take_piece(struct net_xfer *x, struct httpcheck_verdict *ret)
{
	const struct net_file_reader *reader = x->reader;

	if (reader->err < 0)
		return !fail(ret, TRANSPORT_AWAY, strerror(-reader->err));
	if (!judge_length(x, ret))
		return true;
	if (x->n_have >= x->verdict.n_bytes || reader->n_read == 0)
		return !fail(ret, TRANSPORT_AWAY, "the file became shorter");
	const uint32_t left = x->verdict.n_bytes - x->n_have;
	const uint32_t n = (uint32_t)min_u64(reader->n_read, left);

	memcpy(x->slot_buffer + x->rq.buf_off + x->n_have, reader->data, n);
	x->n_have += n;
	*ret = x->verdict;
	return n == left;
}

static bool cannot_open(const struct net_xfer *x, struct httpcheck_verdict *ret)
{
	*ret = (struct httpcheck_verdict){.fault = TRANSPORT_GONE};
	snprintf(ret->text, sizeof ret->text, "it cannot be opened: %s", x->file->why);
	return true;
}

static bool is_opening(const struct net_xfer *x)
{
	return x->file->opening_fd >= 0;
}

bool net_file_turn(struct net_xfer *x, struct httpcheck_verdict *ret)
{
	struct net_file_reader *reader = x->reader;
	const enum piece_state state = state_of(reader);

	if (is_opening(x))
		return false;
	if (x->file->fd < 0)
		return cannot_open(x, ret);
	if (state == PIECE_WANTED)
		return false;
	const bool is_ours = state == PIECE_READ && !reader->is_stale;
	reader->is_stale = false;
	set_state(reader, PIECE_NONE);
	if (is_ours && take_piece(x, ret))
		return true;
	x->asked_ms = 0;
	if (x->hold)
		return false;
	x->asked_ms = clock_ms();
	reader->fd = x->file->fd;
	reader->src_off = x->rq.src_off + x->n_have;
	reader->n_bytes = (uint32_t)min_u64(x->rq.n_bytes - x->n_have, PIECE_BYTES);
	set_state(reader, PIECE_WANTED);
	return false;
}

/* Waiting again for a file that is being opened costs nothing, so a probe is soon over. */
static int64_t limit_ms(const struct net_xfer *x)
{
	const int64_t timeout_ms = x->cfg->o->timeout_ms, probe_ms = x->rq.probe_ms;

	return is_opening(x) && probe_ms && (!timeout_ms || probe_ms < timeout_ms)
		       ? probe_ms
		       : timeout_ms;
}

int64_t net_file_deadline(const struct net_xfer *x)
{
	const enum piece_state state = state_of(x->reader);

	if (!is_opening(x)) {
		if (state == PIECE_READ || (state == PIECE_NONE && !x->hold))
			return 0;
		if (state == PIECE_NONE)
			return INT64_MAX;
	}
	return limit_ms(x) ? x->asked_ms + limit_ms(x) : INT64_MAX;
}

bool net_file_is_late(const struct net_xfer *x, int64_t now_ms,
		      struct httpcheck_verdict *ret)
{
	const int64_t deadline_ms = net_file_deadline(x);

	if (deadline_ms == 0 || deadline_ms > now_ms)
		return false;
	*ret = (struct httpcheck_verdict){.fault = TRANSPORT_AWAY};
	snprintf(ret->text, sizeof ret->text, "%s for %" PRId64 " ms",
		 is_opening(x) ? "the file has not been opened" : "no byte of the file",
		 limit_ms(x));
	return true;
}
