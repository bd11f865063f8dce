/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/store_sign.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "nar/io.h"
#include "nar/scope.h"

#include "nar/banned.h"

/* An Ed25519 seed; the file has the public key after it, which follows from the seed. */
#define SEED_BYTES 32
#define SECRET_BYTES 64
#define SIG_BYTES 64
#define SIG_BASE64 (SIG_BYTES / 3 * 4 + 4 + 1)
#define KEY_FILE_MAX 4096
#define FINGERPRINT_MAX (64u << 20)

struct sign_key {
	char *name;
	EVP_PKEY *key;
};

void sign_keys_done(struct sign_keys *k)
{
	for (size_t i = 0; i < k->n; i++) {
		free(k->items[i].name);
		EVP_PKEY_free(k->items[i].key);
	}
	free(k->items);
	*k = (struct sign_keys)SIGN_KEYS_INIT;
}

/* The words of Nix, and which file it is about. */
static int key_err(const char *what, const char *file, struct err *e)
{
	return err_set(e, ERR_INPUT, "%s, in '%s' of the setting 'secret-key-files'", what, file);
}

static int key_parse(const char *text, size_t len, const char *file, struct sign_key *ret,
		     struct err *e)
{
	uint8_t secret[SECRET_BYTES];
	const char *colon = memchr(text, ':', len);

	while (len && strchr(" \t\r\n", text[len - 1]))
		len--;
	if (!colon || colon == text || colon + 1 >= text + len)
		return key_err("key is corrupt", file, e);
	if (!base64_decode(colon + 1, (size_t)(text + len - (colon + 1)), secret, sizeof secret))
		return key_err("secret key is not valid", file, e);
	ret->name = str_ndup(text, (size_t)(colon - text), e);
	if (ret->name)
		ret->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, SEED_BYTES);
	OPENSSL_cleanse(secret, sizeof secret);
	if (!ret->name)
		return -1;
	return ret->key ? 0 : err_memory(e);
}

static int key_load(const char *file, struct sign_keys *keys, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(KEY_FILE_MAX);
	/* Nix follows links here: keys are often links to where secrets are mounted. */
	scoped_fd int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "opening the secret key '%s'", file);
	if (buf_reserve(&b, KEY_FILE_MAX, e) < 0 || buf_read_fd(&b, fd, file, e) < 0)
		return -1;
	if (mem_grow(&keys->items, &keys->cap, keys->n + 1, sizeof *keys->items, e) < 0)
		return -1;
	struct sign_key key = {0};
	int rc = key_parse(b.data, b.len, file, &key, e);
	OPENSSL_cleanse(b.data, b.len);
	if (rc < 0) {
		free(key.name);
		return -1;
	}
	keys->items[keys->n++] = key;
	return 0;
}

int sign_keys_load(const struct settings *s, struct sign_keys *ret, struct err *e)
{
	scoped_sign_keys struct sign_keys keys = SIGN_KEYS_INIT;
	scoped_strv struct strv files = STRV_INIT;

	if (settings_list(s, "secret-key-files", &files, e) < 0)
		return -1;
	for (size_t i = 0; i < files.n; i++)
		if (key_load(files.items[i], &keys, e) < 0)
			return -1;
	*ret = TAKE(keys, ((struct sign_keys)SIGN_KEYS_INIT));
	return 0;
}

static int fingerprint(const struct store_registration *r, struct buf *b, struct err *e)
{
	char hash[HASH_TEXT_MAX];

	hash_print(&r->nar_sha256, HASH_NIX32, true, hash);
	if (buf_addf(b, e, "1;%s;%s;%llu;", r->path, hash, (unsigned long long)r->nar_size_bytes) <
	    0)
		return -1;
	for (size_t i = 0; i < r->refs->n; i++)
		if (buf_addf(b, e, "%s%s", i ? "," : "", r->refs->items[i]) < 0)
			return -1;
	return 0;
}

static int sign(const struct sign_key *key, const struct buf *b, struct strv *ret, struct err *e)
{
	uint8_t sig[SIG_BYTES];
	char text[SIG_BASE64];
	size_t n = sizeof sig;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->key) == 1 &&
		  EVP_DigestSign(ctx, sig, &n, (const uint8_t *)b->data, b->len) == 1 &&
		  n == sizeof sig;

	EVP_MD_CTX_free(ctx);
	if (!ok)
		return err_set(e, ERR_SYSTEM, "signing with the secret key '%s' failed", key->name);
	base64_encode(sig, sizeof sig, text);
	return strv_addf(ret, e, "%s:%s", key->name, text);
}

static int sign_all(const struct sign_keys *k, const struct buf *b, struct strv *ret, struct err *e)
{
	for (size_t i = 0; i < k->n; i++)
		if (sign(&k->items[i], b, ret, e) < 0)
			return -1;
	return 0;
}

int sign_registration(const struct sign_keys *k, const struct store_registration *r,
		      struct strv *ret, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(FINGERPRINT_MAX);

	if (!k->n)
		return 0;
	return fingerprint(r, &b, e) < 0 ? -1 : sign_all(k, &b, ret, e);
}

int sign_realisation(const struct sign_keys *k, const struct store_realisation *r, struct strv *ret,
		     struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(FINGERPRINT_MAX);

	if (!k->n)
		return 0;
	/* Nothing in it that JSON would escape: hashes, and names as store paths may have. */
	if (buf_addf(&b, e, "{\"dependentRealisations\":{},\"id\":\"%s!%s\",\"outPath\":\"%s\"}",
		     r->drv_hash, r->output, str_base(r->path)) < 0)
		return -1;
	return sign_all(k, &b, ret, e);
}
