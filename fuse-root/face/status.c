/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status.c - struct status as JSON, and as a file that is there whole or not at all
 *
 * The keys are a contract: more may be added, none renamed.  Text may hold anything that
 * a server or a command line said; what is not UTF-8 is replaced, so that the JSON always
 * is.  Passwords in URLs stay inside.
 */
#include "face/status.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>

#include "base/options_url.h"
#include "base/rundir.h"

#define SCHEMA 1
#define FILE_NAME "status.json"
/* A quarter of a millisecond to four and a half minutes. */
#define WAIT_POWER_MIN 8u
#define WAIT_POWER_MAX 28u

const char *attach_state_name(enum attach_state state)
{
	switch (state) {
	case STATE_ATTACHING:
		return "attaching";
	case STATE_FILLING:
		return "filling";
	case STATE_PAUSED:
		return "paused";
	case STATE_STREAMING:
		return "streaming";
	case STATE_STALLED:
		return "stalled";
	case STATE_RESIDENT:
		return "resident";
	case STATE_CACHED:
		return "cached";
	case STATE_FAILED:
		break;
	}
	return "failed";
}

const char *handover_method_name(enum handover_method method)
{
	switch (method) {
	case HANDOVER_DM:
		return "dm";
	case HANDOVER_LOOP:
		return "loop";
	case HANDOVER_PLAIN:
	case HANDOVER_NONE:
		break;
	}
	return "none";
}

static const char *server_name(enum server_state state)
{
	switch (state) {
	case SERVER_OK:
		return "ok";
	case SERVER_FAILING:
		return "failing";
	case SERVER_REFUSED:
		return "refused";
	case SERVER_UNUSED:
		break;
	}
	return "unused";
}

/* jansson takes UTF-8 only; NULL without memory. */
static json_t *text_new(const char *text)
{
	json_t *j = json_string(text);
	cleanup_free char *ascii = NULL;

	if (j)
		return j;
	ascii = strdup(text);
	if (!ascii)
		return NULL;
	for (char *c = ascii; *c; c++) {
		if ((unsigned char)*c > 0x7e)
			*c = '?';
	}
	return json_string(ascii);
}

static json_t *number_new(uint64_t n)
{
	return json_integer((json_int_t)min_u64(n, INT64_MAX));
}

/* null for what is not known yet; infinity has no JSON form. */
static json_t *real_new(double x)
{
	return x >= 0 && x < 1e18 ? json_real(x) : json_null();
}

static json_t *url_new(const char *url)
{
	char public[OPTIONS_URL_BYTES];

	options_url_public(url, public, sizeof public);
	return text_new(public);
}

static json_t *hex_new(const char *prefix, const uint8_t *bytes, size_t n_bytes)
{
	char text[80];
	int n = snprintf(text, sizeof text, "%s", prefix);

	for (size_t i = 0; i < n_bytes; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, "%02x", bytes[i]);
	return json_string(text);
}

static json_t *uuid_new(const uint8_t u[16])
{
	char text[37];

	snprintf(text, sizeof text,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11],
		 u[12], u[13], u[14], u[15]);
	return json_string(text);
}

/* An object under construction: `has_failed` is looked at once, at the end. */
struct builder {
	json_t *object;
	bool has_failed;
};

static void put(struct builder *b, const char *key, json_t *value)
{
	if (json_object_set_new_nocheck(b->object, key, value) < 0)
		b->has_failed = true;
}

static json_t *builder_end(struct builder *b)
{
	if (!b->has_failed)
		return b->object;
	json_decref(b->object);
	return NULL;
}

static json_t *image_new(const struct status *st)
{
	struct builder b = {.object = json_object()};
	const bool is_known = st->image.bytes > 0;

	put(&b, "url", url_new(st->image.url));
	put(&b, "uuid", is_known ? uuid_new(st->image.uuid) : json_null());
	put(&b, "digest",
	    is_known ? hex_new("sha256:", st->image.digest, sizeof st->image.digest)
		     : json_null());
	put(&b, "bytes", number_new(st->image.bytes));
	put(&b, "chunk_bytes", number_new(st->image.chunk_bytes));
	put(&b, "chunks", number_new(st->image.chunks));
	return builder_end(&b);
}

static json_t *resident_new(const struct status *st)
{
	struct builder b = {.object = json_object()};

	put(&b, "chunks", number_new(st->resident_chunks));
	put(&b, "bytes", number_new(st->resident_bytes));
	return builder_end(&b);
}

