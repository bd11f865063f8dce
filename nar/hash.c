/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * This file uses libcrypto's old functions for each algorithm instead of EVP. Both run the same
 * assembly, but the first EVP fetch of a process loads libcrypto's configuration and providers: 1.7
 * ms, measured with OpenSSL 3.0. Each build is a process of the hook, and 1.7 ms is a tenth of the
 * time that Nix takes for a trivial build.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <config.h>

#include "nar/hash.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/md5.h>
#include <openssl/sha.h>
#include <string.h>
#ifdef HAVE_BLAKE3
#include <blake3.h>
#endif

#include "nar/base/buf.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

static const char nix32_digits[] = "0123456789abcdfghijklmnpqrsvwxyz";
static const char base16_digits[] = "0123456789abcdef";
static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define NO_DIGIT 0xff

static const struct {
	const char *name;
	size_t size_bytes;
} algos[] = {
	[HASH_MD5] = {"md5", MD5_DIGEST_LENGTH},
	[HASH_SHA1] = {"sha1", SHA_DIGEST_LENGTH},
	[HASH_SHA256] = {"sha256", SHA256_DIGEST_LENGTH},
	[HASH_SHA512] = {"sha512", SHA512_DIGEST_LENGTH},
	[HASH_BLAKE3] = {"blake3", 32},
};
static_assert(ARRAY_SIZE(algos) == HASH_ALGO_COUNT, "an algorithm has no entry");
static_assert(SHA512_DIGEST_LENGTH <= HASH_BYTES_MAX, "HASH_BYTES_MAX is too small");

const char *hash_algo_name(enum hash_algo a)
{
	return algos[a].name;
}

size_t hash_size_bytes(enum hash_algo a)
{
	return algos[a].size_bytes;
}

bool hash_algo_works(enum hash_algo a)
{
#ifdef HAVE_BLAKE3
	return true;
#else
	return a != HASH_BLAKE3;
#endif
}

bool hash_algo_parse(const char *name, size_t len, enum hash_algo *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(algos); i++) {
		if (strlen(algos[i].name) == len && memcmp(algos[i].name, name, len) == 0) {
			*ret = (enum hash_algo)i;
			return true;
		}
	}
	return false;
}

/* ---- spellings ---- */

/* Return the value of a nixbase32 digit (no e, o, u and t), or NO_DIGIT for another byte. */
static uint8_t nix32_value(unsigned char c)
{
	static const uint8_t values[26] = {
		10, 11,       12, 13, NO_DIGIT, 14, 15,       16,       17, 18, 19, 20, 21,
		22, NO_DIGIT, 23, 24, 25,       26, NO_DIGIT, NO_DIGIT, 27, 28, 29, 30, 31,
	};

	if (c >= '0' && c <= '9')
		return (uint8_t)(c - '0');
	if (c >= 'a' && c <= 'z')
		return values[c - 'a'];
	return NO_DIGIT;
}

bool nix32_is_digit(unsigned char c)
{
	return nix32_value(c) != NO_DIGIT;
}

size_t nix32_len(size_t n_bytes)
{
	return n_bytes ? (8 * n_bytes - 1) / 5 + 1 : 0;
}

/* Digit K holds the five bits from bit 5K on, counted from the lowest bit of the first byte. */
void nix32_encode(const uint8_t *bytes, size_t n, char *ret)
{
	for (size_t k = nix32_len(n); k-- > 0;) {
		size_t i = 5 * k / 8, shift = 5 * k % 8;
		unsigned v = bytes[i] >> shift;

		if (i + 1 < n)
			v |= (unsigned)bytes[i + 1] << (8 - shift);
		*ret++ = nix32_digits[v & 0x1f];
	}
	*ret = '\0';
}

