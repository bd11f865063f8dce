/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/outputs/outputs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hook/outputs/canon.h"
#include "hook/outputs/optimise.h"
#include "hook/outputs/outputs_internal.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/refscan.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

/* ---- which outputs are registered, and whether they exist ---- */

static int add_out(struct outputs *o, const struct outputs_job *job, const struct drv_output *decl,
		   struct err *e)
{
	struct output *out = &o->items[o->n];
	scoped_free char *made_up = NULL;

	if (decl->kind == DRV_FLOATING) {
		if (float_collect(o, job, decl, &made_up, e) < 0)
			return -1;
		if (!made_up)
			return 0;
	} else if (!decl->path) {
		return err_set(e, ERR_INPUT,
			       "the path of output '%s' of derivation '%s' is only known after the "
			       "build, which is not supported",
			       decl->name, job->drv->path);
	} else {
		int valid = store_is_valid(job->store, decl->path, e);
		if (valid)
			return valid < 0 ? -1 : 0;
	}
	*out = (struct output){.decl = decl, .path = decl->path, .dirfd = job->output_dirfd};
	if (made_up)
		out->path = out->made_up = TAKE(made_up, NULL);
	o->n++;
	if (storepath_check(out->path, job->store->dir, &out->base, e) < 0)
		return -1;
	out->what = str_fmt(e, "%s/%s", job->output_dir, out->base);
	return out->what ? 0 : -1;
}

/* Collect the outputs to register, in order of their names: wanted, and not valid yet. */
static int collect(struct outputs *o, const struct outputs_job *job, struct err *e)
{
	const struct drv *d = job->drv;

	if (drv_is_floating(d) && float_open(o, job, e) < 0)
		return -1;
	o->items = mem_new(d->n_outputs, sizeof *o->items, e);
	if (!o->items)
		return -1;
	/* If outputs are floating all are needed, because each may refer to any other. */
	for (size_t i = 0; i < d->n_outputs; i++)
		if ((strv_has(job->wanted, d->outputs[i].name) || drv_is_floating(d)) &&
		    add_out(o, job, &d->outputs[i], e) < 0)
			return -1;
	return 0;
}

