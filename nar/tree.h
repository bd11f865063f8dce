/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/tree.h: the directories of a tree, depth first, and the names in them.
 *
 *	while (the root is a directory, or rc > 0)
 *		tree_enter(t, fd, e)            of the root, later of an entry that is a directory
 *		rc = tree_next(t, &entry, e)
 *
 * What an entry is, and whether it is gone into, is the caller's to find out. A directory is read
 * once, when it is entered; the names come sorted by their bytes. Links are not followed, no
 * recursion, few descriptors however deep it is (nar/base/dirstack.h). Memory: the names of the
 * entries of each directory from the root to the current one (their lengths and 6 bytes each), 256
 * MiB a directory at most. Depth is the caller's to bound.
 */
#ifndef NAR_TREE_H
#define NAR_TREE_H

#include <stdbool.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"

struct tree;

struct tree_entry {
	int dirfd; /* where it is; until the next call */
	const char *name;
	unsigned char d_type; /* as dirent's; DT_UNKNOWN is possible */
	bool twice;           /* the one before had the same name: the file system is broken */
};

/* WHAT is the path of the root, for messages. */
struct tree *tree_new(const char *what, struct err *e) MUST_CHECK;
/*
 * Go into the entry that came last (at first: the root), which is a directory that FD has open. FD
 * becomes the tree's, also where it fails.
 */
int tree_enter(struct tree *t, int fd, struct err *e) MUST_CHECK;
/* 1: *RET is the next entry; 0: there is none, and this directory was left; -1: *E. */
int tree_next(struct tree *t, struct tree_entry *ret, struct err *e) MUST_CHECK;
/* Will tree_next() leave the directory that was entered last? Its descriptor, or -1: *E. */
bool tree_at_end(const struct tree *t);
int tree_fd(struct tree *t, struct err *e) MUST_CHECK;
/* Directories that are entered. */
size_t tree_depth(const struct tree *t);
/* Append the path of the entry that came last. */
int tree_path(const struct tree *t, struct buf *b, struct err *e) MUST_CHECK;
void tree_free(struct tree *t); /* NULL is fine; errno stays */

static inline void scope_tree(struct tree **t)
{
	tree_free(*t);
}
#define scoped_tree __attribute__((cleanup(scope_tree)))

#endif
