/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_test.c - the JSON of the status: its keys, unknown values, hostile text, its
 * file
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/rundir.h"
#include "face/status.h"

#define SET(field, text) snprintf(field, sizeof(field), "%s", text)

static struct status st;

static int setup(void **state _unused_)
{
	memset(&st, 0, sizeof st);
	st.eta_seconds = -1;
	st.seconds_ready = st.seconds_resident = -1;
	return 0;
}

static json_t *as_json(void)
{
	cleanup_free char *text = NULL;
	json_t *j;

	assert_int_equal(status_to_json(&st, &text), 0);
	assert_null(strchr(text, '\n'));
	j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(j);
	return j;
}

/* "a.b" of the object; it must be there. */
static json_t *member(json_t *j, const char *path)
{
	char copy[64], *rest = copy, *key;

	snprintf(copy, sizeof copy, "%s", path);
	while ((key = strsep(&rest, ".")))
		j = json_object_get(j, key);
	if (!j)
		fail_msg("%s is missing", path);
	return j;
}

static void all_documented_keys_are_there(void **state _unused_)
{
	static const char *const keys[] = {
		"schema",
		"name",
		"mode",
		"state",
		"reason",
		"warnings",
		"device",
		"image.url",
		"image.uuid",
		"image.digest",
		"image.bytes",
		"image.chunk_bytes",
		"image.chunks",
		"resident.chunks",
		"resident.bytes",
		"eta_seconds",
		"fetched.hot_bytes",
		"fetched.demand_bytes",
		"fetched.ahead_bytes",
		"fetched.fill_bytes",
		"fetched.wire_bytes",
		"fetched.requests",
		"demand.chunks",
		"demand.wait_ms_p50",
		"demand.wait_ms_p99",
		"demand.waiting",
		"demand.wait_seconds",
		"settings.rate_bytes",
		"demand.reads",
		"demand.reads_waited",
		"demand.reads_waited_for_chunk",
		"demand.reads_timed_out",
		"servers",
		"store.kind",
		"store.device",
		"store.diskseq",
		"store.used_bytes",
		"store.limit_bytes",
		"handover.done",
		"handover.method",
		"trace.blocks",
		"trace.ended",
		"seconds.ready",
		"seconds.resident",
		"error",
	};
	json_t *j = as_json();

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		(void)member(j, keys[i]);
	assert_int_equal(json_integer_value(member(j, "schema")), 1);
	assert_true(json_is_null(member(j, "eta_seconds")));
	assert_true(json_is_null(member(j, "trace.ended")));
	assert_true(json_is_null(member(j, "seconds.ready")));
	assert_true(json_is_null(member(j, "seconds.resident")));
	assert_string_equal(json_string_value(member(j, "error")), "");
	json_decref(j);
}

static void values_have_their_forms(void **state _unused_)
{
	json_t *j;

	for (unsigned i = 0; i < 16; i++)
		st.image.uuid[i] = (uint8_t)(0x10 + i);
	st.image.digest[0] = 0xab;
	st.state = STATE_RESIDENT;
	st.mode = MODE_FULL;
	st.eta_seconds = 0;
	st.seconds_ready = 1.5;
	st.handover_done = true;
	st.handover_method = HANDOVER_DM;
	st.image.bytes = UINT64_MAX;
	j = as_json();
	assert_string_equal(json_string_value(member(j, "image.uuid")),
			    "10111213-1415-1617-1819-1a1b1c1d1e1f");
	assert_string_equal(json_string_value(member(j, "image.digest")),
			    "sha256:ab000000000000000000000000000000"
			    "00000000000000000000000000000000");
	assert_string_equal(json_string_value(member(j, "state")), "resident");
	assert_string_equal(json_string_value(member(j, "mode")), "full");
	assert_string_equal(json_string_value(member(j, "handover.method")), "dm");
	assert_true(json_is_true(member(j, "handover.done")));
	assert_int_equal(json_integer_value(member(j, "eta_seconds")), 0);
	assert_true(json_real_value(member(j, "seconds.ready")) == 1.5);
	assert_true(json_integer_value(member(j, "image.bytes")) == INT64_MAX);
	json_decref(j);
}

