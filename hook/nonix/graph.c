/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Planning does two things by turns. It expands nodes: it loads their input derivations into the
 * graph, level by level. And it marks nodes to be built: the root, and with RECURSIVE each
 * derivation whose output a build uses and no cache has. A node that is marked is also expanded.
 */
#include "hook/nonix/graph.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* No graph has so many levels. */
#define LEVELS_MAX ((size_t)1 << 20)
/* A message names at most this many missing inputs. */
#define NAMED_MAX 20

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct build_node *)a)->drv.path,
		      ((const struct build_node *)b)->drv.path);
}

static void node_free(void *p)
{
	struct build_node *n = p;

	drv_done(&n->drv);
	strv_done(&n->wanted);
	strv_done(&n->inputs);
	free(n->users);
	free(n);
}

struct build_graph *build_graph_new(const struct build_source *source, const char *store_dir,
				    struct err *e)
{
	struct build_graph *g = mem_new(1, sizeof *g, e);

	if (g)
		*g = (struct build_graph){.source = source, .store_dir = store_dir, .levels = 1};
	return g;
}

void build_graph_free(struct build_graph *g)
{
	if (!g)
		return;
	tdestroy(g->by_path, node_free);
	free(g->builds);
	strv_done(&g->fetch);
	free(g);
}

struct build_node *build_graph_node(const struct build_graph *g, const char *drv_path)
{
	const struct build_node key = {.drv = {.path = (char *)(uintptr_t)drv_path}};
	struct build_node *const *found = tfind(&key, &g->by_path, compare);

	return found ? *found : NULL;
}

/* Add a node for D, which is taken. Returns the node; NULL: *E. */
static struct build_node *add_node(struct build_graph *g, struct drv *d, struct err *e)
{
	struct build_node *n;

	if (g->n_nodes >= BUILD_DRVS_MAX) {
		err_set(e, ERR_LIMIT, "there are more than %u derivations in one graph",
			BUILD_DRVS_MAX);
		return NULL;
	}
	n = mem_new(1, sizeof *n, e);
	if (!n)
		return NULL;
	n->drv = *d;
	if (!tsearch(n, &g->by_path, compare)) {
		err_memory(e);
		free(n);
		return NULL;
	}
	*d = (struct drv)DRV_INIT;
	g->n_nodes++;
	return n;
}

/* A list of nodes, which belong to the graph. */
struct nodes {
	struct build_node **items;
	size_t n, cap;
};

static void nodes_done(struct nodes *l)
{
	free(l->items);
	*l = (struct nodes){NULL, 0, 0};
}
#define scoped_nodes __attribute__((cleanup(nodes_done)))

static int nodes_add(struct nodes *l, struct build_node *n, struct err *e)
{
	if (mem_grow(&l->items, &l->cap, l->n + 1, sizeof *l->items, e) < 0)
		return -1;
	l->items[l->n++] = n;
	return 0;
}

/* ---- expanding ---- */

static int load(struct build_graph *g, struct strv *paths, struct nodes *ret, struct err *e)
{
	struct drv *drvs;
	int rc;

	strv_sort(paths);
	strv_uniq(paths);
	if (!paths->n)
		return 0;
	drvs = mem_new(paths->n, sizeof *drvs, e);
	if (!drvs)
		return -1;
	rc = g->source->load(g->source->ctx, paths, drvs, e);
	for (size_t i = 0; i < paths->n; i++) {
		struct build_node *n = rc == 0 ? add_node(g, &drvs[i], e) : NULL;

		if (rc == 0 && (!n || nodes_add(ret, n, e) < 0))
			rc = -1;
		drv_done(&drvs[i]);
	}
	free(drvs);
	return rc;
}

/* Append the paths of D's input derivations that are not in the graph yet. */
static int unknown_inputs(const struct build_graph *g, const struct drv *d, struct strv *ret,
			  struct err *e)
{
	for (size_t i = 0; i < d->n_inputs; i++) {
		if (d->inputs[i].node.n_dynamic)
			return err_set(e, ERR_INPUT,
				       "input '%s' of '%s' makes derivations that are inputs, too; "
				       "let Nix resolve the derivation first",
				       d->inputs[i].path, d->path);
		if (!build_graph_node(g, d->inputs[i].path) &&
		    strv_add(ret, d->inputs[i].path, e) < 0)
			return -1;
	}
	return 0;
}

/*
 * Load the input derivations of the nodes in PENDING, which is emptied. Load the derivations below
 * these as well, except below fixed outputs, whose hashes do not depend on their inputs.
 */
