/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rundir.h - /run/hydroot/NAME: control socket, status.json, log, what is kept for later
 *
 * HYDROOT_RUN_DIR in the environment replaces /run/hydroot, for tests.
 */
#ifndef BASE_RUNDIR_H
#define BASE_RUNDIR_H

#include "imgfmt/base.h"

/* A name is 1 to 63 of [A-Za-z0-9_-] and does not start with '-'. */
bool rundir_name_is_valid(const char *name);

/* Make (0755, the parents too) and open the directory of attachment `name`.  fd or -errno. */
int rundir_create(const char *name) _must_check_;

/* Open an existing one.  fd or -errno. */
int rundir_open(const char *name) _must_check_;

/*
 * Replace the file `name` of an attachment's directory, whole or not at all; a newline is
 * put behind the text.  Readable by root only, as the socket is: what URLs say may open a
 * door.  -errno.
 */
int rundir_write(int dirfd, const char *name, const char *text) _must_check_;

/*
 * The names of all attachments, sorted, in an array that one free() gives back, with its strings.
 * How many, or -errno; 0 when there is no directory of them.
 */
int rundir_names(char ***ret_names) _must_check_;

/*
 * A block device ("zram1", "loop0") that is part of an attachment and not the attachment itself is
 * marked by a file in .devices/, for the udev rules to keep it out of /dev/disk.  To be marked
 * before the kernel announces it.  Where the name may have become another device's, the
 * kernel's diskseq tells whose mark it is: with one, only a mark that was made with the same
 * is removed.  0: not known, any.  Best effort.
 */
void rundir_part_add(const char *kernel_name, uint64_t diskseq);
void rundir_part_remove(const char *kernel_name, uint64_t diskseq);

/*
 * The file that an initramfs has until its root is mounted.  fd, or -errno: there is
 * none.  rundir_is_removed looks without a path.
 */
int rundir_open_mounting(void) _must_check_;
bool rundir_is_removed(int fd);

/* Remove the directory of an attachment that is gone, with its known files.  0 or -errno. */
int rundir_remove(const char *name) _must_check_;

#endif
