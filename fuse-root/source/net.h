/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.h - the network process: libcurl, TLS and name lookup, away from everything else
 *
 * The keeper calls net_prepare, net_config_init, net_open_start and, when it is root, net_root_new
 * before the first fork, and net_main in each child it forks, with a new socket each time.  The
 * child may be killed at any moment: the next one gets the unfinished requests again.
 */
#ifndef SOURCE_NET_H
#define SOURCE_NET_H

#include <sys/types.h>

#include "base/options.h"
#include "source/channel.h"
#include "source/credentials.h"

/*
 * Not in any image: 61184-65519 is systemd's for dynamic users, 65532 is "nonroot" of container
 * images, 65534 nobody, 65535 the 16-bit -1; the rest of 65520-65533 nobody hands out.
 */
#define NET_UID 65525

struct net_pem {
	uint8_t *data; /* NULL: none */
	size_t n_bytes;
};

/* A file of a file: URL; see net_open.h. */
struct net_file {
	int fd; /* -1: it is not open */
	int opening_fd; /* the socket that the descriptor comes by; -1: none comes any more */
	char why[64]; /* it is not open and will not be */
};

/* Of each server, and of the hot pack: what its URL names, and by-digest/HEX.hri beside it. */
#define NET_FILES (2u * (SOURCE_SERVERS_MAX + 1))
#define NET_FILE_NONE                                                                    \
	(struct net_file)                                                                \
	{                                                                                \
		.fd = -1, .opening_fd = -1,                                              \
		.why = "only the start of the daemon opens files"                        \
	}

struct net_config {
	const struct options *o; /* time-outs and more; outlives the process */
	/* By number, the last is the hot pack's; NULL: none. */
	const char *urls[SOURCE_SERVERS_MAX + 1];
	struct net_pem ca, cert, cert_key;
	struct credentials credentials;
	struct net_file files[NET_FILES]; /* by net_file_number */
	int root_fd; /* of net_root_new; -1: stay where and who we are */
	int proc_fd; /* /proc, to find the system's root later; -1: not kept */
	int64_t lookup_age_ms; /* a name looked up so long ago is no longer believed; 0: 30 s */
	bool has_filter; /* net_filter_enter is possible */
	pid_t keeper; /* whose death ends the process; 0: nobody's */
};

static inline unsigned net_file_number(uint32_t server, bool is_by_digest)
{
	return 2 * server + is_by_digest;
}

/*
 * Load now what could not be loaded once the initramfs is gone: libraries, their configuration,
 * resolver modules.  In the keeper, single-threaded.
 */
int net_prepare(void) _must_check_;

/*
 * Reads and checks the CA bundle (o->ca, or the system's), the client certificate, its key and the
 * credentials.  root_fd and proc_fd are -1 and keeper 0 after it, and no file of a URL is open.
 * -errno with a message; net_config_fini is to be called all the same.
 */
int net_config_init(struct net_config *cfg, const struct options *o) _must_check_;

/* Wipes the secrets: also for a child that needs none of them. */
void net_config_fini(struct net_config *cfg);

/*
 * A tmpfs that is attached nowhere, for the network process to live in, with the resolver's files
 * copied from /etc.  fd or -errno.  Needs CAP_SYS_ADMIN.
 */
int net_root_new(void) _must_check_;

/*
 * Copy the resolver's files anew from the system whose root directory system_fd is, where they
 * differ.  What is missing there or names no server does not replace what is here.  How many were
 * replaced, or -errno.
 */
int net_root_update(int root_fd, int system_fd) _must_check_;

/* Whether any of the servers, or the proxy, has a name that is looked up. */
bool net_needs_names(const struct options *o);

/*
 * net_root_update from the root that PID 1 has now, which after switch_root is another than ours;
 * logs when something was new.  Reads files that may be on the very disk this daemon serves: only
 * in a process that nobody waits for.  0 or -errno.
 */
int net_root_refresh(const struct net_config *cfg) _must_check_;

/*
 * Become NET_UID without capabilities, in cfg->root_fd; memory locked.  Part of net_main when
 * root_fd is not -1.
 */
int net_enter_sandbox(const struct net_config *cfg) _must_check_;

/*
 * Bounds for memory, files and threads.  A sanitizer needs more than that, so not under one.  Part
 * of net_main.
 */
int net_limit_resources(void) _must_check_;

/*
 * The start of a child that talks to the network: of its descriptors 0-2 stay, on /dev/null where
 * there is one, those of cfg->files and *fd, which may become another number; it enters the
 * sandbox, with bounds and filter, and ends with cfg->keeper.  After it nothing is logged.  0, or
 * -errno, which can be logged as a rule: the child then does _exit.
 */
int net_confine(const struct net_config *cfg, int *fd) _must_check_;

/*
 * The process body; fd is of channel_renew.  Returns 0 when the other side is gone,
 * -errno when it cannot work; the caller then does _exit.  Once confined it logs nothing:
 * what went wrong with a server is a message, and all fds but the channel's and 0-2 are
 * closed here.
 */
int net_main(const struct channel *ch, const struct net_config *cfg, int fd) _must_check_;

#endif
