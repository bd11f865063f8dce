/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/outputs/outputs.h: make the files that a build left valid store paths, all or none.
 *
 *	check        each output exists, and its owner and mode      hook/outputs/register.c
 *	canonicalise modes, owner, times, extended attributes        hook/outputs/canon.h
 *	copy         outputs that a process could still change       hook/outputs/copy.c
 *	digest       NAR hash, size, references in one pass          hook/outputs/register.c
 *	fixed        the declared hash                               hook/outputs/fixed.c
 *	             (an output with another hash is kept            hook/outputs/keep_mismatched.c)
 *	sort         cycles between outputs                          hook/outputs/sort.c
 *	float        paths of content-addressed outputs, rewriting   hook/outputs/floating.c
 *	allowed      allowedReferences and similar attributes        hook/outputs/allowed.c
 *	optimise     make equal files one file, if wanted            hook/outputs/optimise.h
 *	publish      rename into the store, register                 hook/outputs/publish.c
 *
 * in that order: every check comes before the first file is moved. Everything that a build left is
 * hostile. Call outputs_register() when all processes of the build are dead. The texts of refusals
 * are Nix's; their kind is ERR_BUILD if the build is at fault. Source: Nix's registerOutputs(),
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

/* For reports: filled as far as it comes to be. */
struct outputs_cost {
	uint64_t bytes;           /* NAR sizes of all that became valid */
	uint64_t registration_us; /* to move the outputs into the store and make them valid */
};

struct outputs_job {
	const struct drv *drv;
	const struct strv
		*wanted; /* names of the derivation's outputs to register; others are thrown away */
	const struct strv *inputs; /* full store paths of the input closure */
	struct store *store;
	const struct settings *settings;
	const struct build_user *user; /* must own what the build left; NULL: not checked */
	/*
	 * Absolute path and descriptor of the directory that contains the outputs under their base
	 * names. No other process may write to its parent directory: copies are made there, in a
	 * directory that is removed with the bundle.
	 */
	const char *output_dir;
	int output_dirfd;
	/*
	 * Callbacks for every path in the store: `own` before it is created, `disown` just before
	 * it becomes valid and must stay. They are run_own_tree() and run_disown(), or NULL.
	 */
	struct run *run;
	int (*own)(struct run *run, const char *path, struct err *e);
	int (*disown)(struct run *run, const char *path, struct err *e);
	/* Makes the directory for copies if it is in the store: run_make_dir(), or NULL. */
	int (*make_dir)(struct run *run, const char *path, struct err *e);
	struct outputs_cost *cost; /* NULL: not asked for */
	struct budget *budget;     /* bounds copying; NULL: no bounds */
};

/*
 * Do all of the steps. An output that is valid already is left alone, whatever the build made. On
 * failure nothing of this build is in the store or its database, with one exception: a fixed output
 * whose hash is not the declared one is kept under the path that its real hash gives.
 */
int outputs_register(const struct outputs_job *job, struct err *e) MUST_CHECK;

#endif
