/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_fault.h - a source over a byte buffer, with faults on demand
 *
 * Keeps the contract of source/source.h.  The knobs may be turned from any thread at any time and
 * wake a blocked wait.  Servers exist in name only: a request goes to the lowest one that it does
 * not avoid, or to server 0 when it avoids all.
 */
#ifndef FAKES_SOURCE_FAULT_H
#define FAKES_SOURCE_FAULT_H

#include "source/source.h"

/* `file` stays the caller's and must outlive the source.  NULL when out of memory. */
struct source *source_fault_new(const uint8_t *file, uint64_t file_bytes);

/* true: an outage, nothing is delivered until false; status says is_away, room is as if away. */
void source_fault_hold(struct source *s, bool hold);

/* Deliver at most `bytes` per event, one event per request and wait; 0: all at once (default). */
void source_fault_set_step(struct source *s, uint32_t bytes);

/* Nothing of a request before this long after its submit.  Default 0. */
void source_fault_set_delay(struct source *s, int64_t delay_ms);

/* The request submitted last is served first. */
void source_fault_set_reverse(struct source *s, bool reverse);

/* Default 1 and 4. */
void source_fault_set_servers(struct source *s, unsigned n_servers);
void source_fault_set_connections(struct source *s, unsigned connections);

/* Byte src_off of the file is wrong in the next n_times answers of server 0; UINT_MAX: always. */
void source_fault_corrupt(struct source *s, uint64_t src_off, unsigned n_times);

/*
 * The hot pack beside the image; without one, and behind its end, requests for it fail.
 * Before any request.
 */
void source_fault_set_pack(struct source *s, const uint8_t *pack, uint64_t pack_bytes);

struct source_fault_counts {
	uint64_t n_requests; /* accepted submits */
	uint64_t n_class[SOURCE_CLASSES]; /* of these by class */
	uint64_t n_bytes; /* delivered */
	uint64_t n_pack; /* accepted submits for the pack beside the image */
	uint64_t n_rejects;
	uint64_t n_promotes;
	uint64_t n_pins;
	uint64_t pinned_bytes;
	uint64_t n_moves; /* asked for, always in vain */
	uint64_t n_sequential; /* calls of source_allow_sequential */
	uint64_t n_backwards; /* of the image, behind the end of the submit before */
	uint64_t end_off; /* of the last one for the image */
	unsigned n_outstanding; /* submitted and not released */
	unsigned n_outstanding_max;
	unsigned last_reject_server;
	uint64_t last_reject_off;
	char last_reject_what[160];
	struct source_request last; /* the last accepted submit */
};

void source_fault_counts(struct source *s, struct source_fault_counts *ret);

#endif
