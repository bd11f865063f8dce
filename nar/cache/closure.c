/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/cache/cache.h"

#include <stdlib.h>
#include <string.h>

#include "nar/base/scope.h"
#include "nar/cache/cache_internal.h"

#include "nar/base/banned.h"

/* A path whose references are being followed: the next one is refs.items[next_ref]. */
struct frame {
	const struct cache_entry *entry;
	size_t next_ref;
};

struct walk {
	const struct cache_set *set;
	struct strv *ret, *missing;
	uint8_t *seen;       /* for each of the set's entries: 1: visited */
	struct frame *stack; /* the way from the current root to the current path */
	size_t n, cap;
};

/* Add PATH, a part of the closure: to the missing ones, or to the stack. Only once each. */
static int visit(struct walk *w, const char *path, struct err *e)
{
	const struct cache_entry *x = cache_entry_of(w->set, path);

	if (x && w->seen[x->index])
		return 0;
	if (x)
		w->seen[x->index] = 1;
	if (!x || !x->found || !str_eq(x->path, path))
		return w->missing ? strv_add(w->missing, path, e) : 0;
	if (mem_grow(&w->stack, &w->cap, w->n + 1, sizeof *w->stack, e) < 0)
		return -1;
	w->stack[w->n++] = (struct frame){x, 0};
	return 0;
}

/* Follow the references of all paths on the stack. A path is done after its references. */
static int walk(struct walk *w, struct err *e)
{
	while (w->n) {
		struct frame *f = &w->stack[w->n - 1];
		const struct strv *refs = &f->entry->found->public.info.refs;

		if (f->next_ref == refs->n) {
			if (strv_add(w->ret, f->entry->path, e) < 0)
				return -1;
			w->n--;
			continue;
		}
		scoped_free char *path =
			str_fmt(e, "%s/%s", w->set->o.store_dir, refs->items[f->next_ref++]);
		if (!path || visit(w, path, e) < 0)
			return -1;
	}
	return 0;
}

int cache_closure(const struct cache_set *s, const char *const *paths, size_t n, struct strv *ret,
		  struct strv *ret_missing, struct err *e)
{
	struct walk w = {.set = s, .ret = ret, .missing = ret_missing};
	int rc = 0;

	w.seen = mem_new(s->n_entries + 1, 1, e);
	if (!w.seen)
		return -1;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = visit(&w, paths[i], e) < 0 ? -1 : walk(&w, e);
	free(w.seen);
	free(w.stack);
	return rc;
}
