/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules for a request. tvix's and snix's build service has the rules on sorted lists and clean
 * paths. A bundle needs more: no path leads out of the bundle, no scratch path lies in another one,
 * and no file lies among the inputs.
 */
#include "specgen/request.h"

#include <stdlib.h>
#include <string.h>

#include "nar/base/scope.h"
#include "specgen/request_internal.h"

#include "nar/base/banned.h"

#define COMPONENT_MAX 255
#define PATH_BYTES_MAX 4095
#define NAR_HASH_PREFIX "sha256:"
#define NAR_HASH_DIGITS 52
#define NEEDLE_LEN 32
#define MODE_BITS 0777u

/* Refuse FIELD, or its element I if I is not REQ_WHOLE. */
static int refuse(struct err *e, const char *field, size_t i, const char *why, const char *what)
{
	if (i == REQ_WHOLE)
		return err_set(e, ERR_INPUT, "request: %s: %s: '%.200s'", field, why, what);
	return err_set(e, ERR_INPUT, "request: %s at position %zu: %s: '%.200s'", field, i, why,
		       what);
}

bool req_component_ok(const char *s, size_t len)
{
	return len >= 1 && len <= COMPONENT_MAX && !memchr(s, '/', len) && !memchr(s, '\0', len) &&
	       !(len == 1 && s[0] == '.') && !(len == 2 && s[0] == '.' && s[1] == '.');
}

bool req_path_ok(const char *path)
{
	const char *p = path;

	if (strlen(path) > PATH_BYTES_MAX)
		return false;
	for (;;) {
		size_t n = strcspn(p, "/");
		if (!req_component_ok(p, n))
			return false;
		if (!p[n])
			return true;
		p += n + 1;
	}
}

/* Tell whether PATH is DIR or lies below it. */
static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static const char *scratch_of(const struct request *r, const char *path)
{
	for (size_t i = 0; i < r->scratch_paths.n; i++)
		if (is_below(path, r->scratch_paths.items[i]))
			return r->scratch_paths.items[i];
	return NULL;
}

static bool only_of(const char *s, size_t len, const char *set)
{
	return strlen(s) == len && strspn(s, set) == len;
}

static bool is_nix32(const char *s, size_t len)
{
	return only_of(s, len, "0123456789abcdfghijklmnpqrsvwxyz");
}

static int check_scalars(const struct request *r, struct err *e)
{
	if (!r->name || !req_component_ok(r->name, strlen(r->name)))
		return refuse(e, "name", REQ_WHOLE, "not a file name", r->name ? r->name : "");
	if (r->args.n == 0 || !r->args.items[0][0])
		return refuse(e, "command_args", REQ_WHOLE, "no builder to run", "");
	if (!r->inputs_dir || !req_path_ok(r->inputs_dir))
		return refuse(e, "inputs_dir", REQ_WHOLE, "not a clean relative path",
			      r->inputs_dir ? r->inputs_dir : "");
	if (!r->working_dir || !req_path_ok(r->working_dir))
		return refuse(e, "working_dir", REQ_WHOLE, "not a clean relative path",
			      r->working_dir ? r->working_dir : "");
	if (!scratch_of(r, r->working_dir))
		return refuse(e, "working_dir", REQ_WHOLE, "not in a scratch path", r->working_dir);
	return 0;
}

static int check_scratch_paths(const struct request *r, struct err *e)
{
	for (size_t i = 0; i < r->scratch_paths.n; i++) {
		const char *path = r->scratch_paths.items[i];
		if (!req_path_ok(path))
			return refuse(e, "scratch_paths", i, "not a clean relative path", path);
		if (i && strcmp(r->scratch_paths.items[i - 1], path) >= 0)
			return refuse(e, "scratch_paths", i, "not sorted", path);
		for (size_t k = 0; k < i; k++)
			if (is_below(path, r->scratch_paths.items[k]))
				return refuse(e, "scratch_paths", i, "lies in another scratch path",
					      path);
	}
	return 0;
}

static int check_inputs(const struct request *r, struct err *e)
{
	for (size_t i = 0; i < r->n_inputs; i++) {
		const struct req_input *in = &r->inputs[i];
		if (!req_component_ok(in->path, strlen(in->path)))
			return refuse(e, "inputs", i, "path is not a file name", in->path);
		if (i && strcmp(r->inputs[i - 1].path, in->path) >= 0)
			return refuse(e, "inputs", i, "not sorted by path", in->path);
		if (in->source && in->source[0] != '/')
			return refuse(e, "inputs", i, "source is not absolute", in->source);
		if (in->nar_hash &&
		    !(str_starts(in->nar_hash, NAR_HASH_PREFIX) &&
		      is_nix32(in->nar_hash + strlen(NAR_HASH_PREFIX), NAR_HASH_DIGITS)))
			return refuse(e, "inputs", i, "nar_hash is not sha256:<nix32>",
				      in->nar_hash);
	}
	return 0;
}

static int output_cmp(const void *pa, const void *pb)
{
	const struct req_output *const *a = pa, *const *b = pb;
	int c = strcmp((*a)->name, (*b)->name);

	return c ? c : (*a > *b) - (*a < *b);
}

