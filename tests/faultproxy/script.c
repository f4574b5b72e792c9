/* SPDX-License-Identifier: Apache-2.0 */
/*
 * script.c - rules, and faults by chance
 */
#include "tests/faultproxy/script.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Random faults: `%` stands for a number below `below`.  One that is listed twice comes twice
 * as often. */
static const struct {
	const char *words;
	uint64_t below;
} random_kinds[] = {
	{"delay=%ms", 300},
	{"rate=%", 200000},
	{"head-drip=%us", 2000},
	{"stall=%", 200000},
	{"stall-head", 0},
	{"reset=%", 200000},
	{"reset-head", 0},
	{"truncate=%", 200000},
	{"close-head", 0},
	{"corrupt=%", 20},
	{"corrupt=%", 3},
	{"range=%", 100000},
	{"length=%", 1000},
	{"status=503 retry-after=1", 0},
	{"status=500", 0},
	{"status=403", 0},
	{"status=416", 0},
	{"etag", 0},
	{"html", 0},
	{"redirect=?again", 0},
	{"encoding", 0},
	{"chunked", 0},
	{"headers=%", 3000},
	{"header-bytes=%", 300000},
	{"twice", 0},
	{"endless-body", 0},
	{"endless-head", 0},
	{"no-head", 0},
	{"garbage", 0},
};

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

uint64_t script_random(const struct script *s, uint64_t n, uint64_t i)
{
	return mix(mix(mix(s->seed) ^ n) ^ i);
}

static double random_unit(const struct script *s, uint64_t n, uint64_t i)
{
	return (double)(script_random(s, n, i) >> 11) / (double)(UINT64_C(1) << 53);
}

static size_t word_bytes(const char *words)
{
	return strcspn(words, "= ");
}

static bool is_kind_wanted(const struct script *s, const char *words)
{
	const size_t n = word_bytes(words);

	for (const char *p = s->kinds; *p; p += strcspn(p, ","), p += *p == ',')
		if (strcspn(p, ",") == n && !strncmp(p, words, n))
			return true;
	return !s->kinds[0];
}

/* The words with their numbers filled in. */
static void fill_in(const struct script *s, uint64_t n, unsigned kind,
		    char ret[FAULT_TEXT_BYTES])
{
	const char *words = random_kinds[kind].words;
	const char *mark = strchr(words, '%');
	const uint64_t below = random_kinds[kind].below;

	if (mark)
		snprintf(ret, FAULT_TEXT_BYTES, "%.*s%" PRIu64 "%s", (int)(mark - words),
			 words, 1 + script_random(s, n, 3) % below, mark + 1);
	else
		snprintf(ret, FAULT_TEXT_BYTES, "%s", words);
}

static void choose_random(const struct script *s, uint64_t n, struct fault *ret)
{
	enum { N_KINDS = sizeof random_kinds / sizeof *random_kinds };
	unsigned wanted[N_KINDS], n_wanted = 0;
	char words[FAULT_TEXT_BYTES];
	const char *wrong;

	if (random_unit(s, n, 1) >= s->chance)
		return;
	for (unsigned i = 0; i < N_KINDS; i++)
		if (is_kind_wanted(s, random_kinds[i].words))
			wanted[n_wanted++] = i;
	if (!n_wanted)
		return;
	fill_in(s, n, wanted[script_random(s, n, 2) % n_wanted], words);
	if (!fault_parse(words, ret, &wrong))
		abort();
}

static bool rule_holds(const struct script *s, const struct rule *r, uint64_t n,
		       const struct script_request *rq)
{
	return n >= r->from && n <= r->to && (n - r->from) % r->every == 0 &&
	       r->times > 0 && rq->first_byte <= r->last_byte &&
	       rq->last_byte >= r->first_byte && fnmatch(r->path, rq->path, 0) == 0 &&
	       random_unit(s, n, 1) < r->chance;
}

uint64_t script_choose(struct script *s, const struct script_request *rq,
		       struct fault *ret)
{
	*ret = (struct fault){0};
	pthread_mutex_lock(&s->lock);
	const uint64_t n = ++s->n_requests;
	bool is_chosen = false;
	for (unsigned i = 0; i < s->n_rules && !is_chosen; i++) {
		struct rule *r = &s->rules[i];

		if (!rule_holds(s, r, n, rq))
			continue;
		r->times--;
		*ret = r->fault;
		is_chosen = true;
	}
	pthread_mutex_unlock(&s->lock);
	if (!is_chosen)
		choose_random(s, n, ret);
	return n;
}

