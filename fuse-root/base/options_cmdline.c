/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_cmdline.c - the kernel command line and hydroot.conf
 *
 * Words are cut as the kernel's next_arg() does it (lib/cmdline.c), so that a quoted
 * value means here what it means there.  Words of others are none of our business; all
 * wrong ones of ours are reported before the error is returned.
 */
#include "base/options_table.h"

#include <ctype.h>
#include <errno.h>

#include "base/log.h"

#define TEXT_BYTES_MAX (64u * 1024)
#define OUR_PREFIX "rd.hydroot."

/* A standard key: copied as written, into one field or the next free one of several. */
struct standard_key {
	const char *name;
	size_t offset, n_bytes; /* of the field, or of the first of several */
	size_t count_offset; /* unsigned n_..., 0: there is one field */
	unsigned max;
};

#define ONE(f)                                                                           \
	.offset = offsetof(struct options, f), .n_bytes = sizeof(((struct options *)0)->f)
#define MANY(f)                                                                          \
	.offset = offsetof(struct options, f),                                           \
	.n_bytes = sizeof(((struct options *)0)->f[0]),                                  \
	.count_offset = offsetof(struct options, n_##f),                                 \
	.max = ARRAY_SIZE(((struct options *)0)->f)

static const struct standard_key standard_keys[] = {
	{"rootfstype", ONE(rootfstype)},
	{"rootflags", ONE(rootflags)},
	{"init", ONE(init)},
	{"BOOTIF", ONE(bootif)},
	{"panic", ONE(panic)},
	{"rd.break", ONE(rd_break)},
	{"rd.neednet", ONE(rd_neednet)},
	{"ip", MANY(ip)},
	{"ifname", MANY(ifname)},
	{"nameserver", MANY(nameserver)},
	{"vlan", MANY(vlan)},
};

struct reader {
	struct options *o;
	struct option_source source;
	bool is_ram; /* root=ram */
	bool has_root_url; /* root=hydroot:URL, right or wrong */
	bool is_other; /* root= names another root */
	const char *rootimage;
	const char *netroot; /* hydroot:URL, dracut's other way to say it */
};

/* Where the word that starts at p ends; *ret_equals: its first '=', or NULL. */
static char *word_end(char *p, bool in_quote, char **ret_equals)
{
	*ret_equals = NULL;
	for (; *p && (in_quote || !isspace((unsigned char)*p)); p++) {
		if (*p == '=' && !*ret_equals)
			*ret_equals = p;
		if (*p == '"')
			in_quote = !in_quote;
	}
	return p;
}

/* Cut the next KEY[=VALUE] off *p.  False at the end. */
static bool next_word(char **p, char **ret_key, char **ret_value)
{
	char *start = *p + strspn(*p, " \t\r\n\v\f"), *end, *equals;
	bool is_quoted = *start == '"';

	if (*start == '\0')
		return false;
	start += is_quoted;
	end = word_end(start, is_quoted, &equals);
	*p = *end ? end + 1 : end;
	*end = '\0';
	*ret_key = start;
	*ret_value = NULL;
	if (equals) {
		*equals = '\0';
		*ret_value = equals + 1;
		if (**ret_value == '"') {
			(*ret_value)++;
			is_quoted = true;
		}
	}
	if (is_quoted && end > start && end[-1] == '"')
		end[-1] = '\0';
	return true;
}

static int standard_apply(struct options *o, const struct standard_key *k,
			  const char *value)
{
	char *dst = (char *)o + k->offset;
	unsigned *count =
		k->count_offset ? (unsigned *)((char *)o + k->count_offset) : NULL;
	int err;

	if (count && *count == k->max) {
		option_warn(o, "%s: at most %u are taken; ignored", k->name, k->max);
		return 0;
	}
	if (count)
		dst += *count * k->n_bytes;
	err = option_copy(dst, k->n_bytes, value);
	if (err) {
		log_error("%s: the value is too long", k->name);
		return -EINVAL;
	}
	if (count && value[0])
		(*count)++;
	return 0;
}

/* No default can stand in for a URL that was given: strict. */
static int apply_url(struct reader *r, const char *prefix, const char *url)
{
	struct option_source source = r->source;

	source.prefix = prefix;
	source.is_strict = true;
	return option_apply(r->o, &source, option_find("url", 3), url);
}

static int apply_root(struct reader *r, const char *value)
{
	r->is_ram = strcmp(value, "ram") == 0;
	r->o->is_root = r->is_ram || strcmp(value, "hydroot") == 0 ||
			strncmp(value, "hydroot:", 8) == 0;
	r->is_other = *value && !r->o->is_root;
	if (r->is_ram)
		r->o->mode = MODE_FULL;
	if (strncmp(value, "hydroot:", 8) == 0 && value[8]) {
		r->has_root_url = true;
		return apply_url(r, "root=hydroot: ", value + 8);
	}
	return 0;
}

static int apply_ours(struct reader *r, const char *key, const char *value)
{
	const struct option_key *k = option_find(key, strlen(key));

	if (k && (k->flags & OPT_STANDARD) && strcmp(r->source.prefix, OUR_PREFIX) == 0) {
		option_warn(r->o, "%s%s: ignored: it is %s= without %s", OUR_PREFIX,
			    k->name, k->name, OUR_PREFIX);
		return 0;
	}
	if (!k || (k->flags & OPT_ARGV)) {
		option_warn(r->o, "%s%.64s: no such key; ignored", r->source.prefix, key);
		return 0;
	}
	return option_apply(r->o, &r->source, k, value ? value : "1");
}

/* ro, rw, rd.shell[=0].  True when it was one of these.  Only who asks for a shell gets one. */
static bool apply_switch(struct options *o, const char *key, const char *value)
{
	if (strcmp(key, "ro") == 0 || strcmp(key, "rw") == 0)
		o->root_ro = key[1] == 'o';
	else if (strcmp(key, "rd.shell") != 0)
		return false;
	else if (option_bool_parse(value ? value : "1", &o->rd_shell) < 0) {
		option_warn(o, "rd.shell=%.64s: wrong value: accepted: 0 or 1", value);
		o->rd_shell = false;
	}
	return true;
}

/* A standard key that has a row in the table. */
static int apply_standard(struct reader *r, const char *key, const char *value)
{
	struct option_source source = r->source;

	source.prefix = "";
	return option_apply(r->o, &source, option_find(key, strlen(key)), value);
}

static int apply_word(struct reader *r, const char *key, const char *value)
{
	if (strncmp(key, OUR_PREFIX, strlen(OUR_PREFIX)) == 0)
		return apply_ours(r, key + strlen(OUR_PREFIX), value);
	if (strcmp(key, "root") == 0)
		return apply_root(r, value ? value : "");
	if (strcmp(key, "rootimage") == 0)
		r->rootimage = value;
	if (strcmp(key, "netroot") == 0 && value)
		r->netroot = strncmp(value, "hydroot:", 8) == 0 ? value : NULL;
	if (strcmp(key, "proxy") == 0 && value && value[0])
		return apply_standard(r, key, value);
	if (apply_switch(r->o, key, value))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(standard_keys); i++) {
		if (strcmp(key, standard_keys[i].name) == 0)
			return standard_apply(r->o, &standard_keys[i],
					      value ? value : "1");
	}
	return 0;
}

