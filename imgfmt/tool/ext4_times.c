/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext4_times.c - make an ext4 of mke2fs -d depend on the tree alone
 *
 * mke2fs copies each file's atime and ctime.  Reading changes the one and nobody can set
 * the other, so two copies of a tree never have the same.  Both become the file's mtime
 * here.
 *
 * Only what input_dir.c makes is understood: 4096-byte blocks, 256-byte inodes, 64-byte
 * group descriptors, metadata_csum without a seed of its own.  Offsets are those of the
 * kernel's Documentation/filesystems/ext4.
 */
#include "imgfmt/tool/mkfs.h"

#include <errno.h>

#include "imgfmt/tool/tool.h"

#define BLOCK_BYTES 4096u
#define INODE_BYTES 256u
#define DESCRIPTOR_BYTES 64u
#define SUPER_OFF 1024

#define INODE_ATIME 0x08
#define INODE_CTIME 0x0C
#define INODE_MTIME 0x10
#define INODE_LINKS 0x1A
#define INODE_GENERATION 0x64
#define INODE_CHECKSUM_LOW 0x7C
#define INODE_CHECKSUM_HIGH 0x82
#define INODE_CTIME_EXTRA 0x84
#define INODE_MTIME_EXTRA 0x88
#define INODE_ATIME_EXTRA 0x8C

struct ext4 {
	const char *name;
	int fd;
	uint32_t inodes_per_group;
	uint32_t n_groups;
	uint32_t seed; /* of every checksum: CRC32C of the UUID */
	uint32_t table[256]; /* CRC32C */
	uint8_t *inodes; /* of one group */
};

static void make_crc_table(uint32_t table[256])
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (unsigned bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0x82F63B78 : c >> 1;
		table[i] = c;
	}
}

static uint32_t crc32c(const struct ext4 *fs, uint32_t crc, const uint8_t *p, size_t n)
{
	while (n-- > 0)
		crc = crc >> 8 ^ fs->table[(crc ^ *p++) & 0xff];
	return crc;
}

static void set_checksum(const struct ext4 *fs, uint32_t ino, uint8_t *inode)
{
	uint8_t number[4];
	uint32_t crc;

	le32_store(number, ino);
	le16_store(inode + INODE_CHECKSUM_LOW, 0);
	le16_store(inode + INODE_CHECKSUM_HIGH, 0);
	crc = crc32c(fs, fs->seed, number, sizeof number);
	crc = crc32c(fs, crc, inode + INODE_GENERATION, 4);
	crc = crc32c(fs, crc, inode, INODE_BYTES);
	le16_store(inode + INODE_CHECKSUM_LOW, (uint16_t)crc);
	le16_store(inode + INODE_CHECKSUM_HIGH, (uint16_t)(crc >> 16));
}

static void settle_inode(const struct ext4 *fs, uint32_t ino, uint8_t *inode)
{
	if (le16_load(inode + INODE_LINKS) == 0)
		return;
	memcpy(inode + INODE_ATIME, inode + INODE_MTIME, 4);
	memcpy(inode + INODE_CTIME, inode + INODE_MTIME, 4);
	memcpy(inode + INODE_ATIME_EXTRA, inode + INODE_MTIME_EXTRA, 4);
	memcpy(inode + INODE_CTIME_EXTRA, inode + INODE_MTIME_EXTRA, 4);
	set_checksum(fs, ino, inode);
}

static bool read_at(int fd, void *buf, size_t n, uint64_t off)
{
	return pread(fd, buf, n, (off_t)off) == (ssize_t)n;
}

static int settle_group(const struct ext4 *fs, uint32_t group)
{
	size_t n = (size_t)fs->inodes_per_group * INODE_BYTES;
	uint8_t d[DESCRIPTOR_BYTES];
	uint64_t off;

	if (!read_at(fs->fd, d, sizeof d, BLOCK_BYTES + (uint64_t)group * sizeof d))
		return tool_fail_errno(fs->name, "cannot read its filesystem");
	off = (le32_load(d + 8) | (uint64_t)le32_load(d + 0x28) << 32) * BLOCK_BYTES;
	if (!read_at(fs->fd, fs->inodes, n, off))
		return tool_fail_errno(fs->name, "cannot read its filesystem");
	for (uint32_t i = 0; i < fs->inodes_per_group; i++)
		settle_inode(fs, group * fs->inodes_per_group + i + 1,
			     fs->inodes + (size_t)i * INODE_BYTES);
	if (pwrite(fs->fd, fs->inodes, n, (off_t)off) != (ssize_t)n)
		return tool_fail_errno(fs->name, "cannot write its filesystem");
	return EXIT_DONE;
}

static int read_super(struct ext4 *fs)
{
	uint8_t super[1024];
	uint64_t n_blocks;

	if (!read_at(fs->fd, super, sizeof super, SUPER_OFF))
		return tool_fail_errno(fs->name, "cannot read its filesystem");
	if (le16_load(super + 0x38) != 0xEF53 || le32_load(super + 0x18) != 2 ||
	    le16_load(super + 0x58) != INODE_BYTES ||
	    le16_load(super + 0xFE) != DESCRIPTOR_BYTES)
		return tool_fail(fs->name,
				 "mke2fs made another filesystem than was asked for");
	n_blocks = le32_load(super + 4) | (uint64_t)le32_load(super + 0x150) << 32;
	fs->inodes_per_group = le32_load(super + 0x28);
	fs->n_groups = (uint32_t)div_round_up(n_blocks, le32_load(super + 0x20));
	fs->seed = crc32c(fs, ~0u, super + 0x68, 16);
	return EXIT_DONE;
}

int ext4_settle_times(const char *name, int fd)
{
	struct ext4 fs = {.name = name, .fd = fd};
	int r;

	make_crc_table(fs.table);
	r = read_super(&fs);
	if (r != EXIT_DONE)
		return r;
	fs.inodes = malloc((size_t)fs.inodes_per_group * INODE_BYTES);
	if (!fs.inodes)
		return tool_fail(name, "out of memory");
	for (uint32_t group = 0; r == EXIT_DONE && group < fs.n_groups; group++)
		r = settle_group(&fs, group);
	free(fs.inodes);
	return r;
}
