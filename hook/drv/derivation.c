/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/drv/derivation.h"

#include <stdlib.h>
#include <string.h>

#include "hook/drv/derivation_internal.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

int drv_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int c = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return c ? c : a_len < b_len ? -1 : a_len > b_len;
}

/* The recursion is at most DRV_DYNAMIC_DEPTH_MAX deep. */
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

/* The first output is enough: drv_check() refuses a derivation with outputs of several kinds. */
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
