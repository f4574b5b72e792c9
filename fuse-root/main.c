/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - hydrootd: from the command line to a running keeper
 *
 * The process that was called prepares everything that needs files, forks the keeper, and stays
 * until the device is ready: then it prints the device's path and ends with 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/rundir.h"
#include "daemon.h"
#include "face/blockdev.h"
#include "face/control.h"
#include "face/status.h"
#include "source/post.h"
#include "source/reach.h"
#include "source/readfile.h"
#include "source/spread.h"

#define PROGRAM "hydrootd"
#define DEFAULT_CMDLINE "/proc/cmdline"
#define DEFAULT_CONF "/etc/hydroot/hydroot.conf"
#define DEFAULT_TRANSPORTS "/run/hydroot/.transports"
#define DEFAULT_KEY "/etc/hydroot/image.pub"
#define REACH_MS 3000 /* for a connection */

enum exit_status { EXIT_DONE, EXIT_FAILED, EXIT_USAGE };

struct arguments {
	bool boot, print_config, fallback;
	const char *cmdline, *conf, *transports, *post;
};

static void print_help(void)
{
	printf("Usage: hydrootd [--name=NAME] [--read-only] [--KEY=VALUE ...] URL [URL ...]\n"
	       "       hydrootd --boot [--use-fallback] [--cmdline=FILE] [--conf=FILE]\n"
	       "       hydrootd --print-config [--cmdline=FILE] [--conf=FILE]\n"
	       "       hydrootd --post=EVENT [--cmdline=FILE] [--conf=FILE]\n"
	       "       hydrootd --reach=INTERFACE URL [URL ...]\n"
	       "\n"
	       "Presents a remote hydroot image as a block device, fills it in the background,\n"
	       "hands it over to the kernel and exits.\n"
	       "\n"
	       "  --boot             take URL and keys from the kernel command line and the\n"
	       "                     configuration file\n"
	       "  --print-config     print what --boot would use, for sh, and exit\n"
	       "  --post=EVENT       post what stdin says to the URL of report=, and exit\n"
	       "  --reach=INTERFACE  does the server of a URL answer over that interface?\n"
	       "  --use-fallback     with --boot: the fallback instead of the image\n"
	       "  --cmdline=FILE     instead of " DEFAULT_CMDLINE "\n"
	       "  --conf=FILE        instead of " DEFAULT_CONF "\n"
	       "  --transports=FILE  instead of " DEFAULT_TRANSPORTS "\n"
	       "  --name=NAME        of the attachment: /dev/hydroot/NAME (root)\n"
	       "  --read-only        make the device read-only\n"
	       "  --help, --version\n"
	       "\n"
	       "Keys:\n");
	options_print_help();
}

/*
 * PID 1 spares root's processes whose first argument starts with '@' when it switches the root
 * and when it shuts down (systemd, ROOT_STORAGE_DAEMONS).  Run again under such a name.
 */
static void take_spared_name(char **argv)
{
	static char spared[] = "@" PROGRAM;
	char path[4096];
	ssize_t n;

	if (argv[0] && argv[0][0] == '@')
		return;
	n = readlink("/proc/self/exe", path, sizeof path - 1);
	if (n < 0)
		return;
	path[n] = '\0';
	argv[0] = spared;
	execv(path, argv);
}

/* -- reading the configuration ------------------------------------------------------------ */

/* A whole small file, malloc'ed; NULL with errno. */
static char *read_file(const char *path, size_t *ret_bytes)
{
	cleanup_file FILE *f = fopen(path, "re");
	size_t room = 1024 * 1024, n;
	char *text;

	if (!f)
		return NULL;
	text = malloc(room + 1);
	if (!text)
		return NULL;
	n = fread(text, 1, room, f);
	if (ferror(f)) {
		free(text);
		errno = EIO;
		return NULL;
	}
	text[n] = '\0';
	if (ret_bytes)
		*ret_bytes = n;
	return text;
}

static int read_conf(struct options *o, const char *path, bool must_exist)
{
	cleanup_free char *text = read_file(path, NULL);

	if (text)
		return options_parse_conf(o, path, text);
	if (errno == ENOENT && !must_exist)
		return 0;
	log_error("%s: %s", path, strerror(errno));
	return -errno;
}

