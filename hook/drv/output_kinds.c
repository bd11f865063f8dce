/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The meaning of a derivation's fields, as in Nix's parseDerivationOutput() and
 * BasicDerivation::type(). The three fields of an output (path, algorithm, hash) tell its kind:
 *
 *	path  -     -         input-addressed
 *	-     -     -         deferred: input-addressed, when an input's path is known
 *	path  algo  hash      fixed
 *	-     algo  -         floating
 *	-     algo  "impure"  impure
 *
 * Nix never uses the path field of a fixed output: it computes the path from the name, the method
 * and the hash. A derivation whose field says something else is refused, so that no code trusts the
 * field.
 */
#include "hook/drv/derivation_internal.h"

#include <stdlib.h>
#include <string.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define HASH_IMPURE "impure"

/* Check an output's name. It ends the name of a store path, so the same bytes are allowed. */
static int check_output_name(const char *name, struct err *e)
{
	if (str_eq(name, "drv")) /* Nix also refuses it: "<name>.drv" is the derivation itself */
		return err_set(e, ERR_INPUT, "invalid derivation output name 'drv'");
	if (storepath_check_name(name, strlen(name), e) < 0)
		return err_wrap(e, "invalid derivation output name");
	return 0;
}

static int parse_method(struct drv_output *o, struct err *e)
{
	static const struct {
		const char *prefix;
		enum ca_method method;
	} methods[] = {{"r:", CA_NAR}, {"text:", CA_TEXT}, {"git:", CA_GIT}};
	const char *algo = o->hash_algo;

	o->method = CA_FLAT;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (str_starts(algo, methods[i].prefix)) {
			o->method = methods[i].method;
			algo += strlen(methods[i].prefix);
			break;
		}
	}
	if (!hash_algo_parse(algo, strlen(algo), &o->algo))
		return err_set(e, ERR_INPUT, "unknown hash algorithm '%s', expect " HASH_ALGO_NAMES,
			       algo);
	return 0;
}

static int check_fixed(const struct drv *d, struct drv_output *o, const char *store_dir,
		       struct err *e)
{
	char hex[HASH_TEXT_MAX];
	scoped_free char *name = NULL;

	o->kind = DRV_FIXED;
	if (hash_parse(o->hash_text, strlen(o->hash_text), o->algo, &o->hash, e) < 0)
		return -1;
	hash_print(&o->hash, HASH_BASE16, false, hex);
	if (!str_eq(hex, o->hash_text))
		return err_set(e, ERR_INPUT, "hash '%s' of output '%s' is not in base 16",
			       o->hash_text, o->name);
	if (!str_eq(o->name, "out"))
		return 0; /* drv_check() refuses it with Nix's words */
	name = storepath_output_name(d->name, o->name, e);
	if (!name)
		return -1;
	const struct ca_contents c = {.method = o->method, .hash = o->hash};
	o->path = storepath_make_ca(&c, store_dir, name, e);
	if (!o->path)
		return -1;
	if (!str_eq(o->path, o->path_text))
		return err_set(e, ERR_INPUT,
			       "it has incorrect output '%s', should be '%s' for its hash",
			       o->path_text, o->path);
	return 0;
}

static int check_input_addressed(const struct drv *d, struct drv_output *o, const char *store_dir,
				 struct err *e)
{
	scoped_free char *name = storepath_output_name(d->name, o->name, e);
	const char *base;

	o->kind = DRV_INPUT_ADDRESSED;
	if (!name || storepath_check(o->path_text, store_dir, &base, e) < 0)
		return -1;
	if (!str_eq(storepath_name(base), name))
		return err_set(e, ERR_INPUT, "path '%s' of output '%s' is not called '%s'",
			       o->path_text, o->name, name);
	o->path = str_dup(o->path_text, e);
	return o->path ? 0 : -1;
}

static int check_output(const struct drv *d, struct drv_output *o, const char *store_dir,
			struct err *e)
{
	bool has_path = o->path_text[0], has_algo = o->hash_algo[0], has_hash = o->hash_text[0];

