/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/walk.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"
#include "nar/tree.h"

#include "nar/base/banned.h"

struct nar_walk {
	struct tree *tree;
	const struct nar_tree *root;
	unsigned depth_max;
	bool started;
	int file_fd; /* the current file, or -1 */
	struct stat file_st;
	uint64_t left_bytes;
	char target[NAR_TARGET_MAX + 1];
};

struct nar_walk *nar_walk_new(const struct nar_tree *t, struct err *e)
{
	struct nar_walk *w = malloc(sizeof *w);

	if (!w) {
		err_memory(e);
		return NULL;
	}
	/* malloc, not calloc: most of *W is a buffer that a small tree never touches. */
	w->started = false;
	w->file_fd = -1;
	w->left_bytes = 0;
	w->root = t;
	w->depth_max = t->depth_max ? t->depth_max : NAR_DEPTH_MAX;
	w->tree = tree_new(t->what, e);
	if (!w->tree) {
		free(w);
		return NULL;
	}
	return w;
}

static void close_file(struct nar_walk *w)
{
	if (w->file_fd >= 0)
		close(TAKE(w->file_fd, -1));
}

void nar_walk_free(struct nar_walk *w)
{
	if (!w)
		return;
	int saved = errno;
	close_file(w);
	tree_free(w->tree);
	free(w);
	errno = saved;
}

/* Return the path of the current entry, for messages; "" if memory is short. */
static const char *path_of(const struct nar_walk *w, struct buf *b)
{
	struct err ignored = ERR_INIT;

	if (tree_path(w->tree, b, &ignored) < 0 && !b->data)
		return "";
	return b->data;
}

/* Set *E from errno, with VERB and the path of the current entry. */
static int failed(const struct nar_walk *w, const char *verb, struct err *e)
{
	int saved = errno;
	scoped_buf struct buf b = BUF_INIT(1 << 16);
	const char *path = path_of(w, &b);

	errno = saved;
	return err_sys(e, "%s '%s'", verb, path);
}

static int refused(const struct nar_walk *w, enum err_kind kind, const char *before,
		   const char *after, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(1 << 16);

	return err_set(e, kind, "%s '%s' %s", before, path_of(w, &b), after);
}

/* ---- entries ---- */

static int enter_dir(struct nar_walk *w, int dirfd, const char *name, struct err *e)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return failed(w, "opening directory", e);
	return tree_enter(w->tree, fd, e) < 0 ? -1 : 1;
}

/* Open the current file. O_NONBLOCK, because it may have become a FIFO since it was listed. */
static int enter_file(struct nar_walk *w, int dirfd, const char *name, struct nar_event *ev,
		      struct err *e)
{
	struct stat st;

	w->file_fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (w->file_fd < 0)
		return failed(w, "opening file", e);
	if (fstat(w->file_fd, &st) < 0)
		return failed(w, "getting status of", e);
	if (!S_ISREG(st.st_mode))
		return refused(w, ERR_INPUT, "file", "has an unsupported type", e);
	ev->type = NAR_FILE;
	ev->size_bytes = w->left_bytes = (uint64_t)st.st_size;
	ev->executable = st.st_mode & S_IXUSR;
	w->file_st = st;
	return 1;
}

static int read_link(struct nar_walk *w, int dirfd, const char *name, struct nar_event *ev,
		     struct err *e)
{
	ssize_t n = readlinkat(dirfd, name, w->target, sizeof w->target);

	if (n < 0)
		return failed(w, "reading symbolic link", e);
	if ((size_t)n == sizeof w->target)
		return refused(w, ERR_LIMIT, "the target of symbolic link", "is too long", e);
	ev->type = NAR_LINK;
	ev->data = w->target;
	ev->size_bytes = (uint64_t)n;
	return 1;
}

static int enter(struct nar_walk *w, int dirfd, const char *name, unsigned char d_type,
		 struct nar_event *ev, struct err *e)
{
	if (tree_depth(w->tree) >= w->depth_max) {
		char after[64];

		snprintf(after, sizeof after, "exceeds maximum NAR directory depth of %u",
			 w->depth_max);
		return refused(w, ERR_LIMIT, "path", after, e);
	}
	if (d_type == DT_UNKNOWN) {
		struct stat st;

		if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return failed(w, "getting status of", e);
		d_type = IFTODT(st.st_mode);
	}
	switch (d_type) {
	case DT_REG:
		return enter_file(w, dirfd, name, ev, e);
	case DT_LNK:
		return read_link(w, dirfd, name, ev, e);
	case DT_DIR:
		ev->type = NAR_DIR;
		return enter_dir(w, dirfd, name, e);
	default:
		return refused(w, ERR_INPUT, "file", "has an unsupported type", e);
	}
}

int nar_walk_next(struct nar_walk *w, struct nar_event *ev, struct err *e)
{
	assert(w->left_bytes == 0);
	close_file(w);
	*ev = (struct nar_event){.name = ""};
	if (!w->started) {
		w->started = true;
		return enter(w, w->root->dirfd, w->root->name, DT_UNKNOWN, ev, e);
	}
	if (tree_depth(w->tree) == 0)
		return 0;
	struct tree_entry at;
	int rc = tree_next(w->tree, &at, e);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		ev->type = NAR_DIR_END;
		return 1;
	}
	ev->name = at.name;
	if (at.twice)
		return refused(w, ERR_INPUT, "entry", "is listed twice in its directory", e);
	return enter(w, at.dirfd, at.name, at.d_type, ev, e);
}

const struct stat *nar_walk_stat(const struct nar_walk *w)
{
	return &w->file_st;
}

void nar_walk_skip(struct nar_walk *w)
{
	w->left_bytes = 0;
}

ssize_t nar_walk_read(struct nar_walk *w, void *data, size_t n, struct err *e)
{
	bool last = n >= w->left_bytes;
	char more;

	if (last)
		n = (size_t)w->left_bytes;
	if (n == 0)
		return 0;
	/* Ask for one byte more than is left: it shows, at no cost, whether the file has grown. */
	struct iovec parts[] = {{data, n}, {&more, 1}};
	ssize_t got;
	do {
		got = readv(w->file_fd, parts, last ? 2 : 1);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return failed(w, "reading", e);
	if (got == 0)
		return refused(w, ERR_INPUT, "file", "became shorter while it was read", e);
	if ((size_t)got > n)
		return refused(w, ERR_INPUT, "file", "became longer while it was read", e);
	w->left_bytes -= (uint64_t)got;
	return got;
}
