/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input.h - where the expanded image comes from, as one stream of bytes with holes
 */
#ifndef IMGFMT_INPUT_H
#define IMGFMT_INPUT_H

#include "imgfmt/base.h"

/* Enough to tell a filesystem by: btrfs has its superblock at 64 KiB. */
#define INPUT_PEEK_BYTES (128u * 1024)

struct input {
	const char *name; /* for messages; the caller's */
	int fd;
	bool can_seek; /* then holes are looked for, and the size is known */
	uint64_t n_bytes; /* 0 when nobody knows */
	uint64_t pos;

	/* The first bytes.  Of a stream they are given out from here. */
	uint8_t *peek;
	size_t n_peek;

	uint64_t data_start, data_end; /* the stretch of data around or behind pos */
};

/* All print, and return an exit code. */
int input_open_file(const char *path, struct input *ret) _must_check_;

/*
 * A directory: a filesystem made from it in a scratch file beside `output_path`.
 */
int input_open_dir(const char *path, const char *output_path,
		   struct input *ret) _must_check_;

/* Takes the fd. */
int input_open_fd(const char *name, int fd, struct input *ret) _must_check_;

void input_close(struct input *in);

/*
 * The next n bytes, less at the end only.  *ret_hole: all n bytes are a hole, buf is
 * untouched.
 */
int input_read(struct input *in, void *buf, size_t n, size_t *ret_n,
	       bool *ret_hole) _must_check_;

/*
 * Which filesystem starts like this, by the name that META knows ("unknown" if none).
 * Refuses, with a message that names the remedy, what a disk with 4096-byte sectors
 * cannot carry.
 */
int probe_filesystem(const struct input *in, const char **ret_name) _must_check_;

/*
 * mke2fs leaves times in a filesystem that are not the tree's; make them so (see
 * ext4_times.c).
 */
int ext4_settle_times(const char *name, int fd) _must_check_;

#endif
