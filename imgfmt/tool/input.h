/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input.h - where the expanded image comes from, as one stream of bytes with holes
 *
 * input_open looks at what INPUT is and goes on until there is one filesystem:
 *
 *	folder ──────────────────────────┐
 *	OCI layout ─ umoci ── tree ──────┤
 *	tar ──────── tar ──── tree ──────┴─ mkfs ─┐	(or a layout, as above)
 *	compressed ─ zstd … ─ scratch ─┐          ├─ filesystem
 *	qcow2 … ──── qemu-img scratch ─┴ look again ┤
 *	partitioned disk ──── a stretch of it ────┘
 *
 * Scratch files have no name and lie beside OUTPUT, where room is needed anyway.
 */
#ifndef IMGFMT_INPUT_H
#define IMGFMT_INPUT_H

#include "imgfmt/tool/temptree.h"

/* Enough to tell a filesystem by: btrfs has its superblock at 64 KiB. */
#define INPUT_PEEK_BYTES (128u * 1024)

struct input_options {
	const char *output_path; /* scratch files go beside it */
	const char *filesystem; /* one that mkfs_is_known knows; NULL: ext4 */
	const char *partition; /* digits, "auto", or NULL, which is auto */
};

struct input {
	const char *name; /* for messages; the caller's */
	int fd;
	bool can_seek; /* then holes are looked for, and the size is known */
	uint64_t base; /* where in fd it starts: a partition */
	uint64_t n_bytes; /* 0 when nobody knows */
	uint64_t pos;

	/* The first bytes.  Of a stream they are given out from here. */
	uint8_t *peek;
	size_t n_peek;

	uint64_t data_start, data_end; /* the stretch of data around or behind pos */

	/* The tree that the filesystem was made from, until input_close; else NULL. */
	const char *tree_path;
	struct temptree tree;
};

#define INPUT_NONE                                                                       \
	{                                                                                \
		.fd = -1, .tree = TEMPTREE_NONE                                          \
	}

/* All print, and return an exit code. */
int input_open(const char *path, const struct input_options *options,
	       struct input *ret) _must_check_;

void input_close(struct input *in);

/*
 * The next n bytes, less at the end only.  *ret_hole: all n bytes are a hole, buf is
 * untouched.
 */
int input_read(struct input *in, void *buf, size_t n, size_t *ret_n,
	       bool *ret_hole) _must_check_;

/* --- between the input_*.c ------------------------------------------------------------- */

int input_open_file(const char *path, struct input *ret) _must_check_;

/* Takes the fd. */
int input_open_fd(const char *name, int fd, struct input *ret) _must_check_;

/* From now on it is what is in this fd, which is taken. */
int input_replace(struct input *in, int fd) _must_check_;

/* From now on it is only this stretch; fails when that is not there. */
int input_narrow(struct input *in, uint64_t base, uint64_t n_bytes) _must_check_;

/* A stream into a scratch file with holes for zeros, so that it can be looked at. */
int input_spool(struct input *in, const struct input_options *o) _must_check_;

/* A filesystem made from a folder, in a scratch file (mkfs.h). */
int input_open_dir(const char *path, const struct input_options *o,
		   struct input *ret) _must_check_;

/* The program that unpacks what starts like this, or NULL. */
const char *compressed_program(const struct input *in);
/* Becomes what was compressed; of a tar it stays as it is, and *ret_tar is true. */
int input_decompress(struct input *in, const struct input_options *o,
		     bool *ret_tar) _must_check_;

bool tar_matches(const struct input *in);
int input_unpack_tar(struct input *in, const struct input_options *o) _must_check_;

/* The name that qemu-img has for this format, or NULL. */
const char *disk_format(const struct input *in);
int input_convert(struct input *in, const struct input_options *o) _must_check_;

bool oci_matches(const char *path);
/* `path` is a layout, or LAYOUT:TAG. */
int input_open_oci(const char *path, const struct input_options *o,
		   struct input *ret) _must_check_;

/*
 * When what was unpacked into the tree of `in` is an OCI layout, it is unpacked in its turn,
 * and a filesystem made of it.  What else is no tree but layers is refused.
 */
int input_unpack_layers(struct input *in, const struct input_options *o,
			bool *ret_unpacked) _must_check_;

/* On a partitioned disk, narrow it to the partition that is meant. */
int input_choose_partition(struct input *in, const struct input_options *o) _must_check_;
bool partition_is_valid(const char *text);

#endif
