/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/request/make.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hook/request/maker_internal.h"
#include "nar/base/scope.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

#define BUILD_DIR_DEFAULT "/build"
#define SHM_SIZE_DEFAULT "50%"
#define FEATURES_KEY "requiredSystemFeatures"

static const char *setting_or(const struct settings *s, const char *name, const char *def)
{
	const char *v = settings_get(s, name);

	return v && *v ? v : def;
}

/* Refuse a derivation that needs a part of Nix itself, which a container cannot give. */
static int refuse_nix_parts(const struct request_source *in, const struct strv *features,
			    struct err *e)
{
	const struct drv *d = in->drv;
	const char *name = d->path ? d->path : d->name;

	if (drv_is_builtin(d) && (!in->builtin || !builtin_name(d)))
		return err_set(e, ERR_INPUT,
			       "derivation '%s' has the builder '%s', which is a part of Nix", name,
			       d->builder);
	if (strv_has(features, "recursive-nix"))
		return err_set(e, ERR_INPUT,
			       "derivation '%s' requires the feature 'recursive-nix', which only "
			       "Nix itself can give",
			       name);
	return 0;
}

static int set_build_dir(struct maker *m, struct err *e)
{
	const char *dir = setting_or(m->in->settings, "sandbox-build-dir", BUILD_DIR_DEFAULT);
	const char *store_dir = m->in->store->dir;

	m->build_dir = clean_absolute(dir, e);
	if (!m->build_dir)
		return err_wrap(e, "setting 'sandbox-build-dir'");
	if (str_eq(m->build_dir, "/"))
		return err_set(e, ERR_INPUT, "setting 'sandbox-build-dir': must not be '/'");
	if (str_starts(store_dir, m->build_dir))
		return err_set(e, ERR_INPUT, "`sandbox-build-dir` must not contain the storeDir");
	return 0;
}

static int add_dirs(struct maker *m, struct err *e)
{
	struct request *r = m->r;

	r->name = str_dup(m->in->drv->name, e);
	if (!r->name)
		return -1;
	r->working_dir = str_dup(m->build_dir + 1, e);
	if (!r->working_dir)
		return -1;
	r->inputs_dir = str_dup(m->in->store->dir + 1, e);
	if (!r->inputs_dir)
		return -1;
	if (strv_add(&r->scratch_paths, r->working_dir, e) < 0 ||
	    strv_add(&r->scratch_paths, r->inputs_dir, e) < 0)
		return -1;
	return 0;
}

/*
 * Add builder and arguments as Nix passes them to execve(2): placeholders are replaced in
 * arguments, not in the builder.
 */
static int add_args(struct maker *m, struct err *e)
{
	const struct drv *d = m->in->drv;
	size_t len = strlen(d->builder);

	/* argv[0] is the base name as Nix computes it: of "/a/b//" it is "b". */
	while (len > 1 && d->builder[len - 1] == '/')
		len--;
	scoped_free char *trimmed = str_ndup(d->builder, len, e);
	if (!trimmed)
		return -1;
	m->r->argv0 = str_dup(str_base(trimmed), e);
	if (!m->r->argv0 || strv_add(&m->r->args, d->builder, e) < 0)
		return -1;
	for (size_t i = 0; i < d->args.n; i++) {
		scoped_buf struct buf b = BUF_INIT(REQ_JSON_MAX);
		const char *arg = d->args.items[i];

		if (rewrite(&m->rewrites, arg, strlen(arg), &b, e) < 0 ||
		    strv_take(&m->r->args, buf_steal(&b, e), e) < 0)
			return -1;
	}
	return 0;
}

/* Make the hash in PATH, a full store path, one of the request's needles. */
static int add_needle(struct maker *m, const char *path, struct err *e)
{
	return strv_addn(&m->r->needles, str_base(path), STORE_HASH_LEN, e);
}

