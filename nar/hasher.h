/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/hasher.h: hash a stream that comes in buffers, with a thread of its own if it is long.
 *
 *	char *buf = hasher_first(h);
 *	... fill buf: HASHER_BUF_BYTES ...
 *	hasher_swap(h, &buf, n, e)               for each buffer except the last
 *	hasher_finish(h, buf, n, &hash, e)
 *
 * A dump is as fast as its hash, so the hash should wait for nothing: while the thread hashes one
 * buffer, the caller fills the next ones. A stream that fits in one buffer starts no thread. The
 * thread blocks all signals, and has ended when hasher_finish() or hasher_free() returns.
 */
#ifndef NAR_HASHER_H
#define NAR_HASHER_H

#include <stddef.h>

#include "nar/base/err.h"
#include "nar/hash.h"

#define HASHER_BUF_BYTES (256 << 10)

struct hasher;

struct hasher *hasher_new(enum hash_algo a, struct err *e) MUST_CHECK;
/* Return the first buffer to fill. */
char *hasher_first(struct hasher *h);
/*
 * Hash the N bytes at *BUF, and set *BUF to the buffer to fill next. The caller may still read the
 * old buffer until the next call; the hasher never writes to it.
 */
int hasher_swap(struct hasher *h, char **buf, size_t n, struct err *e) MUST_CHECK;
/* Hash the last N bytes, at BUF, and return the hash of the stream in *RET. */
int hasher_finish(struct hasher *h, char *buf, size_t n, struct hash *ret,
		  struct err *e) MUST_CHECK;
void hasher_free(struct hasher *h); /* NULL is fine */

#endif
