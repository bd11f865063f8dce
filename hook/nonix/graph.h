/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nonix/graph.h: plan what to build and what to fetch, to build a derivation from caches.
 *
 *	g = build_graph_new(&source, store_dir, e);
 *	build_graph_plan(g, &root, recursive, e);
 *	g->builds[0 .. n_builds)     in an order in which each comes after the builds it needs
 *	g->fetch                     the paths in caches that the builds need, without closures
 *	build_graph_check(g, e);     verify the output paths
 *
 * Derivations come from strangers. A derivation's path is computed from its bytes, so a graph
 * cannot be altered on the way and has no cycles. build_graph_check() verifies the output paths of
 * each derivation that is to be built. The graph contains all input derivations of a derivation
 * that is to be built. For the check it also contains the derivations below these, down to fixed
 * outputs.
 *
 * Each step asks for everything it needs at once. Derivations are loaded one level of the graph at
 * a time (the source may read ahead). Outputs are queried for one level first. Each time that this
 * was not far enough, they are queried for twice as many levels. So for a chain of derivations
 * whose outputs are in no cache, the number of queries is the logarithm of its length. Nothing
 * recurses.
 */
#ifndef HOOK_NONIX_GRAPH_H
#define HOOK_NONIX_GRAPH_H

#include "hook/drv/derivation.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"

/* The number of derivations in one graph; all of nixpkgs has fewer. */
#define BUILD_DRVS_MAX (1u << 18)

/* A source of derivations and of knowledge about store paths. */
struct build_source {
	/* Read the derivations PATHS into RET[0], RET[1], ...; check that each has its path. */
	int (*load)(void *ctx, const struct strv *paths, struct drv *ret, struct err *e);
	/* Find out which of PATHS, and of all paths that they refer to, are available. */
	int (*query)(void *ctx, const struct strv *paths, struct err *e);
	/* Returns 1: PATH, which was queried, is available with its closure; 0: not; -1: *E. */
	int (*has)(void *ctx, const char *path, struct err *e);
	void *ctx;
};

struct build_node {
	struct drv drv;
	bool expanded;      /* its input derivations are in the graph */
	bool build;         /* it has to be built */
	bool asked;         /* its outputs and inputs were queried */
	unsigned round;     /* the last query that has visited it */
	struct strv wanted; /* the names of outputs that it is built for, sorted */
	struct strv inputs; /* full paths of its sources and of the outputs it uses, sorted */
	struct build_node **users; /* the builds that need this one; each once */
	size_t n_users, cap_users;
	size_t n_deps; /* the number of builds that this one needs */
	size_t n_left; /* the number of builds in n_deps that are not done yet */
	bool failed;   /* its build has failed, or a build that it needs */
};

struct build_graph {
	const struct build_source *source;
	const char *store_dir;
	void *by_path; /* tsearch(3) of struct build_node */
	size_t n_nodes;
	struct build_node *root;
	struct build_node **builds;
	size_t n_builds, cap_builds;
	struct strv fetch; /* sorted, each once */
	unsigned rounds;   /* the number of queries so far */
	size_t levels;     /* the next query looks at so many levels of derivations */
};

/* Returns an empty graph, which SOURCE and STORE_DIR must outlive; NULL: *E. */
struct build_graph *build_graph_new(const struct build_source *source, const char *store_dir,
				    struct err *e) MUST_CHECK;
/*
 * Plan the build of all outputs of ROOT, which is taken. ROOT's path is set. Without RECURSIVE only
 * ROOT itself is built. Inputs that are not available are an error (ERR_INPUT), which names them.
 */
int build_graph_plan(struct build_graph *g, struct drv *root, bool recursive,
		     struct err *e) MUST_CHECK;
/* Refuse a derivation to be built whose output paths are not those that its inputs give. */
int build_graph_check(struct build_graph *g, struct err *e) MUST_CHECK;
/* Find the node of a derivation. Returns NULL: the graph does not contain it. */
struct build_node *build_graph_node(const struct build_graph *g, const char *drv_path);
void build_graph_free(struct build_graph *g); /* NULL is fine */

static inline void scope_build_graph(struct build_graph **g)
{
	build_graph_free(*g);
}
#define scoped_build_graph __attribute__((cleanup(scope_build_graph), unused))

#endif
