/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.c - what works and what is missing, for people and for programs
 */
#include "kmod-hints/report.h"

#include <errno.h>
#include <jansson.h>

static const char *const labels[N_FOR] = {"hybrid",	  "full",	   "stream",
					  "handover dm",  "handover loop", "store zram",
					  "store memory", "store disk"};

static bool is_missing(const struct report *report, size_t i)
{
	return report->answers[i] == ANSWER_NO &&
	       report->list->rows[i].need != NEED_EXTRA;
}

static bool is_unknown(const struct report *report, size_t i)
{
	return report->answers[i] == ANSWER_UNKNOWN &&
	       report->list->rows[i].need == NEED_REQUIRED;
}

int report_make(struct report *report, const struct list *list,
		const struct kernel *kernel)
{
	*report = (struct report){.kernel = kernel, .list = list};
	report->there = (1u << N_FOR) - 1;
	report->answers = calloc(list->n + 1, sizeof *report->answers);
	if (!report->answers)
		return -ENOMEM;
	for (size_t i = 0; i < list->n; i++) {
		const struct row *row = &list->rows[i];

		report->answers[i] = row_judge(row, kernel);
		if (report->answers[i] == ANSWER_NO && row->need == NEED_REQUIRED)
			report->there &= ~row->uses;
	}
	return 0;
}

static bool has_module(const struct report *report, const char *name)
{
	for (size_t i = 0; i < report->list->n; i++) {
		if (strcmp(report->list->rows[i].subject, name) == 0)
			return report->answers[i] != ANSWER_NO;
	}
	return true;
}

/*
 * What full mode leaves behind is the store's block device, and memory is made one by loop.  A
 * writable device on a disk stays with the daemon, by FUSE and loop; hydrootd takes zram when
 * there is no FUSE.
 */
static bool can_be_left(const struct report *report, unsigned store)
{
	if (store == FOR_DISK && !has_module(report, "fuse"))
		return report->there & FOR_ZRAM;
	return store == FOR_ZRAM || (report->there & FOR_LOOP);
}

bool report_works(const struct report *report, unsigned mode, unsigned store)
{
	if (mode == FOR_FULL && !can_be_left(report, store))
		return false;
	return (report->there & mode) && (report->there & store);
}

/* Of one use, with the default store. */
static bool works(const struct report *report, unsigned use)
{
	if (use & FOR_MODES)
		return report_works(report, use, FOR_ZRAM);
	if (use & FOR_STORES)
		return report->there & use;
	/* only hybrid hands over */
	return (report->there & use) && report_works(report, FOR_HYBRID, FOR_ZRAM);
}

void report_fini(struct report *report)
{
	free(report->answers);
	*report = (struct report){0};
}

/* "class:net" stands for many modules, and its symbol is a yes or no. */
static bool is_class(const struct row *row)
{
	return strncmp(row->subject, "class:", strlen("class:")) == 0;
}

/* Is it the configuration that lacks the row, and not only the files? */
static bool is_off(const struct kernel *k, const struct row *row)
{
	if (is_class(row))
		return k->has_config && !names_has(&k->config_y, row->config);
	return !names_has(&k->config_m, row->config);
}

/* What exactly is not there, in words. */
static void describe(const struct report *report, const struct row *row, char *ret,
		     size_t ret_bytes)
{
	const struct kernel *k = report->kernel;

	if (row->tests && strncmp(row->tests, "value:", strlen("value:")) == 0)
		snprintf(ret, ret_bytes, "set too %s",
			 strchr(row->tests, '<') ? "high" : "low");
	else if (!row->config)
		snprintf(ret, ret_bytes, "not in this kernel");
	else if (is_class(row))
		snprintf(ret, ret_bytes, "no driver of that class below lib/modules/%s",
			 k->version);
	else if (!is_off(k, row))
		snprintf(ret, ret_bytes, "CONFIG_%s=m, but not below lib/modules/%s",
			 row->config, k->version);
	else if (k->has_config)
		snprintf(ret, ret_bytes, "CONFIG_%s is not set", row->config);
	else
		snprintf(ret, ret_bytes, "no such module, and not built in");
}

