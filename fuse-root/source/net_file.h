/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_file.h - a file: server: ranges of a file
 *
 * It may lie on a network filesystem whose server went away, where a read returns when that comes
 * back and not before.  So a transfer reads in a thread of its own, a piece at a time, and a read
 * that does not return is late like an answer that does not come: other transfers go on.  So is a
 * file that has not been opened yet (net_open.h).
 */
#ifndef SOURCE_NET_FILE_H
#define SOURCE_NET_FILE_H

#include "source/net_xfer.h"

/* Whether this server is one. */
bool net_file_is_url(const struct net_config *cfg, unsigned server);

/*
 * Begin rq with x, as net_xfer_begin; the end of each piece wakes multi.  False: it failed at once,
 * and ret says how.
 */
bool net_file_begin(struct net_xfer *x, CURLM *multi, const struct channel_msg *rq,
		    struct httpcheck_verdict *ret) _must_check_;

/*
 * Take the piece that was read and have the next one read, unless x->hold.  True: it is over, and
 * ret says how.
 */
bool net_file_turn(struct net_xfer *x, struct httpcheck_verdict *ret) _must_check_;

/* As net_xfer_deadline; 0: net_file_turn has something to do now. */
int64_t net_file_deadline(const struct net_xfer *x);

/* As net_xfer_is_late. */
bool net_file_is_late(const struct net_xfer *x, int64_t now_ms,
		      struct httpcheck_verdict *ret);

/* Ends the thread, if there is one; one that hangs in a read ends with the process. */
void net_file_fini(struct net_xfer *x);

#endif
