/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/store/sign.h: sign store paths with the keys that Nix's setting `secret-key-files` names.
 *
 * A signature is of the path's fingerprint, as a narinfo's is (nar/narinfo.h).
 */
#ifndef HOOK_STORE_SIGN_H
#define HOOK_STORE_SIGN_H

#include "hook/nix/settings.h"
#include "hook/store/store.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/secretkey.h"

/* Read all keys that S names. A file that cannot be read or contains no key is an error. */
int sign_keys_load(const struct settings *s, struct secretkeys *ret, struct err *e) MUST_CHECK;

/*
 * Append to RET a signature "<name>:<base64>" by each key. What is signed is R's path, hash, size
 * and references.
 */
int sign_registration(const struct secretkeys *k, const struct store_registration *r,
		      struct strv *ret, struct err *e) MUST_CHECK;

/*
 * Append to RET a signature by each key of R, which depends on no other realisation. What is signed
 * is JSON with the base name of the path (Nix's realisation.cc).
 */
int sign_realisation(const struct secretkeys *k, const struct store_realisation *r,
		     struct strv *ret, struct err *e) MUST_CHECK;

#endif
