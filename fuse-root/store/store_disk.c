/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_disk.c - see store_disk.h
 *
 * The order of things on the device is the journal's business; here a chunk is hashed,
 * and slot_off becomes an offset on the device.
 */
#include "store/store_disk.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>

#include "base/log.h"
#include "store/blockbits.h"
#include "store/journal.h"

#define BLOCK LAYOUT_BLOCK

struct store_disk {
	struct store store;
	struct disk *disk;
	struct journal *journal;
	uint64_t data_off;
	uint32_t chunk_bytes;
	EVP_MD *sha256;
	struct blockbits written;
};

static struct store_disk *self(struct store *s)
{
	return (struct store_disk *)s;
}

static bool is_inside(const struct store *s, uint64_t slot_off, uint64_t n_bytes)
{
	return slot_off <= s->bytes && n_bytes <= s->bytes - slot_off;
}

/* -- reading and writing ------------------------------------------------------------------ */

/* Pieces on the device, collected until STORE_IO_MAX of them are worth a call. */
struct gather {
	struct store_io io[STORE_IO_MAX];
	unsigned n;
};

static int gather_flush(struct store_disk *s, struct gather *g)
{
	int err = g->n ? disk_read(s->disk, g->io, g->n) : 0;

	g->n = 0;
	return err;
}

/* The runs of one piece: from the device what was written, zeros the rest. */
static int gather_piece(struct store_disk *s, struct gather *g, const struct store_io *io)
{
	uint64_t first = io->slot_off / BLOCK, n = io->n_bytes / BLOCK;
	int err = 0;

	for (uint64_t done = 0; err == 0 && done < n;) {
		uint8_t *at = (uint8_t *)io->buf + done * BLOCK;
		bool is_written;
		uint64_t run =
			blockbits_run(&s->written, first + done, n - done, &is_written);

		if (is_written)
			g->io[g->n++] = (struct store_io){
				.slot_off = s->data_off + (first + done) * BLOCK,
				.buf = at,
				.n_bytes = (uint32_t)(run * BLOCK),
			};
		else
			memset(at, 0, run * BLOCK);
		if (g->n == STORE_IO_MAX)
			err = gather_flush(s, g);
		done += run;
	}
	return err;
}

static int op_read(struct store *s, const struct store_io *io, unsigned n)
{
	struct gather g = {.n = 0};
	int err = 0;

	for (unsigned i = 0; err == 0 && i < n; i++)
		err = is_inside(s, io[i].slot_off, io[i].n_bytes)
			      ? gather_piece(self(s), &g, &io[i])
			      : -EINVAL;
	return err < 0 ? err : gather_flush(self(s), &g);
}

static int op_write(struct store *s, const struct store_io *io, unsigned n)
{
	struct store_disk *d = self(s);
	struct store_io there[STORE_IO_MAX];
	int err;

	for (unsigned i = 0; i < n; i++) {
		if (!is_inside(s, io[i].slot_off, io[i].n_bytes))
			return -EINVAL;
		there[i] = io[i];
		there[i].slot_off += d->data_off;
	}
	err = n ? disk_write(d->disk, there, n) : 0;
	for (unsigned i = 0; err == 0 && i < n; i++)
		blockbits_set(&d->written, io[i].slot_off / BLOCK, io[i].n_bytes / BLOCK,
			      true);
	return err;
}

/*
 * The bits alone make zeros of it.  The device does what it can quickly; a file gives the
 * space back.
 */
static int op_discard(struct store *s, uint64_t slot_off, uint64_t n_bytes)
{
	struct store_disk *d = self(s);

	if (!is_inside(s, slot_off, n_bytes))
		return -EINVAL;
	blockbits_set(&d->written, slot_off / BLOCK, n_bytes / BLOCK, false);
	(void)!d->disk->ops->punch(d->disk, d->data_off + slot_off, n_bytes);
	return 0;
}

static void op_usage(struct store *s, struct store_usage *ret)
{
	const struct store_disk *d = self(s);

	*ret = (struct store_usage){
		.used_bytes = d->data_off + atomic_load(&d->written.n_set) * BLOCK,
		.limit_bytes = d->disk->is_file ? 0 : d->disk->bytes,
	};
}

/* -- what is remembered ------------------------------------------------------------------- */

static uint64_t chunk_length(const struct store *s, uint64_t ci, uint32_t chunk_bytes)
{
	return min_u64(chunk_bytes, s->bytes - ci * chunk_bytes);
}

static bool op_has_chunk(struct store *s, uint64_t ci)
{
	return journal_is_clean(self(s)->journal, ci);
}

static int hash(const struct store_disk *d, const void *raw, size_t n_bytes,
		uint8_t ret[LAYOUT_DIGEST_BYTES])
{
	return EVP_Digest(raw, n_bytes, ret, NULL, d->sha256, NULL) == 1 ? 0 : -EIO;
}

