/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crashload.c - loads the kernel that starts when this one crashes
 *
 *	crashload KERNEL INITRD CMDLINE
 *
 * What `kexec -p -s` does, without its libraries: static, to be put into an initramfs.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fprintf(stderr, "crashload: %s: %s\n", path, strerror(errno));
	return fd;
}

int main(int argc, char **argv)
{
	int kernel, initrd;

	if (argc != 4) {
		fprintf(stderr, "usage: crashload KERNEL INITRD CMDLINE\n");
		return 2;
	}
	kernel = open_file(argv[1]);
	initrd = open_file(argv[2]);
	if (kernel < 0 || initrd < 0)
		return 1;
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[3]) + 1, argv[3],
		    KEXEC_FILE_ON_CRASH) != 0) {
		fprintf(stderr, "crashload: kexec_file_load: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}
