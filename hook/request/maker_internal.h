/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/request/maker_internal.h: the parts of request_make().
 *
 *	make.c        puts the parts together
 *	builtin_command.c what stands for a builder of Nix's own
 *	build_env.c    environment, passAsFile, structured attributes
 *	host_paths.c  sandbox-paths, __impureHostDeps, /bin/sh
 *	reference_graph.c          exportReferencesGraph
 *	placeholders.c           placeholders of outputs
 */
#ifndef HOOK_REQUEST_MAKER_INTERNAL_H
#define HOOK_REQUEST_MAKER_INTERNAL_H

#include "hook/drv/attrs.h"
#include "hook/json/jdoc.h"
#include "hook/request/make.h"

/* ---- hook/request/placeholders.c ---- */

/* Which placeholders stand for which paths, sorted by placeholder. */
struct rewrites {
	struct rewrite {
		char *from; /* REWRITE_LEN bytes, the first is '/' */
		char *to;
	} * items;
	size_t n;
};
#define REWRITE_LEN 53

int rewrites_of(const struct drv *d, const char *store_dir, struct rewrites *ret,
		struct err *e) MUST_CHECK;
/* Append the LEN bytes at S to B, with every placeholder replaced. */
int rewrite(const struct rewrites *w, const char *s, size_t len, struct buf *b,
	    struct err *e) MUST_CHECK;
void rewrites_done(struct rewrites *w);
#define scoped_rewrites __attribute__((cleanup(rewrites_done)))

/* ---- the request that is being made ---- */

struct maker {
	const struct request_source *in;
	struct request *r;
	struct attrs attrs;
	struct rewrites rewrites;
	struct strv own_outputs; /* full paths that are known, sorted */
	char *build_dir;         /* absolute, as the builder sees it, clean */
};

void maker_done(struct maker *m);
#define scoped_maker __attribute__((cleanup(maker_done)))

/* Absolute PATH without empty, "." and ".." components and trailing '/'. NULL: *E. Heap. */
char *path_clean(const char *path, struct err *e) MUST_CHECK;

/* ---- hook/request/builtin_command.c ---- */

/* Command and files, instead of those of the derivation. */
int maker_add_builtin(struct maker *m, struct err *e) MUST_CHECK;
/* The program; after all other paths of the machine, which it must not be replaced by. */
int maker_add_builtin_program(struct maker *m, struct err *e) MUST_CHECK;

/* ---- hook/request/build_env.c ---- */

int maker_add_env(struct maker *m, struct err *e) MUST_CHECK;

/* ---- hook/request/host_paths.c ---- */

int maker_add_host_paths(struct maker *m, struct err *e) MUST_CHECK;

/* ---- hook/request/reference_graph.c ---- */

/* The files of the old form, in the environment of the derivation. */
int maker_add_graph_files(struct maker *m, struct err *e) MUST_CHECK;
/* The keys of the structured form, in DOC. */
int maker_add_graph_keys(struct maker *m, struct jdoc *doc, struct err *e) MUST_CHECK;

#endif