/* What to do about it: the kernel's side first, then what the list says. */
static void advise(const struct report *report, const struct row *row, char *ret,
		   size_t ret_bytes)
{
	const char * or = row->remedy[0] ? ", or " : "";

	if (!row->config)
		snprintf(ret, ret_bytes, "%s", row->remedy);
	else if (!is_off(report->kernel, row))
		snprintf(ret, ret_bytes, "install this kernel's modules%s%s", or,
			 row->remedy);
	else
		snprintf(ret, ret_bytes, "build the kernel with CONFIG_%s=%c%s%s",
			 row->config, is_class(row) ? 'y' : 'm', or, row->remedy);
}

static void print_uses(unsigned uses)
{
	const char *comma = "";

	for (unsigned i = 0; i < N_FOR; i++) {
		if (uses & 1u << i) {
			printf("%s%s", comma, labels[i]);
			comma = ", ";
		}
	}
}

static void print_missing(const struct report *report, const struct row *row)
{
	char what[256], remedy[512];

	describe(report, row, what, sizeof what);
	advise(report, row, remedy, sizeof remedy);
	printf("%s: %s: %s%s (", row->subject, what,
	       row->need == NEED_REQUIRED ? "" : "not required, but wanted: ",
	       row->reason);
	print_uses(row->uses);
	printf("): %s\n", remedy);
}

static void print_unknown(const struct report *report)
{
	const char *comma = "unknown: ";

	for (size_t i = 0; i < report->list->n; i++) {
		if (is_unknown(report, i)) {
			printf("%s%s", comma, report->list->rows[i].subject);
			comma = ", ";
		}
	}
	if (comma[0] == ',')
		printf(": taken as there: no boot/config-%s tells\n",
		       report->kernel->version);
}

/*
 * The stores with which a mode does what it does not with the default one.  One that does not
 * work at all has a line of its own.
 */
static void print_exceptions(const struct report *report, unsigned mode)
{
	const bool is_working = works(report, mode);
	const char *before = is_working ? ", but not with store=" : ", but with store=";

	for (unsigned i = 0; i < N_FOR; i++) {
		if ((FOR_STORES & report->there & 1u << i) &&
		    report_works(report, mode, 1u << i) != is_working) {
			printf("%s%s", before, for_names[i]);
			before = " or ";
		}
	}
}

static void print_use(const struct report *report, unsigned i)
{
	const unsigned use = 1u << i;

	printf("%-14s %s", labels[i], works(report, use) ? "works" : "does not work");
	if (use & FOR_MODES)
		print_exceptions(report, use);
	putchar('\n');
}

/*
 * What the kernel's configuration needs for a row that is missing, "FUSE_FS=m"; NULL: it is not
 * the configuration.  In `text`.
 */
static const char *symbol_of(const struct report *report, const struct row *row,
			     char *text, size_t text_bytes)
{
	static const char kind[] = "config:";
	const char *config = row->config;
	const char *suffix = is_class(row) ? "=y" : "=m";

	if (config && !is_off(report->kernel, row))
		return NULL;
	if (!config) {
		config = row->tests ? strstr(row->tests, kind) : NULL;
		config = config ? config + strlen(kind) : NULL;
		suffix = "=y";
	}
	if (!config)
		return NULL;

	const int n = (int)strcspn(config, "|");

	snprintf(text, text_bytes, "%.*s", n, config);
	if (names_has(&report->kernel->config_m, text))
		return NULL;
	snprintf(text, text_bytes, "%.*s%s", n, config, suffix);
	return text;
}

/* All that the configuration lacks, in one line. */
static void print_enable(const struct report *report)
{
	const char *before = "enable: CONFIG_";
	char text[160];

	for (size_t i = 0; i < report->list->n; i++) {
		const struct row *row = &report->list->rows[i];

		if (is_missing(report, i) && symbol_of(report, row, text, sizeof text)) {
			printf("%s%s", before, text);
			before = " CONFIG_";
		}
	}
	if (before[0] == ' ')
		putchar('\n');
}

void report_print(const struct report *report)
{
	printf("kernel %s\n", report->kernel->version);
	for (unsigned i = 0; i < N_FOR; i++)
		print_use(report, i);
	for (size_t i = 0; i < report->list->n; i++) {
		if (is_missing(report, i))
			print_missing(report, &report->list->rows[i]);
	}
	print_enable(report);
	print_unknown(report);
}

