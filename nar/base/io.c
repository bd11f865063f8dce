/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/base/io.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* The pauses of io_again() are 2, 4, ... ms, so 1022 ms in all. */
#define AGAIN_MAX 10
/* Linux's Documentation/admin-guide/devices.txt. */
#define NULL_DEVICE makedev(1, 3)

int io_write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		ssize_t w = write(fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

int io_write(int fd, const void *data, size_t n, const char *what, struct err *e)
{
	return io_write_all(fd, data, n) < 0 ? err_sys(e, "writing to '%s'", what) : 0;
}

static int on_file_write(void *ctx, const void *data, size_t n, struct err *e)
{
	const struct io_file *f = ctx;

	return io_write(f->fd, data, n, f->what, e);
}

struct nar_sink io_sink(const struct io_file *f)
{
	return (struct nar_sink){on_file_write, (void *)(uintptr_t)f};
}

ssize_t io_read(int fd, void *data, size_t n, const char *what, struct err *e)
{
	char *p = data;
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(fd, p + got, n - got);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_sys(e, "reading '%s'", what);
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

int io_close(int *fd, const char *what, struct err *e)
{
	if (close(TAKE(*fd, -1)) < 0 && errno != EINTR)
		return err_sys(e, "closing '%s'", what);
	return 0;
}

int io_open_input(const char *path, struct err *e)
{
	scoped_fd int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "opening '%s'", path);
	if (S_ISDIR(st.st_mode))
		return err_set(e, ERR_INPUT, "'%s' is a directory, not a file", path);
	if (S_ISBLK(st.st_mode) || (S_ISCHR(st.st_mode) && st.st_rdev != NULL_DEVICE))
		return err_set(e, ERR_INPUT, "'%s' is a device, not a file or a pipe", path);
	/* From now on, reading waits for the writer of a pipe. */
	if (fcntl(fd, F_SETFL, 0) < 0)
		return err_sys(e, "opening '%s'", path);
	return TAKE(fd, -1);
}

int io_opendir(int dirfd, const char *name, struct err *e)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "opening directory '%s'", name);
	return fd;
}

DIR *io_list(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		scope_close(&fd);
	return d;
}

int io_mkdir(int dirfd, const char *name, mode_t mode, struct err *e)
{
	if (mkdirat(dirfd, name, 0700) < 0)
		return err_sys(e, "creating directory '%s'", name);
	scoped_fd int fd = io_opendir(dirfd, name, e);
	if (fd < 0)
		return -1;
	if (fchmod(fd, mode) < 0)
		return err_sys(e, "setting the mode of '%s'", name);
	return TAKE(fd, -1);
}

int io_mkdir_p(const char *path, mode_t mode, struct err *e)
{
	scoped_free char *copy = str_dup(path, e);

	if (!copy)
		return -1;
	for (char *p = copy + 1;; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char end = *p;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return err_sys(e, "creating directory '%s'", copy);
		*p = end;
		if (end == '\0')
			break;
	}
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "opening directory '%s'", path);
	return fd;
}

int io_write_file(int dirfd, const char *name, mode_t mode, const void *data, size_t n,
		  struct err *e)
{
	scoped_fd int fd =
		openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "creating '%s'", name);
	if (io_write(fd, data, n, name, e) < 0)
		return -1;
	if (fchmod(fd, mode) < 0)
		return err_sys(e, "setting the mode of '%s'", name);
	return io_close(&fd, name, e);
}

int io_read_file(int dirfd, const char *name, struct buf *b, struct err *e)
{
	scoped_fd int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return err_sys(e, "opening '%s'", name);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "getting status of '%s'", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INPUT, "'%s' is not a regular file", name);
	return buf_read_fd(b, fd, name, e);
}

int io_make_null(int dirfd, const char *name)
{
	return mknodat(dirfd, name, S_IFCHR | 0666, NULL_DEVICE);
}

int io_lock(int fd, int how)
{
	while (flock(fd, how) < 0) {
		if (errno == EWOULDBLOCK)
			return 0;
		if (errno != EINTR)
			return -1;
	}
	return 1;
}

void io_pause_ms(int64_t ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

bool io_again(unsigned *tries)
{
	switch (errno) {
	case EINTR:
	case EAGAIN:
	case ENOMEM:
	case ENOBUFS:
	case EMFILE:
	case ENFILE:
	case EIO:
		break;
	default:
		return false;
	}
	if (*tries >= AGAIN_MAX)
		return false;
	if (*tries)
		io_pause_ms(1 << *tries);
	++*tries;
	return true;
}
