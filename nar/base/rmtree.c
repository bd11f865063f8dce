/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * io_rmtree(): remove a tree of any depth and width with few descriptors and bounded memory.
 *
 * Each directory on the way down stays open, and is read on after its subdirectory is removed. So
 * ".." is never opened: on a bind mount the kernel walks up to the mount's root for it, and the
 * cost would grow with the square of the depth. Nor does a process that moves the tree's
 * directories meanwhile lead the removal out of the tree: it looks up names only in directories
 * that it reached from the root.
 *
 * A directory that would be deeper than WINDOW is renamed into the root of the tree and removed
 * from there. If it cannot be renamed, the number of descriptors bounds the depth.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define WINDOW 32
/*
 * How often one directory is read: some file systems skip entries when others are removed while the
 * directory is read.
 */
#define PASSES_MAX 16

/* An open directory, which is the entry `name` of the one above it. */
struct level {
	struct level *up; /* NULL: the root of the tree */
	DIR *dir;
	bool failed;             /* an entry of it could not be removed */
	unsigned passes;         /* times that it was read and still contained entries */
	char name[NAME_MAX + 1]; /* "" for the root */
};

struct rm {
	struct level *top, *root;
	unsigned depth;
	int dirfd; /* the root is dirfd/name */
	const char *name;
	dev_t dev;            /* of the root; entries on another file system are left alone */
	uint64_t held, freed; /* HELD_NAMEs freed to held - 1 wait in the root to be removed */
	int first_errno;      /* of the first failure, 0 for none */
	char first_name[NAME_MAX + 1];
};

#define HELD_NAME ".removing-%" PRIu64

/* Note that NAME, in the current directory, could not be removed because of errno. */
static void failed(struct rm *rm, const char *name)
{
	if (rm->top)
		rm->top->failed = true;
	if (rm->first_errno)
		return;
	rm->first_errno = errno;
	snprintf(rm->first_name, sizeof rm->first_name, "%s", name);
}

/* ---- permissions that the build or the store took away: without root they are needed ---- */

/* Set the mode of directory DIRFD/NAME to 0700. fchmodat(2) would follow a symbolic link. */
static int open_up(int dirfd, const char *name)
{
	char proc[32];
	scoped_fd int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -1;
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	return chmod(proc, 0700);
}

static int open_dir(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, DIR_FLAGS);

	if (fd < 0 && errno == EACCES && open_up(dirfd, name) == 0)
		fd = openat(dirfd, name, DIR_FLAGS);
	return fd;
}

static int unlink_entry(int dirfd, const char *name, int flags)
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

/*
 * Rename the directory NAME, in the current one, to TO in the root. Moving a directory needs the
 * permission to write to it as well, because its ".." changes.
 */
static int move_up(struct rm *rm, const char *name, const char *to)
{
	int from = dirfd(rm->top->dir), root = dirfd(rm->root->dir);

	if (renameat(from, name, root, to) == 0)
		return 0;
	if (errno != EACCES)
		return -1;
	if (fchmod(root, 0700) < 0 || open_up(from, name) < 0) {
		errno = EACCES;
		return -1;
	}
	return renameat(from, name, root, to);
}

/* ---- directories ---- */

/* Open the directory AT/NAME and make it the current one. -1: errno. */
static int enter(struct rm *rm, int at, const char *name)
{
	struct stat st;
	scoped_fd int fd = open_dir(at, name);

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (!rm->top) {
		rm->dev = st.st_dev;
	} else if (st.st_dev != rm->dev) {
		errno = EXDEV;
		return -1;
	}
	scoped_free struct level *l = calloc(1, sizeof *l);
	if (!l)
		return -1;
	l->dir = fdopendir(fd);
	if (!l->dir)
		return -1;
	fd = -1; /* l->dir owns it */
	l->up = rm->top;
	if (l->up)
		snprintf(l->name, sizeof l->name, "%s", name);
	else
		rm->root = l;
	rm->top = TAKE(l, NULL);
	rm->depth++;
	return 0;
}

static void leave(struct rm *rm)
{
	struct level *l = rm->top;

	rm->top = l->up;
	rm->depth--;
	closedir(l->dir);
	free(l);
}