static int expand(struct build_graph *g, struct nodes *pending, struct err *e)
{
	while (pending->n) {
		scoped_strv struct strv paths = STRV_INIT;
		scoped_nodes struct nodes next = {NULL, 0, 0};
		size_t n_new;

		for (size_t i = 0; i < pending->n; i++) {
			struct build_node *n = pending->items[i];

			if (n->expanded)
				continue;
			n->expanded = true;
			if (unknown_inputs(g, &n->drv, &paths, e) < 0)
				return -1;
		}
		if (load(g, &paths, &next, e) < 0)
			return -1;
		n_new = 0;
		for (size_t i = 0; i < next.n; i++)
			if (!drv_is_fixed(&next.items[i]->drv))
				next.items[n_new++] = next.items[i];
		next.n = n_new;
		nodes_done(pending);
		*pending = next;
		next = (struct nodes){NULL, 0, 0};
	}
	return 0;
}

/* ---- what a build uses ---- */

static const struct drv_output *known_output(const struct drv *d, const char *name, struct err *e)
{
	const struct drv_output *o = drv_output(d, name);

	if (!o)
		err_set(e, ERR_INPUT, "derivation '%s' has no output '%s'", d->path, name);
	else if (!o->path)
		err_set(e, ERR_INPUT,
			"the path of output '%s' of '%s' is known only after its build; "
			"let Nix resolve the derivation first",
			name, d->path);
	return o && o->path ? o : NULL;
}

/*
 * Append the paths that N uses: its sources and outputs of its inputs. An output that does not
 * exist or has no path is an error with ALL_KNOWN, else it is left out.
 */
static int add_inputs(const struct build_graph *g, const struct build_node *n, bool all_known,
		      struct strv *ret, struct err *e)
{
	if (strv_copy(ret, &n->drv.srcs, e) < 0)
		return -1;
	for (size_t i = 0; i < n->drv.n_inputs; i++) {
		const struct drv_input *in = &n->drv.inputs[i];
		const struct build_node *from = build_graph_node(g, in->path);

		for (size_t j = 0; j < in->node.outputs.n; j++) {
			const char *name = in->node.outputs.items[j];
			const struct drv_output *o = all_known ? known_output(&from->drv, name, e)
							       : drv_output(&from->drv, name);

			if ((!o && all_known) || (o && o->path && strv_add(ret, o->path, e) < 0))
				return -1;
		}
	}
	return 0;
}

static int list_inputs(const struct build_graph *g, struct build_node *n, struct err *e)
{
	if (add_inputs(g, n, true, &n->inputs, e) < 0)
		return -1;
	strv_sort(&n->inputs);
	strv_uniq(&n->inputs);
	return 0;
}

/* ---- what is missing ---- */

struct missing {
	struct buf text;
	size_t n;
	bool recursive_helps;
};

/* Add PATH to the missing inputs: an output of the derivation WHOSE, or a source of it. */
static int add_missing(struct missing *m, const char *path, bool output, const char *whose,
		       struct err *e)
{
	if (m->n++ >= NAMED_MAX)
		return 0;
	m->recursive_helps |= output;
	return buf_addf(&m->text, e, "\n  '%s', %s of '%s'", path,
			output ? "an output" : "a source", whose);
}

static int report_missing(const struct missing *m, bool recursive, struct err *e)
{
	const char *hint =
		!recursive && m->recursive_helps ? " (--recursive builds what is an output)" : "";
	const char *list = m->text.data ? m->text.data : "";

	if (!m->n)
		return 0;
	if (m->n > NAMED_MAX)
		return err_set(e, ERR_INPUT,
			       "%zu inputs are in none of the caches%s, among them:%s", m->n, hint,
			       list);
	return err_set(e, ERR_INPUT, "%s in none of the caches%s:%s",
		       m->n == 1 ? "an input is" : "inputs are", hint, list);
}

/* ---- what has to be built ---- */

/*
 * Mark N to be built, for all of its outputs that no cache has, because one may refer to another.
 * The outputs that a cache has are fetched.
 */
static int start_build(struct build_graph *g, struct build_node *n, struct nodes *pending,
		       struct err *e)
{
	if (n->build)
		return 0;
	n->build = true;
	if (mem_grow(&g->builds, &g->cap_builds, g->n_builds + 1, sizeof *g->builds, e) < 0)
		return -1;
	g->builds[g->n_builds++] = n;
	for (size_t i = 0; i < n->drv.n_outputs; i++)
		if (!known_output(&n->drv, n->drv.outputs[i].name, e))
			return -1;
	return nodes_add(pending, n, e);
}

