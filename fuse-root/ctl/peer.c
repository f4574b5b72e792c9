/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer.c - talk to the daemon of an attachment, or read what it left behind
 */
#include "ctl/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "base/log.h"
#include "base/rundir.h"
#include "face/control.h"

#define ANSWER_MS 10000
#define LAST_WORD_MS 2000
#define LAST_WORD_LOOKS 10u
#define STATUS_BYTES_MAX (1024u * 1024)

int peer_open(const char *name, struct peer *ret)
{
	int fd = rundir_open(name);

	if (fd == -ENOENT)
		log_error("%s: no such attachment", name);
	else if (fd < 0)
		log_error("%s: run directory: %s", name, strerror(-fd));
	if (fd < 0)
		return fd;
	ret->name = name;
	ret->dirfd = fd;
	return 0;
}

void peer_close(struct peer *a)
{
	close(a->dirfd);
	a->dirfd = -1;
}

static bool is_absent(int err)
{
	return err == -ENOENT || err == -ECONNREFUSED || err == -ECONNRESET ||
	       err == -EPIPE;
}

/* The answer as an object with "ok": true.  -ENOENT: no daemon, without a message. */
static int call_with(const struct peer *a, const char *command, const char *request,
		     json_t **ret)
{
	cleanup_free char *answer = NULL;
	json_t *object;
	int err;

	err = control_call(a->dirfd, request, ANSWER_MS, &answer);
	if (is_absent(err))
		return -ENOENT;
	if (err) {
		log_error("%s: the daemon does not answer: %s", a->name, strerror(-err));
		return err;
	}
	object = json_loads(answer, 0, NULL);
	if (json_is_true(json_object_get(object, "ok"))) {
		*ret = object;
		return 0;
	}
	log_error("%s: %s: %s", a->name, command,
		  object ? status_text(object, "error") : "the answer is not JSON");
	json_decref(object);
	return -EIO;
}

static int call(const struct peer *a, const char *command, json_t **ret)
{
	char request[64];

	snprintf(request, sizeof request, "{\"command\":\"%s\"}", command);
	return call_with(a, command, request, ret);
}

int peer_set(const struct peer *a, char *const *words, unsigned n_words)
{
	json_t *values = json_array(), *request, *answer = NULL;
	cleanup_free char *text = NULL;
	int err = 0;

	for (unsigned i = 0; i < n_words && !err; i++) {
		if (json_array_append_new(values, json_string(words[i])) < 0) {
			log_error("%s: set: %s: not a text", a->name, words[i]);
			err = -EINVAL;
		}
	}
	request = json_pack("{s:s, s:o}", "command", "set", "values", values);
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (!err && (!text || strlen(text) > CONTROL_REQUEST_BYTES)) {
		log_error("%s: set: too much at once", a->name);
		err = -E2BIG;
	}
	if (!err)
		err = call_with(a, "set", text, &answer);
	json_decref(answer);
	return err;
}

int peer_command(const struct peer *a, const char *command)
{
	json_t *answer = NULL;
	int err = call(a, command, &answer);

	json_decref(answer);
	return err;
}

bool peer_is_live(const struct peer *a)
{
	cleanup_free char *answer = NULL;

	return !is_absent(
		control_call(a->dirfd, "{\"command\":\"status\"}", ANSWER_MS, &answer));
}

static json_t *read_file(int dirfd)
{
	cleanup_fd int fd =
		openat(dirfd, "status.json", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_free char *text = malloc(STATUS_BYTES_MAX);
	size_t n_bytes = 0;
	ssize_t n;

	if (fd < 0 || !text)
		return NULL;
	while ((n = read(fd, text + n_bytes, STATUS_BYTES_MAX - n_bytes)) > 0)
		n_bytes += (size_t)n;
	return n < 0 ? NULL : json_loadb(text, n_bytes, 0, NULL);
}

static int read_left_behind(const struct peer *a, json_t **ret)
{
	json_t *status = read_file(a->dirfd);

	if (!json_is_object(status)) {
		log_error("%s: no daemon answers, and it left no readable status",
			  a->name);
		json_decref(status);
		return -ENODATA;
	}
	*ret = status;
	return 0;
}

int peer_status(const struct peer *a, json_t **ret, bool *ret_is_live)
{
	json_t *answer = NULL;
	int err = call(a, "status", &answer);

	if (err == -ENOENT) {
		*ret_is_live = false;
		return read_left_behind(a, ret);
	}
	if (err)
		return err;
	*ret_is_live = true;
	*ret = json_incref(json_object_get(answer, "status"));
	json_decref(answer);
	if (json_is_object(*ret))
		return 0;
	json_decref(*ret);
	log_error("%s: the daemon's answer holds no status", a->name);
	return -EIO;
}

/* A daemon that is just leaving answers no more, and has not written its last word. */
static int await_last_word(const struct peer *a, json_t **status, bool *ret_is_live)
{
	int err = 0;

	for (unsigned i = 0; i < LAST_WORD_LOOKS; i++) {
		if (*ret_is_live || status_is_final(*status))
			break;
		poll(NULL, 0, LAST_WORD_MS / LAST_WORD_LOOKS);
		json_decref(*status);
		*status = NULL;
		err = peer_status(a, status, ret_is_live);
		if (err)
			break;
	}
	return err;
}

static void call_it_dead(json_t *status)
{
	const char *error = status_text(status, "error");
	json_t *text = json_sprintf(
		"the daemon is gone without a last word: reads of what is not there fail: "
		"hydroot detach %s%s%s",
		status_text(status, "name"), error[0] ? ": " : "", error);

	json_object_set_new(status, "state", json_string("failed"));
	json_object_set_new(status, "reason", json_string(""));
	json_object_set_new(status, "eta_seconds", json_null());
	if (text)
		json_object_set_new(status, "error", text);
}

int peer_status_shown(const struct peer *a, json_t **ret, bool *ret_is_live)
{
	json_t *status = NULL;
	int err = peer_status(a, &status, ret_is_live);

	if (!err)
		err = await_last_word(a, &status, ret_is_live);
	if (err)
		return err;
	if (!*ret_is_live && !status_is_final(status))
		call_it_dead(status);
	*ret = status;
	return 0;
}

static const json_t *member(const json_t *status, const char *path)
{
	const char *dot = strchr(path, '.');
	char key[32];

	if (!dot)
		return json_object_get(status, path);
	snprintf(key, sizeof key, "%.*s", (int)(dot - path), path);
	return json_object_get(json_object_get(status, key), dot + 1);
}

const char *status_text(const json_t *status, const char *path)
{
	const char *text = json_string_value(member(status, path));

	return text ? text : "";
}

uint64_t status_number(const json_t *status, const char *path)
{
	json_int_t n = json_integer_value(member(status, path));

	return n > 0 ? (uint64_t)n : 0;
}

double status_real(const json_t *status, const char *path)
{
	const json_t *value = member(status, path);

	return json_is_number(value) ? json_number_value(value) : -1;
}

bool status_is(const json_t *status, const char *key, const char *value)
{
	return strcmp(status_text(status, key), value) == 0;
}

bool status_is_final(const json_t *status)
{
	return status_is(status, "state", "resident") ||
	       status_is(status, "state", "cached") ||
	       status_is(status, "state", "failed");
}
