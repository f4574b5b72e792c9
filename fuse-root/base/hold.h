/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold.h - descriptors that outlive the process that opened them
 *
 * After switch_root no path leads anywhere, so what a serving process opened is lost with
 * it unless somebody else has it open too.  That is the keeper: it opens some before it
 * forks, and is sent others as soon as they exist.  The next serving process inherits all
 * of them.
 *
 * A device that the keeper holds is in use: who wants to give it back has it dropped
 * first.
 */
#ifndef BASE_HOLD_H
#define BASE_HOLD_H

#include "imgfmt/base.h"

enum hold_tag {
	HOLD_FUSE, /* the connection */
	HOLD_CONTROL, /* the listening socket */
	HOLD_LOOP,
	HOLD_STORE, /* zram device, memfd, disk or file */
	HOLD_STORE_SYSFS, /* /sys/block/zramN */
	HOLD_STORE_CLAIM, /* keeps others from mounting the disk */
	HOLD_TARGET, /* loop device over a persistent store, for the handover */
	HOLD_TAGS
};

struct hold;

/* In the keeper, before any fork.  NULL with errno. */
struct hold *hold_new(void);
/* In a child that has nothing to do with it: all of it is closed. */
void hold_free(struct hold *h);
/* In a serving process: the keeper's end is not its own. */
void hold_child(struct hold *h);

/* Keeper: poll this for POLLIN, then hold_receive, which never blocks. */
int hold_keeper_fd(const struct hold *h);
void hold_receive(struct hold *h);
/* Keeper: a serving process has said that it is the last one. */
bool hold_has_ended(const struct hold *h);

/* Keeper before the first fork, takes the descriptor over; one that is negative is not there. */
void hold_set(struct hold *h, enum hold_tag tag, int fd);

/*
 * Serving process: the descriptor that it inherited under this tag, once, the caller's
 * from now on; or -1.  h NULL: nobody holds anything.
 */
int hold_take(struct hold *h, enum hold_tag tag);

/*
 * Serving process: have the keeper hold a copy as well; the caller's stays the caller's.
 * Logs when that cannot be: then the death of the serving process cannot be survived.
 */
void hold_put(struct hold *h, enum hold_tag tag, int fd);
/* Let go of one; of all, for this process is the last.  The keeper does it when it gets to it. */
void hold_drop(struct hold *h, enum hold_tag tag);
/*
 * Wait until it has got to all of that, some seconds at most: then it is stopped, or
 * gone.  One thread.
 */
void hold_sync(struct hold *h);
void hold_end(struct hold *h);

#endif
