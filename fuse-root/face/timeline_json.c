/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeline_json.c - see timeline_json.h
 */
#include "face/timeline_json.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "face/status.h"

static json_t *demand_of(const struct timeline_bucket *b)
{
	return json_integer((json_int_t)b->demand_bytes);
}

static json_t *hot_of(const struct timeline_bucket *b)
{
	return json_integer((json_int_t)b->hot_bytes);
}

static json_t *ahead_of(const struct timeline_bucket *b)
{
	return json_integer((json_int_t)b->ahead_bytes);
}

static json_t *fill_of(const struct timeline_bucket *b)
{
	return json_integer((json_int_t)b->fill_bytes);
}

static json_t *wire_of(const struct timeline_bucket *b)
{
	return json_integer((json_int_t)b->wire_bytes);
}

static json_t *requests_of(const struct timeline_bucket *b)
{
	return json_integer((json_int_t)b->n_requests);
}

static json_t *waited_of(const struct timeline_bucket *b)
{
	return json_integer((json_int_t)b->n_waited);
}

static json_t *waiting_of(const struct timeline_bucket *b)
{
	return json_integer((json_int_t)b->n_waiting_max);
}

static json_t *wait_ms_of(const struct timeline_bucket *b)
{
	return json_real(b->wait_ms_max);
}

static json_t *states_of(const struct timeline_bucket *b)
{
	char text[96] = "";
	size_t n = 0;

	for (unsigned i = 0; i <= STATE_FAILED; i++) {
		if (b->states >> i & 1)
			n += (size_t)snprintf(text + n, sizeof text - n, "%s%s",
					      n ? "+" : "", attach_state_name(i));
	}
	return json_string(text);
}

static json_t *resident_of(const struct timeline_bucket *b)
{
	char text[2 * TIMELINE_STRIPS + 1];

	for (unsigned i = 0; i < TIMELINE_STRIPS; i++)
		snprintf(text + 2 * i, 3, "%02x", b->resident[i]);
	return json_string(text);
}

static json_t *wanted_of(const struct timeline_bucket *b)
{
	char text[17];

	snprintf(text, sizeof text, "%016" PRIx64, b->wanted);
	return json_string(text);
}

static const struct column {
	const char *name;
	json_t *(*value)(const struct timeline_bucket *b);
} columns[] = {
	{"demand_bytes", demand_of}, {"hot_bytes", hot_of},
	{"ahead_bytes", ahead_of},   {"fill_bytes", fill_of},
	{"wire_bytes", wire_of},     {"requests", requests_of},
	{"waited", waited_of},	     {"waiting_max", waiting_of},
	{"wait_ms_max", wait_ms_of}, {"states", states_of},
	{"resident", resident_of},   {"wanted", wanted_of},
};

static json_t *column_new(const struct timeline *t, const struct column *c)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < t->n; i++) {
		if (json_array_append_new(array, c->value(&t->buckets[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

int timeline_to_json(const struct timeline *t, double start_seconds, char **ret_text)
{
	json_t *object =
		json_pack("{s:f, s:f, s:f, s:i}", "start_seconds", start_seconds,
			  "seconds", (double)t->end_ms / 1000, "bucket_seconds",
			  (double)t->bucket_ms / 1000, "strips", TIMELINE_STRIPS);
	bool ok = object != NULL;
	char *text = NULL;

	for (unsigned i = 0; i < ARRAY_SIZE(columns) && ok; i++)
		ok = json_object_set_new(object, columns[i].name,
					 column_new(t, &columns[i])) == 0;
	if (ok)
		text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
	json_decref(object);
	if (!text)
		return -ENOMEM;
	*ret_text = text;
	return 0;
}
