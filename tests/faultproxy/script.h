/* SPDX-License-Identifier: Apache-2.0 */
/*
 * script.h - which request gets which fault
 *
 * A script has one rule a line, CONDITION... : FAULT..., # begins a comment.  The first rule all of
 * whose conditions hold is taken; without conditions it always holds.  Requests are counted from 1,
 * over all connections.  Without a script faults are drawn from a seed: what request number N
 * gets depends on the seed and N alone.
 */
#ifndef FAULTPROXY_SCRIPT_H
#define FAULTPROXY_SCRIPT_H

#include <pthread.h>

#include "tests/faultproxy/fault.h"

#define SCRIPT_RULES_MAX 64u

struct rule {
	uint64_t from, to; /* numbers of requests */
	uint64_t every; /* each so-many-th of these */
	uint64_t times; /* at most */
	double chance; /* 0 … 1 */
	uint64_t first_byte, last_byte; /* the range touches these bytes of the file */
	char path[FAULT_TEXT_BYTES]; /* matches this pattern, as the shell does */
	struct fault fault;
};

struct script {
	pthread_mutex_t lock;
	/* guarded by lock */
	uint64_t n_requests;
	struct rule rules[SCRIPT_RULES_MAX];
	unsigned n_rules;
	/* set before threads start */
	uint64_t seed;
	double chance; /* of a random fault; 0: only the rules */
	char kinds[FAULT_TEXT_BYTES]; /* random ones, by first word and comma; "": all */
};

/* What of a request a rule can ask for. */
struct script_request {
	const char *path;
	uint64_t first_byte, last_byte;
};

/* Reads the rules and counts from 1 again.  false: said on stderr, nothing changed. */
bool script_load(struct script *s, const char *path);

/* Counts the request; returns its number. */
uint64_t script_choose(struct script *s, const struct script_request *rq,
		       struct fault *ret);

/* The i-th random number that belongs to request n. */
uint64_t script_random(const struct script *s, uint64_t n, uint64_t i);

/* The kinds of random faults, for --help. */
void script_help(FILE *to);

#endif
