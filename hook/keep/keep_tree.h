/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/keep/keep_tree.h: make a tree that a build left harmless, in place or in a copy.
 *
 * Other people will read and execute what is kept. So set-id bits are removed, and also what gives
 * rights besides the mode: POSIX ACLs and file capabilities. Everything else stays as the build
 * left it: names, owners, modes, times, holes, hard links, sockets and FIFOs, at any depth.
 *
 * Each entry is opened (O_PATH) before it is looked at, and that descriptor is used to change or
 * copy it. Links are not followed. An entry whose owner is not the build's user (a mount point that
 * the runtime made) is neither changed nor copied, and neither is one on another file system.
 */
#ifndef HOOK_KEEP_KEEP_TREE_H
#define HOOK_KEEP_KEEP_TREE_H

#include <sys/stat.h>
#include <sys/types.h>

#include "nar/base/err.h"
#include "nar/budget.h"

struct keeptree {
	uid_t uid_min, uid_max; /* the build's users */
	struct budget *budget;  /* bounds the time, and the bytes of a copy; NULL: no bounds */
};

/* Make directory FD and what is in it harmless. WHAT is its path, for messages. */
int keeptree_strip(int fd, const char *what, const struct keeptree *k, struct err *e) MUST_CHECK;
/*
 * Copy what is in directory FROM into the empty directory TO. FROM is made harmless as well. WHAT
 * is the path of FROM, for messages. On failure TO contains a part of the copy.
 */
int keeptree_copy(int from, int to, const char *what, const struct keeptree *k,
		  struct err *e) MUST_CHECK;
/* Give directory TO the owner, mode and times of ST, without set-id bits. WHAT: as above. */
int keeptree_like(int to, const struct stat *st, const char *what, struct err *e) MUST_CHECK;

#endif
