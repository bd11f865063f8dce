/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "specgen/request.h"

#include <stdlib.h>
#include <string.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

/*
 * Any list of a request: objects of SIZE bytes whose key is a string at offset KEY. The list is
 * always sorted by key; to add objects in that order, as from a sorted derivation, moves nothing.
 */
struct table {
	void **items;
	size_t *n;
	size_t size;
	size_t key;
};

static void *item(const struct table *t, size_t i)
{
	return (char *)*t->items + i * t->size;
}

static const char *key_of(const struct table *t, const void *object)
{
	const char *s;

	memcpy(&s, (const char *)object + t->key, sizeof s);
	return s;
}

/* Returns the index of the first object whose key is not before KEY. */
static size_t place(const struct table *t, const char *key)
{
	size_t low = 0, high = *t->n;

	if (high && strcmp(key_of(t, item(t, high - 1)), key) < 0)
		return high;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (strcmp(key_of(t, item(t, mid)), key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/*
 * Put OBJECT in its place. *RET_OLD becomes the object that had the same key, for the caller to
 * free, or zeroes. The capacity is N rounded up to a power of two, so it is not stored.
 */
static int put(const struct table *t, const void *object, void *ret_old, struct err *e)
{
	size_t at = place(t, key_of(t, object)), n = *t->n;

	memset(ret_old, 0, t->size);
	if (at < n && str_eq(key_of(t, item(t, at)), key_of(t, object))) {
		memcpy(ret_old, item(t, at), t->size);
		memcpy(item(t, at), object, t->size);
		return 0;
	}
	if ((n & (n - 1)) == 0) {
		size_t cap = n;
		if (mem_grow(t->items, &cap, n ? n * 2 : 1, t->size, e) < 0)
			return -1;
	}
	memmove(item(t, at + 1), item(t, at), (n - at) * t->size);
	memcpy(item(t, at), object, t->size);
	*t->n = n + 1;
	return 0;
}

static void input_done(struct req_input *i)
{
	free(i->path);
	free(i->source);
	free(i->nar_hash);
}

static void env_done(struct req_env *v)
{
	free(v->key);
	free(v->value);
}

static void file_done(struct req_file *f)
{
	free(f->path);
	free(f->contents);
}

static void output_done(struct req_output *o)
{
	free(o->name);
	free(o->path);
}

static void host_path_done(struct req_host_path *h)
{
	free(h->target);
	free(h->source);
}

/* Copy S, which may be NULL. */
static int copy_opt(char **ret, const char *s, struct err *e)
{
	if (!s)
		return 0;
	*ret = str_dup(s, e);
	return *ret ? 0 : -1;
}

int req_add_input(struct request *r, const char *base, const char *source, const char *nar_hash,
		  struct err *e)
{
	struct table t = {(void **)&r->inputs, &r->n_inputs, sizeof *r->inputs,
			  offsetof(struct req_input, path)};
	struct req_input in = {0}, old;

	if (copy_opt(&in.path, base, e) < 0 || copy_opt(&in.source, source, e) < 0 ||
	    copy_opt(&in.nar_hash, nar_hash, e) < 0 || put(&t, &in, &old, e) < 0) {
		input_done(&in);
		return -1;
	}
	input_done(&old);
	return 0;
}

int req_set_env(struct request *r, const char *key, const char *value, size_t len, struct err *e)
{
	struct table t = {(void **)&r->env, &r->n_env, sizeof *r->env,
			  offsetof(struct req_env, key)};
	struct req_env v = {str_dup(key, e), NULL, len}, old;

	if (!v.key)
		return -1;
	v.value = str_ndup(value, len, e);
	if (!v.value || put(&t, &v, &old, e) < 0) {
		env_done(&v);
		return -1;
	}
	env_done(&old);
	return 0;
}

int req_add_file(struct request *r, const char *path, uint32_t mode, const void *contents,
		 size_t len, struct err *e)
{
	struct table t = {(void **)&r->files, &r->n_files, sizeof *r->files,
			  offsetof(struct req_file, path)};
	struct req_file f = {str_dup(path, e), NULL, len, mode}, old;

	if (!f.path)
		return -1;
	f.contents = str_ndup(contents, len, e);
	if (!f.contents || put(&t, &f, &old, e) < 0) {
		file_done(&f);
		return -1;
	}
	file_done(&old);
	return 0;
}

int req_add_output(struct request *r, const char *name, const char *path, struct err *e)
{
	struct table t = {(void **)&r->outputs, &r->n_outputs, sizeof *r->outputs,
			  offsetof(struct req_output, path)};
	struct req_output o = {0}, old;

	if (copy_opt(&o.name, name, e) < 0 || copy_opt(&o.path, path, e) < 0 ||
	    put(&t, &o, &old, e) < 0) {
		output_done(&o);
		return -1;
	}
	output_done(&old);
	return 0;
}

int req_add_host_path(struct request *r, const char *target, const char *source, bool optional,
		      bool readonly, struct err *e)
{
	struct table t = {(void **)&r->constraints.host_paths, &r->constraints.n_host_paths,
			  sizeof *r->constraints.host_paths,
			  offsetof(struct req_host_path, target)};
	struct req_host_path h = {NULL, NULL, optional, readonly}, old;

	if (copy_opt(&h.target, target, e) < 0 || copy_opt(&h.source, source, e) < 0 ||
	    put(&t, &h, &old, e) < 0) {
		host_path_done(&h);
		return -1;
	}
	host_path_done(&old);
	return 0;
}

void req_sort(struct request *r)
{
	strv_sort(&r->scratch_paths);
	strv_uniq(&r->scratch_paths);
}

void req_done(struct request *r)
{
	for (size_t i = 0; i < r->n_inputs; i++)
		input_done(&r->inputs[i]);
	for (size_t i = 0; i < r->n_outputs; i++)
		output_done(&r->outputs[i]);
	for (size_t i = 0; i < r->n_env; i++)
		env_done(&r->env[i]);
	for (size_t i = 0; i < r->n_files; i++)
		file_done(&r->files[i]);
	for (size_t i = 0; i < r->constraints.n_host_paths; i++)
		host_path_done(&r->constraints.host_paths[i]);
	free(r->inputs);
	free(r->outputs);
	free(r->env);
	free(r->files);
	free(r->constraints.host_paths);
	free(r->name);
	free(r->argv0);
	free(r->working_dir);
	free(r->inputs_dir);
	free(r->constraints.system);
	free(r->constraints.shm_size);
	strv_done(&r->args);
	strv_done(&r->scratch_paths);
	strv_done(&r->needles);
	*r = (struct request){0};
}
