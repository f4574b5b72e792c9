/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_info.c - hydroot-image info: what an image says of itself
 *
 * Everything printed has been checked against the digest; the chunks themselves are not
 * read.
 */
#include <getopt.h>
#include <inttypes.h>

#include <jansson.h>

#include "imgfmt/digest.h"
#include "imgfmt/tool/hot_table.h"
#include "imgfmt/tool/http.h"
#include "imgfmt/tool/image_file.h"
#include "imgfmt/tool/info.h"
#include "imgfmt/tool/output.h"
#include "imgfmt/tool/tool.h"

#define UUID_TEXT_BYTES 37

enum { OPT_JSON = 256, OPT_SIGNED_BYTES, OPT_CA, OPT_CERT, OPT_CERT_KEY };

static const struct option long_options[] = {
	{"json", no_argument, NULL, OPT_JSON},
	{"signed-bytes", required_argument, NULL, OPT_SIGNED_BYTES},
	{"ca", required_argument, NULL, OPT_CA},
	{"cert", required_argument, NULL, OPT_CERT},
	{"cert-key", required_argument, NULL, OPT_CERT_KEY},
	{NULL, 0, NULL, 0},
};

struct arguments {
	bool json;
	const char *signed_bytes_path;
	struct http_tls tls;
	const char *path;
};

struct counts {
	struct hot_table_counts hot;
	uint64_t zero_chunks;
	uint64_t zero_pages;
};

static int parse_arguments(int argc, char **argv, struct arguments *a)
{
	int option;

	while ((option = tool_getopt("info", argc, argv, long_options, NULL)) != -1) {
		if (option == OPT_JSON)
			a->json = true;
		else if (option == OPT_SIGNED_BYTES)
			a->signed_bytes_path = optarg;
		else if (option == OPT_CA)
			a->tls.ca = optarg;
		else if (option == OPT_CERT)
			a->tls.cert = optarg;
		else if (option == OPT_CERT_KEY)
			a->tls.cert_key = optarg;
		else
			return EXIT_USAGE;
	}
	if (argc - optind != 1)
		return tool_usage("info", "give one IMAGE");
	if (a->tls.cert_key && !a->tls.cert)
		return tool_usage("info", "--cert-key: give --cert=FILE too");
	a->path = argv[optind];
	return EXIT_DONE;
}

static int count_zeros(struct image_file *f, struct counts *ret)
{
	const struct img_info *info = img_info(f->img);
	struct counts n = {0};

	for (uint64_t ci = 0; ci < info->n_chunks; ci++) {
		struct img_chunk chunk;
		int r = image_chunk(f, ci, &chunk);

		if (r != EXIT_DONE)
			return r;
		n.zero_chunks += chunk.is_zero;
		n.zero_pages += f->page->is_zero && ci % IMG_PAGE_ENTRIES == 0;
	}
	*ret = n;
	return hot_table_count(f, &ret->hot);
}

static void uuid_text(const uint8_t uuid[IMG_UUID_BYTES], char ret[UUID_TEXT_BYTES])
{
	char *p = ret;

	for (unsigned i = 0; i < IMG_UUID_BYTES; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		p += snprintf(p, 3, "%02x", uuid[i]);
	}
}

static double ratio(const struct img_info *info)
{
	return (double)info->image_bytes / (double)info->file_bytes;
}

static void print_signatures(const struct img *img)
{
	uint8_t id[IMG_KEY_ID_BYTES];
	char text[IMG_KEY_TEXT_BYTES];

	printf("signatures: %u\n", img_info(img)->n_signatures);
	for (uint32_t i = 0; img_signature_key_id(img, i, id); i++) {
		img_key_id_text(id, text);
		printf("signature-key-id: %s\n", text);
	}
}

static void print_text(const struct image_file *f, const struct counts *n)
{
	const struct img_info *info = img_info(f->img);
	char uuid[UUID_TEXT_BYTES], digest[IMG_HEX_BYTES], raw[IMG_HEX_BYTES];

	uuid_text(info->uuid, uuid);
	img_digest_hex(info->digest, digest);
	img_digest_hex(info->raw_digest, raw);
	printf("digest: sha256:%s\n", digest);
	printf("uuid: %s\n", uuid);
	printf("version-number: %" PRIu64 "\n", info->version_number);
	print_signatures(f->img);
	printf("image-bytes: %" PRIu64 " (%s)\n", info->image_bytes,
	       tool_human(info->image_bytes));
	printf("file-bytes: %" PRIu64 " (%s)\n", info->file_bytes,
	       tool_human(info->file_bytes));
	printf("ratio: %.2f\n", ratio(info));
	printf("chunk-bytes: %u (%s)\n", info->chunk_bytes,
	       tool_human(info->chunk_bytes));
	printf("chunks: %" PRIu64 " (%" PRIu64 " zero)\n", info->n_chunks,
	       n->zero_chunks);
	printf("index-pages: %" PRIu64 " (%" PRIu64 " zero)\n", info->n_pages,
	       n->zero_pages);
	printf("hot-pack-bytes: %" PRIu64 "\n", info->hot_bytes);
	if (info->hot_bytes > 0)
		printf("hot-pack: %s of blocks in %u runs, %u frames\n",
		       tool_human(n->hot.raw_bytes), n->hot.n_runs, n->hot.n_frames);
	printf("attach-bytes: %" PRIu64 " (%s)\n", info->pages_off,
	       tool_human(info->pages_off));
	printf("raw-digest: sha256:%s\n", raw);
	printf("meta: %s\n", f->meta);
}

static json_t *section_json(uint64_t off, uint64_t n_bytes)
{
	return json_pack("{s:I, s:I}", "offset", (json_int_t)off, "bytes",
			 (json_int_t)n_bytes);
}

