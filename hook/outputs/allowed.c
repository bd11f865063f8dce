/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Check what a derivation promises of its outputs.
 *
 * Without structured attributes the promises are four environment variables, which hold for every
 * output. With structured attributes they are `outputChecks.<output>`, which also knows sizes. An
 * absent list promises nothing; an empty list promises that there are no references. The
 * *Requisites lists are about the output's closure, which contains the output itself. The variables
 * allow that, `outputChecks` does not.
 */
#include "hook/outputs/outputs_internal.h"

#include <stdlib.h>
#include <string.h>

#include "hook/drv/attrs.h"
#include "nar/base/scope.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

enum list_kind {
	ALLOWED_REFS,
	ALLOWED_REQS,
	DISALLOWED_REFS,
	DISALLOWED_REQS,
	LIST_COUNT,
};

/* The lists, in the order in which Nix checks them. */
static const struct {
	const char *name;
	bool allowed;
	bool closure;
} list_kinds[] = {
	[ALLOWED_REFS] = {"allowedReferences", true, false},
	[ALLOWED_REQS] = {"allowedRequisites", true, true},
	[DISALLOWED_REFS] = {"disallowedReferences", false, false},
	[DISALLOWED_REQS] = {"disallowedRequisites", false, true},
};
_Static_assert(ARRAY_SIZE(list_kinds) == LIST_COUNT, "one row a list");

struct promises {
	struct {
		bool present;
		struct strv words; /* store paths and names of outputs, as written */
	} lists[LIST_COUNT];
	bool has_max_size, has_max_closure_size;
	uint64_t max_size_bytes, max_closure_size_bytes;
	bool forgive_self; /* an output may be in its own closure, whatever the list says */
};

static void promises_done(struct promises *p)
{
	for (size_t i = 0; i < LIST_COUNT; i++)
		strv_done(&p->lists[i].words);
}
#define scoped_promises __attribute__((cleanup(promises_done)))

struct check {
	const struct outputs *o;
	const struct drv *drv;
	struct store *store;
};

/* ---- reading the promises ---- */

static int promises_from_env(const struct attrs *a, struct promises *p, struct err *e)
{
	p->forgive_self = true;
	for (size_t i = 0; i < LIST_COUNT; i++) {
		p->lists[i].present = attrs_has(a, list_kinds[i].name);
		if (attrs_list(a, list_kinds[i].name, &p->lists[i].words, e) < 0)
			return -1;
	}
	return 0;
}

static int promise_size(const struct jdoc *checks, const char *name, const struct drv *d,
			bool *ret_has, uint64_t *ret, struct err *e)
{
	const struct jdoc *v = jdoc_get(checks, name);

	if (!v)
		return 0;
	if (v->type != JDOC_UINT)
		return err_set(e, ERR_INPUT,
			       "attribute '%s' of derivation '%s' must be a size in bytes", name,
			       d->path);
	*ret_has = true;
	*ret = v->natural;
	return 0;
}

static int promises_from_doc(const struct attrs *a, const char *output, struct promises *p,
			     struct err *e)
{
	const struct jdoc *all = jdoc_get(&a->doc, "outputChecks");
	const struct jdoc *checks = jdoc_get(all, output);

	if (all && all->type != JDOC_OBJECT)
		return err_set(e, ERR_INPUT,
			       "attribute 'outputChecks' of derivation '%s' must be a set",
			       a->drv->path);
	if (!checks)
		return 0;
	if (checks->type != JDOC_OBJECT)
		return err_set(e, ERR_INPUT,
			       "attribute 'outputChecks.%s' of derivation '%s' must be a set",
			       output, a->drv->path);
	for (size_t i = 0; i < LIST_COUNT; i++) {
		const struct jdoc *v = jdoc_get(checks, list_kinds[i].name);

		if (!v)
			continue;
		p->lists[i].present = true;
		if (attrs_strings(v, list_kinds[i].name, &p->lists[i].words, e) < 0)
			return err_wrap(e, "derivation '%s', outputChecks.%s", a->drv->path,
					output);
	}
	if (promise_size(checks, "maxSize", a->drv, &p->has_max_size, &p->max_size_bytes, e) < 0)
		return -1;
	return promise_size(checks, "maxClosureSize", a->drv, &p->has_max_closure_size,
			    &p->max_closure_size_bytes, e);
}

/* ---- closures of outputs that are not valid yet ---- */

/*
 * Compute the closure of OUT: outputs of this build from memory, all other paths from the store. No
 * other path refers to outputs of this build, because these are not valid yet.
 */
static int closure(const struct check *c, const struct output *out, struct strv *ret, struct err *e)
{
	scoped_strv struct strv others = STRV_INIT;
	scoped_free bool *seen = mem_new(c->o->n, sizeof *seen, e);
	scoped_free size_t *todo = seen ? mem_new(c->o->n, sizeof *todo, e) : NULL;
	size_t n = 0;

	if (!todo)
		return -1;
	todo[n++] = (size_t)(out - c->o->items);
	seen[todo[0]] = true;
	while (n) {
		const struct output *at = &c->o->items[todo[--n]];

		if (strv_add(ret, at->path, e) < 0)
			return -1;
		for (size_t i = 0; i < at->refs.n; i++) {
			const struct output *to = outputs_find(c->o, at->refs.items[i]);

			if (!to && strv_add(&others, at->refs.items[i], e) < 0)
				return -1;
			if (to && !seen[to - c->o->items]) {
				seen[to - c->o->items] = true;
				todo[n++] = (size_t)(to - c->o->items);
			}
		}
	}
	strv_sort(&others);
	strv_uniq(&others);
	if (store_closure(c->store, &others, ret, e) < 0)
		return -1;
	strv_sort(ret);
	strv_uniq(ret);
	return 0;
}