bool nix32_decode(const char *text, size_t len, uint8_t *ret, size_t n)
{
	if (len != nix32_len(n))
		return false;
	memset(ret, 0, n);
	for (size_t k = 0; k < len; k++) {
		unsigned v = nix32_value((unsigned char)text[len - 1 - k]);
		size_t i = 5 * k / 8, shift = 5 * k % 8;

		if (v == NO_DIGIT)
			return false;
		ret[i] |= (uint8_t)(v << shift);
		unsigned spilt = v >> (8 - shift);
		if (i + 1 < n)
			ret[i + 1] |= (uint8_t)spilt;
		else if (spilt)
			return false;
	}
	return true;
}

void base16_encode(const uint8_t *bytes, size_t n, char *ret)
{
	for (size_t i = 0; i < n; i++) {
		*ret++ = base16_digits[bytes[i] >> 4];
		*ret++ = base16_digits[bytes[i] & 15];
	}
	*ret = '\0';
}

static uint8_t base16_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return (uint8_t)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (uint8_t)(c - 'a' + 10);
	if (c >= 'A' && c <= 'F')
		return (uint8_t)(c - 'A' + 10);
	return NO_DIGIT;
}

bool base16_decode(const char *text, size_t len, uint8_t *ret, size_t n)
{
	if (len != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned hi = base16_value((unsigned char)text[2 * i]);
		unsigned lo = base16_value((unsigned char)text[2 * i + 1]);

		if (hi == NO_DIGIT || lo == NO_DIGIT)
			return false;
		ret[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

static size_t base64_len(size_t n)
{
	return (n + 2) / 3 * 4;
}

void base64_encode(const uint8_t *bytes, size_t n, char *ret)
{
	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		unsigned v = (unsigned)bytes[i] << 16;

		if (left > 1)
			v |= (unsigned)bytes[i + 1] << 8;
		if (left > 2)
			v |= bytes[i + 2];
		*ret++ = base64_digits[v >> 18];
		*ret++ = base64_digits[v >> 12 & 63];
		*ret++ = left > 1 ? base64_digits[v >> 6 & 63] : '=';
		*ret++ = left > 2 ? base64_digits[v & 63] : '=';
	}
	*ret = '\0';
}

static uint8_t base64_value(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint8_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint8_t)(c - 'a' + 26);
	if (c >= '0' && c <= '9')
		return (uint8_t)(c - '0' + 52);
	return c == '+' ? 62 : c == '/' ? 63 : NO_DIGIT;
}

bool base64_decode(const char *text, size_t len, uint8_t *ret, size_t n)
{
	size_t out = 0;

	if (len != base64_len(n))
		return false;
	for (size_t i = 0; i < len; i += 4) {
		size_t take = n - out < 3 ? n - out : 3; /* bytes that these four digits spell */
		uint32_t v = 0;

		for (size_t j = 0; j < 4; j++) {
			unsigned char c = (unsigned char)text[i + j];
			unsigned d = j <= take ? base64_value(c) : c == '=' ? 0 : NO_DIGIT;

			if (d == NO_DIGIT)
				return false;
			v = v << 6 | d;
		}
		/* Bits past the last byte would give one value several spellings. */
		if (v & ((1u << 8 * (3 - take)) - 1))
			return false;
		for (size_t j = 0; j < take; j++)
			ret[out++] = (uint8_t)(v >> (16 - 8 * j));
	}
	return true;
}

void hash_print(const struct hash *h, enum hash_format f, bool with_algo, char ret[HASH_TEXT_MAX])
{
	size_t n = hash_size_bytes(h->algo);
	const char *name = hash_algo_name(h->algo);

	if (with_algo || f == HASH_SRI) {
		size_t len = strlen(name);
		memcpy(ret, name, len);
		ret[len] = f == HASH_SRI ? '-' : ':';
		ret += len + 1;
	}
	switch (f) {
	case HASH_BASE16:
		base16_encode(h->bytes, n, ret);
		break;
	case HASH_NIX32:
		nix32_encode(h->bytes, n, ret);
		break;
	case HASH_BASE64:
	case HASH_SRI:
		base64_encode(h->bytes, n, ret);
		break;
	}
}

/*
 * Read the prefix of TEXT: its algorithm, its length, and whether it is an SRI's.
 * Returns false if there is none.
 */
static bool prefix_parse(const char *text, size_t len, enum hash_algo *ret_algo, size_t *ret_len,
			 bool *ret_sri)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] != ':' && text[i] != '-')
			continue;
		if (!hash_algo_parse(text, i, ret_algo))
			return false;
		*ret_sri = text[i] == '-';
		*ret_len = i + 1;
		return true;
	}
	return false;
}

