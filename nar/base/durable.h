/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/durable.h: have what was written on the disk before anybody is told that it is there.
 *
 * A file that was closed is in the kernel's memory, and may stay there for half a minute. A rename
 * or a row of a database that was made after it can reach the disk before it: on ext4, XFS and
 * btrfs alike a power cut then leaves a file of the right name with nothing in it. fsync(2) of each
 * file and directory, or syncfs(2), is what Linux promises of any file system; what is on the disk
 * is what was written before the call.
 *
 * Where files are in memory anyway (tmpfs, ramfs), nothing is done.
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
 * Write the N trees, which lie on one file system and are about BYTES, to the disk: contents, modes
 * and names, but for the names of the trees themselves. That is done by file or for the whole file
 * system, whatever takes less: durable.c says how that is told.
 */
int durable_trees(const struct durable_tree *trees, size_t n, uint64_t bytes,
		  struct err *e) MUST_CHECK;
/* Write the open file FD to the disk, or the names in the open directory FD. */
int durable_fd(int fd, const char *what, struct err *e) MUST_CHECK;

#endif
