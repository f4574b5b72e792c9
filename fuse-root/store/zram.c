/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zram.c - see zram.h
 *
 * Everything goes through /sys/block/zramN, opened once, because after switch_root no path
 * leads there any more.
 */
#include "store/zram.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/log.h"
#include "base/rundir.h"

#define CONTROL "/sys/class/zram-control"
/*
 * struct zram_table_entry: a handle and flags, 16 bytes a page; with
 * CONFIG_ZRAM_MEMORY_TRACKING a time too.
 */
#define TABLE_BYTES_PER_PAGE 16u
#define TABLE_BYTES_PER_PAGE_MAX 24u

static int write_at(int dirfd, const char *file, const char *text)
{
	cleanup_fd int fd = openat(dirfd, file, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	if (n < 0)
		return -errno;
	return (size_t)n == strlen(text) ? 0 : -EIO;
}

static int read_at(int dirfd, const char *file, char *buf, size_t n_bytes)
{
	cleanup_fd int fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, n_bytes - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return 0;
}

/* 0 when it cannot be read. */
static uint64_t read_number_at(int dirfd, const char *file)
{
	char text[32];

	return read_at(dirfd, file, text, sizeof text) < 0 ? 0 : strtoull(text, NULL, 10);
}

static int hot_add(unsigned *ret_id)
{
	char text[32];
	int err = read_at(AT_FDCWD, CONTROL "/hot_add", text, sizeof text);

	if (err < 0) {
		log_error("zram: no new device: %s: load the module zram",
			  strerror(-err));
		return err;
	}
	*ret_id = (unsigned)strtoul(text, NULL, 10);
	return 0;
}

/* One of the words, without the brackets around the one that is chosen. */
bool zram_has_algorithm(const struct zram *z, const char *algorithm)
{
	const size_t n = strlen(algorithm);

	if (n == 0)
		return true;
	for (const char *at = z->algorithms; (at = strstr(at, algorithm)); at += n)
		if ((at == z->algorithms || at[-1] == ' ') && strchr(" ", at[n]))
			return true;
	return false;
}

static int read_algorithms(struct zram *z)
{
	char words[sizeof z->algorithms];
	char *to = z->algorithms;
	int err = read_at(z->sysfs_fd, "comp_algorithm", words, sizeof words);

	if (err < 0)
		return err;
	for (const char *c = words; *c && *c != '\n'; c++)
		if (*c != '[' && *c != ']')
			*to++ = *c;
	while (to > z->algorithms && to[-1] == ' ')
		to--;
	*to = '\0';
	return 0;
}

static int choose_algorithm(struct zram *z, const char *wanted)
{
	static const char *const best[] = {"lz4", "lzo-rle", "zstd"};
	int err = read_algorithms(z);

	if (err < 0)
		return err;
	if (!zram_has_algorithm(z, wanted))
		wanted = "";
	for (unsigned i = 0; !*wanted && i < ARRAY_SIZE(best); i++)
		if (zram_has_algorithm(z, best[i]))
			wanted = best[i];
	return *wanted ? write_at(z->sysfs_fd, "comp_algorithm", wanted) : 0;
}

int zram_set_limit(const struct zram *z, uint64_t limit_bytes)
{
	char text[32];

	snprintf(text, sizeof text, "%" PRIu64, limit_bytes);
	return write_at(z->sysfs_fd, "mem_limit", text);
}

/* udev opens a new node for a moment, and disksize is then EBUSY: try for a second. */
static int set_size(const struct zram *z, uint64_t n_bytes, uint64_t limit_bytes)
{
	char text[32];
	int err;

	snprintf(text, sizeof text, "%" PRIu64, n_bytes);
	err = write_at(z->sysfs_fd, "disksize", text);
	for (int i = 0; err == -EBUSY && i < 20; i++) {
		usleep(50000);
		err = write_at(z->sysfs_fd, "disksize", text);
	}
	return err < 0 || limit_bytes == 0 ? err : zram_set_limit(z, limit_bytes);
}

static int open_node(struct zram *z)
{
	struct stat st;

	/* devtmpfs, or udev a moment later */
	for (int i = 0; i < 40; i++) {
		z->fd = open(z->path, O_RDWR | O_DIRECT | O_CLOEXEC);
		if (z->fd >= 0 || errno != ENOENT)
			break;
		usleep(50000);
	}
	if (z->fd < 0 || fstat(z->fd, &st) < 0)
		return -errno;
	z->major = major(st.st_rdev);
	z->minor = minor(st.st_rdev);
	return 0;
}

/*
 * The table is one vmalloc area made by zram, a guard page longer than what was asked
 * for.  Where that cannot be seen, the smaller kind is taken for granted.
 */
static unsigned find_table_entry_bytes(uint64_t n_bytes)
{
	uint64_t large = n_bytes / 4096 * TABLE_BYTES_PER_PAGE_MAX;
	uint64_t want = div_round_up(large, 4096) * 4096 + 4096;
	cleanup_file FILE *f = fopen("/proc/vmallocinfo", "re");
	char line[512];

	while (f && fgets(line, sizeof line, f)) {
		const char *size = strchr(line, ' ');

		if (size && strtoull(size, NULL, 10) == want &&
		    (strstr(line, "zram") || strstr(line, "disksize_store")))
			return TABLE_BYTES_PER_PAGE_MAX;
	}
	return TABLE_BYTES_PER_PAGE;
}

int zram_create(uint64_t n_bytes, const char *algorithm, uint64_t limit_bytes,
		struct zram *ret)
{
	struct zram z = {.fd = -1, .sysfs_fd = -1, .compact_fd = -1};
	char sysfs[64];
	int err = hot_add(&z.id);

	if (err < 0)
		return err;
	snprintf(z.path, sizeof z.path, "/dev/zram%u", z.id);
	z.diskseq = zram_diskseq(z.id);
	rundir_part_add(strrchr(z.path, '/') + 1, z.diskseq);
	snprintf(sysfs, sizeof sysfs, "/sys/block/zram%u", z.id);
	z.sysfs_fd = open(sysfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (z.sysfs_fd < 0)
		err = -errno;
	if (err == 0)
		err = choose_algorithm(&z, algorithm);
	if (err == 0)
		err = set_size(&z, n_bytes, limit_bytes);
	if (err == 0)
		err = open_node(&z);
	if (err < 0) {
		log_error("%s: set up with %" PRIu64 " bytes: %s", z.path, n_bytes,
			  strerror(-err));
		zram_close(&z);
		(void)!zram_remove(z.id, z.diskseq);
		return err;
	}
	z.compact_fd = openat(z.sysfs_fd, "compact", O_WRONLY | O_CLOEXEC);
	z.table_bytes_per_page = find_table_entry_bytes(n_bytes);
	*ret = z;
	return 0;
}

int zram_adopt(int fd, int sysfs_fd, unsigned table_bytes_per_page, struct zram *ret)
{
	struct zram z = {
		.fd = fd,
		.sysfs_fd = sysfs_fd,
		.compact_fd = -1,
		.table_bytes_per_page = table_bytes_per_page,
	};
	struct stat st;

	if (fd < 0 || sysfs_fd < 0 || fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode)) {
		zram_close(&z);
		return -ENODEV;
	}
	z.major = major(st.st_rdev);
	/* The driver gives device N the minor number N. */
	z.minor = z.id = minor(st.st_rdev);
	z.diskseq = read_number_at(sysfs_fd, "diskseq");
	snprintf(z.path, sizeof z.path, "/dev/zram%u", z.id);
	z.compact_fd = openat(sysfs_fd, "compact", O_WRONLY | O_CLOEXEC);
	*ret = z;
	return 0;
}

void zram_close(struct zram *z)
{
	if (z->fd >= 0)
		close(z->fd);
	if (z->sysfs_fd >= 0)
		close(z->sysfs_fd);
	if (z->compact_fd >= 0)
		close(z->compact_fd);
	z->fd = z->sysfs_fd = z->compact_fd = -1;
}

uint64_t zram_diskseq(unsigned id)
{
	char file[64];

	snprintf(file, sizeof file, "/sys/block/zram%u/diskseq", id);
	return read_number_at(AT_FDCWD, file);
}

int zram_remove(unsigned id, uint64_t diskseq)
{
	char text[32], file[64];
	int err;

	snprintf(text, sizeof text, "zram%u", id);
	if (diskseq && zram_diskseq(id) != diskseq) {
		rundir_part_remove(text, diskseq);
		return -ENODEV;
	}
	snprintf(file, sizeof file, "/sys/block/zram%u/reset", id);
	err = write_at(AT_FDCWD, file, "1");
	for (int i = 0; err == -EBUSY && i < 20; i++) {
		usleep(50000);
		err = write_at(AT_FDCWD, file, "1");
	}
	if (err < 0)
		return err;
	rundir_part_remove(text, diskseq);
	snprintf(text, sizeof text, "%u", id);
	return write_at(AT_FDCWD, CONTROL "/hot_remove", text);
}

int zram_compact(const struct zram *z)
{
	if (z->compact_fd < 0)
		return -EOPNOTSUPP;
	return pwrite(z->compact_fd, "1", 1, 0) < 0 ? -errno : 0;
}

static int read_mm_stat(const struct zram *z, uint64_t *ret_stored, uint64_t *ret_used)
{
	char text[256];
	int err = read_at(z->sysfs_fd, "mm_stat", text, sizeof text);

	if (err < 0)
		return err;
	/* orig_data_size compr_data_size mem_used_total … */
	return sscanf(text, "%" SCNu64 " %*u %" SCNu64, ret_stored, ret_used) == 2 ? 0
										   : -EIO;
}

int zram_mem_used(const struct zram *z, uint64_t *ret_bytes)
{
	uint64_t stored;

	return read_mm_stat(z, &stored, ret_bytes);
}

int zram_used_bytes(const struct zram *z, uint64_t *ret_used, uint64_t *ret_stored)
{
	char text[32];
	uint64_t stored = 0, mem_used = 0, disksize = 0;
	int err = read_mm_stat(z, &stored, &mem_used);

	if (err == 0)
		err = read_at(z->sysfs_fd, "disksize", text, sizeof text);
	if (err < 0)
		return err;
	disksize = strtoull(text, NULL, 10);
	*ret_used = mem_used + disksize / 4096 * z->table_bytes_per_page;
	*ret_stored = stored;
	return 0;
}
