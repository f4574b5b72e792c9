/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region.c - see region.h
 *
 * The first page is a table of areas, only ever appended to.  A process that is killed
 * while it makes an area leaves a longer file and a table without it: the next one makes
 * it at the same place.
 */
#include "base/region.h"

#include <errno.h>
#include <sys/mman.h>

#define PAGE_BYTES 4096u

struct area {
	uint64_t tag, off, n_bytes;
};

struct header {
	uint64_t n_areas; /* written last: what it counts is whole */
	struct area areas[REGION_AREAS_MAX];
};

_Static_assert(sizeof(struct header) <= PAGE_BYTES, "the table is one page");

struct region {
	int fd;
	/* of this process; NULL until they are asked for */
	struct header *header;
	void *mapped[REGION_AREAS_MAX];
};

static uint64_t whole_pages(uint64_t n_bytes)
{
	return div_round_up(n_bytes, PAGE_BYTES) * PAGE_BYTES;
}

static void *map_at(const struct region *r, uint64_t off, uint64_t n_bytes)
{
	void *p = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		       (off_t)off);

	return p == MAP_FAILED ? NULL : p;
}

struct region *region_new(void)
{
	struct region *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->fd = memfd_create("hydroot-region", MFD_CLOEXEC);
	if (r->fd >= 0 && ftruncate(r->fd, PAGE_BYTES) == 0)
		return r;
	region_free(r);
	return NULL;
}

void region_free(struct region *r)
{
	const int saved = errno;

	if (!r)
		return;
	for (uint64_t i = 0; r->header && i < r->header->n_areas; i++)
		if (r->mapped[i])
			munmap(r->mapped[i], whole_pages(r->header->areas[i].n_bytes));
	if (r->header)
		munmap(r->header, PAGE_BYTES);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
	errno = saved;
}

static int map_header(struct region *r)
{
	if (!r->header)
		r->header = map_at(r, 0, PAGE_BYTES);
	return r->header ? 0 : -errno;
}

/* Its place in the table, or n_areas. */
static uint64_t index_of(const struct region *r, enum region_tag tag)
{
	uint64_t i = 0;

	while (i < r->header->n_areas && r->header->areas[i].tag != tag)
		i++;
	return i;
}

static int append(struct region *r, enum region_tag tag, uint64_t n_bytes)
{
	struct header *h = r->header;
	struct area area = {.tag = tag, .off = PAGE_BYTES, .n_bytes = n_bytes};

	if (h->n_areas == REGION_AREAS_MAX)
		return -ENOSPC;
	if (h->n_areas)
		area.off = h->areas[h->n_areas - 1].off +
			   whole_pages(h->areas[h->n_areas - 1].n_bytes);
	if (ftruncate(r->fd, (off_t)(area.off + whole_pages(n_bytes))) < 0)
		return -errno;
	h->areas[h->n_areas] = area;
	region_order();
	h->n_areas++;
	return 0;
}

static int map_area(struct region *r, uint64_t i, void **ret)
{
	const struct area *area = &r->header->areas[i];

	if (!r->mapped[i])
		r->mapped[i] = map_at(r, area->off, whole_pages(area->n_bytes));
	if (!r->mapped[i])
		return -errno;
	*ret = r->mapped[i];
	return 0;
}

int region_area(struct region *r, enum region_tag tag, size_t n_bytes, void **ret)
{
	int err = n_bytes ? map_header(r) : -EINVAL;
	uint64_t i;

	if (err < 0)
		return err;
	i = index_of(r, tag);
	if (i == r->header->n_areas)
		err = append(r, tag, n_bytes);
	else if (r->header->areas[i].n_bytes != n_bytes)
		err = -EBADMSG;
	return err < 0 ? err : map_area(r, i, ret);
}

int region_find(struct region *r, enum region_tag tag, void **ret, size_t *ret_bytes)
{
	int err = map_header(r);
	uint64_t i;

	if (err < 0)
		return err;
	i = index_of(r, tag);
	if (i == r->header->n_areas)
		return -ENOENT;
	*ret_bytes = r->header->areas[i].n_bytes;
	return map_area(r, i, ret);
}

int region_put(struct region *r, enum region_tag tag, const void *bytes, size_t n_bytes)
{
	void *memory;
	int err = map_header(r);

	if (err < 0 || index_of(r, tag) < r->header->n_areas)
		return err;
	err = region_area(r, tag, n_bytes, &memory);
	if (err == 0)
		memcpy(memory, bytes, n_bytes);
	return err;
}

void region_touch(void *memory, size_t n_bytes)
{
	volatile uint8_t *p = memory;

	for (size_t i = 0; i < n_bytes; i += PAGE_BYTES)
		p[i] = p[i];
}
