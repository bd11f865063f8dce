/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bundle is on the store's file system, and where people look for a kept build directory is
 * often another one, so what rename(2) cannot do is copied. Nothing that the build made is followed
 * or opened as anything but a file or a directory.
 */
#include "hook/keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/keep_internal.h"
#include "nar/io.h"
#include "nar/scope.h"

#include "nar/banned.h"

/* Each level has two descriptors open while what is below it is copied. */
#define DEPTH_MAX 200
#define NUMBER_MAX 100000

/* ---- copying ---- */

/* Mode last: a change of the owner takes set-id bits away. */
static int copy_metadata(int fd, const struct stat *st, const char *what, struct err *e)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};

	if (geteuid() == 0 && fchown(fd, st->st_uid, st->st_gid) < 0)
		return err_sys(e, "setting the owner of a copy of '%s'", what);
	if (fchmod(fd, st->st_mode & 07777) < 0 || futimens(fd, times) < 0)
		return err_sys(e, "setting mode and time of a copy of '%s'", what);
	return 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *st, const char *what,
		     struct err *e)
{
	scoped_fd int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (in < 0)
		return err_sys(e, "opening '%s'", what);
	scoped_fd int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return err_sys(e, "creating a copy of '%s'", what);
	for (off_t left = st->st_size; left > 0;) {
		const ssize_t n = sendfile(out, in, NULL, (size_t)left);

		if (n < 0 && errno != EINTR)
			return err_sys(e, "copying '%s'", what);
		if (n == 0)
			break;
		left -= n > 0 ? n : 0;
	}
	if (copy_metadata(out, st, what, e) < 0)
		return -1;
	return io_close(&out, what, e);
}

static int copy_link(int from, int to, const char *name, const struct stat *st, const char *what,
		     struct err *e)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};
	char target[4096];
	const ssize_t n = readlinkat(from, name, target, sizeof target - 1);

	if (n < 0)
		return err_sys(e, "reading the link '%s'", what);
	target[n] = '\0';
	if (symlinkat(target, to, name) < 0)
		return err_sys(e, "creating a copy of '%s'", what);
	if ((geteuid() == 0 &&
	     fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0) ||
	    utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "setting owner and time of a copy of '%s'", what);
	return 0;
}

static int copy_fifo(int to, const char *name, const struct stat *st, const char *what,
		     struct err *e)
{
	if (mkfifoat(to, name, st->st_mode & 0777) < 0 ||
	    (geteuid() == 0 && fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0))
		return err_sys(e, "creating a copy of '%s'", what);
	return 0;
}

static int copy_tree(int from, int to, const char *what, unsigned depth, struct err *e);

static int copy_dir(int from, int to, const char *name, const struct stat *st, const char *what,
		    unsigned depth, struct err *e)
{
	if (depth >= DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "'%s' is more than %d directories deep", what,
			       DEPTH_MAX);
	scoped_fd int in = io_opendir(from, name, e);
	if (in < 0)
		return -1;
	scoped_fd int out = io_mkdir(to, name, 0700, e);
	if (out < 0 || copy_tree(in, out, what, depth + 1, e) < 0)
		return -1;
	return copy_metadata(out, st, what, e);
}

static int copy_entry(int from, int to, const char *name, const char *dir, unsigned depth,
		      struct err *e)
{
	struct stat st;
	scoped_free char *what = str_fmt(e, "%s/%s", dir, name);

	if (!what)
		return -1;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "getting status of '%s'", what);
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return copy_file(from, to, name, &st, what, e);
	case S_IFDIR:
		return copy_dir(from, to, name, &st, what, depth, e);
	case S_IFLNK:
		return copy_link(from, to, name, &st, what, e);
	case S_IFIFO:
		return copy_fifo(to, name, &st, what, e);
	}
	return 0;
}

static int copy_tree(int from, int to, const char *what, unsigned depth, struct err *e)
{
	scoped_fd int fd = fcntl(from, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, "duplicating a descriptor");
	scoped_dir DIR *d = fdopendir(fd);
	if (!d)
		return err_sys(e, "reading the directory '%s'", what);
	fd = -1; /* D's now */
	for (;;) {
		errno = 0;
		const struct dirent *ent = readdir(d);

		if (!ent)
			return errno ? err_sys(e, "reading the directory '%s'", what) : 0;
		if (!str_eq(ent->d_name, ".") && !str_eq(ent->d_name, "..") &&
		    copy_entry(from, to, ent->d_name, what, depth, e) < 0)
			return -1;
	}
}

