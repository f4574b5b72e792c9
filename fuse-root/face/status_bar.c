/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_bar.c - see status_bar.h
 */
#include "face/status_bar.h"

#include "face/control.h"

#define ANSWER_MS 1000
#define MIB (1 << 20)

static json_int_t number(const json_t *status, const char *object, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(status, object), key));
}

static const char *text(const json_t *status, const char *key)
{
	const char *value = json_string_value(json_object_get(status, key));

	return value ? value : "";
}

unsigned status_percent(const json_t *status)
{
	const json_int_t have = number(status, "resident", "chunks");
	const json_int_t all = number(status, "image", "chunks");

	/* Down, not to the nearest: 100% is all of it. */
	return have > 0 && all > 0 && have <= all
		       ? (unsigned)((double)have / (double)all * 100)
		       : 0;
}

void status_bar_draw(struct bar *b, const json_t *status)
{
	const json_t *eta = json_object_get(status, "eta_seconds");
	const json_int_t all = number(status, "image", "bytes");
	const char *reason = text(status, "reason");
	char detail[256], rest[48] = "";

	if (json_is_integer(eta))
		snprintf(rest, sizeof rest, ", %lld s to go",
			 (long long)json_integer_value(eta));
	if (reason[0])
		snprintf(detail, sizeof detail, "%s, %.200s", text(status, "state"),
			 reason);
	else if (all == 0)
		snprintf(detail, sizeof detail, "%s", text(status, "state"));
	else
		snprintf(detail, sizeof detail, "%lld of %lld MiB%s",
			 (long long)(number(status, "resident", "bytes") / MIB),
			 (long long)(all / MIB), rest);
	bar_draw(b, text(status, "name"), all ? (int)status_percent(status) : -1, detail);
}

void status_bar_show(struct bar *b, int rundir_fd)
{
	cleanup_free char *answer = NULL;
	json_t *object, *status;

	if (!bar_is_due(b) ||
	    control_call(rundir_fd, "{\"command\":\"status\"}", ANSWER_MS, &answer) < 0)
		return;
	object = json_loads(answer, 0, NULL);
	status = json_object_get(object, "status");
	if (status)
		status_bar_draw(b, status);
	json_decref(object);
}
