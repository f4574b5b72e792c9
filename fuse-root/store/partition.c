/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partition.c - see partition.h
 *
 * The kernel tells the name of a GPT partition in its uevent, newer ones the UUID too.
 * Where it does not, libblkid reads the table.
 */
#include "store/partition.h"

#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <strings.h>

#define SYS_BLOCK "/sys/class/block"

struct wanted {
	const char *uevent_key; /* "PARTNAME=" */
	const char *blkid_key; /* "PART_ENTRY_NAME" */
	const char *value;
	bool any_case;
};

static bool is_it(const struct wanted *w, const char *value)
{
	return (w->any_case ? strcasecmp(value, w->value) : strcmp(value, w->value)) == 0;
}

static bool parse_tag(const char *tag, struct wanted *ret)
{
	static const struct {
		const char *tag;
		struct wanted wanted;
	} known[] = {
		{"PARTLABEL=", {"PARTNAME=", "PART_ENTRY_NAME", NULL, false}},
		{"PARTUUID=", {"PARTUUID=", "PART_ENTRY_UUID", NULL, true}},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
		size_t n = strlen(known[i].tag);

		if (strncmp(tag, known[i].tag, n) != 0)
			continue;
		*ret = known[i].wanted;
		ret->value = tag + n;
		return true;
	}
	return false;
}

/* 1: it is the one, 0: it is not, -1: the kernel does not say. */
static int ask_kernel(const struct wanted *w, const char *name)
{
	char path[300], text[2048], *line, *save = NULL;
	cleanup_fd int fd = -1;
	ssize_t n;

	snprintf(path, sizeof path, SYS_BLOCK "/%s/uevent", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	text[n < 0 ? 0 : n] = '\0';
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, w->uevent_key, strlen(w->uevent_key)) == 0)
			return is_it(w, line + strlen(w->uevent_key));
	return -1;
}

static bool ask_table(const struct wanted *w, const char *device)
{
	blkid_probe pr = blkid_new_probe_from_filename(device);
	const char *value;
	bool found;

	if (!pr)
		return false;
	blkid_probe_enable_superblocks(pr, 0);
	blkid_probe_enable_partitions(pr, 1);
	blkid_probe_set_partitions_flags(pr, BLKID_PARTS_ENTRY_DETAILS);
	found = blkid_do_fullprobe(pr) == 0 &&
		blkid_probe_lookup_value(pr, w->blkid_key, &value, NULL) == 0 &&
		is_it(w, value);
	blkid_free_probe(pr);
	return found;
}

static bool matches(const struct wanted *w, const char *name, char *ret_path,
		    size_t n_bytes)
{
	char path[300];
	int said;

	snprintf(path, sizeof path, SYS_BLOCK "/%s/partition", name);
	if (access(path, F_OK) < 0)
		return false;
	snprintf(path, sizeof path, "/dev/%s", name);
	for (char *c = path; *c; c++) /* "cciss!c0d0p1" */
		*c = *c == '!' ? '/' : *c;
	said = ask_kernel(w, name);
	if (said == 0 || (said < 0 && !ask_table(w, path)))
		return false;
	snprintf(ret_path, n_bytes, "%s", path);
	return true;
}

int partition_find(const char *tag, char *ret_path, size_t n_bytes)
{
	struct dirent *entry;
	bool found = false;
	struct wanted w;
	DIR *dir;

	if (!parse_tag(tag, &w))
		return -EINVAL;
	dir = opendir(SYS_BLOCK);
	if (!dir)
		return -errno;
	while (!found && (entry = readdir(dir)))
		found = matches(&w, entry->d_name, ret_path, n_bytes);
	closedir(dir);
	return found ? 0 : -ENOENT;
}
