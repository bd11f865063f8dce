/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/narinfo.h: a binary cache's description of a store path, `<hash part>.narinfo`.
 *
 * The parser is stricter than Nix's, because a line that two readers understand differently is an
 * attack: a blank must follow the ':', and only Sig may be repeated. Unknown keys are skipped. Do
 * not trust a narinfo before narinfo_check_signed(), nor a NAR before its hash and size are
 * compared.
 */
#ifndef NAR_NARINFO_H
#define NAR_NARINFO_H

#include <stdint.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "nar/ed25519.h"
#include "nar/hash.h"

#define NARINFO_MAX_BYTES (4 << 20)

struct narinfo {
	char *store_path;  /* full */
	char *url;         /* relative to the cache, or absolute; printable ASCII */
	char *compression; /* not checked; "bzip2" if the narinfo gives none, as in Nix */
	bool has_file_hash;
	struct hash file_hash;
	uint64_t file_size_bytes; /* 0: not given */
	struct hash nar_hash;     /* any algorithm */
	uint64_t nar_size_bytes;  /* at least 1 */
	struct strv refs;         /* base names, sorted, each once */
	char *deriver;            /* base name, or NULL */
	struct strv sigs;         /* in the order of the file; not checked */
	char *ca;                 /* or NULL */
};

/*
 * Parse a narinfo of the store directory STORE_DIR. WHAT is its name for messages: "NAR info file
 * '%s' is corrupt: ... at line N".
 */
int narinfo_parse(const char *text, size_t len, const char *store_dir, const char *what,
		  struct narinfo *ret, struct err *e) MUST_CHECK;
/* Append the text of N to B, in Nix's format. */
int narinfo_print(const struct narinfo *n, struct buf *b, struct err *e) MUST_CHECK;
void narinfo_done(struct narinfo *n);
#define scoped_narinfo __attribute__((cleanup(narinfo_done), unused))

/*
 * Append the text that is signed to B: "1;<path>;sha256:<nix32>;<size>;<ref>,<ref>". A NarHash that
 * is not SHA-256 is an error.
 */
int narinfo_fingerprint(const struct narinfo *n, struct buf *b, struct err *e) MUST_CHECK;
/*
 * Check the signatures of N.
 * Returns 1: one of them is by one of KEYS; 0: none is; -1: *E.
 */
int narinfo_check_signed(const struct narinfo *n, const struct ed25519_keys *keys,
			 struct err *e) MUST_CHECK;
/* Sign N with this secret key, unless N contains the signature already. */
int narinfo_sign(struct narinfo *n, const char *secret_key, struct err *e) MUST_CHECK;
/*
 * Check whether the store path of N follows from its CA field and references. Such a path needs no
 * signature if its contents have the hash in the CA field, which the caller must compare.
 * Returns 1: it follows; 0: N has no CA field, or the path does not follow; -1: *E.
 */
int narinfo_check_ca(const struct narinfo *n, struct err *e) MUST_CHECK;

#endif
