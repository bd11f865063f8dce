/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nix replaces one placeholder after the other in the whole text. One pass over the text has the
 * same result: placeholders are '/' and 52 digits, so no two overlap, and the store path that
 * replaces one never makes a new one. One pass costs the same for one output and for thousands.
 */
#include "hook/request/maker_internal.h"

#include <stdlib.h>
#include <string.h>

#include "nar/base/scope.h"
#include "nar/hash.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

static int rewrite_cmp(const void *pa, const void *pb)
{
	const struct rewrite *a = pa, *b = pb;

	return strcmp(a->from, b->from);
}

int rewrites_of(const struct drv *d, const char *store_dir, struct rewrites *ret, struct err *e)
{
	scoped_rewrites struct rewrites w = {NULL, 0};

	w.items = mem_new(d->n_outputs, sizeof *w.items, e);
	if (!w.items)
		return -1;
	for (size_t i = 0; i < d->n_outputs; i++) {
		struct rewrite *r = &w.items[w.n++];

		r->from = storepath_placeholder(d->outputs[i].name, e);
		if (!r->from)
			return -1;
		r->to = drv_build_path(d, &d->outputs[i], store_dir, e);
		if (!r->to)
			return -1;
	}
	qsort(w.items, w.n, sizeof *w.items, rewrite_cmp);
	*ret = w;
	w = (struct rewrites){NULL, 0};
	return 0;
}

void rewrites_done(struct rewrites *w)
{
	for (size_t i = 0; i < w->n; i++) {
		free(w->items[i].from);
		free(w->items[i].to);
	}
	free(w->items);
	*w = (struct rewrites){NULL, 0};
}

/* Return the path that replaces the placeholder at AT (REWRITE_LEN bytes); NULL: it is none. */
static const char *replacement(const struct rewrites *w, const char *at)
{
	size_t low = 0, high = w->n;

	for (size_t i = 1; i < REWRITE_LEN; i++)
		if (!nix32_is_digit((unsigned char)at[i]))
			return NULL;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = memcmp(w->items[mid].from, at, REWRITE_LEN);

		if (c == 0)
			return w->items[mid].to;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

int rewrite(const struct rewrites *w, const char *s, size_t len, struct buf *b, struct err *e)
{
	const char *done = s, *p = s, *end = s + len;

	while ((size_t)(end - p) >= REWRITE_LEN) {
		const char *to;

		p = memchr(p, '/', (size_t)(end - p) - (REWRITE_LEN - 1));
		if (!p)
			break;
		to = replacement(w, p);
		if (!to) {
			p++;
			continue;
		}
		if (buf_add(b, done, (size_t)(p - done), e) < 0 || buf_adds(b, to, e) < 0)
			return -1;
		p += REWRITE_LEN;
		done = p;
	}
	return buf_add(b, done, (size_t)(end - done), e);
}
