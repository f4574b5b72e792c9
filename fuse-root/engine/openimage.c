/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openimage.c - see openimage.h
 *
 * One request for the first 256 KiB is enough for most images; what lies beyond is asked for
 * piece by piece.  A server whose bytes do not verify is passed over; when all were, it is over,
 * because waiting would not make a wrong image right.
 */
#include "engine/openimage.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/signers.h"

/* One attempt at one server's image. */
struct attempt {
	const struct openimage_config *config;
	struct source *source;
	uint32_t avoid;
	unsigned server; /* that gave the newest bytes */
	uint64_t next_id;
	uint32_t moved; /* servers that were asked for the image by its digest */
	bool is_other; /* refused because it is not the image that was pinned */
	uint64_t part_off; /* of the part of the file that is being checked */
	char *why;
	size_t why_bytes;
};

#define IDLE_MS 200

/* 0 to go on, else why not. */
static int check_time(const struct attempt *a)
{
	if (a->config->idle && !a->config->idle(a->config->ctx))
		return -ECANCELED;
	return clock_ms() < a->config->deadline_ms ? 0 : -ETIMEDOUT;
}

/* Copy a range out of the source.  Returns how many bytes there are, or -errno. */
static ssize_t read_range(struct attempt *a, uint64_t src_off, uint32_t n_bytes,
			  bool may_end, uint8_t *buf)
{
	struct source_request rq = {
		.id = a->next_id++,
		.src_off = src_off,
		.n_bytes = n_bytes,
		.class = SOURCE_DEMAND,
		.may_end = may_end,
		.avoid = a->avoid,
	};
	struct source_event ev;
	int err = source_submit(a->source, &rq);

	if (err < 0)
		return err;
	while ((err = check_time(a)) == 0) {
		if (source_wait(a->source, IDLE_MS, &ev, 1) != 1 || ev.id != rq.id ||
		    ev.kind != SOURCE_DONE)
			continue;
		a->server = ev.server;
		memcpy(buf, ev.data, ev.n_bytes);
		source_release(a->source, rq.id);
		return ev.n_bytes;
	}
	source_release(a->source, rq.id);
	return err;
}

static int refuse_digest(struct attempt *a, const struct img *img)
{
	char has[IMG_HEX_BYTES], wanted[IMG_HEX_BYTES];

	img_digest_hex(img_info(img)->digest, has);
	img_digest_hex(a->config->trust.digest, wanted);
	snprintf(a->why, a->why_bytes,
		 "HEAD: refused: digest is sha256:%s, wanted sha256:%s", has, wanted);
	a->is_other = true;
	return -EKEYREJECTED;
}

/* What says nothing of the image is no reason to ask another server. */
static int refuse(struct attempt *a, const char *part, int img_err)
{
	const bool is_ours = img_err_is_ours(img_err);

	snprintf(a->why, a->why_bytes, "%s at offset %" PRIu64 ": %s: %s", part,
		 a->part_off, is_ours ? "not verified: this node failed" : "refused",
		 img_strerror(img_err));
	if (is_ours)
		return img_err == IMG_ERR_MEMORY ? -ENOMEM : -EIO;
	return -EKEYREJECTED;
}

static int refuse_key(struct attempt *a, const struct img *img, int img_err)
{
	const struct openimage_trust *t = &a->config->trust;
	uint8_t ids[IMG_SIGNATURES_MAX][IMG_KEY_ID_BYTES];
	char keys[SIGNERS_TEXT_BYTES];
	uint32_t n = 0;

	while (n < IMG_SIGNATURES_MAX && img_signature_key_id(img, n, ids[n]))
		n++;
	signers_text(t->public_key, t->public_key_bytes, ids, n, keys);
	snprintf(a->why, a->why_bytes, "HEAD: refused: %s, %s", img_strerror(img_err),
		 keys);
	return -EKEYREJECTED;
}

/* Before anything else of the image is used. */
static int check_trust(struct attempt *a, const struct img *img)
{
	const struct openimage_trust *t = &a->config->trust;
	int err;

	if (t->has_digest && img_check_digest(img, t->digest) < 0)
		return refuse_digest(a, img);
	err = t->public_key ? img_check_signature(img, t->public_key, t->public_key_bytes)
			    : 0;
	if (img_err_is_ours(err))
		return refuse(a, "HEAD", err);
	if (err < 0)
		return refuse_key(a, img, err);
	if (img_info(img)->version_number < t->min_version) {
		snprintf(a->why, a->why_bytes,
			 "HEAD: refused: version number %" PRIu64
			 " is lower than min-version %" PRIu64,
			 img_info(img)->version_number, t->min_version);
		return -EKEYREJECTED;
	}
	return 0;
}

