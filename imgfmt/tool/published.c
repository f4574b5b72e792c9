/* SPDX-License-Identifier: Apache-2.0 */
/*
 * published.c - a folder that images are published in
 *
 * One `publish` at a time changes it: between the moment when an image is found there, or
 * put there, and the one when the name points to it, another one's --keep must not take it
 * away.
 */
#include "imgfmt/tool/published.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "imgfmt/tool/history.h"
#include "imgfmt/tool/tool.h"

#define NAME_BYTES (IMG_HEX_BYTES + 4) /* HEX.hri and its NUL */
#define TEMP_SUFFIX ".switching"

static bool is_digest_name(const char *name)
{
	return strlen(name) == NAME_BYTES - 1 &&
	       strspn(name, "0123456789abcdef") == IMG_HEX_BYTES - 1 &&
	       strcmp(name + IMG_HEX_BYTES - 1, ".hri") == 0;
}

/* The digest of the image that a link points to; false: no link, or to something else. */
static bool read_link(int dir_fd, const char *name, char ret_hex[IMG_HEX_BYTES])
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof target - 1);
	const char *slash;

	if (n < 0)
		return false;
	target[n] = '\0';
	slash = strrchr(target, '/');
	if (!is_digest_name(slash ? slash + 1 : target))
		return false;
	memcpy(ret_hex, slash ? slash + 1 : target, IMG_HEX_BYTES - 1);
	ret_hex[IMG_HEX_BYTES - 1] = '\0';
	return true;
}

/* A list of the folder at path in it; closedir closes it. */
static DIR *open_list(int dir_fd, const char *path)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !d)
		close(fd);
	return d;
}

/* -- one at a time ------------------------------------------------------------------------ */

/* A link that was to be renamed, or an image that was to get its name. */
static bool is_left_over(const char *name)
{
	size_t n = strlen(name), n_suffix = strlen(TEMP_SUFFIX);

	if (name[0] != '.')
		return false;
	if (n > n_suffix && strcmp(name + n - n_suffix, TEMP_SUFFIX) == 0)
		return true;
	return n == 1 + NAME_BYTES - 1 + 7 && name[NAME_BYTES] == '.' &&
	       strspn(name + 1, "0123456789abcdef") == IMG_HEX_BYTES - 1;
}

/* They are nobody's: whoever made them held the lock.  What cannot be removed, stays. */
static void remove_left_over(int dir_fd, const char *folder)
{
	DIR *d = open_list(dir_fd, folder);
	const struct dirent *e;

	while (d && (e = readdir(d)))
		if (is_left_over(e->d_name) && unlinkat(dirfd(d), e->d_name, 0) < 0)
			continue;
	if (d)
		closedir(d);
}