static int closure_size(const struct check *c, const struct strv *paths, uint64_t *ret,
			struct err *e)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < paths->n; i++) {
		const struct output *ours = outputs_find(c->o, paths->items[i]);
		uint64_t size = ours ? ours->digest.size_bytes : 0;

		if (!ours) {
			scoped_store_path_info struct store_path_info info = {0};
			if (store_path_info(c->store, paths->items[i], &info, e) < 0)
				return -1;
			size = info.nar_size_bytes;
		}
		if (__builtin_add_overflow(sum, size, &sum))
			return err_set(e, ERR_LIMIT,
				       "the sizes of an output's closure add up to more than 2^64 "
				       "bytes");
	}
	*ret = sum;
	return 0;
}

/* ---- checking ---- */

/* Set *E, in Nix's words: WORD is no store path and names no output. Returns -1. */
static int bad_word(const struct check *c, const struct output *out, const char *word,
		    struct err *e)
{
	scoped_buf struct buf names = BUF_INIT(1u << 20);

	for (size_t i = 0; i < c->drv->n_outputs; i++)
		if (buf_addf(&names, e, "%s%s", i ? ", " : "", c->drv->outputs[i].name) < 0)
			return -1;
	return err_set(
		e, ERR_BUILD,
		"derivation '%s' output check for '%s' contains output name '%s', but this is "
		"not a valid output of this derivation. (Valid outputs are [%s].)",
		c->drv->path, out->decl->name, word, names.data);
}

/* Return the final path of output NAME; NULL: there is no such output, or it is not built. */
static const char *output_path(const struct check *c, const char *name)
{
	const struct drv_output *decl = drv_output(c->drv, name);

	if (!decl || decl->path)
		return decl ? decl->path : NULL;
	for (size_t i = 0; i < c->o->n; i++)
		if (c->o->items[i].decl == decl)
			return c->o->items[i].path;
	return NULL;
}

/* Append to RET the path of each word of a list: a word is a store path or an output's name. */
static int resolve(const struct check *c, const struct output *out, const struct strv *words,
		   struct strv *ret, struct err *e)
{
	for (size_t i = 0; i < words->n; i++) {
		const char *word = words->items[i], *base;
		struct err not_a_path = ERR_INIT;

		if (storepath_check(word, c->store->dir, &base, &not_a_path) < 0) {
			/*
			 * The word may name an output that is valid already. Nix knows only the
			 * outputs of this build here, so a second build of one output fails there.
			 */
			const char *named = output_path(c, word);
			if (!named)
				return bad_word(c, out, word, e);
			word = named;
		}
		if (strv_add(ret, word, e) < 0)
			return -1;
	}
	strv_sort(ret);
	return 0;
}

static int check_list(const struct check *c, const struct output *out, const struct promises *p,
		      enum list_kind kind, const struct strv *reached, struct err *e)
{
	const struct strv *used = list_kinds[kind].closure ? reached : &out->refs;
	bool forgive_self = list_kinds[kind].closure && p->forgive_self;
	scoped_strv struct strv named = STRV_INIT;
	scoped_buf struct buf bad = BUF_INIT(64u << 20);

	if (resolve(c, out, &p->lists[kind].words, &named, e) < 0)
		return -1;
	for (size_t i = 0; i < used->n; i++) {
		const char *path = used->items[i];

		if (forgive_self && str_eq(path, out->path))
			continue;
		if (strv_has_sorted(&named, path) != list_kinds[kind].allowed &&
		    buf_addf(&bad, e, "\n  %s", path) < 0)
			return -1;
	}
	if (bad.len)
		return err_set(e, ERR_BUILD,
			       "output '%s' is not allowed to refer to the following paths:%s",
			       out->path, bad.data);
	return 0;
}

static bool needs_closure(const struct promises *p)
{
	return p->has_max_closure_size || p->lists[ALLOWED_REQS].present ||
	       p->lists[DISALLOWED_REQS].present;
}

static int check_out(const struct check *c, const struct output *out, const struct promises *p,
		     struct err *e)
{
	scoped_strv struct strv reached = STRV_INIT;
	uint64_t size = out->digest.size_bytes;

	if (p->has_max_size && size > p->max_size_bytes)
		return err_set(
			e, ERR_BUILD, "path '%s' is too large at %llu bytes; limit is %llu bytes",
			out->path, (unsigned long long)size, (unsigned long long)p->max_size_bytes);
	if (needs_closure(p) && closure(c, out, &reached, e) < 0)
		return -1;
	if (p->has_max_closure_size) {
		if (closure_size(c, &reached, &size, e) < 0)
			return -1;
		if (size > p->max_closure_size_bytes)
			return err_set(e, ERR_BUILD,
				       "closure of path '%s' is too large at %llu bytes; "
				       "limit is %llu bytes",
				       out->path, (unsigned long long)size,
				       (unsigned long long)p->max_closure_size_bytes);
	}
	for (size_t i = 0; i < LIST_COUNT; i++)
		if (p->lists[i].present && check_list(c, out, p, i, &reached, e) < 0)
			return -1;
	return 0;
}

int outputs_check_allowed(const struct outputs *o, const struct attrs *a, struct store *st,
			  struct err *e)
{
	const struct check c = {o, a->drv, st};

	for (size_t i = 0; i < o->n; i++) {
		scoped_promises struct promises p = {0};
		int rc = a->structured ? promises_from_doc(a, o->items[i].decl->name, &p, e)
				       : promises_from_env(a, &p, e);

		if (rc < 0 || check_out(&c, &o->items[i], &p, e) < 0)
			return -1;
	}
	return 0;
}
