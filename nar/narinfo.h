/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/narinfo.h: what a binary cache says of a store path (`<hash part>.narinfo`).
 *
 * Read more strictly than Nix does, as a line that two readers read differently is an attack: the
 * ':' has a blank after it, and no key but Sig may be repeated. Keys that are not known are
 * skipped. What a narinfo says is not to be believed before narinfo_check_signed(), and its NAR not
 * before its hash and size were compared.
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
	char *compression; /* "bzip2" where the narinfo has none, as for Nix; else unchecked */
	bool has_file_hash;
	struct hash file_hash;
	uint64_t file_size_bytes; /* 0: not said */
	struct hash nar_hash;     /* any algorithm */
	uint64_t nar_size_bytes;  /* at least 1 */
	struct strv refs;         /* base names, sorted, each once */
	char *deriver;            /* base name, or NULL */
	struct strv sigs;         /* as they are, in their order */
	char *ca;                 /* or NULL */
};

/* WHAT is the narinfo's name for messages: "NAR info file '%s' is corrupt: ... at line N". */
int narinfo_parse(const char *text, size_t len, const char *store_dir, const char *what,
		  struct narinfo *ret, struct err *e) MUST_CHECK;
/* Append it as Nix writes it. */
int narinfo_print(const struct narinfo *n, struct buf *b, struct err *e) MUST_CHECK;
void narinfo_done(struct narinfo *n);
#define scoped_narinfo __attribute__((cleanup(narinfo_done), unused))

/*
 * What is signed: "1;<path>;sha256:<nix32>;<size>;<ref>,<ref>". Refused where NarHash is another.
 */
int narinfo_fingerprint(const struct narinfo *n, struct buf *b, struct err *e) MUST_CHECK;
/* 1: one of its signatures is by one of KEYS; 0: none is. */
int narinfo_check_signed(const struct narinfo *n, const struct ed25519_keys *keys,
			 struct err *e) MUST_CHECK;
/* Sign with this secret key; a signature that is there already is not repeated. */
int narinfo_sign(struct narinfo *n, const char *secret_key, struct err *e) MUST_CHECK;
/*
 * 1: its CA field and references compute to its path, which then needs no signature, but contents
 * that have the hash of the CA field; 0: it has none, or a wrong one.
 */
int narinfo_check_ca(const struct narinfo *n, struct err *e) MUST_CHECK;

#endif