int published_lock(const char *dir, struct published *ret)
{
	struct published p = {.dir = dir,
			      .fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	int r;

	if (p.fd < 0)
		return tool_fail_errno(dir, "cannot open");
	r = flock(p.fd, LOCK_EX | LOCK_NB);
	if (r < 0 && errno == EWOULDBLOCK) {
		tool_say(dir, "waiting for another publish into it");
		while ((r = flock(p.fd, LOCK_EX)) < 0 && errno == EINTR)
			;
	}
	/* NFS does not lock folders. */
	if (r < 0)
		tool_warn(dir, "cannot lock it (%s): publish into it from one place only",
			  strerror(errno));
	if (r == 0) {
		remove_left_over(p.fd, ".");
		remove_left_over(p.fd, PUBLISHED_FOLDER);
	}
	*ret = p;
	return EXIT_DONE;
}

void published_unlock(struct published *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

/* -- the name ----------------------------------------------------------------------------- */

static int rename_link(const struct published *p, const char *name, const char *target)
{
	cleanup_free char *temp = NULL;

	if (asprintf(&temp, ".%s" TEMP_SUFFIX, name) < 0)
		return tool_fail(name, "out of memory");
	if (symlinkat(target, p->fd, temp) < 0)
		return tool_fail_errno(name, "cannot create a link beside it");
	if (renameat(p->fd, temp, p->fd, name) < 0) {
		tool_fail_errno(name, "cannot switch it");
		unlinkat(p->fd, temp, 0);
		return EXIT_FAILED;
	}
	(void)!fsync(p->fd); /* not every filesystem can */
	return EXIT_DONE;
}

static bool image_is_there(const struct published *p, const char *hex)
{
	char path[sizeof PUBLISHED_FOLDER + 1 + NAME_BYTES];

	snprintf(path, sizeof path, PUBLISHED_FOLDER "/%s.hri", hex);
	return faccessat(p->fd, path, F_OK, 0) == 0;
}

static int write_history(const struct published *p, const char *name, const char *hex)
{
	struct history h = {NULL, 0};
	int r = history_read(p->dir, name, &h);
	bool is_newest;

	if (r != EXIT_DONE)
		return r;
	is_newest = h.n > 0 && strcmp(h.list[h.n - 1], hex) == 0;
	for (size_t i = 0; !is_newest && i < h.n; i++)
		if (!image_is_there(p, h.list[i]))
			history_remove(&h, i--);
	if (!is_newest)
		r = history_add(&h, hex) ? history_write(p->dir, name, &h)
					 : tool_fail(name, "out of memory");
	history_free(&h);
	return r;
}

int published_switch(const struct published *p, const char *name, const char *hex,
		     char ret_previous[IMG_HEX_BYTES])
{
	char target[sizeof PUBLISHED_FOLDER + 1 + NAME_BYTES];
	int r = write_history(p, name, hex);

	if (r != EXIT_DONE)
		return r;
	if (!read_link(p->fd, name, ret_previous))
		ret_previous[0] = '\0';
	snprintf(target, sizeof target, PUBLISHED_FOLDER "/%s.hri", hex);
	if (!image_is_there(p, hex))
		return tool_fail(target, "was removed while it was published; try again");
	return rename_link(p, name, target);
}

/* -- old files ---------------------------------------------------------------------------- */

/* False without memory, or when the folder cannot be listed. */
static bool list_pointed_to(const struct published *p, struct history *ret)
{
	DIR *d = open_list(p->fd, ".");
	const struct dirent *e;
	char hex[IMG_HEX_BYTES];
	bool ok = d != NULL;

	while (ok && (errno = 0, e = readdir(d)))
		if (read_link(p->fd, e->d_name, hex))
			ok = history_add(ret, hex);
	ok = ok && errno == 0;
	if (d)
		closedir(d);
	return ok;
}

static int add_history(const struct published *p, const char *name, struct history *to)
{
	struct history h = {NULL, 0};
	int r = history_read(p->dir, name, &h);

	for (size_t i = 0; r == EXIT_DONE && i < h.n; i++)
		if (!history_add(to, h.list[i]))
			r = tool_fail(p->dir, "out of memory");
	history_free(&h);
	return r;
}

/* What other names have in their histories. */
static int list_of_others(const struct published *p, const char *name,
			  struct history *ret)
{
	DIR *d = open_list(p->fd, ".");
	const struct dirent *e;
	int r = d ? EXIT_DONE : tool_fail_errno(p->dir, "cannot list");

	while (r == EXIT_DONE && (e = readdir(d))) {
		cleanup_free char *other = history_name_of(e->d_name);

		if (other && strcmp(other, name) != 0)
			r = add_history(p, other, ret);
	}
	if (d)
		closedir(d);
	return r;
}

static int remove_image(const struct published *p, const char *hex)
{
	char path[sizeof PUBLISHED_FOLDER + 1 + NAME_BYTES];

	snprintf(path, sizeof path, PUBLISHED_FOLDER "/%s.hri", hex);
	if (unlinkat(p->fd, path, 0) < 0 && errno != ENOENT)
		return tool_fail_errno(path, "cannot remove");
	return EXIT_DONE;
}

/* Why an image stays: who cares for it when it is out of our history. */
struct wanted {
	const char *previous;
	struct history pointed_to, of_others;
};

/* What leaves the history goes, but for what others have in theirs. */
static int cut(const struct published *p, struct history *h, uint64_t keep,
	       const struct wanted *w)
{
	uint64_t n_old = h->n > keep ? h->n - keep : 0;
	int r = EXIT_DONE;

	for (size_t i = 0; r == EXIT_DONE && n_old > 0; n_old--) {
		const char *hex = h->list[i];
		bool is_theirs = history_has(&w->of_others, hex);

		if (strcmp(hex, w->previous) == 0 ||
		    (!is_theirs && history_has(&w->pointed_to, hex))) {
			i++;
			continue;
		}
		if (!is_theirs)
			r = remove_image(p, hex);
		if (r == EXIT_DONE)
			history_remove(h, i);
	}
	return r;
}

int published_forget(const struct published *p, const char *name, uint64_t keep,
		     const char *previous)
{
	struct history h = {NULL, 0};
	struct wanted w = {.previous = previous};
	int r = history_read(p->dir, name, &h), written;

	if (r == EXIT_DONE && !list_pointed_to(p, &w.pointed_to))
		r = tool_fail(p->dir, "cannot list it");
	if (r == EXIT_DONE)
		r = list_of_others(p, name, &w.of_others);
	if (r == EXIT_DONE && h.n > keep) {
		r = cut(p, &h, keep, &w);
		/* As far as it went. */
		written = history_write(p->dir, name, &h);
		r = r == EXIT_DONE ? written : r;
	}
	history_free(&h);
	history_free(&w.pointed_to);
	history_free(&w.of_others);
	return r;
}
