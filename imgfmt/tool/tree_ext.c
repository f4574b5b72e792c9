/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree_ext.c - looking into an ext2, ext3 or ext4 through debugfs, one question a process
 *
 * debugfs never writes unless told so.  It follows links inside a path but not at its
 * end, and its exit status says nothing, so what counts is what it prints.
 */
#include "imgfmt/tool/tree.h"

#include <errno.h>
#include <inttypes.h>

#include "imgfmt/tool/child.h"

#define LINKS_MAX 8
#define PATH_BYTES 1024u
#define STAT_BYTES 8192u
#define LIST_BYTES (1u << 20)

/* What debugfs takes between quotes; names with anything else are none that we look for. */
static bool is_plain(const char *path)
{
	return path[strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789/._+-@:~")] == '\0';
}

static bool read_some(int fd, char *buf, size_t max, size_t *ret_n)
{
	size_t done = 0;
	ssize_t n = 1;

	while (done < max && n != 0) {
		n = read(fd, buf + done, max - done);
		if (n < 0 && errno != EINTR)
			return false;
		done += n > 0 ? (size_t)n : 0;
	}
	buf[done] = '\0';
	*ret_n = done;
	return true;
}

/* The first `max` bytes of what debugfs prints; the caller's, with a NUL behind. */
static bool ask(const struct tree *t, const char *request, const char *path, size_t max,
		char **ret, size_t *ret_n)
{
	char file[CHILD_PATH_BYTES], device[CHILD_PATH_BYTES + 32];
	char command[PATH_BYTES + 32];
	const char *argv[] = {"debugfs", "-c", "-R", command, device, NULL};
	const struct child child = {.subject = "debugfs",
				    .package = "e2fsprogs",
				    .argv = argv,
				    .fds = {t->fd, 0},
				    .quiet = true};
	cleanup_free char *buf = malloc(max + 1);
	cleanup_fd int fd = -1;
	pid_t pid;
	bool ok;

	if (!buf || !is_plain(path) || strlen(path) >= PATH_BYTES)
		return false;
	child_path(t->fd, file);
	snprintf(device, sizeof device, "%s?offset=%" PRIu64, file, t->offset);
	snprintf(command, sizeof command, "%s \"%s\"", request, path);
	if (child_start(&child, &fd, &pid) != 0)
		return false;
	ok = read_some(fd, buf, max, ret_n);
	child_abandon(pid);
	if (ok)
		*ret = steal_pointer(&buf);
	return ok;
}

/* path with its last part replaced by where it points to. */
static bool go_on(char path[PATH_BYTES], const char *target)
{
	char next[PATH_BYTES];
	const char *slash = strrchr(path, '/');
	int n;

	if (target[0] == '/')
		n = snprintf(next, sizeof next, "%s", target);
	else
		n = snprintf(next, sizeof next, "%.*s/%s", (int)(slash - path), path,
			     target);
	if (n < 0 || (size_t)n >= sizeof next)
		return false;
	memcpy(path, next, (size_t)n + 1);
	return true;
}

/* The target of a link that `stat` was asked about; a long one is the link's content. */
static bool read_target(const struct tree *t, const char *path, const char *answer,
			char **ret)
{
	static const char mark[] = "Fast link dest: \"";
	const char *start = strstr(answer, mark);
	size_t n;

	if (!start)
		return ask(t, "cat", path, PATH_BYTES, ret, &n);
	start += sizeof mark - 1;
	*ret = strndup(start, strcspn(start, "\""));
	return *ret != NULL;
}

/* Ends at a regular file, or fails. */
static bool resolve(const struct tree *t, char path[PATH_BYTES])
{
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		cleanup_free char *answer = NULL, *target = NULL;
		size_t n;

		if (!ask(t, "stat", path, STAT_BYTES, &answer, &n))
			return false;
		if (strstr(answer, "Type: regular"))
			return true;
		if (!strstr(answer, "Type: symlink") ||
		    !read_target(t, path, answer, &target) || !go_on(path, target))
			return false;
	}
	return false;
}

static bool ext_read(struct tree *t, const char *path, size_t max, char **ret,
		     size_t *ret_n)
{
	char resolved[PATH_BYTES];

	if (strlen(path) >= sizeof resolved)
		return false;
	memcpy(resolved, path, strlen(path) + 1);
	return resolve(t, resolved) && ask(t, "cat", resolved, max, ret, ret_n);
}

/* "/INODE/MODE/UID/GID/NAME/SIZE/"; false without memory. */
static bool add_line(struct tree_names *names, char *line)
{
	char *field = line, *rest = line;

	for (unsigned i = 0; i <= 5 && rest; i++)
		field = strsep(&rest, "/");
	if (!rest || strcmp(field, ".") == 0 || strcmp(field, "..") == 0)
		return true;
	return tree_names_add(names, field, strlen(field));
}

static bool ext_list(struct tree *t, const char *path, struct tree_names *ret)
{
	cleanup_free char *answer = NULL;
	struct tree_names names = {NULL, 0};
	char inside[PATH_BYTES];
	char *rest, *line;
	bool ok = true;
	size_t n;

	/* The dot makes it follow a link at the end. */
	snprintf(inside, sizeof inside, "%s/.", strcmp(path, "/") == 0 ? "" : path);
	if (!ask(t, "ls -p", inside, LIST_BYTES, &answer, &n) || answer[0] != '/')
		return false;
	rest = answer;
	while (ok && (line = strsep(&rest, "\n")))
		ok = add_line(&names, line);
	if (!ok) {
		tree_names_free(&names);
		return false;
	}
	*ret = names;
	return true;
}

static const struct tree_ops ext_ops = {.read = ext_read, .list = ext_list};

bool tree_open_ext(int fd, uint64_t offset, struct tree *ret)
{
	struct tree t = {.ops = &ext_ops, .fd = fd, .offset = offset};
	struct tree_names names;

	if (!child_is_there("debugfs") || !ext_list(&t, "/", &names))
		return false;
	tree_names_free(&names);
	*ret = t;
	return true;
}
