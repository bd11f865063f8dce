/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/sparse.h: write files with holes for their blocks of zeroes.
 *
 * A build can make a file of any size in no time, by ftruncate(2). A copy of it must not take more
 * of the disk than the file does.
 */
#ifndef NAR_SPARSE_H
#define NAR_SPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nar/base/err.h"
#include "nar/budget.h"

/*
 * Write N bytes to the end of FD, which is at OFFSET, but skip blocks of zeroes. LAST: the file
 * ends with these bytes.
 * Returns how many bytes were written without the skipped ones; -1: errno.
 */
int64_t sparse_write(int fd, uint64_t offset, const void *data, size_t n, bool last) MUST_CHECK;
/*
 * Copy the first SIZE_BYTES of the file IN to the empty file OUT. Holes of IN are not read
 * (SEEK_DATA), blocks of zeroes are not written. OUT becomes SIZE_BYTES long even if IN is shorter
 * by now. B may be NULL. WHAT is IN's path for messages.
 */
int sparse_copy(int in, int out, uint64_t size_bytes, struct budget *b, const char *what,
		struct err *e) MUST_CHECK;

#endif
