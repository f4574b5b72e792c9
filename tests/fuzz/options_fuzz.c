/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_fuzz.c - the kernel command line, hydroot.conf and arguments
 *
 * The input's first byte chooses; the rest is the text.
 */
#include "tests/fuzz/fuzz.h"

#include "base/options.h"

#define ARGS_MAX 32

static int parse_argv(struct options *o, char *text)
{
	char *argv[ARGS_MAX + 1], *rest = text, *word;
	int argc = 0;

	while (argc < ARGS_MAX && (word = strsep(&rest, "\n")))
		argv[argc++] = word;
	argv[argc] = NULL;
	return options_parse_argv(o, argc, argv);
}

static void check(const struct options *o)
{
	fuzz_assert(memchr(o->name, 0, sizeof o->name));
	fuzz_assert(o->n_warnings <= OPTIONS_WARNINGS_MAX);
	fuzz_assert(o->connections >= 1);
	fuzz_assert(memchr(o->pack.url, 0, sizeof o->pack.url));
	fuzz_assert(memchr(o->fallback.url, 0, sizeof o->fallback.url));
	for (unsigned i = 0; i < o->n_warnings; i++)
		fuzz_assert(memchr(o->warnings[i], 0, sizeof o->warnings[i]));
	for (unsigned i = 0; i < o->n_ip; i++)
		fuzz_assert(memchr(o->ip[i], 0, sizeof o->ip[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	static struct options o;
	uint64_t n;
	int64_t ms;
	int err = 0;
	char *text;

	if (n_bytes < 1)
		return 0;
	text = malloc(n_bytes);
	fuzz_assert(text);
	memcpy(text, data + 1, n_bytes - 1);
	text[n_bytes - 1] = 0;
	options_init(&o);
	switch (data[0] % 4) {
	case 0:
		err = options_parse_cmdline(&o, text);
		break;
	case 1:
		err = options_parse_conf(&o, "hydroot.conf", text);
		(void)!options_parse_cmdline(&o, text);
		break;
	case 2:
		err = parse_argv(&o, text);
		break;
	case 3: /* one that takes it makes it 0 */
		err = options_size(text, &n);
		err &= options_memory(text, &n);
		err &= options_rate(text, &n);
		err &= options_time(text, &ms);
	}
	if (err == 0)
		fuzz_accept();
	check(&o);
	(void)!options_print_sh(&o);
	free(text);
	return 0;
}
