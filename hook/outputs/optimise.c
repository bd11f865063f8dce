/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/outputs/optimise.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/dump.h"
#include "nar/tree.h"

#include "nar/base/banned.h"

#define LINKS_NAME ".links"
/* Other processes may make and remove the same links at the same time, but not for long. */
#define TRIES_MAX 100

struct optimise {
	int links_fd;
	int tmp_fd; /* directory in which a new link is made before it is moved into place */
};

/* An entry of the tree. */
struct entry {
	int dirfd;
	const char *name; /* in dirfd */
	const char *what; /* its path, for messages */
	struct stat st;
};

/*
 * Make a link to .links/KEY in the temporary directory.
 * Returns 1: it is NAME there; 0: no link can be made; -1: *E.
 */
static int make_temporary(const struct optimise *o, const char *key, char *name, size_t size,
			  struct err *e)
{
	for (unsigned n = 0; n < TRIES_MAX; n++) {
		snprintf(name, size, ".tmp-link-%ld-%u", (long)getpid(), n);
		if (linkat(o->links_fd, key, o->tmp_fd, name, 0) == 0)
			return 1;
		/* EMLINK: the file system allows no more. ENOENT: it was just collected. */
		if (errno == EMLINK || errno == ENOENT)
			return 0;
		if (errno != EEXIST)
			return err_sys(e, "linking '%s' from '" LINKS_NAME "'", key);
	}
	return 0;
}

/* Replace EN by a link to .links/KEY; *RET_CHANGED is set if that was done. */
static int replace(const struct optimise *o, const char *key, const struct entry *en,
		   bool *ret_changed, struct err *e)
{
	char tmp[64];
	int rc = make_temporary(o, key, tmp, sizeof tmp, e);

	if (rc <= 0)
		return rc;
	if (renameat(o->tmp_fd, tmp, en->dirfd, en->name) == 0) {
		*ret_changed = true;
		return 0;
	}
	err_sys(e, "replacing '%s' by an equal file", en->what);
	unlinkat(o->tmp_fd, tmp, 0);
	return -1;
}

/* Optimise EN, a file or a symbolic link. *RET_CHANGED is set if it was replaced. */
static int optimise_file(const struct optimise *o, const struct entry *en, bool *ret_changed,
			 struct err *e)
{
	const struct nar_tree file = {en->dirfd, en->name, en->what, 1};
	char key[HASH_TEXT_MAX];
	struct stat there;
	struct hash h;

	if (nar_hash(&file, HASH_SHA256, NULL, &h, NULL, e) < 0)
		return -1;
	hash_print(&h, HASH_NIX32, false, key);
	for (unsigned n = 0; n < TRIES_MAX; n++) {
		if (fstatat(o->links_fd, key, &there, AT_SYMLINK_NOFOLLOW) == 0) {
			if (there.st_ino == en->st.st_ino && there.st_dev == en->st.st_dev)
				return 0;
			if (there.st_size == en->st.st_size)
				return replace(o, key, en, ret_changed, e);
			/* The link is damaged: its contents are not those that its name says. */
			if (unlinkat(o->links_fd, key, 0) < 0 && errno != ENOENT)
				return err_sys(e, "removing the damaged link '" LINKS_NAME "/%s'",
					       key);
		} else if (errno != ENOENT) {
			return err_sys(e, "getting status of '" LINKS_NAME "/%s'", key);
		}
		if (linkat(en->dirfd, en->name, o->links_fd, key, 0) == 0)
			return 0;
		/* ENOSPC: a directory can be full long before its disk is. */
		if (errno == ENOSPC || errno == EMLINK)
			return 0;
		if (errno != EEXIST)
			return err_sys(e, "linking '%s' to '" LINKS_NAME "/%s'", en->what, key);
	}
	return 0;
}

/* Make the mode and the time of directory FD canonical again. */
static int close_dir(int fd, const char *what, bool unlocked, bool changed, struct err *e)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1}};

	if (unlocked && fchmod(fd, 0555) < 0)
		return err_sys(e, "setting the mode of '%s'", what);
	if (changed && futimens(fd, times) < 0)
		return err_sys(e, "setting the time of '%s'", what);
	return 0;
}

struct walk {
	const struct optimise *o;
	struct tree *tree;
	bool *changed; /* for each directory that is entered: an entry was replaced */
	size_t cap;
	bool unlocked; /* not root: directories are made writable first */
};

static int enter_dir(struct walk *w, int dirfd, const char *name, const char *what, struct err *e)
{
	size_t depth = tree_depth(w->tree);
	scoped_fd int fd = io_opendir(dirfd, name, e);

	if (fd < 0 || mem_grow(&w->changed, &w->cap, depth + 1, sizeof *w->changed, e) < 0)
		return -1;
	w->changed[depth] = false;
	if (w->unlocked && fchmod(fd, 0755) < 0)
		return err_sys(e, "making '%s' writable", what);
	return tree_enter(w->tree, TAKE(fd, -1), e);
}

static int optimise_entry(struct walk *w, int dirfd, const char *name, const char *what,
			  struct err *e)
{
	struct entry en = {.dirfd = dirfd, .name = name, .what = what};
	bool root_changed;
	size_t depth = tree_depth(w->tree);

	if (fstatat(dirfd, name, &en.st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "getting status of '%s'", what);
	if (S_ISDIR(en.st.st_mode))
		return enter_dir(w, dirfd, name, what, e);
	return optimise_file(w->o, &en, depth ? &w->changed[depth - 1] : &root_changed, e);
}

/* Deal with the next entry of the current directory, or with its end. */
static int step(struct walk *w, const char *root, struct err *e)
{
	scoped_buf struct buf what = BUF_INIT(1u << 20);
	struct tree_entry at;
	int fd = -1;

	if (tree_at_end(w->tree)) {
		fd = tree_fd(w->tree, e);
		if (fd < 0 ||
		    close_dir(fd, root, w->unlocked, w->changed[tree_depth(w->tree) - 1], e) < 0)
			return -1;
	}
	int rc = tree_next(w->tree, &at, e);
	if (rc <= 0)
		return rc;
	if (tree_path(w->tree, &what, e) < 0)
		return -1;
	return optimise_entry(w, at.dirfd, at.name, what.data, e);
}

static void walk_done(struct walk *w)
{
	tree_free(w->tree);
	free(w->changed);
}

int optimise_tree(int store_fd, int dirfd, const char *name, const char *what, struct err *e)
{
	if (mkdirat(store_fd, LINKS_NAME, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "creating '" LINKS_NAME "' in the store");
	scoped_fd int links = io_opendir(store_fd, LINKS_NAME, e);
	if (links < 0)
		return -1;
	const struct optimise o = {links, dirfd};
	__attribute__((cleanup(walk_done))) struct walk w = {.o = &o, .unlocked = geteuid() != 0};
	w.tree = tree_new(what, e);
	if (!w.tree || optimise_entry(&w, dirfd, name, what, e) < 0)
		return -1;
	while (tree_depth(w.tree))
		if (step(&w, what, e) < 0)
			return -1;
	return 0;
}
