/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper.h - what the keeper knows of its children; for keeper*.c only
 */
#ifndef KEEPER_H
#define KEEPER_H

#include <signal.h>

#include "daemon.h"

struct keeper {
	struct daemon *d;
	int ready_fd;
	int signal_fd;
	sigset_t old_mask;
	pid_t serve, net;
	pid_t names; /* brings the resolver's files up to date; 0: not now */
	int64_t names_ms; /* when it was forked last */
	uint32_t generation;
	bool wants_net, has_names;
	int64_t net_since_ms, net_not_before_ms;
	int64_t net_killed_ms; /* 0: it was not, by us */
	unsigned n_quick_deaths;
	int serve_status;
	bool is_ready; /* a serving process can go on where another one died */
	bool wants_serve;
	int64_t serve_since_ms, serve_not_before_ms;
	unsigned n_quick_serve_deaths;
	struct {
		pid_t pid; /* 0: not now */
		int why_fd; /* what went wrong comes here */
		unsigned n_tries;
		int64_t until_ms; /* 0: nothing is to be posted, or no more */
		uint8_t *
			text; /* the status, of which the run directory may be gone soon */
		size_t n_bytes;
	} post;
};

/* In a new child: what the keeper keeps for itself. */
void keeper_become_child(struct keeper *k);
/* In a child that may hang, or that is not to be believed: devices must not stay open in it. */
void keeper_forget_held(struct keeper *k);

/* -- keeper_post.c ------------------------------------------------------------------------ */

/*
 * The root is resident: post the status to report=, if there is one, once.  A child does it, which
 * nobody waits for but the network's own set-up, by the file "reported" in the run directory: that
 * comes when the answer is there, or none will come.
 */
void keeper_post_start(struct keeper *k);
/* k->post.pid has ended. */
void keeper_post_ended(struct keeper *k, int status);
/* Has it had its time?  To be called when keeper_post_due_ms has come: INT64_MAX, never. */
void keeper_post_check(struct keeper *k);
int64_t keeper_post_due_ms(const struct keeper *k);
/* The serving process has ended: only what is still worth it goes on. */
void keeper_post_last(struct keeper *k);

#endif
