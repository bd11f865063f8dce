/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The last 31 bytes stay in the buffer until more bytes come, because a match may begin in them.
 * Bytes that were replaced may be searched once more. That finds nothing, because the new bytes are
 * of other hashes, or zeroes.
 */
#include "nar/subst.h"

#include <stdlib.h>
#include <string.h>

#include "nar/base/buf.h"

#include "nar/base/banned.h"

#define BUF_BYTES ((size_t)256 << 10)
#define KEEP ((size_t)STORE_HASH_LEN - 1)

int subst_init(struct subst *s, const struct nar_sink *to, struct err *e)
{
	*s = (struct subst)SUBST_INIT;
	s->to = to;
	s->buf = mem_bytes(BUF_BYTES, e);
	return s->buf ? 0 : -1;
}

int subst_add(struct subst *s, const char *from, const char *into, struct err *e)
{
	if (mem_grow(&s->pairs, &s->cap, s->n + 1, sizeof *s->pairs, e) < 0)
		return -1;
	struct subst_pair *p = &s->pairs[s->n++];
	memcpy(p->from, from, STORE_HASH_LEN);
	memcpy(p->into, into, STORE_HASH_LEN);
	return 0;
}

static int hit(struct subst *s, uint64_t pos, struct err *e)
{
	if (mem_grow(&s->hits, &s->hits_cap, s->n_hits + 1, sizeof *s->hits, e) < 0)
		return -1;
	s->hits[s->n_hits++] = pos;
	return 0;
}

static int replace(struct subst *s, struct err *e)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct subst_pair *pair = &s->pairs[i];
		char *p = s->buf, *end = s->buf + s->len;

		while ((p = memmem(p, (size_t)(end - p), pair->from, STORE_HASH_LEN))) {
			memcpy(p, pair->into, STORE_HASH_LEN);
			if (i == 0 && hit(s, s->pos + (uint64_t)(p - s->buf), e) < 0)
				return -1;
			p += STORE_HASH_LEN;
		}
	}
	return 0;
}

static int send(struct subst *s, size_t n, struct err *e)
{
	if (n && s->to->write(s->to->ctx, s->buf, n, e) < 0)
		return -1;
	memmove(s->buf, s->buf + n, s->len - n);
	s->len -= n;
	s->pos += n;
	return 0;
}

int subst_write(void *ctx, const void *data, size_t n, struct err *e)
{
	struct subst *s = ctx;
	const char *p = data;

	while (n) {
		size_t part = BUF_BYTES - s->len < n ? BUF_BYTES - s->len : n;

		memcpy(s->buf + s->len, p, part);
		s->len += part;
		p += part;
		n -= part;
		if (replace(s, e) < 0 || (s->len > KEEP && send(s, s->len - KEEP, e) < 0))
			return -1;
	}
	return 0;
}

int subst_end(struct subst *s, struct err *e)
{
	return send(s, s->len, e);
}

void subst_done(struct subst *s)
{
	free(s->pairs);
	free(s->buf);
	free(s->hits);
	*s = (struct subst)SUBST_INIT;
}
