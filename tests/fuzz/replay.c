/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c - a fuzz target without the fuzzer: runs the files that it is given
 *
 * For gcc and valgrind, and to look at a crash in a debugger.
 */
#include "tests/fuzz/fuzz.h"

static int run_file(const char *path)
{
	cleanup_file FILE *f = fopen(path, "rb");
	cleanup_free uint8_t *data = NULL;
	size_t n = 0, room = 1u << 20;

	if (!f) {
		perror(path);
		return 1;
	}
	data = malloc(room);
	fuzz_assert(data);
	n = fread(data, 1, room, f);
	/* Exactly as long as the file, so that a read beyond it is noticed. */
	uint8_t *exact = fuzz_copy(data, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed |= run_file(argv[i]);
	printf("%d inputs\n", argc - 1);
	return failed;
}