	if (check_output_name(o->name, e) < 0)
		return -1;
	if (has_path && o->path_text[0] != '/')
		return err_set(e, ERR_INPUT, "bad path '%s' in derivation", o->path_text);
	if (!has_algo && has_hash)
		return err_set(e, ERR_INPUT, "output '%s' has a hash without an algorithm",
			       o->name);
	if (!has_algo && has_path)
		return check_input_addressed(d, o, store_dir, e);
	if (!has_algo) {
		o->kind = DRV_DEFERRED;
		return 0;
	}
	if (parse_method(o, e) < 0)
		return -1;
	if (has_hash && !str_eq(o->hash_text, HASH_IMPURE)) {
		if (!has_path)
			return err_set(e, ERR_INPUT, "bad path '' in derivation");
		return check_fixed(d, o, store_dir, e);
	}
	o->kind = has_hash ? DRV_IMPURE : DRV_FLOATING;
	if (has_path)
		return err_set(e, ERR_INPUT, "%s derivation output should not specify output path",
			       has_hash ? "impure" : "content-addressing");
	return 0;
}

static int check_outputs_together(const struct drv *d, struct err *e)
{
	const struct drv_output *first = d->outputs;

	if (d->n_outputs == 0)
		return err_set(e, ERR_INPUT, "must have at least one output");
	for (size_t i = 1; i < d->n_outputs; i++) {
		if (d->outputs[i].kind != first->kind)
			return err_set(e, ERR_INPUT, "can't mix derivation output types");
		if (first->kind == DRV_FIXED)
			return err_set(e, ERR_INPUT, "only one fixed output is allowed for now");
		if (first->kind == DRV_FLOATING && d->outputs[i].algo != first->algo)
			return err_set(e, ERR_INPUT,
				       "all floating outputs must use the same hash algorithm");
	}
	if (first->kind == DRV_FIXED && !str_eq(first->name, "out"))
		return err_set(e, ERR_INPUT, "single fixed output must be named \"out\"");
	return 0;
}

/* Check the names of outputs on all levels, which are at most DRV_DYNAMIC_DEPTH_MAX. */
static int check_node(const struct drv_node *n, struct err *e)
{
	for (size_t i = 0; i < n->outputs.n; i++)
		if (check_output_name(n->outputs.items[i], e) < 0)
			return -1;
	for (size_t i = 0; i < n->n_dynamic; i++)
		if (check_output_name(n->dynamic[i].output, e) < 0 ||
		    check_node(&n->dynamic[i].node, e) < 0)
			return -1;
	return 0;
}

static int check_inputs(const struct drv *d, const char *store_dir, struct err *e)
{
	const char *base;

	for (size_t i = 0; i < d->n_inputs; i++) {
		const struct drv_input *in = &d->inputs[i];

		if (storepath_check(in->path, store_dir, &base, e) < 0)
			return -1;
		if (!str_ends(base, ".drv"))
			return err_set(e, ERR_INPUT, "input '%s' is not a derivation", in->path);
		if (check_node(&in->node, e) < 0)
			return err_wrap(e, "of input '%s'", in->path);
	}
	for (size_t i = 0; i < d->srcs.n; i++)
		if (storepath_check(d->srcs.items[i], store_dir, &base, e) < 0)
			return -1;
	return 0;
}

int drv_check(struct drv *d, const char *store_dir, struct err *e)
{
	for (size_t i = 0; i < d->n_outputs; i++)
		if (check_output(d, &d->outputs[i], store_dir, e) < 0)
			return -1;
	if (check_outputs_together(d, e) < 0)
		return -1;
	if (d->system[0] == '\0' || d->builder[0] == '\0')
		return err_set(e, ERR_INPUT, "required attribute '%s' missing",
			       d->system[0] ? "builder" : "system");
	return check_inputs(d, store_dir, e);
}
