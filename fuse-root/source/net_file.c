/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_file.c - a file: server: ranges of a file that was opened before the first fork
 */
#include "source/net_file.h"

#include <errno.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/options_url.h"

#define PIECE_BYTES (256u * 1024)

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

bool net_file_begin(struct net_xfer *x, const struct channel_msg *rq,
		    struct httpcheck_verdict *ret)
{
	const struct net_file *file = &x->cfg->files[rq->server];

	net_xfer_reset(x, rq);
	x->file_fd = rq->is_by_digest ? file->by_digest_fd : file->fd;
	if (x->file_fd < 0)
		return fail(ret, TRANSPORT_GONE,
			    "it could not be opened when the daemon started");
	const off_t size = lseek(x->file_fd, 0, SEEK_END);
	if (size < 0)
		return fail(ret, TRANSPORT_AWAY, strerror(errno));
	x->verdict.file_bytes = (uint64_t)size;
	if (rq->file_bytes && rq->file_bytes != (uint64_t)size)
		return fail(ret, TRANSPORT_REFUSED, "the file has another length now");
	if ((uint64_t)size <= rq->src_off)
		return fail(ret, TRANSPORT_REFUSED, "the file ends before the range");
	x->verdict.n_bytes = (uint32_t)min_u64((uint64_t)size - rq->src_off, rq->n_bytes);
	if (x->verdict.n_bytes < rq->n_bytes && !rq->may_end)
		return fail(ret, TRANSPORT_REFUSED, "the file ends inside the range");
	return true;
}

bool net_file_turn(struct net_xfer *x, struct httpcheck_verdict *ret)
{
	const uint32_t left = x->verdict.n_bytes - x->n_have;
	const ssize_t got =
		pread(x->file_fd, x->slot_buffer + x->rq.buf_off + x->n_have,
		      min_u64(left, PIECE_BYTES), (off_t)(x->rq.src_off + x->n_have));

	if (got < 0 && errno == EINTR)
		return false;
	if (got < 0)
		return !fail(ret, TRANSPORT_AWAY, strerror(errno));
	if (got == 0)
		return !fail(ret, TRANSPORT_AWAY, "the file became shorter");
	x->n_have += (uint32_t)got;
	if (x->n_have < x->verdict.n_bytes)
		return false;
	*ret = x->verdict;
	return true;
}