/* Make the build N wait for the build ON. Calls for several outputs of ON follow each other. */
static int add_dep(struct build_node *n, struct build_node *on, struct err *e)
{
	if (on->n_users && on->users[on->n_users - 1] == n)
		return 0;
	if (mem_grow(&on->users, &on->cap_users, on->n_users + 1, sizeof *on->users, e) < 0)
		return -1;
	on->users[on->n_users++] = n;
	n->n_deps++;
	return 0;
}

/* Choose for each output of N: fetch it, or build it. All outputs of the root are built. */
static int choose_outputs(struct build_graph *g, struct build_node *n, struct err *e)
{
	for (size_t i = 0; i < n->drv.n_outputs; i++) {
		const struct drv_output *o = &n->drv.outputs[i];
		int has = n == g->root ? 0 : g->source->has(g->source->ctx, o->path, e);

		if (has < 0 ||
		    (has ? strv_add(&g->fetch, o->path, e) : strv_add(&n->wanted, o->name, e)) < 0)
			return -1;
	}
	return 0;
}

/*
 * Decide for each output of another derivation that N uses: fetch it, build it (the derivation is
 * appended to NEXT), or add it to the missing inputs M.
 */
static int resolve_outputs(struct build_graph *g, struct build_node *n, bool recursive,
			   struct nodes *next, struct missing *m, struct err *e)
{
	for (size_t i = 0; i < n->drv.n_inputs; i++) {
		const struct drv_input *in = &n->drv.inputs[i];
		struct build_node *from = build_graph_node(g, in->path);

		for (size_t j = 0; j < in->node.outputs.n; j++) {
			const char *name = in->node.outputs.items[j];
			const char *path = drv_output(&from->drv, name)->path;
			int has = g->source->has(g->source->ctx, path, e);

			if (has < 0)
				return -1;
			if (has && strv_add(&g->fetch, path, e) < 0)
				return -1;
			if (!has && !recursive && add_missing(m, path, true, in->path, e) < 0)
				return -1;
			if (!has && recursive &&
			    (start_build(g, from, next, e) < 0 || add_dep(n, from, e) < 0))
				return -1;
		}
	}
	return 0;
}

static int resolve_sources(struct build_graph *g, const struct build_node *n, struct missing *m,
			   struct err *e)
{
	for (size_t i = 0; i < n->drv.srcs.n; i++) {
		const char *path = n->drv.srcs.items[i];
		int has = g->source->has(g->source->ctx, path, e);

		if (has < 0)
			return -1;
		if ((has ? strv_add(&g->fetch, path, e)
			 : add_missing(m, path, false, n->drv.path, e)) < 0)
			return -1;
	}
	return 0;
}

/* Append the known paths to query for N: what N uses, and its outputs if N is not the root. */
static int add_questions(const struct build_graph *g, const struct build_node *n, struct strv *ret,
			 struct err *e)
{
	for (size_t i = 0; n != g->root && i < n->drv.n_outputs; i++)
		if (n->drv.outputs[i].path && strv_add(ret, n->drv.outputs[i].path, e) < 0)
			return -1;
	return add_inputs(g, n, false, ret, e);
}

/* Append the input derivations of N that are expanded and that this round has not visited. */
static int add_below(const struct build_graph *g, const struct build_node *n, struct nodes *ret,
		     struct err *e)
{
	for (size_t i = 0; i < n->drv.n_inputs; i++) {
		struct build_node *from = build_graph_node(g, n->drv.inputs[i].path);

		if (!from->expanded || from->round == g->rounds)
			continue;
		from->round = g->rounds;
		if (nodes_add(ret, from, e) < 0)
			return -1;
	}
	return 0;
}

/* Append the paths to query for one level, and the nodes of the level below to NEXT. */
static int ask_level(struct build_graph *g, const struct nodes *level, struct nodes *next,
		     struct strv *paths, struct err *e)
{
	for (size_t i = 0; i < level->n; i++) {
		struct build_node *n = level->items[i];

		if (!n->asked && add_questions(g, n, paths, e) < 0)
			return -1;
		n->asked = true;
		if (add_below(g, n, next, e) < 0)
			return -1;
	}
	return 0;
}

/*
 * Query all paths that the nodes of PENDING make and use. If some were not queried before, also
 * query those of g->levels - 1 levels below.
 */
