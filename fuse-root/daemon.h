/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon.h - what the keeper prepares and its children inherit, and what they tell each other
 */
#ifndef DAEMON_H
#define DAEMON_H

#include "base/options.h"
#include "face/timeline.h"
#include "source/channel.h"
#include "source/net.h"

/* Exit status: the image does not fit into memory, and low-memory=fail wants nothing else tried. */
#define DAEMON_NO_FALLBACK 3

enum keeper_msg_kind {
	KEEPER_READY = 1, /* serve to keeper: the device `text` is ready */
	KEEPER_RESTART_NET, /* serve to keeper: network process number `text` does not behave */
	KEEPER_NET_DONE, /* serve to keeper: end the network process, for good */
	KEEPER_TERMINATE, /* keeper to serve: detach if nobody uses the device */
};

struct keeper_msg {
	enum keeper_msg_kind kind;
	char text[128];
};

/* Filled before the first fork; children have their own copies. */
struct daemon {
	struct options options;
	bool is_boot;
	int64_t start_ms; /* clock_ms of the attach */
	int rundir_fd; /* /run/hydroot/NAME */
	int meminfo_fd; /* for memory_read */
	int kmsg_fd, log_fd; /* where messages go once the device is ready */
	char *public_key; /* PEM, or NULL */
	size_t public_key_bytes;
	struct channel *channel; /* serve and net */
	struct timeline *timeline; /* serve's; a second one goes on with it */
	struct net_config *net;
	int keeper_end, serve_end; /* SOCK_SEQPACKET pair of struct keeper_msg */
};

/* Log to the daemon's sinks from now on, and let go of the terminal. */
void daemon_leave_terminal(const struct daemon *d);

/* Never blocks; a message that cannot be sent is lost, and the peer is gone or will ask again. */
void daemon_tell(int fd, enum keeper_msg_kind kind, const char *text);
/* False when there is none. */
bool daemon_hear(int fd, struct keeper_msg *ret);

/*
 * The keeper's life: fork the network and the serving process, fork the network process again
 * whenever it ends, until the serving process ends.  Writes "R" and the device's path to ready_fd
 * once, and closes it.  Returns the exit status.  Single-threaded: it may fork at any time.
 */
int keeper_run(struct daemon *d, int ready_fd);

/* The serving process' life, from the first byte of the image to the end.  Exit status. */
int serve_run(struct daemon *d);

#endif
