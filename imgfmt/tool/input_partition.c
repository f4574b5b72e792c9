/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input_partition.c - which partition of a disk is the root
 *
 * libblkid reads the table: it knows GPT and MBR with logical partitions, checks them, and
 * is on every machine that has mount.  By "auto" the root is, first, the one whose GPT type
 * says so (the Discoverable Partitions Specification); of several, that of this machine's
 * architecture.  Then the only one with a filesystem that a root can be on; of several,
 * the only one with an os-release or an init in it.  A guess is never made, and where a
 * filesystem begins at 0 beside the table, one of the two is old and nobody knows which.
 */
#include "imgfmt/tool/input.h"

#include <strings.h>
#include <sys/utsname.h>

#include <blkid/blkid.h>

#include "imgfmt/tool/probe.h"
#include "imgfmt/tool/tool.h"
#include "imgfmt/tool/tree.h"

#define PARTITIONS_MAX 256
/* libblkid counts in these, whatever the disk has. */
#define UNIT_BYTES 512u

struct part {
	int number;
	uint64_t off, n_bytes;
	const char *architecture; /* whose root it is by its type, or NULL */
	const char *filesystem; /* or NULL */
	bool is_closed; /* nobody can look into it; this and the next are set late */
	bool looks_like_root; /* what is in it */
};

struct disk {
	struct part *parts;
	size_t n;
};