static int query_level(struct build_graph *g, const struct nodes *pending, struct err *e)
{
	scoped_strv struct strv paths = STRV_INIT;
	scoped_nodes struct nodes level = {NULL, 0, 0};
	bool known = true;

	g->rounds++;
	for (size_t i = 0; i < pending->n; i++) {
		struct build_node *n = pending->items[i];

		known &= n->asked;
		n->round = g->rounds;
		if (list_inputs(g, n, e) < 0 || nodes_add(&level, n, e) < 0)
			return -1;
	}
	for (size_t i = 0; !known && level.n && i < g->levels; i++) {
		scoped_nodes struct nodes next = {NULL, 0, 0};

		if (ask_level(g, &level, &next, &paths, e) < 0)
			return -1;
		nodes_done(&level);
		level = TAKE(next, ((struct nodes){NULL, 0, 0}));
	}
	if (!known && g->levels < LEVELS_MAX)
		g->levels *= 2;
	strv_sort(&paths);
	strv_uniq(&paths);
	return paths.n ? g->source->query(g->source->ctx, &paths, e) : 0;
}

/* Plan one level: the nodes of PENDING are built. Append the builds that they need to NEXT. */
static int plan_level(struct build_graph *g, const struct nodes *pending, bool recursive,
		      struct nodes *next, struct err *e)
{
	scoped_nodes struct nodes expanding = {NULL, 0, 0};
	struct missing m = {BUF_INIT(ERR_MSG_MAX * 4), 0, false};
	int rc = 0;

	for (size_t i = 0; i < pending->n; i++)
		if (nodes_add(&expanding, pending->items[i], e) < 0)
			return -1;
	if (expand(g, &expanding, e) < 0 || query_level(g, pending, e) < 0)
		return -1;
	for (size_t i = 0; rc == 0 && i < pending->n; i++) {
		struct build_node *n = pending->items[i];

		if (choose_outputs(g, n, e) < 0 || resolve_sources(g, n, &m, e) < 0 ||
		    resolve_outputs(g, n, recursive, next, &m, e) < 0)
			rc = -1;
	}
	if (rc == 0)
		rc = report_missing(&m, recursive, e);
	buf_done(&m.text);
	return rc;
}

/* ---- in which order ---- */

/* Sort by Kahn's algorithm: builds that wait for no other come first. */
static int sort_builds(struct build_graph *g, struct err *e)
{
	scoped_free struct build_node **sorted = mem_new(g->n_builds, sizeof *sorted, e);
	size_t n = 0;

	if (!sorted)
		return -1;
	for (size_t i = 0; i < g->n_builds; i++) {
		g->builds[i]->n_left = g->builds[i]->n_deps;
		if (!g->builds[i]->n_left)
			sorted[n++] = g->builds[i];
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < sorted[i]->n_users; j++)
			if (--sorted[i]->users[j]->n_left == 0)
				sorted[n++] = sorted[i]->users[j];
	if (n < g->n_builds)
		return err_set(e, ERR_INPUT, "derivations that '%s' needs are inputs of themselves",
			       g->root->drv.path);
	for (size_t i = 0; i < n; i++)
		sorted[i]->n_left = sorted[i]->n_deps;
	memcpy(g->builds, sorted, n * sizeof(struct build_node *));
	return 0;
}

int build_graph_plan(struct build_graph *g, struct drv *root, bool recursive, struct err *e)
{
	scoped_nodes struct nodes pending = {NULL, 0, 0};

	g->root = add_node(g, root, e);
	if (!g->root || start_build(g, g->root, &pending, e) < 0)
		return -1;
	while (pending.n) {
		scoped_nodes struct nodes next = {NULL, 0, 0};

		if (plan_level(g, &pending, recursive, &next, e) < 0)
			return -1;
		nodes_done(&pending);
		pending = next;
		next = (struct nodes){NULL, 0, 0};
	}
	strv_sort(&g->fetch);
	strv_uniq(&g->fetch);
	return sort_builds(g, e);
}

/* ---- may it be believed ---- */

/* Read a derivation of the graph. RET is a copy, because the checker frees what it reads. */
static int read_node(void *ctx, const char *path, struct drv *ret, struct err *e)
{
	const struct build_graph *g = ctx;
	const struct build_node *n = build_graph_node(g, path);
	scoped_buf struct buf text = BUF_INIT(DRV_BYTES_MAX);

	if (!n)
		return err_set(e, ERR_INPUT, "derivation '%s' was not read", path);
	if (drv_print(&n->drv, &text, e) < 0)
		return -1;
	return drv_parse(text.data, text.len, path, g->store_dir, ret, e);
}

int build_graph_check(struct build_graph *g, struct err *e)
{
	struct drv_checker *c = drv_checker_new(g->store_dir, read_node, g, e);
	int rc = c ? 0 : -1;

	for (size_t i = 0; rc == 0 && i < g->n_builds; i++)
		rc = drv_checker_check(c, &g->builds[i]->drv, e);
	drv_checker_free(c);
	return rc;
}
