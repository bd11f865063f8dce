/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/durable_internal.h: how durable_trees() chooses, for tests.
 */
#ifndef NAR_BASE_DURABLE_INTERNAL_H
#define NAR_BASE_DURABLE_INTERNAL_H

#include <stdint.h>

#include "nar/base/durable.h"

/* How many bytes the kernel has yet to write, by the text of /proc/meminfo. 0: it does not say. */
uint64_t durable_unwritten(const char *meminfo);
/*
 * How many files and directories may be written one by one where the kernel has UNWRITTEN bytes to
 * write, OWN of them ours.
 */
uint64_t durable_files_max(uint64_t unwritten, uint64_t own);
/*
 * Count TREES up to MAX, or write each of their files and directories to the disk (FLUSH). 1: all
 * of it; 0: there is more than MAX, or it is too deep; -1: *E.
 */
int durable_each(const struct durable_tree *trees, size_t n, uint64_t max, bool flush,
		 struct err *e) MUST_CHECK;

#endif
