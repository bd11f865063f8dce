/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exportReferencesGraph: tell the builder what the database knows of the closure of some inputs.
 *
 * The old form, in the environment, names files and paths (`file path file path`). A file contains
 * these lines for each path of the closure: the path, an empty line in place of the deriver, the
 * number of references, and each reference. The structured form names keys of the JSON document,
 * which become arrays of objects. Source: Nix's exportReferences(), makeValidityRegistration(),
 * pathInfoToJSON().
 */
#include "hook/request/maker_internal.h"

#include <stdlib.h>
#include <string.h>

#include "nar/base/scope.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

#define ATTRIBUTE "exportReferencesGraph"
#define TEXT_MAX REQ_JSON_MAX
#define FILE_MODE 0644

/* A closed set of paths: it contains all paths that they refer to. */
struct graph {
	struct strv paths;             /* sorted */
	struct store_path_info *infos; /* one for each path; NULL: the store was not asked yet */
	size_t *marks; /* for closure_size(): 1 + index of the last closure that contained it */
	size_t *stack; /* for closure_size() */
};
#define GRAPH_INIT                          \
	{                                   \
		STRV_INIT, NULL, NULL, NULL \
	}

static void graph_done(struct graph *g)
{
	for (size_t i = 0; g->infos && i < g->paths.n; i++)
		store_path_info_done(&g->infos[i]);
	free(g->infos);
	free(g->marks);
	free(g->stack);
	strv_done(&g->paths);
}
#define scoped_graph __attribute__((cleanup(graph_done)))

static bool is_drv_path(const char *path)
{
	return str_ends(path, ".drv");
}

/* Append to RET the output paths of the derivation PATH, all of which must be known. */
static int add_outputs_of(struct store *st, const char *path, struct strv *ret, struct err *e)
{
	scoped_drv struct drv d = DRV_INIT;
	scoped_free char *real = store_real_path(st, path, e);

	if (!real || drv_read(path, real, st->dir, &d, e) < 0)
		return -1;
	for (size_t i = 0; i < d.n_outputs; i++) {
		if (!d.outputs[i].path)
			return err_set(e, ERR_INPUT,
				       ATTRIBUTE " of content-addressed derivations ('%s') is not "
						 "implemented",
				       path);
		if (strv_add(ret, d.outputs[i].path, e) < 0)
			return -1;
	}
	return 0;
}

/* Compute the closure of ROOTS and of the outputs of all derivations in that closure. */
static int graph_paths(struct store *st, struct strv *roots, struct strv *ret, struct err *e)
{
	scoped_strv struct strv closure = STRV_INIT;
	size_t n_roots = roots->n;

	if (store_closure(st, roots, &closure, e) < 0)
		return -1;
	for (size_t i = 0; i < closure.n; i++)
		if (is_drv_path(closure.items[i]) &&
		    add_outputs_of(st, closure.items[i], roots, e) < 0)
			return -1;
	if (roots->n == n_roots) {
		*ret = closure;
		closure = (struct strv)STRV_INIT;
		return 0;
	}
	return store_closure(st, roots, ret, e);
}

/* Read the graph of ROOTS (store paths), all of which must be in the input closure. */
static int graph_read(struct maker *m, struct strv *roots, struct graph *g, struct err *e)
{
	struct store *st = m->in->store;

	for (size_t i = 0; i < roots->n; i++)
		if (!strv_has_sorted(m->in->inputs, roots->items[i]))
			return err_set(e, ERR_INPUT,
				       "cannot export references of path '%s' because it is not in "
				       "the input closure of the derivation",
				       roots->items[i]);
	if (graph_paths(st, roots, &g->paths, e) < 0)
		return -1;
	g->infos = mem_new(g->paths.n, sizeof *g->infos, e);
	if (!g->infos)
		return -1;
	for (size_t i = 0; i < g->paths.n; i++)
		if (store_path_info(st, g->paths.items[i], &g->infos[i], e) < 0)
			return -1;
	return 0;
}

/* Append to ROOTS the store path that TEXT is or lies in. */
static int add_root(struct maker *m, const char *text, struct strv *roots, struct err *e)
{
	size_t len = storepath_prefix(text, m->in->store->dir);

	if (!len)
		return err_set(e, ERR_INPUT, "'" ATTRIBUTE "' contains a non-store path '%s'",
			       text);
	return strv_addn(roots, text, len, e);
}

