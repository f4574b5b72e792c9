/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mkfs_ext4.c - mke2fs makes an ext4 of a tree
 *
 * The same tree gives the same bytes.  mke2fs takes the entries of a directory sorted, so
 * what is left to pin down is: its configuration file, the locale it sorts by, UUID and
 * hash seed, the time of making, the size (from the tree alone), and the ctime and atime
 * that it copies from the tree, which no copy of a tree keeps (ext4_times.c).
 *
 * The features are listed, not left to the version of mke2fs: a kernel older than the
 * build host has to mount it.
 */
#include "imgfmt/tool/mkfs.h"

#include <inttypes.h>
#include <sys/mman.h>

#include "imgfmt/tool/child.h"
#include "imgfmt/tool/output.h"
#include "imgfmt/tool/tool.h"

#define BLOCK_BYTES 4096u
#define INODE_BYTES 256u
#define JOURNAL "size=16"
#define JOURNAL_MIB 16u
#define SPARE_MIB 64u
#define SPARE_INODES 16384u
#define FEATURES                                                                          \
	"none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super," \
	"large_file,huge_file,dir_nlink,extra_isize,metadata_csum"
#define EXTENDED "lazy_itable_init=0,lazy_journal_init=0,nodiscard,hash_seed=" MKFS_UUID
/*
 * The host's mke2fs.conf must not matter; mke2fs wants one that knows the types that
 * it is told.
 */
#define CONFIG                                                                           \
	"[fs_types]\n"                                                                   \
	"ext4 = {\ninode_size = 256\n}\n"                                                \
	"default = {\nblocksize = 4096\n}\n"

/*
 * It is to be a writable root: a quarter more and 64 MiB stay free, and inodes likewise.
 * The room costs nothing, since zeros are neither stored nor fetched.
 */
static uint64_t filesystem_bytes(const struct mkfs_tree *t, uint64_t *ret_inodes)
{
	uint64_t inodes = t->n_inodes + t->n_inodes / 4 + SPARE_INODES;
	uint64_t used = (t->n_blocks + t->n_inodes / 16) * BLOCK_BYTES;
	uint64_t bytes = used + used / 4 + ((uint64_t)(SPARE_MIB + JOURNAL_MIB) << 20) +
			 inodes * INODE_BYTES;

	/* Descriptors, bitmaps, extent blocks: two percent is plenty. */
	bytes += bytes / 50;
	*ret_inodes = inodes;
	return div_round_up(bytes, 1u << 20) << 20;
}

static int run_mke2fs(const char *tree, int fd, int config_fd, uint64_t n_inodes)
{
	char device[CHILD_PATH_BYTES], inodes[32], config[64];
	const char *argv[] = {"mke2fs",	 "-q", "-F",	  "-t",	  "ext4",   "-T",
			      "default", "-b", "4096",	  "-I",	  "256",    "-m",
			      "1",	 "-L", "root",	  "-O",	  FEATURES, "-E",
			      EXTENDED,	 "-U", MKFS_UUID, "-J",	  JOURNAL,  "-N",
			      inodes,	 "-d", tree,	  device, NULL};
	const char *env[] = {"MKE2FS_SYNC",
			     "MKE2FS_DEVICE_SECTSIZE",
			     "MKE2FS_DEVICE_PHYS_SECTSIZE",
			     "MKE2FS_FIRST_META_BG",
			     "SOURCE_DATE_EPOCH",
			     "E2FSPROGS_FAKE_TIME=" MKFS_TIME,
			     config,
			     NULL};
	const struct child child = {.subject = tree,
				    .package = "e2fsprogs",
				    .argv = argv,
				    .env = env,
				    .fds = {fd, config_fd}};

	child_path(fd, device);
	snprintf(inodes, sizeof inodes, "%" PRIu64, n_inodes);
	snprintf(config, sizeof config, "MKE2FS_CONFIG=/proc/self/fd/%d", config_fd);
	return child_run(&child);
}

int mkfs_ext4(const char *tree, const struct mkfs_tree *size, int fd)
{
	cleanup_fd int config_fd = memfd_create("mke2fs.conf", MFD_CLOEXEC);
	uint64_t n_inodes;
	int r;

	if (config_fd < 0 || write_all(config_fd, CONFIG, strlen(CONFIG)) < 0)
		return tool_fail_errno(tree, "cannot write a configuration for mke2fs");
	if (ftruncate(fd, (off_t)filesystem_bytes(size, &n_inodes)) < 0)
		return tool_fail_errno(tree, "cannot make room for its filesystem");
	r = run_mke2fs(tree, fd, config_fd, n_inodes);
	return r == EXIT_DONE ? ext4_settle_times(tree, fd) : r;
}
