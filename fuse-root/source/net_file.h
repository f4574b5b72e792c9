/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_file.h - a file: server: ranges of a file that was opened before the first fork
 *
 * The network process cannot open it: it has another root and another user.  Reading is done in
 * pieces, a piece a turn of the loop, so that other transfers go on.
 */
#ifndef SOURCE_NET_FILE_H
#define SOURCE_NET_FILE_H

#include "source/net_xfer.h"

/* Whether this server is one. */
bool net_file_is_url(const struct net_config *cfg, unsigned server);

/* Begin rq with x, as net_xfer_begin; false: it failed at once, and ret says how. */
bool net_file_begin(struct net_xfer *x, const struct channel_msg *rq,
		    struct httpcheck_verdict *ret) _must_check_;

/* Read the next piece.  True: it is over, and ret says how. */
bool net_file_turn(struct net_xfer *x, struct httpcheck_verdict *ret) _must_check_;

#endif
