/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/store/path_lock.h: take Nix's lock on a store path that is about to be made.
 *
 * The lock is a file beside the path. Its holder removes the file in the end, and writes a byte to
 * it: a process that has the file open already sees that it is no lock any more (Nix's
 * pathlocks.cc). The hook locks the paths that Nix did not know when it asked, and so did not lock.
 */
#ifndef HOOK_STORE_PATH_LOCK_H
#define HOOK_STORE_PATH_LOCK_H

#include "nar/base/err.h"

struct pathlock {
	int fd;     /* -1: not locked */
	char *file; /* path of the lock file */
};
#define PATHLOCK_INIT    \
	{                \
		-1, NULL \
	}

/*
 * Lock the real path PATH.
 * Returns 1: locked; 0: another process has the lock and WAIT is false; -1: *E.
 */
int pathlock_take(const char *path, bool wait, struct pathlock *ret, struct err *e) MUST_CHECK;
/* Give up the lock and remove its file. */
void pathlock_done(struct pathlock *l);
#define scoped_pathlock __attribute__((cleanup(pathlock_done)))

#endif
