/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta_text.c - the JSON of META, from the tree and from the user
 *
 * Sorted and compact, so that the same content always gives the same bytes.
 */
#include "imgfmt/tool/meta_text.h"

#include <jansson.h>

#include "imgfmt/imgfmt.h"
#include "imgfmt/tool/tool.h"
#include "imgfmt/tool/treeinfo.h"

#define NAME_BYTES_MAX 255

static bool is_name(const json_t *value)
{
	return json_is_string(value) && json_string_length(value) >= 1 &&
	       json_string_length(value) <= NAME_BYTES_MAX;
}

static bool is_architecture(const json_t *value)
{
	const char *s = json_string_value(value);

	return s && *s && strlen(s) < IMG_ARCHITECTURE_BYTES &&
	       s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

/* A member that is META's own goes from the user's object to there. */
static int take_own(const char *path, json_t *user, json_t *meta, const char *key,
		    bool (*is_valid)(const json_t *), const char *what)
{
	json_t *value = json_object_get(user, key);

	if (!value)
		return EXIT_DONE;
	if (!is_valid(value))
		return tool_fail(path, "\"%s\" is not %s", key, what);
	json_object_set(meta, key, value);
	json_object_del(user, key);
	return EXIT_DONE;
}

/* All that is not META's own are annotations. */
static int merge(const char *path, json_t *user, json_t *meta)
{
	int r;

	if (!json_is_object(user))
		return tool_fail(path, "not a JSON object");
	r = take_own(path, user, meta, "name", is_name, "a string of 1 to 255 bytes");
	if (r == EXIT_DONE)
		r = take_own(path, user, meta, "architecture", is_architecture,
			     "a name as 'uname -m' prints it");
	if (r == EXIT_DONE && json_object_size(user) > 0)
		json_object_set(meta, "annotations", user);
	return r;
}

static int merge_file(const char *path, json_t *meta)
{
	cleanup_free char *text = NULL;
	json_error_t error;
	json_t *user;
	size_t n;
	int r = tool_read_file(path, IMG_META_BYTES_MAX, &text, &n);

	if (r != EXIT_DONE)
		return r;
	user = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
	if (!user)
		return tool_fail(path, "line %d: %s", error.line, error.text);
	r = merge(path, user, meta);
	json_decref(user);
	return r;
}

static int dump(const struct meta_text_config *config, const json_t *meta, char **ret,
		size_t *ret_bytes)
{
	cleanup_free char *text = json_dumps(meta, JSON_SORT_KEYS | JSON_COMPACT);

	if (!text)
		return tool_fail("build", "out of memory");
	if (strlen(text) > IMG_META_BYTES_MAX)
		return tool_fail(config->user_path ? config->user_path : "build",
				 "META becomes larger than %u bytes", IMG_META_BYTES_MAX);
	*ret_bytes = strlen(text);
	*ret = steal_pointer(&text);
	return EXIT_DONE;
}

int meta_text_make(const struct meta_text_config *config, char **ret, size_t *ret_bytes)
{
	json_t *meta = json_pack("{s:I, s:s}", "version_number",
				 (json_int_t)config->version_number, "filesystem",
				 config->filesystem);
	int r = EXIT_DONE;

	if (!meta)
		return tool_fail("build", "out of memory");
	if (config->tree)
		treeinfo_describe(config->tree, meta);
	if (config->user_path)
		r = merge_file(config->user_path, meta);
	if (r == EXIT_DONE)
		r = dump(config, meta, ret, ret_bytes);
	json_decref(meta);
	return r;
}
