/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree_dir.c - looking into a folder, and what both readers need
 *
 * RESOLVE_IN_ROOT: an absolute link of the tree must not show the build host's files.
 */
#include "imgfmt/tool/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "imgfmt/tool/temptree.h"

bool tree_names_add(struct tree_names *names, const char *name, size_t n)
{
	char **grown = reallocarray(names->list, names->n + 1, sizeof *grown);

	if (!grown)
		return false;
	names->list = grown;
	grown[names->n] = strndup(name, n);
	if (!grown[names->n])
		return false;
	names->n++;
	return true;
}

void tree_names_free(struct tree_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->list[i]);
	free(names->list);
	*names = (struct tree_names){NULL, 0};
}

static int open_in(const struct tree *t, const char *path, uint64_t flags)
{
	const struct open_how how = {
		.flags = flags | O_RDONLY | O_CLOEXEC | O_NONBLOCK,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, t->fd, path, &how, sizeof how);
}

static bool dir_read(struct tree *t, const char *path, size_t max, char **ret,
		     size_t *ret_n)
{
	cleanup_free char *buf = malloc(max + 1);
	cleanup_fd int fd = open_in(t, path, 0);
	struct stat st;
	size_t done = 0;
	ssize_t n = 1;

	if (!buf || fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	while (done < max && n != 0) {
		n = read(fd, buf + done, max - done);
		if (n < 0 && errno != EINTR)
			return false;
		done += n > 0 ? (size_t)n : 0;
	}
	buf[done] = '\0';
	*ret = steal_pointer(&buf);
	*ret_n = done;
	return true;
}

static bool dir_list(struct tree *t, const char *path, struct tree_names *ret)
{
	struct tree_names names = {NULL, 0};
	int fd = open_in(t, path, O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	bool ok = true;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (ok && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			ok = tree_names_add(&names, e->d_name, strlen(e->d_name));
	closedir(d);
	if (!ok) {
		tree_names_free(&names);
		return false;
	}
	*ret = names;
	return true;
}

static const struct tree_ops dir_ops = {.read = dir_read, .list = dir_list};

bool tree_open_dir(const char *path, struct tree *ret)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return false;
	tree_of_dir(fd, ret);
	return true;
}

void tree_of_dir(int fd, struct tree *ret)
{
	*ret = (struct tree){.ops = &dir_ops, .fd = fd};
}

void tree_close(struct tree *t)
{
	if (t->ops == &dir_ops)
		close(t->fd);
	if (t->temp)
		temptree_free(t->temp);
	free(t->temp);
	*t = (struct tree){0};
}
