/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/hash.h: the hashes that Nix knows, and their spellings.
 *
 * Spellings (Nix manual, "Content-addressing store objects" and nix-hash(1)): base16 in lower
 * case, nixbase32 (alphabet 0123456789abcdfghijklmnpqrsvwxyz, read from the end), base64 with
 * padding, and SRI `<algo>-<base64>`. Hashing is libcrypto's; large updates are much faster than
 * small ones (1.8 GB/s against 0.13 GB/s by 16 bytes, SHA-256 with SHA-NI). BLAKE3 is libblake3's:
 * where configure found none, its hashes are read and spelt, but hash_start() refuses it.
 */
#ifndef NAR_HASH_H
#define NAR_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "nar/base/err.h"

enum hash_algo {
	HASH_MD5,
	HASH_SHA1,
	HASH_SHA256,
	HASH_SHA512,
	HASH_BLAKE3, /* Nix: experimental feature blake3-hashes */
	HASH_ALGO_COUNT,
};
/* Their names, for messages about another one. */
#define HASH_ALGO_NAMES "'blake3', 'md5', 'sha1', 'sha256', or 'sha512'"

#define HASH_BYTES_MAX 64
/* The longest spelling of any hash is base16 of SHA-512 with its name: "sha512:" + 128 + NUL. */
#define HASH_TEXT_MAX 160

struct hash {
	enum hash_algo algo;
	uint8_t bytes[HASH_BYTES_MAX]; /* the first hash_size_bytes(algo) of them */
};

const char *hash_algo_name(enum hash_algo a); /* "md5", "sha1", "sha256", "sha512", "blake3" */
size_t hash_size_bytes(enum hash_algo a);     /* 16, 20, 32, 64, 32 */
bool hash_algo_works(enum hash_algo a);       /* false: this program was built without it */
/* Find an algorithm by its name of LEN bytes; false if Nix has none of that name. */
bool hash_algo_parse(const char *name, size_t len, enum hash_algo *ret);

/* Spell N bytes. RET holds what the format needs and a NUL. */
size_t nix32_len(size_t n_bytes); /* (8n-1)/5+1, without NUL; 0 for 0 */
void nix32_encode(const uint8_t *bytes, size_t n, char *ret);
/* False unless TEXT is LEN digits of the alphabet that spell exactly N bytes, no bits spilt. */
bool nix32_decode(const char *text, size_t len, uint8_t *ret, size_t n);
bool nix32_is_digit(unsigned char c);
void base16_encode(const uint8_t *bytes, size_t n, char *ret);            /* 2n digits and NUL */
bool base16_decode(const char *text, size_t len, uint8_t *ret, size_t n); /* either case */
void base64_encode(const uint8_t *bytes, size_t n, char *ret);            /* 4*ceil(n/3) and NUL */
bool base64_decode(const char *text, size_t len, uint8_t *ret, size_t n); /* padded, strict */

enum hash_format { HASH_BASE16, HASH_NIX32, HASH_BASE64, HASH_SRI };
/* Write H into RET: without the algorithm's name but for SRI; WITH_ALGO puts "<algo>:" before. */
void hash_print(const struct hash *h, enum hash_format f, bool with_algo, char ret[HASH_TEXT_MAX]);
/*
 * Read the hash of a known algorithm, in base16, nixbase32 or base64 by its length, or as SRI or
 * with an "<algo>:" prefix of that same algorithm. Wrong length: Nix's text,
 * "hash '%s' has wrong length for hash algorithm '%s'".
 */
int hash_parse(const char *text, size_t len, enum hash_algo a, struct hash *ret,
	       struct err *e) MUST_CHECK;
/* The same where the text has to name its algorithm ("sha256:..." or SRI). */
int hash_parse_any(const char *text, size_t len, struct hash *ret, struct err *e) MUST_CHECK;
bool hash_equal(const struct hash *a, const struct hash *b);
/* Fold N bytes to OUT_N by xor, as store paths do (Nix: compressHash). */
void hash_compress(const uint8_t *bytes, size_t n, uint8_t *out, size_t out_n);

/*
 * Streaming. A context is reused by hash_start() and owns no heap; hash_ctx_done() wipes it, and
 * takes a cleared one too.
 */
struct hash_ctx {
	enum hash_algo algo;
	bool started;
	/* libcrypto's MD5_CTX, SHA_CTX, SHA256_CTX or SHA512_CTX (27), libblake3's blake3_hasher */
	uint64_t state[240];
};
/* An algorithm that does not work here: ERR_UNSUPPORTED. */
int hash_start(struct hash_ctx *c, enum hash_algo a, struct err *e) MUST_CHECK;
int hash_update(struct hash_ctx *c, const void *data, size_t n, struct err *e) MUST_CHECK;
int hash_finish(struct hash_ctx *c, struct hash *ret, struct err *e) MUST_CHECK;
void hash_ctx_done(struct hash_ctx *c);
#define scoped_hash_ctx __attribute__((cleanup(hash_ctx_done)))

/* All at once. */
int hash_bytes(enum hash_algo a, const void *data, size_t n, struct hash *ret,
	       struct err *e) MUST_CHECK;

#endif