static int add_outputs(struct maker *m, struct err *e)
{
	const struct drv *d = m->in->drv;

	for (size_t i = 0; i < d->n_outputs; i++) {
		const struct drv_output *o = &d->outputs[i];
		scoped_free char *path = drv_build_path(d, o, m->in->store->dir, e);

		if (!path || req_add_output(m->r, o->name, path + 1, e) < 0 ||
		    add_needle(m, path, e) < 0)
			return -1;
		if (o->path && strv_add(&m->own_outputs, o->path, e) < 0)
			return -1;
	}
	strv_sort(&m->own_outputs);
	return 0;
}

static int add_inputs(struct maker *m, struct err *e)
{
	const struct store *st = m->in->store;

	for (size_t i = 0; i < m->in->inputs->n; i++) {
		const char *path = m->in->inputs->items[i], *base;

		if (storepath_check(path, st->dir, &base, e) < 0)
			return err_wrap(e, "inputs of the build");
		if (strv_has_sorted(&m->own_outputs, path))
			continue;
		scoped_free char *real = store_real_path(st, path, e);
		if (!real || req_add_input(m->r, base, real, NULL, e) < 0 ||
		    add_needle(m, path, e) < 0)
			return -1;
	}
	return 0;
}

/*
 * Tell whether this machine offers the feature kvm. Without a setting that names features, Nix's
 * default has it if Nix may use the device.
 */
static int machine_has_kvm(const struct store *st, const struct settings *s, bool *ret,
			   struct err *e)
{
	scoped_strv struct strv features = STRV_INIT;

	if (!st->system_features && !settings_get(s, "system-features")) {
		*ret = access("/dev/kvm", R_OK | W_OK) == 0;
		return 0;
	}
	if (store_features(st, s, &features, e) < 0)
		return -1;
	*ret = strv_has(&features, "kvm");
	return 0;
}

static int add_constraints(struct maker *m, const struct strv *features, struct err *e)
{
	struct request *r = m->r;

	r->constraints.system = str_dup(m->in->drv->system, e);
	if (!r->constraints.system)
		return -1;
	r->constraints.network = drv_has_network(m->in->drv);
	r->constraints.uid_range = strv_has(features, "uid-range");
	r->constraints.shm_size =
		str_dup(setting_or(m->in->settings, "sandbox-dev-shm-size", SHM_SIZE_DEFAULT), e);
	if (!r->constraints.shm_size)
		return -1;
	return machine_has_kvm(m->in->store, m->in->settings, &r->constraints.kvm, e);
}

static int add_command(struct maker *m, struct err *e)
{
	if (!drv_is_builtin(m->in->drv))
		return add_args(m, e) < 0 ? -1 : maker_add_env(m, e);
	return maker_add_builtin(m, e) < 0 ? -1 : maker_add_builtin_program(m, e);
}

int request_make(const struct request_source *in, struct request *ret, struct err *e)
{
	scoped_request struct request r = {0};
	scoped_maker struct maker m = {in, &r, ATTRS_INIT, {NULL, 0}, STRV_INIT, NULL};
	scoped_strv struct strv features = STRV_INIT;

	if (attrs_open(&m.attrs, in->drv, e) < 0 ||
	    attrs_list(&m.attrs, FEATURES_KEY, &features, e) < 0 ||
	    refuse_nix_parts(in, &features, e) < 0)
		return -1;
	if (set_build_dir(&m, e) < 0 || add_dirs(&m, e) < 0 ||
	    rewrites_of(in->drv, in->store->dir, &m.rewrites, e) < 0)
		return -1;
	if (add_outputs(&m, e) < 0 || add_inputs(&m, e) < 0 ||
	    add_constraints(&m, &features, e) < 0 || maker_add_host_paths(&m, e) < 0 ||
	    add_command(&m, e) < 0)
		return -1;
	req_sort(&r);
	if (req_check(&r, e) < 0)
		return -1;
	*ret = r;
	r = (struct request){0};
	return 0;
}
