/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_filter.c - the system calls that the network process may make
 *
 * Refusing goes by SIGSYS where the machine is known: the handler notes the number and
 * lets the call return EPERM.  On other machines the kernel returns EPERM itself and
 * nothing is noted.
 */
#include "source/net_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <ucontext.h>

#define TYPE_MASK 0xfu

static volatile sig_atomic_t refused = -1;

#if defined(__x86_64__)
#define RESULT_OF(uc) ((uc)->uc_mcontext.gregs[REG_RAX])
#elif defined(__aarch64__)
#define RESULT_OF(uc) ((uc)->uc_mcontext.regs[0])
#endif

#ifdef RESULT_OF
#define REFUSE SCMP_ACT_TRAP

static void on_refused(int signal_number, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signal_number;
	refused = info->si_syscall;
	RESULT_OF(uc) = -EPERM;
}

static int catch_refusals(void)
{
	const struct sigaction action = {
		.sa_sigaction = on_refused,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART,
	};

	return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}
#else
#define REFUSE SCMP_ACT_ERRNO(EPERM)

static int catch_refusals(void)
{
	return 0;
}
#endif

/* Whatever their arguments: they reach nothing but this process and what it has open. */
static const int allowed[] = {
	/* memory and threads */
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(mlock),
	SCMP_SYS(mlock2),
	SCMP_SYS(munlock),
	SCMP_SYS(futex),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(set_tid_address),
	SCMP_SYS(rseq),
	SCMP_SYS(membarrier),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	/* signals of its own */
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall),
	/* what it is, and what time it is */
	SCMP_SYS(getpid),
	SCMP_SYS(getppid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(getrandom),
	SCMP_SYS(time),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	/* what is open */
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(lseek),
	SCMP_SYS(close),
	SCMP_SYS(close_range),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(select),
	SCMP_SYS(pselect6),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(pipe),
	SCMP_SYS(pipe2),
	SCMP_SYS(dup),
	SCMP_SYS(dup2),
	SCMP_SYS(dup3),
	/* files of its root, for reading */
	SCMP_SYS(fstat),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getcwd),
	/* sockets of the families below */
	SCMP_SYS(connect),
	SCMP_SYS(bind),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(recvmmsg),
};

/* No library does these: whoever tries is not our code. */
static const int deadly[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(open_by_handle_at),
};

/* A call with a condition on one argument: (argument & mask) == value. */
static const struct {
	int call;
	uint32_t action;
	unsigned arg;
	uint64_t mask, value;
} conditional[] = {
	{SCMP_SYS(mmap), SCMP_ACT_ALLOW, 2, PROT_EXEC, 0},
	{SCMP_SYS(mprotect), SCMP_ACT_ALLOW, 2, PROT_EXEC, 0},
	{SCMP_SYS(clone), SCMP_ACT_ALLOW, 0, CLONE_THREAD, CLONE_THREAD},
	{SCMP_SYS(open), SCMP_ACT_ALLOW, 1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY},
	{SCMP_SYS(openat), SCMP_ACT_ALLOW, 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY},
	{SCMP_SYS(ioctl), SCMP_ACT_ALLOW, 1, UINT32_MAX, FIONREAD},
	{SCMP_SYS(ioctl), SCMP_ACT_ALLOW, 1, UINT32_MAX, FIONBIO},
	{SCMP_SYS(fcntl), SCMP_ACT_ALLOW, 1, UINT32_MAX, F_GETFD},
	{SCMP_SYS(fcntl), SCMP_ACT_ALLOW, 1, UINT32_MAX, F_SETFD},
	{SCMP_SYS(fcntl), SCMP_ACT_ALLOW, 1, UINT32_MAX, F_GETFL},
	{SCMP_SYS(fcntl), SCMP_ACT_ALLOW, 1, UINT32_MAX, F_SETFL},
	{SCMP_SYS(fcntl), SCMP_ACT_ALLOW, 1, UINT32_MAX, F_DUPFD_CLOEXEC},
	{SCMP_SYS(prctl), SCMP_ACT_ALLOW, 0, UINT32_MAX, PR_SET_NAME},
	/* The C library asks for nscd, which is not here. */
	{SCMP_SYS(socket), SCMP_ACT_ERRNO(EAFNOSUPPORT), 0, UINT32_MAX, AF_UNIX},
};

static int add_lists(scmp_filter_ctx ctx)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(allowed) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(deadly) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(conditional) && r == 0; i++)
		r = seccomp_rule_add(ctx, conditional[i].action, conditional[i].call, 1,
				     SCMP_CMP(conditional[i].arg, SCMP_CMP_MASKED_EQ,
					      conditional[i].mask, conditional[i].value));
	/* Its arguments cannot be seen; without it the C library takes clone. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return r;
}

/* Streams and datagrams of the Internet, and what getaddrinfo asks the kernel's routes. */
static int add_sockets(scmp_filter_ctx ctx)
{
	static const int families[] = {AF_INET, AF_INET6};
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
	int r = 0;

	for (unsigned i = 0; i < 4 && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
				     SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)families[i / 2]),
				     SCMP_A1_32(SCMP_CMP_MASKED_EQ, TYPE_MASK,
						(uint32_t)types[i % 2]));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
				     SCMP_A0_32(SCMP_CMP_EQ, AF_NETLINK),
				     SCMP_A2_32(SCMP_CMP_EQ, NETLINK_ROUTE));
	/* libcurl wakes itself by a pair.  One of datagrams could be led to any local socket. */
	if (r == 0)
		r = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 2,
			SCMP_A0_32(SCMP_CMP_EQ, AF_UNIX),
			SCMP_A1_32(SCMP_CMP_MASKED_EQ, TYPE_MASK, SOCK_STREAM));
	return r;
}

/* Signals for itself (abort), limits for reading. */
static int add_own(scmp_filter_ctx ctx)
{
	const uint32_t own = (uint32_t)getpid();
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				 SCMP_A0_32(SCMP_CMP_EQ, own));

	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
				     SCMP_A0_32(SCMP_CMP_EQ, 0),
				     SCMP_A2_64(SCMP_CMP_EQ, 0));
	return r;
}

bool net_filter_is_supported(void)
{
	/* No filter: EFAULT where there could be one, EINVAL where not. */
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) < 0 &&
	       errno == EFAULT;
}

int net_filter_enter(void)
{
	scmp_filter_ctx ctx = seccomp_init(REFUSE);

	if (!ctx)
		return -ENOMEM;
	int r = catch_refusals();
	/* A tree instead of a chain: every recv passes it. */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = add_lists(ctx);
	if (r == 0)
		r = add_sockets(ctx);
	if (r == 0)
		r = add_own(ctx);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

int net_filter_refused(void)
{
	const int number = refused;

	refused = -1;
	return number;
}

void net_filter_name(int number, char *ret, size_t n_bytes)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

	if (name)
		snprintf(ret, n_bytes, "%s", name);
	else
		snprintf(ret, n_bytes, "%d", number);
	free(name);
}
