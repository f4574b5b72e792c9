/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status.h - what an attachment is doing, as plain data, and its JSON form
 *
 * The serve process fills a struct status from its parts; the JSON (schema 1, keys fixed by the
 * documented interface) goes over the control socket and into NAME/status.json, where it stays
 * after the daemon has gone.
 */
#ifndef FACE_STATUS_H
#define FACE_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "base/options.h"
#include "source/source.h"

enum attach_state {
	STATE_ATTACHING,
	STATE_FILLING,
	STATE_PAUSED,
	STATE_STREAMING,
	STATE_STALLED, /* no server usable, something wanted */
	STATE_RESIDENT,
	STATE_CACHED,
	STATE_FAILED,
};

/*
 * PLAIN, which is shown as none: mode full without device-mapper, where there is nothing
 * to hand over.
 */
enum handover_method { HANDOVER_NONE, HANDOVER_DM, HANDOVER_LOOP, HANDOVER_PLAIN };

struct status {
	char name[64];
	enum option_mode mode;
	enum attach_state state;
	char reason[512]; /* why this state, for a person; or "" */
	unsigned n_warnings;
	char warnings[OPTIONS_WARNINGS_MAX][OPTIONS_WARNING_BYTES];
	char device[128]; /* "/dev/hydroot/NAME", "" before ready */
	char block_device[64]; /* "/dev/dm-0", "/dev/loop0": what that link points to */
	bool read_only;
	struct {
		char url[OPTIONS_URL_BYTES];
		uint8_t uuid[16];
		uint8_t digest[32];
		uint64_t bytes, chunk_bytes,
			chunks; /* 0: but for the URL nothing is known yet */
	} image;
	uint64_t resident_chunks, resident_bytes;
	int64_t eta_seconds; /* -1: unknown */
	uint64_t hot_bytes, demand_bytes, ahead_bytes, fill_bytes, wire_bytes, requests;
	uint64_t demand_chunks, demand_waiting;
	/* All reads; those that waited; of these, for a demanded chunk; failed by io-timeout. */
	uint64_t reads, reads_waited, reads_demanded, reads_timed_out;
	double wait_ms_p50, wait_ms_p99;
	struct histogram waits;
	/* Blocks that were recorded, and why no more are: trace_end_name, or "" while they are. */
	uint64_t trace_blocks;
	char trace_ended[16];
	uint64_t rate_bytes; /* cap of the fill, per second; 0: none */
	uint64_t
		cache_bytes; /* as set; limit_bytes of the store is what it may take now */
	unsigned n_servers;
	struct source_server_status servers[SOURCE_SERVERS_MAX];
	struct {
		char kind[16];
		char device[64]; /* "" when none */
		uint64_t diskseq; /* of a zram device, see zram_diskseq; 0: none */
		uint64_t used_bytes, limit_bytes;
	} store;
	bool handover_done;
	enum handover_method handover_method;
	double seconds_ready, seconds_resident; /* -1: not yet */
	unsigned net_restarts, serve_restarts;
	char error[256]; /* what failed, or "" */
};

const char *attach_state_name(enum attach_state state);
const char *handover_method_name(enum handover_method method);

/* The JSON text, one line, malloc'ed: the caller frees it.  -ENOMEM. */
int status_to_json(const struct status *st, char **ret_text) _must_check_;

/* status.json of an attachment that failed before it had a status.  -errno */
int status_write_failed(int dirfd, const struct options *o,
			const char *error) _must_check_;

/* The status.json that is there says `failed`. */
bool status_has_failed(int dirfd);

/* Set state and error in the status.json that is there, keep the rest.  -errno */
int status_amend(int dirfd, enum attach_state state, const char *error) _must_check_;

/* Replace `status.json` in the directory dirfd, whole or not at all.  -errno. */
int status_write(int dirfd, const char *json) _must_check_;

#endif
