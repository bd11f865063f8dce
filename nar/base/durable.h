/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/durable.h: write files to the disk before anything says that they exist.
 *
 * A file that was closed may stay in the kernel's memory for half a minute. A later rename or
 * database row can reach the disk before it: on ext4, XFS and btrfs alike, a power cut then leaves
 * a file of the right name with nothing in it. On every file system, Linux promises only this: what
 * was written before fsync(2) of each file and directory, or before syncfs(2), is on the disk after
 * it.
 *
 * On file systems in memory (tmpfs, ramfs) these functions do nothing.
 */
#ifndef NAR_BASE_DURABLE_H
#define NAR_BASE_DURABLE_H

#include <stddef.h>
#include <stdint.h>

#include "nar/base/err.h"

/* DIRFD/NAME and all below it; WHAT is its path for messages. */
struct durable_tree {
	int dirfd;
	const char *name, *what;
};

/*
 * Write the N trees, which lie on one file system and contain about BYTES in all, to the disk:
 * contents, modes and names, except the names of the trees themselves. Writes each file, or the
 * whole file system if that is estimated to take less time (durable.c).
 */
int durable_trees(const struct durable_tree *trees, size_t n, uint64_t bytes,
		  struct err *e) MUST_CHECK;
/* Write the open file FD to the disk, or the names in the open directory FD. WHAT is its path. */
int durable_fd(int fd, const char *what, struct err *e) MUST_CHECK;

#endif
