/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/drv/attrs.h: what a derivation says to whoever builds it, in either of its two forms.
 *
 * Attributes such as impureEnvVars or __impureHostDeps stand in the environment as strings, or,
 * where the derivation has structured attributes, as values of the JSON document in the variable
 * `__json`; then the environment does not count. Source: Nix's src/libstore/parsed-derivations.cc,
 * derivation-options.cc.
 *
 *	scoped_attrs struct attrs a = ATTRS_INIT;
 *	if (attrs_open(&a, drv, e) < 0 || attrs_list(&a, "impureEnvVars", &names, e) < 0) ...
 *
 * What only the document can say, such as outputChecks, is looked up in it:
 *
 *	checks = jdoc_get(jdoc_get(&a.doc, "outputChecks"), "out");     NULL: none
 *	if ((v = jdoc_get(checks, "allowedReferences")) && attrs_strings(v, ..., &refs, e) < 0) ...
 */
#ifndef HOOK_DRV_ATTRS_H
#define HOOK_DRV_ATTRS_H

#include "hook/drv/derivation.h"
#include "hook/json/jdoc.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"

#define ATTRS_JSON_KEY "__json"

struct attrs {
	const struct drv *drv; /* the caller's */
	bool structured;
	struct jdoc doc; /* an object if structured, else null */
};
#define ATTRS_INIT                     \
	{                              \
		NULL, false, JDOC_INIT \
	}

/* D stays the caller's and has to outlive A. A `__json` that is no JSON object is refused. */
int attrs_open(struct attrs *a, const struct drv *d, struct err *e) MUST_CHECK;
void attrs_done(struct attrs *a);
#define scoped_attrs __attribute__((cleanup(attrs_done)))

/* Is there an attribute of that name, of whatever kind? */
bool attrs_has(const struct attrs *a, const char *name);
/* The text of one, without NULs; NULL: there is none, or another kind is there. A owns it. */
const char *attrs_text(const struct attrs *a, const char *name);
/*
 * "1" in the environment, true in the document; DEF where there is none. Another kind: ERR_INPUT.
 */
int attrs_bool(const struct attrs *a, const char *name, bool def, bool *ret,
	       struct err *e) MUST_CHECK;
/* Append the words of a variable, or the strings of an array. Nothing there: nothing appended. */
int attrs_list(const struct attrs *a, const char *name, struct strv *ret, struct err *e) MUST_CHECK;
/* Append the strings of the array V; anything else is refused, WHAT is its name in the message. */
int attrs_strings(const struct jdoc *v, const char *what, struct strv *ret,
		  struct err *e) MUST_CHECK;

/*
 * Append `.attrs.sh` for the document DOC, byte-equal to Nix's, with all its oddities: numbers are
 * cut to 32 bits, what is not simple or a list of simple values is left out.
 */
int attrs_shell(const struct jdoc *doc, struct buf *b, struct err *e) MUST_CHECK;

#endif
