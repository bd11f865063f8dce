/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/store_sign.h: sign store paths with the keys that Nix's setting `secret-key-files` names.
 *
 * A key file is `<name>:<base64 of 64 bytes>`: an Ed25519 secret key and its public key, as
 * `nix-store --generate-binary-cache-key` writes it (nar/ed25519.h). What is signed is what is
 * signed of a narinfo, the path's fingerprint (nar/narinfo.h).
 */
#ifndef HOOK_STORE_SIGN_H
#define HOOK_STORE_SIGN_H

#include "hook/settings.h"
#include "hook/store.h"
#include "nar/buf.h"
#include "nar/err.h"

struct sign_keys {
	struct strv texts; /* the keys, as they are in their files */
};
#define SIGN_KEYS_INIT    \
	{                 \
		STRV_INIT \
	}

/* Read all that S names; a file that cannot be read or is no key is an error. */
int sign_keys_load(const struct settings *s, struct sign_keys *ret, struct err *e) MUST_CHECK;
void sign_keys_done(struct sign_keys *k);
#define scoped_sign_keys __attribute__((cleanup(sign_keys_done)))

/* Append "<name>:<base64>" by each key to RET; R's path, hash, size and references count. */
int sign_registration(const struct sign_keys *k, const struct store_registration *r,
		      struct strv *ret, struct err *e) MUST_CHECK;

/*
 * The same for a realisation of a derivation without dependent ones: its fingerprint is JSON with
 * the base name of the path (Nix's realisation.cc).
 */
int sign_realisation(const struct sign_keys *k, const struct store_realisation *r, struct strv *ret,
		     struct err *e) MUST_CHECK;

#endif
