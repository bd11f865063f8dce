/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nonix/graph.h: what has to be built, and what fetched, to build a derivation from caches.
 *
 *	g = build_graph_new(&source, store_dir, e);
 *	build_graph_plan(g, &root, recursive, e);
 *	g->builds[0 .. n_builds)     in an order in which each comes after what it needs
 *	g->fetch                     what they need of what is in caches; with its closure
 *	build_graph_check(g, e);     may the output paths be believed?
 *
 * Derivations come from strangers. Each is known by its path, which follows from its bytes, so that
 * a graph of them cannot be changed on the way, nor have cycles; that its outputs have the paths
 * that they should have is build_graph_check()'s, for those that are built. Input derivations are
 * read where something depends on them: all of one that is built, and for the check those below, as
 * far as the next fixed output.
 *
 * All that is asked for in one step is asked for at once. Derivations are loaded a level of the
 * graph at a time (who loads may read ahead). What they made is asked for as far as it is needed,
 * and each time that this was not far enough, for twice as many levels below: a chain of which
 * nothing can be had costs the logarithm of its length in questions. No recursion.
 */
#ifndef HOOK_NONIX_GRAPH_H
#define HOOK_NONIX_GRAPH_H

#include "hook/drv/derivation.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"

/* Derivations in one graph; all of nixpkgs are fewer. */
#define BUILD_DRVS_MAX (1u << 18)

/* Where derivations and paths come from. */
struct build_source {
	/* Read the derivations PATHS into RET; each has the path that it was asked for by. */
	int (*load)(void *ctx, const struct strv *paths, struct drv *ret, struct err *e);
	/* Find out which of PATHS, and of all that they refer to, can be had. */
	int (*query)(void *ctx, const struct strv *paths, struct err *e);
	/* Of one that was asked for: 1: it can be had with its whole closure; 0: not; -1: *E. */
	int (*has)(void *ctx, const char *path, struct err *e);
	void *ctx;
};

struct build_node {
	struct drv drv;
	bool expanded;      /* its input derivations are in the graph */
	bool build;         /* it has to be built */
	bool asked;         /* what it makes and uses was asked for */
	unsigned round;     /* the last one in which it was looked at */
	struct strv wanted; /* the names of outputs that it is built for, sorted */
	struct strv inputs; /* full paths of its sources and of the outputs it uses, sorted */
	struct build_node **users; /* what can be built only after it, each once */
	size_t n_users, cap_users;
	size_t n_deps; /* how many have to be built before it */
	size_t n_left; /* of those, for who goes through the builds */
	bool failed;   /* the same: it, or something before it, could not be built */
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
	unsigned rounds;   /* of questions */
	size_t levels;     /* that the next one is for */
};

/* SOURCE and STORE_DIR have to live as long. NULL: *E. */
struct build_graph *build_graph_new(const struct build_source *source, const char *store_dir,
				    struct err *e) MUST_CHECK;
/*
 * Plan the build of all outputs of ROOT, which is taken and has its path. Without RECURSIVE only
 * ROOT itself is built. What cannot be had is ERR_INPUT, and named.
 */
int build_graph_plan(struct build_graph *g, struct drv *root, bool recursive,
		     struct err *e) MUST_CHECK;
/* The output paths of all that is built are those that follow from what it is made of. */
int build_graph_check(struct build_graph *g, struct err *e) MUST_CHECK;
/* NULL: there is none of that path. */
struct build_node *build_graph_node(const struct build_graph *g, const char *drv_path);
void build_graph_free(struct build_graph *g); /* NULL is fine */

static inline void scope_build_graph(struct build_graph **g)
{
	build_graph_free(*g);
}
#define scoped_build_graph __attribute__((cleanup(scope_build_graph), unused))

#endif
