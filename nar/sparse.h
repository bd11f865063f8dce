/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/sparse.h: write files with holes where they are nothing but zeroes.
 *
 * A build makes a file of any size in no time by ftruncate(2). A copy of it must not take more of
 * the disk than it does.
 */
#ifndef NAR_SPARSE_H
#define NAR_SPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nar/base/err.h"
#include "nar/budget.h"

/*
 * Write N bytes to FD at OFFSET, up to which nothing is there yet, and skip blocks of zeroes. LAST:
 * the file ends with these bytes. Returns how many bytes were really written; -1: errno.
 */
int64_t sparse_write(int fd, uint64_t offset, const void *data, size_t n, bool last) MUST_CHECK;
/*
 * Copy SIZE_BYTES from the start of file IN to OUT, an empty one: what IN has no blocks for is not
 * read (SEEK_DATA), zeroes are not written. IN may be shorter by now, OUT has that size anyway. B
 * may be NULL. WHAT is IN's path for messages.
 */
int sparse_copy(int in, int out, uint64_t size_bytes, struct budget *b, const char *what,
		struct err *e) MUST_CHECK;

#endif
