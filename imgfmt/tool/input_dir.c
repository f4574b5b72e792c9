/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input_dir.c - a directory: mke2fs makes an ext4 of it in a scratch file
 *
 * The same tree gives the same bytes.  mke2fs takes the entries of a directory sorted, so
 * what is left to pin down is: its configuration file, the locale it sorts by, UUID and
 * hash seed, the time of making, the size (from the tree alone), and the ctime and atime
 * that it copies from the tree, which no copy of a tree keeps (ext4_times.c).
 *
 * The features are listed, not left to the version of mke2fs: a kernel older than the
 * build host has to mount it.
 */
#include "imgfmt/tool/input.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "imgfmt/tool/output.h"
#include "imgfmt/tool/tool.h"

#define BLOCK_BYTES 4096u
#define INODE_BYTES 256u
#define JOURNAL_MIB 16u
#define SPARE_MIB 64u
#define SPARE_INODES 16384u
#define UUID "6879646f-726f-8f74-8000-657874340001"
#define FEATURES                                                                          \
	"none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super," \
	"large_file,huge_file,dir_nlink,extra_isize,metadata_csum"
#define EXTENDED "lazy_itable_init=0,lazy_journal_init=0,nodiscard,hash_seed=" UUID
/*
 * The host's mke2fs.conf must not matter; mke2fs wants one that knows the types that
 * it is told.
 */
#define CONFIG                                                                           \
	"[fs_types]\n"                                                                   \
	"ext4 = {\ninode_size = 256\n}\n"                                                \
	"default = {\nblocksize = 4096\n}\n"
/* Not 0, which mke2fs takes for "not given". */
#define FAKE_TIME "1"

struct tree {
	uint64_t n_blocks;
	uint64_t n_inodes;
};

/* nftw has no argument to hand on. */
static struct tree counted;

static int count_entry(const char *path _unused_, const struct stat *st, int type,
		       struct FTW *ftw _unused_)
{
	if (type == FTW_NS || type == FTW_DNR)
		return -1;
	counted.n_inodes++;
	/* By size, not by blocks in use: those depend on the filesystem that holds the
	 * tree.  A directory's size does too; half a block an entry is more than ext4
	 * needs. */
	if (S_ISREG(st->st_mode))
		counted.n_blocks += div_round_up((uint64_t)st->st_size, BLOCK_BYTES);
	if (S_ISDIR(st->st_mode))
		counted.n_blocks += 2;
	if (S_ISLNK(st->st_mode))
		counted.n_blocks++;
	return 0;
}

static int count_tree(const char *path, struct tree *ret)
{
	counted = (struct tree){0, 0};
	errno = 0;
	if (nftw(path, count_entry, 64, FTW_PHYS) != 0)
		return tool_fail_errno(path, "cannot read the whole tree");
	*ret = counted;
	return EXIT_DONE;
}

/*
 * It is to be a writable root: a quarter more and 64 MiB stay free, and inodes likewise.
 * The room costs nothing, since zeros are neither stored nor fetched.
 */
static uint64_t filesystem_bytes(const struct tree *t, uint64_t *ret_inodes)
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

/*
 * In the child: what of the caller's environment would show in the filesystem.  The
 * rest stays, fakeroot lives by it.
 */
static bool set_environment(void)
{
	static const char *const unwanted[] = {
		"MKE2FS_SYNC", "MKE2FS_DEVICE_SECTSIZE", "MKE2FS_DEVICE_PHYS_SECTSIZE",
		"MKE2FS_FIRST_META_BG", "SOURCE_DATE_EPOCH"};
	char config[64];
	int fd = memfd_create("mke2fs.conf", 0);

	if (fd < 0 || write_all(fd, CONFIG, strlen(CONFIG)) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(unwanted); i++)
		unsetenv(unwanted[i]);
	snprintf(config, sizeof config, "/proc/self/fd/%d", fd);
	return setenv("LC_ALL", "C", 1) == 0 &&
	       setenv("E2FSPROGS_FAKE_TIME", FAKE_TIME, 1) == 0 &&
	       setenv("MKE2FS_CONFIG", config, 1) == 0 &&
	       setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1) == 0;
}

/* What mke2fs says goes to stderr as it is; it is the one that knows. */
static void exec_mke2fs(const char *path, int fd, uint64_t n_inodes)
{
	char device[64], inodes[32], journal[32];

	snprintf(device, sizeof device, "/proc/self/fd/%d", fd);
	snprintf(inodes, sizeof inodes, "%" PRIu64, n_inodes);
	snprintf(journal, sizeof journal, "size=%u", JOURNAL_MIB);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!set_environment() || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
	    fcntl(fd, F_SETFD, 0) < 0)
		_exit(126);
	execlp("mke2fs", "mke2fs", "-q", "-F", "-t", "ext4", "-T", "default", "-b",
	       "4096", "-I", "256", "-m", "1", "-L", "root", "-O", FEATURES, "-E",
	       EXTENDED, "-U", UUID, "-J", journal, "-N", inodes, "-d", path, device,
	       (char *)NULL);
	_exit(127);
}

static int run_mke2fs(const char *path, int fd, uint64_t n_inodes)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		exec_mke2fs(path, fd, n_inodes);
	if (child < 0)
		return tool_fail_errno(path, "cannot start mke2fs");
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return tool_fail_errno(path, "cannot wait for mke2fs");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return tool_fail(path, "cannot run mke2fs; install e2fsprogs");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return tool_fail(path, "mke2fs failed");
	return EXIT_DONE;
}

static int make_filesystem(const char *path, int fd)
{
	struct tree tree = {0, 0};
	uint64_t n_inodes;
	int r = count_tree(path, &tree);

	if (r != EXIT_DONE)
		return r;
	if (ftruncate(fd, (off_t)filesystem_bytes(&tree, &n_inodes)) < 0)
		return tool_fail_errno(path, "cannot make room for its filesystem");
	r = run_mke2fs(path, fd, n_inodes);
	return r == EXIT_DONE ? ext4_settle_times(path, fd) : r;
}

int input_open_dir(const char *path, const char *output_path, struct input *ret)
{
	cleanup_fd int fd = output_scratch(output_path);
	int r;

	if (fd < 0)
		return tool_fail_errno(output_path, "cannot create a file beside it");
	r = make_filesystem(path, fd);
	return r == EXIT_DONE ? input_open_fd(path, steal_fd(&fd), ret) : r;
}