static int read_boot_options(struct options *o, const struct arguments *args)
{
	const char *cmdline = args->cmdline ? args->cmdline : DEFAULT_CMDLINE;
	cleanup_free char *text = NULL;
	int err =
		read_conf(o, args->conf ? args->conf : DEFAULT_CONF, args->conf != NULL);

	if (err < 0)
		return err;
	/* The key that lies in the initramfs is as good as one in hydroot.conf: a floor. */
	if (!*o->public_key && access(DEFAULT_KEY, F_OK) == 0)
		snprintf(o->public_key, sizeof o->public_key, DEFAULT_KEY);
	text = read_file(cmdline, NULL);
	if (text)
		return options_parse_cmdline(o, text);
	log_error("%s: %s", cmdline, strerror(errno));
	return -errno;
}

/* -- preparing ---------------------------------------------------------------------------- */

static int load_public_key(struct daemon *d)
{
	const char *path = d->options.public_key;
	uint8_t id[IMG_KEY_ID_BYTES];
	int err;

	if (!*path)
		return 0;
	d->public_key = read_file(path, &d->public_key_bytes);
	if (!d->public_key) {
		err = -errno;
		log_error("public-key %s: %s", path, strerror(errno));
		return err;
	}
	err = img_public_key_id(d->public_key, d->public_key_bytes, id);
	if (err < 0)
		log_error("public-key %s: %s", path, img_strerror(err));
	return err < 0 ? -EINVAL : 0;
}

static int check_options(struct options *o)
{
	if (o->n_servers == 0) {
		log_error(
			"no image: give a URL, as in root=hydroot:http://server/image.hri");
		return -EINVAL;
	}
	if (options_resolve_pack(o) < 0) {
		log_error("pack %s: too long beside the URL of the image: give its URL",
			  o->pack.url);
		return -EINVAL;
	}
	return 0;
}

static int check_name_is_free(const char *name)
{
	cleanup_fd int fd = rundir_open(name);
	cleanup_free char *answer = NULL;
	char link[128];

	snprintf(link, sizeof link, "/dev/hydroot/%s", name);
	if ((fd >= 0 &&
	     control_call(fd, "{\"command\":\"status\"}", 2000, &answer) == 0) ||
	    access(link, F_OK) == 0) {
		log_error("already attached: hydroot detach %s, or attach with another "
			  "--name",
			  name);
		return -EEXIST;
	}
	return 0;
}

/*
 * Known before anything is fetched.  Mode full comes without but for a writable device on
 * a disk, where somebody has to note what is written.
 */
static int check_fuse(struct options *o, int err)
{
	static const char why[] = "needs FUSE: load the module fuse";

	if (err == 0 || (o->mode == MODE_FULL &&
			 (options_store_kind(o) != STORE_DISK || o->read_only)))
		return 0;
	if (o->mode == MODE_FULL) {
		option_warn(o,
			    "store=%.100s: /dev/fuse: %s: a writable device on a disk "
			    "%s; zram instead",
			    o->store, strerror(-err), why);
		snprintf(o->store, sizeof o->store, "zram");
		return 0;
	}
	log_error("/dev/fuse: %s: mode %s %s, or use mode=full", strerror(-err),
		  option_mode_name(o->mode), why);
	return err;
}

/*
 * What a serving process leaves to the next one, and what only a path leads to.  A device
 * node that is not there is missed, with a message, by who needs it.
 */
static int prepare_to_outlive(struct daemon *d)
{
	int fd, fuse_fd, fuse_err;

	d->hold = hold_new();
	d->region = region_new();
	if (!d->hold || !d->region)
		return -errno;
	fd = control_listen(d->rundir_fd);
	if (fd < 0)
		return fd;
	hold_set(d->hold, HOLD_CONTROL, fd);
	fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	fuse_err = fuse_fd < 0 ? -errno : 0;
	hold_set(d->hold, HOLD_FUSE, fuse_fd);
	loop_prepare();
	(void)dm_is_available();
	return check_fuse(&d->options, fuse_err);
}

