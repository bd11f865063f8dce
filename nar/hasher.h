/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/hasher.h: hash a stream that comes in buffers, in a thread of its own where it is long.
 *
 *	char *buf = hasher_first(h);
 *	... fill buf: HASHER_BUF_BYTES ...
 *	hasher_swap(h, &buf, n, e)               for each buffer but the last
 *	hasher_finish(h, buf, n, &hash, e)
 *
 * Hashing is what bounds a dump, so it should wait for nothing: while a buffer is hashed, the
 * caller fills the next ones. A stream that fits one buffer starts no thread. The thread blocks all
 * signals, and has ended when hasher_finish() or hasher_free() returns.
 */
#ifndef NAR_HASHER_H
#define NAR_HASHER_H

#include <stddef.h>

#include "nar/base/err.h"
#include "nar/hash.h"

#define HASHER_BUF_BYTES (256 << 10)

struct hasher;

struct hasher *hasher_new(enum hash_algo a, struct err *e) MUST_CHECK;
/* The first buffer. */
char *hasher_first(struct hasher *h);
/*
 * Hash N bytes at *BUF, and leave in *BUF the buffer to fill next. The old one may still be read
 * until the next call, and is never written to by the hasher.
 */
int hasher_swap(struct hasher *h, char **buf, size_t n, struct err *e) MUST_CHECK;
/* Hash the last N bytes at BUF and end. */
int hasher_finish(struct hasher *h, char *buf, size_t n, struct hash *ret,
		  struct err *e) MUST_CHECK;
void hasher_free(struct hasher *h); /* NULL is fine */

#endif