static int op_check_chunk(struct store *s, uint64_t ci, void *buf, size_t n_bytes)
{
	struct store_disk *d = self(s);
	const struct store_io io = {.slot_off = ci * d->chunk_bytes,
				    .buf = buf,
				    .n_bytes = (uint32_t)n_bytes};
	uint8_t want[LAYOUT_DIGEST_BYTES], got[LAYOUT_DIGEST_BYTES];
	int err = journal_digest(d->journal, ci, want);

	assert(n_bytes == chunk_length(s, ci, d->chunk_bytes));
	if (err == 0)
		err = op_read(s, &io, 1);
	if (err == 0)
		err = hash(d, buf, n_bytes, got);
	if (err == 0 && memcmp(want, got, sizeof want) != 0)
		err = -ESTALE;
	if (err < 0) {
		journal_forget(d->journal, ci);
		(void)!op_discard(s, io.slot_off, n_bytes);
	}
	return err;
}

static void op_chunk_stored(struct store *s, uint64_t ci, const void *raw, size_t n_bytes)
{
	struct store_disk *d = self(s);
	uint8_t digest[LAYOUT_DIGEST_BYTES];

	/* Written to already: spare the hashing.  journal_stored looks again. */
	if (journal_is_free(d->journal, ci) && hash(d, raw, n_bytes, digest) == 0)
		journal_stored(d->journal, ci, digest);
}

static void op_before_write(struct store *s, uint64_t slot_off, uint64_t n_bytes)
{
	struct store_disk *d = self(s);

	if (n_bytes && is_inside(s, slot_off, n_bytes))
		journal_dirty(d->journal, slot_off / d->chunk_bytes,
			      (slot_off + n_bytes - 1) / d->chunk_bytes + 1);
}

static int op_give(struct store *s)
{
	struct store_disk *d = self(s);
	uint64_t n_blocks = s->bytes / BLOCK;
	int err = 0;

	for (uint64_t at = 0; err == 0 && at < n_blocks;) {
		bool is_written;
		uint64_t run = blockbits_run(&d->written, at, n_blocks - at, &is_written);

		if (!is_written)
			err = d->disk->ops->zero(d->disk, d->data_off + at * BLOCK,
						 run * BLOCK);
		at += run;
	}
	if (err == 0)
		err = store_disk_sync(s);
	if (err < 0)
		return err;
	disk_release_claim(d->disk);
	s->given.fd = d->disk->fd;
	s->given.off = d->data_off;
	return 0;
}

int store_disk_sync(struct store *s)
{
	return journal_sync(self(s)->journal);
}

static void op_free(struct store *s)
{
	struct store_disk *d = self(s);

	journal_close(d->journal);
	disk_free(d->disk);
	blockbits_fini(&d->written);
	EVP_MD_free(d->sha256);
	free(d);
}

static const struct store_persistence persistence = {
	.has_chunk = op_has_chunk,
	.check_chunk = op_check_chunk,
	.chunk_stored = op_chunk_stored,
	.before_write = op_before_write,
	.give = op_give,
};

#define STORE_DISK_OPS(kind_)                                                            \
	{                                                                                \
		.kind = kind_, .read = op_read, .write = op_write,                       \
		.discard = op_discard, .usage = op_usage, .free = op_free,               \
		.persistence = &persistence                                              \
	}

static const struct store_ops disk_ops = STORE_DISK_OPS("disk");
static const struct store_ops file_ops = STORE_DISK_OPS("file");

/* -- opening ------------------------------------------------------------------------------ */

static int check_size(const struct disk *d, const struct layout *l)
{
	if (d->bytes >= l->end)
		return 0;
	log_error("store %s: too small: it has %" PRIu64
		  " bytes, the image needs %" PRIu64,
		  d->path, d->bytes, l->end);
	return -ENOSPC;
}

/* Ours, or made ours. */
static int take_disk(struct disk *d, const struct store_disk_config *config,
		     const struct layout *l)
{
	enum journal_found found;
	int err = journal_probe(d, &config->image, &found);

	if (err == 0 && found == JOURNAL_NONE && !config->may_format)
		err = disk_check_blank(d);
	if (err == 0)
		err = disk_prepare(d, l->end, l->data_off, found != JOURNAL_SAME_IMAGE);
	if (err < 0 || found == JOURNAL_SAME_IMAGE)
		return err;
	if (found == JOURNAL_OTHER_IMAGE)
		log_notice("store %s: it has another image: started afresh", d->path);
	if (found == JOURNAL_DAMAGED)
		log_warning("store %s: its superblocks are damaged: started afresh",
			    d->path);
	return journal_format(d, &config->image);
}

