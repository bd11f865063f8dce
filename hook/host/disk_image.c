/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/host/disk_image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Another process may take the free loop device that the kernel told of. */
#define LOOP_TRIES 64
/* Bytes of a disk for each file that it can have: builds have small ones. */
#define BYTES_PER_FILE "8192"

int disk_image_isolate(struct err *e)
{
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, "making a mount namespace");
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return err_sys(e, "keeping mounts to this process");
	return 0;
}

/* Make the file on the file system of the directory DIR. Returns its descriptor; -1: *E. */
static int make_file(const char *dir, uint64_t bytes, struct err *e)
{
	scoped_fd int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "creating a file without a name in '%s'", dir);
	if (fallocate(fd, 0, 0, (off_t)bytes) < 0)
		return err_sys(e, "reserving %ju bytes of the disk of '%s'", (uintmax_t)bytes, dir);
	return TAKE(fd, -1);
}

/* Become mkfs.ext4 for the file FD, which it knows by the name FILE. Returns on failure only. */
static void run_mkfs(int fd, char *file)
{
	/*
	 * No journal, as nothing is to survive a crash; no blocks for root alone; and the tables
	 * of a fresh file need not be zeroed.
	 */
	char *const argv[] = {(char *)"mkfs.ext4",
			      (char *)"-q",
			      (char *)"-F",
			      (char *)"-m0",
			      (char *)"-i" BYTES_PER_FILE,
			      (char *)"-O^has_journal",
			      (char *)"-Enodiscard,lazy_itable_init=1,assume_storage_prezeroed=1",
			      file,
			      NULL};
	char *const env[] = {(char *)"PATH=/usr/sbin:/sbin:/usr/bin:/bin:"
				     "/run/current-system/sw/bin",
			     (char *)"MKE2FS_CONFIG=/dev/null", NULL};

	(void)fcntl(fd, F_SETFD, 0);
	environ = (char **)env;
	execvp(argv[0], argv);
}

static int make_fs(int fd, struct err *e)
{
	char file[32];
	int status;

	snprintf(file, sizeof file, "/proc/self/fd/%d", fd);
	const pid_t pid = fork();
	if (pid < 0)
		return err_sys(e, "starting mkfs.ext4");
	if (pid == 0) {
		run_mkfs(fd, file);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "waiting for mkfs.ext4");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_set(e, ERR_SYSTEM, "cannot execute mkfs.ext4 (install e2fsprogs)");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(e, ERR_SYSTEM, "mkfs.ext4 failed with status %d", status);
	return 0;
}

/* Put the file FD behind a loop device, whose path is stored. Returns its descriptor; -1: *E. */
static int attach(int fd, char ret_path[32], struct err *e)
{
	scoped_fd int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	const struct loop_config c = {.fd = (uint32_t)fd,
				      .info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO};

	if (control < 0)
		return err_sys(e, "opening '/dev/loop-control'");
	for (int tries = 0; tries < LOOP_TRIES; tries++) {
		const int n = ioctl(control, LOOP_CTL_GET_FREE);
		if (n < 0)
			return err_sys(e, "finding a loop device");
		snprintf(ret_path, 32, "/dev/loop%d", n);
		scoped_fd int loop = open(ret_path, O_RDWR | O_CLOEXEC);
		if (loop < 0)
			return err_sys(e, "opening '%s'", ret_path);
		if (ioctl(loop, LOOP_CONFIGURE, &c) == 0)
			return TAKE(loop, -1);
		if (errno != EBUSY)
			return err_sys(e, "setting up '%s'", ret_path);
	}
	return err_set(e, ERR_SYSTEM, "every loop device was taken by others meanwhile");
}

int disk_image_mount(const char *at, uint64_t bytes, struct err *e)
{
	scoped_fd int file = make_file(at, bytes, e);
	char device[32];

	if (file < 0 || make_fs(file, e) < 0)
		return -1;
	scoped_fd int loop = attach(file, device, e);
	if (loop < 0)
		return -1;
	if (mount(device, at, "ext4", MS_NOSUID | MS_NODEV, NULL) < 0)
		return err_sys(e, "mounting '%s' at '%s'", device, at);
	scoped_free char *found = str_fmt(e, "%s/lost+found", at);
	if (!found)
		return -1;
	/* Not everybody's mkfs.ext4 makes it. */
	if (rmdir(found) < 0 && errno != ENOENT)
		return err_sys(e, "removing '%s'", found);
	return chmod(at, 0700) < 0 ? err_sys(e, "changing the mode of '%s'", at) : 0;
}
