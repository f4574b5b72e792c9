/* SPDX-License-Identifier: Apache-2.0 */
/*
 * post.h - one status report to report=URL, from a process that does nothing else
 */
#ifndef SOURCE_POST_H
#define SOURCE_POST_H

#include "source/net.h"

#define POST_WHY_BYTES 256u
#define POST_BYTES_MAX (1024u * 1024) /* of a status */

/*
 * POST `n_bytes` of JSON to the URL that cfg->o->report and the milestone `event` make, with CA,
 * client certificate and credentials of cfg, not through its proxy.  net_prepare has been called.
 * Blocks for 10 s at most.  0 when the answer is one of 2xx; else -EIO or -ENOMEM, and a sentence
 * in `ret_why`.
 */
int post_report(const struct net_config *cfg, const char *event, const char *text,
		size_t n_bytes, char ret_why[POST_WHY_BYTES]) _must_check_;

/*
 * The same as all that a child of the keeper does: confined first, by net_confine.  Instead of
 * logging it writes the sentence to the pipe `why_fd`.  0 or -errno, for _exit.
 */
int post_main(const struct net_config *cfg, const char *event, const char *text,
	      size_t n_bytes, int why_fd) _must_check_;

#endif
