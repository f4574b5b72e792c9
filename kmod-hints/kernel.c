/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel.c - the files that speak of a kernel, read once, then asked
 *
 * The text forms of depmod's files are read, not the indexes: fixtures can be written by hand.
 */
#include "kmod-hints/kernel.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "kmod-hints/config.h"

_printf_(2, 3) static FILE *open_below(const struct kernel *k, const char *format, ...)
{
	char path[512];
	int n = snprintf(path, sizeof path, "%s", k->root);
	va_list args;

	va_start(args, format);
	vsnprintf(path + n, sizeof path - (size_t)n, format, args);
	va_end(args);
	return fopen(path, "re");
}

/* kernel/fs/fuse/fuse.ko.xz: add fuse.  The path ends at n_bytes. */
static int add_module(struct kernel *k, const char *path, size_t n_bytes)
{
	static const char *const net[] = {"/drivers/net/ethernet/", "/drivers/net/usb/",
					  "/virtio_net.ko",	    "/vmxnet3.ko",
					  "/hv_netvsc.ko",	    "/xen-netfront.ko"};
	const char *ko = memmem(path, n_bytes, ".ko", 3);
	const char *base = path;

	if (!ko)
		return 0;
	for (const char *p = path; p < ko; p++) {
		if (*p == '/')
			base = p + 1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(net); i++) {
		if (memmem(path, n_bytes, net[i], strlen(net[i])))
			k->has_net_driver = true;
	}
	return names_add(&k->modules, base, (size_t)(ko - base));
}

/* Lines "PATH: PATH PATH…" and "PATH". */
static int read_module_paths(struct kernel *k, FILE *f)
{
	cleanup_free char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, f) > 0) {
		int r = add_module(k, line, strcspn(line, ":\n"));

		if (r)
			return r;
	}
	return 0;
}

/* Where modules may be; the second alone in trees without links for it. */
static const char *const folders[] = {"/lib/modules", "/usr/lib/modules"};

static int read_modules(struct kernel *k)
{
	int r = 0;

	for (size_t i = 0; !r && !k->has_modules && i < ARRAY_SIZE(folders); i++) {
		cleanup_file FILE *dep =
			open_below(k, "%s/%s/modules.dep", folders[i], k->version);
		cleanup_file FILE *builtin =
			open_below(k, "%s/%s/modules.builtin", folders[i], k->version);

		if (dep)
			r = read_module_paths(k, dep);
		if (!r && builtin)
			r = read_module_paths(k, builtin);
		k->has_modules = dep != NULL;
		k->has_builtin = k->has_builtin || builtin;
	}
	names_sort(&k->modules);
	return r;
}

/* "nodev\tsysfs" and "\text4". */
static int read_filesystems(struct kernel *k)
{
	cleanup_file FILE *f = open_below(k, "/proc/filesystems");
	cleanup_free char *line = NULL;
	size_t room = 0;
	int r = 0;

	while (f && !r && getline(&line, &room, f) > 0) {
		const char *name = strchr(line, '\t');

		if (name)
			r = names_add(&k->filesystems, name + 1, strcspn(name + 1, "\n"));
	}
	names_sort(&k->filesystems);
	return r;
}

static bool read_osrelease(const struct kernel *k, char *ret, size_t ret_bytes)
{
	cleanup_file FILE *f = open_below(k, "/proc/sys/kernel/osrelease");

	if (!f || !fgets(ret, (int)ret_bytes, f))
		return false;
	ret[strcspn(ret, "\n")] = '\0';
	return ret[0] != '\0';
}

/* How many kernels have a folder there, but for the one in k->version, which becomes the last. */
static unsigned find_versions(struct kernel *k, const char *folder)
{
	char path[512];
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof path, "%s%s", k->root, folder);
	d = opendir(path);
	if (!d)
		return 0;
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		if (e->d_name[0] == '.' || strlen(e->d_name) >= sizeof k->version ||
		    strcmp(e->d_name, k->version) == 0)
			continue;
		memcpy(k->version, e->d_name, strlen(e->d_name) + 1);
		n++;
	}
	closedir(d);
	return n;
}

/* The one that has folders; false when there are none or several.  Both may be the same folder. */
static bool find_only_version(struct kernel *k)
{
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		n += find_versions(k, folders[i]);
	return n == 1;
}

/* A root that is not there has no kernel, whatever --kernel says. */
static int check_root(const struct kernel *k)
{
	struct stat st;
	int err = 0;

	if (!k->root[0])
		return 0;
	if (stat(k->root, &st) != 0)
		err = errno;
	else if (!S_ISDIR(st.st_mode))
		err = ENOTDIR;
	if (err)
		fprintf(stderr, "hydroot-check: --root=%s: %s\n", k->root, strerror(err));
	return -err;
}

/* All would be unknown, and count as there. */
static int check_is_known(const struct kernel *k)
{
	if (k->is_running || k->has_modules || k->has_builtin || k->has_config)
		return 0;
	fprintf(stderr,
		"hydroot-check: kernel %s below %s: nothing tells of it, neither modules.dep "
		"nor modules.builtin in lib/modules/%s, nor boot/config-%s: see whether "
		"--kernel and --root are right, and let depmod make modules.dep\n",
		k->version, k->root[0] ? k->root : "/", k->version, k->version);
	return -ENOENT;
}

