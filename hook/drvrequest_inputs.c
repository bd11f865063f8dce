/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/drvrequest.h"

#include "nar/scope.h"

#include "nar/banned.h"

/* The path of output NAME of the input derivation D, which has to be valid. */
static int add_output(struct store *st, const struct drv *d, const char *name, struct strv *roots,
		      struct err *e)
{
	const struct drv_output *o = drv_output(d, name);
	int valid;

	if (!o)
		return err_set(e, ERR_INPUT, "derivation '%s' has no output '%s'", d->path, name);
	if (!o->path)
		return err_set(e, ERR_INPUT,
			       "the path of output '%s' of '%s' is known only after its build; "
			       "let Nix resolve the derivation first",
			       name, d->path);
	valid = store_is_valid(st, o->path, e);
	if (valid < 0)
		return -1;
	if (!valid)
		return err_set(e, ERR_INPUT,
			       "input '%s' is not valid; make it by: nix-store --realise '%s!%s'",
			       o->path, d->path, name);
	return strv_add(roots, o->path, e);
}

static int add_input(struct store *st, const struct drv_input *in, struct strv *roots,
		     struct err *e)
{
	scoped_drv struct drv d = DRV_INIT;

	if (in->node.n_dynamic)
		return err_set(e, ERR_INPUT,
			       "input '%s' makes derivations that are inputs, too; let Nix resolve "
			       "the derivation first",
			       in->path);
	scoped_free char *real = store_real_path(st, in->path, e);
	if (!real || drv_read(in->path, real, st->dir, &d, e) < 0)
		return -1;
	for (size_t i = 0; i < in->node.outputs.n; i++)
		if (add_output(st, &d, in->node.outputs.items[i], roots, e) < 0)
			return -1;
	return 0;
}

int drvrequest_inputs(const struct drv *d, struct store *st, struct strv *ret, struct err *e)
{
	scoped_strv struct strv roots = STRV_INIT;

	if (strv_copy(&roots, &d->srcs, e) < 0)
		return -1;
	for (size_t i = 0; i < d->n_inputs; i++)
		if (add_input(st, &d->inputs[i], &roots, e) < 0)
			return -1;
	strv_sort(&roots);
	strv_uniq(&roots);
	if (roots.n == 0)
		return 0;
	return store_closure(st, &roots, ret, e);
}
