/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/drv/attrs.h: read the attributes by which a derivation says how it is to be built.
 *
 * Attributes such as impureEnvVars or __impureHostDeps have one of two forms. They are strings in
 * the environment, or, if the derivation has structured attributes, values of the JSON document in
 * the variable `__json`; the environment does not count then. Source: Nix's
 * src/libstore/parsed-derivations.cc, derivation-options.cc.
 *
 *	scoped_attrs struct attrs a = ATTRS_INIT;
 *	if (attrs_open(&a, drv, e) < 0 || attrs_list(&a, "impureEnvVars", &names, e) < 0) ...
 *
 * Attributes that only the document can have, such as outputChecks, are looked up in it:
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
	const struct drv *drv; /* owned by the caller */
	bool structured;
	struct jdoc doc; /* an object if structured, else null */
};
#define ATTRS_INIT                     \
	{                              \
		NULL, false, JDOC_INIT \
	}

/* Open the attributes of D, which must outlive A. A `__json` that is no JSON object is refused. */
int attrs_open(struct attrs *a, const struct drv *d, struct err *e) MUST_CHECK;
void attrs_done(struct attrs *a);
#define scoped_attrs __attribute__((cleanup(attrs_done)))

/* Tell whether there is an attribute NAME, of any kind. */
bool attrs_has(const struct attrs *a, const char *name);
/*
 * Return the text of the attribute NAME, which A owns. NULL: there is none, it is of another kind,
 * or it contains a NUL.
 */
const char *attrs_text(const struct attrs *a, const char *name);
/*
 * Put into *RET whether the attribute NAME is "1" in the environment, or true in the document; DEF
 * if there is none. Another kind of value in the document is ERR_INPUT.
 */
int attrs_bool(const struct attrs *a, const char *name, bool def, bool *ret,
	       struct err *e) MUST_CHECK;
/*
 * Append to RET the words of the variable NAME, or the strings of the array NAME in the document;
 * nothing if there is no attribute NAME.
 */
int attrs_list(const struct attrs *a, const char *name, struct strv *ret, struct err *e) MUST_CHECK;
/* Append to RET the strings of V. Anything but an array of strings is refused as attribute WHAT. */
int attrs_strings(const struct jdoc *v, const char *what, struct strv *ret,
		  struct err *e) MUST_CHECK;

/*
 * Append `.attrs.sh` for the document DOC, with exactly the bytes of Nix. As in Nix, numbers are
 * cut to 32 bits. A value is left out that is neither simple nor an array or object of simple ones.
 */
int attrs_shell(const struct jdoc *doc, struct buf *b, struct err *e) MUST_CHECK;

#endif
