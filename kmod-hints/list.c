/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.c - reads the two lists and puts each row's question to a kernel
 *
 * The columns are described at the head of the lists themselves.
 */
#include "kmod-hints/list.h"

#include <errno.h>

const char *const for_names[N_FOR] = {"hybrid", "full", "stream", "dm",
				      "loop",	"zram", "memory", "disk"};

static const char blanks[] = " \t\n";

/* The next word of *text, cut off; NULL at the end. */
static char *next_word(char **text)
{
	char *word = *text + strspn(*text, blanks);
	size_t n = strcspn(word, blanks);

	if (!n)
		return NULL;
	*text = word + n;
	if (**text)
		*(*text)++ = '\0';
	return word;
}

static bool parse_need(const char *word, enum need *ret)
{
	static const char *const words[] = {"required", "wanted", "extra"};

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(word, words[i]) == 0) {
			*ret = (enum need)i;
			return true;
		}
	}
	return false;
}

unsigned for_find(const char *name, size_t n_bytes, unsigned among)
{
	for (unsigned i = 0; i < N_FOR; i++) {
		if ((among & 1u << i) && strlen(for_names[i]) == n_bytes &&
		    strncmp(name, for_names[i], n_bytes) == 0)
			return 1u << i;
	}
	return 0;
}

static unsigned parse_use(const char *word, size_t n)
{
	if (n == 3 && strncmp(word, "all", n) == 0)
		return FOR_MODES;
	return for_find(word, n, ~0u);
}

static bool parse_uses(const char *word, unsigned *ret)
{
	*ret = 0;
	while (true) {
		size_t n = strcspn(word, ",");
		unsigned use = parse_use(word, n);

		if (!use)
			return false;
		*ret |= use;
		if (!word[n])
			return true;
		word += n + 1;
	}
}

/* "what it is for; what to do" */
static bool parse_reason(char *text, struct row *row)
{
	char *semicolon;

	text += strspn(text, blanks);
	text[strcspn(text, "\n")] = '\0';
	semicolon = strchr(text, ';');
	row->reason = text;
	row->remedy = "";
	if (semicolon) {
		*semicolon = '\0';
		row->remedy = semicolon + 1 + strspn(semicolon + 1, blanks);
	}
	return row->reason[0] != '\0';
}

/* The row takes the line over. */
static bool parse_row(struct row *row, char *line, bool is_module)
{
	char *rest = line;
	const char *need, *uses;

	*row = (struct row){.line = line};
	row->subject = next_word(&rest);
	if (is_module)
		row->config = next_word(&rest);
	need = next_word(&rest);
	uses = next_word(&rest);
	if (!need || !uses || !parse_need(need, &row->need) ||
	    !parse_uses(uses, &row->uses))
		return false;
	if (is_module) {
		row->when = next_word(&rest);
		if (!row->when || !next_word(&rest))
			return false;
	} else {
		row->tests = next_word(&rest);
	}
	return parse_reason(rest, row);
}

/* Not of a transport that nobody asked for. */
static bool is_wanted(const struct row *row, const char *transport)
{
	return !row->when || strcmp(row->when, "load") == 0 ||
	       strcmp(row->when, "ship") == 0 || strcmp(row->when, transport) == 0;
}

static int add_row(struct list *list, const char *path, unsigned n_line, const char *line,
		   bool is_module, const char *transport)
{
	struct row *rows = reallocarray(list->rows, list->n + 1, sizeof *rows);

	if (!rows)
		return -ENOMEM;
	list->rows = rows;

	char *copy = strdup(line);

	if (!copy)
		return -ENOMEM;
	if (parse_row(&rows[list->n], copy, is_module)) {
		if (is_wanted(&rows[list->n], transport))
			list->n++;
		else
			free(copy);
		return 0;
	}
	free(copy);
	fprintf(stderr, "hydroot-check: %s: line %u: not as its head describes\n", path,
		n_line);
	return -EINVAL;
}

static int read_file(struct list *list, const char *dir, const char *name, bool is_module,
		     const char *transport)
{
	cleanup_free char *line = NULL;
	char path[512];
	size_t room = 0;
	int r = 0;

	snprintf(path, sizeof path, "%s/%s", dir, name);

	cleanup_file FILE *f = fopen(path, "re");

	if (!f) {
		r = -errno;
		fprintf(stderr, "hydroot-check: %s: %s: give --lists=DIR\n", path,
			strerror(errno));
		return r;
	}
	for (unsigned n = 1; !r && getline(&line, &room, f) > 0; n++) {
		if (line[0] != '#' && line[strspn(line, blanks)])
			r = add_row(list, path, n, line, is_module, transport);
	}
	return r;
}

int list_read(struct list *list, const char *dir, const char *transport)
{
	int r = read_file(list, dir, "modules.list", true, transport);

	return r ? r : read_file(list, dir, "features.list", false, transport);
}

void list_fini(struct list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->rows[i].line);
	free(list->rows);
	*list = (struct list){0};
}

/* "/SOME/PATH>=N" or "/SOME/PATH<=N" */
static enum answer judge_value(const struct kernel *k, char *text)
{
	char *sign = strpbrk(text, "<>");
	long value, bound;

	if (!sign || sign[1] != '=')
		return ANSWER_UNKNOWN;
	bound = strtol(sign + 2, NULL, 10);

	bool is_least = *sign == '>';

	*sign = '\0';
	if (!kernel_read_value(k, text, &value))
		return ANSWER_UNKNOWN;
	return (is_least ? value >= bound : value <= bound) ? ANSWER_YES : ANSWER_NO;
}

/* One test, n bytes long. */
static enum answer judge_test(const struct kernel *k, const char *test, size_t n)
{
	char text[256];
	char *what;

	if (n >= sizeof text)
		return ANSWER_UNKNOWN;
	memcpy(text, test, n);
	text[n] = '\0';
	what = strchr(text, ':');
	if (!what)
		return ANSWER_UNKNOWN;
	*what++ = '\0';
	if (strcmp(text, "config") == 0)
		return kernel_has_config(k, what);
	if (strcmp(text, "module") == 0)
		return kernel_has_module(k, what, NULL);
	if (strcmp(text, "fs") == 0)
		return kernel_has_filesystem(k, what);
	if (strcmp(text, "path") == 0)
		return kernel_has_path(k, what);
	if (strcmp(text, "value") == 0)
		return judge_value(k, what);
	if (strcmp(text, "kernel") == 0)
		return kernel_is_at_least(k, what);
	return ANSWER_UNKNOWN;
}

enum answer row_judge(const struct row *row, const struct kernel *k)
{
	enum answer all = ANSWER_NO;

	if (!row->tests)
		return kernel_has_module(k, row->subject, row->config);
	for (const char *test = row->tests; *test;) {
		size_t n = strcspn(test, "|");
		enum answer one = judge_test(k, test, n);

		if (one == ANSWER_YES)
			return one;
		if (one == ANSWER_UNKNOWN)
			all = one;
		test += n + (test[n] == '|');
	}
	return all;
}
