/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.h - every byte behind the tables that image_open has checked
 */
#ifndef IMGFMT_VERIFY_H
#define IMGFMT_VERIFY_H

#include "imgfmt/tool/image_file.h"

/* Prints what is wrong and where, the same for any n_jobs; returns an exit code. */
int verify_all(struct image_file *f, unsigned n_jobs) _must_check_;

#endif
