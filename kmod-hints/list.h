/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.h - modules.list and features.list as rows, and the judgement of each
 */
#ifndef KMOD_HINTS_LIST_H
#define KMOD_HINTS_LIST_H

#include "kmod-hints/kernel.h"

/* What a row is needed for: three modes, two ways to hand over, three stores. */
enum {
	FOR_HYBRID = 1 << 0,
	FOR_FULL = 1 << 1,
	FOR_STREAM = 1 << 2,
	FOR_DM = 1 << 3,
	FOR_LOOP = 1 << 4,
	FOR_ZRAM = 1 << 5,
	FOR_MEMORY = 1 << 6,
	FOR_DISK = 1 << 7,
	N_FOR = 8,

	FOR_MODES = FOR_HYBRID | FOR_FULL | FOR_STREAM,
	FOR_STORES = FOR_ZRAM | FOR_MEMORY | FOR_DISK,
};

/* "hybrid" for bit 0, and so on */
extern const char *const for_names[N_FOR];
/* The bit of a name, out of those in `among`; 0: none. */
unsigned for_find(const char *name, size_t n_bytes, unsigned among);

enum need { NEED_REQUIRED, NEED_WANTED, NEED_EXTRA };

struct row {
	char *line; /* owns what the others point into */
	const char *subject;
	enum need need;
	unsigned uses; /* FOR_ bits */
	const char *config; /* of a module, else NULL */
	const char *when; /* of a module, else NULL */
	const char *tests; /* of a feature, else NULL */
	const char *reason; /* what it is for */
	const char *remedy; /* or "" */
};

struct list {
	struct row *rows;
	size_t n;
};

/*
 * Append DIR/modules.list and DIR/features.list; rows for one transport only when that
 * is `transport`.  -errno; a fault is said on stderr.
 */
int list_read(struct list *list, const char *dir, const char *transport) _must_check_;
void list_fini(struct list *list);

enum answer row_judge(const struct row *row, const struct kernel *k);

#endif
