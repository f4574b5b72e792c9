/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread.c - see thread.h
 */
#include "base/thread.h"

#include <signal.h>

#include "base/lock.h"

/* OpenSSL and zstd keep their large state on the heap; sanitizers want more room. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_BYTES (1024u * 1024)
#else
#define STACK_BYTES (256u * 1024)
#endif

int thread_start(pthread_t *ret, const char *name, void *(*body)(void *), void *arg)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int err;

	PTHREAD_OK(pthread_attr_init(&attr));
	PTHREAD_OK(pthread_attr_setstacksize(&attr, STACK_BYTES));
	sigfillset(&all);
	/* What a filter refuses comes as this; blocked, it would end the process. */
	sigdelset(&all, SIGSYS);
	PTHREAD_OK(pthread_sigmask(SIG_SETMASK, &all, &old));
	err = pthread_create(ret, &attr, body, arg);
	PTHREAD_OK(pthread_sigmask(SIG_SETMASK, &old, NULL));
	PTHREAD_OK(pthread_attr_destroy(&attr));
	if (err)
		return -err;
	if (name)
		pthread_setname_np(*ret, name);
	return 0;
}