static const struct root_type {
	const char *uuid;
	const char *architecture;
	const char *machine; /* as uname has it */
} root_types[] = {
	{"4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "x86-64", "x86_64"},
	{"b921b045-1df0-41c3-af44-4c6f280d3fae", "arm64", "aarch64"},
	{"44479540-f297-41b2-9af7-d131d5f0458a", "x86", "i686"},
	{"69dad710-2ce4-4e3c-b16c-21a1d49abed3", "arm", "armv7l"},
	{"72ec70a6-cf74-40e6-bd49-4bda08e8f224", "riscv64", "riscv64"},
	{"60d5a7fe-8e7d-435c-b714-3dd8162144e1", "riscv32", "riscv32"},
	{"c31c45e6-3f39-412e-80fb-4809c4980599", "ppc64-le", "ppc64le"},
	{"912ade1d-a839-4913-8964-a10eee08fbd2", "ppc64", "ppc64"},
	{"1de3f1ef-fa98-47b5-8dcd-4a860a654d78", "ppc", "ppc"},
	{"5eead9a9-fe09-4a1e-a1d7-520d00531306", "s390x", "s390x"},
	{"08a7acea-624c-4a20-91e8-6e0fa67d23f9", "s390", "s390"},
	{"77055800-792c-4f94-b39a-98c91b762bb6", "loongarch64", "loongarch64"},
	{"700bda43-7a34-4507-b179-eeb93d7a7ca3", "mips64-le", "mips64"},
	{"37c58c8a-d913-4156-a25f-48b1b64e07f0", "mips-le", "mips"},
	{"993d8d3d-f80e-4225-855a-9daf8ed7ea97", "ia64", "ia64"},
	{"6523f8ae-3eb1-4e2a-a05a-18b695ae656f", "alpha", "alpha"},
	{"d27f46ed-2919-4cb8-bd25-9531f3c16534", "arc", "arc"},
	{"c50cdd70-3862-4cc3-90e1-809a8c93ee2c", "tilegx", "tilegx"},
};

static const char *root_architecture(const char *type_uuid)
{
	for (size_t i = 0; type_uuid && i < ARRAY_SIZE(root_types); i++)
		if (strcasecmp(root_types[i].uuid, type_uuid) == 0)
			return root_types[i].architecture;
	return NULL;
}

static bool is_of_this_machine(const char *architecture)
{
	struct utsname u;

	for (size_t i = 0; uname(&u) == 0 && i < ARRAY_SIZE(root_types); i++)
		if (strcmp(root_types[i].architecture, architecture) == 0)
			return strcmp(root_types[i].machine, u.machine) == 0;
	return false;
}

static bool can_hold_a_root(const char *filesystem)
{
	return filesystem && strcmp(filesystem, "vfat") != 0;
}

static const char *filesystem_at(const struct input *in, uint64_t off, uint64_t n_bytes)
{
	cleanup_free uint8_t *peek = malloc(INPUT_PEEK_BYTES);
	ssize_t n = peek ? pread(in->fd, peek, min_u64(INPUT_PEEK_BYTES, n_bytes),
				 (off_t)(in->base + off))
			 : -1;

	return n > 0 ? probe_name(peek, (size_t)n) : NULL;
}

static struct part describe(const struct input *in, blkid_partition p)
{
	struct part part = {
		.number = blkid_partition_get_partno(p),
		.off = (uint64_t)blkid_partition_get_start(p) * UNIT_BYTES,
		.n_bytes = (uint64_t)blkid_partition_get_size(p) * UNIT_BYTES,
		.architecture = root_architecture(blkid_partition_get_type_string(p)),
	};

	part.filesystem = filesystem_at(in, part.off, part.n_bytes);
	return part;
}

static void copy_list(const struct input *in, blkid_partlist list, struct disk *d)
{
	int n = blkid_partlist_numof_partitions(list);

	for (int i = 0; i < n && d->n < PARTITIONS_MAX; i++) {
		blkid_partition p = blkid_partlist_get_partition(list, i);

		if (p && !blkid_partition_is_extended(p))
			d->parts[d->n++] = describe(in, p);
	}
}

/* A GPT says in which sector it is only by being there. */
static void read_table(const struct input *in, unsigned sector_bytes, struct disk *d)
{
	blkid_probe probe = blkid_new_probe();
	blkid_partlist list;
	blkid_parttable table;
	const char *type;

	if (!probe || blkid_probe_set_device(probe, in->fd, 0, 0) != 0 ||
	    blkid_probe_set_sectorsize(probe, sector_bytes) != 0 ||
	    blkid_probe_enable_partitions(probe, 1) != 0) {
		blkid_free_probe(probe);
		return;
	}
	list = blkid_probe_get_partitions(probe);
	table = list ? blkid_partlist_get_table(list) : NULL;
	type = table ? blkid_parttable_get_type(table) : NULL;
	if (type && (strcmp(type, "gpt") == 0 || strcmp(type, "dos") == 0))
		copy_list(in, list, d);
	blkid_free_probe(probe);
}

static void list_partitions(const struct input *in, const struct disk *d)
{
	for (size_t i = 0; i < d->n; i++)
		tool_say(in->name, "partition %d: %s, %s%s%s", d->parts[i].number,
			 tool_human(d->parts[i].n_bytes),
			 d->parts[i].filesystem ? d->parts[i].filesystem
						: "no filesystem that is known",
			 d->parts[i].architecture ? ", root of " : "",
			 d->parts[i].architecture ? d->parts[i].architecture : "");
}

static bool by_type(const struct part *p)
{
	return p->architecture != NULL;
}

static bool by_type_here(const struct part *p)
{
	return p->architecture && is_of_this_machine(p->architecture);
}

static bool by_filesystem(const struct part *p)
{
	return can_hold_a_root(p->filesystem);
}

static bool by_content(const struct part *p)
{
	return p->looks_like_root;
}

/* The only one that is so, or NULL. */
static const struct part *only(const struct disk *d, bool (*is_so)(const struct part *))
{
	const struct part *found = NULL;

	for (size_t i = 0; i < d->n; i++) {
		if (!is_so(&d->parts[i]))
			continue;
		if (found)
			return NULL;
		found = &d->parts[i];
	}
	return found;
}

static void look_inside(const struct input *in, const struct input_options *o,
			struct part *p)
{
	static const char *const signs[] = {"/etc/os-release", "/usr/lib/os-release",
					    "/sbin/init", "/usr/sbin/init"};
	struct tree tree;

	if (!can_hold_a_root(p->filesystem))
		return;
	p->is_closed = !tree_open(p->filesystem, in->fd, in->base + p->off, p->n_bytes,
				  o->output_path, &tree);
	if (p->is_closed)
		return;
	for (size_t i = 0; !p->looks_like_root && i < ARRAY_SIZE(signs); i++) {
		cleanup_free char *text = NULL;
		size_t n;

		p->looks_like_root = tree_read(&tree, signs[i], 64, &text, &n);
	}
	tree_close(&tree);
}

/* What nobody can look into may be a root too. */
static const struct part *choose_by_content(const struct input *in,
					    const struct input_options *o, struct disk *d)
{
	for (size_t i = 0; i < d->n; i++) {
		look_inside(in, o, &d->parts[i]);
		if (d->parts[i].is_closed) {
			tool_say(in->name, "partition %d: cannot look into its %s%s",
				 d->parts[i].number, d->parts[i].filesystem,
				 geteuid() == 0 ? "" : " but as root");
			return NULL;
		}
	}
	return only(d, by_content);
}

static const struct part *choose(const struct input *in, const struct input_options *o,
				 struct disk *d, const char **ret_why)
{
	static const struct {
		bool (*is_so)(const struct part *);
		const char *why;
	} rules[] = {
		{by_type, "the only one whose type is that of a root"},
		{by_type_here, "the only one whose type is that of a root of this "
			       "machine's architecture"},
		{by_filesystem, "the only one with a filesystem for a root"},
	};
	bool has_type = false;

	for (size_t i = 0; i < d->n; i++)
		has_type |= by_type(&d->parts[i]);
	for (size_t i = has_type ? 0 : 2; i < (has_type ? 2 : ARRAY_SIZE(rules)); i++) {
		const struct part *p = only(d, rules[i].is_so);

		*ret_why = rules[i].why;
		if (p)
			return p;
	}
	*ret_why = "the only one with an os-release or an init in it";
	return has_type ? NULL : choose_by_content(in, o, d);
}

static const struct part *by_number(const struct disk *d, const char *text)
{
	uint64_t number;

	if (!tool_parse_number(text, &number))
		return NULL;
	for (size_t i = 0; i < d->n; i++)
		if ((uint64_t)d->parts[i].number == number)
			return &d->parts[i];
	return NULL;
}

static bool is_by_number(const struct input_options *o)
{
	return o->partition && strcmp(o->partition, "auto") != 0;
}

static int narrow(struct input *in, struct disk *d, const struct input_options *o)
{
	bool is_auto = !is_by_number(o);
	const char *why = "as you say";
	const struct part *p =
		is_auto ? choose(in, o, d, &why) : by_number(d, o->partition);

	if (!p) {
		list_partitions(in, d);
		return is_auto ? tool_fail(in->name, "a partitioned disk, and it is not "
						     "clear which partition is the root; "
						     "give --partition=N")
			       : tool_fail(in->name, "has no partition %s", o->partition);
	}
	tool_say(in->name, "partition %d, %s, %s: %s", p->number, tool_human(p->n_bytes),
		 p->filesystem ? p->filesystem : "unknown", why);
	return input_narrow(in, p->off, p->n_bytes);
}

bool partition_is_valid(const char *text)
{
	uint64_t n;

	return strcmp(text, "auto") == 0 || (tool_parse_number(text, &n) && n >= 1);
}

static int read_disk(const struct input *in, struct disk *d)
{
	d->parts = calloc(PARTITIONS_MAX, sizeof *d->parts);
	if (!d->parts)
		return tool_fail(in->name, "out of memory");
	read_table(in, 512, d);
	if (d->n == 0)
		read_table(in, 4096, d);
	return EXIT_DONE;
}

static int fail_both(const struct input *in, const struct disk *d, const char *filesystem)
{
	list_partitions(in, d);
	return tool_fail(in->name,
			 "begins with the superblock of %s and has a partition table: "
			 "one of them is of former days; give --partition=N, or remove "
			 "the table with 'wipefs --types dos,gpt --all'",
			 filesystem);
}

static int fail_no_table(const struct input *in, const struct input_options *o)
{
	return tool_fail(in->name, "--partition=%s: has no partitions", o->partition);
}

int input_choose_partition(struct input *in, const struct input_options *o)
{
	const char *filesystem = probe_name(in->peek, in->n_peek);
	struct disk d = {NULL, 0};
	int r;

	/* A stream with a table would have been spooled: this is a filesystem alone. */
	if (!in->can_seek)
		return is_by_number(o) ? fail_no_table(in, o) : EXIT_DONE;
	r = read_disk(in, &d);
	if (r == EXIT_DONE && d.n > 0)
		r = filesystem && !o->partition ? fail_both(in, &d, filesystem)
						: narrow(in, &d, o);
	else if (r == EXIT_DONE && is_by_number(o))
		r = fail_no_table(in, o);
	free(d.parts);
	return r;
}
