/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.c - which filesystem is it, and can a disk with 4096-byte sectors carry it
 *
 * zram has sectors of 4096 bytes, so the root disk has them too; a filesystem made for
 * smaller ones would boot as far as the mount and no further, and one that was cut short not
 * even that, or farther.  Better refused here, with the remedy.
 */
#include "imgfmt/tool/probe.h"

#include <inttypes.h>

#include "imgfmt/tool/tool.h"

#define UNIT_TOO_SMALL                                                                   \
	"%s with blocks or sectors of %u bytes: the root disk has sectors of 4096; "     \
	"make it with '%s'"
#define EXT_SUPER 1024
#define EROFS_SUPER 1024
#define BTRFS_SUPER 65536

/* What a superblock says. */
struct super {
	uint64_t unit; /* its smallest sector or block */
	uint64_t n_bytes; /* of the filesystem */
};

struct probe {
	/* NULL when it is another filesystem. */
	const char *(*match)(const uint8_t *p, size_t n, struct super *ret);
	const char *remedy;
};

static bool has(size_t n, size_t off, size_t n_bytes)
{
	return n >= off + n_bytes;
}

/* 0 when there cannot be as many. */
static uint64_t product(uint64_t n, uint64_t unit)
{
	uint64_t n_bytes;

	return checked_mul(n, unit, &n_bytes) ? n_bytes : 0;
}

static uint32_t be32_load(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t be64_load(const uint8_t *p)
{
	return (uint64_t)be32_load(p) << 32 | be32_load(p + 4);
}

static const char *match_ext(const uint8_t *p, size_t n, struct super *ret)
{
	const uint8_t *super = p + EXT_SUPER;
	uint32_t log_block;
	uint64_t n_blocks;

	if (!has(n, EXT_SUPER, 1024) || le16_load(super + 56) != 0xEF53)
		return NULL;
	log_block = le32_load(super + 24);
	ret->unit = log_block < 7 ? 1024ull << log_block : 0;
	n_blocks = le32_load(super + 4);
	if (le32_load(super + 96) & 0x80) /* 64bit */
		n_blocks |= (uint64_t)le32_load(super + 336) << 32;
	ret->n_bytes = product(n_blocks, ret->unit);
	if (le32_load(super + 96) & 0x2C0) /* extents, 64bit, flex_bg */
		return "ext4";
	return le32_load(super + 92) & 4 ? "ext3" : "ext2"; /* has a journal */
}

static const char *match_xfs(const uint8_t *p, size_t n, struct super *ret)
{
	if (!has(n, 0, 512) || memcmp(p, "XFSB", 4) != 0)
		return NULL;
	ret->unit = min_u64(be32_load(p + 4), (uint64_t)p[102] << 8 | p[103]);
	ret->n_bytes = product(be64_load(p + 8), be32_load(p + 4));
	return "xfs";
}

static const char *match_btrfs(const uint8_t *p, size_t n, struct super *ret)
{
	if (!has(n, BTRFS_SUPER, 4096) ||
	    memcmp(p + BTRFS_SUPER + 64, "_BHRfS_M", 8) != 0)
		return NULL;
	ret->unit = le32_load(p + BTRFS_SUPER + 144);
	ret->n_bytes = le64_load(p + BTRFS_SUPER + 209); /* of this device */
	return "btrfs";
}

static const char *match_squashfs(const uint8_t *p, size_t n, struct super *ret)
{
	if (!has(n, 0, 96) || memcmp(p, "hsqs", 4) != 0)
		return NULL;
	ret->unit = PROBE_SECTOR_BYTES; /* reads whatever the disk has */
	ret->n_bytes = le64_load(p + 40);
	return "squashfs";
}

static const char *match_erofs(const uint8_t *p, size_t n, struct super *ret)
{
	if (!has(n, EROFS_SUPER, 128) || le32_load(p + EROFS_SUPER) != 0xE0F5E1E2)
		return NULL;
	ret->unit = p[EROFS_SUPER + 12] < 32 ? 1ull << p[EROFS_SUPER + 12] : 0;
	ret->n_bytes = product(le32_load(p + EROFS_SUPER + 36), ret->unit);
	return "erofs";
}

static const char *match_vfat(const uint8_t *p, size_t n, struct super *ret)
{
	if (!has(n, 0, 512) || p[510] != 0x55 || p[511] != 0xAA)
		return NULL;
	if (memcmp(p + 54, "FAT", 3) != 0 && memcmp(p + 82, "FAT", 3) != 0)
		return NULL;
	ret->unit = le16_load(p + 11);
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
bool probe_is_partitioned(const uint8_t *p, size_t n)
{
	if (has(n, 512, 8) && memcmp(p + 512, "EFI PART", 8) == 0)
		return true;
	if (has(n, 4096, 8) && memcmp(p + 4096, "EFI PART", 8) == 0)
		return true;
	return has(n, 0, 512) && p[510] == 0x55 && p[511] == 0xAA &&
	       (p[446] & 0x7f) == 0 && p[450] != 0 && le32_load(p + 454) != 0 &&
	       le32_load(p + 458) != 0;
}

static const char *match(const uint8_t *p, size_t n, struct super *ret,
			 const char **ret_remedy)
{
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		const char *name = probes[i].match(p, n, ret);

		*ret_remedy = probes[i].remedy;
		if (name)
			return name;
	}
	return NULL;
}

const char *probe_name(const uint8_t *p, size_t n)
{
	struct super super = {0, 0};
	const char *remedy;

	return match(p, n, &super, &remedy);
}

int probe_check_length(const char *input_name, uint64_t filesystem_bytes,
		       uint64_t n_bytes)
{
	/* What is left of the last sector is filled with zeros. */
	n_bytes = div_round_up(n_bytes, PROBE_SECTOR_BYTES) * PROBE_SECTOR_BYTES;
	if (filesystem_bytes <= n_bytes)
		return EXIT_DONE;
	return tool_fail(input_name,
			 "was cut short: its filesystem has %" PRIu64
			 " bytes, and here are %" PRIu64,
			 filesystem_bytes, n_bytes);
}

static int probe_other(const struct input *in, bool any_content)
{
	if (probe_is_partitioned(in->peek, in->n_peek))
		return tool_fail(
			in->name,
			"looks like a partitioned disk, but its table is damaged "
			"or empty");
	return probe_kind(in, any_content);
}

int probe_filesystem(const struct input *in, bool any_content, const char **ret_name,
		     uint64_t *ret_bytes)
{
	struct super super = {0, 0};
	const char *remedy, *name = match(in->peek, in->n_peek, &super, &remedy);

	*ret_name = name ? name : "unknown";
	*ret_bytes = super.n_bytes;
	if (!name)
		return probe_other(in, any_content);
	if (super.unit < PROBE_SECTOR_BYTES)
		return tool_fail(in->name, UNIT_TOO_SMALL, name, (unsigned)super.unit,
				 remedy);
	return in->can_seek ? probe_check_length(in->name, super.n_bytes, in->n_bytes)
			    : EXIT_DONE;
}
