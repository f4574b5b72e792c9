/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history.c - a small text file for each name that images are published under
 */
#include "imgfmt/tool/history.h"

#include <errno.h>

#include "imgfmt/tool/output.h"
#include "imgfmt/tool/tool.h"

#define SUFFIX ".history"
#define HEX_DIGITS (IMG_HEX_BYTES - 1)
#define BYTES_MAX (4u << 20)

static char *path_of(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s/.%s" SUFFIX, dir, name) < 0 ? NULL : path;
}

char *history_name_of(const char *file_name)
{
	size_t n = strlen(file_name), n_suffix = strlen(SUFFIX);

	if (file_name[0] != '.' || n <= n_suffix + 1 ||
	    strcmp(file_name + n - n_suffix, SUFFIX) != 0)
		return NULL;
	return strndup(file_name + 1, n - n_suffix - 1);
}

static bool append(struct history *h, const char *hex)
{
	char(*grown)[IMG_HEX_BYTES] = reallocarray(h->list, h->n + 1, sizeof *grown);

	if (!grown)
		return false;
	h->list = grown;
	memcpy(grown[h->n], hex, HEX_DIGITS);
	grown[h->n++][HEX_DIGITS] = '\0';
	return true;
}

bool history_add(struct history *h, const char *hex)
{
	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->list[i], hex) == 0)
			history_remove(h, i--);
	return append(h, hex);
}

bool history_has(const struct history *h, const char *hex)
{
	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->list[i], hex) == 0)
			return true;
	return false;
}

void history_remove(struct history *h, size_t i)
{
	h->n--;
	memmove(h->list + i, h->list + i + 1, (h->n - i) * sizeof *h->list);
}

void history_free(struct history *h)
{
	free(h->list);
	*h = (struct history){NULL, 0};
}

static int parse(const char *path, const char *text, size_t n, struct history *h)
{
	for (const char *end = text + n; text < end; text += HEX_DIGITS + 1) {
		if ((size_t)(end - text) <= HEX_DIGITS || text[HEX_DIGITS] != '\n' ||
		    strspn(text, "0123456789abcdef") != HEX_DIGITS)
			return tool_fail(path, "is not as publish writes it; put it "
					       "right, a digest in hex a line, or remove "
					       "it, and what is there is kept");
		if (!append(h, text))
			return tool_fail(path, "out of memory");
	}
	return EXIT_DONE;
}

int history_read(const char *dir, const char *name, struct history *ret)
{
	cleanup_free char *path = path_of(dir, name), *text = NULL;
	struct history h = {NULL, 0};
	size_t n;
	int r;

	if (!path)
		return tool_fail(dir, "out of memory");
	if (access(path, F_OK) < 0 && errno == ENOENT) {
		*ret = h;
		return EXIT_DONE;
	}
	r = tool_read_file(path, BYTES_MAX, &text, &n);
	if (r == EXIT_DONE)
		r = parse(path, text, n, &h);
	if (r == EXIT_DONE)
		*ret = h;
	else
		history_free(&h);
	return r;
}

int history_write(const char *dir, const char *name, const struct history *h)
{
	cleanup_free char *path = path_of(dir, name);
	struct output out = {.fd = -1};
	int r = path ? output_open(path, &out) : tool_fail(dir, "out of memory");

	for (size_t i = 0; r == EXIT_DONE && i < h->n; i++) {
		r = output_write(&out, h->list[i], HEX_DIGITS);
		if (r == EXIT_DONE)
			r = output_write(&out, "\n", 1);
	}
	if (r == EXIT_DONE)
		r = output_commit(&out);
	output_close(&out);
	return r;
}
