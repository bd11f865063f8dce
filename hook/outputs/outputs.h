/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/outputs/outputs.h: from what a build left behind to valid store paths, all or none.
 *
 *	check        each output is there and may be trusted         hook/outputs/register.c
 *	canonicalise modes, owner, times, extended attributes        hook/outputs/canon.h
 *	fixed        the declared hash, on a copy of our own         hook/outputs/fixed.c
 *	digest       NAR hash, size, references in one pass          hook/outputs/register.c
 *	             (what has another one is kept under its own     hook/outputs/keep_mismatched.c)
 *	sort         cycles between outputs                          hook/outputs/sort.c
 *	float        paths of content-addressed outputs, rewriting   hook/outputs/floating.c
 *	allowed      allowedReferences and their kin                 hook/outputs/allowed.c
 *	optimise     equal files become one, if wanted               hook/outputs/optimise.h
 *	publish      rename into the store, register                 hook/outputs/publish.c
 *
 * in that order: every check comes before the first file is moved. Everything a build left is
 * hostile; call this when all processes of the build are dead. Texts of refusals are Nix's, their
 * kind is ERR_BUILD where it is the build's fault. Source: Nix's registerOutputs(),
 * derivation-check.cc.
 */
#ifndef HOOK_OUTPUTS_OUTPUTS_H
#define HOOK_OUTPUTS_OUTPUTS_H

#include "hook/drv/derivation.h"
#include "hook/host/users.h"
#include "hook/nix/settings.h"
#include "hook/store/store.h"
#include "nar/base/err.h"
#include "nar/budget.h"

struct run;

struct outputs_job {
	const struct drv *drv;
	const struct strv
		*wanted; /* names of the outputs to register; the others are thrown away */
	const struct strv *inputs; /* full store paths of the input closure */
	struct store *store;
	const struct settings *settings;
	const struct build_user *user; /* who must own what the build left; NULL: not checked */
	/*
	 * Where the outputs lie under their base names, absolute, and open. Its parent directory is
	 * ours alone: copies are made there, in a directory that the one who removes the bundle
	 * removes too.
	 */
	const char *output_dir;
	int output_dirfd;
	/*
	 * Told of every path in the store before it is created, and just before it becomes valid
	 * that it must stay: run_own_tree() and run_disown(). Both may be NULL.
	 */
	struct run *run;
	int (*own)(struct run *run, const char *path, struct err *e);
	int (*disown)(struct run *run, const char *path, struct err *e);
	/*
	 * Makes the directory of copies, where that is in the store: run_make_dir(). May be NULL.
	 */
	int (*make_dir)(struct run *run, const char *path, struct err *e);
	struct budget *budget; /* what copying and hashing may take; NULL: no end */
};

/*
 * The whole of it. An output that is valid already is left alone, whatever the build made. On
 * failure nothing of this build is in the store or its database, but a fixed output with another
 * hash than declared under the path of that.
 */
int outputs_register(const struct outputs_job *job, struct err *e) MUST_CHECK;

#endif
