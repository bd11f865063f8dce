/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nonix/target.h: the target of a build without Nix: a derivation, or a stored request.
 */
#ifndef HOOK_NONIX_TARGET_H
#define HOOK_NONIX_TARGET_H

#include "hook/job/decide.h"
#include "hook/nix/settings.h"
#include "hook/nonix/caches.h"
#include "hook/nonix/graph.h"
#include "hook/store/store.h"
#include "nar/base/err.h"
#include "specgen/request.h"

struct build_target {
	/* The derivation, or one made up for a request. target_plan() takes it. */
	struct drv drv;
	struct request request; /* filled if is_request */
	bool is_request;
	/* After target_plan(): the builds in their order. The last build is the target's. */
	struct build_graph *graph;
	struct build_node node; /* the node of a request */
	struct build_node *one[1];
	struct build_node **builds;
	size_t n_builds;
	struct strv fetch; /* paths to fetch into the cache of inputs; sorted */
	struct strv known; /* fetch and its closure: paths that the store has to know */
};

/*
 * Read ARG. A name that ends in ".json" is a file with a request; "-" is a request on standard
 * input. A name that ends in ".drv" is a derivation: a file of this machine, or a store path (or
 * its base name) that a cache has.
 */
int target_read(struct build_target *t, const char *arg, struct caches *c,
		struct err *e) MUST_CHECK;
/*
 * Find out what has to be built and fetched, and check the output paths of the derivations to be
 * built. SOURCE must outlive T.
 */
int target_plan(struct build_target *t, const struct build_source *source, struct caches *c,
		bool recursive, struct err *e) MUST_CHECK;
/* Refuse a build that HERE says this machine cannot do. Nothing is valid in its store yet. */
int target_check(const struct build_target *t, const struct decide_here *here,
		 struct err *e) MUST_CHECK;
void target_done(struct build_target *t);
#define scoped_target __attribute__((cleanup(target_done), unused))

#endif
