/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/secretkey.h: secret keys that sign store paths, read from files and wiped from memory.
 *
 *	scoped_secretkeys struct secretkeys keys = SECRETKEYS_INIT;
 *	secretkeys_read(&keys, "/etc/nix/key.secret", e);
 *	sig = ed25519_sign(keys.items[0], data, n, e);
 *
 * A file contains one key, as `nix-store --generate-binary-cache-key` writes it (nar/ed25519.h);
 * blanks and line feeds after the key are allowed. The bytes of a file are in one block of memory
 * only, which never moves, and which is overwritten before it is freed: when the keys are done
 * with, and also where reading fails.
 */
#ifndef NAR_SECRETKEY_H
#define NAR_SECRETKEY_H

#include <stddef.h>

#include "nar/base/err.h"

#define SECRETKEY_FILE_MAX 4096

struct secretkeys {
	char **items; /* n keys, each a string in a block of SECRETKEY_FILE_MAX + 1 bytes */
	size_t n, cap;
};
#define SECRETKEYS_INIT    \
	{                  \
		NULL, 0, 0 \
	}

/*
 * Append the key in FILE. A symbolic link is followed, as by Nix: keys are often links to where
 * secrets are mounted. A file that cannot be read or that contains no key is an error, and KEYS
 * stays as it was. Messages never show a part of a key.
 */
int secretkeys_read(struct secretkeys *keys, const char *file, struct err *e) MUST_CHECK;
/* Wipe and free all keys. */
void secretkeys_done(struct secretkeys *keys);
#define scoped_secretkeys __attribute__((cleanup(secretkeys_done), unused))

#endif
