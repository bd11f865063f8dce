/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/optimise.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/dump.h"
#include "nar/io.h"
#include "nar/scope.h"

#include "nar/banned.h"

#define LINKS_NAME ".links"
/* Others make and remove the same links; nobody does so for long. */
#define TRIES_MAX 100

struct optimise {
	int links_fd;
	int tmp_fd; /* where a new link stands before it is moved into place */
};

/* A link to .links/KEY in the temporary directory. 1: NAME is it; 0: there can be none; -1: *E. */
static int make_temporary(const struct optimise *o, const char *key, char *name, size_t size,
			  struct err *e)
{
	for (unsigned n = 0; n < TRIES_MAX; n++) {
		snprintf(name, size, ".tmp-link-%ld-%u", (long)getpid(), n);
		if (linkat(o->links_fd, key, o->tmp_fd, name, 0) == 0)
			return 1;
		/* EMLINK: as many links as the file system allows. ENOENT: just collected. */
		if (errno == EMLINK || errno == ENOENT)
			return 0;
		if (errno != EEXIST)
			return err_sys(e, "linking '%s' from '" LINKS_NAME "'", key);
	}
	return 0;
}

/* Put .links/KEY in the place of DIRFD/NAME. */
static int replace(const struct optimise *o, const char *key, int dirfd, const char *name,
		   const char *what, bool *ret_changed, struct err *e)
{
	char tmp[64];
	int rc = make_temporary(o, key, tmp, sizeof tmp, e);

	if (rc <= 0)
		return rc;
	if (renameat(o->tmp_fd, tmp, dirfd, name) == 0) {
		*ret_changed = true;
		return 0;
	}
	err_sys(e, "replacing '%s' by an equal file", what);
	unlinkat(o->tmp_fd, tmp, 0);
	return -1;
}

/* A file or a symbolic link, ST. *RET_CHANGED is set where the entry is another one now. */
static int optimise_file(const struct optimise *o, int dirfd, const char *name, const char *what,
			 const struct stat *st, bool *ret_changed, struct err *e)
{
	char key[HASH_TEXT_MAX];
	struct stat there;
	struct hash h;

	if (nar_hash(dirfd, name, what, HASH_SHA256, NULL, &h, NULL, e) < 0)
		return -1;
	hash_print(&h, HASH_NIX32, false, key);
	for (unsigned n = 0; n < TRIES_MAX; n++) {
		if (fstatat(o->links_fd, key, &there, AT_SYMLINK_NOFOLLOW) == 0) {
			if (there.st_ino == st->st_ino && there.st_dev == st->st_dev)
				return 0;
			if (there.st_size == st->st_size)
				return replace(o, key, dirfd, name, what, ret_changed, e);
			/* Damaged: not what its name says. */
			if (unlinkat(o->links_fd, key, 0) < 0 && errno != ENOENT)
				return err_sys(e, "removing the damaged link '" LINKS_NAME "/%s'",
					       key);
		} else if (errno != ENOENT) {
			return err_sys(e, "getting status of '" LINKS_NAME "/%s'", key);
		}
		if (linkat(dirfd, name, o->links_fd, key, 0) == 0)
			return 0;
		/* A directory can be full long before its disk is. */
		if (errno == ENOSPC || errno == EMLINK)
			return 0;
		if (errno != EEXIST)
			return err_sys(e, "linking '%s' to '" LINKS_NAME "/%s'", what, key);
	}
	return 0;
}

static int optimise_entry(const struct optimise *o, int dirfd, const char *name, const char *what,
			  unsigned depth, bool *ret_changed, struct err *e);

/* The mode and the time of a directory are canonical again, whatever was changed in it. */
static int close_dir(int fd, const char *what, bool unlocked, bool changed, struct err *e)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1}};

	if (unlocked && fchmod(fd, 0555) < 0)
		return err_sys(e, "setting the mode of '%s'", what);
	if (changed && futimens(fd, times) < 0)
		return err_sys(e, "setting the time of '%s'", what);
	return 0;
}

static int optimise_entries(const struct optimise *o, DIR *d, const char *what, unsigned depth,
			    bool *ret_changed, struct err *e)
{
	for (;;) {
		errno = 0;
		const struct dirent *ent = readdir(d);

		if (!ent)
			return errno ? err_sys(e, "reading the directory '%s'", what) : 0;
		if (str_eq(ent->d_name, ".") || str_eq(ent->d_name, ".."))
			continue;
		scoped_free char *path = str_fmt(e, "%s/%s", what, ent->d_name);
		if (!path ||
		    optimise_entry(o, dirfd(d), ent->d_name, path, depth, ret_changed, e) < 0)
			return -1;
	}
}

static int optimise_dir(const struct optimise *o, int at, const char *name, const char *what,
			unsigned depth, struct err *e)
{
	bool unlocked = geteuid() != 0, changed = false;

	if (depth >= NAR_DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "'%s' is more than %d directories deep", what,
			       NAR_DEPTH_MAX);
	scoped_fd int fd = io_opendir(at, name, e);
	if (fd < 0)
		return -1;
	scoped_dir DIR *d = fdopendir(fd);
	if (!d)
		return err_sys(e, "reading the directory '%s'", what);
	fd = -1; /* D's now */
	/* Who is not root needs the right to write to it. */
	if (unlocked && fchmod(dirfd(d), 0755) < 0)
		return err_sys(e, "making '%s' writable", what);
	if (optimise_entries(o, d, what, depth, &changed, e) < 0)
		return -1;
	return close_dir(dirfd(d), what, unlocked, changed, e);
}

static int optimise_entry(const struct optimise *o, int dirfd, const char *name, const char *what,
			  unsigned depth, bool *ret_changed, struct err *e)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "getting status of '%s'", what);
	if (S_ISDIR(st.st_mode))
		return optimise_dir(o, dirfd, name, what, depth + 1, e);
	return optimise_file(o, dirfd, name, what, &st, ret_changed, e);
}

int optimise_tree(int store_fd, int dirfd, const char *name, const char *what, struct err *e)
{
	bool changed = false;

	if (mkdirat(store_fd, LINKS_NAME, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "creating '" LINKS_NAME "' in the store");
	scoped_fd int links = io_opendir(store_fd, LINKS_NAME, e);
	if (links < 0)
		return -1;
	const struct optimise o = {links, dirfd};
	return optimise_entry(&o, dirfd, name, what, 0, &changed, e);
}
