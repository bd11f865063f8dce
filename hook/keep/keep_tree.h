/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/keep/keep_tree.h: a tree that a build left, made harmless where it is, or copied so.
 *
 * Other people will read and execute what is kept. So set-id bits go, and with them whatever else
 * gives rights to others than the mode says: POSIX ACLs and file capabilities. Everything else is
 * as the build left it: names, owners, modes, times, holes, hard links, sockets and FIFOs, as deep
 * as the tree is.
 *
 * Each entry is pinned by a descriptor before it is looked at, and what was looked at is what is
 * changed or copied; links are not followed. An entry of an owner that is not the build's (a mount
 * point that the runtime made) is not touched, nor copied, and neither is what is on another file
 * system.
 */
#ifndef HOOK_KEEP_KEEP_TREE_H
#define HOOK_KEEP_KEEP_TREE_H

#include <sys/stat.h>
#include <sys/types.h>

#include "nar/base/err.h"
#include "nar/budget.h"

struct keeptree {
	uid_t uid_min, uid_max; /* the build's owners */
	struct budget *budget;  /* what the work may take; a copy also of bytes. NULL: no end */
};

/* Directory FD and what is in it. WHAT is its path for messages. */
int keeptree_strip(int fd, const char *what, const struct keeptree *k, struct err *e) MUST_CHECK;
/*
 * Copy what is in directory FROM into TO, an empty one. FROM is made harmless on the way. On
 * failure TO has a part of it.
 */
int keeptree_copy(int from, int to, const char *what, const struct keeptree *k,
		  struct err *e) MUST_CHECK;
/* Give directory TO owner, mode and times of ST, but no set-id bits. */
int keeptree_like(int to, const struct stat *st, const char *what, struct err *e) MUST_CHECK;

#endif
