/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seekread.c - a reader of the zstd seekable format that knows nothing of hydroot
 *
 *	seekread FILE OFFSET LENGTH	those bytes of the expanded file, to standard output
 *	seekread FILE frames		the number of frames and of expanded bytes
 *
 * Written from the format's description alone (zstd, contrib/seekable_format, version
 * 0.1.0): a skippable frame 0x184D2A5E at the end of the file holds an entry of
 * compressed and expanded size for each frame, and ends with the number of frames, a
 * descriptor byte and the magic number 0x8F92EAB1.
 */
#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define SKIPPABLE 0x184D2A5Eu
#define SEEKABLE 0x8F92EAB1u
#define FOOTER_BYTES 9
#define HEADER_BYTES 8
#define DESCRIPTOR_CHECKSUM 0x80u
#define DESCRIPTOR_RESERVED 0x7cu

struct frame {
	uint64_t at, expanded_at;
	uint32_t n_bytes, n_expanded;
};

static __attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("seekread: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static void read_at(FILE *f, uint64_t at, void *buf, size_t n)
{
	if (fseeko(f, (off_t)at, SEEK_SET) < 0 || fread(buf, 1, n, f) != n)
		die("cannot read %zu bytes at %llu", n, (unsigned long long)at);
}

static uint32_t le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return le32toh(v);
}

static uint64_t size_of(FILE *f)
{
	off_t n = fseeko(f, 0, SEEK_END) < 0 ? -1 : ftello(f);

	if (n < FOOTER_BYTES + HEADER_BYTES)
		die("too short");
	return (uint64_t)n;
}

/* All frames of the table; *ret_n of them, malloc'ed. */
static struct frame *read_table(FILE *f, uint32_t *ret_n)
{
	uint64_t size = size_of(f), table_bytes, at = 0, expanded_at = 0;
	uint8_t footer[FOOTER_BYTES], header[HEADER_BYTES], entry[12];
	struct frame *frames;
	size_t entry_bytes;

	read_at(f, size - FOOTER_BYTES, footer, sizeof footer);
	if (le32(footer + 5) != SEEKABLE)
		die("no seek table at the end");
	if (footer[4] & DESCRIPTOR_RESERVED)
		die("reserved bits are set");
	*ret_n = le32(footer);
	entry_bytes = footer[4] & DESCRIPTOR_CHECKSUM ? 12 : 8;
	table_bytes = *ret_n * (uint64_t)entry_bytes + FOOTER_BYTES;
	if (table_bytes + HEADER_BYTES > size)
		die("the table is longer than the file");
	read_at(f, size - table_bytes - HEADER_BYTES, header, sizeof header);
	if (le32(header) != SKIPPABLE || le32(header + 4) != table_bytes)
		die("the table is no skippable frame of its length");
	frames = calloc(*ret_n ? *ret_n : 1, sizeof *frames);
	if (!frames)
		die("out of memory");
	for (uint32_t i = 0; i < *ret_n; i++) {
		read_at(f, size - table_bytes + i * entry_bytes, entry, entry_bytes);
		frames[i] = (struct frame){at, expanded_at, le32(entry), le32(entry + 4)};
		at += frames[i].n_bytes;
		expanded_at += frames[i].n_expanded;
	}
	if (at != size - table_bytes - HEADER_BYTES)
		die("the frames do not end where the table begins");
	return frames;
}

/* The part of one frame that lies in [offset, end). */
static void print_part(FILE *f, const struct frame *frame, uint64_t offset, uint64_t end)
{
	uint8_t *stored = malloc(frame->n_bytes), *expanded = malloc(frame->n_expanded);
	uint64_t from = offset > frame->expanded_at ? offset - frame->expanded_at : 0;
	uint64_t to = end - frame->expanded_at;

	if (!stored || !expanded)
		die("out of memory");
	read_at(f, frame->at, stored, frame->n_bytes);
	if (ZSTD_decompress(expanded, frame->n_expanded, stored, frame->n_bytes) !=
	    frame->n_expanded)
		die("the frame at %llu is not what the table says",
		    (unsigned long long)frame->at);
	if (to > frame->n_expanded)
		to = frame->n_expanded;
	if (fwrite(expanded + from, 1, to - from, stdout) != to - from)
		die("write: %s", strerror(errno));
	free(stored);
	free(expanded);
}

int main(int argc, char **argv)
{
	FILE *f = argc >= 3 ? fopen(argv[1], "rb") : NULL;
	struct frame *frames;
	uint64_t offset, end;
	uint32_t n;

	if (!f)
		die("usage: seekread FILE OFFSET LENGTH | seekread FILE frames");
	frames = read_table(f, &n);
	if (argc == 3) {
		const struct frame *last = n ? &frames[n - 1] : NULL;

		printf("%u %llu\n", n,
		       last ? (unsigned long long)(last->expanded_at + last->n_expanded)
			    : 0);
		return 0;
	}
	offset = strtoull(argv[2], NULL, 10);
	end = offset + strtoull(argv[3], NULL, 10);
	for (uint32_t i = 0; i < n; i++)
		if (frames[i].n_expanded && frames[i].expanded_at < end &&
		    frames[i].expanded_at + frames[i].n_expanded > offset)
			print_part(f, &frames[i], offset, end);
	free(frames);
	return fclose(f) || fclose(stdout) ? 1 : 0;
}
