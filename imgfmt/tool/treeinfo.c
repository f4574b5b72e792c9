/* SPDX-License-Identifier: Apache-2.0 */
/*
 * treeinfo.c - what META says of a tree, and what should not be in one that many share
 */
#include "imgfmt/tool/treeinfo.h"

#include "imgfmt/tool/tool.h"

#define ELF_BYTES 64u
#define TEXT_BYTES_MAX 65536u
#define KERNELS_MAX 64u
#define OS_RELEASE_MAX 32u
#define OS_VALUE_BYTES_MAX 256u

struct machine {
	uint16_t number; /* e_machine */
	const char *names[2]; /* 32 and 64 bits, little-endian where there is a choice */
	const char *big[2];
};

static const struct machine machines[] = {
	{3, {"i686", "i686"}, {NULL, NULL}},
	{8, {"mips", "mips64"}, {"mips", "mips64"}},
	{20, {NULL, NULL}, {"ppc", NULL}},
	{21, {NULL, "ppc64le"}, {NULL, "ppc64"}},
	{22, {NULL, NULL}, {"s390", "s390x"}},
	{40, {"arm", NULL}, {NULL, NULL}},
	{43, {NULL, NULL}, {NULL, "sparc64"}},
	{62, {"x86_64", "x86_64"}, {NULL, NULL}},
	{183, {NULL, "aarch64"}, {NULL, "aarch64_be"}},
	{243, {"riscv32", "riscv64"}, {NULL, NULL}},
	{258, {"loongarch32", "loongarch64"}, {NULL, NULL}},
};

const char *treeinfo_elf_machine(const uint8_t *p, size_t n)
{
	bool is_big, is_64;
	uint16_t number;

	if (n < 20 || memcmp(p, "\177ELF", 4) != 0 || p[4] < 1 || p[4] > 2 || p[5] < 1 ||
	    p[5] > 2)
		return NULL;
	is_64 = p[4] == 2;
	is_big = p[5] == 2;
	number = is_big ? (uint16_t)(p[18] << 8 | p[19]) : le16_load(p + 18);
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
		if (machines[i].number == number)
			return is_big ? machines[i].big[is_64] : machines[i].names[is_64];
	return NULL;
}

static const char *machine_of_file(struct tree *t, const char *path)
{
	cleanup_free char *head = NULL;
	size_t n;

	if (!tree_read(t, path, ELF_BYTES, &head, &n))
		return NULL;
	return treeinfo_elf_machine((const uint8_t *)head, n);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In an order that does not depend on the reader. */
static bool list_sorted(struct tree *t, const char *path, struct tree_names *ret)
{
	if (!tree_list(t, path, ret))
		return false;
	if (ret->n > 0)
		qsort(ret->list, ret->n, sizeof *ret->list, by_name);
	return true;
}

static const char *machine_of_loader(struct tree *t, const char *folder)
{
	struct tree_names names;
	const char *machine = NULL;

	if (!list_sorted(t, folder, &names))
		return NULL;
	for (size_t i = 0; !machine && i < names.n; i++) {
		char path[512];

		if (strncmp(names.list[i], "ld", 2) != 0 || !strstr(names.list[i], ".so"))
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, names.list[i]);
		machine = machine_of_file(t, path);
	}
	tree_names_free(&names);
	return machine;
}

static const char *find_machine(struct tree *t)
{
	static const char *const programs[] = {
		"/bin/sh",	"/sbin/init",  "/usr/lib/systemd/systemd",
		"/bin/busybox", "/usr/bin/sh", "/usr/bin/env"};
	static const char *const folders[] = {"/usr/lib64", "/usr/lib", "/lib64", "/lib"};
	const char *machine = NULL;

	for (size_t i = 0; !machine && i < ARRAY_SIZE(programs); i++)
		machine = machine_of_file(t, programs[i]);
	for (size_t i = 0; !machine && i < ARRAY_SIZE(folders); i++)
		machine = machine_of_loader(t, folders[i]);
	return machine;
}

/* A folder that was left behind when its kernel was removed has no modules. */
static bool has_modules(struct tree *t, const char *folder, const char *release)
{
	struct tree_names names;
	char path[512];
	bool found = false;

	snprintf(path, sizeof path, "%s/%s", folder, release);
	if (!tree_list(t, path, &names))
		return false;
	for (size_t i = 0; !found && i < names.n; i++)
		found = strncmp(names.list[i], "modules.", 8) == 0 ||
			strcmp(names.list[i], "kernel") == 0;
	tree_names_free(&names);
	return found;
}

/* Kernel releases in order; empty when there is none.  The caller's. */
static json_t *list_kernels(struct tree *t)
{
	static const char *const folders[] = {"/lib/modules", "/usr/lib/modules"};
	json_t *kernels = json_array();

	for (size_t k = 0; k < ARRAY_SIZE(folders) && json_array_size(kernels) == 0;
	     k++) {
		struct tree_names names;

		if (!list_sorted(t, folders[k], &names))
			continue;
		for (size_t i = 0; i < names.n && json_array_size(kernels) < KERNELS_MAX;
		     i++)
			if (has_modules(t, folders[k], names.list[i]))
				json_array_append_new(kernels,
						      json_string(names.list[i]));
		tree_names_free(&names);
	}
	return kernels;
}

/* os-release(5): a shell assignment; quotes, and backslashes inside them. */
static void unquote(char *value)
{
	char quote = *value == '"' || *value == '\'' ? *value : '\0';
	char *from = quote ? value + 1 : value, *to = value;

	for (; *from && (!quote || *from != quote); from++) {
		if (quote != '\'' && *from == '\\' && from[1])
			from++;
		*to++ = *from;
	}
	*to = '\0';
}

static bool is_variable(const char *name)
{
	return *name && name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")] == 0;
}

