/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_data.c - a report out of the daemon's JSON
 */
#include <errno.h>
#include <fcntl.h>

#include "base/log.h"
#include "ctl/peer.h"
#include "ctl/report.h"

#define REPORT_BYTES_MAX (4u * 1024 * 1024)
#define BUCKETS_MAX 4096u

static double real_at(const json_t *timeline, const char *column, unsigned i)
{
	double x =
		json_number_value(json_array_get(json_object_get(timeline, column), i));

	return x > 0 && x < 1e18 ? x : 0;
}

static const char *text_at(const json_t *timeline, const char *column, unsigned i)
{
	const char *text =
		json_string_value(json_array_get(json_object_get(timeline, column), i));

	return text ? text : "";
}

static void take_resident(const char *hex, struct report_bucket *b)
{
	for (unsigned i = 0; i < REPORT_STRIPS && hex[0] && hex[1]; i++, hex += 2) {
		char digits[3] = {hex[0], hex[1], 0};

		b->resident[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
}

static void take_bucket(const json_t *t, unsigned i, struct report_bucket *b)
{
	const char *states = text_at(t, "states", i);

	b->demand_bytes = real_at(t, "demand_bytes", i);
	b->hot_bytes = real_at(t, "hot_bytes", i);
	b->ahead_bytes = real_at(t, "ahead_bytes", i);
	b->fill_bytes = real_at(t, "fill_bytes", i);
	b->wire_bytes = real_at(t, "wire_bytes", i);
	b->n_requests = (uint64_t)real_at(t, "requests", i);
	b->n_waited = (uint64_t)real_at(t, "waited", i);
	b->n_waiting_max = (uint64_t)real_at(t, "waiting_max", i);
	b->wait_ms_max = real_at(t, "wait_ms_max", i);
	b->is_stalled = strstr(states, "stalled") != NULL;
	b->is_paused = strstr(states, "paused") != NULL;
	b->wanted = strtoull(text_at(t, "wanted", i), NULL, 16);
	take_resident(text_at(t, "resident", i), b);
}

static void merge(struct report_bucket *b, const struct report_bucket *later)
{
	b->seconds += later->seconds;
	b->demand_bytes += later->demand_bytes;
	b->hot_bytes += later->hot_bytes;
	b->ahead_bytes += later->ahead_bytes;
	b->fill_bytes += later->fill_bytes;
	b->wire_bytes += later->wire_bytes;
	b->n_requests += later->n_requests;
	b->n_waited += later->n_waited;
	b->n_waiting_max = max_u64(b->n_waiting_max, later->n_waiting_max);
	if (b->wait_ms_max < later->wait_ms_max)
		b->wait_ms_max = later->wait_ms_max;
	b->is_stalled |= later->is_stalled;
	b->is_paused |= later->is_paused;
	b->wanted |= later->wanted;
	memcpy(b->resident, later->resident, sizeof b->resident);
}

/*
 * The record ends within its last bucket.  What is left of that is its length, so that
 * rates are right; with too little of it a rate says nothing, and it is added to the one
 * before.
 */
static void take_lengths(struct report *r)
{
	double before = r->n ? (r->n - 1) * r->bucket_seconds : 0;

	for (unsigned i = 0; i < r->n; i++)
		r->buckets[i].seconds = r->bucket_seconds;
	if (r->n == 0 || r->seconds >= before + r->bucket_seconds)
		return;
	r->buckets[r->n - 1].seconds = r->seconds > before ? r->seconds - before : 0;
	if (r->n < 2 || r->seconds - before >= r->bucket_seconds / 2)
		return;
	r->n--;
	merge(&r->buckets[r->n - 1], &r->buckets[r->n]);
}

static int take(struct report *r)
{
	const json_t *t = json_object_get(r->root, "timeline");
	size_t n = json_array_size(json_object_get(t, "wire_bytes"));

	r->status = json_object_get(r->root, "status");
	if (!json_is_object(r->status) || !json_is_object(t) || n > BUCKETS_MAX)
		return -EBADMSG;
	r->is_boot = status_is(r->root, "clock", "boot");
	r->start = status_real(t, "start_seconds");
	r->seconds = status_real(t, "seconds");
	r->bucket_seconds = status_real(t, "bucket_seconds");
	if (!(r->start >= 0 && r->start < 1e9 && r->seconds >= 0 && r->seconds < 1e9 &&
	      r->bucket_seconds > 0 && r->bucket_seconds < 1e9))
		return -EBADMSG;
	r->buckets = calloc(n + 1, sizeof *r->buckets);
	if (!r->buckets)
		return -ENOMEM;
	r->n = (unsigned)n;
	for (unsigned i = 0; i < r->n; i++)
		take_bucket(t, i, &r->buckets[i]);
	take_lengths(r);
	return 0;
}

int report_parse(const char *text, size_t n_bytes, struct report *ret)
{
	int err;

	*ret = (struct report){.root = json_loadb(text, n_bytes, 0, NULL)};
	err = take(ret);
	if (err)
		report_close(ret);
	return err;
}

static char *read_all(int fd, size_t *ret_bytes)
{
	char *text = malloc(REPORT_BYTES_MAX);
	size_t n_bytes = 0;
	ssize_t n = 0;

	while (text && (n = read(fd, text + n_bytes, REPORT_BYTES_MAX - n_bytes)) > 0)
		n_bytes += (size_t)n;
	*ret_bytes = n < 0 ? 0 : n_bytes;
	return text;
}

int report_open(int dirfd, const char *name, struct report *ret)
{
	cleanup_fd int fd = openat(dirfd, "report", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_free char *text = NULL;
	size_t n_bytes = 0;
	int err;

	if (fd < 0) {
		err = -errno;
		log_error("%s: report: %s", name,
			  err == -ENOENT ? "no daemon answers, and it left none"
					 : strerror(-err));
		return err;
	}
	text = read_all(fd, &n_bytes);
	err = text ? report_parse(text, n_bytes, ret) : -ENOMEM;
	if (err)
		log_error("%s: report: cannot be read: %s", name, strerror(-err));
	return err;
}

void report_close(struct report *r)
{
	json_decref(r->root);
	free(r->buckets);
	*r = (struct report){0};
}
