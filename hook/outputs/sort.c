/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sort outputs by their references, depth first. Outputs and references are visited in the order of
 * output names, as in Nix (topo-sort.hh), because the order decides which two outputs of a cycle
 * the message names. An output may refer to itself.
 */
#include "hook/outputs/outputs_internal.h"

#include <stdlib.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

enum mark { NEW, OPEN, DONE };

struct visit {
	size_t at;   /* the output */
	size_t next; /* the output that is searched for next among its references */
};

struct sort {
	const struct outputs *o;
	enum mark *marks;
	struct visit *stack; /* o->n at most: each output is open once */
	size_t depth;
	size_t *order; /* the outputs that are done */
	size_t n_done;
};

static void push(struct sort *s, size_t at)
{
	s->marks[at] = OPEN;
	s->stack[s->depth++] = (struct visit){at, 0};
}

/* Do one step at the top of the stack. */
static int step(struct sort *s, const char *drv_path, struct err *e)
{
	const struct outputs *o = s->o;
	struct visit *v = &s->stack[s->depth - 1];

	if (v->next == o->n) {
		s->marks[v->at] = DONE;
		s->order[s->n_done++] = v->at;
		s->depth--;
		return 0;
	}
	size_t to = v->next++;
	if (to == v->at || s->marks[to] == DONE ||
	    !strv_has_sorted(&o->items[v->at].refs, o->items[to].path))
		return 0;
	if (s->marks[to] == OPEN)
		return err_set(e, ERR_BUILD,
			       "cycle detected in build of '%s' in the references of output '%s' "
			       "from output '%s'",
			       drv_path, o->items[to].decl->name, o->items[v->at].decl->name);
	push(s, to);
	return 0;
}

int outputs_sort(const struct outputs *o, const char *drv_path, size_t *ret_order, struct err *e)
{
	scoped_free enum mark *marks = mem_new(o->n + 1, sizeof *marks, e);
	scoped_free struct visit *stack = marks ? mem_new(o->n + 1, sizeof *stack, e) : NULL;
	struct sort s = {.o = o, .marks = marks, .stack = stack, .order = ret_order};

	if (!stack)
		return -1;
	for (size_t i = 0; i < o->n; i++) {
		if (marks[i] == NEW)
			push(&s, i);
		while (s.depth)
			if (step(&s, drv_path, e) < 0)
				return -1;
	}
	return 0;
}
