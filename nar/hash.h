/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/hash.h: the hashes that Nix knows, and their spellings.
 *
 * Spellings (Nix manual, "Content-addressing store objects" and nix-hash(1)): base16 in lower case,
 * nixbase32 (alphabet 0123456789abcdfghijklmnpqrsvwxyz, read from the end), base64 with padding,
 * and SRI `<algo>-<base64>`. libcrypto computes the hashes. Large updates are much faster than
 * small ones: with SHA-256 and SHA-NI, 1.8 GB/s against 0.13 GB/s by 16 bytes. libblake3 computes
 * BLAKE3. If configure found no libblake3, BLAKE3 hashes are still read and spelt, but hash_start()
 * refuses to compute them.
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
/* The names of all algorithms, for messages about an unknown one. */
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
/* Find an algorithm by its name of LEN bytes. Returns false if Nix knows none of that name. */
bool hash_algo_parse(const char *name, size_t len, enum hash_algo *ret);

/* Spell N bytes into RET, which has room for the format's digits and a NUL. */
size_t nix32_len(size_t n_bytes); /* digits, without NUL: (8n-1)/5+1; 0 for 0 */
void nix32_encode(const uint8_t *bytes, size_t n, char *ret);
/*
 * Read N bytes. Returns false unless TEXT is LEN digits that spell exactly N bytes, all bits used.
 */
bool nix32_decode(const char *text, size_t len, uint8_t *ret, size_t n);
bool nix32_is_digit(unsigned char c);
void base16_encode(const uint8_t *bytes, size_t n, char *ret);            /* 2n digits and NUL */
bool base16_decode(const char *text, size_t len, uint8_t *ret, size_t n); /* either case */
void base64_encode(const uint8_t *bytes, size_t n, char *ret);            /* 4*ceil(n/3) and NUL */
bool base64_decode(const char *text, size_t len, uint8_t *ret, size_t n); /* padded, strict */

enum hash_format { HASH_BASE16, HASH_NIX32, HASH_BASE64, HASH_SRI };
/* Spell H into RET, after "<algo>:" if WITH_ALGO. SRI always contains the algorithm's name. */
void hash_print(const struct hash *h, enum hash_format f, bool with_algo, char ret[HASH_TEXT_MAX]);
/*
 * Read a hash of algorithm A. Its length tells base16, nixbase32 and base64 apart. An "<algo>:"
 * prefix or SRI is allowed if it names A. The message for a wrong length is Nix's: "hash '%s' has
 * wrong length for hash algorithm '%s'".
 */
int hash_parse(const char *text, size_t len, enum hash_algo a, struct hash *ret,
	       struct err *e) MUST_CHECK;
/* Read a hash of any algorithm, which the text must name ("sha256:..." or SRI). */
int hash_parse_any(const char *text, size_t len, struct hash *ret, struct err *e) MUST_CHECK;
bool hash_equal(const struct hash *a, const struct hash *b);
/* Fold N bytes to OUT_N by xor, as store paths do (Nix: compressHash). */
void hash_compress(const uint8_t *bytes, size_t n, uint8_t *out, size_t out_n);

/*
 * The state of hashing a stream. It owns no heap, and hash_start() may reuse it. hash_ctx_done()
 * wipes it, also when it is cleared already.
 */
struct hash_ctx {
	enum hash_algo algo;
	bool started;
	/* libcrypto's MD5_CTX, SHA_CTX, SHA256_CTX or SHA512_CTX; libblake3's blake3_hasher */
	uint64_t state[240];
};
/* Start a hash. ERR_UNSUPPORTED: this program was built without algorithm A. */
int hash_start(struct hash_ctx *c, enum hash_algo a, struct err *e) MUST_CHECK;
int hash_update(struct hash_ctx *c, const void *data, size_t n, struct err *e) MUST_CHECK;
int hash_finish(struct hash_ctx *c, struct hash *ret, struct err *e) MUST_CHECK;
void hash_ctx_done(struct hash_ctx *c);
#define scoped_hash_ctx __attribute__((cleanup(hash_ctx_done)))

/* Hash the N bytes at DATA. */
int hash_bytes(enum hash_algo a, const void *data, size_t n, struct hash *ret,
	       struct err *e) MUST_CHECK;

#endif
