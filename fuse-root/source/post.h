/* SPDX-License-Identifier: Apache-2.0 */
/*
 * post.h - one status report to report=URL, from a process that does nothing else
 */
#ifndef SOURCE_POST_H
#define SOURCE_POST_H

#include "source/net.h"

/* 0: the answer is one of 2xx; else a sentence in `ret_why`. */
#define POST_WHY_BYTES 256u

/*
 * POST `n_bytes` of JSON to the URL that cfg->o->report and the milestone `event` make, with CA,
 * client certificate and credentials of cfg, not through its proxy.  net_prepare has been called.
 * Blocks for as long as `wait_ms`.  0 or -EIO, or -ENOMEM.
 */
int post_report(const struct net_config *cfg, const char *event, const char *text,
		size_t n_bytes, int wait_ms, char ret_why[POST_WHY_BYTES]) _must_check_;

#endif
