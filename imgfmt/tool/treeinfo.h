/* SPDX-License-Identifier: Apache-2.0 */
/*
 * treeinfo.h - what META says of a tree, and what should not be in one that many share
 */
#ifndef IMGFMT_TREEINFO_H
#define IMGFMT_TREEINFO_H

#include <jansson.h>

#include "imgfmt/tool/tree.h"

/* Sets "architecture", "kernels" and "os_release" in meta as far as the tree tells. */
void treeinfo_describe(struct tree *t, json_t *meta);

/* A line on standard error for each thing that nodes should not share. */
void treeinfo_warn(struct tree *t, const char *subject);

/* The name that `uname -m` has for the machine of an ELF file that starts so; or NULL. */
const char *treeinfo_elf_machine(const uint8_t *p, size_t n);

#endif
