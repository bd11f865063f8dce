/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/ed25519.h: Ed25519 signatures as Nix writes them.
 *
 * A public key is `<name>:<base64 of 32 bytes>`, as in trusted-public-keys; a secret key is
 * `<name>:<base64 of 64 bytes>`, the seed and then the public key; a signature is `<key
 * name>:<base64 of 64 bytes>`. A key is looked up by the name in the signature.
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

/* The keys that are trusted. */
struct ed25519_keys {
	struct ed25519_key *items;
	size_t n, cap;
};
#define ED25519_KEYS_INIT  \
	{                  \
		NULL, 0, 0 \
	}

/* Add the public key TEXT; refused: "key is corrupt", "public key is not valid". */
int ed25519_keys_add(struct ed25519_keys *k, const char *text, struct err *e) MUST_CHECK;
void ed25519_keys_done(struct ed25519_keys *k);
#define scoped_ed25519_keys __attribute__((cleanup(ed25519_keys_done), unused))

/*
 * Whether SIG is a signature of the N bytes at DATA by one of K: 1 or 0. A signature that is
 * malformed, or by another key, is none. -1: *E, libcrypto failed.
 */
int ed25519_check(const struct ed25519_keys *k, const char *sig, const void *data, size_t n,
		  struct err *e) MUST_CHECK;
/* Refuse TEXT where it is no secret key ("key is corrupt", "secret key is not valid"). */
int ed25519_secret_check(const char *text, struct err *e) MUST_CHECK;
/* Sign with the secret key TEXT. Heap; NULL: *E ("secret key is not valid"). */
char *ed25519_sign(const char *text, const void *data, size_t n, struct err *e) MUST_CHECK;

#endif