/* Programs for another CPU would not even start; better said before the root is mounted. */
static int check_architecture(struct attempt *a, const uint8_t *meta, size_t n_bytes)
{
	char architecture[IMG_ARCHITECTURE_BYTES];
	struct utsname host;

	img_meta_architecture(meta, n_bytes, architecture);
	if (!architecture[0] || uname(&host) < 0 ||
	    img_architecture_runs_on(architecture, host.machine))
		return 0;
	snprintf(a->why, a->why_bytes,
		 "META: refused: the image is for %s, this machine is %s", architecture,
		 host.machine);
	return -EKEYREJECTED;
}

/* A root without the modules of the running kernel lacks every driver that is not loaded yet. */
static int check_kernel(struct attempt *a, const uint8_t *meta, size_t n_bytes)
{
	const char *kernel = a->config->trust.kernel;
	char listed[IMG_KERNELS_BYTES];

	if (!kernel || img_meta_has_kernel(meta, n_bytes, kernel, listed))
		return 0;
	snprintf(a->why, a->why_bytes,
		 "META: refused: the image is for kernel %s, this is %s: boot that, or "
		 "kernel-check=warn",
		 listed, kernel);
	return -EKEYREJECTED;
}

/* A part of the image file: out of the first bytes, or fetched.  *ret_copy is malloc'ed if so. */
static int get_part(struct attempt *a, const struct openimage *o, uint64_t src_off,
		    uint64_t n_bytes, const uint8_t **ret, uint8_t **ret_copy)
{
	uint8_t *copy;

	if (src_off + n_bytes <= o->n_first) {
		*ret = o->first + src_off;
		return 0;
	}
	copy = malloc(n_bytes);
	if (!copy)
		return -ENOMEM;
	for (uint64_t done = 0; done < n_bytes;) {
		uint32_t piece =
			(uint32_t)min_u64(n_bytes - done, SOURCE_REQUEST_BYTES_MAX);
		ssize_t n = read_range(a, src_off + done, piece, false, copy + done);

		if (n != (ssize_t)piece) {
			free(copy);
			return n < 0 ? (int)n : -EIO;
		}
		done += piece;
	}
	*ret = *ret_copy = copy;
	return 0;
}

static int check_meta_and_table(struct attempt *a, struct openimage *o,
				const uint8_t *meta, const uint8_t *table)
{
	const struct img_info *info = img_info(o->img);
	int err = img_check_meta(o->img, meta, info->meta_bytes);

	a->part_off = info->meta_off;
	if (err < 0)
		return refuse(a, "META", err);
	err = check_architecture(a, meta, info->meta_bytes);
	if (err == 0)
		err = check_kernel(a, meta, info->meta_bytes);
	if (err < 0)
		return err;
	a->part_off = info->table_off;
	err = img_set_table(o->img, table, info->table_bytes);
	return err < 0 ? refuse(a, "PAGE TABLE", err) : 0;
}

/* For openimage_again; after all checks, so that no refused image is kept. */
static int keep(struct region *r, const struct openimage *o, const uint8_t *meta,
		const uint8_t *table)
{
	const struct img_info *info = img_info(o->img);
	int err = 0;

	if (!r)
		return 0;
	if (info->meta_bytes)
		err = region_put(r, REGION_IMAGE_META, meta, info->meta_bytes);
	if (err == 0 && info->table_bytes)
		err = region_put(r, REGION_IMAGE_TABLE, table, info->table_bytes);
	return err < 0 ? err : region_put(r, REGION_IMAGE_FIRST, o->first, o->n_first);
}

static int load_meta_and_table(struct attempt *a, struct openimage *o)
{
	const struct img_info *info = img_info(o->img);
	cleanup_free uint8_t *meta_copy = NULL, *table_copy = NULL;
	const uint8_t *meta = NULL, *table = NULL;
	int err = get_part(a, o, info->meta_off, info->meta_bytes, &meta, &meta_copy);

	if (err == 0)
		err = get_part(a, o, info->table_off, info->table_bytes, &table,
			       &table_copy);
	if (err == 0)
		err = check_meta_and_table(a, o, meta, table);
	return err < 0 ? err : keep(a->config->region, o, meta, table);
}

static int try_once(struct attempt *a, struct openimage *o)
{
	ssize_t n = read_range(a, 0, IMG_FIRST_READ_BYTES, true, o->first);
	int err;

	if (n < 0)
		return (int)n;
	o->n_first = (size_t)n;
	a->part_off = 0;
	err = img_new(o->first, o->n_first, &o->img);
	if (err < 0)
		return refuse(a, "HEAD", err);
	err = check_trust(a, o->img);
	if (err < 0)
		return err;
	err = load_meta_and_table(a, o);
	if (err < 0)
		return err;
	/*
	 * Not earlier: the length of a spoilt image must not shut out the servers with a
	 * good one.
	 */
	source_pin(a->source, img_info(o->img)->file_bytes, img_info(o->img)->digest);
	return 0;
}

