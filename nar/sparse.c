/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/sparse.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* The smallest block that most file systems allocate. */
#define BLOCK_BYTES 4096
#define COPY_BYTES (256 << 10)

static bool is_zero(const char *p, size_t n)
{
	return *p == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static int pwrite_all(int fd, const char *p, size_t n, uint64_t offset)
{
	while (n) {
		const ssize_t w = pwrite(fd, p, n, (off_t)offset);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		p += w;
		n -= (size_t)w;
		offset += (uint64_t)w;
	}
	return 0;
}

/*
 * Measure the blocks at the start of the N bytes at P that are all zeroes, or all not. P is at
 * OFFSET of its file, and the first and last block may be cut.
 * Returns their length; *RET_ZERO: they are zeroes.
 */
static size_t run_of(const char *p, size_t n, uint64_t offset, bool *ret_zero)
{
	size_t len = 0;

	while (len < n) {
		const size_t to_next = BLOCK_BYTES - (size_t)((offset + len) % BLOCK_BYTES);
		const size_t piece = n - len < to_next ? n - len : to_next;
		const bool zero = is_zero(p + len, piece);

		if (len && zero != *ret_zero)
			break;
		*ret_zero = zero;
		len += piece;
	}
	return len;
}

int64_t sparse_write(int fd, uint64_t offset, const void *data, size_t n, bool last)
{
	const char *p = data;
	int64_t written = 0;
	bool zero = false;

	for (size_t len; n; p += len, n -= len, offset += len) {
		len = run_of(p, n, offset, &zero);
		if (zero)
			continue;
		if (pwrite_all(fd, p, len, offset) < 0)
			return -1;
		written += (int64_t)len;
	}
	if (last && zero && ftruncate(fd, (off_t)offset) < 0)
		return -1;
	return written;
}

/* The copying of one file to another. */
struct copying {
	int in, out;
	char *buf; /* of COPY_BYTES */
	struct budget *budget;
	const char *what; /* path of `in`, for messages */
};

/* Copy the bytes from OFFSET to END, or to the end of the file if it comes before. */
static int copy_data(const struct copying *c, uint64_t offset, uint64_t end, struct err *e)
{
	while (offset < end) {
		const size_t want = end - offset < COPY_BYTES ? (size_t)(end - offset) : COPY_BYTES;

		if (budget_check(c->budget, e) < 0)
			return -1;
		const ssize_t n = pread(c->in, c->buf, want, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "reading '%s'", c->what);
		if (n == 0)
			return 0;
		const int64_t written = sparse_write(c->out, offset, c->buf, (size_t)n, false);
		if (written < 0)
			return err_sys(e, "writing a copy of '%s'", c->what);
		if (budget_spend(c->budget, (uint64_t)written, e) < 0)
			return -1;
		offset += (uint64_t)n;
	}
	return 0;
}

int sparse_copy(int in, int out, uint64_t size_bytes, struct budget *b, const char *what,
		struct err *e)
{
	scoped_free char *buf = mem_bytes(COPY_BYTES, e);
	const struct copying c = {in, out, buf, b, what};

	if (!buf)
		return -1;
	for (uint64_t at = 0, end; at < size_bytes; at = end) {
		const off_t data = lseek(in, (off_t)at, SEEK_DATA);
		const off_t hole = data < 0 ? -1 : lseek(in, data, SEEK_HOLE);

		if (data < 0 && errno == ENXIO)
			break;
		if (data >= 0)
			at = (uint64_t)data < size_bytes ? (uint64_t)data : size_bytes;
		/* If the file system does not tell where holes are, read everything. */
		end = hole < 0 || (uint64_t)hole > size_bytes ? size_bytes : (uint64_t)hole;
		if (copy_data(&c, at, end, e) < 0)
			return -1;
	}
	if (ftruncate(out, (off_t)size_bytes) < 0)
		return err_sys(e, "setting the size of a copy of '%s'", what);
	return 0;
}
