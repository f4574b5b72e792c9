/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.h - the root-only control socket of one attachment, /run/hydroot/NAME/control
 *
 * SOCK_SEQPACKET; a request is one packet of at most CONTROL_REQUEST_BYTES as
 * control_request.h has it, the answer one packet {"ok": true, "status": {...}} or {"ok":
 * false, "error": "..."}.  Peers other than uid 0 (or the daemon's own uid) are refused.
 * Runs in the main thread's poll loop; a slow or silent client never holds it up, and
 * many of them keep nobody out: whoever comes when all places are taken gets that of the
 * one who has been silent for longest.
 */
#ifndef FACE_CONTROL_H
#define FACE_CONTROL_H

#include <poll.h>

#include "face/control_request.h"
#include "face/status.h"

#define CONTROL_CLIENTS_MAX 8u
#define CONTROL_POLLFDS (CONTROL_CLIENTS_MAX + 1)

/* Called by control_handle; each 0 or -errno, and on error a reason in `why`. */
struct control_ops {
	void (*status)(void *ctx, struct status *ret);
	int (*pause)(void *ctx, bool paused, char *why, size_t why_bytes);
	/*
	 * Write the file `trace` in the run directory; `ends`: what is read from now on
	 * does not count.
	 */
	int (*trace)(void *ctx, bool ends, char *why, size_t why_bytes);
	/* Write the file `report` in the run directory: what was fetched when. */
	int (*report)(void *ctx, char *why, size_t why_bytes);
	/* KEY=VALUE words: all of them come into effect, or none. */
	int (*set)(void *ctx, const char *const *words, unsigned n_words, char *why,
		   size_t why_bytes);
	int (*detach)(void *ctx, char *why, size_t why_bytes);
};

struct control;

/*
 * Bind `control` in the directory dirfd (mode 0600) and listen.  The socket, or -errno,
 * logged: it can be made before the process that answers on it, and outlive that.
 */
int control_listen(int dirfd) _must_check_;
/* Answer on such a socket, taken over in any case.  ops and ctx are borrowed. */
int control_open_on(int listen_fd, int dirfd, const struct control_ops *ops, void *ctx,
		    struct control **ret) _must_check_;
/* Both. */
int control_open(int dirfd, const struct control_ops *ops, void *ctx,
		 struct control **ret) _must_check_;
void control_close(struct control *c);

/* Write at most CONTROL_POLLFDS entries to poll for; returns how many. */
unsigned control_pollfds(struct control *c, struct pollfd *ret_fds);

/* Act on what poll returned for those entries. */
void control_handle(struct control *c, const struct pollfd *fds, unsigned n);

/*
 * Client side: connect to dirfd's `control`, send a request, wait at most timeout_ms for
 * the answer.  *ret_answer is malloc'ed.  -ENOENT, -ECONNREFUSED: no daemon there;
 * -ETIMEDOUT.
 */
int control_call(int dirfd, const char *request, int timeout_ms,
		 char **ret_answer) _must_check_;

#endif
