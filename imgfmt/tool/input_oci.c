/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input_oci.c - a folder in the OCI image layout: umoci unpacks it into another folder
 *
 * umoci, the Open Container Initiative's own tool, because layers are more than tars on
 * top of each other: digests, whiteouts, and links of one layer that the next must not
 * follow out of the folder.  It wants a manifest with a tag, which not every tool writes;
 * so it gets an index of ours over the same blobs.
 */
#include "imgfmt/tool/input.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <jansson.h>

#include "imgfmt/tool/child.h"
#include "imgfmt/tool/mkfs.h"
#include "imgfmt/tool/tool.h"

#define INDEX_BYTES_MAX (4u << 20)
#define TAG_KEY "org.opencontainers.image.ref.name"
#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define OUR_TAG "hydroot"

struct layout {
	const char *name; /* as given, for messages */
	char *path; /* absolute */
	char *tag; /* NULL: any */
};

static bool has_file(const char *folder, const char *name)
{
	cleanup_free char *path = NULL;
	struct stat st;

	return asprintf(&path, "%s/%s", folder, name) >= 0 && stat(path, &st) == 0 &&
	       S_ISREG(st.st_mode);
}

bool oci_matches(const char *path)
{
	return has_file(path, "oci-layout") && has_file(path, "index.json");
}

static const char *tag_of(const json_t *manifest)
{
	return json_string_value(
		json_object_get(json_object_get(manifest, "annotations"), TAG_KEY));
}

/* Borrowed from the index. */
static int find_manifest(const struct layout *l, json_t *index, json_t **ret)
{
	json_t *list = json_object_get(index, "manifests"), *found = NULL, *entry;
	const char *type;
	size_t i, n = 0;

	json_array_foreach(list, i, entry)
	{
		const char *tag = tag_of(entry);

		if (l->tag && (!tag || strcmp(tag, l->tag) != 0))
			continue;
		found = entry;
		n++;
	}
	if (n == 0)
		return tool_fail(l->name, l->tag ? "has no image of this tag"
						 : "has no image in its index.json");
	if (n > 1)
		return tool_fail(l->name, "has %zu images; name one as LAYOUT:TAG", n);
	type = json_string_value(json_object_get(found, "mediaType"));
	if (!type || strcmp(type, MANIFEST_TYPE) != 0)
		return tool_fail(
			l->name,
			"its index.json names a %s and not one image; copy the "
			"one for the nodes' architecture into a layout of its own",
			type ? type : "nameless thing");
	*ret = found;
	return EXIT_DONE;
}

static int read_manifest(const struct layout *l, json_t **ret)
{
	cleanup_free char *path = NULL, *text = NULL;
	json_t *index, *found = NULL;
	size_t n;
	int r;

	if (asprintf(&path, "%s/index.json", l->path) < 0)
		return tool_fail(l->name, "out of memory");
	r = tool_read_file(path, INDEX_BYTES_MAX, &text, &n);
	if (r != EXIT_DONE)
		return r;
	index = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	if (!index)
		return tool_fail(path, "is no JSON");
	r = find_manifest(l, index, &found);
	if (r == EXIT_DONE)
		*ret = json_incref(found);
	json_decref(index);
	return r;
}

/* Takes the manifest. */
static bool write_index(const char *folder, json_t *manifest)
{
	cleanup_free char *path = NULL;
	json_t *index;
	bool ok;

	json_object_set_new(manifest, "annotations",
			    json_pack("{s:s}", TAG_KEY, OUR_TAG));
	index = json_pack("{s:i, s:[o]}", "schemaVersion", 2, "manifests", manifest);
	ok = index && asprintf(&path, "%s/index.json", folder) >= 0 &&
	     json_dump_file(index, path, JSON_COMPACT) == 0;
	json_decref(index);
	return ok;
}

static bool link_in(const char *from_folder, const char *name, const char *folder)
{
	cleanup_free char *from = NULL, *to = NULL;

	return asprintf(&from, "%s/%s", from_folder, name) >= 0 &&
	       asprintf(&to, "%s/%s", folder, name) >= 0 && symlink(from, to) == 0;
}

