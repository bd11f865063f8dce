/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/request/load.h: the BuildRequest that an argument of the command line names.
 */
#ifndef HOOK_REQUEST_LOAD_H
#define HOOK_REQUEST_LOAD_H

#include "hook/conf/conf.h"
#include "hook/drv/derivation.h"
#include "hook/nix/settings.h"
#include "nar/base/err.h"
#include "specgen/request.h"

/* What the command line says of how a derivation becomes a request. */
struct request_args {
	const char *store; /* its URI; NULL: Nix's setting `store` */
	bool unbuilt;      /* inputs need not be valid: input_closure() */
};

/*
 * The request of ARG: of a derivation, where it ends in ".drv" (a path in the store, or a base name
 * there, or a file from elsewhere), else what the JSON file of that name says ("-": standard
 * input). What this machine has for builtin:fetchurl alone, such as passwords, is not in the
 * former. A store that A names becomes that of S.
 */
int request_from_argument(const char *arg, const struct request_args *a, const struct conf *c,
			  struct settings *s, struct request *ret, struct err *e) MUST_CHECK;

/*
 * Read a derivation from a file that may be called by anything. Its path follows from its bytes
 * and its name: the attribute, or where it has none, the file's own. The paths of its outputs are
 * not checked.
 */
int derivation_from_file(const char *arg, const char *store_dir, struct drv *ret,
			 struct err *e) MUST_CHECK;

/* The request that the JSON file ARG ("-": standard input) has. */
int request_from_file(const char *arg, struct request *ret, struct err *e) MUST_CHECK;

#endif
