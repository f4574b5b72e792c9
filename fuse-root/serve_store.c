/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_store.c - the store of an attachment: made by the first serving process, taken
 * over by the next ones
 *
 * What a store consists of outlives the process: descriptors in the keeper, tables in the
 * region, its sizes in the record.
 */
#include "serve.h"

#include <errno.h>
#include <inttypes.h>

#include "base/log.h"
#include "store/store_disk.h"
#include "store/store_mem.h"
#include "store/store_slots.h"
#include "store/store_zram.h"

#define STORE_WAIT_MS 10000 /* for the driver of a disk */

/* -- zram --------------------------------------------------------------------------------- */

/*
 * In mode stream the kernel's table for a zram device of the image's size may be too
 * much.  On error the zram device is still s->store.
 */
static int put_slots_over(struct serve *s)
{
	const struct img_info *info = img_info(s->image.img);
	struct store *zram = s->store;
	size_t n_bytes =
		store_slots_count(zram->bytes, info->chunk_bytes) * sizeof(uint64_t);
	void *table;
	int err = region_area(s->d->region, REGION_STORE, n_bytes, &table);

	if (err == 0)
		err = store_slots_new(zram, info->image_bytes, info->chunk_bytes, table,
				      &s->store);
	return err;
}

/* Before anything is put over it. */
static void note_zram(struct serve *s)
{
	snprintf(s->zram.device, sizeof s->zram.device, "%s", s->store->device);
	s->zram.diskseq = store_zram_diskseq(s->store);
}

static int open_zram(struct serve *s)
{
	const struct img_info *info = img_info(s->image.img);
	uint64_t n_bytes = info->image_bytes;
	int err;

	s->store_is_slotted = s->o->mode == MODE_STREAM &&
			      store_slots_are_needed(n_bytes, s->o->cache_bytes);
	if (s->store_is_slotted)
		n_bytes = store_slots_device_bytes(n_bytes, info->chunk_bytes,
						   s->o->cache_bytes);
	err = store_zram_new(n_bytes, s->o->zram_algorithm, s->o->store_limit_bytes,
			     serve_n_store_threads(), &s->store);
	if (err < 0)
		return err;
	store_zram_hold(s->store, s->d->hold);
	if (!store_zram_has_algorithm(s->store, s->o->zram_algorithm))
		serve_warn(
			s,
			"zram-algorithm=%s: wrong value: accepted: %s; using the default",
			s->o->zram_algorithm, store_zram_algorithms(s->store));
	s->record->zram_bytes = n_bytes;
	s->record->zram_entry_bytes = store_zram_entry_bytes(s->store);
	note_zram(s);
	if (!s->store_is_slotted)
		return 0;
	log_notice("%s: holds %" PRIu64 " MiB of the image's %" PRIu64 " at a time",
		   s->zram.device, n_bytes >> 20, info->image_bytes >> 20);
	return put_slots_over(s);
}

static int take_zram(struct serve *s)
{
	const struct serve_record *r = s->record;
	int err = store_zram_adopt(s->d->hold, r->zram_bytes, s->o->store_limit_bytes,
				   serve_n_store_threads(), (unsigned)r->zram_entry_bytes,
				   &s->store);

	if (err < 0)
		return err;
	note_zram(s);
	s->store_is_slotted = r->zram_bytes < img_info(s->image.img)->image_bytes;
	return s->store_is_slotted ? put_slots_over(s) : 0;
}

/* -- disks and files ---------------------------------------------------------------------- */

static int disk_config(struct serve *s, struct store_disk_config *ret)
{
	const struct img_info *info = img_info(s->image.img);

	*ret = (struct store_disk_config){
		.where = s->o->store,
		.may_format = s->o->store_format,
		.image = {.image_bytes = info->image_bytes,
			  .chunk_bytes = info->chunk_bytes},
		.n_threads = serve_n_store_threads() + SERVE_RECHECK_THREADS,
		.wait_ms = STORE_WAIT_MS,
	};
	memcpy(ret->image.digest, info->digest, sizeof ret->image.digest);
	return region_area(s->d->region, REGION_STORE,
			   store_disk_memory_bytes(&ret->image), &ret->memory);
}

static int open_disk(struct serve *s)
{
	struct store_disk_config config;
	int fd, claim_fd, err = disk_config(s, &config);

	if (err == 0)
		err = store_disk_new(&config, &s->store);
	if (err < 0)
		return err;
	store_disk_fds(s->store, &fd, &claim_fd);
	hold_put(s->d->hold, HOLD_STORE, fd);
	if (claim_fd >= 0)
		hold_put(s->d->hold, HOLD_STORE_CLAIM, claim_fd);
	return 0;
}

static int take_disk(struct serve *s)
{
	int fd = hold_take(s->d->hold, HOLD_STORE);
	int claim_fd = hold_take(s->d->hold, HOLD_STORE_CLAIM);
	struct store_disk_config config;
	int err = fd < 0 ? -ENODEV : disk_config(s, &config);

	return err < 0 ? err : store_disk_adopt(&config, fd, claim_fd, &s->store);
}

void serve_release_claim(struct serve *s)
{
	hold_drop(s->d->hold, HOLD_STORE_CLAIM);
	hold_sync(s->d->hold);
}

/* -- any ---------------------------------------------------------------------------------- */

int serve_open_store(struct serve *s)
{
	const enum store_kind kind = options_store_kind(s->o);
	int err;

	if (kind == STORE_ZRAM)
		return open_zram(s);
	if (kind == STORE_DISK)
		return open_disk(s);
	err = store_mem_new(img_info(s->image.img)->image_bytes, s->o->store_limit_bytes,
			    &s->store);
	if (err == 0)
		store_mem_hold(s->store, s->d->hold);
	return err;
}

int serve_take_store(struct serve *s)
{
	const enum store_kind kind = options_store_kind(s->o);

	if (kind == STORE_ZRAM)
		return take_zram(s);
	if (kind == STORE_DISK)
		return take_disk(s);
	return store_mem_adopt(s->d->hold, img_info(s->image.img)->image_bytes,
			       s->o->store_limit_bytes, &s->store);
}
