/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/ed25519.h"

#include <openssl/evp.h>
#include <string.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"
#include "nar/hash.h"

#include "nar/base/banned.h"

#define SIG_BYTES 64

static void scope_pkey(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}
#define scoped_pkey __attribute__((cleanup(scope_pkey)))

static void scope_md(EVP_MD_CTX **c)
{
	EVP_MD_CTX_free(*c);
}
#define scoped_md __attribute__((cleanup(scope_md)))

/*
 * Split `<name>:<base64 of N bytes>`. *RET_FORM tells whether TEXT consists of two parts.
 * Returns false if TEXT is not of this form, or its second part is not N bytes.
 */
static bool split(const char *text, size_t *ret_name_len, uint8_t *ret, size_t n, bool *ret_form)
{
	const char *colon = strchr(text, ':');

	*ret_form = colon && colon != text && colon[1];
	if (!*ret_form)
		return false;
	*ret_name_len = (size_t)(colon - text);
	return base64_decode(colon + 1, strlen(colon + 1), ret, n);
}

int ed25519_keys_add(struct ed25519_keys *k, const char *text, struct err *e)
{
	struct ed25519_key key;
	size_t name_len;
	bool form;

	if (!split(text, &name_len, key.bytes, sizeof key.bytes, &form))
		return err_set(e, ERR_INPUT, "%s: '%s'",
			       form ? "public key is not valid" : "key is corrupt", text);
	if (mem_grow(&k->items, &k->cap, k->n + 1, sizeof *k->items, e) < 0)
		return -1;
	key.name = str_ndup(text, name_len, e);
	if (!key.name)
		return -1;
	k->items[k->n++] = key;
	return 0;
}

void ed25519_keys_done(struct ed25519_keys *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->items[i].name);
	free(k->items);
	*k = (struct ed25519_keys)ED25519_KEYS_INIT;
}

static int failed(struct err *e)
{
	return err_set(e, ERR_SYSTEM, "libcrypto failed to make or check an Ed25519 signature");
}

/*
 * Check SIG against KEY.
 * Returns 1: it is KEY's signature of the N bytes at DATA; 0: it is not; -1: *E.
 */
static int check(const uint8_t key[ED25519_PUBLIC_BYTES], const uint8_t sig[SIG_BYTES],
		 const void *data, size_t n, struct err *e)
{
	scoped_pkey EVP_PKEY *pkey =
		EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, ED25519_PUBLIC_BYTES);
	scoped_md EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!pkey || !ctx || EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) != 1)
		return failed(e);
	/* EVP_DigestVerify(3) also reports a malformed signature as an error: no failure here. */
	return EVP_DigestVerify(ctx, sig, SIG_BYTES, data, n) == 1;
}

int ed25519_check(const struct ed25519_keys *k, const char *sig, const void *data, size_t n,
		  struct err *e)
{
	uint8_t bytes[SIG_BYTES];
	size_t name_len;
	bool form;

	if (!split(sig, &name_len, bytes, sizeof bytes, &form))
		return 0;
	for (size_t i = 0; i < k->n; i++) {
		const struct ed25519_key *key = &k->items[i];

		if (strlen(key->name) != name_len || memcmp(key->name, sig, name_len) != 0)
			continue;
		int rc = check(key->bytes, bytes, data, n, e);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int split_secret(const char *text, size_t *ret_name_len, uint8_t ret[ED25519_SECRET_BYTES],
			struct err *e)
{
	bool form;

	if (split(text, ret_name_len, ret, ED25519_SECRET_BYTES, &form))
		return 0;
	/* TEXT is secret, so the message does not show it. */
	return err_set(e, ERR_INPUT, "%s", form ? "secret key is not valid" : "key is corrupt");
}

int ed25519_secret_check(const char *text, struct err *e)
{
	uint8_t secret[ED25519_SECRET_BYTES];
	size_t name_len;
	int rc = split_secret(text, &name_len, secret, e);

	explicit_bzero(secret, sizeof secret);
	return rc;
}

char *ed25519_sign(const char *text, const void *data, size_t n, struct err *e)
{
	uint8_t secret[ED25519_SECRET_BYTES], sig[SIG_BYTES];
	char base64[SIG_BYTES / 3 * 4 + 8];
	size_t name_len, sig_len = sizeof sig;

	int rc = split_secret(text, &name_len, secret, e);
	/* The first half is the seed, from which libcrypto computes the public key itself. */
	scoped_pkey EVP_PKEY *pkey =
		rc < 0 ? NULL : EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, 32);
	explicit_bzero(secret, sizeof secret);
	if (rc < 0)
		return NULL;
	scoped_md EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (!pkey || !ctx || EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) != 1 ||
	    EVP_DigestSign(ctx, sig, &sig_len, data, n) != 1 || sig_len != sizeof sig) {
		failed(e);
		return NULL;
	}
	base64_encode(sig, sizeof sig, base64);
	return str_fmt(e, "%.*s:%s", (int)name_len, text, base64);
}
