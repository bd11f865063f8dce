/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/request/make.h: derivation + settings -> BuildRequest, as Nix's builder would set it up.
 *
 * Environment in Nix's order of precedence, placeholders, passAsFile, structured attributes
 * (.attrs.json, .attrs.sh byte-equal to Nix's), exportReferencesGraph, sandbox paths. Source: Nix's
 * src/libstore/build/derivation-env-desugar.cc, src/libstore/unix/build/derivation-builder.cc.
 *
 * Not in a request, as only Nix or the machine knows it: ids, limits, personality, and what the
 * pre-build-hook says, which is added later. Builders that are a part of Nix ("builtin:...") become
 * a run of hook/request/builtin_program.h's program. Refused: those that it does not know,
 * recursive Nix.
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
	char *const *environ; /* what impureEnvVars reads, except secrets */
	const struct builtin_program *builtin; /* NULL: builtin builders are refused */
	bool builtin_secrets; /* their netrc and certificates become a part of the request */
	const struct strv *secrets_allowed; /* names of those that it reads all the same, or NULL */
	bool own_shell; /* our configuration names a shell, for builds that Nix gives none */
};

/* A RET that is not cleared leaks; the result keeps the rules of req_check(). */
int request_make(const struct request_source *in, struct request *ret, struct err *e) MUST_CHECK;

/*
 * Add ITEMS, `target=source` or a path that is both, to R, which was made of IN: paths of the
 * machine that have to be there. What R has a place for already stays: inputs, outputs, the build
 * directory.
 */
int request_add_host_paths(const struct request_source *in, const struct strv *items,
			   struct request *r, struct err *e) MUST_CHECK;

/*
 * The input closure of a derivation, for callers that Nix did not tell: sources and the wanted
 * outputs of input derivations (their .drv files are read), and all that these refer to. An input
 * that is not valid is ERR_INPUT, with the command that would make it; or, where UNBUILT, it is
 * listed all the same, without what it will refer to, which nobody knows yet.
 */
int input_closure(const struct drv *d, struct store *st, bool unbuilt, struct strv *ret,
		  struct err *e) MUST_CHECK;

#endif
