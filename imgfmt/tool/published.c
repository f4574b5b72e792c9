/* SPDX-License-Identifier: Apache-2.0 */
/*
 * published.c - a folder that images are published in
 */
#include "imgfmt/tool/published.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>

#include "imgfmt/imgfmt.h"
#include "imgfmt/tool/tool.h"

#define LINK_TRIES 100
#define NAME_BYTES (IMG_HEX_BYTES + 4) /* HEX.hri and its NUL */

struct old_file {
	char name[NAME_BYTES];
	struct timespec mtime;
	bool is_pointed_to;
};

struct old_files {
	struct old_file *list;
	size_t n;
};

/* A link beside `path`; its name goes to ret_temp. */
static int make_link(const char *path, const char *target, char **ret_temp)
{
	for (unsigned i = 0; i < LINK_TRIES; i++) {
		cleanup_free char *folder = strdup(path), *copy = strdup(path);
		char *temp = NULL;

		if (!folder || !copy ||
		    asprintf(&temp, "%s/.%s.%d.%u", dirname(folder), basename(copy),
			     (int)getpid(), i) < 0)
			return tool_fail(path, "out of memory");
		if (symlink(target, temp) == 0) {
			*ret_temp = temp;
			return EXIT_DONE;
		}
		free(temp);
		if (errno != EEXIST)
			break;
	}
	return tool_fail_errno(path, "cannot create a link beside it");
}

static void sync_folder_of(const char *path)
{
	cleanup_free char *copy = strdup(path);
	cleanup_fd int fd =
		copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	/* Not every filesystem can. */
	if (fd >= 0 && fsync(fd) < 0)
		return;
}

int published_switch(const char *path, const char *target)
{
	cleanup_free char *temp = NULL;
	int r = make_link(path, target, &temp);

	if (r != EXIT_DONE)
		return r;
	if (rename(temp, path) < 0) {
		tool_fail_errno(path, "cannot switch it");
		unlink(temp);
		return EXIT_FAILED;
	}
	sync_folder_of(path);
	return EXIT_DONE;
}

static bool is_digest_name(const char *name)
{
	return strlen(name) == NAME_BYTES - 1 &&
	       strspn(name, "0123456789abcdef") == IMG_HEX_BYTES - 1 &&
	       strcmp(name + IMG_HEX_BYTES - 1, ".hri") == 0;
}

static int add_file(struct old_files *files, int folder_fd, const char *name)
{
	struct old_file *grown, *file;
	struct stat st;

	if (!is_digest_name(name) ||
	    fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return 0;
	grown = reallocarray(files->list, files->n + 1, sizeof *grown);
	if (!grown)
		return -ENOMEM;
	files->list = grown;
	file = &grown[files->n++];
	*file = (struct old_file){.mtime = st.st_mtim};
	memcpy(file->name, name, sizeof file->name);
	return 0;
}

static int list_files(DIR *folder, struct old_files *ret)
{
	struct dirent *e;
	int r = 0;

	while (r == 0 && (errno = 0, e = readdir(folder)))
		r = add_file(ret, dirfd(folder), e->d_name);
	return r < 0 ? r : -errno;
}

static void mark(struct old_files *files, const char *target)
{
	const char *slash = strrchr(target, '/');
	const char *name = slash ? slash + 1 : target;

	for (size_t i = 0; i < files->n; i++)
		if (strcmp(files->list[i].name, name) == 0)
			files->list[i].is_pointed_to = true;
}

/* By the last part of what they point to: absolute links and roundabout ones count too. */
static int mark_pointed_to(DIR *dir, struct old_files *files)
{
	struct dirent *e;

	while ((errno = 0, e = readdir(dir))) {
		char target[PATH_MAX];
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof target - 1);

		if (n < 0)
			continue;
		target[n] = '\0';
		mark(files, target);
	}
	return -errno;
}

static int newest_first(const void *a, const void *b)
{
	const struct old_file *x = a, *y = b;

	if (x->mtime.tv_sec != y->mtime.tv_sec)
		return x->mtime.tv_sec > y->mtime.tv_sec ? -1 : 1;
	if (x->mtime.tv_nsec != y->mtime.tv_nsec)
		return x->mtime.tv_nsec > y->mtime.tv_nsec ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int remove_old(const struct old_files *files, int folder_fd, uint64_t keep)
{
	for (size_t i = keep; i < files->n; i++) {
		const struct old_file *file = &files->list[i];

		if (!file->is_pointed_to && unlinkat(folder_fd, file->name, 0) < 0)
			return tool_fail_errno(file->name, "cannot remove");
	}
	return EXIT_DONE;
}

/* The fd of a folder that was opened for its list; closedir closes it. */
static DIR *open_folder(int at_fd, const char *path)
{
	int fd = openat(at_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !d)
		close(fd);
	return d;
}

static int forget_in(const char *path, DIR *dir, DIR *folder, uint64_t keep)
{
	struct old_files files = {NULL, 0};
	int r = list_files(folder, &files);

	if (r == 0)
		r = mark_pointed_to(dir, &files);
	if (r < 0) {
		errno = -r;
		r = tool_fail_errno(path, "cannot list");
	} else {
		if (files.n > 0)
			qsort(files.list, files.n, sizeof *files.list, newest_first);
		r = remove_old(&files, dirfd(folder), keep);
	}
	free(files.list);
	return r;
}

int published_forget(const char *path, uint64_t keep)
{
	DIR *dir = open_folder(AT_FDCWD, path);
	DIR *folder = dir ? open_folder(dirfd(dir), PUBLISHED_FOLDER) : NULL;
	int r = folder ? forget_in(path, dir, folder, keep)
		       : tool_fail_errno(path, "cannot list");

	if (folder)
		closedir(folder);
	if (dir)
		closedir(dir);
	return r;
}
