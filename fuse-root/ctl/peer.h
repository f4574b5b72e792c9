/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer.h - an attachment as the tool sees it: its run directory, its daemon, its status
 */
#ifndef CTL_PEER_H
#define CTL_PEER_H

#include <jansson.h>

#include "imgfmt/base.h"

struct peer {
	const char *name;
	int dirfd;
};

/* Open the run directory.  -errno, with a message. */
int peer_open(const char *name, struct peer *ret) _must_check_;
void peer_close(struct peer *a);

/*
 * Send {"command": command} to the daemon.  -ENOENT: no daemon there, no message; else a
 * message.
 */
int peer_command(const struct peer *a, const char *command) _must_check_;

/* Have the daemon change KEY=VALUE words, all or none.  As peer_command. */
int peer_set(const struct peer *a, char *const *words, unsigned n_words) _must_check_;

/*
 * The status from the daemon or, without a daemon, from what it left behind; the caller's
 * to json_decref.  *ret_is_live: a daemon answered.  -errno, with a message.
 */
int peer_status(const struct peer *a, json_t **ret, bool *ret_is_live) _must_check_;

/*
 * The same for who shows it: without a daemon, and without a last word of it within a
 * moment, the state is `failed`.
 */
int peer_status_shown(const struct peer *a, json_t **ret, bool *ret_is_live) _must_check_;

/* Is a daemon there? */
bool peer_is_live(const struct peer *a);

/* "" when the member is missing or not a string; path is "a" or "a.b". */
const char *status_text(const json_t *status, const char *path);
uint64_t status_number(const json_t *status, const char *path);
/* -1 when it is null or missing. */
double status_real(const json_t *status, const char *path);
bool status_is(const json_t *status, const char *key, const char *value);

/* No daemon will change it any more. */
bool status_is_final(const json_t *status);

#endif
