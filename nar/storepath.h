/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/storepath.h: parse and compute store paths.
 *
 * A store path is `<store dir>/<32 nixbase32 digits>-<name>`; its base name is the part after
 * `<store dir>/`. Formats: Nix manual, "Store path specification". The messages are Nix's.
 */
#ifndef NAR_STOREPATH_H
#define NAR_STOREPATH_H

#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/hash.h"

#define STORE_HASH_LEN 32
#define STORE_NAME_MAX 211
#define STORE_BASE_MAX (STORE_HASH_LEN + 1 + STORE_NAME_MAX)
#define STORE_DIR_DEFAULT "/nix/store"

/* Refuse a base name that is not `<hash>-<name>`. */
int storepath_check_base(const char *base, size_t len, struct err *e) MUST_CHECK;
/* Refuse a name (the part after the hash and '-') that Nix refuses. */
int storepath_check_name(const char *name, size_t len, struct err *e) MUST_CHECK;
/*
 * Refuse PATH unless it is exactly STORE_DIR + "/" + a valid base name ("path '%s' is not in the
 * Nix store"). *RET_BASE points into PATH.
 */
int storepath_check(const char *path, const char *store_dir, const char **ret_base,
		    struct err *e) MUST_CHECK;
/*
 * Find the store path that contains PATH or is PATH ("/nix/store/h-n/bin/x" -> "/nix/store/h-n").
 * Returns the length of that prefix of PATH; 0: PATH is not in the store.
 */
size_t storepath_prefix(const char *path, const char *store_dir);
/* Return the name of a valid store path or base name: the part after the hash and '-'. */
const char *storepath_name(const char *path_or_base);
/* Return "<drv name>" for output "out", else "<drv name>-<output>", on the heap. NULL: *E. */
char *storepath_output_name(const char *drv_name, const char *output, struct err *e) MUST_CHECK;

/*
 * Compute a store path (Nix: makeStorePath). TYPE is "source", "output:out", "text:<refs>", ...;
 * INNER is a SHA-256 hash.
 * Returns the path on the heap; NULL: *E.
 */
char *storepath_make(const char *type, const struct hash *inner, const char *store_dir,
		     const char *name, struct err *e) MUST_CHECK;

enum ca_method { CA_FLAT, CA_NAR, CA_TEXT, CA_GIT };
/* Content-addressed contents: of a fixed or floating output, a source, a text. */
struct ca_contents {
	enum ca_method method;
	struct hash hash;
	const struct strv *refs; /* full paths, sorted; NULL: none */
	bool self;               /* the contents refer to their own path */
};
/*
 * Compute the store path of C. Only NAR with SHA-256 allows both refs and self; text allows refs.
 * Other references are refused, and so is a git tree by another algorithm than SHA-1 and SHA-256.
 * Returns the path on the heap; NULL: *E.
 */
char *storepath_make_ca(const struct ca_contents *c, const char *store_dir, const char *name,
			struct err *e) MUST_CHECK;
/*
 * Spell the `ca` field of a path: "fixed:r:sha256:<nix32>", "fixed:md5:..", "fixed:git:sha1:..",
 * "text:sha256:..".
 * Returns it on the heap; NULL: *E.
 */
char *storepath_ca_text(enum ca_method m, const struct hash *h, struct err *e) MUST_CHECK;
/* Parse the `ca` field of a path. */
int storepath_ca_parse(const char *text, enum ca_method *ret_m, struct hash *ret_h,
		       struct err *e) MUST_CHECK;
/*
 * Compute the placeholder of OUTPUT, which a derivation contains before the output's path is known:
 * "/" + nix32(sha256("nix-output:" + OUTPUT)).
 * Returns it on the heap; NULL: *E.
 */
char *storepath_placeholder(const char *output, struct err *e) MUST_CHECK;

#endif
