/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_filter_test.c - what the network process can still do, and what nobody in it can
 *
 * Each try is made in a child of its own that is limited and filtered as the network process is.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/thread.h"
#include "source/net.h"
#include "source/net_filter.h"

#define FILTER_FAILED 99

/* 0, or an errno as exit code. */
static int status_of(int (*try)(void))
{
	int status;
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (net_limit_resources() < 0 || net_filter_enter() < 0)
			_exit(FILTER_FAILED);
		_exit(try());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#define ERRNO_OF(call) ((call) < 0 ? errno : 0)

static int try_exec(void)
{
	char *argv[] = {(char[]){"true"}, NULL};

	return execv("/bin/true", argv), errno;
}

static int try_execveat(void)
{
	char *argv[] = {(char[]){"true"}, NULL};

	return ERRNO_OF(syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, NULL, 0));
}

static int try_ptrace(void)
{
	return ERRNO_OF(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int try_traceme(void)
{
	return ERRNO_OF(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_peek(void)
{
	struct iovec v = {0};

	return ERRNO_OF(syscall(SYS_process_vm_readv, getppid(), &v, 1, &v, 1, 0));
}

static int try_mount(void)
{
	return ERRNO_OF(mount("none", "/", "tmpfs", 0, NULL));
}

static int try_umount(void)
{
	return ERRNO_OF(umount2("/", MNT_DETACH));
}

static int try_unshare(void)
{
	return ERRNO_OF(unshare(CLONE_NEWUSER));
}

static int try_chroot(void)
{
	return ERRNO_OF(chroot("/"));
}

static int try_bpf(void)
{
	return ERRNO_OF(syscall(SYS_bpf, 0, NULL, 0));
}

static int try_module(void)
{
	return ERRNO_OF(syscall(SYS_init_module, NULL, 0, ""));
}

static void intruders_are_ended(void **state)
{
	static int (*const tries[])(void) = {
		try_exec,   try_execveat, try_ptrace, try_traceme, try_peek,   try_mount,
		try_umount, try_unshare,  try_chroot, try_bpf,	   try_module,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		const int status = status_of(tries[i]);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("try %zu ended with status %x", i, (unsigned)status);
	}
}

static int family, type, protocol;

static int try_socket(void)
{
	return ERRNO_OF(socket(family, type, protocol));
}

static int socket_errno(int f, int t, int p)
{
	family = f;
	type = t;
	protocol = p;
	const int status = status_of(try_socket);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int try_pair(void)
{
	int pair[2];

	return ERRNO_OF(socketpair(family, type, protocol, pair));
}

static int pair_errno(int t)
{
	family = AF_UNIX;
	type = t;
	protocol = 0;
	const int status = status_of(try_pair);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* One of datagrams could be connected to any local socket of the machine. */
static void only_pairs_that_stay_pairs(void **state)
{
	(void)state;
	assert_int_equal(pair_errno(SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK), 0);
	assert_int_equal(pair_errno(SOCK_DGRAM), EPERM);
	assert_int_equal(pair_errno(SOCK_SEQPACKET), EPERM);
}

static void only_families_it_needs(void **state)
{
	static const int refused[] = {AF_PACKET, AF_KEY,  AF_ALG,  AF_VSOCK,
				      AF_CAN,	 AF_TIPC, AF_XDP,  AF_BLUETOOTH,
				      AF_RDS,	 AF_X25,  AF_AX25, AF_NETROM};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_int_equal(socket_errno(refused[i], SOCK_DGRAM, 0), EPERM);
	assert_int_equal(socket_errno(AF_UNIX, SOCK_STREAM, 0), EAFNOSUPPORT);
	assert_int_equal(socket_errno(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT), EPERM);
	assert_int_equal(socket_errno(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER), EPERM);
	assert_int_equal(socket_errno(AF_INET, SOCK_RAW, IPPROTO_ICMP), EPERM);
	assert_int_equal(socket_errno(AF_INET, SOCK_SEQPACKET, 132), EPERM);
	assert_int_equal(socket_errno(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 0);
	assert_int_equal(socket_errno(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), 0);
	assert_int_equal(socket_errno(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE),
			 0);
}

static int try_fork(void)
{
	const pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return ERRNO_OF(pid);
}

static int try_kill(void)
{
	return ERRNO_OF(kill(getppid(), 0));
}

static int try_tgkill(void)
{
	return ERRNO_OF(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int try_write_file(void)
{
	return ERRNO_OF(open("/tmp/x", O_WRONLY | O_CREAT, 0600));
}

static int try_unlink(void)
{
	return ERRNO_OF(unlink("/tmp/nothing-of-this-name"));
}

static int try_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int try_mprotect(void)
{
	static char page[8192] __attribute__((aligned(4096)));

	return ERRNO_OF(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int try_limit(void)
{
	const struct rlimit64 {
		uint64_t now, max;
	} more = {1000, 1000};

	return ERRNO_OF(syscall(SYS_prlimit64, 0, 7, &more, NULL));
}

static int try_listen(void)
{
	return ERRNO_OF(listen(socket(AF_INET, SOCK_STREAM, 0), 1));
}

static int try_tiocsti(void)
{
	return ERRNO_OF(ioctl(0, TIOCSTI, "x"));
}

static int try_io_uring(void)
{
	return ERRNO_OF(syscall(SYS_io_uring_setup, 1, NULL));
}

static int try_setuid(void)
{
	return ERRNO_OF(syscall(SYS_setuid, getuid()));
}

/* Refused, and noted with the right name. */
static int try_noted(void)
{
	char name[64];

	if (net_filter_refused() != -1 || unlink("/tmp/nothing-of-this-name") == 0)
		return 1;
	net_filter_name(net_filter_refused(), name, sizeof name);
	return strcmp(name, "unlink") == 0 && net_filter_refused() == -1 ? 0 : 2;
}

static void *unlink_in_thread(void *arg)
{
	*(int *)arg = ERRNO_OF(unlink("/tmp/nothing-of-this-name"));
	return NULL;
}

/* A thread of ours is no more easily killed than the first one. */
static int try_in_thread(void)
{
	pthread_t thread;
	int err = 0;

	if (thread_start(&thread, NULL, unlink_in_thread, &err) < 0)
		return 1;
	pthread_join(thread, NULL);
	return err;
}

static void the_rest_fails(void **state)
{
	static int (*const tries[])(void) = {
		try_fork,   try_kill,	  try_tgkill,	 try_write_file, try_unlink,
		try_code,   try_mprotect, try_limit,	 try_listen,	 try_tiocsti,
		try_setuid, try_io_uring, try_in_thread,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		const int status = status_of(tries[i]);

		if (!WIFEXITED(status) || WEXITSTATUS(status) != EPERM)
			fail_msg("try %zu ended with status %x", i, (unsigned)status);
	}
#if defined(__x86_64__) || defined(__aarch64__)
	assert_int_equal(status_of(try_noted), 0);
#endif
}

static void *look_up(void *arg)
{
	struct addrinfo *ai = NULL;

	(void)arg;
	if (getaddrinfo("localhost", "80", NULL, &ai) != 0)
		return NULL;
	freeaddrinfo(ai);
	return &family;
}

static int try_work(void)
{
	pthread_t thread;
	void *found = NULL;
	int pair[2];

	if (pthread_create(&thread, NULL, look_up, NULL) != 0)
		return 1;
	pthread_join(thread, &found);
	if (!found)
		return 2;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return 3;
	return net_filter_refused() == -1 ? 0 : 4;
}

static void what_it_needs_works(void **state)
{
	(void)state;
	assert_int_equal(status_of(try_work), 0);
}

static int group_setup(void **state)
{
	(void)state;
	if (net_filter_is_supported())
		return net_prepare();
	print_message("this kernel has no seccomp filters\n");
	exit(77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(intruders_are_ended),
		cmocka_unit_test(only_families_it_needs),
		cmocka_unit_test(only_pairs_that_stay_pairs),
		cmocka_unit_test(the_rest_fails),
		cmocka_unit_test(what_it_needs_works),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
