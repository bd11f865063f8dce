/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/nonix/target.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hook/drv/attrs.h"
#include "hook/job/decide.h"
#include "hook/request/load.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

void target_done(struct build_target *t)
{
	drv_done(&t->drv);
	req_done(&t->request);
	build_graph_free(t->graph);
	drv_done(&t->node.drv);
	strv_done(&t->node.wanted);
	strv_done(&t->node.inputs);
	strv_done(&t->fetch);
	strv_done(&t->known);
	*t = (struct build_target){.drv = DRV_INIT};
}

/* ---- a derivation ---- */

static int read_drv(const char *arg, struct caches *c, struct drv *ret, struct err *e)
{
	scoped_strv struct strv one = STRV_INIT;
	scoped_free char *path = NULL;
	const char *base;
	struct stat st;

	if (stat(arg, &st) == 0 && S_ISREG(st.st_mode))
		return derivation_from_file(arg, c->store_dir, ret, e);
	path = strchr(arg, '/') ? str_dup(arg, e) : str_fmt(e, "%s/%s", c->store_dir, arg);
	if (!path)
		return -1;
	if (storepath_check(path, c->store_dir, &base, e) < 0)
		return err_wrap(e, "there is no file '%s', and it is no store path", arg);
	const struct build_source source = caches_source(c);
	if (strv_add(&one, path, e) < 0)
		return -1;
	return source.load(source.ctx, &one, ret, e);
}

/* ---- a request ---- */

static int compare_outputs(const void *a, const void *b)
{
	return strcmp(((const struct drv_output *)a)->name, ((const struct drv_output *)b)->name);
}

/* Make up a derivation for a request: it has names and outputs, and nothing that can be checked. */
static int drv_of_request(const struct request *r, struct drv *d, struct err *e)
{
	/* The first output names the bundle, and the build in messages. */
	d->path = r->n_outputs ? str_fmt(e, "/%s", r->outputs[0].path) : NULL;
	if (!d->path)
		return err_is_set(e) ? -1 : err_set(e, ERR_INPUT, "a request without outputs");
	d->name = str_dup(r->name ? r->name : storepath_name(d->path), e);
	d->system = d->name ? str_dup(r->constraints.system ? r->constraints.system : "", e) : NULL;
	d->builder = d->system ? str_dup(r->args.items[0], e) : NULL;
	d->outputs = d->builder ? mem_new(r->n_outputs, sizeof *d->outputs, e) : NULL;
	if (!d->outputs)
		return -1;
	for (size_t i = 0; i < r->n_outputs; i++) {
		struct drv_output *o = &d->outputs[d->n_outputs++];

		o->kind = DRV_INPUT_ADDRESSED;
		o->name = str_dup(r->outputs[i].name, e);
		o->path = o->name ? str_fmt(e, "/%s", r->outputs[i].path) : NULL;
		if (!o->path)
			return -1;
	}
	qsort(d->outputs, d->n_outputs, sizeof *d->outputs, compare_outputs);
	return 0;
}

static int read_request(const char *arg, struct build_target *t, const char *store_dir,
			struct err *e)
{
	struct request *r = &t->request;
	const char *base;

	if (request_from_file(arg, r, e) < 0)
		return -1;
	t->is_request = true;
	if (!str_eq(r->inputs_dir, store_dir + 1))
		return err_set(e, ERR_INPUT, "the request is for a store in '/%s', not in '%s'",
			       r->inputs_dir, store_dir);
	if (drv_of_request(r, &t->drv, e) < 0)
		return err_wrap(e, "reading '%s'", arg);
	for (size_t i = 0; i < t->drv.n_outputs; i++)
		if (storepath_check(t->drv.outputs[i].path, store_dir, &base, e) < 0)
			return err_wrap(e, "outputs of the request '%s'", arg);
	return 0;
}

int target_read(struct build_target *t, const char *arg, struct caches *c, struct err *e)
{
	if (str_eq(arg, "-") || str_ends(arg, ".json"))
		return read_request(arg, t, c->store_dir, e);
	if (!str_ends(arg, ".drv"))
		return err_set(e, ERR_INPUT,
			       "'%s' is neither a derivation (.drv) nor a request (.json)", arg);
	return read_drv(arg, c, &t->drv, e);
}

/* ---- what it needs ---- */

static int add_request_path(struct build_target *t, const char *path, struct caches *c,
			    struct err *e)
{
	const char *base;

	if (storepath_check(path, c->store_dir, &base, e) < 0)
		return err_wrap(e, "inputs of the request");
	return strv_add(&t->node.inputs, path, e);
}