/* Refuse two outputs of one name. Sort them to find these, because there may be very many. */
static int check_output_names(const struct request *r, struct err *e)
{
	scoped_free const struct req_output **by_name = mem_new(r->n_outputs, sizeof *by_name, e);

	if (!by_name)
		return -1;
	for (size_t i = 0; i < r->n_outputs; i++)
		by_name[i] = &r->outputs[i];
	qsort(by_name, r->n_outputs, sizeof *by_name, output_cmp);
	for (size_t i = 1; i < r->n_outputs; i++)
		if (str_eq(by_name[i - 1]->name, by_name[i]->name))
			return refuse(e, "outputs", (size_t)(by_name[i] - r->outputs),
				      "name stands twice", by_name[i]->name);
	return 0;
}

static int check_outputs(const struct request *r, struct err *e)
{
	for (size_t i = 0; i < r->n_outputs; i++) {
		const struct req_output *o = &r->outputs[i];
		const char *scratch;
		if (!req_component_ok(o->name, strlen(o->name)))
			return refuse(e, "outputs", i, "name is not a file name", o->name);
		if (!req_path_ok(o->path))
			return refuse(e, "outputs", i, "not a clean relative path", o->path);
		if (i && strcmp(r->outputs[i - 1].path, o->path) >= 0)
			return refuse(e, "outputs", i, "not sorted by path", o->path);
		scratch = scratch_of(r, o->path);
		if (!scratch || str_eq(scratch, o->path))
			return refuse(e, "outputs", i, "not below a scratch path", o->path);
	}
	return check_output_names(r, e);
}

static int check_env(const struct request *r, struct err *e)
{
	for (size_t i = 0; i < r->n_env; i++) {
		const struct req_env *v = &r->env[i];
		if (!v->key[0] || strchr(v->key, '='))
			return refuse(e, "environment_vars", i, "not a name of a variable", v->key);
		if (i && strcmp(r->env[i - 1].key, v->key) >= 0)
			return refuse(e, "environment_vars", i, "not sorted by key", v->key);
		if (memchr(v->value, '\0', v->value_len))
			return refuse(e, "environment_vars", i, "the value holds a NUL", v->key);
	}
	return 0;
}

static int check_files(const struct request *r, struct err *e)
{
	for (size_t i = 0; i < r->n_files; i++) {
		const struct req_file *f = &r->files[i];
		if (!req_path_ok(f->path))
			return refuse(e, "additional_files", i, "not a clean relative path",
				      f->path);
		if (i && strcmp(r->files[i - 1].path, f->path) >= 0)
			return refuse(e, "additional_files", i, "not sorted by path", f->path);
		if (is_below(f->path, r->inputs_dir))
			return refuse(e, "additional_files", i, "lies in inputs_dir", f->path);
		if (f->mode & ~MODE_BITS)
			return refuse(e, "additional_files", i, "mode has more than 0777", f->path);
	}
	return 0;
}

/* Tell whether S is a size as tmpfs takes it, without bytes that would end the option. */
static bool shm_size_ok(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	return digits >= 1 && digits <= 18 &&
	       (s[digits] == '\0' || (strchr("kKmMgG%", s[digits]) && s[digits + 1] == '\0'));
}

static int check_constraints(const struct request *r, struct err *e)
{
	if (!r->constraints.system || !r->constraints.system[0])
		return refuse(e, "constraints.system", REQ_WHOLE, "missing", "");
	if (r->constraints.shm_size && !shm_size_ok(r->constraints.shm_size))
		return refuse(e, "constraints.shm_size", REQ_WHOLE, "not a size such as 64m or 50%",
			      r->constraints.shm_size);
	for (size_t i = 0; i < r->constraints.n_host_paths; i++) {
		const struct req_host_path *h = &r->constraints.host_paths[i];
		if (h->target[0] != '/' || !req_path_ok(h->target + 1))
			return refuse(e, "constraints.host_paths", i,
				      "target is not a clean absolute path", h->target);
		if (h->source[0] != '/')
			return refuse(e, "constraints.host_paths", i, "source is not absolute",
				      h->source);
		if (i && strcmp(r->constraints.host_paths[i - 1].target, h->target) >= 0)
			return refuse(e, "constraints.host_paths", i, "not sorted by target",
				      h->target);
	}
	return 0;
}

static int check_needles(const struct request *r, struct err *e)
{
	for (size_t i = 0; i < r->needles.n; i++)
		if (!is_nix32(r->needles.items[i], NEEDLE_LEN))
			return refuse(e, "refscan_needles", i, "not 32 digits of nixbase32",
				      r->needles.items[i]);
	return 0;
}

int req_check(const struct request *r, struct err *e)
{
	if (check_scratch_paths(r, e) < 0 || check_scalars(r, e) < 0 || check_inputs(r, e) < 0 ||
	    check_outputs(r, e) < 0 || check_env(r, e) < 0 || check_files(r, e) < 0 ||
	    check_constraints(r, e) < 0 || check_needles(r, e) < 0)
		return -1;
	return 0;
}
