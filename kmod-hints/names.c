/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.c - a sorted array of strings
 */
#include "kmod-hints/names.h"

#include <errno.h>

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void to_plain(char *text)
{
	for (; *text; text++) {
		if (*text == '-')
			*text = '_';
	}
}

int names_add(struct names *names, const char *text, size_t n_bytes)
{
	if (names->n == names->room) {
		size_t room = names->room ? names->room * 2 : 256;
		char **v = reallocarray(names->v, room, sizeof *v);

		if (!v)
			return -ENOMEM;
		names->v = v;
		names->room = room;
	}
	char *copy = strndup(text, n_bytes);

	if (!copy)
		return -ENOMEM;
	to_plain(copy);
	names->v[names->n++] = copy;
	return 0;
}

void names_sort(struct names *names)
{
	if (names->n)
		qsort(names->v, names->n, sizeof *names->v, compare);
}

bool names_has(const struct names *names, const char *text)
{
	char plain[128];
	char *key = plain;

	if (!names->n || strlen(text) >= sizeof plain)
		return false;
	memcpy(plain, text, strlen(text) + 1);
	to_plain(plain);
	return bsearch(&key, names->v, names->n, sizeof *names->v, compare) != NULL;
}

void names_fini(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->v[i]);
	free(names->v);
	*names = (struct names){0};
}
