/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/tree.h: the directories of a tree, depth first, and the names in them.
 *
 *	tree_enter(t, fd, e)                    the root, if it is a directory
 *	while (tree_depth(t) > 0)
 *		rc = tree_next(t, &entry, e)
 *		tree_enter(t, fd, e)            if rc > 0 and the entry is a directory to enter
 *
 * The caller finds out what an entry is, opens a directory that it wants to enter, and bounds the
 * depth. A directory is read once, when it is entered; its names come sorted by their bytes. No
 * recursion, and few descriptors at any depth (nar/base/dirstack.h). Memory: the entries of each
 * directory from the root to the current one, at most 256 MiB for each directory. An entry takes
 * its name and 6 bytes.
 */
#ifndef NAR_TREE_H
#define NAR_TREE_H

#include <stdbool.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"

struct tree;

struct tree_entry {
	int dirfd; /* of the directory that contains it; valid until the next call */
	const char *name;
	unsigned char d_type; /* as in struct dirent; DT_UNKNOWN is possible */
	bool twice;           /* the entry before had the same name: the file system is broken */
};

/* Make a walk. WHAT is the path of the root, for messages. NULL: *E. */
struct tree *tree_new(const char *what, struct err *e) MUST_CHECK;
/*
 * Enter the last entry (at first: the root), a directory that FD has open. The tree owns FD from
 * then on, and closes it on failure as well.
 */
int tree_enter(struct tree *t, int fd, struct err *e) MUST_CHECK;
/*
 * Go on in the current directory.
 * Returns 1: *RET is its next entry; 0: it has no more, and its parent is current now; -1: *E.
 */
int tree_next(struct tree *t, struct tree_entry *ret, struct err *e) MUST_CHECK;
/* Tell whether the current directory has no more entries, so that tree_next() will leave it. */
bool tree_at_end(const struct tree *t);
/* Return the descriptor of the current directory, valid until the next call. -1: *E. */
int tree_fd(struct tree *t, struct err *e) MUST_CHECK;
/* Return how many directories were entered and not left: 0 before the root and after it. */
size_t tree_depth(const struct tree *t);
/* Append the path of the last entry. */
int tree_path(const struct tree *t, struct buf *b, struct err *e) MUST_CHECK;
void tree_free(struct tree *t); /* NULL is fine; keeps errno */

static inline void scope_tree(struct tree **t)
{
	tree_free(*t);
}
#define scoped_tree __attribute__((cleanup(scope_tree)))

#endif