static json_t *fetched_new(const struct status *st)
{
	struct builder b = {.object = json_object()};

	put(&b, "hot_bytes", number_new(st->hot_bytes));
	put(&b, "demand_bytes", number_new(st->demand_bytes));
	put(&b, "ahead_bytes", number_new(st->ahead_bytes));
	put(&b, "fill_bytes", number_new(st->fill_bytes));
	put(&b, "wire_bytes", number_new(st->wire_bytes));
	put(&b, "requests", number_new(st->requests));
	return builder_end(&b);
}

/*
 * Edges of a power of two of microseconds, where the histogram is exact; seconds, as
 * counts of all below.
 */
static json_t *wait_seconds_new(const struct histogram *h)
{
	struct builder b = {.object = json_object()};
	json_t *buckets = json_array();

	for (unsigned power = WAIT_POWER_MIN; power <= WAIT_POWER_MAX; power++) {
		double le = (double)(UINT64_C(1) << power) / 1e6;
		json_t *edge = json_pack("{s:f, s:I}", "le", le, "count",
					 (json_int_t)histogram_below(h, power));

		if (json_array_append_new(buckets, edge) < 0)
			b.has_failed = true;
	}
	put(&b, "count", number_new(h->n));
	put(&b, "sum", json_real((double)h->sum_us / 1e6));
	put(&b, "buckets", buckets);
	return builder_end(&b);
}

static json_t *settings_new(const struct status *st)
{
	struct builder b = {.object = json_object()};

	put(&b, "rate_bytes", number_new(st->rate_bytes));
	put(&b, "cache_bytes", number_new(st->cache_bytes));
	return builder_end(&b);
}

static json_t *demand_new(const struct status *st)
{
	struct builder b = {.object = json_object()};

	put(&b, "chunks", number_new(st->demand_chunks));
	put(&b, "wait_ms_p50", real_new(st->wait_ms_p50));
	put(&b, "wait_ms_p99", real_new(st->wait_ms_p99));
	put(&b, "waiting", number_new(st->demand_waiting));
	put(&b, "wait_seconds", wait_seconds_new(&st->waits));
	put(&b, "reads", number_new(st->reads));
	put(&b, "reads_waited", number_new(st->reads_waited));
	put(&b, "reads_waited_for_chunk", number_new(st->reads_demanded));
	put(&b, "reads_timed_out", number_new(st->reads_timed_out));
	return builder_end(&b);
}

static json_t *server_new(const struct source_server_status *server)
{
	struct builder b = {.object = json_object()};

	put(&b, "url", url_new(server->url));
	put(&b, "address", text_new(server->address));
	put(&b, "state", json_string(server_name(server->state)));
	put(&b, "errors", number_new(server->n_errors));
	put(&b, "last_error", text_new(server->last_error));
	put(&b, "next_try_ms", json_integer(server->next_try_ms));
	return builder_end(&b);
}

