/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace_fuzz.c - the text of a trace: the input is what --trace is given
 *
 * The source of the tool is included: it is in no library.
 */
#include "tests/fuzz/fuzz.h"

#include "imgfmt/tool/trace.c"

/* Of trace_read, which is not called. */
int tool_fail(const char *subject _unused_, const char *format _unused_, ...)
{
	return EXIT_FAILED;
}

int tool_read_file(const char *path _unused_, size_t max_bytes _unused_,
		   char **ret _unused_, size_t *ret_bytes _unused_)
{
	return EXIT_FAILED;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	char *text = fuzz_copy(data, n_bytes);
	struct trace t = {0};
	const char *why = NULL;
	size_t line = 0;

	if (trace_parse(text, n_bytes, &t, &line, &why)) {
		fuzz_assert(text[n_bytes - 1] == '\n');
		for (size_t i = 0; i < t.n_runs; i++)
			fuzz_assert(t.runs[i].n > 0 &&
				    t.runs[i].first + t.runs[i].n <= BLOCKS_MAX);
		fuzz_accept();
	} else {
		fuzz_assert(why && line >= 1 && !t.runs);
	}
	trace_free(&t);
	free(text);
	return 0;
}
