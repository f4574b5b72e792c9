/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faultproxy.c - an HTTP proxy in front of a server, that answers wrong on demand
 *
 * Which request is answered how is decided in faultproxy/script.c, what can be wrong is listed in
 * faultproxy/fault.c, and faultproxy/answer.c does it.  One thread for each connection,
 * CONNECTIONS_MAX at most.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/faultproxy/exchange.h"

#define CONNECTIONS_MAX 256u
#define STACK_BYTES (512u * 1024)
#define CHANCE_PERCENT 10.0

static struct proxy proxy = {
	.script = {.lock = PTHREAD_MUTEX_INITIALIZER},
	.line = {.lock = PTHREAD_MUTEX_INITIALIZER},
	.log_fd = -1,
};
static const char *script_path;
static uint16_t listen_port;
static bool has_chance, has_seed;
static sem_t places;
static volatile sig_atomic_t is_reload_wanted;

static void usage(FILE *to)
{
	fprintf(to,
		"Usage: faultproxy --to=HOST:PORT [OPTION...]\n"
		"An HTTP proxy on 127.0.0.1 in front of a server, that answers wrong on "
		"demand.\n\n"
		"  --to=HOST:PORT  the server, by its IPv4 address\n"
		"  --listen=PORT   where to listen; 0, the default, chooses one\n"
		"  --script=FILE   rules; SIGHUP reads them anew and counts from 1 again\n"
		"  --seed=N        random faults: request number N always gets the same\n"
		"  --chance=P      percent of the requests that get one (default %g with "
		"--seed)\n"
		"  --faults=A,B    only these kinds of random faults, by their first word\n"
		"  --delay=TIME    of the line, each way; a new connection takes a round "
		"trip\n"
		"  --rate=RATE     of the line, shared by all connections: 25Mbit, 2M\n"
		"  --log=FILE      a line for each request: number \"fault\" path range "
		"bytes\n\n"
		"It says on standard output where it listens, and its seed.\n\n"
		"A script has one rule a line, the first that holds is taken:\n"
		"  [CONDITION...] : FAULT...\n"
		"Conditions: N, N-M, N- (numbers of requests, from 1), every=K, times=K "
		"(at most),\n"
		"  chance=P%%, bytes=A-B (the range touches these), path=PATTERN\n"
		"Faults:\n",
		CHANCE_PERCENT);
	fault_help(to);
	fprintf(to, "Random faults:\n");
	script_help(to);
}

static int bad(const char *option, const char *value)
{
	fprintf(stderr, "faultproxy: --%s=%s: not understood: see faultproxy --help\n",
		option, value);
	return 2;
}

static bool parse_port(const char *text, uint16_t *ret)
{
	char *end;
	const unsigned long n = strtoul(text, &end, 10);

	*ret = (uint16_t)n;
	return *text && !*end && n <= UINT16_MAX;
}

static bool parse_server(const char *text)
{
	char host[64];
	uint16_t port = 0;
	const char *colon = strrchr(text, ':');

	if (!colon || (size_t)(colon - text) >= sizeof host ||
	    !parse_port(colon + 1, &port))
		return false;
	snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
	proxy.server.sin_family = AF_INET;
	proxy.server.sin_port = htons(port);
	return port && inet_pton(AF_INET, host, &proxy.server.sin_addr) == 1;
}

static bool parse_double(const char *text, double *ret)
{
	char *end;

	*ret = strtod(text, &end);
	return *text && (!*end || !strcmp(end, "%")) && *ret >= 0 && *ret <= 100;
}

static bool parse_seed(const char *text)
{
	char *end;

	proxy.script.seed = strtoull(text, &end, 10);
	return has_seed = *text && !*end;
}

static bool open_log(const char *path)
{
	proxy.log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	return proxy.log_fd >= 0;
}

