/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.c - which filesystem is it, and can a disk with 4096-byte sectors carry it
 *
 * zram has sectors of 4096 bytes, so the root disk has them too; a filesystem made for
 * smaller ones would boot as far as the mount and no further.  Better refused here, with
 * the remedy.
 */
#include "imgfmt/tool/input.h"

#include "imgfmt/tool/tool.h"

#define SECTOR_BYTES 4096u
#define UNIT_TOO_SMALL                                                                   \
	"%s with blocks or sectors of %u bytes: the root disk has sectors of 4096; "     \
	"make it with '%s'"
#define EXT_SUPER 1024
#define EROFS_SUPER 1024
#define BTRFS_SUPER 65536

struct probe {
	/* NULL when it is another filesystem.  Sets *ret_unit to its smallest sector
	 * or block. */
	const char *(*match)(const uint8_t *p, size_t n, uint64_t *ret_unit);
	const char *remedy;
};

static bool has(size_t n, size_t off, size_t n_bytes)
{
	return n >= off + n_bytes;
}

static const char *match_ext(const uint8_t *p, size_t n, uint64_t *ret_unit)
{
	const uint8_t *super = p + EXT_SUPER;
	uint32_t log_block;

	if (!has(n, EXT_SUPER, 1024) || le16_load(super + 56) != 0xEF53)
		return NULL;
	log_block = le32_load(super + 24);
	*ret_unit = log_block < 7 ? 1024ull << log_block : 0;
	if (le32_load(super + 96) & 0x2C0) /* extents, 64bit, flex_bg */
		return "ext4";
	return le32_load(super + 92) & 4 ? "ext3" : "ext2"; /* has a journal */
}

static uint32_t be32_load(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static const char *match_xfs(const uint8_t *p, size_t n, uint64_t *ret_unit)
{
	if (!has(n, 0, 512) || memcmp(p, "XFSB", 4) != 0)
		return NULL;
	*ret_unit = min_u64(be32_load(p + 4), (uint64_t)p[102] << 8 | p[103]);
	return "xfs";
}

static const char *match_btrfs(const uint8_t *p, size_t n, uint64_t *ret_unit)
{
	if (!has(n, BTRFS_SUPER, 4096) ||
	    memcmp(p + BTRFS_SUPER + 64, "_BHRfS_M", 8) != 0)
		return NULL;
	*ret_unit = le32_load(p + BTRFS_SUPER + 144);
	return "btrfs";
}

static const char *match_squashfs(const uint8_t *p, size_t n, uint64_t *ret_unit)
{
	if (!has(n, 0, 96) || memcmp(p, "hsqs", 4) != 0)
		return NULL;
	*ret_unit = SECTOR_BYTES; /* reads whatever the disk has */
	return "squashfs";
}

static const char *match_erofs(const uint8_t *p, size_t n, uint64_t *ret_unit)
{
	if (!has(n, EROFS_SUPER, 128) || le32_load(p + EROFS_SUPER) != 0xE0F5E1E2)
		return NULL;
	*ret_unit = p[EROFS_SUPER + 12] < 32 ? 1ull << p[EROFS_SUPER + 12] : 0;
	return "erofs";
}

static const char *match_vfat(const uint8_t *p, size_t n, uint64_t *ret_unit)
{
	if (!has(n, 0, 512) || p[510] != 0x55 || p[511] != 0xAA)
		return NULL;
	if (memcmp(p + 54, "FAT", 3) != 0 && memcmp(p + 82, "FAT", 3) != 0)
		return NULL;
	*ret_unit = le16_load(p + 11);
	return "vfat";
}

static const struct probe probes[] = {
	{match_ext, "mke2fs -b 4096"},
	{match_xfs, "mkfs.xfs -s size=4096"},
	{match_btrfs, "mkfs.btrfs --sectorsize 4096"},
	{match_squashfs, ""},
	{match_erofs, "mkfs.erofs -b 4096"},
	{match_vfat, "mkfs.vfat -S 4096"},
};

/* A GPT with either sector size, or an MBR with a first partition. */
static bool is_partitioned(const uint8_t *p, size_t n)
{
	if (has(n, 512, 8) && memcmp(p + 512, "EFI PART", 8) == 0)
		return true;
	if (has(n, 4096, 8) && memcmp(p + 4096, "EFI PART", 8) == 0)
		return true;
	return has(n, 0, 512) && p[510] == 0x55 && p[511] == 0xAA &&
	       (p[446] & 0x7f) == 0 && p[450] != 0 && le32_load(p + 454) != 0 &&
	       le32_load(p + 458) != 0;
}

const char *probe_name(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		uint64_t unit = 0;
		const char *name = probes[i].match(p, n, &unit);

		if (name)
			return name;
	}
	return NULL;
}

int probe_filesystem(const struct input *in, const char **ret_name)
{
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		uint64_t unit = 0;
		const char *name = probes[i].match(in->peek, in->n_peek, &unit);

		if (!name)
			continue;
		if (unit < SECTOR_BYTES)
			return tool_fail(in->name, UNIT_TOO_SMALL, name, (unsigned)unit,
					 probes[i].remedy);
		*ret_name = name;
		return EXIT_DONE;
	}
	if (is_partitioned(in->peek, in->n_peek))
		return tool_fail(
			in->name,
			"looks like a partitioned disk, but its table is damaged "
			"or empty");
	tool_warn(in->name,
		  "no filesystem that is known; it needs blocks and sectors of at "
		  "least 4096 bytes");
	*ret_name = "unknown";
	return EXIT_DONE;
}
