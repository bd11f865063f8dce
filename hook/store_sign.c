/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/store_sign.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "nar/ed25519.h"
#include "nar/io.h"
#include "nar/narinfo.h"
#include "nar/scope.h"

#include "nar/banned.h"

#define KEY_FILE_MAX 4096
#define FINGERPRINT_MAX (64u << 20)

void sign_keys_done(struct sign_keys *k)
{
	for (size_t i = 0; i < k->texts.n; i++)
		OPENSSL_cleanse(k->texts.items[i], strlen(k->texts.items[i]));
	strv_done(&k->texts);
}

/* The key in the LEN bytes at TEXT, which came from FILE. */
static int key_add(struct sign_keys *keys, const char *text, size_t len, const char *file,
		   struct err *e)
{
	struct err why = ERR_INIT;

	while (len && strchr(" \t\r\n", text[len - 1]))
		len--;
	if (strv_addn(&keys->texts, text, len, e) < 0)
		return -1;
	if (ed25519_secret_check(keys->texts.items[keys->texts.n - 1], &why) == 0)
		return 0;
	return err_set(e, why.kind, "%s, in '%s' of the setting 'secret-key-files'", why.msg, file);
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
	int rc = key_add(keys, b.data, b.len, file, e);
	OPENSSL_cleanse(b.data, b.len);
	return rc;
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

/*
 * What is signed of a registration is what is signed of a narinfo, whose references are base names.
 */
static int fingerprint(const struct store_registration *r, struct buf *b, struct err *e)
{
	scoped_free char **bases = mem_new(r->refs->n + 1, sizeof(char *), e);

	if (!bases)
		return -1;
	for (size_t i = 0; i < r->refs->n; i++)
		bases[i] = (char *)(uintptr_t)str_base(r->refs->items[i]);
	const struct narinfo n = {
		.store_path = (char *)(uintptr_t)r->path,
		.nar_hash = r->nar_sha256,
		.nar_size_bytes = r->nar_size_bytes,
		.refs = {.items = bases, .n = r->refs->n},
	};
	return narinfo_fingerprint(&n, b, e);
}

static int sign_all(const struct sign_keys *k, const struct buf *b, struct strv *ret, struct err *e)
{
	for (size_t i = 0; i < k->texts.n; i++)
		if (strv_take(ret, ed25519_sign(k->texts.items[i], b->data, b->len, e), e) < 0)
			return -1;
	return 0;
}

int sign_registration(const struct sign_keys *k, const struct store_registration *r,
		      struct strv *ret, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(FINGERPRINT_MAX);

	if (!k->texts.n)
		return 0;
	return fingerprint(r, &b, e) < 0 ? -1 : sign_all(k, &b, ret, e);
}

int sign_realisation(const struct sign_keys *k, const struct store_realisation *r, struct strv *ret,
		     struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(FINGERPRINT_MAX);

	if (!k->texts.n)
		return 0;
	/* Nothing in it that JSON would escape: hashes, and names as store paths may have. */
	if (buf_addf(&b, e, "{\"dependentRealisations\":{},\"id\":\"%s!%s\",\"outPath\":\"%s\"}",
		     r->drv_hash, r->output, str_base(r->path)) < 0)
		return -1;
	return sign_all(k, &b, ret, e);
}
