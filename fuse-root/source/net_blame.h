/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_blame.h - what a failed transfer is put down to, in words for the console
 *
 * Each line names the address and the way out, where there is one.  x->name learns on the way
 * whether its addresses are to be looked up anew.
 */
#ifndef SOURCE_NET_BLAME_H
#define SOURCE_NET_BLAME_H

#include "source/net_xfer.h"

void net_blame(struct httpcheck_verdict *ret, enum transport_fault fault, const char *fmt,
	       ...) _printf_(3, 4);

/* The address that is connected to, or a word for it. */
const char *net_blame_address(const struct net_xfer *x);

/* An HTML page came: when another host gave it, ret says which; else it stays as it is. */
void net_blame_page(const struct net_xfer *x, struct httpcheck_verdict *ret);

/* A probe had no connection after so long; or not even an address to connect to. */
void net_blame_probe(struct net_xfer *x, int64_t ms, struct httpcheck_verdict *ret);
void net_blame_lookup(struct net_xfer *x, int64_t ms, struct httpcheck_verdict *ret);

/* libcurl failed with `code`. */
void net_blame_curl(struct net_xfer *x, CURLcode code, struct httpcheck_verdict *ret);

/*
 * A proxy that does not let us through has answered in the server's place; false: it was no
 * proxy.
 */
bool net_blame_proxy(const struct net_xfer *x, struct httpcheck_verdict *ret);

#endif
