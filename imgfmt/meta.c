/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta.c - META's digest and form
 *
 * Strict: what two JSON readers could understand differently (a member twice, bytes
 * behind the end, NUL in strings) is refused.  Unknown members are none of our business.
 */
#include "imgfmt/digest.h"
#include "imgfmt/internal.h"

#include <jansson.h>

#define NAME_BYTES_MAX 255

static const char *const filesystems[] = {"ext4",     "ext3",  "ext2", "xfs",	 "btrfs",
					  "squashfs", "erofs", "vfat", "unknown"};

static bool is_filesystem(const json_t *value)
{
	const char *s = json_string_value(value);

	for (size_t i = 0; s && i < ARRAY_SIZE(filesystems); i++)
		if (strcmp(s, filesystems[i]) == 0)
			return true;
	return false;
}

static bool is_name(const json_t *value)
{
	size_t n = json_string_length(value);

	return json_is_string(value) && n >= 1 && n <= NAME_BYTES_MAX;
}

/* Lower case, digits, '_': what uname -m gives, and nothing that a message would stumble over. */
static bool is_architecture(const json_t *value)
{
	const char *s = json_string_value(value);
	size_t n = json_string_length(value);

	return s && n >= 1 && n < IMG_ARCHITECTURE_BYTES &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

static bool are_strings(const json_t *array)
{
	if (!json_is_array(array))
		return false;
	for (size_t i = 0; i < json_array_size(array); i++)
		if (!json_is_string(json_array_get(array, i)))
			return false;
	return true;
}

static bool are_string_members(json_t *object)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return false;
	json_object_foreach(object, key, value)
	{
		if (!json_is_string(value))
			return false;
	}
	return true;
}

/* What `build` saw of the tree. */
static int check_tree_members(const json_t *root)
{
	const json_t *architecture = json_object_get(root, "architecture");
	const json_t *kernels = json_object_get(root, "kernels");
	json_t *os_release = json_object_get(root, "os_release");

	if (architecture && !is_architecture(architecture))
		return IMG_FAULT_META_ARCHITECTURE;
	if (kernels && !are_strings(kernels))
		return IMG_FAULT_META_KERNELS;
	if (os_release && !are_string_members(os_release))
		return IMG_FAULT_META_OS_RELEASE;
	return 0;
}

static int check_members(const json_t *root, uint64_t version_number)
{
	const json_t *number = json_object_get(root, "version_number");
	const json_t *filesystem = json_object_get(root, "filesystem");
	const json_t *name = json_object_get(root, "name");
	const json_t *annotations = json_object_get(root, "annotations");

	if (!json_is_integer(number))
		return IMG_FAULT_META_NO_VERSION;
	if (json_integer_value(number) < 0 ||
	    (uint64_t)json_integer_value(number) != version_number)
		return IMG_FAULT_META_OTHER_VERSION;
	if (!json_is_string(filesystem))
		return IMG_FAULT_META_NO_FILESYSTEM;
	if (!is_filesystem(filesystem))
		return IMG_FAULT_META_OTHER_FILESYSTEM;
	if (name && !is_name(name))
		return IMG_FAULT_META_NAME;
	if (annotations && !json_is_object(annotations))
		return IMG_FAULT_META_ANNOTATIONS;
	return check_tree_members(root);
}

/* Of bytes that jansson does not take for one JSON value. */
static int syntax_fault(const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_end_of_input_expected:
		return IMG_FAULT_META_BEHIND;
	case json_error_duplicate_key:
		return IMG_FAULT_META_TWICE;
	case json_error_unknown: /* what is wrong with a text, jansson names */
	case json_error_out_of_memory:
		return IMG_ERR_MEMORY;
	default:
		return IMG_FAULT_META_SYNTAX;
	}
}

int img_check_meta(const struct img *img, const void *meta, size_t n_bytes)
{
	json_error_t error = {0}; /* jansson sets no code where it has no memory */
	json_t *root;
	int r;

	if (n_bytes != img->info.meta_bytes)
		return IMG_ERR_LENGTH;
	r = img_sha256_check(meta, n_bytes, img->digests.meta);
	if (r < 0)
		return r;
	root = json_loadb(meta, n_bytes, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		return syntax_fault(&error);
	r = json_is_object(root) ? check_members(root, img->info.version_number)
				 : IMG_FAULT_META_NO_OBJECT;
	json_decref(root);
	return r;
}

void img_meta_architecture(const void *meta, size_t n_bytes,
			   char ret[IMG_ARCHITECTURE_BYTES])
{
	json_t *root = json_loadb(meta, n_bytes, JSON_REJECT_DUPLICATES, NULL);
	const json_t *value = json_object_get(root, "architecture");

	ret[0] = '\0';
	if (is_architecture(value))
		memcpy(ret, json_string_value(value), json_string_length(value) + 1);
	json_decref(root);
}

bool img_meta_has_kernel(const void *meta, size_t n_bytes, const char *release,
			 char ret[IMG_KERNELS_BYTES])
{
	json_t *root = json_loadb(meta, n_bytes, JSON_REJECT_DUPLICATES, NULL);
	const json_t *kernels = json_object_get(root, "kernels"), *value;
	bool is_there = json_array_size(kernels) == 0;
	size_t i, used = 0;

	ret[0] = '\0';
	json_array_foreach(kernels, i, value)
	{
		const char *text = json_string_value(value);

		if (!text)
			continue;
		is_there = is_there || strcmp(text, release) == 0;
		if (used < IMG_KERNELS_BYTES)
			used += (size_t)snprintf(ret + used, IMG_KERNELS_BYTES - used,
						 "%s%s", used ? ", " : "", text);
	}
	json_decref(root);
	return is_there;
}

/* i386 to i686 are one, so are the many names of a 32-bit ARM. */
static const char *family_of(const char *architecture)
{
	if (architecture[0] == 'i' && architecture[1] &&
	    strcmp(architecture + 2, "86") == 0)
		return "i386";
	return strncmp(architecture, "arm", 3) == 0 ? "arm" : architecture;
}

bool img_architecture_runs_on(const char *architecture, const char *machine)
{
	static const char *const smaller[][2] = {
		{"x86_64", "i386"}, {"aarch64", "arm"}, {"ppc64", "ppc"},
		{"s390x", "s390"},  {"mips64", "mips"},
	};
	const char *program = family_of(architecture), *kernel = family_of(machine);

	if (strcmp(program, kernel) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(smaller); i++)
		if (strcmp(kernel, smaller[i][0]) == 0 &&
		    strcmp(program, smaller[i][1]) == 0)
			return true;
	return false;
}