int keep_copy_tree(int from, int to, const char *what, struct err *e)
{
	return copy_tree(from, to, what, 0, e);
}

/* ---- where to ---- */

/* Heap; NULL: *E. */
static char *parent_dir(const struct settings *s, const char *state_dir, struct err *e)
{
	const char *set = settings_get(s, "build-dir");
	const char *tmp = getenv("TMPDIR");

	if (set && set[0])
		return str_dup(set, e);
	if (!settings_of_2_32(s))
		return str_dup(tmp && tmp[0] == '/' ? tmp : "/tmp", e);
	scoped_free char *builds = str_fmt(e, "%s/builds", state_dir);
	if (!builds)
		return NULL;
	/* Nix makes it with the first build of its own. */
	scoped_fd int fd = io_mkdir_p(builds, 0755, e);
	return fd < 0 ? NULL : TAKE(builds, NULL);
}

static char *place_name(const char *dir, const struct drv *d, const struct settings *s, unsigned n,
			struct err *e)
{
	if (settings_of_2_32(s))
		return str_fmt(e, "%s/nix-%ld-%u", dir, (long)getpid(), n);
	return str_fmt(e, "%s/nix-build-%s.drv-%u", dir, d->name, n);
}

/* The first directory that is not there yet, made, 0700. Heap; NULL: *E. */
static char *make_place(const struct drv *d, const struct settings *s, const char *state_dir,
			struct err *e)
{
	scoped_free char *dir = parent_dir(s, state_dir, e);

	if (!dir)
		return NULL;
	for (unsigned n = 0; n < NUMBER_MAX; n++) {
		scoped_free char *path = place_name(dir, d, s, n, e);

		if (!path)
			return NULL;
		if (mkdir(path, 0700) == 0)
			return TAKE(path, NULL);
		if (errno != EEXIST) {
			err_sys(e, "creating '%s'", path);
			return NULL;
		}
	}
	err_set(e, ERR_LIMIT, "'%s' has %d directories of failed builds of '%s'", dir, NUMBER_MAX,
		d->name);
	return NULL;
}

/* Move directory FROM to TO, an empty one. */
static int move(const char *from, const char *to, struct err *e)
{
	struct stat st;

	if (rename(from, to) == 0)
		return 0;
	if (errno != EXDEV)
		return err_sys(e, "moving '%s' to '%s'", from, to);
	scoped_fd int in = io_opendir(AT_FDCWD, from, e);
	if (in < 0)
		return -1;
	scoped_fd int out = io_opendir(AT_FDCWD, to, e);
	if (out < 0)
		return -1;
	if (fstat(in, &st) < 0)
		return err_sys(e, "getting status of '%s'", from);
	if (keep_copy_tree(in, out, from, e) < 0)
		return err_wrap(e, "copying '%s' to '%s'", from, to);
	return copy_metadata(out, &st, from, e);
}

static int open_up(const char *path, struct err *e)
{
	return chmod(path, 0755) < 0 ? err_sys(e, "opening up '%s'", path) : 0;
}

static int move_below(const char *build_dir, const char *top, const char *to, struct err *e)
{
	if (to != top && mkdir(to, 0700) < 0)
		return err_sys(e, "creating '%s'", to);
	if (move(build_dir, to, e) < 0 || open_up(to, e) < 0)
		return -1;
	return to == top ? 0 : open_up(top, e);
}

int keep_build_dir(const struct drv *d, const struct settings *s, const char *state_dir,
		   const char *build_dir, char **ret_path, struct err *e)
{
	bool keep;

	*ret_path = NULL;
	if (settings_bool(s, "keep-failed", false, &keep, e) < 0)
		return -1;
	if (!keep || str_starts(d->builder, "builtin:"))
		return 0;
	scoped_free char *top = make_place(d, s, state_dir, e);
	if (!top)
		return -1;
	/*
	 * Sent since 2.22, which leaves two releases without the directory inside to be wrong for.
	 */
	scoped_free char *inside =
		settings_get(s, "build-dir") ? str_fmt(e, "%s/build", top) : str_dup(top, e);
	if (!inside)
		return -1;
	if (move_below(build_dir, top, settings_get(s, "build-dir") ? inside : top, e) < 0) {
		struct err later = ERR_INIT;

		/* The first error is what counts. */
		if (io_rmtree(AT_FDCWD, top, top, &later) < 0)
			err_clear(&later);
		return -1;
	}
	*ret_path = TAKE(inside, NULL);
	return 0;
}