/*
 * Rename NAME, in the current directory, into the root as the next HELD_NAME. If an entry of the
 * tree has that name already, the entry is removed when the number's turn comes. -1: errno.
 */
static int hold(struct rm *rm, const char *name)
{
	char to[NAME_MAX + 1];
	int rc;

	if (rm->top == rm->root) {
		errno = EMFILE;
		return -1;
	}
	do {
		snprintf(to, sizeof to, HELD_NAME, rm->held++);
		rc = move_up(rm, name, to);
	} while (rc < 0 && (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR));
	return rc;
}

static bool no_descriptors(void)
{
	return errno == EMFILE || errno == ENFILE || errno == ENOMEM;
}

/* Enter the directory NAME, or move it into the root to be entered later. */
static void remove_later(struct rm *rm, const char *name)
{
	bool deep = rm->depth >= WINDOW;
	int at = dirfd(rm->top->dir);

	if (!deep && enter(rm, at, name) == 0)
		return;
	if ((deep || no_descriptors()) && hold(rm, name) == 0)
		return;
	if (deep && enter(rm, at, name) == 0)
		return;
	if (errno != ENOENT)
		failed(rm, name);
}

static void remove_entry(struct rm *rm, const char *name, unsigned char d_type)
{
	int at = dirfd(rm->top->dir);

	if (d_type != DT_DIR) {
		if (unlink_entry(at, name, 0) == 0 || errno == ENOENT)
			return;
		if (errno != EISDIR) {
			failed(rm, name);
			return;
		}
	}
	if (unlink_entry(at, name, AT_REMOVEDIR) == 0)
		return;
	if (errno == EBUSY) /* a mount point: what is mounted there stays */
		failed(rm, name);
	else if (errno != ENOENT)
		remove_later(rm, name);
}

/* Remove the current directory, which was read to its end, or read it once more. */
static void end_dir(struct rm *rm)
{
	struct level *l = rm->top;
	/* The directory that contains the root keeps its permissions. */
	int rc = l->up ? unlink_entry(dirfd(l->up->dir), l->name, AT_REMOVEDIR)
		       : unlinkat(rm->dirfd, rm->name, AT_REMOVEDIR);

	if (rc == 0) {
		leave(rm);
		return;
	}
	if ((errno == ENOTEMPTY || errno == EEXIST) && !l->failed && ++l->passes < PASSES_MAX) {
		rewinddir(l->dir);
		return;
	}
	char name[NAME_MAX + 1];
	memcpy(name, l->name, sizeof name);
	int why = errno;
	leave(rm);
	errno = why;
	if (why != ENOENT)
		failed(rm, name);
}

/* Do the next entry. In the root, HELD_NAMEs come first, so that few wait there at a time. */
static void step(struct rm *rm)
{
	if (rm->top == rm->root && rm->freed < rm->held) {
		char name[NAME_MAX + 1];

		snprintf(name, sizeof name, HELD_NAME, rm->freed++);
		remove_entry(rm, name, DT_UNKNOWN);
		return;
	}
	errno = 0;
	const struct dirent *de = readdir(rm->top->dir);
	if (!de && errno && errno != ENOENT)
		failed(rm, rm->top->name);
	if (!de)
		end_dir(rm);
	else if (!str_eq(de->d_name, ".") && !str_eq(de->d_name, ".."))
		remove_entry(rm, de->d_name, de->d_type);
}

int io_rmtree(int dirfd, const char *name, const char *what, struct err *e)
{
	struct rm rm = {.dirfd = dirfd, .name = name};

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM && errno != EACCES)
		return err_sys(e, "removing '%s'", what);
	if (enter(&rm, dirfd, name) < 0) /* it may have gone meanwhile */
		return errno == ENOENT ? 0 : err_sys(e, "removing '%s'", what);
	while (rm.top)
		step(&rm);
	if (!rm.first_errno)
		return 0;
	errno = rm.first_errno;
	if (!rm.first_name[0])
		return err_sys(e, "removing '%s'", what);
	return err_sys(e, "removing '%s' in '%s'", rm.first_name, what);
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
