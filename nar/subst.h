/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/subst.h: replace the hash parts of store paths in a stream, on its way to another sink.
 *
 *	scoped_subst struct subst s = SUBST_INIT;
 *	subst_init(&s, &to, e); subst_add(&s, from, into, e);
 *	nar_dump(.., &(struct nar_sink){subst_write, &s}, e); subst_end(&s, e);
 *
 * All have 32 bytes, so that nothing moves. They are found at any place, across the ends of
 * pieces too.
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
	uint64_t pos; /* of buf, in the stream */
	/* Where the first pair was found. */
	uint64_t *hits;
	size_t n_hits, hits_cap;
};
#define SUBST_INIT     \
	{              \
		.n = 0 \
	}

/* TO must live as long as S. */
int subst_init(struct subst *s, const struct nar_sink *to, struct err *e) MUST_CHECK;
/* Replace the 32 bytes at FROM by those at INTO. Not while something is on its way. */
int subst_add(struct subst *s, const char *from, const char *into, struct err *e) MUST_CHECK;
/* A nar_sink's write; CTX is the struct subst. */
int subst_write(void *ctx, const void *data, size_t n, struct err *e) MUST_CHECK;
/* The stream has ended: send what is left. */
int subst_end(struct subst *s, struct err *e) MUST_CHECK;
void subst_done(struct subst *s);
#define scoped_subst __attribute__((cleanup(subst_done)))

#endif