static int check_left(struct output *out, const struct outputs_job *job, struct err *e)
{
	const struct build_user *u = job->user;
	const char *q = settings_quote(job->settings);

	if (fstatat(out->dirfd, out->base, &out->left, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return err_sys(e, "getting status of '%s'", out->what);
		return err_set(
			e, ERR_BUILD,
			"builder for '%s' failed to produce output path for output '%s' at %s%s%s",
			job->drv->path, out->decl->name, q, out->what, q);
	}
	if ((!S_ISLNK(out->left.st_mode) && (out->left.st_mode & (S_IWGRP | S_IWOTH))) ||
	    (u && out->left.st_uid != u->uid))
		return err_set(e, ERR_BUILD,
			       "suspicious ownership or permission on %s%s%s for output '%s'; "
			       "rejecting this build output",
			       q, out->what, q, out->decl->name);
	return 0;
}

/* ---- metadata, hash and references ---- */

/* Append to PATHS and SCAN what is searched for: all outputs of the derivation, then the inputs. */
static int needles(const struct outputs_job *job, struct strv *paths, struct refscan *scan,
		   struct err *e)
{
	const struct drv *d = job->drv;

	for (size_t i = 0; i < d->n_outputs; i++) {
		scoped_free char *path = drv_build_path(d, &d->outputs[i], job->store->dir, e);
		if (!path || strv_add(paths, path, e) < 0)
			return -1;
	}
	if (strv_copy(paths, job->inputs, e) < 0)
		return -1;
	for (size_t i = 0; i < paths->n; i++) {
		const char *base;

		if (storepath_check(paths->items[i], job->store->dir, &base, e) < 0 ||
		    refscan_add(scan, base, e) < 0)
			return -1;
	}
	return 0;
}

/*
 * Set how deep OUT, whose depth is DEPTH, may be. Up to NAR_DEPTH_MAX every Nix takes it. Beyond,
 * it depends on the Nix in use.
 */
static int bound_depth(struct output *out, const struct outputs_job *job, size_t depth,
		       struct err *e)
{
	out->depth_max = NAR_DEPTH_MAX;
	return depth > NAR_DEPTH_MAX ? store_depth_max(job->store, &out->depth_max, e) : 0;
}

/*
 * Make the metadata of OUT canonical, or copy OUT, and compute its digest. From then on only this
 * process can change it.
 */
static int take_out(struct outputs *o, struct output *out, const struct outputs_job *job,
		    struct canon *c, struct refscan *scan, struct err *e)
{
	bool copied = outputs_needs_copy(o, out);
	size_t depth = 0;

	refscan_reset(scan);
	c->depth = &depth;
	/*
	 * The owners of an output that is copied are checked, too. Otherwise hard links could make
	 * this process copy other users' files.
	 */
	if ((copied ? canon_check : canon_path)(out->dirfd, out->base, out->what, c, e) < 0 ||
	    bound_depth(out, job, depth, e) < 0)
		return -1;
	if (copied)
		return outputs_copy(o, out, job, scan, e);
	const struct nar_tree tree = output_tree(out);
	return nar_digest(&tree, scan, &out->digest, e);
}

static int take_all(struct outputs *o, const struct outputs_job *job, struct refscan *scan,
		    struct err *e)
{
	scoped_pairset struct pairset seen = PAIRSET_INIT;
	scoped_strv struct strv ignored = STRV_INIT, paths = STRV_INIT;
	const struct build_user *u = job->user;
	struct canon c = {
		.uid_min = u ? u->uid : 1,
		.uid_max = u ? u->uid + (u->count ? u->count - 1 : 0) : 0,
		.ignored_xattrs = &ignored,
		.quote = settings_quote(job->settings),
		.seen = &seen,
	};

	if (canon_ignored_xattrs(job->settings, &ignored, e) < 0 ||
	    needles(job, &paths, scan, e) < 0)
		return -1;
	for (size_t i = 0; i < o->n; i++) {
		struct output *out = &o->items[i];

		if (take_out(o, out, job, &c, scan, e) < 0)
			return -1;
		for (size_t j = 0; j < paths.n; j++)
			if (refscan_found(scan, j) && strv_add(&out->refs, paths.items[j], e) < 0)
				return -1;
		strv_sort(&out->refs);
		strv_uniq(&out->refs);
	}
	return 0;
}

static int canonicalise_and_digest(struct outputs *o, const struct outputs_job *job, struct err *e)
{
	struct refscan *scan = refscan_new(e);

	if (!scan)
		return -1;
	int rc = take_all(o, job, scan, e);
	refscan_free(scan);
	return rc;
}

/* Drop the references of outputs with `unsafeDiscardReferences.<output>` (Nix 2.14). */
static int discard_references(struct outputs *o, const struct attrs *a, struct err *e)
{
	const struct jdoc *all = jdoc_get(&a->doc, "unsafeDiscardReferences");

	for (size_t i = 0; all && i < o->n; i++) {
		const char *name = o->items[i].decl->name;
		const struct jdoc *v = jdoc_get(all, name);

		if (v && v->type != JDOC_BOOL)
			return err_set(
				e, ERR_INPUT,
				"attribute 'unsafeDiscardReferences.\"%s\"' of derivation '%s' "
				"must be a Boolean",
				name, a->drv->path);
		if (!jdoc_is_true(v))
			continue;
		strv_done(&o->items[i].discarded);
		o->items[i].discarded = TAKE(o->items[i].refs, ((struct strv)STRV_INIT));
	}
	return 0;
}

/* ---- all together ---- */

/* Optimise all outputs, before they are moved into the store, because it may take long. */
static int optimise_all(const struct outputs *o, const struct outputs_job *job, struct err *e)
{
	bool wanted;

	if (settings_bool(job->settings, "auto-optimise-store", false, &wanted, e) < 0)
		return -1;
	if (!wanted)
		return 0;
	scoped_fd int store_fd = io_opendir(AT_FDCWD, job->store->real_dir, e);
	if (store_fd < 0)
		return -1;
	for (size_t i = 0; i < o->n; i++) {
		const struct output *out = &o->items[i];

		if (optimise_tree(store_fd, out->dirfd, out->base, out->what, e) < 0)
			return err_wrap(e, "optimising output '%s' of '%s'", out->decl->name,
					job->drv->path);
	}
	return 0;
}

static int check_and_publish(struct outputs *o, const struct outputs_job *job, struct err *e)
{
	scoped_attrs struct attrs attrs = ATTRS_INIT;

	if (attrs_open(&attrs, job->drv, e) < 0)
		return -1;
	for (size_t i = 0; i < o->n; i++)
		if (check_left(&o->items[i], job, e) < 0 ||
		    fixed_check_kind(&o->items[i], settings_quote(job->settings), e) < 0)
			return -1;
	if (outputs_compare_mounts(o, job, e) < 0 || canonicalise_and_digest(o, job, e) < 0 ||
	    discard_references(o, &attrs, e) < 0)
		return -1;
	for (size_t i = 0; i < o->n; i++)
		if (fixed_check(&o->items[i], job->drv->path, e) < 0) {
			outputs_keep_mismatched(o, job);
			return -1;
		}
	scoped_free size_t *order = mem_new(o->n, sizeof *order, e);
	if (!order || outputs_sort(o, job->drv->path, order, e) < 0 ||
	    (drv_is_floating(job->drv) && float_finalise(o, job, order, e) < 0))
		return -1;
	if (outputs_check_allowed(o, &attrs, job->store, e) < 0 ||
	    outputs_sign(o, job->settings, e) < 0 || optimise_all(o, job, e) < 0)
		return -1;
	return outputs_realise(o, job, e) < 0 ? -1 : outputs_publish(o, job, e);
}

int outputs_register(const struct outputs_job *job, struct err *e)
{
	scoped_outputs struct outputs o = OUTPUTS_INIT;
	struct err ignored = ERR_INIT;

	if (collect(&o, job, e) < 0)
		return -1;
	if (!o.n)
		return 0;
	int rc = check_and_publish(&o, job, e);
	/* Copies that cannot be removed do not change the result. */
	if (outputs_drop_copies(&o, job, &ignored) < 0)
		err_clear(&ignored);
	return rc;
}
