/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_right.h - a file of any bytes made an image as far as they allow
 */
#ifndef VERIFY_RIGHT_H
#define VERIFY_RIGHT_H

#include "tests/fuzz/fuzz_image.h"

/*
 * What HEAD says of the image's length, the chunks' and the sections' stays, and so does
 * what the tables say of frames, runs and holes.  What follows from that is made right: the
 * layout, the length of the file, headers, offsets, frames of zero chunks, seek table, raw digest,
 * digests.  False: no image has such lengths, or it would be too large.
 */
bool verify_make_right(struct fuzz_file *f);

#endif
