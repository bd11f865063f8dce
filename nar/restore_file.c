/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "nar/base/buf.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/restore_internal.h"
#include "nar/sparse.h"

#include "nar/base/banned.h"

/* atime and mtime of every store path */
static const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

/*
 * Append the path of NAME in D, or of D if NAME is "", for messages. The path of the root is
 * `what`.
 */
static int add_path(struct buf *b, const struct restore_dir *d, const char *name, struct err *e)
{
	const struct restore_dir *dirs[NAR_DEPTH_ANY];
	size_t n = 0;

	for (const struct restore_dir *p = d; p->parent && p->parent->parent; p = p->parent)
		dirs[n++] = p;
	if (buf_adds(b, d->what, e) < 0)
		return -1;
	while (n)
		if (buf_addf(b, e, "/%s", dirs[--n]->name) < 0)
			return -1;
	return d->parent && *name ? buf_addf(b, e, "/%s", name) : 0;
}

static int failed(const struct restore_dir *d, const char *name, const char *verb, struct err *e)
{
	int saved = errno;
	scoped_buf struct buf b = BUF_INIT(1 << 16);
	struct err ignored = ERR_INIT;
	bool whole = add_path(&b, d, name, &ignored) == 0;

	errno = saved;
	if (errno == EEXIST)
		return err_set(e, ERR_SYSTEM, "path '%s' already exists", whole ? b.data : d->what);
	return err_sys(e, "%s '%s'", verb, whole ? b.data : d->what);
}

/* ---- directories ---- */

struct restore_dir *restore_dir_new(struct restore_dir *parent, int fd, const char *name,
				    struct err *e)
{
	struct restore_dir *d = mem_new(1, sizeof *d, e);

	if (!d)
		return NULL;
	atomic_init(&d->users, 1);
	d->fd = fd;
	if (parent) {
		/* Not the root's name, which can be longer and is a part of `what`. */
		if (parent->parent)
			memcpy(d->name, name, strlen(name) + 1);
		d->parent = restore_dir_ref(parent);
		d->canonical = parent->canonical;
		d->what = parent->what;
	}
	return d;
}

struct restore_dir *restore_dir_make(struct restore_dir *parent, const char *name, struct err *e)
{
	scoped_fd int fd = -1;

	if (mkdirat(parent->fd, name, parent->canonical ? 0700 : 0777) < 0) {
		failed(parent, name, "creating directory", e);
		return NULL;
	}
	fd = openat(parent->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct restore_dir *d = NULL;
	if (fd < 0)
		failed(parent, name, "opening directory", e);
	else
		d = restore_dir_new(parent, fd, name, e);
	if (d)
		fd = -1;
	else
		unlinkat(parent->fd, name, AT_REMOVEDIR);
	return d;
}

struct restore_dir *restore_dir_ref(struct restore_dir *d)
{
	atomic_fetch_add_explicit(&d->users, 1, memory_order_relaxed);
	return d;
}

/* Set mode and times of D, whatever umask and default ACLs made of its mode. */
static int make_canonical(const struct restore_dir *d, struct err *e)
{
	if (fchmod(d->fd, 0555) < 0)
		return failed(d, "", "setting the mode of", e);
	if (futimens(d->fd, times) < 0)
		return failed(d, "", "setting the times of", e);
	return 0;
}

static int unref(struct restore_dir *d, bool keep, struct err *e)
{
	int rc = 0;

	while (d && atomic_fetch_sub(&d->users, 1) == 1) {
		struct restore_dir *parent = d->parent;

		if (parent) { /* without one, D is the caller's directory, not of the tree */
			if (keep && rc == 0 && d->canonical)
				rc = make_canonical(d, e);
			if (!d->deep)
				close(d->fd);
		}
		free(d);
		d = parent;
	}
	return rc;
}

int restore_dir_end(struct restore_dir *d, struct err *e)
{
	return unref(d, true, e);
}

void restore_dir_drop(struct restore_dir *d)
{
	(void)unref(d, false, NULL);
}

/* ---- files and links ---- */

static int set_executable(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -1 : fchmod(fd, (st.st_mode & 07777) | 0111);
}

int restore_file_make(struct restore_file *f, bool executable, struct err *e)
{
	const struct restore_dir *d = f->dir;
	scoped_fd int fd =
		openat(d->fd, f->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		       d->canonical ? 0600 : 0666);

	if (fd < 0)
		return failed(d, f->name, "creating", e);
	/* The mode before the contents; the times after them, because a write changes them. */
	int rc = 0;
	if (d->canonical)
		rc = fchmod(fd, executable ? 0555 : 0444);
	else if (executable)
		rc = set_executable(fd);
	if (rc < 0) {
		failed(d, f->name, "setting the mode of", e);
		unlinkat(d->fd, f->name, 0);
		return -1;
	}
	f->fd = TAKE(fd, -1);
	f->offset = 0;
	return 0;
}

int64_t restore_file_write(struct restore_file *f, const void *data, size_t n, struct err *e)
{
	const bool last = f->offset + n == f->size_bytes;
	const int64_t written = sparse_write(f->fd, f->offset, data, n, last);

	f->offset += n;
	return written < 0 ? failed(f->dir, f->name, "writing to", e) : written;
}

int restore_file_end(struct restore_file *f, struct err *e)
{
	scoped_fd int fd = TAKE(f->fd, -1);

	if (f->dir->canonical && futimens(fd, times) < 0)
		return failed(f->dir, f->name, "setting the times of", e);
	/* close(2) may report a delayed write error. */
	if (close(TAKE(fd, -1)) < 0 && errno != EINTR)
		return failed(f->dir, f->name, "closing", e);
	return 0;
}

int restore_link(const struct restore_dir *d, const char *name, const char *target, struct err *e)
{
	if (symlinkat(target, d->fd, name) < 0)
		return failed(d, name, "creating symbolic link", e);
	if (d->canonical && utimensat(d->fd, name, times, AT_SYMLINK_NOFOLLOW) < 0) {
		failed(d, name, "setting the times of", e);
		unlinkat(d->fd, name, 0);
		return -1;
	}
	return 0;
}