/* A layout with one image, tagged; *ret_path is the caller's. */
static int make_layout(const struct layout *l, const struct temptree *t, char **ret_path)
{
	cleanup_free char *folder = NULL;
	json_t *manifest = NULL;
	int r = read_manifest(l, &manifest);

	if (r != EXIT_DONE)
		return r;
	if (asprintf(&folder, "%s/layout", t->path) < 0 || mkdir(folder, 0700) < 0) {
		json_decref(manifest);
		return tool_fail_errno(t->path, "cannot create a folder in it");
	}
	if (!write_index(folder, manifest) || !link_in(l->path, "oci-layout", folder) ||
	    !link_in(l->path, "blobs", folder))
		return tool_fail_errno(folder, "cannot write");
	*ret_path = steal_pointer(&folder);
	return EXIT_DONE;
}

static int run_umoci(const struct layout *l, const char *layout, const char *folder)
{
	cleanup_free char *image = NULL;
	const char *argv[] = {"umoci",	 "--log=error", "raw",	"unpack",
			      "--image", NULL,		folder, NULL};
	const struct child child = {.subject = l->name, .package = "umoci", .argv = argv};

	if (asprintf(&image, "%s:" OUR_TAG, layout) < 0)
		return tool_fail(l->name, "out of memory");
	argv[5] = image;
	return child_run(&child);
}

static int check_root(const char *name)
{
	if (geteuid() == 0)
		return EXIT_DONE;
	return tool_fail(name, "unpacking layers keeps their owners only for root; run "
			       "this as root (fakeroot is not enough)");
}

/* Into the tree of `in`, which is there and empty. */
static int unpack(const struct layout *l, struct input *in, const struct input_options *o)
{
	cleanup_free char *layout = NULL;
	int r;

	r = make_layout(l, &in->tree, &layout);
	if (r == EXIT_DONE)
		r = run_umoci(l, layout, in->tree.root);
	if (r == EXIT_DONE)
		r = temptree_settle_times(&in->tree);
	if (r == EXIT_DONE)
		r = mkfs_input(in, in->tree.root, o);
	return r;
}

/* umoci takes what is behind a colon for a tag, and our links have to be absolute. */
static int resolve(const char *path, struct layout *l)
{
	cleanup_free char *copy = strdup(path);
	char *colon = copy && !oci_matches(path) ? strrchr(copy, ':') : NULL;

	l->name = path;
	if (colon) {
		*colon = '\0';
		l->tag = strdup(colon + 1);
	}
	l->path = copy ? realpath(copy, NULL) : NULL;
	if (!l->path || (colon && !l->tag))
		return tool_fail_errno(path, "cannot open");
	return EXIT_DONE;
}

int input_open_oci(const char *path, const struct input_options *o, struct input *ret)
{
	struct layout l = {NULL, NULL, NULL};
	struct input in = INPUT_NONE;
	int r = resolve(path, &l);

	in.name = path;
	if (r == EXIT_DONE)
		r = check_root(path);
	if (r == EXIT_DONE)
		r = temptree_new(o->output_path, &in.tree);
	if (r == EXIT_DONE)
		r = unpack(&l, &in, o);
	if (r == EXIT_DONE)
		*ret = in;
	else
		input_close(&in);
	free(l.path);
	free(l.tag);
	return r;
}

/* What `docker save` made before it made OCI layouts: layers by names in a manifest.json. */
static bool docker_matches(const char *folder)
{
	cleanup_free char *path = NULL;
	json_t *manifest;
	bool matches;

	if (!has_file(folder, "manifest.json") ||
	    asprintf(&path, "%s/manifest.json", folder) < 0)
		return false;
	manifest = json_load_file(path, 0, NULL);
	matches = json_object_get(json_array_get(manifest, 0), "Layers") != NULL;
	json_decref(manifest);
	return matches;
}

int input_unpack_layers(struct input *in, const struct input_options *o,
			bool *ret_unpacked)
{
	struct layout l = {in->name, NULL, NULL};
	cleanup_free char *aside = NULL;
	int r;

	*ret_unpacked = oci_matches(in->tree.root);
	if (!*ret_unpacked && docker_matches(in->tree.root))
		return tool_fail(in->name,
				 "is what 'docker save' makes: layers, not a tree; make "
				 "a layout of it with 'skopeo copy docker-archive:FILE "
				 "oci:LAYOUT:TAG' and give that");
	if (!*ret_unpacked)
		return EXIT_DONE;
	r = check_root(in->name);
	if (r == EXIT_DONE)
		r = temptree_set_aside(&in->tree, &aside);
	if (r != EXIT_DONE)
		return r;
	l.path = realpath(aside, NULL);
	r = l.path ? unpack(&l, in, o) : tool_fail_errno(aside, "cannot open");
	free(l.path);
	return r;
}
