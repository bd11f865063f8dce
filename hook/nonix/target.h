/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nonix/target.h: what is asked to be built: a derivation, or a stored request.
 */
#ifndef HOOK_NONIX_TARGET_H
#define HOOK_NONIX_TARGET_H

#include "hook/nix/settings.h"
#include "hook/nonix/caches.h"
#include "hook/nonix/graph.h"
#include "hook/store/store.h"
#include "nar/base/err.h"
#include "specgen/request.h"

struct build_target {
	struct drv drv;         /* as it was read, or what stands for a request; then taken */
	struct request request; /* where it is one */
	bool is_request;
	/* After target_plan(): what is built, in order; its last is the target. */
	struct build_graph *graph;
	struct build_node node; /* of a request */
	struct build_node *one[1];
	struct build_node **builds;
	size_t n_builds;
	struct strv fetch; /* paths that have to be fetched; sorted */
	struct strv known; /* the same, and what they refer to: what a store has to know */
};

/*
 * Read ARG: a request, where it is a file that ends in ".json" (or "-", standard input); a
 * derivation file of this machine; or the path, or its base name, of one that the caches have.
 */
int target_read(struct build_target *t, const char *arg, struct caches *c,
		struct err *e) MUST_CHECK;
/*
 * Find out what has to be built and fetched. SOURCE has to live as long as T. Derivations are
 * checked: the paths of their outputs are what they should be.
 */
int target_plan(struct build_target *t, const struct build_source *source, struct caches *c,
		bool recursive, struct err *e) MUST_CHECK;
/* Refuse what this machine cannot build, by S; ST is one in which nothing is valid yet. */
int target_check(const struct build_target *t, const struct settings *s, struct store *st,
		 struct err *e) MUST_CHECK;
void target_done(struct build_target *t);
#define scoped_target __attribute__((cleanup(target_done), unused))

#endif