static int choose_version(struct kernel *k, const char *version)
{
	char running[sizeof k->version] = "";

	if (strlen(version) >= sizeof k->version) {
		fprintf(stderr, "hydroot-check: --kernel: too long\n");
		return -ENAMETOOLONG;
	}
	read_osrelease(k, running, sizeof running);
	if (version[0] || running[0]) {
		const char *chosen = version[0] ? version : running;

		memcpy(k->version, chosen, strlen(chosen) + 1);
		k->is_running = strcmp(k->version, running) == 0;
		return 0;
	}
	if (find_only_version(k))
		return 0;
	fprintf(stderr, "hydroot-check: %s: which kernel? give --kernel=VERSION\n",
		k->root);
	return -ENOENT;
}

int kernel_read(struct kernel *k, const char *root, const char *version)
{
	int r;

	*k = (struct kernel){0};
	if (strlen(root) >= sizeof k->root) {
		fprintf(stderr, "hydroot-check: --root: too long\n");
		return -ENAMETOOLONG;
	}
	memcpy(k->root, root, strlen(root) + 1);
	r = check_root(k);
	if (!r)
		r = choose_version(k, version);
	if (!r)
		r = read_modules(k);
	if (!r && k->is_running)
		r = read_filesystems(k);
	if (!r)
		r = config_read(k);
	if (!r)
		r = check_is_known(k);
	if (r == -ENOMEM)
		fprintf(stderr, "hydroot-check: out of memory\n");
	return r;
}

void kernel_fini(struct kernel *k)
{
	names_fini(&k->modules);
	names_fini(&k->config_y);
	names_fini(&k->config_m);
	names_fini(&k->filesystems);
}

static bool has_loaded(const struct kernel *k, const char *name)
{
	char path[192];

	snprintf(path, sizeof path, "/sys/module/%s", name);
	for (char *p = path; *p; p++) {
		if (*p == '-')
			*p = '_';
	}
	return kernel_has_path(k, path) == ANSWER_YES;
}

/* A card that works is better proof than any list. */
static bool has_card(const struct kernel *k)
{
	char path[512];
	bool found = false;
	DIR *d;

	snprintf(path, sizeof path, "%s/sys/class/net", k->root);
	d = k->is_running ? opendir(path) : NULL;
	if (!d)
		return false;
	for (struct dirent *e = readdir(d); e && !found; e = readdir(d)) {
		char device[300];

		snprintf(device, sizeof device, "/sys/class/net/%s/device", e->d_name);
		found = e->d_name[0] != '.' && kernel_has_path(k, device) == ANSWER_YES;
	}
	closedir(d);
	return found;
}

enum answer kernel_has_module(const struct kernel *k, const char *name,
			      const char *config)
{
	if (strcmp(name, "class:net") == 0) {
		if (k->has_net_driver || has_card(k))
			return ANSWER_YES;
		return k->has_modules ? ANSWER_NO : ANSWER_UNKNOWN;
	}
	if (names_has(&k->modules, name) || has_loaded(k, name))
		return ANSWER_YES;
	if (config && names_has(&k->config_y, config))
		return ANSWER_YES;
	if (k->has_modules || (config && k->has_config))
		return ANSWER_NO;
	return ANSWER_UNKNOWN;
}

enum answer kernel_has_config(const struct kernel *k, const char *symbol)
{
	if (!k->has_config)
		return ANSWER_UNKNOWN;
	if (names_has(&k->config_y, symbol))
		return ANSWER_YES;
	if (!names_has(&k->config_m, symbol))
		return ANSWER_NO;
	/* =m without any module installed is as good as nothing */
	return k->has_modules ? ANSWER_YES : ANSWER_NO;
}

enum answer kernel_has_filesystem(const struct kernel *k, const char *name)
{
	if (names_has(&k->filesystems, name))
		return ANSWER_YES;
	return kernel_has_module(k, name, NULL);
}

enum answer kernel_has_path(const struct kernel *k, const char *path)
{
	char full[1024];
	struct stat st;

	if (!k->is_running)
		return ANSWER_UNKNOWN;
	snprintf(full, sizeof full, "%s%s", k->root, path);
	return lstat(full, &st) == 0 ? ANSWER_YES : ANSWER_NO;
}

bool kernel_read_value(const struct kernel *k, const char *path, long *ret)
{
	cleanup_file FILE *f = k->is_running ? open_below(k, "%s", path) : NULL;

	return f && fscanf(f, "%ld", ret) == 1;
}

enum answer kernel_is_at_least(const struct kernel *k, const char *version)
{
	unsigned have[3] = {0}, want[3] = {0};

	if (sscanf(k->version, "%u.%u.%u", &have[0], &have[1], &have[2]) < 2 ||
	    sscanf(version, "%u.%u.%u", &want[0], &want[1], &want[2]) < 2)
		return ANSWER_UNKNOWN;
	for (unsigned i = 0; i < ARRAY_SIZE(have); i++) {
		if (have[i] != want[i])
			return have[i] > want[i] ? ANSWER_YES : ANSWER_NO;
	}
	return ANSWER_YES;
}