/*
 * List the store paths that a request needs: its inputs, and the store paths that contain the
 * sources of its host paths.
 */
static int list_request(struct build_target *t, struct caches *c, struct err *e)
{
	const struct request *r = &t->request;

	for (size_t i = 0; i < r->n_inputs; i++) {
		scoped_free char *path = str_fmt(e, "%s/%s", c->store_dir, r->inputs[i].path);

		if (!path || add_request_path(t, path, c, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < r->constraints.n_host_paths; i++) {
		const char *source = r->constraints.host_paths[i].source;
		const size_t n = storepath_prefix(source, c->store_dir);
		scoped_free char *path = str_ndup(source, n, e);

		if (!path || (n && add_request_path(t, path, c, e) < 0))
			return -1;
	}
	strv_sort(&t->node.inputs);
	strv_uniq(&t->node.inputs);
	return 0;
}

/* Refuse an input whose NAR hash is not the one in the request, if the request has one. */
static int check_request_hashes(const struct build_target *t, struct caches *c, struct err *e)
{
	for (size_t i = 0; i < t->request.n_inputs; i++) {
		const struct req_input *in = &t->request.inputs[i];
		scoped_free char *path = str_fmt(e, "%s/%s", c->store_dir, in->path);
		char is[HASH_TEXT_MAX];

		if (!path)
			return -1;
		if (!in->nar_hash)
			continue;
		hash_print(&cache_find(c->set, path)->info.nar_hash, HASH_NIX32, true, is);
		if (!str_eq(is, in->nar_hash))
			return err_set(e, ERR_INPUT,
				       "the request wants '%s' with the hash '%s', and '%s' has it "
				       "with '%s'",
				       path, in->nar_hash, cache_find(c->set, path)->from, is);
	}
	return 0;
}

static int plan_request(struct build_target *t, const struct build_source *source, struct caches *c,
			struct err *e)
{
	struct build_node *n = &t->node;

	if (list_request(t, c, e) < 0 ||
	    (n->inputs.n && source->query(source->ctx, &n->inputs, e) < 0))
		return -1;
	if (strv_copy(&t->fetch, &n->inputs, e) < 0 ||
	    caches_closure(c, &t->fetch, &t->known, e) < 0 || check_request_hashes(t, c, e) < 0)
		return -1;
	n->drv = TAKE(t->drv, (struct drv)DRV_INIT);
	n->build = true;
	for (size_t i = 0; i < n->drv.n_outputs; i++)
		if (strv_add(&n->wanted, n->drv.outputs[i].name, e) < 0)
			return -1;
	t->one[0] = n;
	t->builds = t->one;
	t->n_builds = 1;
	return 0;
}

int target_plan(struct build_target *t, const struct build_source *source, struct caches *c,
		bool recursive, struct err *e)
{
	if (t->is_request)
		return plan_request(t, source, c, e);
	c->read_ahead = true;
	t->graph = build_graph_new(source, c->store_dir, e);
	if (!t->graph || build_graph_plan(t->graph, &t->drv, recursive, e) < 0 ||
	    build_graph_check(t->graph, e) < 0 ||
	    caches_closure(c, &t->graph->fetch, &t->fetch, e) < 0 ||
	    strv_copy(&t->known, &t->fetch, e) < 0)
		return -1;
	t->builds = t->graph->builds;
	t->n_builds = t->graph->n_builds;
	return 0;
}

/* ---- can it be built here ---- */

static int check_node(const struct build_node *n, const struct decide_here *here, struct err *e)
{
	scoped_attrs struct attrs a = ATTRS_INIT;
	scoped_buf struct buf why = BUF_INIT(ERR_MSG_MAX);
	scoped_try struct proto_try t = PROTO_TRY_INIT;
	enum decision d;

	t.system = str_dup(n->drv.system, e);
	if (!t.system || attrs_open(&a, &n->drv, e) < 0 ||
	    attrs_list(&a, "requiredSystemFeatures", &t.features, e) < 0 ||
	    decide(here, &t, &n->drv, &d, &why, e) < 0)
		return -1;
	if (d == DECIDE_ACCEPT)
		return 0;
	return err_set(e, ERR_INPUT, "'%s' cannot be built here: %s", n->drv.path, why.data);
}

int target_check(const struct build_target *t, const struct decide_here *here, struct err *e)
{
	for (size_t i = 0; i < t->n_builds; i++)
		if (check_node(t->builds[i], here, e) < 0)
			return -1;
	return 0;
}
