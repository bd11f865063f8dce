/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/subst.h: replace the hash parts of store paths in a stream, on its way to another sink.
 *
 *	scoped_subst struct subst s = SUBST_INIT;
 *	subst_init(&s, &to, e); subst_add(&s, from, into, e);
 *	nar_dump(&tree, &(struct nar_sink){subst_write, &s}, e); subst_end(&s, e);
 *
 * A hash part and what replaces it have 32 bytes each, so that no other byte moves. Hash parts are
 * found at any place, also across the ends of the pieces that are written.
 */
#ifndef NAR_SUBST_H
#define NAR_SUBST_H

#include <stdint.h>

#include "nar/base/err.h"
#include "nar/base/sink.h"
#include "nar/storepath.h"

struct subst {
	const struct nar_sink *to;
	struct subst_pair {
		char from[STORE_HASH_LEN], into[STORE_HASH_LEN];
	} * pairs;
	size_t n, cap;
	char *buf;
	size_t len;
	uint64_t pos;   /* offset of buf[0] in the stream */
	uint64_t *hits; /* offsets in the stream at which the first pair's `from` was found */
	size_t n_hits, hits_cap;
};
#define SUBST_INIT     \
	{              \
		.n = 0 \
	}

/* TO must live as long as S. */
int subst_init(struct subst *s, const struct nar_sink *to, struct err *e) MUST_CHECK;
/* Replace the 32 bytes at FROM by those at INTO. Call it before the first subst_write(). */
int subst_add(struct subst *s, const char *from, const char *into, struct err *e) MUST_CHECK;
/* Take the next N bytes of the stream, as the `write` of a nar_sink. CTX is the struct subst. */
int subst_write(void *ctx, const void *data, size_t n, struct err *e) MUST_CHECK;
/* End the stream: send the bytes that are still in the buffer. */
int subst_end(struct subst *s, struct err *e) MUST_CHECK;
void subst_done(struct subst *s);
#define scoped_subst __attribute__((cleanup(subst_done)))

#endif
