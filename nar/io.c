/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/io.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "nar/scope.h"

#include "nar/banned.h"

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
		return err_set(e, ERR_INPUT, "'%s' is a directory", path);
	if (S_ISBLK(st.st_mode) || (S_ISCHR(st.st_mode) && st.st_rdev != makedev(1, 3)))
		return err_set(e, ERR_INPUT, "'%s' is a device", path);
	/* Who writes to a pipe may take time. */
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
		return err_sys(e, "getting attributes of '%s'", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INPUT, "'%s' is not a regular file", name);
	return buf_read_fd(b, fd, name, e);
}

/*
 * io_rmtree() keeps one descriptor and goes down by openat(name) and up by openat("..") with a
 * check that it arrived where it came from, so depth costs only a few bytes on a heap stack. A tree
 * that somebody moves about while it is removed is refused, never followed out of.
 */
struct rm_level {
	dev_t dev;
	ino_t ino;
	char *name; /* of this directory in its parent */
};

struct rm {
	struct rm_level *levels;
	size_t n, cap;
	dev_t dev;       /* entries on another file system are left alone */
	int fd;          /* the directory at the top of the stack */
	int first_errno; /* of the first failure, 0 for none */
};

static void rm_failed(struct rm *rm)
{
	if (!rm->first_errno)
		rm->first_errno = errno;
}

static int rm_open(struct rm *rm, int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == EACCES) {
		/* Not root, and the build took its own permissions away: give them back. */
		if (fchmodat(dirfd, name, 0700, 0) == 0)
			fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	(void)rm;
	return fd;
}

static int rm_push(struct rm *rm, int fd, const char *name, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "getting attributes of '%s'", name);
	if (mem_grow(&rm->levels, &rm->cap, rm->n + 1, sizeof *rm->levels, e) < 0)
		return -1;
	char *copy = str_dup(name, e);
	if (!copy)
		return -1;
	rm->levels[rm->n++] = (struct rm_level){st.st_dev, st.st_ino, copy};
	return 0;
}

/* Not root, and the directory is read-only, as all are in a store: open it up. */
static int rm_unlink(int dirfd, const char *name, int flags)
{
	if (unlinkat(dirfd, name, flags) == 0)
		return 0;
	if (errno != EACCES)
		return -1;
	if (fchmod(dirfd, 0700) < 0) {
		errno = EACCES;
		return -1;
	}
	return unlinkat(dirfd, name, flags);
}

/* Another descriptor of the directory, to be read from its start. */
static int rm_again(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Not root, and it may be read but not searched. */
	if (fd < 0 && errno == EACCES && fchmod(dirfd, 0700) == 0)
		fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd;
}

/* Unlink what can be unlinked in the directory of D; *RET_SUB is a directory to go into, or "". */
static void rm_entries(struct rm *rm, DIR *d, char ret_sub[NAME_MAX + 1], const struct strv *skip)
{
	struct dirent *de;

	ret_sub[0] = '\0';
	while ((de = readdir(d))) {
		if (str_eq(de->d_name, ".") || str_eq(de->d_name, ".."))
			continue;
		if (skip && strv_has(skip, de->d_name))
			continue;
		if (de->d_type != DT_DIR && rm_unlink(rm->fd, de->d_name, 0) == 0)
			continue;
		if (de->d_type != DT_DIR && errno != EISDIR) {
			if (errno != ENOENT)
				rm_failed(rm);
			continue;
		}
		if (rm_unlink(rm->fd, de->d_name, AT_REMOVEDIR) == 0)
			continue;
		memcpy(ret_sub, de->d_name, strlen(de->d_name) + 1);
		return;
	}
}

/* Go up one level, to where we came from, and remove what we left. */
static int rm_up(struct rm *rm, struct strv *failed, struct err *e)
{
	struct rm_level *left = &rm->levels[rm->n - 1], *parent = &rm->levels[rm->n - 2];
	struct stat st;
	int up = openat(rm->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (up < 0)
		return err_sys(e, "leaving directory '%s'", left->name);
	close(rm->fd);
	rm->fd = up;
	if (fstat(up, &st) < 0 || st.st_dev != parent->dev || st.st_ino != parent->ino)
		return err_set(e, ERR_SYSTEM, "directory '%s' was moved while it was removed",
			       left->name);
	if (rm_unlink(up, left->name, AT_REMOVEDIR) < 0 && errno != ENOENT) {
		rm_failed(rm);
		if (strv_add(failed, left->name, e) < 0)
			return -1;
	}
	free(left->name);
	rm->n--;
	return 0;
}

/*
 * Loop over the tree. A subdirectory that cannot be removed is remembered by its name in FAILED so
 * that its parent's listing does not enter it again; names are not unique across levels, so in the
 * worst case a namesake elsewhere stays, which the error already reports.
 */
static int rm_walk(struct rm *rm, struct err *e)
{
	scoped_strv struct strv failed = STRV_INIT;

	for (;;) {
		char sub[NAME_MAX + 1];
		int dup_fd = rm_again(rm->fd);
		scoped_dir DIR *d = dup_fd < 0 ? NULL : fdopendir(dup_fd);

		if (!d) {
			if (dup_fd >= 0)
				close(dup_fd);
			return err_sys(e, "reading directory '%s'", rm->levels[rm->n - 1].name);
		}
		rm_entries(rm, d, sub, failed.n ? &failed : NULL);
		if (sub[0]) {
			struct stat st;
			int fd = rm_open(rm, rm->fd, sub);

			if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == rm->dev) {
				if (rm_push(rm, fd, sub, e) < 0) {
					close(fd);
					return -1;
				}
				close(rm->fd);
				rm->fd = fd;
				continue;
			}
			if (fd >= 0) {
				close(fd);
				errno = EXDEV;
			}
			rm_failed(rm);
			if (strv_add(&failed, sub, e) < 0)
				return -1;
			continue;
		}
		if (rm->n == 1)
			return 0;
		if (rm_up(rm, &failed, e) < 0)
			return -1;
	}
}

int io_rmtree(int dirfd, const char *name, const char *what, struct err *e)
{
	struct rm rm = {.fd = -1};
	struct stat st;
	int rc = 0;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM && errno != EACCES)
		return err_sys(e, "removing '%s'", what);
	rm.fd = rm_open(&rm, dirfd, name);
	if (rm.fd < 0)
		return err_sys(e, "removing '%s'", what);
	if (fstat(rm.fd, &st) < 0 || rm_push(&rm, rm.fd, name, e) < 0) {
		rc = err_is_set(e) ? -1 : err_sys(e, "removing '%s'", what);
	} else {
		rm.dev = st.st_dev;
		rc = rm_walk(&rm, e);
	}
	close(rm.fd);
	for (size_t i = 0; i < rm.n; i++)
		free(rm.levels[i].name);
	free(rm.levels);
	if (rc < 0)
		return err_wrap(e, "removing '%s'", what);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT && !rm.first_errno)
		rm.first_errno = errno;
	if (rm.first_errno) {
		errno = rm.first_errno;
		return err_sys(e, "removing '%s'", what);
	}
	return 0;
}

int io_rmtrees(const struct strv *paths, struct err *e)
{
	int rc = 0;

	for (size_t i = paths->n; i-- > 0;) {
		struct err one = ERR_INIT;

		if (io_rmtree(AT_FDCWD, paths->items[i], paths->items[i], &one) == 0)
			continue;
		if (rc == 0)
			*e = one;
		rc = -1;
	}
	return rc;
}