static json_t *uses_to_json(unsigned uses)
{
	json_t *array = json_array();

	for (unsigned i = 0; array && i < N_FOR; i++) {
		if (uses & 1u << i)
			json_array_append_new(array, json_string(for_names[i]));
	}
	return array;
}

static json_t *missing_to_json(const struct report *report, const struct row *row)
{
	char what[256], remedy[512];

	describe(report, row, what, sizeof what);
	advise(report, row, remedy, sizeof remedy);
	return json_pack("{s:s, s:b, s:o, s:s, s:s, s:s}", "subject", row->subject,
			 "required", row->need == NEED_REQUIRED, "modes",
			 uses_to_json(row->uses), "missing", what, "reason", row->reason,
			 "remedy", remedy);
}

/* {"hybrid": true, …} of the uses in `among`. */
static json_t *works_to_json(const struct report *report, unsigned among)
{
	json_t *object = json_object();

	for (unsigned i = 0; object && i < N_FOR; i++) {
		if (among & 1u << i)
			json_object_set_new(object, for_names[i],
					    json_boolean(works(report, 1u << i)));
	}
	return object;
}

static json_t *stores_of_mode(const struct report *report, unsigned mode)
{
	json_t *object = json_object();

	for (unsigned i = 0; object && i < N_FOR; i++) {
		if (FOR_STORES & 1u << i)
			json_object_set_new(
				object, for_names[i],
				json_boolean(report_works(report, mode, 1u << i)));
	}
	return object;
}

/* {"hybrid": {"zram": true, "memory": true, "disk": true}, …} */
static json_t *pairs_to_json(const struct report *report)
{
	json_t *object = json_object();

	for (unsigned i = 0; object && i < N_FOR; i++) {
		if (FOR_MODES & 1u << i)
			json_object_set_new(object, for_names[i],
					    stores_of_mode(report, 1u << i));
	}
	return object;
}

static json_t *rows_to_json(const struct report *report)
{
	json_t *missing = json_array(), *unknown = json_array(), *enable = json_array();
	char text[160];
	int r = 0;

	for (size_t i = 0; i < report->list->n; i++) {
		const struct row *row = &report->list->rows[i];

		if (is_missing(report, i))
			r |= json_array_append_new(missing, missing_to_json(report, row));
		else if (is_unknown(report, i))
			r |= json_array_append_new(unknown, json_string(row->subject));
		if (is_missing(report, i) && symbol_of(report, row, text, sizeof text))
			r |= json_array_append_new(enable, json_string(text));
	}
	/* Less than all would be a wrong answer. */
	if (r) {
		json_decref(missing);
		json_decref(enable);
		json_decref(unknown);
		return NULL;
	}
	return json_pack("{s:o, s:o, s:o}", "missing", missing, "enable", enable,
			 "unknown", unknown);
}

/* Text that is not UTF-8 has no place in JSON; a release is the name of a folder, so may be any. */
static int refuse_json(const struct report *report)
{
	json_t *release = json_string(report->kernel->version);

	fprintf(stderr, "hydroot-check: --json: %s\n",
		release ? "out of memory, or a list that is not UTF-8"
			: "the kernel's release is not UTF-8: ask without --json");
	json_decref(release);
	return -EINVAL;
}

int report_print_json(const struct report *report)
{
	json_t *rows = rows_to_json(report);
	json_t *all =
		json_pack("{s:i, s:s, s:b, s:o, s:o, s:o, s:o}", "schema", 1, "kernel",
			  report->kernel->version, "running", report->kernel->is_running,
			  "modes", works_to_json(report, FOR_MODES), "handover",
			  works_to_json(report, FOR_DM | FOR_LOOP), "stores",
			  works_to_json(report, FOR_STORES), "modes_by_store",
			  pairs_to_json(report));

	if (!rows || !all || json_object_update(all, rows) != 0) {
		json_decref(rows);
		json_decref(all);
		return refuse_json(report);
	}
	json_decref(rows);
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
	return 0;
}