/* Another image under the name: the pinned one may be beside it.  Once for each server. */
static bool may_move_on(struct attempt *a)
{
	const uint32_t bit = UINT32_C(1) << a->server;
	const bool is_other = a->is_other;

	a->is_other = false;
	if (!is_other || a->moved & bit)
		return false;
	a->moved |= bit;
	return source_move_on(a->source, a->server);
}

/* Without any key or digest the image is only protected against accidents. */
static void note_trust(const struct openimage_trust *trust)
{
	if (!trust->has_digest && !trust->public_key)
		log_warning(
			"image: not authenticated: anybody who can answer for the server "
			"can replace it: set digest= or public-key=");
}

#define NOBODY "no server answered in time"

/*
 * With what the first server that failed has said, which is more than that it took too long; or
 * which one was silent till the end.
 */
static void explain_silence(struct attempt *a)
{
	cleanup_free struct source_status *status = malloc(sizeof *status);
	unsigned i = 0;

	if (!status || strcmp(a->why, NOBODY) != 0)
		return;
	source_status(a->source, status);
	while (i < status->n_servers && !status->servers[i].last_error[0])
		i++;
	const bool has_said = i < status->n_servers;
	const struct source_server_status *server = &status->servers[has_said ? i : 0];
	snprintf(a->why, a->why_bytes, NOBODY ": %.100s%s%s", server->url,
		 has_said ? ": " : "", server->last_error);
}

int openimage_open(const struct openimage_config *config, struct openimage *ret,
		   char *why, size_t why_bytes)
{
	uint32_t everybody = (uint32_t)((UINT64_C(1) << config->n_servers) - 1);
	struct openimage o = {.first = malloc(IMG_FIRST_READ_BYTES)};
	struct attempt a = {
		.config = config,
		.source = config->source,
		.next_id = UINT64_C(1) << 62,
		.why = why,
		.why_bytes = why_bytes,
	};
	int err = o.first ? 0 : -ENOMEM;

	snprintf(why, why_bytes, NOBODY);
	/* A name that has moved on already is no obstacle to who knows the digest. */
	if (config->trust.has_digest)
		source_pin(a.source, 0, config->trust.digest);
	while (err == 0) {
		err = try_once(&a, &o);
		if (err == 0) {
			note_trust(&config->trust);
			*ret = o;
			return 0;
		}
		img_free(steal_pointer(&o.img));
		if (err != -EKEYREJECTED)
			break;
		if (may_move_on(&a)) {
			err = 0;
			continue;
		}
		source_reject(a.source, a.server, a.part_off, why);
		a.avoid |= UINT32_C(1) << a.server;
		if ((a.avoid & everybody) != everybody)
			err = 0;
	}
	if (err == -ETIMEDOUT)
		explain_silence(&a);
	openimage_close(&o);
	return err;
}

static int find_part(struct region *r, enum region_tag tag, uint64_t n_bytes,
		     const uint8_t **ret)
{
	void *part = NULL;
	size_t n = 0;
	int err = n_bytes ? region_find(r, tag, &part, &n) : 0;

	if (err == 0 && n != n_bytes)
		err = -EBADMSG;
	*ret = part;
	return err;
}

static int take_parts(struct attempt *a, struct region *r, struct openimage *o)
{
	const uint8_t *meta = NULL, *table = NULL;
	int err = img_new(o->first, o->n_first, &o->img);

	if (err < 0)
		return refuse(a, "HEAD", err);
	err = check_trust(a, o->img);
	if (err == 0)
		err = find_part(r, REGION_IMAGE_META, img_info(o->img)->meta_bytes,
				&meta);
	if (err == 0)
		err = find_part(r, REGION_IMAGE_TABLE, img_info(o->img)->table_bytes,
				&table);
	return err < 0 ? err : check_meta_and_table(a, o, meta, table);
}

int openimage_again(struct region *region, const struct openimage_trust *trust,
		    struct openimage *ret, char *why, size_t why_bytes)
{
	const struct openimage_config config = {.trust = *trust};
	struct attempt a = {.config = &config, .why = why, .why_bytes = why_bytes};
	struct openimage o = {0};
	void *first;
	int err = region_find(region, REGION_IMAGE_FIRST, &first, &o.n_first);

	snprintf(why, why_bytes, "%s", "nothing was kept of it");
	if (err < 0)
		return err;
	o.first = malloc(o.n_first);
	if (!o.first)
		return -ENOMEM;
	memcpy(o.first, first, o.n_first);
	err = take_parts(&a, region, &o);
	if (err < 0)
		openimage_close(&o);
	else
		*ret = o;
	return err;
}

void openimage_close(struct openimage *o)
{
	img_free(o->img);
	free(o->first);
	*o = (struct openimage){0};
}
