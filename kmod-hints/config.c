/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.c - finds and reads a kernel's configuration
 *
 * /proc/config.gz goes through gzip(1): one file, once, is not worth a library.
 */
#include "kmod-hints/config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

/* "CONFIG_NAME=y"; anything else is of no interest. */
static int take_line(struct kernel *k, const char *line)
{
	static const char prefix[] = "CONFIG_";
	size_t n = strcspn(line, "=");

	if (strncmp(line, prefix, sizeof prefix - 1) != 0 || !line[n])
		return 0;
	line += sizeof prefix - 1;
	n -= sizeof prefix - 1;
	if (strcmp(line + n, "=y\n") == 0)
		return names_add(&k->config_y, line, n);
	if (strcmp(line + n, "=m\n") == 0)
		return names_add(&k->config_m, line, n);
	return 0;
}

static int take_file(struct kernel *k, FILE *f)
{
	cleanup_free char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, f) > 0) {
		int r = take_line(k, line);

		if (r)
			return r;
	}
	names_sort(&k->config_y);
	names_sort(&k->config_m);
	k->has_config = k->config_y.n != 0;
	return 0;
}

static void run_gzip(int in, int out)
{
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
		execlp("gzip", "gzip", "-dc", (char *)NULL);
	_exit(127);
}

static int read_gzip(struct kernel *k, const char *path)
{
	cleanup_fd int in = open(path, O_RDONLY | O_CLOEXEC);
	int ends[2];
	pid_t pid;

	if (in < 0 || pipe2(ends, O_CLOEXEC) != 0)
		return 0;
	pid = fork();
	if (pid == 0)
		run_gzip(in, ends[1]);
	close(ends[1]);

	FILE *f = pid > 0 ? fdopen(ends[0], "r") : NULL;
	int r = f ? take_file(k, f) : 0;

	if (f)
		fclose(f);
	else
		close(ends[0]);
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	return r;
}

int config_read(struct kernel *k)
{
	static const char *const places[] = {"boot/config-%s", "lib/modules/%s/config",
					     "usr/lib/modules/%s/config"};
	char path[512];

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int n = snprintf(path, sizeof path, "%s/", k->root);
		const char *end = strstr(places[i], "%s");

		snprintf(path + n, sizeof path - (size_t)n, "%.*s%s%s",
			 (int)(end - places[i]), places[i], k->version, end + 2);
		cleanup_file FILE *f = fopen(path, "re");

		if (f)
			return take_file(k, f);
	}
	if (!k->is_running)
		return 0;
	snprintf(path, sizeof path, "%s/proc/config.gz", k->root);
	return read_gzip(k, path);
}
