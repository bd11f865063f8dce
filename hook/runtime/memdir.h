/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/runtime/memdir.h: a directory in memory that only we and the runtime see.
 *
 * A tmpfs that is mounted nowhere: who has its descriptor fills it, the runtime finds it at a path
 * of a mount namespace of its own, and it vanishes with the last of both, however they end. To
 * create a few dozen small files on a disk's file system costs a build more than its processes do
 * (ext4 looks through the inodes that were freed lately), and to remove them as much again.
 */
#ifndef HOOK_RUNTIME_MEMDIR_H
#define HOOK_RUNTIME_MEMDIR_H

#include <stdbool.h>

#include "nar/base/err.h"

/* A configuration of 64 MiB, which a runtime copies, and what else there is: twice as much. */
#define MEMDIR_BYTES_MAX "256m"

struct memdir {
	int mount_fd; /* for memdir_attach(); -1: there is none */
	int dirfd;    /* its root, to create files in */
};
#define MEMDIR_INIT    \
	{              \
		-1, -1 \
	}

/*
 * Make one, empty and 0700, of at most MEMDIR_BYTES_MAX: what a runtime, or a build by whatever it
 * finds in one, writes to it is not the machine's whole memory. False: this kernel (before 5.2) or
 * our rights do not allow it, and the caller takes a directory on the disk.
 */
bool memdir_new(struct memdir *ret);
void memdir_done(struct memdir *m);
#define scoped_memdir __attribute__((cleanup(memdir_done)))

/* In a mount namespace of our own: mount the memdir of MOUNT_FD at the directory AT. */
int memdir_attach(int mount_fd, const char *at, struct err *e) MUST_CHECK;
/*
 * There, too: mount the file FROM at the file AT, read-only. False: this kernel (before 5.12)
 * cannot, and nothing was changed.
 */
bool memdir_bind_readonly(const char *from, const char *at);

#endif