/* What is known only when all words have been read. */
static int apply_late(struct reader *r)
{
	int ret = 0;

	if (r->is_ram && r->rootimage && apply_url(r, "rootimage: ", r->rootimage))
		ret = -EINVAL;
	if (r->netroot && !r->is_ram && !r->is_other && !r->has_root_url &&
	    apply_root(r, r->netroot))
		ret = -EINVAL;
	return ret;
}

static char *copy_text(const char *what, const char *text)
{
	char *copy = NULL;

	if (strnlen(text, TEXT_BYTES_MAX + 1) > TEXT_BYTES_MAX)
		log_error("%s: longer than %u bytes", what, TEXT_BYTES_MAX);
	else if (!(copy = strdup(text)))
		log_error("%s: out of memory", what);
	return copy;
}

int options_parse_cmdline(struct options *o, const char *text)
{
	cleanup_free char *copy = copy_text("kernel command line", text);
	struct reader r = {.o = o};
	char *p = copy, *key, *value;
	int ret = 0;

	if (!copy)
		return -EINVAL;
	o->takes_foreign = true;
	option_source_init(&r.source, o, OUR_PREFIX);
	while (next_word(&p, &key, &value)) {
		if (strcmp(key, "--") == 0 && !value)
			break; /* the rest is for init */
		if (apply_word(&r, key, value))
			ret = -EINVAL;
	}
	if (apply_late(&r))
		ret = -EINVAL;
	option_keep_fallback(o, &r.source.floor);
	option_keep_pack(o, &r.source.floor);
	return ret;
}

static char *trim(char *text)
{
	char *end;

	text += strspn(text, " \t\r");
	end = text + strlen(text);
	while (end > text && strchr(" \t\r", end[-1]))
		end--;
	*end = '\0';
	return text;
}

/* "VALUE" in double quotes, as people write it in such files. */
static char *unquote(char *text)
{
	size_t n = strlen(text);

	if (n >= 2 && text[0] == '"' && text[n - 1] == '"') {
		text[n - 1] = '\0';
		return text + 1;
	}
	return text;
}

static int apply_line(struct reader *r, char *line)
{
	char *key, *equals, *value = NULL;

	line = trim(line);
	if (line[0] == '\0' || line[0] == '#')
		return 0;
	equals = strchr(line, '=');
	if (equals) {
		*equals = '\0';
		value = unquote(trim(equals + 1));
	}
	key = trim(line);
	return apply_ours(r, key, value);
}

int options_parse_conf(struct options *o, const char *path, const char *text)
{
	cleanup_free char *copy = copy_text(path, text);
	char prefix[OPTIONS_PATH_BYTES];
	struct reader r = {.o = o};
	char *rest = copy, *line;
	int ret = 0;

	if (!copy)
		return -EINVAL;
	snprintf(prefix, sizeof prefix, "%s: ", path);
	o->takes_foreign = true;
	option_source_init(&r.source, o, prefix);
	/*
	 * In one file the last line wins, trust keys too: it is one hand that wrote them.
	 */
	memset(&r.source.floor, 0, sizeof r.source.floor);
	while ((line = strsep(&rest, "\n"))) {
		if (apply_line(&r, line))
			ret = -EINVAL;
	}
	return ret;
}