/* 5, 5-9, 5- */
static bool parse_span(const char *text, uint64_t *ret_from, uint64_t *ret_to)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	*ret_from = *ret_to = strtoull(text, &end, 10);
	if (*end == '-') {
		*ret_to = UINT64_MAX;
		if (end[1])
			*ret_to = strtoull(end + 1, &end, 10);
		else
			end++;
	}
	return *end == '\0' && *ret_from <= *ret_to;
}

static bool parse_count(const char *text, uint64_t *ret)
{
	uint64_t to;

	return parse_span(text, ret, &to) && *ret == to && *ret > 0;
}

static bool parse_condition(struct rule *r, const char *word)
{
	if (!strncmp(word, "every=", 6))
		return parse_count(word + 6, &r->every);
	if (!strncmp(word, "times=", 6))
		return parse_count(word + 6, &r->times);
	if (!strncmp(word, "bytes=", 6))
		return parse_span(word + 6, &r->first_byte, &r->last_byte);
	if (!strncmp(word, "path=", 5))
		return snprintf(r->path, sizeof r->path, "%s", word + 5) <
		       (int)sizeof r->path;
	if (!strncmp(word, "chance=", 7)) {
		char *end;

		r->chance = strtod(word + 7, &end) / 100;
		return !strcmp(end, "%");
	}
	return parse_span(word, &r->from, &r->to);
}

static bool parse_rule(char *line, struct rule *r, const char **ret_wrong)
{
	char *colon = strstr(line, " :"), *save = NULL;

	*r = (struct rule){
		.from = 1,
		.to = UINT64_MAX,
		.every = 1,
		.times = UINT64_MAX,
		.chance = 1,
		.last_byte = UINT64_MAX,
		.path = "*",
	};
	*ret_wrong = line;
	if (*line != ':' && !colon)
		return false;
	char *faults = *line == ':' ? line + 1 : colon + 2;
	faults[-1] = '\0';
	for (char *w = strtok_r(line, " \t", &save); w;
	     w = strtok_r(NULL, " \t", &save)) {
		*ret_wrong = w;
		if (!parse_condition(r, w))
			return false;
	}
	faults += strspn(faults, " \t");
	return fault_parse(faults, &r->fault, ret_wrong);
}

static bool read_rules(const char *path, FILE *f, struct rule *rules, unsigned *ret_n)
{
	char line[2 * FAULT_TEXT_BYTES];
	unsigned n_lines = 0;

	*ret_n = 0;
	while (fgets(line, sizeof line, f)) {
		const char *wrong;
		char *start = line + strspn(line, " \t");

		n_lines++;
		line[strcspn(line, "#\n")] = '\0';
		if (!*start)
			continue;
		if (*ret_n == SCRIPT_RULES_MAX) {
			fprintf(stderr, "faultproxy: %s: more than %u rules\n", path,
				SCRIPT_RULES_MAX);
			return false;
		}
		if (!parse_rule(start, &rules[*ret_n], &wrong)) {
			fprintf(stderr,
				"faultproxy: %s: line %u: '%s' is not understood: see "
				"faultproxy --help\n",
				path, n_lines, wrong);
			return false;
		}
		++*ret_n;
	}
	return true;
}

bool script_load(struct script *s, const char *path)
{
	struct rule *rules = calloc(SCRIPT_RULES_MAX, sizeof *rules);
	FILE *f = fopen(path, "re");
	unsigned n = 0;
	bool is_good = false;

	if (!f || !rules)
		perror(path);
	else
		is_good = read_rules(path, f, rules, &n);
	if (is_good) {
		pthread_mutex_lock(&s->lock);
		memcpy(s->rules, rules, n * sizeof *rules);
		s->n_rules = n;
		s->n_requests = 0;
		pthread_mutex_unlock(&s->lock);
	}
	if (f)
		fclose(f);
	free(rules);
	return is_good;
}

void script_help(FILE *to)
{
	enum { N_KINDS = sizeof random_kinds / sizeof *random_kinds };

	for (unsigned i = 0; i < N_KINDS; i++)
		fprintf(to, "%s%s%s", i ? ", " : "  ", random_kinds[i].words,
			i + 1 == N_KINDS ? "\n" : "");
}