/* Recorded chunks are there, everything else is zeros: in a file also its space is given back. */
static void mark_written(struct store_disk *s, const struct layout *l)
{
	uint64_t n_found = 0;

	for (uint64_t ci = 0, end; ci < l->n_chunks; ci = end) {
		bool is_clean = journal_is_clean(s->journal, ci);
		uint64_t slot_off = ci * s->chunk_bytes, n_bytes;

		for (end = ci + 1; end < l->n_chunks; end++)
			if (journal_is_clean(s->journal, end) != is_clean)
				break;
		n_bytes = min_u64(end * s->chunk_bytes, s->store.bytes) - slot_off;
		if (is_clean)
			blockbits_set(&s->written, slot_off / BLOCK, n_bytes / BLOCK,
				      true);
		else if (s->disk->is_file)
			(void)!s->disk->ops->punch(s->disk, s->data_off + slot_off,
						   n_bytes);
		n_found += is_clean ? end - ci : 0;
	}
	log_notice("store %s: %" PRIu64 " of %" PRIu64 " chunks of this image are there",
		   s->disk->path, n_found, l->n_chunks);
}

/* Memory that is left to a next process: states of the chunks, then bits of the blocks. */
static uint64_t states_bytes(const struct layout_image *image)
{
	return div_round_up(div_round_up(image->image_bytes, image->chunk_bytes), BLOCK) *
	       BLOCK;
}

uint64_t store_disk_memory_bytes(const struct layout_image *image)
{
	return states_bytes(image) + blockbits_bytes(image->image_bytes / BLOCK);
}

static int open_parts(struct store_disk *s, const struct store_disk_config *config,
		      bool is_adopted)
{
	const struct layout_image *image = &config->image;
	uint8_t *memory = config->memory;
	struct layout l;
	int err;

	if (!layout_init(&l, image))
		return -EINVAL;
	s->data_off = l.data_off;
	s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!s->sha256)
		return -ENOMEM;
	err = blockbits_init(&s->written, image->image_bytes / BLOCK,
			     memory ? memory + states_bytes(image) : NULL);
	if (err == 0 && !is_adopted)
		err = check_size(s->disk, &l);
	if (err == 0 && !is_adopted)
		err = take_disk(s->disk, config, &l);
	if (err == 0)
		err = journal_open(s->disk, image, memory, is_adopted, &s->journal);
	if (err == 0 && !is_adopted)
		mark_written(s, &l);
	return err;
}

/* Takes the disk over, also when it fails. */
static int new_store(struct disk *d, const struct store_disk_config *config,
		     bool is_adopted, struct store **ret)
{
	struct store_disk *s = calloc(1, sizeof *s);
	int err;

	if (!s) {
		disk_free(d);
		return -ENOMEM;
	}
	s->disk = d;
	s->chunk_bytes = config->image.chunk_bytes;
	s->store = (struct store){
		.ops = d->is_file ? &file_ops : &disk_ops,
		.bytes = config->image.image_bytes,
		.dev_major = d->dev_major,
		.dev_minor = d->dev_minor,
		.dev_fd = -1,
		.given = {.fd = -1},
	};
	snprintf(s->store.device, sizeof s->store.device, "%.63s", d->path);
	err = open_parts(s, config, is_adopted);
	if (err < 0) {
		op_free(&s->store);
		return err;
	}
	*ret = &s->store;
	return 0;
}

int store_disk_over(struct disk *d, const struct store_disk_config *config,
		    struct store **ret)
{
	return new_store(d, config, false, ret);
}

static int start_journal(struct store *s, struct store **ret)
{
	int err = journal_start(self(s)->journal);

	if (err < 0)
		store_free(s);
	else
		*ret = s;
	return err;
}

void store_disk_fds(const struct store *s, int *ret_fd, int *ret_claim_fd)
{
	const struct store_disk *d = (const struct store_disk *)s;

	*ret_fd = d->disk->fd;
	*ret_claim_fd = disk_claim_fd(d->disk);
}

int store_disk_adopt(const struct store_disk_config *config, int fd, int claim_fd,
		     struct store **ret)
{
	struct disk *d;
	struct store *s;
	int err = disk_adopt(config->where, fd, claim_fd, config->n_threads + 2, &d);

	if (err == 0)
		err = new_store(d, config, true, &s);
	return err < 0 ? err : start_journal(s, ret);
}

int store_disk_new(const struct store_disk_config *config, struct store **ret)
{
	const struct disk_config disk = {
		.where = config->where,
		/* The journal's thread, and who waits for it, besides. */
		.n_threads = config->n_threads + 2,
		.wait_ms = config->wait_ms,
	};
	struct disk *d;
	struct store *s;
	int err = disk_open(&disk, &d);

	if (err == 0)
		err = store_disk_over(d, config, &s);
	return err < 0 ? err : start_journal(s, ret);
}