/* What the processes have in common. */
static int prepare_to_talk(struct daemon *d)
{
	int pair[2];

	d->channel = channel_new();
	d->timeline = timeline_new_shared();
	if (!d->channel || !d->timeline ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	d->keeper_end = pair[0];
	d->serve_end = pair[1];
	return 0;
}

static int prepare_network(struct daemon *d)
{
	int err = net_prepare();

	if (d->options.server_policy == POLICY_SPREAD)
		d->options.spread = spread_number("/sys/class/net", d->options.bootif);
	if (err == 0)
		err = net_config_init(d->net, &d->options);
	if (err == 0 && geteuid() == 0) {
		d->net->root_fd = net_root_new();
		err = d->net->root_fd < 0 ? d->net->root_fd : 0;
		d->net->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	return err;
}

static int open_rundir(struct daemon *d)
{
	static const char *const old[] = {"resident", "status.json", "trace",
					  "report",   "reported",    "booted"};

	d->rundir_fd = rundir_create(d->options.name);
	if (d->rundir_fd < 0) {
		log_error("/run/hydroot/%s: %s", d->options.name,
			  strerror(-d->rundir_fd));
		return d->rundir_fd;
	}
	/* Of an attachment before this one. */
	for (size_t i = 0; i < ARRAY_SIZE(old); i++)
		(void)unlinkat(d->rundir_fd, old[i], 0);
	d->meminfo_fd = memory_open();
	if (d->is_boot)
		d->mounting_fd = rundir_open_mounting();
	d->kmsg_fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	d->log_fd = openat(d->rundir_fd, "log",
			   O_RDWR | O_CREAT | O_APPEND | O_TRUNC | O_CLOEXEC, 0644);
	log_file(d->log_fd);
	log_old_file(openat(d->rundir_fd, "log.old",
			    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
	log_kmsg_control(open("/proc/sys/kernel/printk_devkmsg", O_RDONLY | O_CLOEXEC));
	return 0;
}

/* Said, unless who failed has said more, and left for `hydroot status`. */
static int prepare_failed(const struct daemon *d, int err, const char *what)
{
	if (!log_last_error()[0])
		log_error("%s: %s", what, strerror(-err));
	(void)!status_write_failed(d->rundir_fd, &d->options, log_last_error());
	return EXIT_FAILED;
}

/* Everything that needs files by their path happens here or in the first steps of the children. */
static int prepare(struct daemon *d)
{
	static const struct {
		int (*run)(struct daemon *d);
		const char *what;
	} steps[] = {
		{prepare_to_talk, "memory and sockets for the processes"},
		{prepare_to_outlive, "memory and sockets that outlive a process"},
		{load_public_key, "public-key"},
		{prepare_network, "network process"},
	};
	int err = check_name_is_free(d->options.name);

	if (err == 0)
		err = open_rundir(d);
	for (size_t i = 0; err == 0 && i < ARRAY_SIZE(steps); i++) {
		log_forget_error();
		log_debug("prepare: %s", steps[i].what);
		err = steps[i].run(d);
		if (err < 0)
			(void)!prepare_failed(d, err, steps[i].what);
	}
	return err;
}

/* -- the two sides of the first fork ------------------------------------------------------ */

static int run_keeper(struct daemon *d, int ready_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* Who reads our output waits for its end, not for ours.  Messages still go to stderr. */
	if (null >= 0 && dup2(null, 0) == 0 && dup2(null, 1) == 1)
		close(null);
	setsid();
	if (chdir("/") < 0)
		log_warning("/: %s", strerror(errno));
	d->net->keeper = getpid();
	process_harden(true);
	process_ignore_signals();
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	return keeper_run(d, ready_fd);
}

static int start(struct daemon *d)
{
	int ready[2];
	pid_t pid;

	if (prepare(d) < 0)
		return EXIT_FAILED;
	/* A bar is drawn among the messages. */
	log_over_bar(!d->is_boot && isatty(STDERR_FILENO));
	if (pipe2(ready, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		return prepare_failed(d, -errno, "fork");
	if (pid == 0) {
		close(ready[0]);
		_exit(run_keeper(d, ready[1]));
	}
	close(ready[1]);
	return daemon_await_ready(d, ready[0], pid);
}

/* Options of this program itself; what is left is for options_parse_argv. */
static bool take_own_option(struct arguments *args, const char *arg)
{
	if (strcmp(arg, "--boot") == 0)
		args->boot = true;
	else if (strcmp(arg, "--print-config") == 0)
		args->print_config = true;
	else if (strcmp(arg, "--use-fallback") == 0)
		args->fallback = true;
	else if (strncmp(arg, "--post=", 7) == 0)
		args->post = arg + 7;
	else if (strncmp(arg, "--cmdline=", 10) == 0)
		args->cmdline = arg + 10;
	else if (strncmp(arg, "--transports=", 13) == 0)
		args->transports = arg + 13;
	else if (strncmp(arg, "--conf=", 7) == 0)
		args->conf = arg + 7;
	else
		return false;
	return true;
}

/* For an initramfs with several interfaces: 0 when one of the servers, or the proxy, answers. */
static int answer_reach(const char *interface, int n, char **urls)
{
	if (*interface && n > 0)
		return reach_any(interface, (const char *const *)urls, (size_t)n,
				 REACH_MS)
			       ? EXIT_DONE
			       : EXIT_FAILED;
	log_error("--reach: give an interface and a URL: --reach=eth0 URL");
	return EXIT_USAGE;
}

/* Standard input goes to report=; of wrong options --print-config has told. */
static int answer_post(struct net_config *net, const struct options *o, const char *event)
{
	cleanup_free uint8_t *text = NULL;
	char why[POST_WHY_BYTES] = "see above";
	size_t n_bytes;
	int err;

	if (!*o->report) {
		log_error("--post: report= names no URL");
		return EXIT_USAGE;
	}
	err = readfile_fd(STDIN_FILENO, POST_BYTES_MAX, &text, &n_bytes);
	if (err < 0)
		snprintf(why, sizeof why, "standard input: %s", strerror(-err));
	if (!err)
		err = net_prepare();
	if (!err)
		err = net_config_init(net, o);
	if (!err)
		err = post_report(net, event, (char *)text, n_bytes, why);
	net_config_fini(net);
	if (err)
		log_error("report=: %s: not posted: %s", event, why);
	return err ? EXIT_FAILED : EXIT_DONE;
}

static void read_transports(struct options *o, const char *path)
{
	cleanup_free char *text = read_file(path ? path : DEFAULT_TRANSPORTS, NULL);

	options_map_transports(o, text ? text : "");
}

static int read_options(struct daemon *d, struct arguments *args, int argc, char **argv)
{
	int n = 0;

	for (int i = 0; i < argc; i++)
		if (i == 0 || !take_own_option(args, argv[i]))
			argv[n++] = argv[i];
	argv[n] = NULL;
	options_init(&d->options);
	if (!args->boot && !args->print_config && !args->post)
		return options_parse_argv(&d->options, n - 1, argv + 1);
	if (n > 1) {
		log_error("%s: not together with --boot, --post or --print-config",
			  argv[1]);
		return -EINVAL;
	}
	n = read_boot_options(&d->options, args);
	if (n == 0 && args->fallback)
		n = options_use_fallback(&d->options);
	if (n == 0 && args->boot)
		read_transports(&d->options, args->transports);
	return n;
}

int main(int argc, char **argv)
{
	static struct net_config net = {.root_fd = -1};
	static struct daemon d = {.meminfo_fd = -1,
				  .mounting_fd = -1,
				  .kmsg_fd = -1,
				  .log_fd = -1,
				  .net = &net};
	struct arguments args = {0};
	int status;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			print_help();
			return EXIT_DONE;
		}
		if (strcmp(argv[i], "--version") == 0) {
			printf(PROGRAM " " HYDROOT_VERSION "\n");
			return EXIT_DONE;
		}
	}
	if (argc > 1 && strncmp(argv[1], "--reach=", 8) == 0) {
		log_init(PROGRAM, false);
		return answer_reach(argv[1] + 8, argc - 2, argv + 2);
	}
	take_spared_name(argv);
	umask(022);
	log_init(PROGRAM, false);
	d.start_ms = clock_ms();
	status = read_options(&d, &args, argc, argv) < 0 ? EXIT_USAGE : EXIT_DONE;
	if (args.post)
		return answer_post(&net, &d.options, args.post);
	/* Also when something is wrong: onfail= and panic= are needed then. */
	if (args.print_config && options_print_sh(&d.options) < 0)
		status = EXIT_FAILED;
	if (args.print_config || status != EXIT_DONE)
		return status;
	if (check_options(&d.options) < 0)
		return EXIT_USAGE;
	d.is_boot = args.boot;
	log_init(PROGRAM, d.options.debug);
	log_set_name(d.options.name);
	return start(&d);
}
