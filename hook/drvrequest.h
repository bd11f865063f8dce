/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/drvrequest.h: derivation + settings -> BuildRequest, as Nix's builder would set it up.
 *
 * Environment in Nix's order of precedence, placeholders, passAsFile, structured attributes
 * (.attrs.json, .attrs.sh byte-equal to Nix's), exportReferencesGraph, sandbox paths. Source: Nix's
 * src/libstore/build/derivation-env-desugar.cc, src/libstore/unix/build/derivation-builder.cc.
 */
#ifndef HOOK_DRVREQUEST_H
#define HOOK_DRVREQUEST_H

#include "hook/derivation.h"
#include "hook/settings.h"
#include "hook/store.h"
#include "nar/err.h"
#include "specgen/request.h"

struct drvrequest_in {
	const struct drv *drv;
	const struct settings *settings;
	struct store *store;       /* for real paths, closures of sandbox paths, graphs of references */
	const struct strv *inputs; /* full paths of the input closure, sorted, without .drv files */
	char *const *environ;      /* what impureEnvVars reads */
};

int drvrequest_make(const struct drvrequest_in *in, struct request *ret, struct err *e) MUST_CHECK;
/*
 * The input closure of a derivation, for callers that Nix did not tell: sources and the wanted
 * outputs of input derivations (their .drv files are read), and all that these refer to. An input
 * that is not valid is ERR_INPUT, with the command that would make it.
 */
int drvrequest_inputs(const struct drv *d, struct store *st, struct strv *ret,
		      struct err *e) MUST_CHECK;

#endif
