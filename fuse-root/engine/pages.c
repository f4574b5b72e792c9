/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pages.c - a handful of slots, searched one by one; or one for each page, found at once
 */
#include "engine/pages.h"

#include <errno.h>

struct slot {
	uint64_t last_used; /* 0: empty */
	struct img_page page;
};

struct pages {
	const struct img *img;
	unsigned n_max;
	bool is_whole; /* slot i is page i's */
	uint64_t n_uses;
	struct slot *slots;
	struct img_decoder *decoder; /* its hash: checking a page allocates nothing */
	struct img_page incoming; /* decoded here first: a bad page evicts nothing */
};

int pages_new(const struct img *img, unsigned n_max, struct pages **ret)
{
	struct pages *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	p->img = img;
	p->n_max = n_max;
	p->is_whole = n_max >= img_info(img)->n_pages;
	p->slots = calloc(n_max, sizeof *p->slots);
	p->decoder = img_decoder_new();
	if (!p->slots || !p->decoder) {
		pages_free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

void pages_free(struct pages *p)
{
	if (!p)
		return;
	img_decoder_free(p->decoder);
	free(p->slots);
	free(p);
}

static struct slot *find(struct pages *p, uint64_t page)
{
	if (p->is_whole)
		return page < p->n_max && p->slots[page].last_used ? &p->slots[page]
								   : NULL;
	for (unsigned i = 0; i < p->n_max; i++)
		if (p->slots[i].last_used && p->slots[i].page.page == page)
			return &p->slots[i];
	return NULL;
}

const struct img_page *pages_get(struct pages *p, uint64_t page)
{
	struct slot *s = find(p, page);

	if (!s)
		return NULL;
	s->last_used = ++p->n_uses;
	return &s->page;
}

/* Where a new page goes: its own slot, or that of the one used longest ago. */
static struct slot *choose(struct pages *p, uint64_t page)
{
	struct slot *found = &p->slots[0];

	if (p->is_whole)
		return &p->slots[page];
	for (unsigned i = 1; i < p->n_max; i++)
		if (p->slots[i].last_used < found->last_used)
			found = &p->slots[i];
	return found;
}

int pages_add(struct pages *p, uint64_t page, const void *buf, size_t n_bytes)
{
	int err = img_page_decode_with(p->decoder, p->img, page, buf, n_bytes,
				       &p->incoming);
	struct slot *s;

	if (err < 0)
		return err;
	if (pages_get(p, page))
		return 0;
	s = choose(p, page);
	s->page = p->incoming;
	s->last_used = ++p->n_uses;
	return 0;
}
