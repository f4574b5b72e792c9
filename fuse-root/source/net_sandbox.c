/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_sandbox.c - where the network process lives, and what it may not do
 *
 * Its root is a tmpfs that no mount table shows, with the four files that the resolver reads; it
 * can open nothing else, become nobody else and look into no other process.
 */
#include "source/net.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <curl/curl.h>

#include "base/log.h"
#include "source/readfile.h"
#include "source/url.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

#define RESOLVER_FILE_BYTES_MAX 65536u
#define THREAD_STACK_BYTES (256u * 1024)

/*
 * Modules that libraries load on first use.  Those that are missing are not needed: newer C
 * libraries have the resolver's built in.  libgcc_s is what ends a thread.
 */
static void load_modules(void)
{
	static const char *const names[] = {
		"libnss_files.so.2",
		"libnss_dns.so.2",
		"libresolv.so.2",
		"libgcc_s.so.1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!dlopen(names[i], RTLD_NOW | RTLD_NODELETE))
			continue;
}

int net_prepare(void)
{
	struct addrinfo *ai = NULL;

	/* Reads openssl.cnf as well. */
	if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
		return -ENOMEM;
	load_modules();
	/* Reads nsswitch.conf, gai.conf and hosts, loads what they name; asks no server. */
	if (getaddrinfo("localhost", "80", NULL, &ai) == 0)
		freeaddrinfo(ai);
	return 0;
}

static int write_all(int fd, const uint8_t *data, size_t n)
{
	while (n) {
		const ssize_t done = write(fd, data, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		data += done;
		n -= (size_t)done;
	}
	return 0;
}

/* Replace etc/NAME of the private root in one step. */
static int put_file(int root_fd, const char *name, const uint8_t *data, size_t n)
{
	char path[64];

	snprintf(path, sizeof path, "etc/%s", name);
	cleanup_fd int fd = openat(root_fd, "etc/new",
				   O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	int r = write_all(fd, data, n);
	if (r < 0)
		return r;
	return renameat(root_fd, "etc/new", root_fd, path) < 0 ? -errno : 0;
}

/* Links are followed as that system sees them, not as the caller does. */
static int open_in(int system_fd, const char *path)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	const int fd = (int)syscall(SYS_openat2, system_fd, path, &how, sizeof how);

	return fd < 0 ? -errno : fd;
}

static bool names_a_server(const uint8_t *data)
{
	return strstr((const char *)data, "nameserver") != NULL;
}

static bool is_same(int root_fd, const char *name, const uint8_t *data, size_t n)
{
	cleanup_free uint8_t *now = NULL;
	char path[64];
	size_t n_now;

	snprintf(path, sizeof path, "etc/%s", name);
	cleanup_fd int fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && readfile_fd(fd, RESOLVER_FILE_BYTES_MAX, &now, &n_now) == 0 &&
	       n_now == n && memcmp(now, data, n) == 0;
}

/* 1: copied, 0: it was the same. */
static int copy_file(int root_fd, int system_fd, const char *from, const char *name)
{
	cleanup_fd int fd = open_in(system_fd, from);
	cleanup_free uint8_t *data = NULL;
	size_t n;

	if (fd < 0)
		return fd;
	int r = readfile_fd(fd, RESOLVER_FILE_BYTES_MAX, &data, &n);
	if (r < 0)
		return r;
	if (strcmp(name, "resolv.conf") == 0 && !names_a_server(data))
		return -ENOENT;
	if (is_same(root_fd, name, data, n))
		return 0;
	r = put_file(root_fd, name, data, n);
	return r < 0 ? r : 1;
}

int net_root_update(int root_fd, int system_fd)
{
	/*
	 * The list of the real servers before the local stub: that one is a program on the root
	 * disk, which may be waiting for us.
	 */
	int r = copy_file(root_fd, system_fd, "run/systemd/resolve/resolv.conf",
			  "resolv.conf");
	if (r < 0)
		r = copy_file(root_fd, system_fd, "etc/resolv.conf", "resolv.conf");
	if (r < 0 && r != -ENOENT)
		return r;
	int n_new = r > 0;
	static const char *const others[][2] = {
		{"etc/hosts", "hosts"},
		{"etc/nsswitch.conf", "nsswitch.conf"},
		{"etc/gai.conf", "gai.conf"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		r = copy_file(root_fd, system_fd, others[i][0], others[i][1]);
		if (r < 0 && r != -ENOENT)
			return r;
		n_new += r > 0;
	}
	return n_new;
}

bool net_needs_names(const struct options *o)
{
	if (o->proxy[0])
		return url_has_name(o->proxy, true);
	for (unsigned i = 0; i < o->n_servers; i++)
		if (url_has_name(o->servers[i], false))
			return true;
	return o->pack.url[0] && url_has_name(o->pack.url, false);
}

int net_root_refresh(const struct net_config *cfg)
{
	cleanup_fd int system_fd =
		openat(cfg->proc_fd, "1/root", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (system_fd < 0)
		return -errno;
	const int r = net_root_update(cfg->root_fd, system_fd);
	if (r > 0)
		log_notice("names: the system's resolver files have changed: taken over");
	if (r < 0)
		log_debug("names: the system's resolver files: %s", strerror(-r));
	return r < 0 ? r : 0;
}

static int mount_tmpfs(void)
{
	cleanup_fd int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (fs < 0)
		return -errno;
	if (fsconfig(fs, FSCONFIG_SET_STRING, "size", "1m", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", "32", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	const int fd = fsmount(fs, FSMOUNT_CLOEXEC,
			       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return fd < 0 ? -errno : fd;
}

int net_root_new(void)
{
	cleanup_fd int fd = mount_tmpfs();
	cleanup_fd int system_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		log_error("network process: make its private root: %s", strerror(-fd));
		return fd;
	}
	if (system_fd < 0 || mkdirat(fd, "etc", 0755) < 0)
		return -errno;
	int r = net_root_update(fd, system_fd);
	if (r < 0)
		log_error("network process: copy the resolver's files: %s", strerror(-r));
	return r < 0 ? r : steal_fd(&fd);
}

/*
 * What a root disk's helper should have, as far as the privileges reach: a container's root lacks
 * some.  Memory mapped later is locked too and counts against the limit once we are nobody, so
 * without the limit raised locking would make allocations fail.
 */
static void lock_memory(void)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

	if (setrlimit(RLIMIT_MEMLOCK, &all) == 0)
		(void)!mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
	/* Memory for a root disk's network must not wait for that disk.  Linux 5.6. */
	(void)!prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
}

static int enter_root(int root_fd)
{
	if (fchdir(root_fd) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

static int drop_bounding_set(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	return 0;
}

static int drop_user(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[2] = {0};

	if (setgroups(0, NULL) < 0 || setresgid(NET_UID, NET_UID, NET_UID) < 0 ||
	    setresuid(NET_UID, NET_UID, NET_UID) < 0)
		return -errno;
	if (syscall(SYS_capset, &head, none) < 0)
		return -errno;
	return setresuid(0, 0, 0) == 0 ? -EPERM : 0;
}

static int forbid_the_rest(void)
{
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

int net_limit_resources(void)
{
	static const struct {
		int what;
		rlim_t limit;
	} limits[] = {
		/* The shared buffers are 33 MiB, certificates of all connections a few more. */
		{RLIMIT_AS, 512u * 1024 * 1024},
		{RLIMIT_NOFILE, 128},
		/* Of all attachments of this machine, threads included. */
		{RLIMIT_NPROC, 1024},
		{RLIMIT_FSIZE, 0},
	};
	pthread_attr_t attr;

	/* Threads that look up names: 8 MiB each would be much of the bound. */
	if (!IS_SANITIZED && pthread_attr_init(&attr) == 0) {
		pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
		pthread_setattr_default_np(&attr);
		pthread_attr_destroy(&attr);
	}
	for (size_t i = 0; i < ARRAY_SIZE(limits) && !IS_SANITIZED; i++) {
		const struct rlimit limit = {limits[i].limit, limits[i].limit};

		if (setrlimit(limits[i].what, &limit) < 0)
			return -errno;
	}
	return 0;
}

int net_enter_sandbox(const struct net_config *cfg)
{
	lock_memory();
	int r = enter_root(cfg->root_fd);
	if (r == 0)
		r = drop_bounding_set();
	if (r == 0)
		r = drop_user();
	return r < 0 ? r : forbid_the_rest();
}
