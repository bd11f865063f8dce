/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/runtime/memdir.h: a directory in memory that only the hook and the runtime see.
 *
 * It is a tmpfs that is mounted nowhere. The hook fills it by a descriptor; the runtime finds it at
 * a path in a mount namespace of its own. It vanishes when the last descriptor and the last
 * namespace are gone, however their processes end. To create a few dozen small files on a disk
 * costs a build more than its processes do (ext4 searches the inodes that were freed lately), and
 * to remove them costs as much again.
 */
#ifndef HOOK_RUNTIME_MEMDIR_H
#define HOOK_RUNTIME_MEMDIR_H

#include <stdbool.h>

#include "nar/base/err.h"

/* Room for a configuration of 64 MiB and the runtime's copy of it, and as much for all else. */
#define MEMDIR_BYTES_MAX "256m"

struct memdir {
	int mount_fd; /* the mount, for memdir_attach(); -1: there is none */
	int dirfd;    /* the root of the directory, to create files in */
};
#define MEMDIR_INIT    \
	{              \
		-1, -1 \
	}

/*
 * Make an empty directory of mode 0700. It holds at most MEMDIR_BYTES_MAX, so that neither a
 * runtime nor a build can fill the machine's memory through it.
 * False: this kernel (before 5.2) or the rights of this process do not allow it; take a directory
 * on the disk instead.
 */
bool memdir_new(struct memdir *ret);
void memdir_done(struct memdir *m);
#define scoped_memdir __attribute__((cleanup(memdir_done)))

/*
 * Mount the directory of MOUNT_FD at the directory AT. Runs in: the child that becomes the runtime,
 * in a mount namespace of its own.
 */
int memdir_attach(int mount_fd, const char *at, struct err *e) MUST_CHECK;
/*
 * Mount the file FROM at the file AT, read-only. Runs in: the child that becomes the runtime.
 * False: this kernel (before 5.12) cannot do it, and nothing was mounted.
 */
bool memdir_bind_readonly(const char *from, const char *at);

#endif
