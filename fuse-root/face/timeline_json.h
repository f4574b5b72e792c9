/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeline_json.h - the timeline as a JSON object, a column for each thing that was counted
 */
#ifndef FACE_TIMELINE_JSON_H
#define FACE_TIMELINE_JSON_H

#include "face/timeline.h"

/*
 * One line, malloc'ed.  start_seconds: of the first bucket, on the clock of the status.  -ENOMEM.
 *
 *	start_seconds, seconds	where the record begins and how long it is
 *	bucket_seconds		length of a bucket; the last one may be shorter
 *	demand_bytes[], hot_bytes[], ahead_bytes[], fill_bytes[], wire_bytes[], requests[], waited[]
 *				in each bucket
 *	waiting_max[], wait_ms_max[]
 *				how many reads waited at a time; the longest wait that ended
 *	states[]		names of the states it was in, joined by '+'
 *	resident[]		two hexadecimal digits a strip of the image, ff: all there
 *	wanted[]		16 hexadecimal digits; bit i: a read began to wait in strip i
 */
int timeline_to_json(const struct timeline *t, double start_seconds,
		     char **ret_text) _must_check_;

#endif
