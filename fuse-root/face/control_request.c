/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_request.c - see control_request.h
 */
#include "face/control_request.h"

#include <errno.h>
#include <jansson.h>

static const char *const names[] = {
	[CONTROL_STATUS] = "status",
	[CONTROL_PAUSE] = "pause",
	[CONTROL_RESUME] = "resume",
	[CONTROL_TRACE] = "trace",
	[CONTROL_TRACE_END] = "trace-end",
	[CONTROL_REPORT] = "report",
	[CONTROL_SET] = "set",
	[CONTROL_DETACH] = "detach",
};

/* Each is copied: what jansson holds goes with the request. */
static int take_values(const json_t *values, struct control_request *rq)
{
	size_t i, n_used = 0;
	const json_t *value;

	if (json_array_size(values) == 0 ||
	    json_array_size(values) > ARRAY_SIZE(rq->values))
		return -EBADMSG;
	json_array_foreach(values, i, value)
	{
		const char *text = json_string_value(value);
		size_t n_bytes = text ? strlen(text) + 1 : 0;

		/* Escapes are longer than what they stand for: it always fits. */
		if (!text || n_bytes > sizeof rq->text - n_used)
			return -EBADMSG;
		rq->values[i] = memcpy(rq->text + n_used, text, n_bytes);
		n_used += n_bytes;
	}
	rq->n_values = (unsigned)json_array_size(values);
	return 0;
}

static int take(const json_t *object, struct control_request *rq)
{
	const char *name = json_string_value(json_object_get(object, "command"));
	const json_t *values = json_object_get(object, "values");
	unsigned i = 0;

	if (!name || json_object_size(object) != (values ? 2 : 1))
		return -EBADMSG;
	while (i < ARRAY_SIZE(names) && strcmp(name, names[i]) != 0)
		i++;
	if (i == ARRAY_SIZE(names))
		return -ENOSYS;
	rq->command = (enum control_command)i;
	if (rq->command == CONTROL_SET)
		return take_values(values, rq);
	return values ? -EBADMSG : 0;
}

int control_request_parse(const char *packet, size_t n_bytes, struct control_request *ret)
{
	json_t *object = json_loadb(packet, n_bytes, JSON_REJECT_DUPLICATES, NULL);
	int err;

	ret->n_values = 0;
	err = take(object, ret);
	json_decref(object);
	return err;
}
