/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon.h - what the keeper prepares and its children inherit, and what they tell each other
 */
#ifndef DAEMON_H
#define DAEMON_H

#include "base/hold.h"
#include "base/options.h"
#include "base/region.h"
#include "face/timeline.h"
#include "source/channel.h"
#include "source/net.h"

/* Exit status: the image does not fit into memory, and low-memory=fail wants nothing else tried. */
#define DAEMON_NO_FALLBACK 3

enum keeper_msg_kind {
	KEEPER_READY = 1, /* serve to keeper: the device `text` is ready */
	KEEPER_RESTART_NET, /* serve to keeper: network process number `text` does not behave */
	KEEPER_NET_DONE, /* serve to keeper: end the network process, for good */
	/* serve to keeper: servers have names now: keep the resolver's files up to date */
	KEEPER_NAMES,
	KEEPER_RESIDENT, /* serve to keeper: the status says so now: post it */
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
	int mounting_fd; /* in a boot: rundir_open_mounting, or -1 */
	int kmsg_fd, log_fd; /* where messages go once the device is ready */
	char *public_key; /* PEM, or NULL */
	size_t public_key_bytes;
	struct channel *channel; /* serve and net */
	struct timeline *timeline; /* serve's; a second one goes on with it */
	struct net_config *net;
	int keeper_end, serve_end; /* SOCK_SEQPACKET pair of struct keeper_msg */
	struct hold *hold; /* descriptors and */
	struct region *region; /* memory that outlive a serving process */
	unsigned n_serve_deaths; /* of serving processes before this one */
	int last_signal; /* that ended the last of them; 0: it gave up */
};

/* A serving process ends with this when the next one may have more luck. */
#define SERVE_AGAIN 75

/* Log to the daemon's sinks from now on, and let go of the terminal. */
void daemon_leave_terminal(const struct daemon *d);

/* Never blocks; a message that cannot be sent is lost, and the peer is gone or will ask again. */
void daemon_tell(int fd, enum keeper_msg_kind kind, const char *text);
/* False when there is none. */
bool daemon_hear(int fd, struct keeper_msg *ret);

/*
 * The keeper's life: fork the network and the serving process, and again whenever one of
 * them dies, until the serving process ends by itself; before the device is ready its
 * death is the end, too. Writes "R" and the device's path to ready_fd once, and closes
 * it.  Returns the exit status.  Single-threaded: it may fork at any time.
 */
int keeper_run(struct daemon *d, int ready_fd);

/*
 * In the process that was called, after it has forked the keeper: until the device is
 * ready, and its path is printed then; or until that has failed.  Takes the daemon along
 * when it is interrupted.  Exit status.
 */
int daemon_await_ready(const struct daemon *d, int ready_fd, pid_t keeper);

/*
 * The serving process' life, from the first byte of the image to the end, or, with
 * n_serve_deaths, from where its predecessor died.  Exit status.
 */
int serve_run(struct daemon *d);

#endif
