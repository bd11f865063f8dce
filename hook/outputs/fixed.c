/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Check the declared hash of fixed outputs, which Nix does not do for a hook. The build may have
 * handed a descriptor of its output to a process outside, so the copy is checked
 * (hook/outputs/copy.c). Only the kind of file and the mode are those that the build left, because
 * canonicalising changes the mode.
 */
#include "hook/outputs/outputs_internal.h"

#include "nar/githash.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

int fixed_check_kind(const struct output *out, const char *quote, struct err *e)
{
	if ((out->decl->kind != DRV_FIXED && out->decl->kind != DRV_FLOATING) ||
	    out->decl->method == CA_NAR || out->decl->method == CA_GIT)
		return 0;
	if (!S_ISREG(out->left.st_mode) || (out->left.st_mode & S_IXUSR))
		return err_set(e, ERR_BUILD,
			       "output path %s%s%s should be a non-executable regular file since "
			       "recursive hashing is not enabled "
			       "(one of outputHashMode={flat,text} is true)",
			       quote, out->what, quote);
	return 0;
}

int output_content_hash(const struct output *out, struct hash *ret, struct err *e)
{
	const struct nar_tree tree = output_tree(out);
	enum hash_algo algo = out->decl->algo;

	switch (out->decl->method) {
	case CA_FLAT:
	case CA_TEXT:
		return nar_hash_flat(&tree, algo, ret, e);
	case CA_GIT:
		return githash_tree(&tree, algo, ret, e);
	case CA_NAR:
		break;
	}
	if (algo != HASH_SHA256)
		return nar_hash(&tree, algo, NULL, ret, NULL, e);
	*ret = out->digest.sha256;
	return 0;
}

static int mismatch(const struct output *out, const struct hash *actual, const char *drv_path,
		    struct err *e)
{
	char specified[HASH_TEXT_MAX], got[HASH_TEXT_MAX];

	hash_print(&out->decl->hash, HASH_SRI, false, specified);
	hash_print(actual, HASH_SRI, false, got);
	return err_set(e, ERR_BUILD,
		       "hash mismatch in fixed-output derivation '%s':\n"
		       "  specified: %s\n"
		       "     got:    %s",
		       drv_path, specified, got);
}

int fixed_check(struct output *out, const char *drv_path, struct err *e)
{
	const struct drv_output *decl = out->decl;
	struct hash actual;

	if (decl->kind != DRV_FIXED)
		return 0;
	/* As in Nix: if such a path cannot have references, this is said before the hash. */
	if (out->refs.n && (decl->method != CA_NAR || decl->algo != HASH_SHA256))
		return err_set(
			e, ERR_BUILD,
			"fixed output derivation '%s' is not allowed to refer to other store "
			"paths.\nYou may need to use the 'unsafeDiscardReferences' derivation "
			"attribute, see the manual for more details.",
			storepath_name(out->base));
	if (output_content_hash(out, &actual, e) < 0)
		return -1;
	if (!hash_equal(&actual, &decl->hash)) {
		out->mismatched = out->refs.n == 0;
		out->actual = actual;
		return mismatch(out, &actual, drv_path, e);
	}
	if (out->refs.n)
		return err_set(e, ERR_BUILD,
			       "fixed-output derivations must not reference store paths: "
			       "'%s' references %zu distinct paths, e.g. '%s'",
			       drv_path, out->refs.n, out->refs.items[0]);
	out->ca = storepath_ca_text(decl->method, &decl->hash, e);
	return out->ca ? 0 : -1;
}