/* Counts of all below each edge, never less than at the one before. */
static void waits_are_a_histogram(void **state _unused_)
{
	json_t *j, *h, *edge;
	json_int_t last = 0;
	double le = 0;
	size_t i;

	for (int64_t us = 1; us < INT64_C(1) << 36; us *= 2)
		histogram_add(&st.waits, us * 1000);
	j = as_json();
	h = json_object_get(member(j, "demand"), "wait_seconds");
	assert_int_equal(json_integer_value(member(h, "count")), 36);
	assert_true(json_number_value(member(h, "sum")) > 68719);
	json_array_foreach(member(h, "buckets"), i, edge)
	{
		assert_true(json_number_value(member(edge, "le")) > le);
		le = json_number_value(member(edge, "le"));
		/* 1 us, 2 us ... below 256 us are eight. */
		assert_int_equal(json_integer_value(member(edge, "count")), 8 + i);
		assert_true(json_integer_value(member(edge, "count")) >= last);
		last = json_integer_value(member(edge, "count"));
	}
	assert_int_equal(i, 21);
	json_decref(j);
}

static void hostile_text_stays_json(void **state _unused_)
{
	json_t *j, *server;

	SET(st.reason, "\xff\xfe broken \"\\\n\x01");
	SET(st.warnings[0], "fine é");
	st.n_warnings = 1;
	SET(st.image.url, "https://user:secret@h:1/i.hri?token=secret");
	SET(st.servers[0].url, "http://u:secret@[::1]/i");
	SET(st.servers[0].last_error, "\x80");
	st.servers[0].state = SERVER_FAILING;
	st.n_servers = 1;
	st.wait_ms_p50 = NAN;
	st.wait_ms_p99 = INFINITY;
	j = as_json();
	assert_string_equal(json_string_value(member(j, "reason")),
			    "?? broken \"\\\n\x01");
	assert_string_equal(json_string_value(json_array_get(member(j, "warnings"), 0)),
			    "fine é");
	assert_string_equal(json_string_value(member(j, "image.url")),
			    "https://h:1/i.hri?…");
	server = json_array_get(member(j, "servers"), 0);
	assert_string_equal(json_string_value(member(server, "url")), "http://[::1]/i");
	assert_string_equal(json_string_value(member(server, "state")), "failing");
	assert_true(json_is_null(member(j, "demand.wait_ms_p50")));
	json_decref(j);
}

static void file_is_replaced_whole(void **state _unused_)
{
	char top[] = "/tmp/hydroot-XXXXXX", text[32] = "";
	cleanup_fd int dirfd = -1, fd = -1, after = -1;
	struct stat st_file;

	assert_non_null(mkdtemp(top));
	assert_int_equal(setenv("HYDROOT_RUN_DIR", top, 1), 0);
	dirfd = rundir_create("x");
	assert_int_equal(status_write(dirfd, "{\"a\":1}"), 0);
	fd = openat(dirfd, "status.json", O_RDONLY);
	assert_int_equal(status_write(dirfd, "{}"), 0);
	assert_int_equal(read(fd, text, sizeof text), 8);
	assert_string_equal(text, "{\"a\":1}\n");
	after = openat(dirfd, "status.json", O_RDONLY);
	assert_int_equal(read(after, text, sizeof text), 3);
	assert_int_equal(fstat(after, &st_file), 0);
	assert_int_equal(st_file.st_mode & 07777, 0600);
	assert_int_equal(rundir_remove("x"), 0);
	assert_int_equal(status_write(dirfd, "{}"), -ENOENT);
	assert_int_equal(rmdir(top), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_documented_keys_are_there, setup),
		cmocka_unit_test_setup(values_have_their_forms, setup),
		cmocka_unit_test_setup(waits_are_a_histogram, setup),
		cmocka_unit_test_setup(hostile_text_stays_json, setup),
		cmocka_unit_test_setup(file_is_replaced_whole, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
