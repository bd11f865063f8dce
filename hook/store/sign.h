/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/store/sign.h: sign store paths with the keys that Nix's setting `secret-key-files` names.
 *
 * What is signed of a path is what is signed of a narinfo, the path's fingerprint (nar/narinfo.h).
 */
#ifndef HOOK_STORE_SIGN_H
#define HOOK_STORE_SIGN_H

#include "hook/nix/settings.h"
#include "hook/store/store.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/secretkey.h"

/* Read all that S names; a file that cannot be read or is no key is an error. */
int sign_keys_load(const struct settings *s, struct secretkeys *ret, struct err *e) MUST_CHECK;

/* Append "<name>:<base64>" by each key to RET; R's path, hash, size and references count. */
int sign_registration(const struct secretkeys *k, const struct store_registration *r,
		      struct strv *ret, struct err *e) MUST_CHECK;

/*
 * The same for a realisation of a derivation without dependent ones: its fingerprint is JSON with
 * the base name of the path (Nix's realisation.cc).
 */
int sign_realisation(const struct secretkeys *k, const struct store_realisation *r,
		     struct strv *ret, struct err *e) MUST_CHECK;

#endif