/* ---- the old form ---- */

static bool is_file_name(const char *s)
{
	for (const char *p = s; *p; p++) {
		bool letter = (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') || *p == '_';
		bool other = (*p >= '0' && *p <= '9') || *p == '.' || *p == '-';

		if (!letter && !(other && p > s))
			return false;
	}
	return *s != '\0';
}

static int print_graph(const struct graph *g, struct buf *b, struct err *e)
{
	for (size_t i = 0; i < g->paths.n; i++) {
		const struct strv *refs = &g->infos[i].refs;

		if (buf_addf(b, e, "%s\n\n%zu\n", g->paths.items[i], refs->n) < 0)
			return -1;
		for (size_t k = 0; k < refs->n; k++)
			if (buf_addf(b, e, "%s\n", refs->items[k]) < 0)
				return -1;
	}
	return 0;
}

static int add_graph_file(struct maker *m, const char *name, const char *path, struct err *e)
{
	scoped_graph struct graph g = GRAPH_INIT;
	scoped_strv struct strv roots = STRV_INIT;
	scoped_buf struct buf text = BUF_INIT(TEXT_MAX);

	if (!is_file_name(name))
		return err_set(e, ERR_INPUT, "invalid file name '%s' in '" ATTRIBUTE "'", name);
	if (add_root(m, path, &roots, e) < 0 || graph_read(m, &roots, &g, e) < 0 ||
	    print_graph(&g, &text, e) < 0)
		return -1;
	scoped_free char *file = str_fmt(e, "%s/%s", m->build_dir + 1, name);
	if (!file)
		return -1;
	return req_add_file(m->r, file, FILE_MODE, text.data, text.len, e);
}

int maker_add_graph_files(struct maker *m, struct err *e)
{
	scoped_strv struct strv words = STRV_INIT;

	if (attrs_list(&m->attrs, ATTRIBUTE, &words, e) < 0)
		return -1;
	if (words.n % 2)
		return err_set(e, ERR_INPUT, "odd number of tokens in '" ATTRIBUTE "': '%s'",
			       drv_env(m->in->drv, ATTRIBUTE, NULL));
	for (size_t i = 0; i < words.n; i += 2)
		if (add_graph_file(m, words.items[i], words.items[i + 1], e) < 0)
			return -1;
	return 0;
}

/* ---- the structured form ---- */

static size_t index_of(const struct graph *g, const char *path)
{
	size_t low = 0, high = g->paths.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = strcmp(g->paths.items[mid], path);

		if (c == 0)
			return mid;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return g->paths.n;
}

/* Add up the sizes of path number I and of all paths in its closure. */
static int closure_size(struct graph *g, size_t i, uint64_t *ret, struct err *e)
{
	size_t n = 0;
	uint64_t sum = 0;

	g->marks[i] = i + 1;
	g->stack[n++] = i;
	while (n) {
		const struct store_path_info *info = &g->infos[g->stack[--n]];

		if (__builtin_add_overflow(sum, info->nar_size_bytes, &sum))
			return err_set(e, ERR_LIMIT,
				       "the sizes of the closure of '%s' add up to more than 2^64 "
				       "bytes",
				       g->paths.items[i]);
		for (size_t k = 0; k < info->refs.n; k++) {
			size_t ref = index_of(g, info->refs.items[k]);

			if (ref == g->paths.n)
				return err_set(e, ERR_SYSTEM, "path '%s' is not valid",
					       info->refs.items[k]);
			if (g->marks[ref] == i + 1)
				continue;
			g->marks[ref] = i + 1;
			g->stack[n++] = ref;
		}
	}
	*ret = sum;
	return 0;
}

static int references_json(const struct store_path_info *info, struct jdoc *path, struct err *e)
{
	struct jdoc refs = jdoc_array();

	for (size_t i = 0; i < info->refs.n; i++)
		if (jdoc_append_string(&refs, info->refs.items[i], e) < 0) {
			jdoc_done(&refs);
			return -1;
		}
	return jdoc_set(path, "references", &refs, e);
}

static int set_natural(struct jdoc *object, const char *key, uint64_t n, struct err *e)
{
	struct jdoc v = jdoc_natural(n);

	return jdoc_set(object, key, &v, e);
}

/* Tell whether Nix adds "valid": it does since 2.12, the first Nix with the setting start-id. */
static bool says_valid(const struct settings *s)
{
	return s->n == 0 || settings_get(s, "start-id");
}

static int path_json(const struct maker *m, struct graph *g, size_t i, struct jdoc *ret,
		     struct err *e)
{
	scoped_jdoc struct jdoc o = jdoc_object();
	const struct store_path_info *info = &g->infos[i];
	char hash[HASH_TEXT_MAX];
	struct jdoc valid = jdoc_bool(true);
	uint64_t size = 0;

	hash_print(&info->nar_sha256, HASH_NIX32, true, hash);
	if ((info->ca && jdoc_set_string(&o, "ca", info->ca, e) < 0) ||
	    closure_size(g, i, &size, e) < 0 || set_natural(&o, "closureSize", size, e) < 0 ||
	    jdoc_set_string(&o, "narHash", hash, e) < 0 ||
	    set_natural(&o, "narSize", info->nar_size_bytes, e) < 0 ||
	    jdoc_set_string(&o, "path", g->paths.items[i], e) < 0 ||
	    references_json(info, &o, e) < 0)
		return -1;
	if (says_valid(m->in->settings) && jdoc_set(&o, "valid", &valid, e) < 0)
		return -1;
	*ret = o;
	o = (struct jdoc)JDOC_INIT;
	return 0;
}

static int graph_json(struct maker *m, struct strv *roots, struct jdoc *ret, struct err *e)
{
	scoped_graph struct graph g = GRAPH_INIT;
	scoped_jdoc struct jdoc array = jdoc_array();

	if (graph_read(m, roots, &g, e) < 0)
		return -1;
	g.marks = mem_new(g.paths.n, sizeof *g.marks, e);
	if (!g.marks)
		return -1;
	g.stack = mem_new(g.paths.n, sizeof *g.stack, e);
	if (!g.stack)
		return -1;
	for (size_t i = 0; i < g.paths.n; i++) {
		struct jdoc path;

		if (path_json(m, &g, i, &path, e) < 0 || jdoc_append(&array, &path, e) < 0)
			return -1;
	}
	*ret = array;
	array = (struct jdoc)JDOC_INIT;
	return 0;
}

/* Append the store paths in V to ROOTS: V is a store path, or a list of such values. */
static int add_roots(struct maker *m, const struct jdoc *v, unsigned depth, struct strv *roots,
		     struct err *e)
{
	const char *text = jdoc_text(v);

	if (text)
		return add_root(m, text, roots, e);
	if (v->type != JDOC_ARRAY || depth == JDOC_DEPTH_MAX)
		return err_set(e, ERR_INPUT, "'" ATTRIBUTE "' value is not an array or a string");
	for (size_t i = 0; i < v->array.n; i++)
		if (add_roots(m, &v->array.items[i], depth + 1, roots, e) < 0)
			return -1;
	return 0;
}

static int add_graph_key(struct maker *m, const struct jdoc_member *wanted, struct jdoc *made,
			 struct err *e)
{
	scoped_strv struct strv roots = STRV_INIT;
	struct jdoc graph;

	if (add_roots(m, &wanted->value, 0, &roots, e) < 0 || graph_json(m, &roots, &graph, e) < 0)
		return -1;
	return jdoc_set(made, wanted->key, &graph, e);
}

int maker_add_graph_keys(struct maker *m, struct jdoc *doc, struct err *e)
{
	const struct jdoc *wanted = jdoc_get(doc, ATTRIBUTE);
	/* Graphs are put into DOC at the end: one may replace the attribute that is read here. */
	scoped_jdoc struct jdoc made = jdoc_object();

	if (!wanted || wanted->type != JDOC_OBJECT)
		return 0;
	for (size_t i = 0; i < wanted->object.n; i++)
		if (add_graph_key(m, &wanted->object.members[i], &made, e) < 0)
			return -1;
	for (size_t i = 0; i < made.object.n; i++) {
		struct jdoc_member *g = &made.object.members[i];

		if (jdoc_set(doc, g->key, &g->value, e) < 0)
			return -1;
	}
	return 0;
}
