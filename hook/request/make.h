/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/request/make.h: make a BuildRequest of a derivation and Nix's settings.
 *
 * The build gets what Nix's own builder would give it: the environment in Nix's order of
 * precedence, placeholders, passAsFile, structured attributes (.attrs.json and .attrs.sh byte-equal
 * to Nix's), exportReferencesGraph, sandbox paths. Source: Nix's
 * src/libstore/build/derivation-env-desugar.cc, src/libstore/unix/build/derivation-builder.cc.
 *
 * A request does not contain ids, limits and the personality, which only Nix or the machine knows.
 * Paths that the pre-build-hook names are added later. A builder that is a part of Nix
 * ("builtin:...") becomes a run of the program that hook/request/builtin_program.h finds. Builtin
 * builders that it does not know are refused, and so is recursive Nix.
 */
#ifndef HOOK_REQUEST_MAKE_H
#define HOOK_REQUEST_MAKE_H

#include "hook/drv/derivation.h"
#include "hook/nix/settings.h"
#include "hook/request/builtin_program.h"
#include "hook/store/store.h"
#include "nar/base/err.h"
#include "specgen/request.h"

struct request_source {
	const struct drv *drv;
	const struct settings *settings;
	struct store *store; /* for real paths, closures of sandbox paths, graphs of references */
	const struct strv
		*inputs;      /* full paths of the input closure, sorted, as Nix's hook gets them */
	char *const *environ; /* variables for impureEnvVars, which do not get secrets of it */
	const struct builtin_program *builtin; /* NULL: builtin builders are refused */
	bool builtin_secrets; /* add netrc and certificates for builtin:fetchurl to the request */
	const struct strv *secrets_allowed; /* secrets that impureEnvVars get anyway; or NULL */
	bool own_shell; /* the hook's configuration names a shell, for builds that Nix gives none */
};

/*
 * Make the request of IN. It passes req_check(). *RET must be empty: what it points to is not
 * freed.
 */
int request_make(const struct request_source *in, struct request *ret, struct err *e) MUST_CHECK;

/*
 * Add paths of the machine, which must exist, to R, a request that was made of IN. Each of ITEMS is
 * `target=source`, or one path that is both. A target that is an input, an output or the build
 * directory is passed over.
 */
int request_add_host_paths(const struct request_source *in, const struct strv *items,
			   struct request *r, struct err *e) MUST_CHECK;

/*
 * Append the input closure of D to RET, for callers that Nix did not tell it: the sources, the
 * wanted outputs of input derivations (their .drv files are read), and all that these refer to. An
 * input that is not valid is ERR_INPUT, with the command that makes it. With UNBUILT it is listed
 * all the same, but without its references, which are not known yet.
 */
int input_closure(const struct drv *d, struct store *st, bool unbuilt, struct strv *ret,
		  struct err *e) MUST_CHECK;

#endif
