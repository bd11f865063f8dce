/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/durable_internal.h: how durable_trees() chooses, for tests.
 */
#ifndef NAR_BASE_DURABLE_INTERNAL_H
#define NAR_BASE_DURABLE_INTERNAL_H

#include <stdint.h>

#include "nar/base/durable.h"

/*
 * Return how many bytes the kernel has yet to write, according to MEMINFO, the text of
 * /proc/meminfo; 0 if it does not say.
 */
uint64_t durable_unwritten(const char *meminfo);
/*
 * Return the largest number of files and directories for which fsync(2) of each takes less time
 * than syncfs(2). The kernel has UNWRITTEN bytes to write; OWN of them are the caller's.
 */
uint64_t durable_files_max(uint64_t unwritten, uint64_t own);
/*
 * Visit the files and directories of TREES, at most MAX, and with FLUSH write each to the disk.
 * Returns 1: all were visited; 0: there are more than MAX, or a tree is too deep; -1: *E.
 */
int durable_each(const struct durable_tree *trees, size_t n, uint64_t max, bool flush,
		 struct err *e) MUST_CHECK;

#endif
