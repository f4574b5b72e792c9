/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.h - what a process must do to be a root disk
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include "imgfmt/base.h"

/*
 * Lock memory as it is touched, mark the process as one that the kernel's own I/O waits for, and
 * keep the OOM killer away.  Needed in each process after fork.  Where privileges are missing
 * it goes on without; `say` it once, in the keeper.
 */
void process_harden(bool say);

/* Signals of terminals and shutdowns must not end a root disk. */
void process_ignore_signals(void);

/*
 * Warn when the kernel is set to abort FUSE connections whose requests wait (Linux 6.14),
 * or to panic when a task waits for long.
 */
void process_check_kernel_limits(void);

#endif
