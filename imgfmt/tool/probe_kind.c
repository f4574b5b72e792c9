/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe_kind.c - what is in an INPUT that is no filesystem we know, when it can be told
 *
 * libblkid knows filesystems, RAIDs, encrypted disks and swap, the table here archives.  What
 * is certainly nothing that a node can have its root on is refused with what to do instead;
 * what nobody knows is not: it may be the filesystem of tomorrow.
 */
#include "imgfmt/tool/probe.h"

#include <blkid/blkid.h>

#include "imgfmt/tool/tool.h"

#define TYPE_BYTES 64

static const struct kind {
	const char *type; /* as libblkid has it */
	const char *remedy;
} no_roots[] = {
	{"iso9660", "give the filesystem in it, or its files as a folder"},
	{"udf", "give its files as a folder"},
	{"ntfs", NULL},
	{"exfat", NULL},
	{"hfs", NULL},
	{"hfsplus", NULL},
	{"apfs", NULL},
	{"crypto_LUKS", "open it with 'cryptsetup open' and give /dev/mapper/NAME"},
	{"BitLocker", NULL},
	{"swap", NULL},
	{"swsuspend", NULL},
	{"LVM2_member", "give the logical volume in it"},
	{"LVM1_member", "give the logical volume in it"},
	{"linux_raid_member", "assemble it and give the md device"},
	{"zfs_member", "give its files as a folder"},
	{"bcache", "give the device that bcache makes of it"},
	{"DM_verity_hash", "give the device that it is the hash tree of"},
	{"VMFS", NULL},
	{"VMFS_volume_member", NULL},
};

static const struct magic {
	size_t off;
	const char *bytes;
	size_t n;
	const char *name;
} archives[] = {
	{0, "PK\3\4", 4, "a zip archive"},
	{0, "070701", 6, "a cpio archive"},
	{0, "070702", 6, "a cpio archive"},
	{0, "070707", 6, "a cpio archive"},
	{0, "\xc7\x71", 2, "a cpio archive"},
	{0, "7z\xbc\xaf\x27\x1c", 6, "a 7z archive"},
	{0, "Rar!\x1a\x07", 6, "a rar archive"},
	{0, "!<arch>\n", 8, "an ar archive, as Debian packages are"},
	{0, "\xed\xab\xee\xdb", 4, "an RPM package"},
	{0, "xar!", 4, "a xar archive"},
	{0, "\x04\x22\x4d\x18", 4, "compressed by lz4"},
	{0, "LZIP", 4, "compressed by lzip"},
	{8, "HYDRPAK1", 8, "a hot pack"},
};

static int refuse(const struct input *in, bool any, const char *what, const char *remedy)
{
	if (any) {
		tool_warn(in->name, "is %s, and no node can have its root on that", what);
		return EXIT_DONE;
	}
	return tool_fail(in->name,
			 "is %s, and no node can have its root on that; %s%s"
			 "--any-content takes it as it is",
			 what, remedy ? remedy : "", remedy ? ", or " : "");
}

static const char *archive_name(const struct input *in)
{
	for (size_t i = 0; i < ARRAY_SIZE(archives); i++)
		if (in->n_peek >= archives[i].off + archives[i].n &&
		    memcmp(in->peek + archives[i].off, archives[i].bytes,
			   archives[i].n) == 0)
			return archives[i].name;
	return NULL;
}

/* "" when libblkid knows nothing, or knows several things. */
static void read_type(const struct input *in, char ret[TYPE_BYTES], uint64_t *ret_block)
{
	blkid_probe probe = blkid_new_probe();
	const char *type = NULL, *block = NULL;

	ret[0] = '\0';
	*ret_block = 0;
	if (probe &&
	    blkid_probe_set_device(probe, in->fd, (blkid_loff_t)in->base,
				   (blkid_loff_t)in->n_bytes) == 0 &&
	    blkid_probe_enable_superblocks(probe, 1) == 0 &&
	    blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE |
							     BLKID_SUBLKS_MAGIC) == 0 &&
	    blkid_do_safeprobe(probe) == 0 &&
	    blkid_probe_lookup_value(probe, "TYPE", &type, NULL) == 0)
		snprintf(ret, TYPE_BYTES, "%s", type);
	if (type && (blkid_probe_lookup_value(probe, "BLOCK_SIZE", &block, NULL) != 0 ||
		     !tool_parse_number(block, ret_block)))
		*ret_block = 0;
	blkid_free_probe(probe);
}

static int check_type(const struct input *in, bool any, const char *type, uint64_t block)
{
	char what[TYPE_BYTES + 16];

	snprintf(what, sizeof what, "of type %s", type);
	for (size_t i = 0; i < ARRAY_SIZE(no_roots); i++)
		if (strcmp(no_roots[i].type, type) == 0)
			return refuse(in, any, what, no_roots[i].remedy);
	if (block > 0 && block < PROBE_SECTOR_BYTES)
		return tool_fail(in->name,
				 "%s with blocks or sectors of %u bytes: the root disk "
				 "has sectors of 4096; make it with blocks of 4096",
				 type, (unsigned)block);
	tool_warn(in->name,
		  "holds a filesystem of type %s, which is not looked into: it "
		  "needs blocks and sectors of at least 4096 bytes",
		  type);
	return EXIT_DONE;
}

int probe_kind(const struct input *in, bool any)
{
	const char *archive = archive_name(in);
	char type[TYPE_BYTES] = "";
	uint64_t block = 0;

	if (archive)
		return refuse(in, any, archive, "give what is in it");
	if (in->can_seek)
		read_type(in, type, &block);
	if (type[0])
		return check_type(in, any, type, block);
	tool_warn(in->name,
		  "no filesystem that is known; it needs blocks and sectors of at "
		  "least 4096 bytes");
	return EXIT_DONE;
}
