/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_open.h - opening the files of file: URLs
 *
 * The network process cannot, since it has another root and another user, and the keeper must not:
 * where the filesystem has lost its server already, open returns when that comes back and not
 * before.  So a child of the keeper opens each file and sends the descriptor, and ends; what hangs
 * is that child, for as long as it likes.  Until then the server is one that does not answer.
 */
#ifndef SOURCE_NET_OPEN_H
#define SOURCE_NET_OPEN_H

#include "source/net.h"

/*
 * Have them opened, also by-digest/HEX.hri beside them where the digest is known.  In the keeper
 * before the first fork of others, single-threaded; the children end with the caller.
 */
void net_open_start(struct net_config *cfg);

/*
 * Take what has come by now.  Never blocks, and takes nothing from other processes that have the
 * same cfg.
 */
void net_open_take(struct net_config *cfg);

/* Nothing is read any more: close all.  What still hangs in opening one ends with the caller. */
void net_open_end(struct net_config *cfg);

#endif
