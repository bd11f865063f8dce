/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/request/make.h"

#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* The inputs of one derivation, while they are collected. */
struct finder {
	struct store *st;
	bool unbuilt;        /* an input that is not valid is no error */
	struct strv valid;   /* valid inputs */
	struct strv invalid; /* inputs that are not valid; with `unbuilt` only */
};

static void finder_done(struct finder *f)
{
	strv_done(&f->valid);
	strv_done(&f->invalid);
}
#define scoped_finder __attribute__((cleanup(finder_done)))

/* Add PATH. Returns 1: it is added; 0: it is not valid, which is an error; -1: *E. */
static int add_path(struct finder *f, const char *path, struct err *e)
{
	int valid = store_is_valid(f->st, path, e);

	if (valid < 0 || (!valid && !f->unbuilt))
		return valid;
	return strv_add(valid ? &f->valid : &f->invalid, path, e) < 0 ? -1 : 1;
}

/* Add the path of output NAME of the input derivation D. */
static int add_output(struct finder *f, const struct drv *d, const char *name, struct err *e)
{
	const struct drv_output *o = drv_output(d, name);

	if (!o)
		return err_set(e, ERR_INPUT, "derivation '%s' has no output '%s'", d->path, name);
	if (!o->path)
		return err_set(e, ERR_INPUT,
			       "the path of output '%s' of '%s' is known only after its build; "
			       "let Nix resolve the derivation first",
			       name, d->path);
	int rc = add_path(f, o->path, e);
	if (rc == 0)
		return err_set(e, ERR_INPUT,
			       "input '%s' is not valid; make it by: nix-store --realise '%s!%s'",
			       o->path, d->path, name);
	return rc < 0 ? -1 : 0;
}

static int add_input(struct finder *f, const struct drv_input *in, struct err *e)
{
	scoped_drv struct drv d = DRV_INIT;

	if (in->node.n_dynamic)
		return err_set(e, ERR_INPUT,
			       "input '%s' makes derivations that are inputs, too; let Nix resolve "
			       "the derivation first",
			       in->path);
	scoped_free char *real = store_real_path(f->st, in->path, e);
	if (!real || drv_read(in->path, real, f->st->dir, &d, e) < 0)
		return -1;
	for (size_t i = 0; i < in->node.outputs.n; i++)
		if (add_output(f, &d, in->node.outputs.items[i], e) < 0)
			return -1;
	return 0;
}

static int add_sources(struct finder *f, const struct drv *d, struct err *e)
{
	for (size_t i = 0; i < d->srcs.n; i++) {
		int rc = add_path(f, d->srcs.items[i], e);

		if (rc == 0)
			return err_set(e, ERR_INPUT, "path '%s' is not valid", d->srcs.items[i]);
		if (rc < 0)
			return -1;
	}
	return 0;
}

int input_closure(const struct drv *d, struct store *st, bool unbuilt, struct strv *ret,
		  struct err *e)
{
	scoped_finder struct finder f = {.st = st, .unbuilt = unbuilt};

	if (add_sources(&f, d, e) < 0)
		return -1;
	for (size_t i = 0; i < d->n_inputs; i++)
		if (add_input(&f, &d->inputs[i], e) < 0)
			return -1;
	strv_sort(&f.valid);
	strv_uniq(&f.valid);
	if (f.valid.n && store_closure(st, &f.valid, ret, e) < 0)
		return -1;
	if (strv_copy(ret, &f.invalid, e) < 0)
		return -1;
	strv_sort(ret);
	strv_uniq(ret);
	return 0;
}