/* Read DIGITS, which follow the prefix. WHOLE is the text for messages. */
static int digits_parse(struct bytes whole, struct bytes digits, bool sri, enum hash_algo a,
			struct hash *ret, struct err *e)
{
	const char *text = digits.data;
	const size_t len = digits.len;
	struct hash h = {.algo = a};
	size_t n = hash_size_bytes(a);
	const char *what;
	bool ok;

	if (len == base64_len(n)) {
		what = sri ? "SRI" : "base-64";
		ok = base64_decode(text, len, h.bytes, n);
	} else if (!sri && len == 2 * n) {
		what = "base-16";
		ok = base16_decode(text, len, h.bytes, n);
	} else if (!sri && len == nix32_len(n)) {
		what = "base-32";
		ok = nix32_decode(text, len, h.bytes, n);
	} else {
		return err_set(e, ERR_INPUT, "hash '%.*s' has wrong length for hash algorithm '%s'",
			       (int)whole.len, whole.data, hash_algo_name(a));
	}
	if (!ok)
		return err_set(e, ERR_INPUT, "invalid %s hash '%.*s'", what, (int)whole.len,
			       whole.data);
	*ret = h;
	return 0;
}

/* Cut TEXT for messages: one that is longer cannot be a hash. */
static struct bytes shown(const char *text, size_t len)
{
	return (struct bytes){text, len < 2 * HASH_TEXT_MAX ? len : 2 * HASH_TEXT_MAX};
}

int hash_parse(const char *text, size_t len, enum hash_algo a, struct hash *ret, struct err *e)
{
	struct bytes whole = shown(text, len);
	enum hash_algo named;
	size_t skip;
	bool sri;

	if (!prefix_parse(text, len, &named, &skip, &sri))
		return digits_parse(whole, (struct bytes){text, len}, false, a, ret, e);
	if (named != a)
		return err_set(e, ERR_INPUT, "hash '%.*s' should have type '%s'", (int)whole.len,
			       whole.data, hash_algo_name(a));
	return digits_parse(whole, (struct bytes){text + skip, len - skip}, sri, a, ret, e);
}

int hash_parse_any(const char *text, size_t len, struct hash *ret, struct err *e)
{
	struct bytes whole = shown(text, len);
	enum hash_algo named;
	size_t skip;
	bool sri;

	if (!prefix_parse(text, len, &named, &skip, &sri))
		return err_set(e, ERR_INPUT,
			       "hash '%.*s' does not name one of " HASH_ALGO_NAMES
			       " before its digits",
			       (int)whole.len, whole.data);
	return digits_parse(whole, (struct bytes){text + skip, len - skip}, sri, named, ret, e);
}

bool hash_equal(const struct hash *a, const struct hash *b)
{
	return a->algo == b->algo && memcmp(a->bytes, b->bytes, hash_size_bytes(a->algo)) == 0;
}

void hash_compress(const uint8_t *bytes, size_t n, uint8_t *out, size_t out_n)
{
	memset(out, 0, out_n);
	for (size_t i = 0; i < n; i++)
		out[i % out_n] ^= bytes[i];
}

/* ---- hashing ---- */

union state {
	MD5_CTX md5;
	SHA_CTX sha1;
	SHA256_CTX sha256;
	SHA512_CTX sha512;
#ifdef HAVE_BLAKE3
	blake3_hasher blake3;
#endif
};
static_assert(sizeof(union state) <= sizeof((struct hash_ctx){0}.state), "hash_ctx is too small");
static_assert(_Alignof(union state) <= _Alignof(uint64_t), "hash_ctx is not aligned");