static json_t *servers_new(const struct status *st)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < st->n_servers && i < SOURCE_SERVERS_MAX; i++) {
		if (json_array_append_new(array, server_new(&st->servers[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *warnings_new(const struct status *st)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < st->n_warnings && i < OPTIONS_WARNINGS_MAX; i++) {
		if (json_array_append_new(array, text_new(st->warnings[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *store_new(const struct status *st)
{
	struct builder b = {.object = json_object()};

	put(&b, "kind", text_new(st->store.kind));
	put(&b, "device", text_new(st->store.device));
	put(&b, "diskseq", number_new(st->store.diskseq));
	put(&b, "used_bytes", number_new(st->store.used_bytes));
	put(&b, "limit_bytes", number_new(st->store.limit_bytes));
	return builder_end(&b);
}

static json_t *handover_new(const struct status *st)
{
	struct builder b = {.object = json_object()};

	put(&b, "done", json_boolean(st->handover_done));
	put(&b, "method", json_string(handover_method_name(st->handover_method)));
	return builder_end(&b);
}

static json_t *trace_new(const struct status *st)
{
	struct builder b = {.object = json_object()};

	put(&b, "blocks", number_new(st->trace_blocks));
	put(&b, "ended", st->trace_ended[0] ? json_string(st->trace_ended) : json_null());
	return builder_end(&b);
}

static json_t *seconds_new(const struct status *st)
{
	struct builder b = {.object = json_object()};

	put(&b, "ready", real_new(st->seconds_ready));
	put(&b, "resident", real_new(st->seconds_resident));
	return builder_end(&b);
}

static json_t *restarts_new(const struct status *st)
{
	struct builder b = {.object = json_object()};

	put(&b, "net", number_new(st->net_restarts));
	put(&b, "serve", number_new(st->serve_restarts));
	return builder_end(&b);
}

static json_t *status_object(const struct status *st)
{
	struct builder b = {.object = json_object()};

	put(&b, "schema", json_integer(SCHEMA));
	put(&b, "name", text_new(st->name));
	put(&b, "mode", json_string(option_mode_name(st->mode)));
	put(&b, "state", json_string(attach_state_name(st->state)));
	put(&b, "reason", text_new(st->reason));
	put(&b, "warnings", warnings_new(st));
	put(&b, "device", text_new(st->device));
	put(&b, "block_device", text_new(st->block_device));
	put(&b, "read_only", json_boolean(st->read_only));
	put(&b, "image", image_new(st));
	put(&b, "resident", resident_new(st));
	put(&b, "eta_seconds",
	    st->eta_seconds < 0 ? json_null() : json_integer(st->eta_seconds));
	put(&b, "fetched", fetched_new(st));
	put(&b, "demand", demand_new(st));
	put(&b, "settings", settings_new(st));
	put(&b, "servers", servers_new(st));
	put(&b, "store", store_new(st));
	put(&b, "handover", handover_new(st));
	put(&b, "trace", trace_new(st));
	put(&b, "seconds", seconds_new(st));
	put(&b, "net_restarts", number_new(st->net_restarts));
	put(&b, "restarts", restarts_new(st));
	put(&b, "error", text_new(st->error));
	return builder_end(&b);
}

int status_to_json(const struct status *st, char **ret_text)
{
	json_t *object = status_object(st);
	char *text;

	if (!object)
		return -ENOMEM;
	text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
	json_decref(object);
	if (!text)
		return -ENOMEM;
	*ret_text = text;
	return 0;
}

int status_write(int dirfd, const char *json)
{
	return rundir_write(dirfd, FILE_NAME, json);
}

int status_write_failed(int dirfd, const struct options *o, const char *error)
{
	struct status *st = calloc(1, sizeof *st); /* too big for a stack */
	cleanup_free char *json = NULL;
	int err;

	if (!st)
		return -ENOMEM;
	st->mode = o->mode;
	st->state = STATE_FAILED;
	st->read_only = o->read_only;
	st->eta_seconds = -1;
	st->seconds_ready = st->seconds_resident = -1;
	st->rate_bytes = o->rate_bytes;
	st->n_warnings = o->n_warnings;
	memcpy(st->warnings, o->warnings, sizeof st->warnings);
	snprintf(st->name, sizeof st->name, "%s", o->name);
	snprintf(st->image.url, sizeof st->image.url, "%s", o->servers[0]);
	snprintf(st->error, sizeof st->error, "%.*s", (int)sizeof st->error - 1, error);
	err = status_to_json(st, &json);
	free(st);
	return err < 0 ? err : status_write(dirfd, json);
}

/* NULL with *ret_err. */
static json_t *read_back(int dirfd, int *ret_err)
{
	cleanup_fd int fd = openat(dirfd, FILE_NAME, O_RDONLY | O_CLOEXEC);
	json_t *status;

	*ret_err = fd < 0 ? -errno : -EBADMSG;
	status = fd < 0 ? NULL : json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(status))
		return status;
	json_decref(status);
	return NULL;
}

bool status_has_failed(int dirfd)
{
	int err;
	json_t *status = read_back(dirfd, &err);
	const char *state = json_string_value(json_object_get(status, "state"));
	const bool has_failed =
		state && strcmp(state, attach_state_name(STATE_FAILED)) == 0;

	json_decref(status);
	return has_failed;
}

int status_amend(int dirfd, enum attach_state state, const char *error)
{
	cleanup_free char *text = NULL;
	int err;
	json_t *status = read_back(dirfd, &err);

	if (!status)
		return err;
	err = -ENOMEM;
	if (json_object_set_new(status, "state", json_string(attach_state_name(state))) ==
		    0 &&
	    json_object_set_new(status, "error", text_new(error)) == 0)
		text = json_dumps(status, JSON_COMPACT);
	if (text)
		err = status_write(dirfd, text);
	json_decref(status);
	return err;
}
