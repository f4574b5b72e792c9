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
	 * The network process of this generation broke the protocol, or its channel, or does not
	 * answer: the keeper should kill it, if it is still that one, and fork a new one.  Engine
	 * thread; again after a while when no new one comes.
	 */
	void (*restart)(void *ctx, uint32_t generation);
	/*
	 * A network process that owes an answer and says nothing for so long is replaced; 0: five
	 * seconds.  Time during which this process did not run does not count.
	 */
	int64_t hung_ms;
};

/* The channel and ops stay the caller's and outlive the transport; ops NULL: nobody to tell. */
int source_net_new(struct channel *ch, const struct source_net_ops *ops, void *ctx,
		   struct transport **ret) _must_check_;

#endif
