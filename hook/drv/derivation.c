/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/drv/derivation.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "hook/drv/attrs.h"
#include "hook/drv/derivation_internal.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define DRV_SUFFIX ".drv"

int drv_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int c = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return c ? c : a_len < b_len ? -1 : a_len > b_len;
}

/* At most DRV_DYNAMIC_DEPTH_MAX deep. */
void drv_node_done(struct drv_node *n)
{
	strv_done(&n->outputs);
	for (size_t i = 0; i < n->n_dynamic; i++) {
		free(n->dynamic[i].output);
		drv_node_done(&n->dynamic[i].node);
	}
	free(n->dynamic);
	*n = (struct drv_node){STRV_INIT, NULL, 0};
}

void drv_done(struct drv *d)
{
	for (size_t i = 0; i < d->n_outputs; i++) {
		struct drv_output *o = &d->outputs[i];

		free(o->name);
		free(o->path);
		free(o->hash_algo);
		free(o->hash_text);
		free(o->path_text);
	}
	for (size_t i = 0; i < d->n_inputs; i++) {
		free(d->inputs[i].path);
		drv_node_done(&d->inputs[i].node);
	}
	for (size_t i = 0; i < d->n_env; i++) {
		free(d->env[i].key);
		free(d->env[i].value);
	}
	free(d->path);
	free(d->name);
	free(d->outputs);
	free(d->inputs);
	strv_done(&d->srcs);
	free(d->system);
	free(d->builder);
	strv_done(&d->args);
	free(d->env);
	*d = (struct drv)DRV_INIT;
}

const char *drv_env(const struct drv *d, const char *key, size_t *ret_len)
{
	size_t lo = 0, hi = d->n_env, len = strlen(key);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct drv_env *v = &d->env[mid];
		int c = drv_compare(v->key, v->key_len, key, len);

		if (c == 0) {
			if (ret_len)
				*ret_len = v->value_len;
			return v->value;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

bool drv_env_bool(const struct drv *d, const char *key)
{
	scoped_attrs struct attrs a = ATTRS_INIT;
	struct err ignored = ERR_INIT; /* what is no truth value is not true */
	bool v;

	return attrs_open(&a, d, &ignored) == 0 && attrs_bool(&a, key, false, &v, &ignored) == 0 &&
	       v;
}

const struct drv_output *drv_output(const struct drv *d, const char *name)
{
	size_t lo = 0, hi = d->n_outputs;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(d->outputs[mid].name, name);

		if (c == 0)
			return &d->outputs[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* Outputs are never of several kinds: drv_check(). */
bool drv_is_fixed(const struct drv *d)
{
	return d->outputs[0].kind == DRV_FIXED;
}

bool drv_is_impure(const struct drv *d)
{
	return d->outputs[0].kind == DRV_IMPURE;
}

bool drv_is_floating(const struct drv *d)
{
	return d->outputs[0].kind == DRV_FLOATING;
}

bool drv_paths_known(const struct drv *d)
{
	for (size_t i = 0; i < d->n_outputs; i++)
		if (!d->outputs[i].path)
			return false;
	return true;
}

/* The name of a derivation whose path is not known: what its attribute "name" says. */
static char *name_from_env(const struct drv *d, struct err *e)
{
	scoped_attrs struct attrs a = ATTRS_INIT;
	const char *name;

	if (attrs_open(&a, d, e) < 0)
		return NULL;
	name = attrs_text(&a, "name");
	if (!name) {
		err_set(e, ERR_INPUT, "it has no attribute 'name', and no store path to tell it");
		return NULL;
	}
	if (storepath_check_name(name, strlen(name), e) < 0)
		return NULL;
	return str_dup(name, e);
}

static char *name_from_path(const char *path, const char *store_dir, struct err *e)
{
	const char *base, *name;

	if (storepath_check(path, store_dir, &base, e) < 0)
		return NULL;
	name = storepath_name(base);
	if (!str_ends(name, DRV_SUFFIX) || str_eq(name, DRV_SUFFIX)) {
		err_set(e, ERR_INPUT, "its name does not end in '%s'", DRV_SUFFIX);
		return NULL;
	}
	return str_ndup(name, strlen(name) - strlen(DRV_SUFFIX), e);
}

static int parse(const char *text, size_t len, const char *path, const char *store_dir,
		 struct drv *ret, struct err *e)
{
	scoped_drv struct drv d = DRV_INIT;

	if (drv_parse_aterm(text, len, &d, e) < 0)
		return -1;
	d.name = path ? name_from_path(path, store_dir, e) : name_from_env(&d, e);
	if (!d.name)
		return -1;
	if (path && !(d.path = str_dup(path, e)))
		return -1;
	if (drv_check(&d, store_dir, e) < 0)
		return -1;
	*ret = TAKE(d, (struct drv)DRV_INIT);
	return 0;
}

int drv_parse(const char *text, size_t len, const char *path, const char *store_dir,
	      struct drv *ret, struct err *e)
{
	if (parse(text, len, path, store_dir, ret, e) == 0)
		return 0;
	if (path)
		return err_wrap(e, "error parsing derivation '%s'", path);
	return err_wrap(e, "error parsing derivation");
}

/* The path of a derivation's file follows from its bytes, so damage that still parses shows. */
static int check_own_path(const struct drv *d, const char *store_dir, struct err *e)
{
	scoped_free char *path = drv_text_path(d, store_dir, e);

	if (!path)
		return -1;
	if (!str_eq(path, d->path))
		return err_set(e, ERR_INPUT,
			       "derivation '%s' is damaged: its contents belong to '%s'", d->path,
			       path);
	return 0;
}

int drv_read(const char *path, const char *real_path, const char *store_dir, struct drv *ret,
	     struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(DRV_BYTES_MAX);
	scoped_drv struct drv d = DRV_INIT;

	if (io_read_file(AT_FDCWD, real_path ? real_path : path, &b, e) < 0)
		return err_wrap(e, "reading derivation '%s'", path);
	if (drv_parse(b.data, b.len, path, store_dir, &d, e) < 0 ||
	    check_own_path(&d, store_dir, e) < 0)
		return -1;
	*ret = TAKE(d, (struct drv)DRV_INIT);
	return 0;
}
