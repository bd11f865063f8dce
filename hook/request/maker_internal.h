/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/request/maker_internal.h: the parts of request_make().
 *
 *	make.c             calls the parts; command, inputs, outputs, constraints
 *	builtin_command.c  the command for one of Nix's builtin builders
 *	build_env.c        environment, passAsFile, structured attributes
 *	host_paths.c       sandbox-paths, __impureHostDeps, /bin/sh
 *	reference_graph.c  exportReferencesGraph
 *	placeholders.c     placeholders of outputs
 *	maker.c            paths without "..", and the end of struct maker
 */
#ifndef HOOK_REQUEST_MAKER_INTERNAL_H
#define HOOK_REQUEST_MAKER_INTERNAL_H

#include "hook/drv/attrs.h"
#include "hook/json/jdoc.h"
#include "hook/request/make.h"

/* ---- hook/request/placeholders.c ---- */

/* The placeholders and the paths that replace them, sorted by placeholder. */
struct rewrites {
	struct rewrite {
		char *from; /* REWRITE_LEN bytes, the first is '/' */
		char *to;
	} * items;
	size_t n;
};
#define REWRITE_LEN 53

/* List the placeholders of D's outputs. */
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
	struct strv own_outputs; /* full paths of outputs, if known before the build; sorted */
	char *build_dir;         /* absolute, clean path in the sandbox */
};

void maker_done(struct maker *m);
#define scoped_maker __attribute__((cleanup(maker_done)))

/* Return PATH cleaned by path_clean(), on the heap. NULL: *E; a relative PATH is refused. */
char *clean_absolute(const char *path, struct err *e) MUST_CHECK;

/* ---- hook/request/builtin_command.c ---- */

/* Add command and files for a builtin builder, in place of the derivation's. */
int maker_add_builtin(struct maker *m, struct err *e) MUST_CHECK;
/*
 * Add the program for builtin builders. Call it after all other paths of the machine are added, so
 * that none of them replaces the program.
 */
int maker_add_builtin_program(struct maker *m, struct err *e) MUST_CHECK;

/* ---- hook/request/build_env.c ---- */

int maker_add_env(struct maker *m, struct err *e) MUST_CHECK;

/* ---- hook/request/host_paths.c ---- */

int maker_add_host_paths(struct maker *m, struct err *e) MUST_CHECK;

/* ---- hook/request/reference_graph.c ---- */

/* Add the files that the old form, in the environment of the derivation, names. */
int maker_add_graph_files(struct maker *m, struct err *e) MUST_CHECK;
/* Add the keys that the structured form names to DOC. */
int maker_add_graph_keys(struct maker *m, struct jdoc *doc, struct err *e) MUST_CHECK;

#endif