static void add_variable(json_t *to, char *line)
{
	char *value = strchr(line, '=');

	if (line[0] == '#' || !value || json_object_size(to) >= OS_RELEASE_MAX)
		return;
	*value++ = '\0';
	unquote(value);
	/* What is not UTF-8 gives no string, and is left out. */
	if (is_variable(line) && strlen(value) <= OS_VALUE_BYTES_MAX)
		json_object_set_new(to, line, json_string(value));
}

static json_t *read_os_release(struct tree *t)
{
	cleanup_free char *text = NULL;
	json_t *o = json_object();
	char *rest, *line;
	size_t n;

	if (!tree_read(t, "/etc/os-release", TEXT_BYTES_MAX, &text, &n) &&
	    !tree_read(t, "/usr/lib/os-release", TEXT_BYTES_MAX, &text, &n))
		return o;
	rest = text;
	while ((line = strsep(&rest, "\n")))
		add_variable(o, line);
	return o;
}

void treeinfo_describe(struct tree *t, json_t *meta)
{
	const char *machine = find_machine(t);
	json_t *kernels = list_kernels(t), *os_release = read_os_release(t);

	if (machine)
		json_object_set_new(meta, "architecture", json_string(machine));
	if (json_array_size(kernels) > 0)
		json_object_set(meta, "kernels", kernels);
	if (json_object_size(os_release) > 0)
		json_object_set(meta, "os_release", os_release);
	json_decref(kernels);
	json_decref(os_release);
}

static bool read_machine_id(struct tree *t, const char *path, char ret[33])
{
	cleanup_free char *id = NULL;
	size_t n;

	if (!tree_read(t, path, 64, &id, &n) || n < 32 ||
	    strspn(id, "0123456789abcdefABCDEF") < 32)
		return false;
	memcpy(ret, id, 32);
	ret[32] = '\0';
	return true;
}

/* D-Bus has one of its own where that is not a link to the other. */
static void warn_machine_id(struct tree *t, const char *subject)
{
	char id[33] = "", dbus_id[33];

	if (read_machine_id(t, "/etc/machine-id", id))
		tool_warn(subject, "/etc/machine-id is filled: all nodes would have the "
				   "same one; make it an empty file");
	if (read_machine_id(t, "/var/lib/dbus/machine-id", dbus_id) &&
	    strcmp(id, dbus_id) != 0)
		tool_warn(subject, "/var/lib/dbus/machine-id is filled: all nodes would "
				   "have the same one; make it a link to "
				   "/etc/machine-id");
}

static void warn_host_keys(struct tree *t, const char *subject)
{
	struct tree_names names;

	if (!list_sorted(t, "/etc/ssh", &names))
		return;
	for (size_t i = 0; i < names.n; i++) {
		const char *name = names.list[i];
		size_t len = strlen(name);

		if (strncmp(name, "ssh_host_", 9) == 0 && len > 4 &&
		    strcmp(name + len - 4, "_key") == 0)
			tool_warn(subject,
				  "/etc/ssh/%s: all nodes would have the same host key, "
				  "and who can read the image has it too; remove it",
				  name);
	}
	tree_names_free(&names);
}

/* Of systemd, of sysvinit, of seedrng, and of systemd-boot. */
static void warn_random_seed(struct tree *t, const char *subject)
{
	static const char *const paths[] = {
		"/var/lib/systemd/random-seed", "/var/lib/urandom/random-seed",
		"/var/lib/seedrng/seed.credit", "/var/lib/seedrng/seed.no-credit",
		"/boot/loader/random-seed"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		cleanup_free char *seed = NULL;
		size_t n;

		if (tree_read(t, paths[i], 1, &seed, &n) && n > 0)
			tool_warn(subject,
				  "%s: all nodes would start with the same; remove it",
				  paths[i]);
	}
}

/* By a name that belongs to the machine that the tree comes from. */
static bool is_disk(const char *device)
{
	static const char *const starts[] = {
		"/dev/", "UUID=", "PARTUUID=", "LABEL=", "PARTLABEL="};

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
		if (strncmp(device, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

static void warn_fstab_line(const char *subject, unsigned number, char *line)
{
	char device[256], where[256], type[64], options[256] = "";

	/* Fields that do not fit are none that we look for. */
	if (sscanf(line, " %255s %255s %63s %255s", device, where, type, options) < 3 ||
	    device[0] == '#' || strstr(options, "noauto"))
		return;
	if (strcmp(type, "swap") == 0)
		tool_warn(subject,
			  "/etc/fstab line %u: swap on %s, which a node may not have; "
			  "remove it",
			  number, device);
	else if (is_disk(device))
		tool_warn(subject,
			  "/etc/fstab line %u: %s on %s is a disk of another machine; a "
			  "node would wait for it; remove it",
			  number, device, where);
}

static void warn_fstab(struct tree *t, const char *subject)
{
	cleanup_free char *text = NULL;
	unsigned number = 0;
	char *rest, *line;
	size_t n;

	if (!tree_read(t, "/etc/fstab", TEXT_BYTES_MAX, &text, &n))
		return;
	rest = text;
	while ((line = strsep(&rest, "\n")))
		warn_fstab_line(subject, ++number, line);
}

static void warn_modules(struct tree *t, const char *subject)
{
	json_t *kernels = list_kernels(t);

	if (json_array_size(kernels) == 0)
		tool_warn(subject, "/lib/modules has no kernel's modules: a node that "
				   "boots it can load none");
	json_decref(kernels);
}

void treeinfo_warn(struct tree *t, const char *subject)
{
	warn_machine_id(t, subject);
	warn_host_keys(t, subject);
	warn_random_seed(t, subject);
	warn_fstab(t, subject);
	warn_modules(t, subject);
}