static union state *state_of(struct hash_ctx *c)
{
	return (union state *)c->state;
}

static int hash_failed(enum hash_algo a, struct err *e)
{
	return err_set(e, ERR_SYSTEM, "libcrypto failed to compute a %s hash", hash_algo_name(a));
}

int hash_start(struct hash_ctx *c, enum hash_algo a, struct err *e)
{
	union state *s = state_of(c);
	int ok = 0;

	if (!hash_algo_works(a))
		return err_set(e, ERR_UNSUPPORTED, "nix-oci-hook was built without %s",
			       hash_algo_name(a));
	switch (a) {
	case HASH_MD5:
		ok = MD5_Init(&s->md5);
		break;
	case HASH_SHA1:
		ok = SHA1_Init(&s->sha1);
		break;
	case HASH_SHA256:
		ok = SHA256_Init(&s->sha256);
		break;
	case HASH_SHA512:
		ok = SHA512_Init(&s->sha512);
		break;
	case HASH_BLAKE3:
#ifdef HAVE_BLAKE3
		blake3_hasher_init(&s->blake3);
		ok = 1;
#endif
		break;
	case HASH_ALGO_COUNT:
		break;
	}
	c->algo = a;
	c->started = ok == 1;
	return ok ? 0 : hash_failed(a, e);
}

int hash_update(struct hash_ctx *c, const void *data, size_t n, struct err *e)
{
	union state *s = state_of(c);
	int ok = 0;

	assert(c->started);
	switch (c->algo) {
	case HASH_MD5:
		ok = MD5_Update(&s->md5, data, n);
		break;
	case HASH_SHA1:
		ok = SHA1_Update(&s->sha1, data, n);
		break;
	case HASH_SHA256:
		ok = SHA256_Update(&s->sha256, data, n);
		break;
	case HASH_SHA512:
		ok = SHA512_Update(&s->sha512, data, n);
		break;
	case HASH_BLAKE3:
#ifdef HAVE_BLAKE3
		blake3_hasher_update(&s->blake3, data, n);
		ok = 1;
#endif
		break;
	case HASH_ALGO_COUNT:
		break;
	}
	return ok ? 0 : hash_failed(c->algo, e);
}

int hash_finish(struct hash_ctx *c, struct hash *ret, struct err *e)
{
	union state *s = state_of(c);
	struct hash h = {.algo = c->algo};
	int ok = 0;

	assert(c->started);
	c->started = false;
	switch (c->algo) {
	case HASH_MD5:
		ok = MD5_Final(h.bytes, &s->md5);
		break;
	case HASH_SHA1:
		ok = SHA1_Final(h.bytes, &s->sha1);
		break;
	case HASH_SHA256:
		ok = SHA256_Final(h.bytes, &s->sha256);
		break;
	case HASH_SHA512:
		ok = SHA512_Final(h.bytes, &s->sha512);
		break;
	case HASH_BLAKE3:
#ifdef HAVE_BLAKE3
		blake3_hasher_finalize(&s->blake3, h.bytes, hash_size_bytes(HASH_BLAKE3));
		ok = 1;
#endif
		break;
	case HASH_ALGO_COUNT:
		break;
	}
	if (!ok)
		return hash_failed(c->algo, e);
	*ret = h;
	return 0;
}

void hash_ctx_done(struct hash_ctx *c)
{
	memset(c, 0, sizeof *c);
}

int hash_bytes(enum hash_algo a, const void *data, size_t n, struct hash *ret, struct err *e)
{
	scoped_hash_ctx struct hash_ctx c = {0};

	if (hash_start(&c, a, e) < 0 || hash_update(&c, data, n, e) < 0)
		return -1;
	return hash_finish(&c, ret, e);
}
