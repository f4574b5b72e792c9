/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_feel.h - after an outage: noticing that the server is back before TCP does
 *
 * While every packet is lost, TCP sends again after 0.2 s, 0.4 s, 0.8 s and so on: when the line is
 * back the connection stays silent for as long again as the outage was.  So a transfer that gets no
 * byte for 2 s tries for a second connection, each second.  One that comes says nothing, as the
 * server may just be slow; one that comes after another did not ends the transfer, and the rest is
 * asked for over a new connection.
 */
#ifndef SOURCE_NET_FEEL_H
#define SOURCE_NET_FEEL_H

#include "source/net_xfer.h"

/* True: the transfer is to end, and ret says why. */
bool net_feel_turn(struct net_xfer *x, int64_t now_ms,
		   struct httpcheck_verdict *ret) _must_check_;

/* When net_feel_turn has to be called, unless x->feel.fd wakes for writing before that. */
int64_t net_feel_deadline(const struct net_xfer *x);

/* The transfer is over. */
void net_feel_stop(struct net_xfer *x);

#endif