static const struct option long_options[] = {
	{"to", required_argument, NULL, 't'},
	{"listen", required_argument, NULL, 'l'},
	{"script", required_argument, NULL, 's'},
	{"seed", required_argument, NULL, 'S'},
	{"chance", required_argument, NULL, 'c'},
	{"faults", required_argument, NULL, 'f'},
	{"delay", required_argument, NULL, 'd'},
	{"rate", required_argument, NULL, 'r'},
	{"log", required_argument, NULL, 'L'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static bool take_option(int c, const char *value)
{
	switch (c) {
	case 't':
		return parse_server(value);
	case 'l':
		return parse_port(value, &listen_port);
	case 's':
		script_path = value;
		return true;
	case 'S':
		return parse_seed(value);
	case 'c':
		return has_chance = parse_double(value, &proxy.script.chance);
	case 'f':
		return snprintf(proxy.script.kinds, sizeof proxy.script.kinds, "%s",
				value) < (int)sizeof proxy.script.kinds;
	case 'd':
		return fault_parse_time(value, &proxy.line.delay_us);
	case 'r':
		return fault_parse_rate(value, &proxy.line.rate_bytes);
	default:
		return open_log(value);
	}
}

/* 0, or the exit code to end with; -1: ends well. */
static int parse_options(int argc, char **argv)
{
	int c, i = 0;

	while ((c = getopt_long(argc, argv, "", long_options, &i)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return -1;
		}
		if (c == '?') {
			usage(stderr);
			return 2;
		}
		if (!take_option(c, optarg))
			return bad(long_options[i].name, optarg);
	}
	if (optind < argc || !proxy.server.sin_port) {
		usage(stderr);
		return 2;
	}
	if (has_seed && !has_chance)
		proxy.script.chance = CHANCE_PERCENT;
	if (!has_seed)
		proxy.script.seed = (uint64_t)time(NULL);
	proxy.script.chance /= 100;
	return 0;
}

static int listen_on(uint16_t *port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons(*port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t n = sizeof a;
	const int one = 1;
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 256) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) < 0) {
		fprintf(stderr, "faultproxy: port %u: %s\n", *port, strerror(errno));
		return -1;
	}
	*port = ntohs(a.sin_port);
	return fd;
}

/* A connection's thread: ends with it. */
static void *connection_main(void *arg)
{
	exchange_run(&proxy, (int)(intptr_t)arg);
	sem_post(&places);
	return NULL;
}

static bool start_thread(int client)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	const int r =
		pthread_create(&thread, &attr, connection_main, (void *)(intptr_t)client);
	pthread_attr_destroy(&attr);
	return r == 0;
}

static void on_hup(int sig)
{
	(void)sig;
	is_reload_wanted = 1;
}

static void reload(void)
{
	is_reload_wanted = 0;
	if (script_path && script_load(&proxy.script, script_path))
		printf("faultproxy: read %s\n", script_path);
	fflush(stdout);
}

static void accept_one(int fd)
{
	const int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	const int one = 1;

	if (client < 0)
		return;
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	while (sem_wait(&places) < 0)
		;
	if (!start_thread(client)) {
		sem_post(&places);
		close(client);
	}
}

/* SIGHUP is blocked but for here, and in all other threads. */
static void serve(int fd, const sigset_t *unblocked)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		const int n = ppoll(&p, 1, NULL, unblocked);

		if (is_reload_wanted)
			reload();
		if (n > 0)
			accept_one(fd);
	}
}

int main(int argc, char **argv)
{
	const struct sigaction hup = {.sa_handler = on_hup};
	sigset_t blocked, unblocked;
	const int r = parse_options(argc, argv);

	if (r)
		return r < 0 ? 0 : r;
	if (script_path && !script_load(&proxy.script, script_path))
		return 1;
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &blocked, &unblocked);
	sigaction(SIGHUP, &hup, NULL);
	sem_init(&places, 0, CONNECTIONS_MAX);
	const int fd = listen_on(&listen_port);
	if (fd < 0)
		return 1;
	printf("faultproxy: listening on 127.0.0.1:%u, seed %" PRIu64 "\n", listen_port,
	       proxy.script.seed);
	fflush(stdout);
	serve(fd, &unblocked);
}