static json_t *sections_json(const struct img_info *info)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "meta",
			 section_json(info->meta_off, info->meta_bytes), "page_table",
			 section_json(info->table_off, info->table_bytes), "index_pages",
			 section_json(info->pages_off, info->pages_bytes), "hot_pack",
			 section_json(info->hot_off, info->hot_bytes), "data",
			 section_json(info->data_off, info->data_bytes), "seek_table",
			 section_json(info->seek_off, info->seek_bytes));
}

void info_set_digest(json_t *to, const char *key, const uint8_t digest[IMG_DIGEST_BYTES])
{
	char text[7 + IMG_HEX_BYTES] = "sha256:";

	img_digest_hex(digest, text + 7);
	json_object_set_new(to, key, json_string(text));
}

void info_set_number(json_t *to, const char *key, uint64_t n)
{
	json_object_set_new(to, key, json_integer((json_int_t)n));
}

/* All zero: the signature was imported, and nobody said whose it is. */
static json_t *key_ids_json(const struct img *img)
{
	json_t *ids = json_array();
	uint8_t id[IMG_KEY_ID_BYTES];
	char text[IMG_KEY_TEXT_BYTES];

	for (uint32_t i = 0; img_signature_key_id(img, i, id); i++) {
		img_key_id_text(id, text);
		json_array_append_new(ids, json_string(text));
	}
	return ids;
}

static json_t *make_json(const struct image_file *f, const struct counts *n)
{
	const struct img_info *info = img_info(f->img);
	char uuid[UUID_TEXT_BYTES];
	json_t *o = json_object();

	uuid_text(info->uuid, uuid);
	info_set_number(o, "schema", INFO_JSON_SCHEMA);
	info_set_digest(o, "digest", info->digest);
	info_set_digest(o, "raw_digest", info->raw_digest);
	json_object_set_new(o, "uuid", json_string(uuid));
	info_set_number(o, "version_number", info->version_number);
	info_set_number(o, "signatures", info->n_signatures);
	json_object_set_new(o, "signature_key_ids", key_ids_json(f->img));
	info_set_number(o, "image_bytes", info->image_bytes);
	info_set_number(o, "file_bytes", info->file_bytes);
	json_object_set_new(o, "ratio", json_real(ratio(info)));
	info_set_number(o, "chunk_bytes", info->chunk_bytes);
	info_set_number(o, "chunks", info->n_chunks);
	info_set_number(o, "zero_chunks", n->zero_chunks);
	info_set_number(o, "index_pages", info->n_pages);
	info_set_number(o, "zero_pages", n->zero_pages);
	info_set_number(o, "hot_raw_bytes", n->hot.raw_bytes);
	info_set_number(o, "hot_runs", n->hot.n_runs);
	info_set_number(o, "hot_frames", n->hot.n_frames);
	json_object_set_new(o, "sections", sections_json(info));
	/* Checked by img_check_meta, so it loads. */
	json_object_set_new(o, "meta", json_loads(f->meta, 0, NULL));
	return o;
}

int info_print_json(const char *path, json_t *o)
{
	int r = json_dumpf(o, stdout,
			   JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(6));

	json_decref(o);
	if (r < 0)
		return tool_fail(path, "out of memory");
	putchar('\n');
	return EXIT_DONE;
}

int info_write_signed_bytes(const void *bytes, const char *path)
{
	struct output out;
	int r = output_open(path, &out);

	if (r != EXIT_DONE)
		return r;
	r = output_write(&out, bytes, IMG_SIGNED_BYTES);
	if (r == EXIT_DONE)
		r = output_commit(&out);
	output_close(&out);
	return r;
}

static int show(struct image_file *f, const struct arguments *a)
{
	struct counts n;
	int r = count_zeros(f, &n);

	if (r == EXIT_DONE && a->signed_bytes_path)
		r = info_write_signed_bytes(img_signed_bytes(f->img),
					    a->signed_bytes_path);
	if (r != EXIT_DONE)
		return r;
	if (a->json)
		return info_print_json(f->path, make_json(f, &n));
	print_text(f, &n);
	return EXIT_DONE;
}

static int run_info(int argc, char **argv)
{
	struct arguments a = {0};
	struct image_file f;
	int r = parse_arguments(argc, argv, &a);
	const struct output_source sources[] = {{"IMAGE", a.path}, {NULL, NULL}};

	if (r == EXIT_DONE && a.signed_bytes_path)
		r = output_check("info", "the file of --signed-bytes",
				 a.signed_bytes_path, sources);
	if (r != EXIT_DONE)
		return r;
	r = image_look(a.path, &a.tls, &f);
	if (r != EXIT_DONE)
		return r;
	if (hot_table_is_pack(&f)) {
		r = pack_info_show(&f, a.json, a.signed_bytes_path);
	} else {
		r = image_load(&f);
		if (r == EXIT_DONE)
			r = show(&f, &a);
	}
	image_close(&f);
	return r == EXIT_REFUSED ? EXIT_FAILED : r;
}

const struct command cmd_info = {
	"info",
	"Usage: hydroot-image info [OPTION...] IMAGE\n"
	"Show what an image says of itself: digest, sizes, metadata.\n\n"
	"IMAGE may be a hot pack too, and an http or https URL; only what is needed is fetched.\n\n"
	"  --json                one JSON object\n"
	"  --signed-bytes=FILE   write the bytes that signatures are made over\n"
	"  --ca=FILE             CA certificates of https servers (PEM), instead of the system's\n"
	"  --cert=FILE           client certificate for https servers (PEM)\n"
	"  --cert-key=FILE       its private key, if it is not in the file of --cert\n",
	run_info,
};
