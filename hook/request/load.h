/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/request/load.h: load the BuildRequest that an argument of the command line names.
 */
#ifndef HOOK_REQUEST_LOAD_H
#define HOOK_REQUEST_LOAD_H

#include "hook/conf/conf.h"
#include "hook/drv/derivation.h"
#include "hook/nix/settings.h"
#include "hook/store/store.h"
#include "nar/base/err.h"
#include "specgen/request.h"

/* Options of the command line for making a request of a derivation. */
struct request_args {
	const char *store; /* its URI; NULL: Nix's setting `store` */
	bool unbuilt;      /* inputs need not be valid: input_closure() */
};

/*
 * Load the request that ARG names. If ARG ends in ".drv" it is a derivation (a path in the store, a
 * base name there, or a file elsewhere), and a request is made of it. Passwords and certificates of
 * this machine, which builtin:fetchurl would get, do not become a part of that request. Else ARG is
 * a JSON file ("-": standard input). If A names a store, the setting `store` in S is set to it.
 * C becomes what holds for the derivation (conf_narrow()).
 */
int request_from_argument(const char *arg, const struct request_args *a, struct conf *c,
			  struct settings *s, struct request *ret, struct err *e) MUST_CHECK;

/*
 * Read the derivation ARG: a path in ST or its base name there, else a file from elsewhere, whose
 * output paths are checked.
 */
int derivation_from_argument(const char *arg, struct store *st, struct drv *ret,
			     struct err *e) MUST_CHECK;

/*
 * Read a derivation from the file ARG, which may have any name. The derivation's store path is
 * computed from its bytes and its name: that of ARG if it is a store path's, else the attribute
 * `name`. The paths of its outputs are not checked.
 */
int derivation_from_file(const char *arg, const char *store_dir, struct drv *ret,
			 struct err *e) MUST_CHECK;

/* Read the request in the JSON file ARG ("-": standard input). */
int request_from_file(const char *arg, struct request *ret, struct err *e) MUST_CHECK;

#endif
