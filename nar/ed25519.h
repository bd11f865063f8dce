/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/ed25519.h: Ed25519 signatures as Nix writes them.
 *
 * - public key, as in trusted-public-keys: `<name>:<base64 of 32 bytes>`
 * - secret key: `<name>:<base64 of 64 bytes>`, the seed followed by the public key
 * - signature: `<name of the key>:<base64 of 64 bytes>`
 */
#ifndef NAR_ED25519_H
#define NAR_ED25519_H

#include <stddef.h>
#include <stdint.h>

#include "nar/base/err.h"

#define ED25519_PUBLIC_BYTES 32
#define ED25519_SECRET_BYTES 64

struct ed25519_key {
	char *name;
	uint8_t bytes[ED25519_PUBLIC_BYTES];
};

/* A list of trusted public keys. */
struct ed25519_keys {
	struct ed25519_key *items;
	size_t n, cap;
};
#define ED25519_KEYS_INIT  \
	{                  \
		NULL, 0, 0 \
	}

/* Add the public key TEXT. Refuses another text: "key is corrupt", "public key is not valid". */
int ed25519_keys_add(struct ed25519_keys *k, const char *text, struct err *e) MUST_CHECK;
void ed25519_keys_done(struct ed25519_keys *k);
#define scoped_ed25519_keys __attribute__((cleanup(ed25519_keys_done), unused))

/*
 * Tell whether SIG is a signature of the N bytes at DATA by the key of K that it names.
 * Returns 1: it is; 0: it is malformed, wrong, or by a key that K does not contain; -1: libcrypto
 * failed, *E.
 */
int ed25519_check(const struct ed25519_keys *k, const char *sig, const void *data, size_t n,
		  struct err *e) MUST_CHECK;
/* Refuse TEXT if it is no secret key ("key is corrupt", "secret key is not valid"). */
int ed25519_secret_check(const char *text, struct err *e) MUST_CHECK;
/*
 * Sign the N bytes at DATA with the secret key TEXT, which is refused like by
 * ed25519_secret_check().
 * Returns the signature on the heap; NULL: *E.
 */
char *ed25519_sign(const char *text, const void *data, size_t n, struct err *e) MUST_CHECK;

#endif
