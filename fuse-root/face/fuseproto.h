/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuseproto.h - one request of the kernel: what it asks for, and its answer
 *
 * libfuse's low-level interface knows the protocol; what it does not know is that a
 * process may die.  So a request is received into memory that outlives the process
 * (face/underway.h) and handed to libfuse from there, writes are settled between being
 * done and being answered, and a process that takes a connection over, which hears no
 * INIT, has libfuse hear the one that was kept.  One directory (inode 1) with one file,
 * "image" (inode 2), is all there is.
 */
#ifndef FACE_FUSEPROTO_H
#define FACE_FUSEPROTO_H

#include <stdatomic.h>

#include "face/readpath.h"
#include "face/underway.h"
#include "face/writepath.h"

#define FUSEPROTO_IMAGE_NAME "image"

struct fuse_req;
struct fuse_session;

/* What readpath is given for a read that was noted. */
struct fuseproto_read {
	struct fuseproto *proto;
	struct read_note *note;
	struct fuse_req *req;
};

struct fuseproto {
	/* set before threads start */
	uint64_t n_bytes; /* of the file */
	bool read_only;
	uint16_t background_max; /* requests the kernel may have outstanding */
	struct readpath *rp; /* with fuseproto_reply_read */
	struct writepath *wp;
	struct underway *underway;
	struct fuseproto_read *reads; /* one for each note; fuseproto_init makes them */
	struct fuse_session *session; /* from fuseproto_open on */
	int dev_fd; /* the session's; -1 before fuseproto_open */

	/* any thread */
	atomic_bool has_complained; /* about a read that failed */
};

/* The other fields are set.  -ENOMEM */
int fuseproto_init(struct fuseproto *p) _must_check_;
/* Closes dev_fd. */
void fuseproto_fini(struct fuseproto *p);

/* Speak on dev_fd, of /dev/fuse or a socket in its place, taken over in any case.  -EIO, logged. */
int fuseproto_open(struct fuseproto *p, int dev_fd) _must_check_;

/*
 * Wait for the next request, into the mailbox, which is empty when there is none:
 * withdrawn, a signal, a failure that may pass.  False: there will be no more.
 */
bool fuseproto_receive(struct fuseproto *p, unsigned thread) _must_check_;

/*
 * Do what the request in this mailbox asks for and answer it; a read perhaps later.  May
 * wait for a worker that stores the same chunk, never for the network.  The mailbox is
 * the caller's to empty.
 */
void fuseproto_handle(struct fuseproto *p, unsigned thread);

/* For readpath: handle is a struct fuseproto_read. */
void fuseproto_reply_read(void *handle, int err, const void *buf, size_t n_bytes);

/*
 * Before any thread runs: answer what the last process left behind, mailboxes and noted
 * reads; reads that wait for a chunk are set aside.  Returns how many requests there
 * were.
 */
unsigned fuseproto_replay(struct fuseproto *p);

#endif
