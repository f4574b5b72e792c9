/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_request.h - what one packet on the control socket asks for
 *
 * A request is one JSON object: {"command": NAME}, and for the command "set" also
 * {"values": ["KEY=VALUE", ...]}.  Nothing else is taken: other members, other types, other forms
 * are kept for later versions.
 */
#ifndef FACE_CONTROL_REQUEST_H
#define FACE_CONTROL_REQUEST_H

#include "base/options_change.h"

#define CONTROL_REQUEST_BYTES 4096u

enum control_command {
	CONTROL_STATUS,
	CONTROL_PAUSE,
	CONTROL_RESUME,
	CONTROL_TRACE,
	CONTROL_TRACE_END,
	CONTROL_REPORT,
	CONTROL_SET,
	CONTROL_DETACH,
};

struct control_request {
	enum control_command command;
	unsigned n_values; /* CONTROL_SET: 1 or more */
	const char *values[OPTIONS_CHANGES_MAX]; /* into `text` */
	char text[CONTROL_REQUEST_BYTES];
};

/* 0; -EBADMSG: not a request; -ENOSYS: an unknown command; -ENOMEM. */
int control_request_parse(const char *packet, size_t n_bytes,
			  struct control_request *ret) _must_check_;

#endif
