/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/store/path_lock.h: Nix's lock on a store path that is about to be made: a file beside it.
 *
 * Who holds it removes the file in the end and writes a byte to it, so that whoever has it open
 * already sees that it is no lock any more (Nix's pathlocks.cc). For paths that Nix, which
 * asked the hook, did not know of, and so has not locked.
 */
#ifndef HOOK_STORE_PATH_LOCK_H
#define HOOK_STORE_PATH_LOCK_H

#include "nar/base/err.h"

struct pathlock {
	int fd;     /* -1: not locked */
	char *file; /* its path */
};
#define PATHLOCK_INIT    \
	{                \
		-1, NULL \
	}

/* Lock the real path PATH. 1: it is; 0: another has it and WAIT is false; -1: *E. */
int pathlock_take(const char *path, bool wait, struct pathlock *ret, struct err *e) MUST_CHECK;
/* Remove the lock. */
void pathlock_done(struct pathlock *l);
#define scoped_pathlock __attribute__((cleanup(pathlock_done)))

#endif
