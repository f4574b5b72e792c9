/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_net.h - the transport over the channel: the serving side's end
 */
#ifndef SOURCE_SOURCE_NET_H
#define SOURCE_SOURCE_NET_H

#include "source/channel.h"
#include "source/transport.h"

struct source_net_ops {
	/*
	 * The network process broke the protocol, or its channel: the keeper should kill it and
	 * fork a new one.  Engine thread, once for each network process.
	 */
	void (*restart)(void *ctx);
};

/* The channel and ops stay the caller's and outlive the transport; ops NULL: nobody to tell. */
int source_net_new(struct channel *ch, const struct source_net_ops *ops, void *ctx,
		   struct transport **ret) _must_check_;

#endif
